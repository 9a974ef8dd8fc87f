//! A circuit breaker for Vault. After some failures in a row it stops all calls for a moment, and then lets one call
//! try.
//!
//! Receives the result of each call; says whether the next call may be made. So callers get an answer at once while
//! Vault is down, and a Vault that comes back is not flooded by everybody who waited. `repeat` decides what counts as
//! a failure.
//!
//! Calls that run at the same time can fail for one reason, such as a node that took all their connections down with
//! it. Together they count as one failure, unless Vault hangs. A Vault that hangs had enough time and answered none
//! of them.
//!
//! INVARIANT (wall clock): time that the function spent frozen counts, and a clock that was set back ends the pause.

use std::time::Duration;

use authorizer_steps::{clock::UnixTime, mint::MintError};

use crate::backoff::Backoff;

/// One lost connection is no outage.
const FAILURES_BEFORE_A_PAUSE: u32 = 5;
const PAUSES: Backoff = Backoff { first: Duration::from_secs(1), factor: 2, longest: Duration::from_secs(8) };
/// A call that tries Vault and is not heard of, since the function was frozen over it, is not waited for any longer.
const LONGEST_TRY: Duration = Duration::from_secs(6);

/// The failures in a row, and what follows from them.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    failures: u32,
    /// Since the last failure that was one too many, and until the next success.
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    since: UnixTime,
    pause: Duration,
    /// What the last call failed with.
    reason: String,
    sealed: bool,
    /// When the call began that tries Vault.
    trying_since: Option<UnixTime>,
}

/// How a call failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// For the operator.
    pub(super) reason: String,
    /// Vault said that it is sealed.
    pub(super) sealed: bool,
    /// Vault had time to answer, and did not.
    pub(super) hung: bool,
}

/// Leave to make one call; told apart by when it was given, where it is the one that tries a Vault that failed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turn {
    /// Those that were counted when it was given.
    failures: u32,
    trying_since: Option<UnixTime>,
}

impl Breaker {
    /// Whether Vault may be asked now.
    ///
    /// # Errors
    ///
    /// [`MintError::NotAsked`].
    pub(super) fn begin(&mut self, now: UnixTime) -> Result<Turn, MintError> {
        let failures = self.failures;
        let Some(open) = &mut self.open else { return Ok(Turn { failures, trying_since: None }) };
        let tried = open.trying_since.is_some_and(|since| within(since, LONGEST_TRY, now));
        if tried || within(open.since, open.pause, now) {
            return Err(MintError::NotAsked { failures, reason: open.reason.clone(), sealed: open.sealed });
        }
        open.trying_since = Some(now);
        Ok(Turn { failures, trying_since: Some(now) })
    }

    /// Vault did not answer, or said that it cannot.
    pub(super) fn failed(&mut self, turn: Turn, failure: Failure, now: UnixTime, chance: u8) {
        let Failure { reason, sealed, hung } = failure;
        // Once it is left alone, only the call that tries it has news.
        let is_news = match &self.open {
            Some(open) => turn.trying_since.is_some() && turn.trying_since == open.trying_since,
            None => hung || turn.failures == self.failures,
        };
        if !is_news {
            return;
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures >= FAILURES_BEFORE_A_PAUSE {
            let pause = PAUSES.after(self.failures - FAILURES_BEFORE_A_PAUSE + 1, chance);
            self.open = Some(Open { since: now, pause, reason, sealed, trying_since: None });
        }
    }

    /// Vault answered, whatever it said.
    pub(super) fn answered(&mut self) {
        *self = Self::default();
    }

    /// The call is over. If nothing was said of what became of it, and it was the one that tries Vault, the next one may.
    pub(super) fn given_back(&mut self, turn: Turn) {
        // Another call's turn stays that call's: only a turn that is still this one's is ended.
        if let Some(open) = self.open.as_mut().filter(|open| open.trying_since == turn.trying_since) {
            open.trying_since = None;
        }
    }
}

fn within(since: UnixTime, span: Duration, now: UnixTime) -> bool {
    since <= now && now.duration_after(since) < span
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);

    fn later(millis: u64) -> UnixTime {
        UnixTime::from_millis(NOW.millis() + millis)
    }

    /// As many failures as it takes, the last of them now.
    fn open() -> Breaker {
        let mut breaker = Breaker::default();
        for _ in 0..FAILURES_BEFORE_A_PAUSE {
            fails(&mut breaker, "connection refused", NOW, 255);
        }
        breaker
    }

    fn fails(breaker: &mut Breaker, reason: &str, now: UnixTime, chance: u8) {
        let turn = breaker.begin(now).unwrap();
        breaker.failed(turn, failure(reason), now, chance);
    }

    fn failure(reason: &str) -> Failure {
        Failure { reason: reason.to_owned(), sealed: true, hung: false }
    }

    #[test]
    fn calls_are_paused_after_some_failures_in_a_row() {
        let mut breaker = open();
        let refused = breaker.begin(later(999)).unwrap_err().to_string();
        assert!(
            refused.contains("5 failures in a row") && refused.contains("connection refused"),
            "{refused}"
        );
        assert!(breaker.begin(later(1000)).is_ok());
        assert!(
            open().begin(UnixTime::from_seconds(1_700_000_000)).is_ok(),
            "a clock set back ends the pause"
        );
    }

    #[test]
    fn calls_that_fail_together_are_one_failure_unless_vault_hung() {
        let at_once = |breaker: &mut Breaker, hung| {
            let turns: Vec<_> = (0..64).map_while(|_| breaker.begin(NOW).ok()).collect();
            for turn in turns {
                breaker.failed(turn, Failure { hung, ..failure("reset") }, NOW, 255);
            }
        };
        let mut breaker = Breaker::default();
        for _ in 1..FAILURES_BEFORE_A_PAUSE {
            at_once(&mut breaker, false);
            assert!(breaker.begin(NOW).is_ok());
        }
        at_once(&mut breaker, false);
        assert!(breaker.begin(later(999)).is_err() && breaker.begin(later(1000)).is_ok());

        let mut breaker = Breaker::default();
        at_once(&mut breaker, true);
        assert!(breaker.begin(later(999)).is_err(), "no answer to any of them");
        assert!(breaker.begin(later(1000)).is_ok(), "the pause is that of the first");
    }

    #[test]
    fn one_call_tries_it_and_the_others_are_answered() {
        let mut breaker = open();
        assert!(breaker.begin(later(1000)).is_ok());
        assert!(breaker.begin(later(1000)).is_err() && breaker.begin(later(6999)).is_err());
        assert!(breaker.begin(later(7000)).is_ok(), "the one that tried never came back");
        breaker.answered();
        assert!(breaker.begin(later(7000)).is_ok() && breaker.begin(later(7000)).is_ok());
        fails(&mut breaker, "once more", later(7000), 0);
        assert!(breaker.begin(later(7000)).is_ok(), "counted anew");
    }

    #[test]
    fn each_try_that_fails_makes_the_pause_longer_up_to_a_limit() {
        let mut breaker = open();
        let mut at = 1000;
        for seconds in [2, 4, 8, 8, 8] {
            fails(&mut breaker, "down", later(at), 255);
            at += seconds * 1000;
            assert!(breaker.begin(later(at - 1)).is_err());
        }
        let sealed = matches!(breaker.begin(later(at - 1)), Err(MintError::NotAsked { sealed: true, .. }));
        assert!(sealed);
    }

    #[test]
    fn a_call_that_came_to_nothing_leaves_its_turn_to_the_next_and_ends_no_other() {
        let mut breaker = open();
        let turn = breaker.begin(later(1000)).unwrap();
        breaker.given_back(turn);
        assert!(breaker.begin(later(1000)).is_ok());

        let mut breaker = Breaker::default();
        let from_before = breaker.begin(NOW).unwrap();
        let mut breaker = open();
        let lost = breaker.begin(later(1000)).unwrap();
        breaker.begin(later(7000)).unwrap();
        breaker.given_back(from_before);
        breaker.given_back(lost);
        assert!(breaker.begin(later(7000)).is_err(), "one call is trying");
    }
}
