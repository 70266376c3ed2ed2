//! The words of the project as types: parsing and rules, no I/O.
//!
//! Data goes one way: a [`Push`] is resolved to a [`Source`], planned as a [`Plan`], judged with a
//! [`Verdict`] and shown as a [`CheckState`] and a [`StatusState`].

mod cached_image;
mod claim;
mod commit;
mod digest;
mod evidence;
mod id;
mod image;
mod plan;
mod platform;
mod push;
mod repo;
mod report;
pub mod terminal;
mod verdict;

pub use cached_image::CachedImage;
pub use claim::{Claim, Fate, JudgedClaim, Place};
pub use commit::{CommitSha, InvalidCommitSha};
pub use digest::Digest;
pub use evidence::{Binding, Evidence, Source};
pub use id::{DeliveryId, InvalidId, PushId, RunId};
pub use image::{ImageName, InvalidReference, Tag};
pub use plan::{Limits, Network, Plan, Profile, Step, StepKind};
pub use platform::Platform;
pub use push::{Decision, Ignored, Push};
pub use repo::{InstallationId, InvalidRepoName, Repo, RepoId, RepoName, Visibility};
pub use report::{CheckState, Conclusion, Progress, StatusState, StatusValue};
pub(crate) use verdict::{Bytes, Elapsed};
pub use verdict::{Cause, Outcome, StepResult, Verdict};
