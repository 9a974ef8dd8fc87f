//! Shares the authorizer's token between requests. One of them gets the next token, while the others use the token
//! that is still good, or wait.
//!
//! Receives `now`, and the result of each login or refresh; produces a token, or the turn to get one. It knows
//! neither the network nor what a login is.
//!
//! | the session | while another call gets the next one | else |
//! |---|---|---|
//! | good | `Good` | `Good` |
//! | due | `Good` | `Refresh` |
//! | over, refused, or none yet | waits for it | `LogIn` |
//!
//! All who waited for a failed login get the same error. A Vault that refuses a login is asked once, however many
//! requests want the login, and a Vault that hangs delays all of them once.
//!
//! INVARIANT (wall clock): a session ends by the wall clock. Time that the function spent frozen counts.

#[cfg(not(test))]
use std::sync::{Mutex, MutexGuard};
use std::{sync::PoisonError, time::Duration};

use authorizer_steps::{
    clock::{Clock, UnixTime},
    mint::MintError,
};
#[cfg(test)]
use tests::{Mutex, MutexGuard};
use tokio::sync::Notify;
use vault_api::VaultToken;

use super::super::login::Granted;

/// A session that could not be refreshed is used on, and refreshed again not before this many seconds have passed; after
/// each further time twice as many. A login that was only slow is done all the same, and leaves a lease at Vault.
const RETRY_SECONDS: u64 = 5;
const LONGEST_RETRY_SECONDS: u64 = 160;
/// A token that came in place of a refused one, and is refused as well, is not replaced before that. It is bound to other
/// addresses, say; the next would be, too, and each login leaves a lease at Vault for as long as its token lives.
const PAUSE_AFTER_A_REPLACEMENT: Duration = Duration::from_secs(10);

/// A token with its times.
#[derive(Clone)]
pub(super) struct Session {
    pub(super) token: VaultToken,
    pub(super) renewable: bool,
    /// The life it had when it was obtained by login, in seconds.
    pub(super) first_ttl_seconds: u64,
    /// When to renew or log in again.
    due_at: UnixTime,
    /// When it is of no use any more.
    ends_at: UnixTime,
    /// How long to wait after a refresh that came to nothing.
    retry_seconds: u64,
}

impl Session {
    pub(super) fn new(granted: Granted, first_ttl_seconds: Option<u64>, now: UnixTime) -> Self {
        const FOREVER: UnixTime = UnixTime::from_seconds(u64::MAX);
        let (due_at, ends_at) = match granted.ttl_seconds {
            // Two thirds: the rest is for trying again while Vault is away.
            Some(ttl) => (now.plus_seconds(ttl / 3 * 2), now.plus_seconds(ttl)),
            None => (FOREVER, FOREVER),
        };
        let first_ttl_seconds = first_ttl_seconds.or(granted.ttl_seconds).unwrap_or(u64::MAX);
        let (token, renewable) = (granted.token, granted.renewable);
        Self { token, renewable, first_ttl_seconds, due_at, ends_at, retry_seconds: RETRY_SECONDS }
    }
}

/// The session of this process, and who gets the next one.
#[derive(Default)]
pub(super) struct SingleFlight {
    /// Locked for as long as it takes to read or write, and never while somebody waits for the network.
    current: Mutex<Current>,
    /// Wakes those who wait for another's flight.
    landed: Notify,
}

#[derive(Default)]
struct Current {
    session: Option<Session>,
    /// Whether a flight is under way.
    under_way: bool,
    /// What the last flight failed with, for those who waited for it.
    failure: Option<MintError>,
    /// The token that Vault refused, until there is another session.
    refused: Option<VaultToken>,
    /// The token that came in place of a refused one, and when; `None` again once Vault took it.
    replacement: Option<(VaultToken, UnixTime)>,
}

/// What a request does for its token.
pub(super) enum Turn<'a> {
    /// Uses this one.
    Good(VaultToken),
    /// Gets one in place of this one, and uses this one if that comes to nothing.
    Refresh(Box<Session>, Flight<'a>),
    /// Gets one.
    LogIn(Flight<'a>),
}

enum Next {
    Good(VaultToken),
    Refresh(Box<Session>),
    LogIn,
    Wait,
    Failed(MintError),
}

impl SingleFlight {
    /// A token that is good now, or the turn to get one. While another call gets one, and there is none that is good, waits for
    /// it: at most until the deadline of the walk.
    ///
    /// # Errors
    ///
    /// That of the login that this call waited for.
    pub(super) async fn take(&self, clock: &dyn Clock) -> Result<Turn<'_>, MintError> {
        let mut waited = false;
        loop {
            // From the moment of this call on, not of the first poll: no landing in between is missed.
            let landed = self.landed.notified();
            let now = clock.now();
            let next = self.current().next(waited, now);
            match next {
                Next::Good(token) => return Ok(Turn::Good(token)),
                Next::Refresh(session) => return Ok(Turn::Refresh(session, self.flight(now))),
                Next::LogIn => return Ok(Turn::LogIn(self.flight(now))),
                Next::Failed(error) => return Err(error),
                Next::Wait => landed.await,
            }
            waited = true;
        }
    }

    /// Vault refuses this token: nobody gets it any more. Says whether another may be had: not where it came in place of a
    /// refused one itself, and just now.
    pub(super) fn refuse(&self, token: &VaultToken, now: UnixTime) -> bool {
        let mut current = self.current();
        if !current.session.as_ref().is_some_and(|session| is_same(&session.token, token)) {
            return true;
        }
        if current.has_replaced_just_now(now) {
            return false;
        }
        current.session = None;
        current.refused = Some(token.clone());
        true
    }

    /// Vault took the token: should it refuse it later, that has a new reason.
    pub(super) fn taken(&self, token: &VaultToken) {
        let mut current = self.current();
        if current.replacement.as_ref().is_some_and(|(replacement, _)| is_same(replacement, token)) {
            current.replacement = None;
        }
    }

    fn flight(&self, began_at: UnixTime) -> Flight<'_> {
        Flight { of: self, began_at, outcome: Outcome::GivenUp }
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        // Nothing panics while it holds the lock; should it ever, what is kept is still whole.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Current {
    fn next(&mut self, waited: bool, now: UnixTime) -> Next {
        let next = match self.session.as_ref().filter(|session| now < session.ends_at) {
            Some(session) if self.under_way || now < session.due_at => {
                return Next::Good(session.token.clone());
            }
            Some(session) => Next::Refresh(Box::new(session.clone())),
            None if self.under_way => return Next::Wait,
            None => match self.failure.as_ref().filter(|_| waited) {
                // No older than the wait: each flight begins without one.
                Some(failure) => return Next::Failed(failure.clone()),
                None => Next::LogIn,
            },
        };
        self.under_way = true;
        self.failure = None;
        next
    }

    fn has_replaced_just_now(&self, now: UnixTime) -> bool {
        let is_recent = |at: UnixTime| at <= now && now.duration_after(at) < PAUSE_AFTER_A_REPLACEMENT;
        self.replacement.as_ref().is_some_and(|(_, at)| is_recent(*at))
    }
}

/// The turn to get a token, until it is said what came of it. Dropped before, because its request ran out of time, it leaves the
/// session as it is, and the turn to another call.
pub(super) struct Flight<'a> {
    of: &'a SingleFlight,
    began_at: UnixTime,
    outcome: Outcome,
}

enum Outcome {
    Got(Session),
    NotRefreshed,
    Failed(MintError),
    GivenUp,
}

impl Flight<'_> {
    /// There is a token for everybody.
    pub(super) fn got(mut self, session: Session) {
        self.outcome = Outcome::Got(session);
    }

    /// The session is used on until it ends.
    pub(super) fn not_refreshed(mut self) {
        self.outcome = Outcome::NotRefreshed;
    }

    /// There is none. Whoever waited gets this error.
    pub(super) fn failed(mut self, error: &MintError) {
        self.outcome = Outcome::Failed(error.clone());
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let outcome = std::mem::replace(&mut self.outcome, Outcome::GivenUp);
        self.of.current().land(outcome, self.began_at);
        self.of.landed.notify_waiters();
    }
}

impl Current {
    fn land(&mut self, outcome: Outcome, began_at: UnixTime) {
        self.under_way = false;
        match outcome {
            Outcome::Got(session) => {
                if self.refused.take().is_some_and(|refused| !is_same(&refused, &session.token)) {
                    self.replacement = Some((session.token.clone(), began_at));
                }
                self.session = Some(session);
            }
            Outcome::NotRefreshed => {
                if let Some(session) = &mut self.session {
                    session.due_at = began_at.plus_seconds(session.retry_seconds).min(session.ends_at);
                    session.retry_seconds = LONGEST_RETRY_SECONDS.min(session.retry_seconds * 2);
                }
            }
            Outcome::Failed(error) => self.failure = Some(error),
            Outcome::GivenUp => {}
        }
    }
}

fn is_same(one: &VaultToken, other: &VaultToken) -> bool {
    one.expose() == other.expose()
}

#[cfg(test)]
mod tests;
