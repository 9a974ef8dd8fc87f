//! The proofs that one instance has seen where each is good once, until their window ends.
//!
//! Receives keys, each a hash of a whole proof; says what is known of one. Leaves to the scheme what follows from it.
//!
//! A map of our own and no cache: a cache may drop what it likes, and a signature that may be used once must not be
//! forgotten while it is good. Where the map is full, nothing is dropped; the newcomer is turned away.
//!
//! ```text
//!            reserve         keep                spend
//! (nothing) ────────▶ Asked ──────▶ InUse ──────────────▶ Spent, to the end
//!     ▲                 │             │  ▲
//!     └─────────────────┘     dropped ▼  │ reserve
//!      dropped: no answer,          Known
//!      or a refusal
//! ```
//!
//! While a proof is `Asked` or `InUse`, nobody can tell whether the next call with it is a replay: the first may yet end in a
//! fault, and then the next is the retry of an honest caller. So the next one waits for the first.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sts_identity::CallerIdentity;
use tokio::sync::{Notify, futures::Notified};

use crate::clock::UnixTime;

/// The most proofs kept, about 2 MB.
const MAX_PROOFS: usize = 4096;

/// SHA-256 of a proof and of the server id that it was checked against.
pub(super) type Key = [u8; 32];

/// What this instance knows of proofs.
#[derive(Default)]
pub(super) struct Proofs {
    entries: Mutex<BTreeMap<Key, Entry>>,
    /// Wakes those who wait for what becomes of a proof.
    decided: Notify,
}

struct Entry {
    ends_at: UnixTime,
    state: State,
}

enum State {
    /// STS is being asked.
    Asked,
    /// STS named this caller, and no call with the proof was answered: it may be used.
    Known(Arc<CallerIdentity>),
    /// A call that is not over yet is using it.
    InUse,
    /// It was good once.
    Spent,
}

/// What is known of a proof, and whose it is from now on.
pub(super) enum Reservation {
    /// Nothing is known: STS has to be asked.
    New(Place),
    /// Another call with it is under way: what becomes of that one decides.
    Busy,
    /// STS named its caller, and what it was used for came to no answer.
    Again(Use),
    /// It was good once.
    Spent,
    /// Nothing is known, and there is no room.
    Full,
}

/// A place for a proof while STS is asked; given back unless the proof turns out good.
pub(super) struct Place {
    proofs: Arc<Proofs>,
    key: Key,
    kept: bool,
}

/// The one use of a proof that is good once. Dropped unspent, because the call came to no answer, the proof may be used
/// again: whether a caller is refused must not depend on what else was down.
pub(in crate::identity) struct Use {
    proofs: Arc<Proofs>,
    key: Key,
    caller: Arc<CallerIdentity>,
    spent: bool,
}

impl Proofs {
    /// Asks for the use of a proof.
    pub(super) fn reserve(self: &Arc<Self>, key: Key, ends_at: UnixTime, now: UnixTime) -> Reservation {
        let mut entries = self.entries();
        if let Some(entry) = entries.get_mut(&key).filter(|entry| now <= entry.ends_at) {
            let caller = match &entry.state {
                State::Asked | State::InUse => return Reservation::Busy,
                State::Spent => return Reservation::Spent,
                State::Known(caller) => Arc::clone(caller),
            };
            entry.state = State::InUse;
            return Reservation::Again(self.in_use(key, caller));
        }
        if entries.len() >= MAX_PROOFS {
            entries.retain(|_, entry| now <= entry.ends_at);
        }
        if entries.len() >= MAX_PROOFS {
            return Reservation::Full;
        }
        entries.insert(key, Entry { ends_at, state: State::Asked });
        Reservation::New(Place { proofs: Arc::clone(self), key, kept: false })
    }

    fn in_use(self: &Arc<Self>, key: Key, caller: Arc<CallerIdentity>) -> Use {
        Use { proofs: Arc::clone(self), key, caller, spent: false }
    }

    /// Ends when something has become of a proof, whichever that is: from the moment of this call on, not of the first poll.
    pub(super) fn decided(&self) -> Notified<'_> {
        self.decided.notified()
    }

    fn set(&self, key: &Key, state: State) {
        if let Some(entry) = self.entries().get_mut(key) {
            entry.state = state;
        }
        self.decided.notify_waiters();
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<Key, Entry>> {
        // Each change of the map is one call: a panic elsewhere leaves it whole.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// The proof is good: it is remembered until its window ends.
    pub(super) fn keep(mut self, caller: Arc<CallerIdentity>) -> Use {
        self.kept = true;
        self.proofs.set(&self.key, State::InUse);
        self.proofs.in_use(self.key, caller)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.kept {
            self.proofs.entries().remove(&self.key);
            self.proofs.decided.notify_waiters();
        }
    }
}

impl Use {
    /// Whom STS named.
    pub(super) fn caller(&self) -> Arc<CallerIdentity> {
        Arc::clone(&self.caller)
    }

    /// The proof has served: it is good for nothing from now on.
    pub(in crate::identity) fn spend(mut self) {
        self.spent = true;
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        let state = if self.spent { State::Spent } else { State::Known(Arc::clone(&self.caller)) };
        self.proofs.set(&self.key, state);
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
        let proofs = Arc::new(Proofs::default());
        let ends_at = NOW.plus_seconds(60);
        let reserve = |n: usize, now: UnixTime| proofs.reserve(key(n), now.plus_seconds(60), now);
        let held: Vec<_> = (0..MAX_PROOFS).map(|n| reserve(n, NOW)).collect();
        assert!(held.iter().all(|held| matches!(held, Reservation::New(_))));
        assert!(matches!(reserve(MAX_PROOFS, ends_at), Reservation::Full));
        assert!(matches!(reserve(0, ends_at), Reservation::Busy));
        assert!(
            matches!(reserve(MAX_PROOFS, ends_at.plus_seconds(1)), Reservation::New(_)),
            "the old ones are over"
        );
    }

    #[test]
    fn a_place_that_came_to_nothing_is_given_back() {
        let proofs = Arc::new(Proofs::default());
        for _ in 0..2 {
            assert!(matches!(proofs.reserve(key(1), NOW.plus_seconds(60), NOW), Reservation::New(_)));
        }
    }
}
