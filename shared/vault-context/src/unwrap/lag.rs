//! Asks again if a node of Vault does not know a token yet: [`Patience`].
//!
//! The active node makes a token. A standby that serves reads (OpenBao's, Vault Enterprise's performance standbys)
//! hears of it some milliseconds later. Until then the standby says that there is no such token, in the same words as
//! for a spent one; some say 412.
//!
//! Receives the lifetime of the token; produces pauses, and says when to stop. The steps decide which calls may be
//! sent again. A lookup always may, and an unwrap only if it was refused and a lookup still shows the token.

use std::time::Duration;

use aws_lc_rs::rand;
// Within one request: a Lambda is not frozen while it serves one.
use tokio::time::{Instant, sleep};

use crate::vault::{Call, Vault, VaultAnswer, VaultError, VaultErrorKind};

/// How long one step keeps asking. Standbys lag by milliseconds, and a Lambda function has 3 s unless it is given more.
const PATIENCE: Duration = Duration::from_secs(2);
/// Before the second try; twice as long before each further one. Half of it is chance.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(400);

/// How long a token lives, counted from when this side heard of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Life {
    began: Instant,
    lasts: Duration,
}

impl Life {
    pub(super) fn of(lasts: Duration) -> Self {
        Self { began: Instant::now(), lasts }
    }

    /// Nobody needs to know this token any more.
    pub(super) fn over() -> Self {
        Self::of(Duration::ZERO)
    }

    fn is_over_after(self, pause: Duration) -> bool {
        self.began.elapsed() + pause >= self.lasts
    }
}

/// Why nobody is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Over {
    /// The token has expired, or would before the next answer.
    Life,
    /// No node that lags behind needs so long.
    Patience,
}

/// The pauses of one step.
#[derive(Debug)]
pub(super) struct Patience {
    began: Instant,
    next: Duration,
}

impl Patience {
    pub(super) fn begin() -> Self {
        Self { began: Instant::now(), next: FIRST_PAUSE }
    }

    /// Waits before the next try, if there is to be one.
    pub(super) async fn pause(&mut self, life: Life) -> Result<(), Over> {
        let pause = half_by_chance(self.next);
        if life.is_over_after(pause) {
            return Err(Over::Life);
        }
        if self.began.elapsed() + pause > PATIENCE {
            return Err(Over::Patience);
        }
        if self.next == FIRST_PAUSE {
            tracing::info!("a node of Vault does not know the token yet, or cannot answer now: asking again");
        }
        self.next = self.next.saturating_mul(2).min(LONGEST_PAUSE);
        sleep(pause).await;
        Ok(())
    }
}

/// Whether a call that changes nothing may be answered when it is sent again: the node lags behind, or cannot answer now, as
/// one cannot for a moment when its cluster elects a leader. A sealed Vault, one that hangs, and a quota are not waited for.
pub(super) fn may_be_answered_soon(error: &VaultError) -> bool {
    error.may_be_lag() || matches!(error.kind, VaultErrorKind::Unavailable { .. })
}

/// Sends a call with a new token, and again where `passes` says that the error does.
pub(super) async fn send_until(
    passes: impl Fn(&VaultError) -> bool,
    vault: &Vault,
    call: Call,
    life: Life,
) -> Result<VaultAnswer, VaultError> {
    let call = call.new_token();
    let mut patience = Patience::begin();
    loop {
        match vault.send(call.clone()).await {
            Err(error) if passes(&error) && patience.pause(life).await.is_ok() => {}
            outcome => return outcome,
        }
    }
}

fn half_by_chance(longest: Duration) -> Duration {
    let mut chance = [0];
    // Without chance the pauses are still pauses.
    let _ = rand::fill(&mut chance);
    let [chance] = chance;
    let half = longest / 2;
    half + half * u32::from(chance) / u32::from(u8::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_token_is_not_asked_for_beyond_its_life() {
        let mut patience = Patience::begin();
        assert_eq!(patience.pause(Life::over()).await, Err(Over::Life));
        assert_eq!(patience.pause(Life::of(Duration::from_millis(5))).await, Err(Over::Life));
        assert_eq!(patience.pause(Life::of(Duration::MAX)).await, Ok(()));
    }

    #[tokio::test]
    async fn patience_ends_after_a_bounded_time_and_number_of_tries() {
        let (mut patience, mut pauses) = (Patience::begin(), 0);
        while patience.pause(Life::of(Duration::MAX)).await.is_ok() {
            pauses += 1;
        }
        assert!((5..=14).contains(&pauses), "{pauses}");
        assert!(patience.began.elapsed() <= PATIENCE + Duration::from_millis(200));
    }
}
