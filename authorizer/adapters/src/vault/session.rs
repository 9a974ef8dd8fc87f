//! The authorizer's own token. It is obtained once, shared by concurrent calls, and renewed or replaced before it
//! ends.
//!
//! Receives a [`Login`](super::Login); produces a token that is valid now. [`single_flight`] decides which call gets
//! the next token, and the [minter](super::VaultMinter) uses it.

mod single_flight;

use std::{sync::Arc, time::Duration};

use authorizer_steps::{
    clock::{Clock, UnixTime},
    error_chain::with_causes,
    mint::MintError,
};
use vault_api::{Auth, VaultError, VaultErrorKind, VaultToken};
use vault_transport::{Call, Vault};

use super::{
    TIMEOUT,
    login::{self, BoxedLogin, Granted},
    repeat::{Repeating, time_for_a_call},
};
use single_flight::{Flight, Session, SingleFlight, Turn};

/// How long a request waits for a refresh while the session is still good, at most.
const REFRESH_TIMEOUT: Duration = Duration::from_secs(1);
const RENEW_SELF: &str = "auth/token/renew-self";
/// What a rate limit of the login is remembered for: only the login method knows its path.
const LOGIN: &str = "login";

/// The session of this process.
pub(super) struct Sessions {
    vault: Vault,
    login: BoxedLogin,
    calls: Arc<Repeating>,
    clock: Arc<dyn Clock>,
    current: SingleFlight,
}

impl Sessions {
    /// No session yet.
    pub(super) fn new(vault: Vault, login: BoxedLogin, calls: Arc<Repeating>, clock: Arc<dyn Clock>) -> Self {
        Self { vault, login, calls, clock, current: SingleFlight::default() }
    }

    /// A token that is good now, from the session or from a new login, before the deadline.
    ///
    /// # Errors
    ///
    /// The login's, where there is no session left to use.
    pub(super) async fn token(&self, deadline: UnixTime) -> Result<VaultToken, MintError> {
        match self.current.take(&*self.clock).await? {
            Turn::Good(token) => Ok(token),
            Turn::Refresh(session, flight) => Ok(self.refresh(*session, flight, deadline).await),
            Turn::LogIn(flight) => self.new_session(flight, deadline).await,
        }
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
        if self.current.refuse(refused, self.clock.now()) {
            self.token(deadline).await.map(Some)
        } else {
            Ok(None)
        }
    }

    /// Vault took the token: should it refuse it later, that has a new reason.
    pub(super) fn token_taken(&self, token: &VaultToken) {
        self.current.taken(token);
    }

    async fn refresh(&self, session: Session, flight: Flight<'_>, deadline: UnixTime) -> VaultToken {
        match self.refreshed(&session, deadline).await {
            Some(fresh) => landed(flight, fresh),
            None => {
                flight.not_refreshed();
                session.token
            }
        }
    }

    async fn new_session(&self, flight: Flight<'_>, deadline: UnixTime) -> Result<VaultToken, MintError> {
        let had_all_the_time = time_for_a_call(deadline, self.clock.now()).is_ok_and(|time| time == TIMEOUT);
        match self.log_in(deadline).await {
            Ok(session) => Ok(landed(flight, session)),
            Err(error) => {
                // A flight that is dropped is another call's turn, which may have the time that this one lacked.
                if !lacked_time(&error, had_all_the_time) {
                    flight.failed(&error);
                }
                Err(error)
            }
        }
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
            "the authorizer's Vault token could not be refreshed; it stays in use until it expires"
        );
        None
    }

    /// `None` where the token cannot be renewed, or so near its maximum TTL that a login is better.
    async fn renewed(&self, session: &Session, deadline: UnixTime) -> Option<Session> {
        if !session.renewable {
            return None;
        }
        let now = self.clock.now();
        let renewed =
            self.calls.attempt(RENEW_SELF, deadline, || self.renew_self(&session.token, deadline)).await;
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
        let once = || async {
            let now = self.clock.now();
            let granted = self.login.login(&self.vault, deadline).await?;
            Ok(Session::new(granted, None, now))
        };
        self.calls.attempt(LOGIN, deadline, once).await
    }
}

fn landed(flight: Flight<'_>, session: Session) -> VaultToken {
    let token = session.token.clone();
    flight.got(session);
    token
}

fn lacked_time(error: &MintError, had_all_the_time: bool) -> bool {
    let may_be_slow = matches!(
        error,
        MintError::Login(VaultError { kind: VaultErrorKind::TimedOut, .. }) | MintError::LoginSts { .. }
    );
    matches!(error, MintError::NoTime) || (may_be_slow && !had_all_the_time)
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
