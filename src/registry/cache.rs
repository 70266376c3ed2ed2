//! Manifests and configurations by digest, which never change, kept within a bound.

use bytes::Bytes;
use quick_cache::Weighter;
use quick_cache::sync::Cache as Kept;

use super::auth::Key;
use crate::model::Digest;

/// For all that is kept together.
const MAX_BYTES: u64 = 2 << 20;
/// Larger things are not kept.
const MAX_ENTRY_BYTES: usize = 128 << 10;
/// Of an entry beside what was read.
const ENTRY_BYTES: usize = 256;
/// Entries that room is made for at first.
const FEW: usize = 16;

/// What was read, and by which right: an anonymous reader must not see what an account was shown.
type Name = (Key, Digest);

/// What was not asked for lately makes room for the newest.
pub(super) struct Cache(Kept<Name, Bytes, Size>);

#[derive(Clone)]
struct Size;

impl Weighter<Name, Bytes> for Size {
    fn weight(&self, _: &Name, bytes: &Bytes) -> u64 {
        (bytes.len() + ENTRY_BYTES) as u64
    }
}

impl Default for Cache {
    fn default() -> Self {
        Self(Kept::with_weighter(FEW, MAX_BYTES, Size))
    }
}

impl Cache {
    pub(super) fn find(&self, name: &Name) -> Option<Bytes> {
        self.0.get(name)
    }

    pub(super) fn keep(&self, name: Name, bytes: Bytes) {
        if bytes.len() <= MAX_ENTRY_BYTES {
            self.0.insert(name, bytes);
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
    fn what_is_kept_stays_within_the_bound() {
        let cache = Cache::default();
        let body = Bytes::from(vec![0; MAX_ENTRY_BYTES]);
        for number in 0..100 {
            cache.keep(name(number), body.clone());
        }
        assert!(cache.0.weight() <= MAX_BYTES && !cache.0.is_empty());
        cache.keep(name(200), Bytes::from(vec![0; MAX_ENTRY_BYTES + 1]));
        assert!(cache.find(&name(200)).is_none());
    }

    #[test]
    fn what_an_account_was_shown_is_not_shown_to_others() {
        let cache = Cache::default();
        let (mut key, digest) = name(1);
        key.access = Access::Configured;
        cache.keep((key.clone(), digest.clone()), Bytes::from_static(b"secret"));
        assert!(cache.find(&name(1)).is_none());
        assert!(cache.find(&(key, digest)).is_some());
    }
}
