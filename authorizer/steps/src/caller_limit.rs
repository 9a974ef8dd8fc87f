//! Limits how often one caller can have a token minted by one instance.
//!
//! Receives caller ids and the time; says yes or no. A caller who loops, or whose credential was stolen, must not use
//! up what Vault can mint for everybody. Vault's own quota limits all callers together.
//!
//! INVARIANT (an outage is never a 401 or 403): a request that ends in a fault does not count. A caller who retries
//! while Vault is down would otherwise use up their own limit, and be told that they may not. Nor does a caller's
//! answer depend on how many others there are. But a caller can force some faults, and Vault works for each: those
//! have a limit of their own, beyond which the answer is a fault again. Where Vault refuses to mint for a grant, it
//! is the same one: an honest caller of a role that is not as it should be is told so each time.

use std::{
    num::NonZeroU32,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use moka::sync::Cache;

use crate::{cache, clock::UnixTime, token_bucket::TokenBucket};

/// More callers than one instance can serve while the first of them is still being counted.
const MAX_CALLERS: u64 = 4096;

/// Two token buckets for each caller.
pub struct CallerLimit {
    /// So many a second, and twice that at once.
    per_second: NonZeroU32,
    /// Those seen lately. Whoever is forgotten has full buckets again. That is harmless: buckets fill in two seconds, in which
    /// hardly an instance serves that many callers, even one that serves many at once. It holds for the caller seen longest ago: a
    /// newcomer who was forgotten at once would find full buckets at each call.
    callers: Cache<String, Arc<Mutex<Caller>>>,
}

struct Caller {
    /// What the caller may have minted.
    mints: TokenBucket,
    /// How often Vault may work for this caller and nothing come of it.
    faults: TokenBucket,
    /// The grant whose mint Vault refused the last time that nothing came of it.
    refused_for: Option<String>,
}

/// Which of a caller's buckets is empty.
#[derive(Debug, Clone, Copy, Eq, PartialEq)]
pub enum Beyond {
    /// That of the mints.
    Mints,
    /// That of the faults.
    Faults {
        /// Whether the last of them was that Vault refused to mint for the grant that was asked for now.
        refused: bool,
    },
}

/// A mint that counts for its caller, until it is said what became of it. Dropped before, since Vault is away or the request's
/// deadline has come, it is given back.
pub struct Counted {
    caller: Arc<Mutex<Caller>>,
    grant: String,
    since: UnixTime,
    end: End,
}

enum End {
    Answered,
    Fault { refused: bool },
    Outage,
}

impl CallerLimit {
    /// A limit of so many tokens a second for each caller; twice as many at once.
    pub fn new(per_second: NonZeroU32) -> Self {
        Self { per_second, callers: cache::of_recent(MAX_CALLERS) }
    }

    /// Counts one token of a grant for a caller.
    ///
    /// # Errors
    ///
    /// The bucket that has none.
    pub fn take(&self, caller_id: &str, grant: &str, now: UnixTime) -> Result<Counted, Beyond> {
        let caller = self.callers.get_with_by_ref(caller_id, || {
            let interval = Duration::from_secs(1) / self.per_second.get();
            let full = TokenBucket::full(self.per_second.get().saturating_mul(2), interval);
            Arc::new(Mutex::new(Caller { mints: full.clone(), faults: full, refused_for: None }))
        });
        {
            let mut caller = lock(&caller);
            if !caller.faults.has_one(now) {
                return Err(Beyond::Faults { refused: caller.refused_for.as_deref() == Some(grant) });
            }
            if !caller.mints.take(now) {
                return Err(Beyond::Mints);
            }
        }
        Ok(Counted { caller, grant: grant.to_owned(), since: now, end: End::Outage })
    }
}

fn lock(caller: &Mutex<Caller>) -> MutexGuard<'_, Caller> {
    // What a panic elsewhere could leave half done is a count.
    caller.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Counted {
    /// The caller has got an answer.
    pub fn answered(mut self) {
        self.end = End::Answered;
    }

    /// Vault worked for it, and it is a fault that the caller may have forced: Vault refused to mint, or something else.
    pub(crate) fn wasted(mut self, refused: bool) {
        self.end = End::Fault { refused };
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let grant = std::mem::take(&mut self.grant);
        let mut caller = lock(&self.caller);
        match self.end {
            End::Answered => {}
            End::Outage => caller.mints.give_back(),
            End::Fault { refused } => {
                caller.refused_for = refused.then_some(grant);
                caller.mints.give_back();
                // Also where it is more than the bucket holds: many of one caller's may be under way at once.
                caller.faults.charge_one(self.since);
            }
        }
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
        limit.take(caller_id, "reader", now).map(Counted::answered).is_ok()
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
    fn what_came_to_nothing_is_given_back_and_what_is_under_way_counts() {
        let limit = limit(1);
        for _ in 0..10 {
            drop(limit.take("corp:alice", "reader", NOW).unwrap());
        }
        let under_way = [(); 2].map(|()| limit.take("corp:alice", "reader", NOW).unwrap());
        assert_eq!(limit.take("corp:alice", "reader", NOW).err(), Some(Beyond::Mints));
        drop(under_way);
        assert_eq!([(); 3].map(|()| spends(&limit, "corp:alice", NOW)), [true, true, false]);
    }

    #[test]
    fn faults_that_vault_worked_for_are_counted_apart() {
        let limit = limit(1);
        for _ in 0..2 {
            limit.take("corp:mallory", "reader", NOW).unwrap().wasted(true);
        }
        let beyond = |grant| limit.take("corp:mallory", grant, NOW).err();
        assert_eq!(beyond("reader"), Some(Beyond::Faults { refused: true }));
        assert_eq!(beyond("writer"), Some(Beyond::Faults { refused: false }), "it was never asked for");
        let next = NOW.plus_seconds(1);
        assert_eq!(
            [(); 3].map(|()| spends(&limit, "corp:mallory", next)),
            [true, true, false],
            "no mint was spent"
        );
    }

    #[test]
    fn faults_that_were_under_way_at_once_are_all_counted() {
        let limit = limit(2);
        let flood = |millis| {
            let now = NOW.plus(Duration::from_millis(millis));
            let under_way: Vec<_> =
                (0..9).map_while(|_| limit.take("corp:mallory", "reader", now).ok()).collect();
            let count = under_way.len();
            under_way.into_iter().for_each(|counted| counted.wasted(true));
            count
        };
        // A bucket of four, and then all that pass in one gap are paid for: two a second.
        assert_eq!([0, 499, 500, 501, 2_499, 2_500].map(flood), [4, 0, 4, 0, 0, 4]);
    }

    #[test]
    fn rejects_a_newcomers_flood_where_the_cache_is_full_of_regulars() {
        let limit = limit(1);
        for visit in 0..3 {
            for n in 0..MAX_CALLERS {
                assert!(spends(&limit, &format!("corp:{n}"), NOW.plus_seconds(10 * visit)), "{n}");
            }
            limit.callers.run_pending_tasks();
        }
        let later = NOW.plus_seconds(60);
        let minted = (0..100).filter(|_| {
            limit.callers.run_pending_tasks();
            spends(&limit, "corp:mallory", later)
        });
        assert_eq!(minted.count(), 2);
    }

    #[test]
    fn a_crowd_of_callers_shuts_out_nobody_and_frees_nobody_who_is_over_the_limit() {
        let limit = limit(1);
        assert!(spends(&limit, "corp:mallory", NOW) && spends(&limit, "corp:mallory", NOW));
        for n in 0..2 * MAX_CALLERS {
            assert!(spends(&limit, &format!("corp:{n}"), NOW), "{n}");
            assert!(n % 64 > 0 || !spends(&limit, "corp:mallory", NOW), "{n}");
        }
        limit.callers.run_pending_tasks();
        assert!(limit.callers.entry_count() <= MAX_CALLERS);
    }
}
