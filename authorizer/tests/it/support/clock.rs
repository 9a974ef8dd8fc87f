//! A clock that a test can set.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use authorizer_steps::clock::{Clock, UnixTime};

/// 2027-01-15T08:00:00Z.
pub const NOW: u64 = 1_800_000_000;

pub struct SetClock(AtomicU64);

impl SetClock {
    pub fn at(seconds: u64) -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(seconds * 1000)))
    }

    pub fn forward_seconds(&self, seconds: u64) {
        self.forward_millis(seconds * 1000);
    }

    pub fn back_seconds(&self, seconds: u64) {
        self.0.fetch_sub(seconds * 1000, Ordering::SeqCst);
    }

    pub fn forward_millis(&self, millis: u64) {
        self.0.fetch_add(millis, Ordering::SeqCst);
    }
}

impl Clock for SetClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_millis(self.0.load(Ordering::SeqCst))
    }
}
