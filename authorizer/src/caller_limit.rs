//! How often one caller may have a token minted by one instance.
//!
//! Receives caller ids and the time; says yes or no. A caller who loops, or whose credential was stolen, must not use up
//! what Vault can mint for everybody. Leaves all callers together to Vault's own quota.

use std::{
    collections::BTreeMap,
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::{clock::UnixTime, token_bucket::TokenBucket};

/// More callers than one instance can serve while the first of them is still being counted.
const MAX_CALLERS: usize = 4096;

/// A token bucket for each caller.
pub struct CallerLimit {
    /// So many a second, and twice that at once.
    per_second: NonZeroU32,
    callers: Mutex<BTreeMap<String, TokenBucket>>,
}

impl CallerLimit {
    /// A limit of so many tokens a second for each caller; twice as many at once.
    pub fn new(per_second: NonZeroU32) -> Self {
        Self { per_second, callers: Mutex::default() }
    }

    /// Counts one token for a caller; `false` where that is one too many.
    pub fn take(&self, caller_id: &str, now: UnixTime) -> bool {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(bucket) = callers.get_mut(caller_id) {
            return bucket.take(now);
        }
        if callers.len() >= MAX_CALLERS {
            // Whose bucket is full again is as good as never seen.
            callers.retain(|_, bucket| !bucket.is_full(now));
        }
        if callers.len() >= MAX_CALLERS {
            return false;
        }
        let interval = Duration::from_secs(1) / self.per_second.get();
        let mut bucket = TokenBucket::full(self.per_second.get().saturating_mul(2), interval);
        let taken = bucket.take(now);
        callers.insert(caller_id.to_owned(), bucket);
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

    fn limit(per_second: u32) -> CallerLimit {
        CallerLimit::new(NonZeroU32::new(per_second).unwrap())
    }

    #[test]
    fn one_callers_flood_is_not_another_callers() {
        let limit = limit(10);
        let taken = (0..100).filter(|_| limit.take("corp:mallory", NOW)).count();
        assert_eq!(taken, 20);
        assert!(limit.take("corp:alice", NOW));
        let next = UnixTime::from_millis(NOW.millis() + 100);
        assert_eq!([limit.take("corp:mallory", next), limit.take("corp:mallory", next)], [true, false]);
    }

    #[test]
    fn callers_that_are_gone_are_forgotten_and_those_that_are_not_are_kept() {
        let limit = limit(1);
        for n in 0..MAX_CALLERS {
            assert!(limit.take(&format!("corp:{n}"), NOW));
        }
        assert!(!limit.take("corp:one-more", NOW), "nobody is forgotten who is being counted");
        assert!(limit.take("corp:one-more", NOW.plus_seconds(1)));
        assert_eq!(limit.callers.lock().unwrap().len(), 1);
    }
}
