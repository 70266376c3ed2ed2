//! From files to one tree: variables replaced, `include` and `extends` resolved within the repository.

use indexmap::IndexMap;

use super::interpolate::{Unset, Variables, env_file, interpolate};
use super::tree::{self, Kind, Node};
use super::{MOST_FILES, Refusal, Setting, Unread, repository_path, rules};

/// Files that lead to files.
const DEEPEST: usize = 5;

/// Services and what else a file defines, each with the file that it came from.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) services: IndexMap<String, Sourced>,
    /// `volumes`, `configs` and `secrets`, by section and name.
    pub(super) defined: IndexMap<(&'static str, String), Sourced>,
}

/// A part of a file.
#[derive(Clone, Debug)]
pub(super) struct Sourced {
    pub(super) file: String,
    pub(super) node: Node,
}

/// Is this a test by Docker Hub's convention?
pub(in crate::plan) fn is_test_file(name: &str) -> bool {
    [".test.yml", "-test.yml", ".test.yaml", "-test.yaml"]
        .iter()
        .any(|end| name.ends_with(end))
}

pub(super) fn load(path: &str, setting: Setting<'_>, notes: &mut Vec<String>) -> Result<Loaded, Unread> {
    let mut loader = Loader {
        setting,
        notes,
        files: 0,
    };
    loader.file(path, 0)
}

struct Loader<'s, 'n> {
    setting: Setting<'s>,
    notes: &'n mut Vec<String>,
    files: usize,
}

impl<'s> Loader<'s, '_> {
    /// A file's text.
    fn text(&mut self, path: &str) -> Result<Option<&'s str>, Unread> {
        self.files += 1;
        if self.files > MOST_FILES {
            return Err(Unread::Refused(format!(
                "{path}: more than {MOST_FILES} files belong to it"
            )));
        }
        match self.setting.files.get(path) {
            None => Err(Unread::Needs(path.to_owned())),
            Some(text) => Ok(text.as_deref()),
        }
    }

    fn file(&mut self, path: &str, depth: usize) -> Result<Loaded, Unread> {
        let refuse = |line, why| Refusal::at(line, why).in_file(path);
        if depth > DEEPEST {
            return Err(refuse(
                1,
                "files include each other more than five deep".to_owned(),
            ));
        }
        let Some(text) = self.text(path)? else {
            return Err(Unread::Refused(format!(
                "{path}: there is no such file in the repository"
            )));
        };
        let mut file = tree::read(text).map_err(|(line, why)| refuse(line, why))?;
        self.interpolate(path, &mut file)?;
        rules::check_top(&file).map_err(|refusal| refusal.in_file(path))?;
        let mut loaded = Loaded::default();
        for (included, line) in includes(&file) {
            let included = repository_path(path, &included).map_err(|why| refuse(line, why))?;
            loaded
                .add(self.file(&included, depth + 1)?)
                .map_err(|name| refuse(line, format!("`{name}` of {included} is there already")))?;
        }
        let sourced = |node: &Node| Sourced {
            file: path.to_owned(),
            node: node.clone(),
        };
        for section in ["volumes", "configs", "secrets"] {
            for (name, node) in file.get(section).and_then(Node::map).into_iter().flatten() {
                loaded.defined.insert((section, name.clone()), sourced(node));
            }
        }
        for (name, node) in services(&file).map_err(|refusal| refusal.in_file(path))? {
            rules::check_service(&name, node).map_err(|refusal| refusal.in_file(path))?;
            let service = self.extended(path, &name, sourced(node), depth)?;
            loaded.services.insert(name, service);
        }
        Ok(loaded)
    }

    /// Replaces the variables of a file. The repository's `.env` is only read where it is needed.
    fn interpolate(&mut self, path: &str, file: &mut Node) -> Result<(), Unread> {
        let mut unset = Unset::default();
        let offered = self.setting.variables;
        let mut replaced = replace(file.clone(), offered, &mut unset);
        if unset.any {
            let own = self.text(&repository_path(path, ".env").unwrap_or_default())?;
            // What the push says comes first, as the shell's environment does for Compose.
            let mut variables: Variables = own.map(env_file).unwrap_or_default();
            variables.extend(offered.clone());
            unset = Unset::default();
            replaced = replace(file.clone(), &variables, &mut unset);
        }
        *file = replaced.map_err(|(line, why)| Refusal::at(line, why).in_file(path))?;
        if !unset.empty.is_empty() {
            let names: Vec<String> = unset.empty.iter().map(|name| format!("`{name}`")).collect();
            self.notes.push(format!(
                "{path}: {} has no value here, and is empty",
                names.join(", ")
            ));
        }
        Ok(())
    }

    /// A service with what it extends, which may lie in another file.
    fn extended(
        &mut self,
        path: &str,
        name: &str,
        service: Sourced,
        depth: usize,
    ) -> Result<Sourced, Unread> {
        let Some(extends) = service.node.get("extends") else {
            return Ok(service);
        };
        let line = extends.line;
        let refuse = |why| Refusal::at(line, why).in_file(path);
        let (other, file) = match extends.map() {
            None => (extends.text(), None),
            Some(_) => (
                extends.get("service").and_then(Node::text),
                extends.get("file").and_then(Node::text),
            ),
        };
        let Some(other) = other else {
            return Err(refuse(format!(
                "service `{name}` does not say which service it extends"
            )));
        };
        if depth >= DEEPEST {
            return Err(refuse(
                "services extend each other more than five deep".to_owned(),
            ));
        }
        let from = match file {
            None => path.to_owned(),
            Some(file) => repository_path(path, &file).map_err(&refuse)?,
        };
        let text = self
            .text(&from)?
            .ok_or_else(|| refuse(format!("there is no file {from} in the repository")))?;
        let mut tree = tree::read(text).map_err(|(line, why)| Refusal::at(line, why).in_file(&from))?;
        self.interpolate(&from, &mut tree)?;
        let found = services(&tree).map_err(|refusal| refusal.in_file(&from))?;
        let Some((_, base)) = found.into_iter().find(|(name, _)| *name == other) else {
            return Err(refuse(format!("there is no service `{other}` in {from}")));
        };
        rules::check_service(&other, base).map_err(|refusal| refusal.in_file(&from))?;
        let base = Sourced {
            file: from.clone(),
            node: base.clone(),
        };
        let base = self.extended(&from, &other, base, depth + 1)?;
        let mut merged = rebased(base.node, &from, path).map_err(&refuse)?;
        merge(&mut merged, service.node);
        Ok(Sourced {
            file: service.file,
            node: merged,
        })
    }
}

impl Loaded {
    /// Takes in what an included file defines; a name that is there already is given back.
    fn add(&mut self, other: Self) -> Result<(), String> {
        for (name, service) in other.services {
            if self.services.insert(name.clone(), service).is_some() {
                return Err(name);
            }
        }
        self.defined.extend(other.defined);
        Ok(())
    }
}

fn replace(mut file: Node, variables: &Variables, unset: &mut Unset) -> Result<Node, (u64, String)> {
    file.each_text(&mut |text, line| interpolate(text, variables, unset).map_err(|why| (line, why)))?;
    Ok(file)
}

/// The services: under their key, or as the whole of a file of the first version.
fn services(file: &Node) -> Result<Vec<(String, &Node)>, Refusal> {
    let none = || {
        Refusal::at(
            file.line,
            "it is no Compose file: there are no `services` in it".to_owned(),
        )
    };
    let all = file.map().ok_or_else(none)?;
    let listed = match all.get("services") {
        Some(services) => services.map().ok_or_else(none)?,
        None if all.contains_key("include") => return Ok(Vec::new()),
        // The first version has no other keys than its services.
        None if !all.contains_key("version") && all.values().any(is_service) => all,
        None => return Err(none()),
    };
    Ok(listed.iter().map(|(name, node)| (name.clone(), node)).collect())
}

fn is_service(node: &Node) -> bool {
    node.get("image").is_some() || node.get("build").is_some()
}

/// Paths under `include`, in each of its forms.
fn includes(file: &Node) -> Vec<(String, u64)> {
    let Some(include) = file.get("include") else {
        return Vec::new();
    };
    let entries = include.list().unwrap_or(std::slice::from_ref(include));
    entries
        .iter()
        .flat_map(|entry| entry.get("path").unwrap_or(entry).texts())
        .collect()
}

/// Lays `over` upon `base`: mappings are merged, lists of a service are joined, all else is replaced.
fn merge(base: &mut Node, over: Node) {
    match (&mut base.kind, over.kind) {
        (Kind::Map(below), Kind::Map(above)) => {
            for (key, node) in above {
                match below.get_mut(&key) {
                    // What is run is never put together of two halves.
                    Some(there) if !matches!(key.as_str(), "command" | "entrypoint" | "test" | "build") => {
                        merge(there, node);
                    }
                    _ => {
                        below.insert(key, node);
                    }
                }
            }
            below.shift_remove("extends");
        }
        (Kind::List(below), Kind::List(above)) => below.extend(above),
        (kind, above) => *kind = above,
    }
}

/// A service of another file, with its relative paths as they read from this one: both are led to the root.
fn rebased(mut service: Node, from: &str, to: &str) -> Result<Node, String> {
    let folder = |file: &str| {
        file.rsplit_once('/')
            .map_or(String::new(), |(folder, _)| folder.to_owned())
    };
    if folder(from) == folder(to) {
        return Ok(service);
    }
    if let Kind::Map(map) = &mut service.kind
        && let Some(key) = ["volumes", "env_file", "build"]
            .iter()
            .find(|key| map.contains_key(**key))
    {
        return Err(format!(
            "it extends a service of another folder whose `{key}` is relative to that: write it here"
        ));
    }
    Ok(service)
}
