//! What is cached of one issuer's keys, and when to ask the provider again. It knows neither the network nor the
//! clock.
//!
//! Receives `now`, a random number, and the result of each attempt; produces the keys that are usable now, and why
//! the last attempt failed.
//!
//! INVARIANT (wall clock): keys age by the wall clock, frozen time included. A clock that was set back makes keys of the
//! future stale and ends every pause: it can cost a fetch, and cannot prevent one.

use std::{sync::Arc, time::Duration};

use authorizer_steps::{clock::UnixTime, identity::jwt::KeySet, token_bucket::TokenBucket};

use super::provider::{Published, Update, Validator};
use crate::backoff::Backoff;

/// While the provider is down, keys are used up to this age. A key that it has withdrawn is gone by then.
const USABLE_SECONDS: u64 = 24 * 3600;

/// After failed attempts.
const PAUSES: Backoff =
    Backoff { first: Duration::from_secs(2), factor: 2, longest: Duration::from_secs(60) };
/// Where there are no usable keys, waiting longer would turn away everyone.
const PAUSES_WITHOUT_KEYS: Backoff =
    Backoff { first: Duration::from_secs(1), factor: 1, longest: Duration::from_secs(1) };

/// Attempts for unknown keys: a `kid` is chosen by the caller, so a few at once, and then one each 1.5 s. That is also the
/// longest that a new key waits to be found.
const UNKNOWN_KEYS: TokenBucket = TokenBucket::full(4, Duration::from_millis(1500));

/// The keys of one issuer.
pub(super) struct KeyCache {
    keys: Option<Current>,
    /// The last attempt's, until one succeeds.
    failure: Option<Failure>,
    /// When the attempt that is under way began.
    under_way: Option<UnixTime>,
    budget: TokenBucket,
}

struct Current {
    keys: Arc<KeySet>,
    validator: Option<Validator>,
    confirmed_at: UnixTime,
    fresh_seconds: u64,
}

struct Failure {
    reason: String,
    at: UnixTime,
    pause: Duration,
    in_a_row: u32,
}

/// Why somebody asks the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Keys, since there are no fresh ones.
    Any,
    /// Newer keys, since an unverified token names one that is not among those kept.
    Newer,
}

/// Whether the provider may be asked now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Begin {
    /// Yes: an attempt has begun. [`KeyCache::end_attempt`] and [`KeyCache::land`] follow.
    Own,
    /// No: another's is under way.
    Anothers {
        /// Since then.
        begun_at: UnixTime,
    },
    /// No: it failed a moment ago.
    Pausing,
    /// No: it was asked for unknown keys as often as it may be.
    Spent,
}

impl Default for KeyCache {
    fn default() -> Self {
        Self { keys: None, failure: None, under_way: None, budget: UNKNOWN_KEYS }
    }
}

impl KeyCache {
    /// The keys that need not be asked for.
    pub(super) fn fresh(&self, now: UnixTime) -> Option<Arc<KeySet>> {
        let current = self.keys.as_ref()?;
        let age_known = current.confirmed_at <= now;
        let fresh = age_known && now.seconds_after(current.confirmed_at) <= current.fresh_seconds;
        fresh.then(|| Arc::clone(&current.keys))
    }

    /// The keys that may be used if there are no newer ones to be had.
    pub(super) fn usable(&self, now: UnixTime) -> Option<Arc<KeySet>> {
        let current = self.keys.as_ref()?;
        let usable = now.seconds_after(current.confirmed_at) <= USABLE_SECONDS;
        usable.then(|| Arc::clone(&current.keys))
    }

    /// Why the last attempt failed, if it did.
    pub(super) fn failure_reason(&self) -> Option<&str> {
        self.failure.as_ref().map(|failure| failure.reason.as_str())
    }

    /// What the provider named the kept keys, to be asked whether they are still the same.
    pub(super) fn validator(&self) -> Option<&Validator> {
        self.keys.as_ref()?.validator.as_ref()
    }

    /// Begins an attempt, if the provider may be asked now.
    pub(super) fn begin_attempt(&mut self, wanted: Wanted, now: UnixTime) -> Begin {
        if let Some(begun_at) = self.under_way {
            return Begin::Anothers { begun_at };
        }
        if self.failure.as_ref().is_some_and(|failure| failure.is_pausing(now)) {
            return Begin::Pausing;
        }
        if wanted == Wanted::Newer && !self.budget.take(now) {
            return Begin::Spent;
        }
        self.under_way = Some(now);
        Begin::Own
    }

    /// The attempt is over, also where nothing came of it.
    pub(super) fn land(&mut self) {
        self.under_way = None;
    }

    /// Takes in what came of the attempt. What it fetched is as old as its beginning: a frozen function can find an
    /// answer that has waited for it.
    pub(super) fn end_attempt(
        &mut self,
        outcome: Result<Update, String>,
        begun_at: UnixTime,
        ended_at: UnixTime,
        chance: u8,
    ) {
        match outcome {
            Ok(Update::Changed(published)) => self.replace(published, begun_at),
            Ok(Update::Unchanged { fresh_seconds }) => self.renew(fresh_seconds, begun_at),
            Err(reason) => self.fail(reason, ended_at, chance),
        }
    }

    fn replace(&mut self, published: Published, confirmed_at: UnixTime) {
        let Published { keys, validator, fresh_seconds } = published;
        self.keys = Some(Current { keys: Arc::new(keys), validator, confirmed_at, fresh_seconds });
        self.failure = None;
    }

    /// Only who has keys asks whether they are unchanged. An answer that does not say how long they are fresh leaves
    /// that as it was (RFC 9111, section 4.3.4).
    fn renew(&mut self, fresh_seconds: Option<u64>, confirmed_at: UnixTime) {
        if let Some(current) = &mut self.keys {
            current.confirmed_at = confirmed_at;
            current.fresh_seconds = fresh_seconds.unwrap_or(current.fresh_seconds);
            self.failure = None;
        }
    }

    fn fail(&mut self, reason: String, now: UnixTime, chance: u8) {
        let before = self.failure.as_ref().map_or(0, |failure| failure.in_a_row);
        let in_a_row = before.saturating_add(1);
        let pauses = if self.usable(now).is_some() { PAUSES } else { PAUSES_WITHOUT_KEYS };
        let pause = pauses.after(in_a_row, chance);
        self.failure = Some(Failure { reason, at: now, pause, in_a_row });
    }
}

impl Failure {
    fn is_pausing(&self, now: UnixTime) -> bool {
        self.at <= now && now.duration_after(self.at) < self.pause
    }
}

#[cfg(test)]
mod tests;
