//! A token bucket on the wall clock, which limits how often something can happen.
//!
//! Receives the time as a value; says yes or no. Its user decides what is limited, and what a refusal means.

use std::time::Duration;

use crate::clock::UnixTime;

/// Threads read the clock in one order and come to the bucket in another. A time that is earlier by less than this is no clock
/// that was set back.
const OUT_OF_ORDER: Duration = Duration::from_secs(1);

/// So many at once, and one more each interval. Kept as time that is owed: each token costs an interval, the clock pays
/// it back, and at most `capacity` intervals can be owed by taking tokens.
#[derive(Debug, Clone)]
pub struct TokenBucket {
    capacity: u32,
    interval: Duration,
    owed: Duration,
    counted_at: Option<UnixTime>,
}

impl TokenBucket {
    /// A full bucket.
    pub const fn full(capacity: u32, interval: Duration) -> Self {
        Self { capacity, interval, owed: Duration::ZERO, counted_at: None }
    }

    /// Takes one, if there is one. A clock that was set back gives nothing, and locks nobody out either: time counts anew
    /// from there.
    pub fn take(&mut self, now: UnixTime) -> bool {
        let has_one = self.has_one(now);
        if has_one {
            self.charge(self.interval, now);
        }
        has_one
    }

    /// Whether there is one to take. Time counts anew after a clock that was set back, as in [`take`](Self::take).
    pub(crate) fn has_one(&mut self, now: UnixTime) -> bool {
        self.charge(Duration::ZERO, now);
        self.owed.saturating_add(self.interval) <= self.interval.saturating_mul(self.capacity)
    }

    /// Puts one back: what it was taken for did not happen.
    pub(crate) fn give_back(&mut self) {
        self.owed = self.owed.saturating_sub(self.interval);
    }

    /// Takes one also where there is none: it is owed. A time before the last one is taken for that.
    pub(crate) fn charge_one(&mut self, at: UnixTime) {
        let at = self.counted_at.map_or(at, |last| last.max(at));
        self.charge(self.interval, at);
    }

    /// Takes time instead of a token, also where that is more than the bucket holds.
    pub fn charge(&mut self, time: Duration, now: UnixTime) {
        self.owed = self.owed(now).saturating_add(time);
        let is_out_of_order = |last: &UnixTime| now < *last && last.duration_after(now) < OUT_OF_ORDER;
        self.counted_at = Some(self.counted_at.filter(is_out_of_order).unwrap_or(now));
    }

    /// How long until it is full again.
    pub(crate) fn owed(&self, now: UnixTime) -> Duration {
        let passed = self.counted_at.map_or(Duration::ZERO, |last| now.duration_after(last));
        self.owed.saturating_sub(passed)
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
        const HOUR: u64 = 3_600_000;
        for (case, burst, tried_at, taken_at) in [
            ("and no more", 2, &[0, 0, 0, 999, 1000, 1000, 1999, 2000][..], &[0, 1, 4, 7][..]),
            ("idle time fills it and no further", 2, &[0, 0, HOUR, HOUR, HOUR], &[0, 1, 2, 3]),
            ("a clock set back locks nobody out", 1, &[HOUR, 0, 1000], &[0, 2]),
        ] {
            let mut bucket = TokenBucket::full(burst, SECOND);
            let taken = (0..tried_at.len()).filter(|n| bucket.take(at(tried_at[*n])));
            assert_eq!(taken.collect::<Vec<_>>(), taken_at, "{case}");
        }
    }

    #[test]
    fn rejects_a_flood_whose_threads_read_the_clock_in_another_order() {
        let mut bucket = TokenBucket::full(2, SECOND);
        let taken = (0..100).filter(|_| bucket.take(at(1900)) | bucket.take(at(1000)));
        assert_eq!(taken.count(), 1, "the two it held");
    }

    #[test]
    fn what_is_given_back_can_be_taken_again_and_is_never_more_than_was_taken() {
        let mut bucket = TokenBucket::full(2, SECOND);
        assert!(bucket.take(at(0)) && bucket.take(at(0)));
        bucket.give_back();
        assert_eq!([bucket.take(at(0)), bucket.take(at(0))], [true, false]);
        for _ in 0..5 {
            bucket.give_back();
        }
        assert_eq!([0; 3].map(|millis| bucket.take(at(millis))), [true, true, false]);
    }

    #[test]
    fn a_clock_that_was_set_back_shuts_out_nobody_who_only_looks() {
        let mut bucket = TokenBucket::full(2, SECOND);
        bucket.charge(5 * SECOND, at(3_600_000));
        assert_eq!([0, 3999, 4000].map(|millis| bucket.has_one(at(millis))), [false, false, true]);
    }

    #[test]
    fn time_beyond_what_the_bucket_holds_is_a_debt() {
        let mut bucket = TokenBucket::full(2, SECOND);
        bucket.charge(5 * SECOND, at(0));
        assert_eq!([0, 3999, 4000, 4000].map(|millis| bucket.take(at(millis))), [false, false, true, false]);
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
