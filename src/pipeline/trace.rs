//! What a digest leads to: its commit, what is tested for it, and how that is judged.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::Pipeline;
use super::worker::JobError;
use crate::clock::UnixMillis;
use crate::github::{Content, Standing};
use crate::model::{
    Binding, Claim, CommitSha, Digest, Evidence, Fate, ImageFacts, ImageName, JudgedClaim, Platform, Policy,
    Repo, Source, Tag, Visibility,
};
use crate::plan::{self, Declaration, File, Needed, Planned, Said, Sources, Variables, check_suffix};
use crate::registry::{Access, ImageDetails, NotRunnable};
use crate::report::status_context;
use crate::resolve::{Bindings, Bound, Found, Image, Patience, Setback, Subject, built_at, claims};
use crate::store::{Declared, NewRun, Run};

/// Why a digest leads to no run: the world's doing, or ours.
pub(super) enum Lost {
    Setback(Setback),
    Job(JobError),
}

impl<E: Into<Setback>> From<E> for Lost {
    fn from(error: E) -> Self {
        Self::Setback(error.into())
    }
}

impl From<JobError> for Lost {
    fn from(error: JobError) -> Self {
        Self::Job(error)
    }
}

/// A pushed digest.
pub(super) struct Seen<'a> {
    pub(super) image: &'a ImageName,
    pub(super) tag: &'a Tag,
    /// Of the index, where there is one.
    pub(super) digest: &'a Digest,
    /// When the registry was asked.
    pub(super) at: UnixMillis,
    /// How long something has stood in its way.
    pub(super) waited: Duration,
    /// Whom it may speak for.
    pub(super) bound: &'a Bound,
}

/// The image for a platform may be pushed after that for another, under the same tag: it is waited for so long.
const PLATFORM_ARRIVES: Duration = Duration::from_mins(2);

/// What a repository's default branch says of an image.
struct Terms {
    /// The last file that could be read.
    file: Option<File>,
    /// What is wrong with the one that stands there now.
    problem: Option<String>,
    /// What is said of the image; that of a repository that says nothing, if so.
    declared: Declaration,
}

impl Terms {
    /// How the runs of a tag are judged and told. `beside`: on a platform that is not the Engine's.
    fn policy(&self, tag: &Tag, beside: Option<&Platform>) -> Policy {
        let beside = beside.map(ToString::to_string);
        Policy {
            require: self.declared.require(tag),
            when_unsure: self.declared.when_unsure(),
            report: self.declared.report(),
            publish_private_logs: self.declared.publishes_private_logs(),
            suffix: check_suffix(self.declared.variant(tag), beside.as_deref()),
            ..Policy::default()
        }
    }
}

/// A digest with the repository that it speaks for.
struct Case<'a> {
    seen: &'a Seen<'a>,
    repo: &'a Repo,
    binding: Binding,
    /// Of the image.
    visibility: Visibility,
    terms: &'a Terms,
    /// Why the image could not be read.
    unread: Option<&'a str>,
    /// With what right the repository may read it.
    access: Access,
}

impl Pipeline {
    /// The repositories that an image may speak for.
    pub(super) async fn bound(&self, image: &ImageName) -> Result<Bound, Lost> {
        let bindings = self.resolver.bindings();
        let declarers = if bindings.repo_of(image).is_some() {
            Vec::new()
        } else {
            let declarers = self.store().declarers_of(image).await.map_err(JobError::from)?;
            declarers.into_iter().map(|declared| declared.repo).collect()
        };
        if let Some(bound) = bindings.bound(image, declarers) {
            return Ok(bound);
        }
        Err(Lost::Setback(
            if self.store().is_indexing().await.map_err(JobError::from)? {
                Setback::Passing {
                    why: "what the repositories declare is being read".to_owned(),
                    after: None,
                    patience: Patience::GiveUp,
                }
            } else {
                Setback::Final(Bindings::why_unbound(image))
            },
        ))
    }

    /// The runs that a digest leads to: one for each platform that is tested.
    pub(super) async fn trace(self: &Arc<Self>, seen: &Seen<'_>) -> Result<Vec<NewRun>, Lost> {
        let engine = self.parts.runner.platform().await?;
        let access = self.resolver.bindings().access(seen.image, seen.bound);
        let details = self.inspect(seen, &engine, access).await?;
        let (visibility, repo) = match seen.bound {
            // The operator's word does not depend on who may pull the image: both are asked at once.
            Bound::Operator(_) => tokio::join!(
                self.visibility(seen, access),
                self.repo(seen, &details, Visibility::Private)
            ),
            Bound::Declared(_) => {
                let visibility = self.visibility(seen, access).await;
                (visibility, self.repo(seen, &details, visibility).await)
            }
        };
        let repo = repo?;
        let binding = seen.bound.binding();
        let may_pull = self
            .resolver
            .bindings()
            .access_of(seen.image, binding, &repo.name);
        if details.unfit.is_none() {
            // The pull begins beside the look-ups for the commit; the run's own pull joins it.
            self.pull_ahead(seen.image, &details.digest, may_pull);
        }
        let terms = self.terms(&repo, seen.image).await?;
        if let Some(why) = terms.declared.declines(seen.tag) {
            return Err(Setback::Final(why).into());
        }
        let case = Case {
            seen,
            repo: &repo,
            binding,
            visibility,
            terms: &terms,
            unread: None,
            access: may_pull,
        };
        let mut wanted = terms.declared.platforms();
        if wanted.is_empty() {
            wanted = std::slice::from_ref(&engine);
        }
        let is_for_the_engine = wanted.iter().any(|platform| engine.runs(platform));
        if let Some(missing) = details.unfit.as_ref().filter(|_| is_for_the_engine) {
            still_arriving(missing, seen.waited)?;
        }
        let mut runs = Vec::with_capacity(wanted.len());
        for platform in wanted {
            let beside = (!engine.runs(platform)).then_some((platform, &engine));
            let mut of_platform = match beside {
                None => details.clone(),
                Some(_) => self.inspect(seen, platform, may_pull).await?,
            };
            // What is not in the image is shown under the name by which it was asked for.
            if of_platform.unfit.is_some() {
                of_platform.platform = platform.clone();
            }
            runs.push(self.new_run(&case, of_platform, beside).await?);
        }
        disagree(&mut runs);
        Ok(runs)
    }

    /// What an image leads to that cannot be read: a check that says so, where the tag alone names a commit and the
    /// image is one that the repository may use. Else the delivery says it.
    pub(super) async fn trace_unread(&self, seen: &Seen<'_>, why: &str) -> Result<NewRun, Lost> {
        let repo = self
            .resolver
            .repo(seen.image, seen.bound, &[], Visibility::Private)
            .await?;
        let terms = self.terms(&repo, seen.image).await?;
        if terms.declared.declines(seen.tag).is_some() {
            return Err(Setback::Final(why.to_owned()).into());
        }
        let case = Case {
            seen,
            repo: &repo,
            binding: seen.bound.binding(),
            visibility: Visibility::Private,
            terms: &terms,
            unread: Some(why),
            access: Access::Anonymous,
        };
        let engine = self.parts.runner.platform().await?;
        let details = ImageDetails::unread(seen.digest.clone(), engine);
        self.new_run(&case, details, None).await
    }

    async fn inspect(
        &self,
        seen: &Seen<'_>,
        platform: &Platform,
        access: Access,
    ) -> Result<ImageDetails, Setback> {
        self.resolver
            .inspect(seen.image, seen.digest, platform, access)
            .await
    }

    /// What everybody's rights sufficed to read is public.
    async fn visibility(&self, seen: &Seen<'_>, access: Access) -> Visibility {
        match access {
            Access::Anonymous => Visibility::Public,
            Access::Configured => self.resolver.visibility(seen.image, seen.digest).await,
        }
    }

    async fn repo(
        &self,
        seen: &Seen<'_>,
        details: &ImageDetails,
        visibility: Visibility,
    ) -> Result<Repo, Setback> {
        let claims = claims::collect(details);
        self.resolver
            .repo(seen.image, seen.bound, &claims, visibility)
            .await
    }

    /// What a repository's default branch says; read now if it never was.
    async fn terms(&self, repo: &Repo, image: &ImageName) -> Result<Terms, Lost> {
        let known = self.store().declared_by(repo.id).await.map_err(JobError::from)?;
        let Declared { good, problem, .. } = match known {
            Some(known) => known,
            None => self.read_declaration(repo).await??,
        };
        let file = good.map(|text| File::parse(&text));
        // One that a former version could read and this one cannot is as good as broken.
        let (file, problem) = match file {
            Some(Ok(file)) => (Some(file), problem),
            Some(Err(error)) => (None, problem.or_else(|| Some(error.to_string()))),
            None => (None, problem),
        };
        let declared = file.as_ref().and_then(|file| file.of(image)).cloned();
        Ok(Terms {
            file,
            problem,
            declared: declared.unwrap_or_default(),
        })
    }

    /// `beside`: a platform that is not the Engine's, and the Engine's.
    async fn new_run(
        &self,
        case: &Case<'_>,
        details: ImageDetails,
        beside: Option<(&Platform, &Platform)>,
    ) -> Result<NewRun, Lost> {
        let Case {
            seen,
            repo,
            binding,
            visibility,
            terms,
            unread,
            ..
        } = *case;
        let found = self.commit(case, &details).await?;
        let (planned, problem) = self.plan(case, &details, &found.commit).await?;
        let unfit = beside
            .filter(|(wanted, engine)| !engine.can_run(wanted))
            .map(|(wanted, engine)| format!("this Docker Engine runs {engine}, and not {wanted}"))
            .or_else(|| details.unfit.as_ref().map(ToString::to_string));
        let conflict = (found.evidence == Evidence::Conflict)
            .then(|| "the image's claims name different commits: build it with one revision".to_owned());
        let hidden = self.parts.runner.hidden();
        let blocked = unread.map(str::to_owned).or_else(|| terms.problem.clone());
        let notes = found.notes.into_iter().chain(planned.notes);
        let policy = Policy {
            notes: notes.map(|note| hidden.text(&note)).collect(),
            is_unread: unread.is_some(),
            blocked: blocked.or(problem).or(unfit).map(|why| hidden.text(&why)),
            is_dirty: found.is_dirty,
            ..terms.policy(seen.tag, beside.map(|(platform, _)| platform))
        };
        let settled = conflict
            .map(|why| policy.unsure(why))
            .or_else(|| policy.blocked_verdict());
        let facts = (unread.is_none()).then(|| {
            ImageFacts::new(details.size_bytes, &details.layers, &details.config, |text| {
                hidden.text(text)
            })
        });
        Ok(NewRun {
            facts,
            source: Source {
                repo: repo.clone(),
                commit: found.commit,
                evidence: found.evidence,
                binding,
            },
            image: seen.image.clone(),
            image_visibility: visibility,
            digest: details.digest,
            pushed: seen.digest.clone(),
            platform: details.platform,
            claims: found.claims.into_iter().map(|claim| self.shown(claim)).collect(),
            plan: planned.plan,
            context: status_context(seen.image, policy.suffix.as_deref()),
            policy,
            tag: seen.tag.clone(),
            seen_at: seen.at,
            settled,
        })
    }

    /// What is known of a run's commit by now: signatures come after the image.
    pub(super) async fn known_by_now(&self, run: &Run) -> Result<Found, Lost> {
        let Source { repo, binding, .. } = &run.source;
        let bound = match binding {
            Binding::Operator => Bound::Operator(repo.name.clone()),
            Binding::Declared | Binding::None => Bound::Declared(vec![repo.clone()]),
        };
        let tags = self.store().tags_of(run.id).await.map_err(JobError::from)?;
        let tag = tags
            .last()
            .ok_or_else(|| JobError::Nonsense(format!("run {} has no tag", run.id)))?;
        let seen = Seen {
            image: &run.image,
            tag: &tag.tag,
            digest: &run.pushed,
            at: run.created_at,
            waited: Duration::ZERO,
            bound: &bound,
        };
        let access = self
            .resolver
            .bindings()
            .access_of(seen.image, *binding, &repo.name);
        let details = self.inspect(&seen, &run.platform, access).await?;
        let case = Case {
            seen: &seen,
            repo,
            binding: *binding,
            visibility: run.image_visibility,
            terms: &self.terms(repo, seen.image).await?,
            unread: None,
            access,
        };
        let found = self.commit(&case, &details).await?;
        Ok(Found {
            claims: found.claims.into_iter().map(|claim| self.shown(claim)).collect(),
            ..found
        })
    }

    async fn commit(&self, case: &Case<'_>, details: &ImageDetails) -> Result<Found, Setback> {
        let Case { seen, terms, .. } = *case;
        let reference = terms.declared.reference(seen.tag);
        let pushed_at = Timestamp::from_millisecond(seen.at).unwrap_or_default();
        let image = Image::read(details, built_at(details.created.as_deref(), pushed_at))
            .tagged(seen.tag, reference.as_ref());
        let image = if case.unread.is_some() {
            image
        } else {
            let subject = Subject::of(seen.image, details, case.access);
            image.signed(subject, terms.declared.require(seen.tag))
        };
        self.resolver.commit(case.repo, case.binding, image).await
    }

    /// What is tested at a commit, or what is wrong with the file there.
    async fn plan(
        &self,
        case: &Case<'_>,
        details: &ImageDetails,
        commit: &CommitSha,
    ) -> Result<(Planned, Option<String>), Lost> {
        let Case { repo, terms, .. } = *case;
        let github = &self.parts.github;
        let (content, standing) = tokio::join!(
            github.file_at(repo, plan::PATH, commit),
            self.resolver.standing(repo, commit)
        );
        let at_commit = match content? {
            Content::Text { text, .. } => File::parse(&text).map(Some).map_err(|error| error.to_string()),
            Content::Unusable(why) => Err(format!("{}: {why}", plan::PATH)),
            Content::Absent | Content::Unchanged => Ok(None),
        };
        let label = details.config.labels.get(plan::TEST_LABEL);
        let label = label.map(|text| self.parts.runner.hidden().text(text));
        let said = Said {
            on_default: terms.file.as_ref(),
            at_commit: at_commit.as_ref().ok().and_then(Option::as_ref),
            label: label.as_deref(),
            // Whoever is not known gets no more than a stranger.
            of_fork: standing? != Standing::Repository,
            ..Said::default()
        };
        let planned = self.plan_with_sources(case, commit, said).await?;
        let problem = at_commit.err().map(|why| format!("at this commit, {why}"));
        let problem = problem.or_else(|| planned.problem.clone());
        Ok((planned, problem))
    }

    /// Makes the plan, and reads of the repository whatever it needs for that.
    async fn plan_with_sources(
        &self,
        case: &Case<'_>,
        commit: &CommitSha,
        said: Said<'_>,
    ) -> Result<Planned, Setback> {
        let mut sources = Sources {
            variables: self.variables(case, commit).await?,
            ..Sources::default()
        };
        loop {
            let said = Said {
                sources: &sources,
                ..said
            };
            match plan::plan(&self.parts.docker, case.seen.image, said) {
                Ok(planned) => return Ok(planned),
                Err(Needed {
                    file: None,
                    at_commit,
                }) => {
                    sources.root = Some(self.root(case.repo, at_commit.then_some(commit)).await?);
                }
                Err(Needed {
                    file: Some(path),
                    at_commit,
                }) => {
                    let text = self.source(case.repo, at_commit.then_some(commit), &path).await?;
                    sources.files.insert(path, text);
                }
            }
        }
    }

    /// What Docker Hub offers to tests.
    async fn variables(&self, case: &Case<'_>, commit: &CommitSha) -> Result<Variables, Setback> {
        let (repo, seen) = (case.repo, case.seen);
        let known = self.parts.github.commit(repo, commit).await?;
        let message = known.map(|commit| commit.message).unwrap_or_default();
        let reference = case.terms.declared.reference(seen.tag);
        let branch = reference.as_ref().map(|reference| {
            let name = reference.as_str();
            name.split_once('/').map_or(name, |(_, name)| name).to_owned()
        });
        let branch = branch.unwrap_or_else(|| repo.default_branch.clone());
        Ok(plan::variables(seen.image, seen.tag, commit, &branch, &message))
    }

    /// The names of the files at the repository's root, sorted; without a commit those of the default branch.
    async fn root(&self, repo: &Repo, at: Option<&CommitSha>) -> Result<Vec<String>, Setback> {
        let mut names = self.parts.github.root(repo, at).await?;
        names.sort();
        Ok(names)
    }

    /// A file's text; `None`: there is none, or it is no text.
    async fn source(
        &self,
        repo: &Repo,
        at: Option<&CommitSha>,
        path: &str,
    ) -> Result<Option<String>, Setback> {
        let github = &self.parts.github;
        let content = match at {
            Some(commit) => github.file_at(repo, path, commit).await?,
            None => github.file(repo, path, None).await?,
        };
        Ok(match content {
            Content::Text { text, .. } if text.len() <= plan::MAX_BYTES => Some(text),
            _ => None,
        })
    }

    /// A claim with nothing in it to hide: people put everything into labels.
    fn shown(&self, judged: JudgedClaim) -> JudgedClaim {
        let hidden = self.parts.runner.hidden();
        let text = |text: Option<String>| text.map(|text| hidden.text(&text));
        JudgedClaim {
            claim: Claim {
                source: text(judged.claim.source),
                revision: text(judged.claim.revision),
                ..judged.claim
            },
            fate: match judged.fate {
                Fate::Ignored(why) => Fate::Ignored(hidden.text(&why)),
                fate => fate,
            },
        }
    }

    fn pull_ahead(self: &Arc<Self>, image: &ImageName, digest: &Digest, access: Access) {
        let (image, digest) = (image.clone(), digest.clone());
        // The others are pulled when their runs come to it.
        let Ok(slot) = self.ahead.slots.clone().try_acquire_owned() else {
            return;
        };
        let pipeline = self.clone();
        self.ahead.tasks.spawn(async move {
            let pull = async {
                let source = pipeline.pull_source(&image, &digest, access).await;
                pipeline.bring(&source).await
            };
            let pulled = pipeline.ahead.stop.run_until_cancelled(Box::pin(pull)).await;
            if let Some(Err(error)) = pulled {
                tracing::debug!(%error, "a pull ahead of its run failed; the run tries again");
            }
            drop(slot);
        });
    }
}

/// It is too early to miss a platform that a later push of the tag may bring.
fn still_arriving(missing: &NotRunnable, waited: Duration) -> Result<(), Setback> {
    let left = PLATFORM_ARRIVES.saturating_sub(waited);
    if left.is_zero() || !missing.may_arrive() {
        return Ok(());
    }
    Err(Setback::Passing {
        why: missing.to_string(),
        after: Some(left),
        patience: Patience::GiveUp,
    })
}

/// Platforms of one image that name different commits: none of them is to be believed.
fn disagree(runs: &mut [NewRun]) {
    let first = runs.first().map(|run| run.source.commit.clone());
    if runs.iter().all(|run| Some(&run.source.commit) == first.as_ref()) {
        return;
    }
    for run in runs {
        run.source.evidence = Evidence::Conflict;
        let why = "the image's platforms name different commits: build all of them from one".to_owned();
        run.settled = Some(run.policy.unsure(why));
    }
}
