//! Repeats calls to Vault after a failure that may pass, and makes no call while Vault is down or asks to be left
//! alone.
//!
//! Receives an attempt and the time by which its answer is needed; produces its result, and says how long a call may
//! last. The caller decides whether a call may be sent twice. A login and a mint may, and an unwrap never comes here.
//!
//! | failure | made again |
//! |---|---|
//! | the connection broke | at once the first time: that is how one dies while a function is frozen |
//! | no connection, 5xx, 412, a leader lost half-way, a standby that lags (429 without a word) or has none (307) | after a pause |
//! | a quota (429) | no, and the next call of the kind not before its `Retry-After`: see `throttle` |
//! | no answer in time, and every refusal | no |
//!
//! After all of these except a quota and a refusal, the transport opens a new connection, so that behind a load
//! balancer the next attempt may reach another node.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use authorizer_steps::{
    clock::{Clock, UnixTime},
    error_chain::with_causes,
    mint::MintError,
};
use vault_api::{VaultError, VaultErrorKind};

use super::{
    TIMEOUT,
    breaker::{Breaker, Failure, Turn},
    throttle::Throttled,
};
use crate::backoff::{Backoff, chance};

/// What a single request adds to Vault's trouble at most.
const MAX_ATTEMPTS: u32 = 4;
/// Before the second attempt, and before each further one.
const PAUSES: Backoff =
    Backoff { first: Duration::from_millis(60), factor: 3, longest: Duration::from_secs(1) };
/// Where less time than this would be left, no attempt is worth it.
const SHORTEST_ATTEMPT: Duration = Duration::from_millis(50);
/// A call ends by so much before its request does: what came of it is still counted, logged and answered with.
const END_MARGIN: Duration = Duration::from_millis(50);
/// A Vault that has not answered a call in this time hangs. One that had less may only be slow.
const HANGS_AFTER: Duration = Duration::from_secs(1);

/// Makes calls again, and stops making them.
pub(super) struct Repeating {
    clock: Arc<dyn Clock>,
    breaker: Mutex<Breaker>,
    throttled: Mutex<Throttled>,
}

impl Repeating {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, breaker: Mutex::default(), throttled: Mutex::default() }
    }

    /// Makes an attempt, and others where the first fails in a way that passes, as long as one can end before the deadline.
    /// The calls of an attempt are given [`time_for_a_call`], so that they end by themselves: what is dropped half-way counts
    /// for nothing.
    /// `call` names what a rate limit is remembered for: a token role's path, the login or the renewal.
    ///
    /// # Errors
    ///
    /// The last attempt's; [`MintError::NotAsked`] or [`MintError::Throttled`] where there was none.
    pub(super) async fn attempt<T, F>(
        &self,
        call: &str,
        deadline: UnixTime,
        attempt: impl Fn() -> F,
    ) -> Result<T, MintError>
    where
        F: Future<Output = Result<T, MintError>>,
    {
        self.throttled().begin(call, self.clock.now())?;
        let mut turn = self.turn()?;
        let mut attempts = 0;
        loop {
            attempts += 1;
            let begun = self.clock.now();
            let outcome = attempt().await;
            let had_time = time_for_a_call(deadline, begun).is_ok_and(|time| time >= HANGS_AFTER);
            self.count(call, turn.turn, &outcome, had_time);
            drop(turn);
            let Err(error) = outcome else { return outcome };
            let Some(pause) = error.vault_error().and_then(|failure| pause(failure, attempts)) else {
                return Err(error);
            };
            let ends_in_time = time_for_a_call(deadline, self.clock.now().plus(pause)).is_ok();
            if attempts >= MAX_ATTEMPTS || !ends_in_time {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
            turn = match self.turn() {
                Ok(turn) => turn,
                Err(_) => return Err(error),
            };
        }
    }

    fn turn(&self) -> Result<TurnGuard<'_>, MintError> {
        let turn = self.breaker().begin(self.clock.now())?;
        Ok(TurnGuard { of: self, turn })
    }

    /// Whatever Vault answered, it answered: only what says that it is away counts against it.
    fn count<T>(&self, call: &str, turn: Turn, outcome: &Result<T, MintError>, had_time: bool) {
        let now = self.clock.now();
        match outcome.as_ref().map_err(MintError::vault_error) {
            Err(Some(failure)) if failure.is_away() => {
                let sealed = matches!(failure.kind, VaultErrorKind::Sealed);
                let hung = had_time && matches!(failure.kind, VaultErrorKind::TimedOut);
                let failure = Failure { reason: with_causes(failure), sealed, hung };
                self.breaker().failed(turn, failure, now, chance());
            }
            Err(Some(VaultError { path, kind: VaultErrorKind::Throttled { retry_after_seconds } })) => {
                self.breaker().answered();
                self.throttled().refused(call, path, *retry_after_seconds, now);
            }
            Ok(_) | Err(Some(_)) => self.breaker().answered(),
            // Vault was not even called: the turn goes back as it came.
            Err(None) => {}
        }
    }

    // Each change of the two is one call: a panic elsewhere leaves them whole.
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn throttled(&self) -> MutexGuard<'_, Throttled> {
        self.throttled.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn that ends with its attempt, also where the attempt is dropped half-way.
///
/// That is a refresh whose request has waited long enough (a call that fails, and one that hangs, ends before its request
/// does: [`time_for_a_call`]). It says that Vault is slow, if anything, and not that it is away. So the turn is given back and not
/// counted as failed: then the mint for which the refresh was would be turned away although its session is good. It has
/// more time than the refresh had, and what becomes of it counts.
struct TurnGuard<'a> {
    of: &'a Repeating,
    turn: Turn,
}

impl Drop for TurnGuard<'_> {
    fn drop(&mut self) {
        self.of.breaker().given_back(self.turn);
    }
}

/// How long a call may last whose answer is needed before the deadline. Lambda's own limit can be shorter than what Vault is
/// given otherwise: its default is 3 s.
///
/// # Errors
///
/// [`MintError::NoTime`], where a call could hardly end: a mint would only leave a token that nobody reads.
pub(super) fn time_for_a_call(deadline: UnixTime, now: UnixTime) -> Result<Duration, MintError> {
    let left = deadline.duration_after(now).saturating_sub(END_MARGIN);
    if left < SHORTEST_ATTEMPT { Err(MintError::NoTime) } else { Ok(left.min(TIMEOUT)) }
}

/// How long to wait before the call is made again; `None` where that would not help.
fn pause(failure: &VaultError, attempts: u32) -> Option<Duration> {
    if !failure.passes() {
        return None;
    }
    let broke = matches!(failure.kind, VaultErrorKind::Unreachable { sent: true, .. });
    Some(if broke && attempts == 1 { Duration::ZERO } else { PAUSES.after(attempts, chance()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_waited_for_and_a_connection_that_broke_is_not() {
        let pause = |kind: VaultErrorKind, attempts| pause(&kind.at("auth/token/create/r"), attempts);
        let unreachable = |sent| VaultErrorKind::Unreachable { sent, source: Arc::new(std::fmt::Error) };
        assert_eq!(pause(unreachable(true), 1), Some(Duration::ZERO));
        for (kind, attempts) in [(unreachable(true), 2), (unreachable(false), 1), (VaultErrorKind::Sealed, 1)]
        {
            assert!(pause(kind, attempts).is_some_and(|pause| pause >= PAUSES.first / 2));
        }
        assert_eq!(pause(VaultErrorKind::Throttled { retry_after_seconds: Some(0) }, 1), None);
        assert_eq!(pause(VaultErrorKind::TimedOut, 1), None);
    }

    #[test]
    fn a_call_ends_before_its_request_and_is_not_made_where_it_could_not() {
        let time = |left: u64| {
            time_for_a_call(UnixTime::from_millis(9_000 + left), UnixTime::from_millis(9_000)).ok()
        };
        assert_eq!(time(60_000), Some(TIMEOUT));
        assert_eq!(time(2_800), Some(Duration::from_millis(2_750)));
        assert_eq!([time(100), time(99), time(0)], [Some(Duration::from_millis(50)), None, None]);
    }
}
