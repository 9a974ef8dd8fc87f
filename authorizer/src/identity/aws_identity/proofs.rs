//! The proofs that one instance has seen: whom they proved, until their window ends.
//!
//! Receives keys, each a hash of a whole proof; says what is known of one. Leaves to the scheme what follows from it.
//!
//! A map of our own and no cache: a cache may drop what it likes, and a signature that may be used once must not be
//! forgotten while it is good. Where the map is full, nothing is dropped; the newcomer is turned away or not remembered.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use sts_identity::CallerIdentity;

use crate::clock::UnixTime;

/// The most proofs kept, about 2 MB.
const MAX_PROOFS: usize = 4096;

/// SHA-256 of a proof and of the server id that it was checked against.
pub(super) type Key = [u8; 32];

/// What this instance knows of proofs.
#[derive(Default)]
pub(super) struct Proofs(Mutex<BTreeMap<Key, Entry>>);

struct Entry {
    ends_at: UnixTime,
    /// `None` while STS is asked.
    caller: Option<CallerIdentity>,
}

/// What is known of one proof.
pub(super) enum Known {
    /// Nothing.
    Nothing,
    /// STS is being asked about it.
    Pending,
    /// STS named this caller.
    Caller(CallerIdentity),
}

/// A place for a proof while STS is asked; given back unless the proof turns out good.
pub(super) struct Reserved<'a> {
    proofs: &'a Proofs,
    key: Key,
    ends_at: UnixTime,
    kept: bool,
}

impl Proofs {
    pub(super) fn known(&self, key: &Key, now: UnixTime) -> Known {
        match self.entries().get(key).filter(|entry| now <= entry.ends_at) {
            None => Known::Nothing,
            Some(Entry { caller: None, .. }) => Known::Pending,
            Some(Entry { caller: Some(caller), .. }) => Known::Caller(caller.clone()),
        }
    }

    /// `None` where there is no room.
    pub(super) fn reserve(&self, key: Key, ends_at: UnixTime, now: UnixTime) -> Option<Reserved<'_>> {
        let mut entries = self.entries();
        if entries.len() >= MAX_PROOFS {
            entries.retain(|_, entry| now <= entry.ends_at);
        }
        if entries.len() >= MAX_PROOFS {
            return None;
        }
        entries.insert(key, Entry { ends_at, caller: None });
        Some(Reserved { proofs: self, key, ends_at, kept: false })
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<Key, Entry>> {
        // Each change of the map is one call: a panic elsewhere leaves it whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Reserved<'_> {
    /// The proof is good: it is remembered until its window ends.
    pub(super) fn keep(mut self, caller: CallerIdentity) {
        self.proofs.entries().insert(self.key, Entry { ends_at: self.ends_at, caller: Some(caller) });
        self.kept = true;
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.proofs.entries().remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

    fn key(n: usize) -> Key {
        let mut key = Key::default();
        key[..8].copy_from_slice(&n.to_be_bytes());
        key
    }

    #[test]
    fn rejects_a_newcomer_rather_than_forget_a_proof_that_is_still_good() {
        let proofs = Proofs::default();
        let ends_at = NOW.plus_seconds(60);
        let held: Vec<_> = (0..MAX_PROOFS).map(|n| proofs.reserve(key(n), ends_at, NOW).unwrap()).collect();
        assert!(proofs.reserve(key(MAX_PROOFS), ends_at, ends_at).is_none());
        assert!(matches!(proofs.known(&key(0), ends_at), Known::Pending));
        let later = ends_at.plus_seconds(1);
        assert!(
            proofs.reserve(key(MAX_PROOFS), later.plus_seconds(60), later).is_some(),
            "the old ones are over"
        );
        drop(held);
    }

    #[test]
    fn a_place_that_came_to_nothing_is_given_back() {
        let proofs = Proofs::default();
        drop(proofs.reserve(key(1), NOW.plus_seconds(60), NOW));
        assert!(matches!(proofs.known(&key(1), NOW), Known::Nothing));
    }
}
