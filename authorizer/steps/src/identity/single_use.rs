//! Remembers the single-use proofs that one instance has seen, until their window ends.
//!
//! Receives keys, each a hash of what tells one proof from another; says what is known of a key. The scheme decides
//! what follows from it.
//!
//! This is a map and not a cache. A cache may drop entries, but a single-use proof must be remembered for as long as
//! it is valid. A full map drops nothing and turns the newcomer away. If the owner of the proofs is known, each
//! caller has a share of the room, so a flood from one caller does not take the room of another.
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
//! While a proof is `Asked` or `InUse`, nobody can tell whether a second call with it is a replay. The first call may
//! still end in a fault, and then the second is the retry of an honest caller. So the second call waits for the
//! first.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

use crate::clock::UnixTime;

/// SHA-256 of what tells one proof, or one caller, from another.
pub(super) type Key = [u8; 32];

/// What this instance knows of proofs, each of which proves a `T`.
pub(super) struct SingleUse<T> {
    most: Most,
    remembered: Mutex<Remembered<T>>,
    /// Wakes those who wait for what becomes of a proof.
    decided: Notify,
}

/// The most proofs that are remembered.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    /// Of everybody.
    pub(super) in_all: usize,
    /// Of one caller, where it is known whose they are.
    pub(super) of_one: usize,
}

struct Remembered<T> {
    /// The latest time that was gone by. What ended before it may be forgotten, and stays refused if the clock goes back.
    latest: UnixTime,
    entries: BTreeMap<Key, Entry<T>>,
    /// The same by their end, so that what is over goes first.
    by_end: BTreeSet<(UnixTime, Key)>,
    /// How many are whose.
    shares: BTreeMap<Key, usize>,
}

struct Entry<T> {
    ends_at: UnixTime,
    owner: Option<Key>,
    state: State<T>,
}

enum State<T> {
    /// What it proves is being found out.
    Asked,
    /// It is good, and no call with it was answered: it may be used.
    Known(T),
    /// A call that is not over yet is using it.
    InUse,
    /// It was good once.
    Spent,
}

/// One proof, as it is looked up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Presented {
    /// What tells it from others.
    pub(super) key: Key,
    /// Whose it is, where that is verified.
    pub(super) owner: Option<Key>,
    /// The end of its window.
    pub(super) ends_at: UnixTime,
}

/// Whose a proof is from now on.
pub(super) enum Reservation<T: Clone> {
    /// Nothing is known of it: what it proves has to be found out.
    New(Place<T>),
    /// It is known to be good, and what it was used for came to no answer.
    Again(Use<T>),
}

/// Why a proof cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// It was good once.
    Spent,
    /// Its window closed so long before a time that this instance has gone by. Whether it was used is forgotten.
    Over { seconds_ago: u64 },
    /// Nothing is known of it, and its owner has as many as one may have.
    ShareFull,
    /// Nothing is known of it, and there is no room.
    Full,
}

/// A place for a proof while it is being verified; given back unless the proof turns out good.
pub(super) struct Place<T: Clone> {
    proofs: Arc<SingleUse<T>>,
    key: Key,
    kept: bool,
}

/// The one use of a proof that is good once. Dropped unspent, because the call came to no answer, the proof may be used
/// again: whether a caller is refused must not depend on what else was down.
pub(super) struct Use<T: Clone> {
    proofs: Arc<SingleUse<T>>,
    key: Key,
    proves: T,
    spent: bool,
}

impl<T: Clone> SingleUse<T> {
    pub(super) fn new(most: Most) -> Arc<Self> {
        let remembered = Remembered {
            latest: UnixTime::from_seconds(0),
            entries: BTreeMap::new(),
            by_end: BTreeSet::new(),
            shares: BTreeMap::new(),
        };
        Arc::new(Self { most, remembered: Mutex::new(remembered), decided: Notify::new() })
    }

    /// Asks for the use of a proof. While another call uses it, waits for what becomes of that one: at most until the
    /// deadline of the walk.
    pub(super) async fn take(
        self: &Arc<Self>,
        presented: Presented,
        now: UnixTime,
    ) -> Result<Reservation<T>, Refused> {
        loop {
            // From the moment of this call on, not of the first poll: nothing that is decided in between is missed.
            let decided = self.decided.notified();
            match self.reserve(presented, now) {
                Some(reservation) => return reservation,
                None => decided.await,
            }
        }
    }

    /// `None` while another call is using the proof.
    fn reserve(
        self: &Arc<Self>,
        presented: Presented,
        now: UnixTime,
    ) -> Option<Result<Reservation<T>, Refused>> {
        let mut remembered = self.remembered();
        let latest = remembered.forget_until(now);
        if presented.ends_at < latest {
            return Some(Err(Refused::Over { seconds_ago: latest.seconds_after(presented.ends_at) }));
        }
        if let Some(entry) = remembered.entries.get_mut(&presented.key) {
            let proves = match &entry.state {
                State::Asked | State::InUse => return None,
                State::Spent => return Some(Err(Refused::Spent)),
                State::Known(proves) => proves.clone(),
            };
            entry.state = State::InUse;
            remembered.keep_until(&presented.key, presented.ends_at);
            return Some(Ok(Reservation::Again(self.in_use(presented.key, proves))));
        }
        if remembered.share(presented.owner) >= self.most.of_one {
            return Some(Err(Refused::ShareFull));
        }
        if remembered.entries.len() >= self.most.in_all {
            return Some(Err(Refused::Full));
        }
        remembered.insert(presented);
        Some(Ok(Reservation::New(Place { proofs: Arc::clone(self), key: presented.key, kept: false })))
    }

    fn in_use(self: &Arc<Self>, key: Key, proves: T) -> Use<T> {
        Use { proofs: Arc::clone(self), key, proves, spent: false }
    }

    fn set(&self, key: &Key, state: State<T>) {
        if let Some(entry) = self.remembered().entries.get_mut(key) {
            entry.state = state;
        }
        self.decided.notify_waiters();
    }

    fn remembered(&self) -> MutexGuard<'_, Remembered<T>> {
        // Nothing that changes it can panic half-way.
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Remembered<T> {
    /// Whatever is over: its window is closed, and the clock alone refuses it. Says by which time.
    fn forget_until(&mut self, now: UnixTime) -> UnixTime {
        let latest = self.latest.max(now);
        self.latest = latest;
        while let Some((ends_at, key)) = self.by_end.first().copied().filter(|(ends_at, _)| *ends_at < latest)
        {
            self.by_end.remove(&(ends_at, key));
            self.forget(&key);
        }
        latest
    }

    /// One name may have several windows, if its owner dates a proof anew: it is good once in all of them.
    fn keep_until(&mut self, key: &Key, ends_at: UnixTime) {
        if let Some(entry) = self.entries.get_mut(key).filter(|entry| entry.ends_at < ends_at) {
            self.by_end.remove(&(entry.ends_at, *key));
            self.by_end.insert((ends_at, *key));
            entry.ends_at = ends_at;
        }
    }

    fn insert(&mut self, Presented { key, owner, ends_at }: Presented) {
        self.entries.insert(key, Entry { ends_at, owner, state: State::Asked });
        self.by_end.insert((ends_at, key));
        if let Some(owner) = owner {
            *self.shares.entry(owner).or_default() += 1;
        }
    }

    fn forget(&mut self, key: &Key) {
        let Some(Entry { ends_at, owner, .. }) = self.entries.remove(key) else { return };
        self.by_end.remove(&(ends_at, *key));
        let Some(owner) = owner else { return };
        match self.shares.get_mut(&owner) {
            Some(share) if *share > 1 => *share -= 1,
            Some(_) | None => drop(self.shares.remove(&owner)),
        }
    }

    fn share(&self, owner: Option<Key>) -> usize {
        owner.and_then(|owner| self.shares.get(&owner)).copied().unwrap_or_default()
    }
}

impl<T: Clone> Place<T> {
    /// The proof is good: it is remembered until its window ends.
    pub(super) fn keep(mut self, proves: T) -> Use<T> {
        self.kept = true;
        self.proofs.set(&self.key, State::InUse);
        self.proofs.in_use(self.key, proves)
    }
}

impl<T: Clone> Drop for Place<T> {
    fn drop(&mut self) {
        if !self.kept {
            self.proofs.remembered().forget(&self.key);
            self.proofs.decided.notify_waiters();
        }
    }
}

impl<T: Clone> Use<T> {
    /// What the proof proves.
    pub(super) fn proves(&self) -> T {
        self.proves.clone()
    }

    /// The proof has served: it is good for nothing from now on.
    pub(super) fn spend(mut self) {
        self.spent = true;
    }
}

impl<T: Clone> Drop for Use<T> {
    fn drop(&mut self) {
        let state = if self.spent { State::Spent } else { State::Known(self.proves.clone()) };
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

    /// Asks for the use of the `n`th proof, which `owner` made at `now`.
    fn reserve(
        proofs: &Arc<SingleUse<()>>,
        n: usize,
        owner: Option<usize>,
        now: UnixTime,
    ) -> Option<Result<Reservation<()>, Refused>> {
        let presented = Presented { key: key(n), owner: owner.map(key), ends_at: now.plus_seconds(60) };
        proofs.reserve(presented, now)
    }

    fn spend(proofs: &Arc<SingleUse<()>>, n: usize, owner: Option<usize>) {
        match reserve(proofs, n, owner, NOW) {
            Some(Ok(Reservation::New(place))) => place.keep(()).spend(),
            _ => panic!("no place for {n}"),
        }
    }

    #[test]
    fn rejects_a_newcomer_rather_than_forget_a_proof_that_is_still_good() {
        let proofs = SingleUse::new(Most { in_all: 64, of_one: 64 });
        let ends_at = NOW.plus_seconds(60);
        let held: Vec<_> = (0..64).map(|n| reserve(&proofs, n, None, NOW)).collect();
        assert!(held.iter().all(|held| matches!(held, Some(Ok(Reservation::New(_))))));
        assert!(matches!(reserve(&proofs, 64, None, ends_at), Some(Err(Refused::Full))));
        assert!(reserve(&proofs, 0, None, ends_at).is_none(), "another call is using it");
        let later = reserve(&proofs, 64, None, ends_at.plus_seconds(1));
        assert!(matches!(later, Some(Ok(Reservation::New(_)))), "the old ones are over");
    }

    #[test]
    fn a_flood_of_one_caller_takes_no_room_of_another() {
        let proofs = SingleUse::new(Most { in_all: 64, of_one: 16 });
        (0..16).for_each(|n| spend(&proofs, n, Some(1)));
        assert!(matches!(reserve(&proofs, 16, Some(1), NOW), Some(Err(Refused::ShareFull))));
        assert!(matches!(reserve(&proofs, 0, Some(1), NOW), Some(Err(Refused::Spent))), "still remembered");
        spend(&proofs, 17, Some(2));
        let later = NOW.plus_seconds(61);
        assert!(matches!(reserve(&proofs, 18, Some(1), later), Some(Ok(Reservation::New(_)))));
        assert_eq!(proofs.remembered().shares, BTreeMap::new(), "what is over has no share");
    }

    #[test]
    fn rejects_a_forgotten_proof_after_the_clock_went_back() {
        let proofs = SingleUse::new(Most { in_all: 64, of_one: 64 });
        spend(&proofs, 1, None);
        assert!(matches!(reserve(&proofs, 2, None, NOW.plus_seconds(100)), Some(Ok(Reservation::New(_)))));
        assert!(matches!(reserve(&proofs, 1, None, NOW), Some(Err(Refused::Over { seconds_ago: 40 }))));
    }

    #[test]
    fn rejects_a_name_that_was_used_in_a_later_window() {
        let proofs = SingleUse::new(Most { in_all: 64, of_one: 64 });
        let later = NOW.plus_seconds(50);
        match reserve(&proofs, 1, None, NOW) {
            Some(Ok(Reservation::New(place))) => drop(place.keep(())),
            _ => panic!("no place"),
        }
        match reserve(&proofs, 1, None, later) {
            Some(Ok(Reservation::Again(only_use))) => only_use.spend(),
            _ => panic!("its call came to nothing"),
        }
        let presented = Presented { key: key(1), owner: None, ends_at: later.plus_seconds(60) };
        for seconds in [61, 110] {
            let again = proofs.reserve(presented, NOW.plus_seconds(seconds));
            assert!(matches!(again, Some(Err(Refused::Spent))), "{seconds}");
        }
    }

    #[test]
    fn a_place_that_came_to_nothing_is_given_back() {
        let proofs = SingleUse::new(Most { in_all: 1, of_one: 1 });
        for _ in 0..2 {
            assert!(matches!(reserve(&proofs, 1, Some(1), NOW), Some(Ok(Reservation::New(_)))));
        }
    }
}
