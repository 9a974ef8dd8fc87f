//! How often something may happen: a token bucket on the wall clock.
//!
//! Receives the time as a value; says yes or no. Leaves what is limited, and what a refusal means, to its user.

use std::time::Duration;

use crate::clock::UnixTime;

/// So many at once, and one more each interval. Kept as time: each token costs an interval, and at most `capacity` of
/// them are saved.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    capacity: u32,
    interval: Duration,
    saved: Duration,
    counted_at: Option<UnixTime>,
}

impl TokenBucket {
    /// A full bucket.
    pub const fn full(capacity: u32, interval: Duration) -> Self {
        Self { capacity, interval, saved: interval.saturating_mul(capacity), counted_at: None }
    }

    /// Whether nothing was taken that has not grown again.
    pub fn is_full(&self, now: UnixTime) -> bool {
        self.grown(now) >= self.most()
    }

    /// Takes one, if there is one. A clock that was set back gives nothing, and locks nobody out either: time is saved
    /// anew from there.
    pub fn take(&mut self, now: UnixTime) -> bool {
        self.saved = self.grown(now);
        self.counted_at = Some(now);
        let left = self.saved.checked_sub(self.interval);
        self.saved = left.unwrap_or(self.saved);
        left.is_some()
    }

    fn grown(&self, now: UnixTime) -> Duration {
        let grown = self.counted_at.map_or(Duration::ZERO, |last| now.duration_after(last));
        self.saved.saturating_add(grown).min(self.most())
    }

    fn most(&self) -> Duration {
        self.interval.saturating_mul(self.capacity)
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
        let mut bucket = TokenBucket::full(2, SECOND);
        let taken: Vec<bool> =
            [0, 0, 0, 999, 1000, 1000, 1999, 2000].map(|millis| bucket.take(at(millis))).to_vec();
        assert_eq!(taken, [true, true, false, false, true, false, false, true]);
    }

    #[test]
    fn idle_time_fills_it_and_no_further() {
        let mut bucket = TokenBucket::full(2, SECOND);
        assert!(bucket.take(at(0)) && bucket.take(at(0)));
        let taken = [3_600_000; 3].map(|millis| bucket.take(at(millis)));
        assert_eq!(taken, [true, true, false]);
    }

    #[test]
    fn a_clock_set_back_locks_nobody_out() {
        let mut bucket = TokenBucket::full(1, SECOND);
        assert!(bucket.take(at(3_600_000)));
        assert!(!bucket.take(at(0)));
        assert!(bucket.take(at(1000)));
    }

    proptest! {
        #[test]
        fn no_more_than_the_burst_and_one_each_interval_ever_pass(steps in proptest::collection::vec(0u64..400, 1..200)) {
            let mut bucket = TokenBucket::full(3, SECOND);
            let (mut now, mut passed) = (0, 0);
            for step in steps {
                now += step;
                passed += u64::from(bucket.take(at(now)));
            }
            prop_assert!(passed <= 3 + now / 1000);
        }
    }
}
