//! Manifests and configurations by digest, which never change, kept for a while within a bound.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

use super::auth::Key;
use crate::model::Digest;

/// For all that is kept together.
const MAX_BYTES: usize = 2 << 20;
/// Larger things are not kept.
const MAX_ENTRY_BYTES: usize = 128 << 10;

/// What was read, and by which right: an anonymous reader must not see what an account was shown.
type Name = (Key, Digest);

/// The oldest makes room for the newest.
#[derive(Default)]
pub(super) struct Cache {
    entries: HashMap<Name, Bytes>,
    /// Oldest first.
    order: VecDeque<Name>,
    bytes: usize,
}

impl Cache {
    pub(super) fn find(&self, name: &Name) -> Option<Bytes> {
        self.entries.get(name).cloned()
    }

    pub(super) fn keep(&mut self, name: Name, bytes: Bytes) {
        if bytes.len() > MAX_ENTRY_BYTES || self.entries.contains_key(&name) {
            return;
        }
        self.bytes += bytes.len();
        self.order.push_back(name.clone());
        self.entries.insert(name, bytes);
        while self.bytes > MAX_BYTES {
            let Some(oldest) = self.order.pop_front() else {
                return;
            };
            if let Some(removed) = self.entries.remove(&oldest) {
                self.bytes -= removed.len();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::Access;

    fn name(number: usize) -> Name {
        let key = Key {
            registry: "r.example".to_owned(),
            repository: "acme/app".to_owned(),
            access: Access::Anonymous,
        };
        (key, Digest::of(&number.to_le_bytes()))
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut cache = Cache::default();
        let body = Bytes::from(vec![0; MAX_ENTRY_BYTES]);
        let fitting = MAX_BYTES / MAX_ENTRY_BYTES;
        for number in 0..=fitting {
            cache.keep(name(number), body.clone());
        }
        assert!(cache.find(&name(0)).is_none());
        assert!(cache.find(&name(1)).is_some() && cache.find(&name(fitting)).is_some());
        assert!(cache.bytes <= MAX_BYTES);
    }

    #[test]
    fn what_an_account_was_shown_is_not_shown_to_others() {
        let mut cache = Cache::default();
        let (mut key, digest) = name(1);
        key.access = Access::Configured;
        cache.keep((key, digest), Bytes::from_static(b"secret"));
        assert!(cache.find(&name(1)).is_none());
    }
}
