//! The ledger: every request that reached the simulated GitHub, in order.

use http::{Method, StatusCode};
use serde_json::Value;

use crate::model::InstallationId;

/// Who a request said to be, and was believed to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// No `Authorization` at all.
    Nobody,
    /// Something that is neither a good App token nor a good installation token.
    Refused,
    /// The App itself.
    App,
    /// The App in an account.
    Installation(InstallationId),
}

/// One request and what was answered.
#[derive(Clone, Debug)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Who asked.
    pub caller: Caller,
    /// The body, where it is JSON.
    pub body: Option<Value>,
    /// What was answered. `None`: the connection was dropped.
    pub status: Option<StatusCode>,
    /// Did it change what people see on GitHub? Also where the answer was lost on its way.
    pub wrote: bool,
}
