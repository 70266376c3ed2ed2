//! From the tree to the model: each service that `sut` needs, in the order in which they start.

use std::collections::BTreeMap;
use std::path::Path;

use compose_spec::service::healthcheck::Test;
use compose_spec::service::volumes::into_long_iter;
use compose_spec::service::volumes::mount::Mount as Volume;
use compose_spec::service::{
    Command, Condition as Wanted, ConfigOrSecret, DependsOn, Healthcheck as Check, NetworkConfig,
};
use compose_spec::{ItemOrList, ListOrMap, ShortOrLong};

use super::interpolate::env_file;
use super::load::{Loaded, Sourced};
use super::rules::OBEYED;
use super::tree::{Kind, Node};
use super::{Refusal, Setting, Unread, repository_path};
use crate::model::ImageReference;
use crate::model::compose::{
    Condition, Dependency, Healthcheck, Mount, MountSource, Project, Service, ServiceImage,
};

/// Services that are run together: each is a container of its own.
const MOST_SERVICES: usize = 10;

/// Keys that are read from the tree itself: what they mean depends on the repository.
const READ_HERE: [&str; 6] = [
    "build",
    "extends",
    "image",
    "network_mode",
    "volumes_from",
    "links",
];

/// The services that `sut` needs.
pub(super) fn project(path: &str, loaded: &Loaded, setting: Setting<'_>) -> Result<Project, Unread> {
    if !loaded.services.contains_key(Project::SUT) {
        return Err(Unread::NoSut);
    }
    let mut reader = Reader {
        loaded,
        setting,
        done: Vec::new(),
        under_way: Vec::new(),
    };
    reader.service(Project::SUT)?;
    Ok(Project {
        file: path.to_owned(),
        services: reader.done,
        at_commit: setting.at_commit,
    })
}

struct Reader<'a> {
    loaded: &'a Loaded,
    setting: Setting<'a>,
    /// Each after those that it depends on.
    done: Vec<Service>,
    under_way: Vec<String>,
}

impl Reader<'_> {
    /// Reads a service after those that it depends on.
    fn service(&mut self, name: &str) -> Result<(), Unread> {
        if self.done.iter().any(|service| service.name == name) {
            return Ok(());
        }
        let Some(sourced) = self.loaded.services.get(name) else {
            return Err(Unread::Refused(format!(
                "there is no service `{name}` that another one depends on"
            )));
        };
        let refuse = |why| Refusal::at(sourced.node.line, why).in_file(&sourced.file);
        if self.under_way.iter().any(|other| other == name) {
            return Err(refuse(format!("service `{name}` depends on itself")));
        }
        if self.under_way.len() + self.done.len() >= MOST_SERVICES {
            return Err(refuse(format!("`sut` needs more than {MOST_SERVICES} services")));
        }
        let typed = typed(name, &sourced.node).map_err(|refusal| refusal.in_file(&sourced.file))?;
        let depends_on = dependencies(&typed.depends_on, &links(&sourced.node));
        self.under_way.push(name.to_owned());
        for dependency in &depends_on {
            if !self.loaded.services.contains_key(&dependency.service) {
                let needed = &dependency.service;
                return Err(refuse(format!(
                    "there is no service `{needed}`, on which `{name}` depends"
                )));
            }
            self.service(&dependency.service)?;
        }
        self.under_way.pop();
        let service = self.read(name, sourced, typed, depends_on)?;
        self.done.push(service);
        self.name_links(&sourced.node);
        Ok(())
    }

    /// `links: [db:database]` gives `db` another name.
    fn name_links(&mut self, node: &Node) {
        for (link, _) in node.get("links").map(Node::texts).unwrap_or_default() {
            let Some((service, alias)) = link.split_once(':') else {
                continue;
            };
            let found = self.done.iter_mut().find(|found| found.name == service);
            if let Some(found) = found.filter(|found| !found.aliases.iter().any(|known| known == alias)) {
                found.aliases.push(alias.to_owned());
            }
        }
    }

    fn read(
        &self,
        name: &str,
        sourced: &Sourced,
        typed: compose_spec::Service,
        depends_on: Vec<Dependency>,
    ) -> Result<Service, Unread> {
        let Sourced { file, node } = sourced;
        let words = |command: Option<Command>, key: &str| {
            let line = node.get(key).map_or(node.line, |node| node.line);
            let open = || {
                let why = format!("`{key}` of service `{name}` has a quote that is not closed");
                Refusal::at(line, why).in_file(file)
            };
            command.map(|command| words(command).ok_or_else(open)).transpose()
        };
        Ok(Service {
            image: self
                .image(name, sourced)
                .map_err(|refusal| refusal.in_file(file))?,
            entrypoint: words(typed.entrypoint, "entrypoint")?,
            command: words(typed.command, "command")?,
            env: self.env(sourced, typed.environment)?,
            working_dir: typed.working_dir.map(|path| shown(path.as_path())),
            user: typed.user.map(|user| user.to_string()),
            healthcheck: typed.healthcheck.map(healthcheck),
            aliases: aliases(
                name,
                typed.hostname.map(|name| name.to_string()),
                typed.network_config,
            ),
            mounts: self.mounts(
                sourced,
                typed.volumes,
                typed.tmpfs,
                [typed.configs, typed.secrets],
            )?,
            depends_on,
            name: name.to_owned(),
        })
    }

    /// The image under test, or another one.
    fn image(&self, name: &str, Sourced { file, node }: &Sourced) -> Result<ServiceImage, Refusal> {
        if let Some(build) = node.get("build") {
            own_build(name, file, build)?;
            return Ok(ServiceImage::Subject);
        }
        let Some(image) = node.get("image") else {
            return Err(Refusal::at(
                node.line,
                format!("service `{name}` has neither `image` nor `build`"),
            ));
        };
        let text = image.text().unwrap_or_default();
        if text == "this" {
            return Ok(ServiceImage::Subject);
        }
        let reference: ImageReference = text
            .parse()
            .map_err(|error| Refusal::at(image.line, format!("`image` of service `{name}`: {error}")))?;
        if reference.name == *self.setting.image {
            return Ok(ServiceImage::Subject);
        }
        Ok(ServiceImage::Other(text))
    }

    /// `env_file`, and `environment` over it. A name without a value gets what the push offers.
    fn env(
        &self,
        Sourced { file, node }: &Sourced,
        environment: ListOrMap,
    ) -> Result<BTreeMap<String, String>, Unread> {
        let mut env = BTreeMap::new();
        if let Some(files) = node.get("env_file") {
            for entry in files.list().unwrap_or(std::slice::from_ref(files)) {
                let path = entry.get("path").unwrap_or(entry).text().unwrap_or_default();
                let refuse = |why| Refusal::at(entry.line, why).in_file(file);
                let path = repository_path(file, &path).map_err(&refuse)?;
                match self.setting.files.get(&path) {
                    None => return Err(Unread::Needs(path)),
                    Some(Some(text)) => env.extend(env_file(text)),
                    Some(None)
                        if entry
                            .get("required")
                            .is_some_and(|node| node.text().as_deref() == Some("false")) => {}
                    Some(None) => return Err(refuse(format!("there is no file {path} in the repository"))),
                }
            }
        }
        let given = environment.into_map().unwrap_or_default();
        for (name, value) in given {
            let value = match value {
                Some(value) => Some(value.to_string()),
                None => self.setting.variables.get(name.as_str()).cloned(),
            };
            if let Some(value) = value {
                env.insert(name.to_string(), value);
            }
        }
        Ok(env)
    }

    fn mounts(
        &self,
        sourced: &Sourced,
        volumes: compose_spec::service::Volumes,
        tmpfs: Option<ItemOrList<compose_spec::service::AbsolutePath>>,
        [configs, secrets]: [Vec<ShortOrLong<compose_spec::Identifier, ConfigOrSecret>>; 2],
    ) -> Result<Vec<Mount>, Unread> {
        let Sourced { file, node } = sourced;
        let line = |key: &str| node.get(key).map_or(node.line, |node| node.line);
        let mut mounts = Vec::new();
        for volume in into_long_iter(volumes) {
            let mount =
                volume_mount(file, volume).map_err(|why| Refusal::at(line("volumes"), why).in_file(file))?;
            mounts.push(mount);
        }
        for target in tmpfs.map(ItemOrList::into_list).unwrap_or_default() {
            mounts.push(Mount {
                source: MountSource::Memory,
                target: shown(target.as_path()),
            });
        }
        for (section, folder, granted) in [("configs", "/", configs), ("secrets", "/run/secrets/", secrets)] {
            for grant in granted {
                mounts.push(self.grant(sourced, (section, folder), grant)?);
            }
        }
        Ok(mounts)
    }

    /// A config or a secret as the file that the service sees.
    fn grant(
        &self,
        Sourced { file, node }: &Sourced,
        (section, folder): (&'static str, &str),
        grant: ShortOrLong<compose_spec::Identifier, ConfigOrSecret>,
    ) -> Result<Mount, Unread> {
        let (name, target) = match grant {
            ShortOrLong::Short(name) => (name.to_string(), None),
            ShortOrLong::Long(grant) => (grant.source.to_string(), grant.target),
        };
        let line = node.get(section).map_or(node.line, |node| node.line);
        let refuse = |why| Refusal::at(line, why).in_file(file);
        let Some(defined) = self.loaded.defined.get(&(section, name.clone())) else {
            return Err(refuse(format!(
                "there is no `{name}` among the file's `{section}`"
            )));
        };
        let target = target.map_or_else(|| name.clone(), |path| shown(&path));
        let target = if target.starts_with('/') {
            target
        } else {
            format!("{folder}{target}")
        };
        let source = match (
            defined.node.get("content").and_then(Node::text),
            defined.node.get("file").and_then(Node::text),
        ) {
            (Some(text), _) => MountSource::Text(text),
            (None, Some(path)) => {
                MountSource::Repository(repository_path(&defined.file, &path).map_err(refuse)?)
            }
            (None, None) => return Err(refuse(format!("`{name}` among `{section}` names no `file`"))),
        };
        Ok(Mount { source, target })
    }
}

/// The keys that are obeyed, in all their forms, as the specification has them.
fn typed(name: &str, node: &Node) -> Result<compose_spec::Service, Refusal> {
    let mut obeyed = node.clone();
    if let Kind::Map(map) = &mut obeyed.kind {
        map.retain(|key, value| {
            OBEYED.contains(&key.as_str()) && !READ_HERE.contains(&key.as_str()) && value.kind != Kind::Null
        });
    }
    serde_path_to_error::deserialize(obeyed.value()).map_err(|error| {
        let key = error.path().to_string();
        let first = key.split(['.', '[']).next().unwrap_or_default();
        let line = node.get(first).map_or(node.line, |node| node.line);
        Refusal::at(line, format!("`{key}` of service `{name}`: {}", error.inner()))
    })
}

/// Is this a build of the Dockerfile beside the file? The image that was pushed stands for it.
fn own_build(name: &str, file: &str, build: &Node) -> Result<(), Refusal> {
    let another = |node: &Node, what: &str| {
        Err(Refusal::at(
            node.line,
            format!(
                "service `{name}` is built from {what}: only the image that was pushed is run, nothing is built"
            ),
        ))
    };
    let part = |key| build.get(key);
    let context = match build.map() {
        None => Some(build),
        Some(_) => part("context"),
    };
    if let Some(context) = context {
        let text = context.text().unwrap_or_default();
        let own = file.rsplit_once('/').map_or("", |(folder, _)| folder);
        let is_own = repository_path(file, &text).is_ok_and(|path| path == own || path.is_empty());
        if !is_own {
            return another(context, &format!("`{text}`"));
        }
    }
    if let Some(dockerfile) = part("dockerfile")
        && !matches!(dockerfile.text().as_deref(), Some("Dockerfile" | "./Dockerfile"))
    {
        return another(
            dockerfile,
            &format!("`{}`", dockerfile.text().unwrap_or_default()),
        );
    }
    if let Some(target) = part("target") {
        return another(
            target,
            &format!("the stage `{}`", target.text().unwrap_or_default()),
        );
    }
    match part("dockerfile_inline") {
        Some(inline) => another(inline, "a Dockerfile within the file"),
        None => Ok(()),
    }
}

/// The words of a command: a text is split as a shell does, without running one.
fn words(command: Command) -> Option<Vec<String>> {
    match command {
        Command::List(words) => Some(words),
        Command::String(text) => shlex::split(&text),
    }
}

fn links(node: &Node) -> Vec<String> {
    let links = node.get("links").map(Node::texts).unwrap_or_default();
    links
        .into_iter()
        .map(|(link, _)| link.split(':').next().unwrap_or_default().to_owned())
        .collect()
}

/// What `depends_on` and `links` name, each once.
fn dependencies(depends_on: &DependsOn, links: &[String]) -> Vec<Dependency> {
    let mut all: Vec<Dependency> = match depends_on {
        ShortOrLong::Short(services) => services.iter().map(|service| started(service.as_str())).collect(),
        ShortOrLong::Long(services) => services
            .iter()
            .map(|(service, wanted)| Dependency {
                service: service.to_string(),
                condition: match wanted.condition {
                    Wanted::ServiceStarted => Condition::Started,
                    Wanted::ServiceHealthy => Condition::Healthy,
                    Wanted::ServiceCompletedSuccessfully => Condition::Completed,
                },
            })
            .collect(),
    };
    for link in links {
        if !all.iter().any(|known| known.service == *link) {
            all.push(started(link));
        }
    }
    all
}

fn started(service: &str) -> Dependency {
    Dependency {
        service: service.to_owned(),
        condition: Condition::Started,
    }
}

/// Names by which the others reach a service, beside its own.
fn aliases(name: &str, hostname: Option<String>, networks: Option<NetworkConfig>) -> Vec<String> {
    let mut aliases: Vec<String> = hostname.into_iter().collect();
    if let Some(NetworkConfig::Networks(ShortOrLong::Long(networks))) = networks {
        let named = networks
            .into_values()
            .flatten()
            .flat_map(|network| network.aliases);
        aliases.extend(named.map(|alias| alias.to_string()));
    }
    aliases.sort();
    aliases.dedup();
    aliases.retain(|alias| alias != name);
    aliases
}

fn healthcheck(check: Check) -> Healthcheck {
    let none = || vec!["NONE".to_owned()];
    match check {
        Check::Disable => Healthcheck {
            test: none(),
            ..Healthcheck::default()
        },
        Check::Command(command) => Healthcheck {
            test: match command.test {
                None => Vec::new(),
                Some(Test::Command(words)) => [vec!["CMD".to_owned()], words].concat(),
                Some(Test::ShellCommand(line)) => vec!["CMD-SHELL".to_owned(), line],
            },
            interval: command.interval,
            timeout: command.timeout,
            start_period: command.start_period,
            retries: command.retries.and_then(|retries| retries.try_into().ok()),
        },
    }
}

/// What stands under `volumes`, or why it is refused.
fn volume_mount(file: &str, volume: Volume) -> Result<Mount, String> {
    let (source, target) = match volume {
        Volume::Volume(volume) => (
            volume.source.map_or(MountSource::Anonymous, |name| {
                MountSource::Volume(name.to_string())
            }),
            volume.common.target,
        ),
        Volume::Bind(bind) => {
            let path = shown(bind.source.as_path());
            let path = repository_path(file, &path).map_err(|why| format!("`volumes` is refused: {why}"))?;
            (MountSource::Repository(path), bind.common.target)
        }
        Volume::Tmpfs(tmpfs) => (MountSource::Memory, tmpfs.common.target),
        Volume::NamedPipe(_) | Volume::Cluster(_) => {
            return Err(
                "`volumes` is refused: it names neither a volume nor a part of the repository".to_owned(),
            );
        }
    };
    Ok(Mount {
        source,
        target: shown(target.as_path()),
    })
}

fn shown(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
