//! What the simulated GitHub answers: a reply, or a refusal in GitHub's own words.

use http::StatusCode;
use serde_json::{Value, json};

use super::world::Access;

/// An answer that is not a refusal.
#[derive(Clone, Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) body: Value,
    pub(super) headers: Vec<(&'static str, String)>,
    /// Did something that people see on GitHub change?
    pub(super) changed: bool,
}

impl Reply {
    pub(super) fn ok(body: Value) -> Self {
        Self {
            status: StatusCode::OK,
            body,
            headers: Vec::new(),
            changed: false,
        }
    }

    pub(super) fn created(body: Value) -> Self {
        Self {
            status: StatusCode::CREATED,
            ..Self::ok(body)
        }
    }

    /// Marks a reply to a request that changed what people see.
    pub(super) fn changed(self) -> Self {
        Self {
            changed: true,
            ..self
        }
    }
}

/// A refusal: `{"message": …, "errors": …, "documentation_url": …}`.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    message: String,
    errors: Vec<Value>,
    headers: Vec<(&'static str, String)>,
}

impl Refusal {
    pub(super) fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            errors: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// A body that the endpoint's schema does not allow.
    pub(super) fn schema(reason: impl std::fmt::Display) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("Invalid request.\n\n{reason}"),
        )
    }

    /// A body that a rule behind the schema does not allow.
    pub(super) fn rule(resource: &str, field: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let mut refusal = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "Validation Failed");
        refusal.errors.push(json!({
            "resource": resource, "field": field, "code": "custom", "message": message,
        }));
        refusal
    }

    pub(super) fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "Not Found")
    }

    pub(super) fn no_commit(sha: &str) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            format!("No commit found for SHA: {sha}"),
        )
    }

    /// The permission that would be enough stands in a header: `checks=write`.
    pub(super) fn not_permitted(permission: &str, access: Access) -> Self {
        let access = match access {
            Access::Read => "read",
            Access::Write => "write",
        };
        Self::new(StatusCode::FORBIDDEN, "Resource not accessible by integration")
            .with_header("x-accepted-github-permissions", format!("{permission}={access}"))
    }

    pub(super) fn with_header(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        let mut body = json!({
            "message": refusal.message,
            "documentation_url": "https://docs.github.com/rest",
            "status": refusal.status.as_u16().to_string(),
        });
        if !refusal.errors.is_empty() {
            body["errors"] = Value::Array(refusal.errors);
        }
        Self {
            status: refusal.status,
            body,
            headers: refusal.headers,
            changed: false,
        }
    }
}
