//! Stories about the whole house and its larger parts.

#[cfg(test)]
mod github;
