//! The only wall clock of this crate.
//!
//! It returns the time as a value. The steps take that value as an argument and stay pure. Nothing else in this crate
//! asks the operating system for the time.
//!
//! INVARIANT (wall clock): every expiry is compared in Unix seconds of this clock. A frozen Lambda's monotonic clock
//! stands still, so a deadline kept as `Instant` would still hold hours later.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Says what time it is.
pub trait Clock: Send + Sync {
    /// The time of the call.
    fn now(&self) -> UnixTime;
}

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that may ask the operating system")]
    fn now(&self) -> UnixTime {
        // Before 1970 there is no valid credential: zero makes every check refuse.
        UnixTime::from_system_time(SystemTime::now())
    }
}

/// A point in time, as the time since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnixTime(Duration);

impl UnixTime {
    /// The point `seconds` after the epoch.
    pub const fn from_seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// The point `millis` milliseconds after the epoch, as Lambda gives its deadline.
    pub const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// Whole seconds since the epoch.
    pub const fn seconds(self) -> u64 {
        self.0.as_secs()
    }

    /// Milliseconds since the epoch, as CloudWatch wants them; saturates in the year 584 million.
    pub fn millis(self) -> u64 {
        u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)
    }

    /// This point moved `seconds` into the future.
    #[must_use]
    pub fn plus_seconds(self, seconds: u64) -> Self {
        self.plus(Duration::from_secs(seconds))
    }

    /// This point moved into the future.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration))
    }

    /// Whole seconds from `earlier` to this point, a fraction cut off; zero when it is not earlier.
    pub fn seconds_after(self, earlier: Self) -> u64 {
        self.duration_after(earlier).as_secs()
    }

    /// Time from `earlier` to this point; zero when it is not earlier.
    pub fn duration_after(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// The same point for libraries that sign with it.
    pub fn to_system_time(self) -> SystemTime {
        UNIX_EPOCH.checked_add(self.0).unwrap_or(UNIX_EPOCH)
    }

    /// A point that a library gives; one before 1970 becomes 1970.
    pub(crate) fn from_system_time(time: SystemTime) -> Self {
        Self(time.duration_since(UNIX_EPOCH).unwrap_or_default())
    }
}
