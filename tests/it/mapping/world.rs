//! The world in which all rows stand: a repository with its history, and a registry.

use std::collections::BTreeMap;

use hubcheck::config::{self, ImageBinding};
use hubcheck::demo::github::{GitHub, NewCommit, SimulatedApp};
use hubcheck::demo::images::{Content, INDEX, Image, ImageBuilder, IndexBuilder, MANIFEST};
use hubcheck::github;
use hubcheck::model::{CommitSha, Digest, Evidence, GitRef, ImageName, Platform, RepoName, Tag, Visibility};
use hubcheck::net::Trust;
use hubcheck::plan::File;
use hubcheck::registry::{Access, RegistryClient};
use hubcheck::resolve::{Bindings, Found, Resolver, Setback, Subject, built_at};
use hubcheck::signature::Verifier;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Attested, Bound, Expected, Layout, Lies, Over, Required, Row, Signature, Signer, Told};
use crate::support::images::attestation_manifest;
use crate::support::registry::Registry;
use crate::support::sigstore::{GITHUB, Sigstore, Workflow};

/// What a row came to.
#[derive(Debug)]
pub(super) struct Outcome(Result<Found, String>);

/// GitHub, the registry, and the resolver between them.
pub(super) struct World {
    github: GitHub,
    client: github::GitHub,
    registry: Registry,
    reader: RegistryClient,
    repo: RepoName,
    /// `S` → its SHA.
    commits: BTreeMap<&'static str, CommitSha>,
    pull: u64,
    sigstore: Sigstore,
    verifier: Verifier,
}

impl World {
    /// The history that the README beside the rows describes.
    pub(super) async fn new() -> Self {
        let github = GitHub::start(SimulatedApp::default()).await.unwrap();
        let (old, repo): (RepoName, RepoName) = ("acme/old".parse().unwrap(), "acme/app".parse().unwrap());
        github.add_repo(&old, Visibility::Public);
        github.rename(&old, &repo);
        github.add_repo(&"acme/other".parse().unwrap(), Visibility::Public);
        let mut commits = BTreeMap::new();
        let mut commit = |name: &'static str, message: &str, minute: i64, parents: Option<&[CommitSha]>| {
            let noon: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
            let new = NewCommit {
                message,
                parents,
                committed_at: Some(noon + jiff::SignedDuration::from_mins(minute)),
                ..NewCommit::default()
            };
            let sha = github.make_commit(&repo, &new).unwrap();
            commits.insert(name, sha.clone());
            sha
        };
        let base = commit("B", "the first", 0, None);
        commit("X", "the second", 10, None);
        let newest = commit("S", "the newest", 60, None);
        let earlier = commit("E", "on a branch", 61, Some(std::slice::from_ref(&base)));
        let head = commit("H", "on top of it", 62, Some(std::slice::from_ref(&earlier)));
        let sides = [base.clone(), head.clone()];
        let stranger = commit("F", "of a fork", 63, Some(std::slice::from_ref(&base)));
        commit("N", "of a fork that asks for nothing", 64, Some(&sides[..1]));
        commit("M", &format!("Merge {head} into {base}"), 65, Some(&sides));
        let merged = commit("O", "Merge branch 'feature/x' into develop", 66, Some(&sides));
        let queued = commit("Q", "Merge pull request #7 from acme/feature/x", 67, Some(&sides));
        commits.insert("GONE", "d0".repeat(20).parse().unwrap());
        github.set_branch(&repo, "feature/x", &head);
        github.set_branch(&repo, "develop", &merged);
        github.set_branch(&repo, "gh-readonly-queue/main/pr-7-abc", &queued);
        github.set_tag(&repo, "v1.2.3", &newest);
        let pull = github.open_pull(&repo, &head, false);
        github.open_pull(&repo, &stranger, true);

        let registry = Registry::start();
        let mirror = config::Registry {
            endpoint: Some(format!("http://{}", registry.host()).parse().unwrap()),
            ..config::Registry::default()
        };
        let trust = Trust::new(&config::Config::defaults().net).unwrap();
        let reader = RegistryClient::new(&[("docker.io".to_owned(), mirror)].into(), &trust, None).unwrap();
        let sigstore = Sigstore::new();
        Self {
            verifier: Verifier::trusting(&sigstore.root()).unwrap(),
            sigstore,
            client: github::GitHub::new(&github.config().unwrap(), &trust).unwrap(),
            github,
            registry,
            reader,
            repo,
            commits,
            pull,
        }
    }

    /// A row's text with commits, the pull request and the base image in it: `{S}`, `{S:7}`, `{S:upper:7}`.
    pub(super) fn filled_in(&self, text: &str, base: &str) -> String {
        let name = regex::Regex::new(r"\{([A-Z]+)(:upper)?(?::(\d+))?\}").unwrap();
        let fill = |found: &regex::Captures<'_>| {
            let value = match &found[1] {
                "PULL" => self.pull.to_string(),
                "BASE" => base.to_owned(),
                name => self.commits[name].to_string(),
            };
            let value = if found.get(2).is_some() {
                value.to_uppercase()
            } else {
                value
            };
            let length = found.get(3).and_then(|digits| digits.as_str().parse().ok());
            value
                .chars()
                .take(length.unwrap_or(usize::MAX))
                .collect::<String>()
        };
        name.replace_all(text, fill).into_owned()
    }

    /// Puts a base image into the registry, and says its digest's digits.
    pub(super) async fn push_base(&self, told: &Told) -> String {
        let text = |map: &BTreeMap<String, String>| {
            let filled = map
                .iter()
                .map(|(key, value)| (key.clone(), self.filled_in(value, "")));
            filled.collect::<BTreeMap<_, _>>()
        };
        let told = Told {
            labels: text(&told.labels),
            ..Told::default()
        };
        let image = image(&told);
        let digest = self.registry.push("acme/base", "1", &image).await;
        digest.as_str().strip_prefix("sha256:").unwrap().to_owned()
    }

    /// What the resolver makes of a row.
    pub(super) async fn resolve(&self, row: &Row) -> Outcome {
        let name: ImageName = "acme/app".parse().unwrap();
        let image = image(&row.image);
        let digest = self.registry.push("acme/app", "row", &image).await;
        for signature in &row.image.signatures {
            self.sign(signature, &image).await;
        }
        let found = self.found(row, &name, &digest).await;
        Outcome(found.map_err(|setback| match setback {
            Setback::Passing { why, .. } | Setback::Final(why) => why,
        }))
    }

    /// Puts a signature where it lies.
    async fn sign(&self, told: &Signature, image: &Image) {
        let other = Digest::of(b"another image");
        let child = |number: usize| image.children.get(number).map_or(&other, |child| &child.digest);
        let subject = match told.over {
            Over::Top => image.digest(),
            Over::Manifest => child(0),
            Over::Attestation => child(1),
            Over::Other => &other,
        };
        let own = self.github.repo_id(&self.repo).unwrap();
        let (issuer, repo) = match told.by {
            Signer::Own => (GITHUB, own),
            Signer::Other => (GITHUB, hubcheck::model::RepoId(own.0 + 1)),
            Signer::Stranger => ("https://login.example", own),
        };
        let workflow = Workflow {
            issuer,
            repo,
            source: "https://github.com/acme/app",
            commit: &told.commit.parse().unwrap(),
        };
        // A statement about another image is found beside this one.
        let beside = match told.over {
            Over::Other => image.digest(),
            _ => subject,
        };
        let mut bundle = self.sigstore.bundle(&workflow, subject);
        if told.altered {
            let entry = bundle.pointer_mut("/verificationMaterial/tlogEntries/0").unwrap();
            entry["integratedTime"] = json!("1767225601");
        }
        match told.lies {
            Lies::Github => self.github.attest(&self.repo, beside, &bundle, true),
            Lies::Packed => self.github.attest(&self.repo, beside, &bundle, false),
            Lies::Referrer => {
                let (manifest, index) = referrer(&bundle, beside);
                let tag = beside.as_str().replace(':', "-");
                let digest = manifest.digest().to_string();
                self.registry.push("acme/app", &digest, &manifest).await;
                self.registry.push("acme/app", &tag, &index).await;
            }
            Lies::Cosign => {
                let (envelope, annotations) = self.sigstore.cosigned(&workflow, subject);
                let tag = format!("{}.att", beside.as_str().replace(':', "-"));
                let manifest = single(
                    Content::new("application/vnd.dsse.envelope.v1+json", envelope.to_string()),
                    &json!({ "annotations": annotations }),
                    &json!({}),
                );
                self.registry.push("acme/app", &tag, &manifest).await;
            }
        }
    }

    async fn found(&self, row: &Row, name: &ImageName, digest: &Digest) -> Result<Found, Setback> {
        let operator = ImageBinding {
            name: name.clone(),
            repo: self.repo.clone(),
            env: [].into(),
            mask: None,
        };
        let (images, declarers) = match row.binding {
            Bound::Operator => (vec![operator], Vec::new()),
            Bound::Declared => (Vec::new(), vec![self.client.repo(&self.repo).await.unwrap()]),
            Bound::None => (Vec::new(), Vec::new()),
        };
        let bindings = Bindings::new(&images, &BTreeMap::new());
        let Some(bound) = bindings.bound(name, declarers) else {
            return Err(Setback::Final(Bindings::why_unbound(name)));
        };
        // The rows call GitHub by its own name, wherever the simulated one listens.
        let github_host = "github.com".to_owned();
        let resolver = Resolver::new(
            self.reader.clone(),
            self.client.clone(),
            bindings,
            github_host,
            self.verifier.clone(),
        );
        let here = Platform::of_this_machine();
        let details = resolver.inspect(name, digest, &here, Access::Anonymous).await?;
        let claims = hubcheck::resolve::claims::collect(&details);
        let repo = resolver.repo(name, &bound, &claims, Visibility::Public).await?;
        let tag: Tag = row.tag.parse().unwrap();
        let rule = rule(row, name, &tag);
        let built_at = built_at(details.created.as_deref(), Timestamp::now());
        let require = match row.require {
            Required::Claimed => Evidence::Claimed,
            Required::Verified => Evidence::Verified,
        };
        let image = hubcheck::resolve::Image::read(&details, built_at)
            .tagged(&tag, rule.as_ref())
            .signed(Subject::of(name, &details, Access::Anonymous), require);
        let found = resolver.commit(&repo, bound.binding(), image).await?;
        resolver.standing(&repo, &found.commit).await?;
        Ok(found)
    }
}

/// What the tag stands for by the rules of a file that has these.
fn rule(row: &Row, name: &ImageName, tag: &Tag) -> Option<GitRef> {
    let file = format!("images:\n  {name}:\n    refs: {}\n", json!(row.refs));
    File::parse(&file).unwrap().of(name)?.reference(tag)
}

impl Outcome {
    pub(super) fn is(&self, expected: &Expected) -> bool {
        match (&self.0, expected) {
            (Err(why), Expected::Unmapped { unmapped }) => why.contains(unmapped.as_str()),
            (
                Ok(found),
                Expected::Commit {
                    commit,
                    evidence,
                    dirty,
                    merged_with,
                    note,
                },
            ) => {
                let base = found.merge.as_ref().map(|merge| merge.base.to_string());
                found.commit.as_str() == commit
                    && found.evidence.as_str() == evidence
                    && found.is_dirty == *dirty
                    && base == *merged_with
                    && note
                        .as_ref()
                        .is_none_or(|words| found.notes.iter().any(|note| note.contains(words)))
            }
            _ => false,
        }
    }
}

/// An image as a row tells of it: an index, where anything is said beside the manifest.
fn image(told: &Told) -> Image {
    let mut builder = ImageBuilder::for_this_host();
    if !told.signatures.is_empty() {
        // No other row's image: what is signed of that one is not of this one.
        builder = builder.label("org.example.row", &format!("{:?}", told.signatures));
    }
    for (key, value) in &told.labels {
        builder = builder.label(key, value);
    }
    for (key, value) in &told.annotations {
        builder = builder.annotation(key, value);
    }
    if let Some(created) = &told.created {
        builder = builder.created(created);
    }
    let image = builder.build();
    let is_alone = told.provenance.is_none()
        && told.descriptor_annotations.is_empty()
        && told.index_annotations.is_empty();
    if is_alone {
        return image;
    }
    let beside: Vec<(&str, &str)> = told
        .descriptor_annotations
        .iter()
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .collect();
    let mut index = IndexBuilder::default().annotated_image(&image, &beside);
    for (key, value) in &told.index_annotations {
        index = index.annotation(key, value);
    }
    if let Some(attested) = &told.provenance {
        index = index.attestation(&attestation(attested, image.digest()), image.digest());
    }
    index.build()
}

fn attestation(attested: &Attested, subject: &Digest) -> Image {
    let hex = |digest: &Digest| digest.as_str().strip_prefix("sha256:").unwrap().to_owned();
    let statement = json!({
        "_type": attested.statement_type,
        "predicateType": attested.predicate_type,
        "subject": [{
            "name": "pkg:docker/acme/app@row",
            "digest": { "sha256": attested.subject.clone().unwrap_or_else(|| hex(subject)) },
        }],
        "predicate": attested.predicate,
    });
    let artifact_of = matches!(attested.layout, Layout::Artifact).then_some(subject);
    attestation_manifest(&statement, artifact_of)
}

/// A manifest of one layer, with more keys for the layer and for itself.
fn single(layer: Content, of_layer: &Value, of_manifest: &Value) -> Image {
    let config = Content::new("application/vnd.oci.empty.v1+json", "{}");
    let mut manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": { "mediaType": config.media_type, "digest": config.digest, "size": config.bytes.len() },
        "layers": [{ "mediaType": layer.media_type, "digest": layer.digest, "size": layer.bytes.len() }],
    });
    let add = |to: &mut Value, more: &Value| {
        let more = more.as_object().unwrap().clone();
        to.as_object_mut().unwrap().extend(more);
    };
    add(&mut manifest["layers"][0], of_layer);
    add(&mut manifest, of_manifest);
    let mut image = Image::raw(MANIFEST, manifest.to_string());
    image.blobs = vec![config, layer];
    image
}

/// A bundle that refers to what it is about, and the index that says so under a tag.
fn referrer(bundle: &Value, subject: &Digest) -> (Image, Image) {
    const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let manifest = single(
        Content::new(BUNDLE, bundle.to_string()),
        &json!({}),
        &json!({
            "artifactType": BUNDLE,
            "subject": { "mediaType": MANIFEST, "digest": subject, "size": 1 },
        }),
    );
    let index = json!({
        "schemaVersion": 2,
        "mediaType": INDEX,
        "manifests": [{
            "mediaType": MANIFEST,
            "artifactType": BUNDLE,
            "digest": manifest.digest(),
            "size": manifest.top.bytes.len(),
        }],
    });
    (manifest, Image::raw(INDEX, index.to_string()))
}
