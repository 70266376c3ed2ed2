//! The few lines of a workflow that would make an image's commit better known.

use crate::model::{Evidence, ImageName, Policy};

/// What to do, and the steps of a GitHub Actions job that do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mend {
    /// Why, and what: a sentence.
    pub why: &'static str,
    /// YAML: steps of a job, and the permissions that they need.
    pub workflow: String,
}

/// What would mend weak evidence; `None` where the commit is known well enough, and for certain.
pub fn mend(image: &ImageName, evidence: Evidence, policy: &Policy) -> Option<Mend> {
    let why = if policy.is_dirty {
        "The image was built from changes that are in no commit. A job that checks the commit out and builds that has none."
    } else if evidence == Evidence::Conflict {
        "One build should name one commit: let a single job set the labels and build."
    } else if evidence < policy.require && policy.require == Evidence::Verified {
        "A verified commit is asked for: the job that pushes the image has to sign what it built."
    } else if evidence < policy.require || evidence == Evidence::Inferred {
        "The image does not name its commit in full. Built with these labels and this provenance it does."
    } else {
        return None;
    };
    let signed = policy.require == Evidence::Verified;
    Some(Mend {
        why,
        workflow: workflow(image, signed),
    })
}

fn workflow(image: &ImageName, signed: bool) -> String {
    let permissions = if signed {
        "permissions: { contents: read, id-token: write, attestations: write }\n"
    } else {
        ""
    };
    let sign = if signed {
        format!(
            "  - uses: actions/attest-build-provenance@v3
    with:
      subject-name: {image}
      subject-digest: ${{{{ steps.push.outputs.digest }}}}
"
        )
    } else {
        String::new()
    };
    format!(
        "{permissions}steps:
  - uses: docker/metadata-action@v5
    id: meta
    with: {{ images: {image} }}
  - uses: docker/build-push-action@v6
    id: push
    with:
      push: true
      provenance: mode=max
      tags: ${{{{ steps.meta.outputs.tags }}}}
      labels: ${{{{ steps.meta.outputs.labels }}}}
{sign}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(evidence: Evidence, require: Evidence, is_dirty: bool) -> Option<Mend> {
        let policy = Policy {
            require,
            is_dirty,
            ..Policy::default()
        };
        mend(&"ghcr.io/acme/app".parse().unwrap(), evidence, &policy)
    }

    #[test]
    fn what_is_known_well_enough_needs_no_mending() {
        for (evidence, require) in [
            (Evidence::Claimed, Evidence::Claimed),
            (Evidence::Built, Evidence::Claimed),
            (Evidence::Verified, Evidence::Verified),
        ] {
            assert_eq!(mended(evidence, require, false), None);
        }
    }

    #[test]
    fn weak_evidence_is_mended_by_labels_and_provenance_and_by_a_signature_where_one_is_asked_for() {
        for (evidence, require, is_dirty) in [
            (Evidence::Inferred, Evidence::Inferred, false),
            (Evidence::Inferred, Evidence::Claimed, false),
            (Evidence::Claimed, Evidence::Built, false),
            (Evidence::Conflict, Evidence::Claimed, false),
            (Evidence::Claimed, Evidence::Claimed, true),
        ] {
            let mend = mended(evidence, require, is_dirty).unwrap();
            assert!(mend.workflow.contains("labels: ${{ steps.meta.outputs.labels }}"));
            assert!(mend.workflow.contains("provenance: mode=max"));
            assert!(!mend.workflow.contains("attest"), "{}", mend.workflow);
        }
        let mend = mended(Evidence::Built, Evidence::Verified, false).unwrap();
        assert!(mend.workflow.contains("subject-name: ghcr.io/acme/app\n"));
        assert!(mend.workflow.contains("attestations: write"));
        assert!(
            mend.workflow
                .contains("subject-digest: ${{ steps.push.outputs.digest }}")
        );
    }
}
