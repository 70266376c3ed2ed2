//! The words of the project as types: parsing and rules, no I/O.
//!
//! Data goes one way: a [`Push`] is resolved to a [`Source`], planned as a [`Plan`], judged with a
//! [`Verdict`] and shown as a [`CheckState`] and a [`StatusState`].

pub mod budget;
mod cached_image;
mod claim;
mod commit;
pub mod compose;
mod digest;
mod evidence;
mod expected;
mod git_ref;
mod id;
mod image;
mod image_config;
mod image_facts;
mod order;
mod pattern;
mod plan;
mod platform;
mod policy;
mod push;
mod reference;
mod registered_app;
mod repo;
mod report;
mod results;
pub mod structure;
pub mod terminal;
mod verdict;

pub use cached_image::CachedImage;
pub use claim::{Claim, Fate, JudgedClaim, Place};
pub use commit::{CommitSha, InvalidCommitSha};
pub use digest::Digest;
pub use evidence::{Binding, Evidence, Source};
pub use expected::{Arrival, Expectation, Expected, WaitEnd};
pub use git_ref::{GitRef, RefRule};
pub use id::{DeliveryId, InvalidId, PushId, RunId};
pub use image::{ImageName, InvalidReference, Tag};
pub use image_config::ImageConfig;
pub use image_facts::ImageFacts;
pub use order::Order;
pub use pattern::{BranchPattern, FilePattern, ImagePattern, TagPattern};
pub use plan::{Limits, Network, Plan, Profile, Step, StepKind, is_secret_name};
pub use platform::Platform;
pub use policy::{Channels, Policy, WhenUnsure};
pub use push::{Decision, Ignored, Push};
pub use reference::ImageReference;
pub use registered_app::RegisteredApp;
pub use repo::{InstallationId, InvalidRepoName, Repo, RepoId, RepoName, Visibility};
pub use report::{Annotation, CheckState, Conclusion, Progress, RERUN_ACTION, StatusState, StatusValue};
pub use results::{Counts, FailedTest, Remark, RemarkLevel, SourcePlace, TestResults};
pub(crate) use verdict::{Bytes, Elapsed};
pub use verdict::{Cause, Lacked, Outcome, StepResult, Verdict};
