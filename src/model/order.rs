//! What the operator asks for.

use serde::{Deserialize, Serialize};

use super::RunId;

/// Something to be done to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "order", rename_all = "snake_case")]
pub enum Order {
    /// Test the same digest once more, or wait once more for an image.
    Rerun {
        /// A finished run, or a wait that is over.
        run: RunId,
    },
    /// Stop it where it is.
    Cancel {
        /// A run that is not finished, or a wait.
        run: RunId,
    },
}
