//! How long a step took.

use std::time::Instant;

/// Measures steps. The only reader of the monotonic clock: a duration is for the log, an expiry never.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to measure.
    #[expect(clippy::disallowed_methods, reason = "the one place that may measure with the monotonic clock")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    pub(super) fn micros(self) -> u64 {
        u64::try_from(self.0.elapsed().as_micros()).unwrap_or(u64::MAX)
    }
}
