//! The authorizer's own token: obtained once, shared by concurrent calls, renewed or obtained again before it ends.
//!
//! Receives a [`Login`](super::Login); produces a token that is good now. Leaves what is done with it to the [minter](super::VaultMinter).
//!
//! INVARIANT (wall clock): a session ends by the wall clock. Time that the function spent frozen counts.

use std::{
    sync::{self, Arc, MutexGuard, PoisonError},
    time::Duration,
};

use authorizer_steps::{
    clock::{Clock, UnixTime},
    error_chain::with_causes,
    mint::MintError,
};
use tokio::sync::Mutex;
use vault_api::{Auth, VaultToken};
use vault_transport::{Call, Vault};

use super::{
    login::{self, BoxedLogin, Granted},
    repeat::{Repeating, time_for_a_call},
};

/// A session that could not be refreshed is used on, and refreshed again not before this many seconds have passed; after
/// each further time twice as many. A login that was only slow is done all the same, and leaves a lease at Vault.
const RETRY_SECONDS: u64 = 5;
const LONGEST_RETRY_SECONDS: u64 = 160;
/// A token that came in place of a refused one, and is refused as well, is not replaced before that. It is bound to other
/// addresses, say; the next would be, too, and each login leaves a lease at Vault for as long as its token lives.
const PAUSE_AFTER_A_REPLACEMENT: Duration = Duration::from_secs(10);
/// How long a request waits for a refresh while the session is still good, at most.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(1);
const RENEW_SELF: &str = "auth/token/renew-self";
/// What a rate limit of the login is remembered for: only the login method knows its path.
const LOGIN: &str = "login";

/// A token with its times.
pub(super) struct Session {
    token: VaultToken,
    renewable: bool,
    /// The life it had when it was obtained by login, in seconds.
    first_ttl_seconds: u64,
    /// When to renew or log in again.
    due_at: UnixTime,
    /// When it is of no use any more.
    ends_at: UnixTime,
    /// How long to wait after a refresh that came to nothing.
    retry_seconds: u64,
}

impl Session {
    fn new(granted: Granted, first_ttl_seconds: Option<u64>, now: UnixTime) -> Self {
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

/// The session of this process.
pub(super) struct Sessions {
    vault: Vault,
    login: BoxedLogin,
    calls: Arc<Repeating>,
    clock: Arc<dyn Clock>,
    /// Held through a login: whoever asks meanwhile waits for the same one.
    current: Mutex<Option<Session>>,
    /// When a login gave a token in place of one that Vault refused; `None` again once Vault took it. Not part of the
    /// session, so that nobody who has a token waits for a login of others.
    replaced_at: sync::Mutex<Option<UnixTime>>,
}

impl Sessions {
    /// No session yet.
    pub(super) fn new(vault: Vault, login: BoxedLogin, calls: Arc<Repeating>, clock: Arc<dyn Clock>) -> Self {
        Self { vault, login, calls, clock, current: Mutex::new(None), replaced_at: sync::Mutex::new(None) }
    }

    /// A token that is good now, from the session or from a new login, before the deadline.
    ///
    /// # Errors
    ///
    /// The login's, where there is no session left to use.
    pub(super) async fn token(&self, deadline: UnixTime) -> Result<VaultToken, MintError> {
        self.token_of(&mut *self.current.lock().await, deadline).await
    }

    async fn token_of(
        &self,
        current: &mut Option<Session>,
        deadline: UnixTime,
    ) -> Result<VaultToken, MintError> {
        let now = self.clock.now();
        // The session stays in its place while it is refreshed: a call that is given up half-way must not lose it.
        let session = match current.as_mut() {
            Some(session) if now < session.due_at => return Ok(session.token.clone()),
            Some(session) if now < session.ends_at => match self.refreshed(session, deadline).await {
                Some(fresh) => fresh,
                None => {
                    session.due_at = now.plus_seconds(session.retry_seconds).min(session.ends_at);
                    session.retry_seconds = LONGEST_RETRY_SECONDS.min(session.retry_seconds * 2);
                    return Ok(session.token.clone());
                }
            },
            Some(_) | None => self.log_in(deadline).await?,
        };
        let token = session.token.clone();
        *current = Some(session);
        Ok(token)
    }

    /// Another token in place of one that Vault refuses: by a login, or the one that another call has got meanwhile. The same
    /// again, where the login knows no other; `None` where it came in place of a refused one itself, and just now.
    ///
    /// # Errors
    ///
    /// The login's.
    pub(super) async fn instead_of(
        &self,
        refused: &VaultToken,
        deadline: UnixTime,
    ) -> Result<Option<VaultToken>, MintError> {
        let is_refused = |token: &VaultToken| token.expose() == refused.expose();
        let mut current = self.current.lock().await;
        if !current.as_ref().is_some_and(|session| is_refused(&session.token)) {
            return self.token_of(&mut current, deadline).await.map(Some);
        }
        if self.has_replaced_just_now() {
            return Ok(None);
        }
        *current = None;
        let token = self.token_of(&mut current, deadline).await?;
        if !is_refused(&token) {
            *self.replaced_at() = Some(self.clock.now());
        }
        Ok(Some(token))
    }

    /// Vault took the token: should it refuse it later, that has a new reason.
    pub(super) fn token_taken(&self) {
        *self.replaced_at() = None;
    }

    fn has_replaced_just_now(&self) -> bool {
        let now = self.clock.now();
        self.replaced_at().is_some_and(|at| at <= now && now.duration_after(at) < PAUSE_AFTER_A_REPLACEMENT)
    }

    fn replaced_at(&self) -> MutexGuard<'_, Option<UnixTime>> {
        // Each change is one assignment: a panic elsewhere leaves it whole.
        self.replaced_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new session in place of one that is due; `None` where neither renewal nor login works in the time that a
    /// request with a usable session can be made to wait.
    ///
    /// The calls have the request's own time, and are dropped before it is over: a call that was cut short here is none that
    /// failed.
    async fn refreshed(&self, session: &Session, deadline: UnixTime) -> Option<Session> {
        let renewed_or_new = async {
            match self.renewed(session, deadline).await {
                Some(renewed) => Ok(renewed),
                None => self.log_in(deadline).await,
            }
        };
        let outcome =
            tokio::time::timeout(time_for_a_refresh(deadline, self.clock.now()), renewed_or_new).await;
        let reason = match outcome {
            Ok(Ok(session)) => return Some(session),
            Ok(Err(error)) => with_causes(&error),
            Err(_elapsed) => "no answer in time".to_owned(),
        };
        tracing::warn!(
            reason,
            "the authorizer's Vault token could not be refreshed; it is used on until it ends"
        );
        None
    }

    /// `None` where the token cannot be renewed, or so near its maximum TTL that a login is better.
    async fn renewed(&self, session: &Session, deadline: UnixTime) -> Option<Session> {
        if !session.renewable {
            return None;
        }
        let now = self.clock.now();
        let renewed = self
            .calls
            .attempt(RENEW_SELF, deadline, async || self.renew_self(&session.token, deadline).await)
            .await;
        let auth = renewed
            .inspect_err(|error| tracing::warn!(reason = with_causes(error), "renewal failed"))
            .ok()?;
        let granted = Granted::from(auth);
        // A token that was due has an end: a renewal that says nothing of it is worth nothing.
        let worth_it = granted.ttl_seconds.is_some_and(|ttl| ttl >= session.first_ttl_seconds / 2);
        worth_it.then(|| Session::new(granted, Some(session.first_ttl_seconds), now))
    }

    async fn renew_self(&self, token: &VaultToken, deadline: UnixTime) -> Result<Auth, MintError> {
        let call = Call::post(RENEW_SELF).token(token).timeout(time_for_a_call(deadline, self.clock.now())?);
        let call = call.body(&serde_json::json!({})).map_err(MintError::Login)?;
        let answer = self.vault.send(call).await;
        login::auth(answer.map_err(MintError::Login)?, RENEW_SELF.to_owned())
    }

    /// The life counts from before the call: Vault starts it somewhere between.
    async fn log_in(&self, deadline: UnixTime) -> Result<Session, MintError> {
        let once = async || {
            let now = self.clock.now();
            let granted = self.login.login(&self.vault, deadline).await?;
            Ok(Session::new(granted, None, now))
        };
        self.calls.attempt(LOGIN, deadline, once).await
    }
}

/// A refresh has half of what is left of its request's time, however little that is: the rest is for the mint, which can do
/// with the session as it is.
fn time_for_a_refresh(deadline: UnixTime, now: UnixTime) -> Duration {
    REFRESH_TIMEOUT.min(deadline.duration_after(now) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refresh_leaves_time_for_the_mint_it_is_for() {
        let millis = |left: u64| {
            time_for_a_refresh(UnixTime::from_millis(9_000 + left), UnixTime::from_millis(9_000)).as_millis()
        };
        assert_eq!([millis(8_000), millis(2_000), millis(300), millis(0)], [1_000, 1_000, 150, 0]);
    }
}
