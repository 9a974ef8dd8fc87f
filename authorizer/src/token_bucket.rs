//! How often something may happen: a token bucket on the wall clock.
//!
//! Receives the time as a value; says yes or no. Leaves what is limited, and what a refusal means, to its user.

use std::time::Duration;

use crate::clock::UnixTime;

/// So many at once, and one more each interval.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    capacity: u32,
    interval: Duration,
    left: u32,
    /// When the tokens that are left were counted.
    counted_at: UnixTime,
}

impl TokenBucket {
    /// A full bucket.
    pub fn full(capacity: u32, interval: Duration, now: UnixTime) -> Self {
        Self { capacity, interval, left: capacity, counted_at: now }
    }

    /// Takes one, if there is one.
    pub fn take(&mut self, now: UnixTime) -> bool {
        self.refill(now);
        let taken = self.left.checked_sub(1);
        self.left = taken.unwrap_or_default();
        taken.is_some()
    }

    /// A clock that was set back would let nothing through until it caught up: the count starts anew from there.
    fn refill(&mut self, now: UnixTime) {
        if now < self.counted_at {
            self.counted_at = now;
        }
        let intervals = now.duration_after(self.counted_at).as_millis() / self.interval.as_millis().max(1);
        let intervals = u32::try_from(intervals).unwrap_or(u32::MAX);
        self.left = self.left.saturating_add(intervals).min(self.capacity);
        self.counted_at = if self.left == self.capacity {
            now
        } else {
            self.counted_at.plus(self.interval.saturating_mul(intervals))
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(millis: u64) -> UnixTime {
        UnixTime::from_millis(1_800_000_000_000 + millis)
    }

    #[test]
    fn a_burst_is_let_through_and_then_one_each_interval() {
        let mut bucket = TokenBucket::full(2, SECOND, at(0));
        let taken: Vec<bool> =
            [0, 0, 0, 999, 1000, 1000, 1999, 2000].map(|millis| bucket.take(at(millis))).to_vec();
        assert_eq!(taken, [true, true, false, false, true, false, false, true]);
    }

    #[test]
    fn idle_time_fills_it_and_no_further() {
        let mut bucket = TokenBucket::full(2, SECOND, at(0));
        assert!(bucket.take(at(0)) && bucket.take(at(0)));
        let taken = [3_600_000; 3].map(|millis| bucket.take(at(millis)));
        assert_eq!(taken, [true, true, false]);
    }

    #[test]
    fn a_clock_set_back_locks_nobody_out() {
        let mut bucket = TokenBucket::full(1, SECOND, at(3_600_000));
        assert!(bucket.take(at(3_600_000)));
        assert!(!bucket.take(at(0)));
        assert!(bucket.take(at(1000)));
    }

    proptest! {
        #[test]
        fn no_more_than_the_burst_and_one_each_interval_ever_pass(steps in proptest::collection::vec(0u64..400, 1..200)) {
            let mut bucket = TokenBucket::full(3, SECOND, at(0));
            let (mut now, mut passed) = (0, 0);
            for step in steps {
                now += step;
                passed += u64::from(bucket.take(at(now)));
            }
            prop_assert!(passed <= 3 + now / 1000);
        }
    }
}
