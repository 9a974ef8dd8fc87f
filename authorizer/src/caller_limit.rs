//! How often one caller may have Vault work for them, by one instance.
//!
//! Receives caller ids and the time; says yes or no. A caller who loops, or whose credential was stolen, must not use up
//! what Vault can mint for everybody. Leaves all callers together to Vault's own quota.
//!
//! Each caller has two buckets, one for tokens and one for faults. A mint takes from both, and its end says which one it is
//! given back to.
//!
//! INVARIANT (an outage is never a 401 or 403): a request that ends in a fault costs no token. A caller who retries while Vault
//! is down would otherwise use up their own limit, and be told that they may not. Nor does a caller's answer depend on how many
//! others there are.
//!
//! INVARIANT (every caller is bounded): a fault that Vault may have worked on is not given back. Some can be forced, by an alias
//! that the token role does not take or a JWT that is about to end, and would otherwise let one caller load Vault without limit.
//! Without one left, the next answer is a fault, too.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{clock::UnixTime, token_bucket::TokenBucket};

/// More callers than one instance can serve while the first of them is still being counted.
const MAX_CALLERS: usize = 4096;

/// Two token buckets for each caller.
pub struct CallerLimit {
    /// So many a second, and twice that at once.
    per_second: NonZeroU32,
    callers: Mutex<BTreeMap<String, Buckets>>,
}

struct Buckets {
    tokens: TokenBucket,
    faults: TokenBucket,
}

/// What a caller has had too many of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverLimit {
    /// Tokens.
    Tokens,
    /// Faults that Vault may have worked on.
    Faults,
}

/// A mint that counts for its caller. Dropped, because the request ended in a fault or at its deadline, it counts as a fault that
/// Vault may have worked on.
pub struct Counted<'a> {
    limit: &'a CallerLimit,
    caller_id: String,
    end: End,
}

enum End {
    Fault,
    Answered,
    VaultLeftAlone,
}

impl CallerLimit {
    /// A limit of so many tokens a second for each caller, and as many faults; twice as many at once.
    pub fn new(per_second: NonZeroU32) -> Self {
        Self { per_second, callers: Mutex::default() }
    }

    /// Counts one mint for a caller.
    ///
    /// # Errors
    ///
    /// Where that is one too many.
    pub fn take(&self, caller_id: &str, now: UnixTime) -> Result<Counted<'_>, OverLimit> {
        let mut callers = self.callers();
        if !callers.contains_key(caller_id) {
            make_room(&mut callers, now);
        }
        let buckets = callers.entry(caller_id.to_owned()).or_insert_with(|| Buckets::full(self.per_second));
        // Tokens first: a denial must not depend on faults.
        if !buckets.tokens.take(now) {
            return Err(OverLimit::Tokens);
        }
        if !buckets.faults.take(now) {
            buckets.tokens.give_back();
            return Err(OverLimit::Faults);
        }
        Ok(Counted { limit: self, caller_id: caller_id.to_owned(), end: End::Fault })
    }

    fn callers(&self) -> MutexGuard<'_, BTreeMap<String, Buckets>> {
        // Each change of the map is one call: a panic elsewhere leaves it whole.
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Buckets {
    fn full(per_second: NonZeroU32) -> Self {
        let interval = Duration::from_secs(1) / per_second.get();
        let full = || TokenBucket::full(per_second.get().saturating_mul(2), interval);
        Self { tokens: full(), faults: full() }
    }

    /// How long until both are full again.
    fn owed(&self, now: UnixTime) -> Duration {
        self.tokens.owed(now).max(self.faults.owed(now))
    }
}

impl Counted<'_> {
    /// The caller has got an answer.
    pub fn spend(mut self) {
        self.end = End::Answered;
    }

    /// It ended in a fault that cost Vault nothing.
    pub fn vault_left_alone(mut self) {
        self.end = End::VaultLeftAlone;
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        let mut callers = self.limit.callers();
        let Some(buckets) = callers.get_mut(&self.caller_id) else { return };
        if !matches!(self.end, End::Answered) {
            buckets.tokens.give_back();
        }
        if !matches!(self.end, End::Fault) {
            buckets.faults.give_back();
        }
    }
}

/// Forgets those whose buckets are full again, who are as good as never seen. Where there are none, forgets the fullest: turning
/// the newcomer away instead would let some callers shut out others. Whoever has used up a bucket is forgotten last.
fn make_room(callers: &mut BTreeMap<String, Buckets>, now: UnixTime) {
    if callers.len() < MAX_CALLERS {
        return;
    }
    callers.retain(|_, buckets| !buckets.owed(now).is_zero());
    if callers.len() < MAX_CALLERS {
        return;
    }
    let fullest = callers.iter().min_by_key(|(_, buckets)| buckets.owed(now)).map(|(id, _)| id.clone());
    if let Some(fullest) = fullest {
        callers.remove(&fullest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

    fn limit(per_second: u32) -> CallerLimit {
        CallerLimit::new(NonZeroU32::new(per_second).unwrap())
    }

    fn spends(limit: &CallerLimit, caller_id: &str, now: UnixTime) -> bool {
        limit.take(caller_id, now).map(Counted::spend).is_ok()
    }

    #[test]
    fn one_callers_flood_is_not_another_callers() {
        let limit = limit(10);
        let taken = (0..100).filter(|_| spends(&limit, "corp:mallory", NOW)).count();
        assert_eq!(taken, 20);
        assert!(spends(&limit, "corp:alice", NOW));
        let next = UnixTime::from_millis(NOW.millis() + 100);
        assert_eq!([(); 2].map(|()| spends(&limit, "corp:mallory", next)), [true, false]);
    }

    #[test]
    fn a_mint_counts_as_a_token_or_as_a_fault_or_not_at_all_and_as_both_while_under_way() {
        let limit = limit(1);
        for _ in 0..10 {
            limit.take("corp:alice", NOW).unwrap().vault_left_alone();
        }
        let under_way = [limit.take("corp:alice", NOW), limit.take("corp:alice", NOW)];
        assert!(under_way.iter().all(Result::is_ok));
        assert_eq!(limit.take("corp:alice", NOW).err(), Some(OverLimit::Tokens));
        drop(under_way);
        let refused = || limit.take("corp:alice", NOW).err();
        assert_eq!([(); 3].map(|()| refused()), [Some(OverLimit::Faults); 3], "and no token is lost");
        let next = NOW.plus_seconds(1);
        let spent = [(); 3].map(|()| limit.take("corp:alice", next).map(Counted::spend).err());
        assert_eq!(spent, [None, None, Some(OverLimit::Tokens)], "tokens cost no faults");
    }

    #[test]
    fn a_crowd_of_callers_frees_nobody_who_has_had_too_many_faults() {
        let limit = limit(1);
        assert!([(); 2].iter().all(|()| limit.take("corp:mallory", NOW).is_ok()));
        for n in 0..2 * MAX_CALLERS {
            assert!(spends(&limit, &format!("corp:{n}"), NOW), "{n}");
        }
        assert_eq!(limit.take("corp:mallory", NOW).err(), Some(OverLimit::Faults));
    }

    #[test]
    fn callers_that_are_gone_are_forgotten() {
        let limit = limit(1);
        for n in 0..MAX_CALLERS {
            assert!(spends(&limit, &format!("corp:{n}"), NOW));
        }
        assert!(spends(&limit, "corp:one-more", NOW.plus_seconds(1)));
        assert_eq!(limit.callers().len(), 1);
    }

    #[test]
    fn a_crowd_of_callers_shuts_out_nobody_and_frees_nobody_who_is_over_the_limit() {
        let limit = limit(1);
        assert!(spends(&limit, "corp:mallory", NOW) && spends(&limit, "corp:mallory", NOW));
        for n in 0..2 * MAX_CALLERS {
            assert!(spends(&limit, &format!("corp:{n}"), NOW), "{n}");
        }
        assert_eq!(limit.callers().len(), MAX_CALLERS);
        assert!(!spends(&limit, "corp:mallory", NOW));
    }
}
