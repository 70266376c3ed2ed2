//! What is to be tested in an image, and within which bounds: from what its repository declares, below the
//! operator's ceilings.

pub mod compose;
mod declaration;
mod expect;
mod file;
mod label;
mod sources;
mod structure;
mod values;
mod yaml;

use std::time::Duration;

use crate::config::Docker;
use crate::model::compose::Project;
use crate::model::structure::Suite;
use crate::model::{ImageName, Limits, Network, Plan, Profile, Step, StepKind};

pub use compose::Files;
pub use declaration::{Declaration, check_suffix};
pub use file::{File, PATH};
pub use label::TEST_LABEL;
pub use sources::{Needed, Sources, Variables, image_variables, variables};
pub use yaml::{FileError, MAX_BYTES};

use compose::{Setting, Unread};
use declaration::{Doing, Test, WantedLimits};

/// Letters of a step's name where it is made of its command.
const LONGEST_MADE_NAME: usize = 60;

/// What a repository says, and where it says it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Said<'a> {
    /// The file on the default branch: who may speak, and how it is judged.
    pub on_default: Option<&'a File>,
    /// The file at the commit under test: what is tested.
    pub at_commit: Option<&'a File>,
    /// The image's own label [`TEST_LABEL`]: what is tested where no file says it.
    pub label: Option<&'a str>,
    /// Does only a fork hold the commit? Then its tests are held as tightly as can be.
    pub of_fork: bool,
    /// What is known of the repository's other files.
    pub sources: &'a Sources,
    /// A person's own choice, in place of all tests.
    pub chosen: Option<&'a Chosen>,
}

/// What a person chose to have tested, whatever is declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// `docker run IMAGE ARGS…`
    Arguments(Vec<String>),
    /// A Compose file.
    Compose(String),
    /// container-structure-test files.
    Structure {
        /// In this order.
        files: Vec<String>,
        /// Is a `$NAME` in their commands replaced?
        compat: bool,
    },
}

/// A plan, and what was asked for in vain.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// What is to be tested.
    pub plan: Plan,
    /// Sentences for the check: what the repository asked for and does not get, and why.
    pub notes: Vec<String>,
    /// What somebody must mend before anything can be run.
    pub problem: Option<String>,
}

/// The plan for an image: the tests of the commit where its file names the image, else those of the default branch,
/// else the Compose files of Docker Hub's convention, else what the image's own label says, else
/// `docker run IMAGE test`. All else comes from the default branch, and never exceeds the operator's ceilings.
///
/// Fails where something of the repository must be read first: it is put among the [`Sources`] then.
pub fn plan(docker: &Docker, image: &ImageName, said: Said<'_>) -> Result<Planned, Needed> {
    let mut notes = Vec::new();
    let declared = said.on_default.and_then(|file| file.of(image));
    let of_commit = said.at_commit.and_then(|file| file.of(image));
    notes.extend(unheard(image, said));
    let bounds = declared.cloned().unwrap_or_default();
    let limits = limits(docker, bounds.limits(), &mut notes);
    let mut planner = Planner {
        image,
        at_commit: of_commit.is_some(),
        sources: said.sources,
        ceiling: limits.timeout,
        notes: &mut notes,
    };
    let made = match (said.chosen, of_commit.or(declared).and_then(Declaration::tests)) {
        (Some(chosen), _) => planner.chosen(chosen),
        (None, Some(tests)) => planner.steps(tests),
        (None, None) => planner.discovered(said.label),
    };
    let (steps, problem) = match made {
        Ok(steps) => (steps, None),
        Err(Stop::Problem(why)) => (Vec::new(), Some(why)),
        Err(Stop::Needs(needed)) => return Err(needed),
    };
    Ok(Planned {
        plan: Plan {
            steps,
            profile: profile(docker, bounds.profile(), said.of_fork, &mut notes),
            network: network(docker, bounds.network(), &mut notes),
            limits,
        },
        notes,
        problem,
    })
}

/// What the file at the commit says in vain, because only the default branch is asked.
fn unheard(image: &ImageName, said: Said<'_>) -> Option<String> {
    let at_commit = said.at_commit?;
    let nothing = File::default();
    let on_default = said.on_default.unwrap_or(&nothing);
    let images: Vec<String> = at_commit
        .images()
        .filter(|pattern| !on_default.images().any(|known| known == *pattern))
        .map(|pattern| format!("`{pattern}`"))
        .collect();
    let keys: Vec<String> = match (at_commit.of(image), on_default.of(image)) {
        (Some(wanted), Some(declared)) => wanted.guarded_differences(declared),
        (Some(wanted), None) => wanted.guarded_differences(&Declaration::default()),
        (None, _) => Vec::new(),
    }
    .into_iter()
    .map(|key| format!("`{key}`"))
    .collect();
    let differences: Vec<String> = [
        (!images.is_empty()).then(|| format!("declares {}", images.join(", "))),
        (!keys.is_empty()).then(|| format!("differs in {}", keys.join(", "))),
    ]
    .into_iter()
    .flatten()
    .collect();
    (!differences.is_empty()).then(|| {
        format!(
            "{PATH} at this commit {}: that is read on the default branch alone, and has no effect here",
            differences.join(" and ")
        )
    })
}

/// Why there are no steps yet.
enum Stop {
    /// Somebody must mend something: a sentence.
    Problem(String),
    /// Something must be read first.
    Needs(Needed),
}

/// Makes steps of what is said.
struct Planner<'a, 'n> {
    image: &'a ImageName,
    /// Are files read at the commit, and not on the default branch?
    at_commit: bool,
    sources: &'a Sources,
    /// The limit of a step's time.
    ceiling: Duration,
    notes: &'n mut Vec<String>,
}

impl Planner<'_, '_> {
    /// The steps where no file names any.
    fn discovered(&mut self, label: Option<&str>) -> Result<Vec<Step>, Stop> {
        let Some(root) = &self.sources.root else {
            return Err(Stop::Needs(Needed::root(self.at_commit)));
        };
        let mut steps = Vec::new();
        for file in root.iter().filter(|name| compose::is_test_file(name)) {
            match self.compose(file) {
                Ok(project) => steps.push(step(file.clone(), StepKind::Compose { project })),
                Err(Unread::NoSut) => self.notes.push(format!(
                    "{file} has no service `sut`: by Docker Hub's convention it is no test, and is passed over"
                )),
                Err(other) => return Err(self.stop(other, file)),
            }
        }
        if !steps.is_empty() {
            return Ok(steps);
        }
        let args = match label {
            None => vec!["test".to_owned()],
            Some(text) => self.labelled(text).map_err(Stop::Problem)?,
        };
        Ok(vec![run(args)])
    }

    fn chosen(&mut self, chosen: &Chosen) -> Result<Vec<Step>, Stop> {
        match chosen {
            Chosen::Arguments(args) => Ok(vec![run(args.clone())]),
            Chosen::Compose(file) => {
                let project = self.compose(file).map_err(|unread| self.stop(unread, file))?;
                Ok(vec![step(file.clone(), StepKind::Compose { project })])
            }
            Chosen::Structure { files, compat } => files
                .iter()
                .map(|file| {
                    let suite = self.structure(file, *compat)?;
                    Ok(step(file.clone(), StepKind::Structure { suite }))
                })
                .collect(),
        }
    }

    fn structure(&mut self, file: &str, compat: bool) -> Result<Suite, Stop> {
        match self.sources.files.get(file) {
            None => Err(Stop::Needs(Needed::file(file.to_owned(), self.at_commit))),
            Some(None) => Err(Stop::Problem(format!(
                "{file}: there is no such file in the repository"
            ))),
            Some(Some(text)) => {
                structure::read(file, text, (self.at_commit, compat), self.notes).map_err(Stop::Problem)
            }
        }
    }

    fn labelled(&mut self, text: &str) -> Result<Vec<String>, String> {
        let said = label::read(text, self.image)?;
        if !said.unheard.is_empty() {
            let options: Vec<String> = said.unheard.iter().map(|name| format!("`{name}`")).collect();
            self.notes.push(format!(
                "the image's label {TEST_LABEL} asks for {}: only what follows the image is taken",
                options.join(", ")
            ));
        }
        Ok(said.args)
    }

    fn compose(&mut self, file: &str) -> Result<Project, Unread> {
        let setting = Setting {
            image: self.image,
            variables: &self.sources.variables,
            files: &self.sources.files,
            at_commit: self.at_commit,
        };
        compose::read(file, setting, self.notes)
    }

    fn stop(&self, unread: Unread, file: &str) -> Stop {
        match unread {
            Unread::Needs(path) => Stop::Needs(Needed::file(path, self.at_commit)),
            Unread::Refused(why) => Stop::Problem(why),
            Unread::NoSut => Stop::Problem(format!(
                "{file} has no service `sut`: the one whose exit code decides is called so"
            )),
        }
    }

    fn steps(&mut self, tests: &[Test]) -> Result<Vec<Step>, Stop> {
        let mut steps: Vec<Step> = Vec::with_capacity(tests.len());
        for test in tests {
            let kind = match test.doing() {
                Doing::Run(words) => StepKind::Run {
                    args: words.0.clone(),
                    entrypoint: test.entrypoint.as_ref().map(|words| words.0.clone()),
                    env: test.env.clone(),
                },
                Doing::Compose(file) => StepKind::Compose {
                    project: self.compose(file).map_err(|unread| self.stop(unread, file))?,
                },
                Doing::Structure { file, compat } => StepKind::Structure {
                    suite: self.structure(file, compat)?,
                },
                Doing::Healthy(within) => StepKind::Healthy { within },
            };
            let made = match &kind {
                StepKind::Run { args, .. } => made_name(args),
                StepKind::Compose { project } => project.file.clone(),
                StepKind::Structure { suite } => suite.file.clone(),
                StepKind::Healthy { .. } => "healthy".to_owned(),
            };
            let name = test.name.clone().unwrap_or_else(|| {
                unique(made, |name| {
                    steps.iter().any(|step| step.name == name)
                        || tests.iter().any(|test| test.name.as_deref() == Some(name))
                })
            });
            if test.timeout.is_some_and(|timeout| timeout > self.ceiling) {
                self.notes.push(format!(
                    "the timeout of `{name}` is above the limit of its steps, which stands"
                ));
            }
            steps.push(Step {
                timeout: test.timeout.filter(|timeout| *timeout < self.ceiling),
                reports: test.reports.clone(),
                ..step(name, kind)
            });
        }
        Ok(steps)
    }
}

/// `docker run IMAGE ARGS…`
fn run(args: Vec<String>) -> Step {
    let name = made_name(&args);
    let kind = StepKind::Run {
        args,
        entrypoint: None,
        env: [].into(),
    };
    step(name, kind)
}

fn step(name: String, kind: StepKind) -> Step {
    Step {
        name,
        kind,
        timeout: None,
        reports: Vec::new(),
    }
}

/// The command as a name.
fn made_name(words: &[String]) -> String {
    let name: String = words
        .join(" ")
        .chars()
        .map(|char| if char.is_control() { ' ' } else { char })
        .take(LONGEST_MADE_NAME)
        .collect();
    match name.trim() {
        "" => "the image's own command".to_owned(),
        name => name.to_owned(),
    }
}

/// `name`, with a number behind it where it is taken.
fn unique(name: String, is_taken: impl Fn(&str) -> bool) -> String {
    if !is_taken(&name) {
        return name;
    }
    // Of as many names as there can be tests, and one more, one is free.
    (2..=values::MOST_TESTS + 2)
        .map(|number| format!("{name} ({number})"))
        .find(|name| !is_taken(name))
        .unwrap_or(name)
}

fn profile(docker: &Docker, wanted: Option<Profile>, of_fork: bool, notes: &mut Vec<String>) -> Profile {
    if of_fork {
        notes.push("the commit is a fork's: its tests are held by the profile `strict`".to_owned());
        return Profile::Strict;
    }
    match (docker.profile, wanted) {
        (Profile::Strict, Some(Profile::Compatible)) => {
            notes.push(
                "`profile: compatible` is looser than the operator's `strict`, which stands".to_owned(),
            );
            Profile::Strict
        }
        (Profile::Compatible, Some(wanted)) => wanted,
        (operators, _) => operators,
    }
}

fn network(docker: &Docker, wanted: Network, notes: &mut Vec<String>) -> Network {
    if wanted == Network::Bridge && !docker.network {
        notes.push(
            "`network: bridge` is not open to repositories here: the operator's `network` is off".to_owned(),
        );
        return Network::None;
    }
    wanted
}

/// What is wanted, below the operator's ceilings.
fn limits(docker: &Docker, wanted: &WantedLimits, notes: &mut Vec<String>) -> Limits {
    fn below<T: PartialOrd + Copy>(
        key: &'static str,
        wanted: Option<T>,
        ceiling: T,
        over: &mut Vec<&'static str>,
    ) -> T {
        match wanted {
            Some(wanted) if wanted <= ceiling => wanted,
            Some(_) => {
                over.push(key);
                ceiling
            }
            None => ceiling,
        }
    }
    let ceilings = &docker.limits;
    let mut over = Vec::new();
    let limits = Limits {
        timeout: below("timeout", wanted.timeout, ceilings.timeout, &mut over),
        idle_timeout: below(
            "idle_timeout",
            wanted.idle_timeout,
            ceilings.idle_timeout,
            &mut over,
        ),
        memory_bytes: below("memory", wanted.memory, ceilings.memory, &mut over),
        nano_cpus: nano_cpus(below("cpus", wanted.cpus, ceilings.cpus, &mut over)),
        pids: below("pids", wanted.pids, ceilings.pids, &mut over),
        disk_bytes: below("disk", wanted.disk, ceilings.disk, &mut over),
    };
    if !over.is_empty() {
        let keys: Vec<String> = over.iter().map(|key| format!("`{key}`")).collect();
        notes.push(format!(
            "{} in `limits`: more than the operator allows, whose ceiling stands",
            keys.join(", ")
        ));
    }
    limits
}

/// Billionths of a processor, as the Engine counts them.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a checked, small, positive number"
)]
fn nano_cpus(cpus: f64) -> u64 {
    (cpus.clamp(0.01, 4096.0) * 1e9).round() as u64
}

#[cfg(test)]
mod tests;
