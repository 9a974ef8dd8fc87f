//! Remembers which calls Vault refused for a rate limit, and until when not to make them again.
//!
//! Receives each refusal with its `Retry-After`; says whether the next call of the kind may be made. So a caller who
//! is over the quota of one grant delays nobody, because neither this call nor any other waits for the quota.
//!
//! A refusal counts only for the call that was refused: a token role, the login or the renewal. Vault's text names
//! the path of the call, not the path of the quota, and a load balancer in front of Vault names nothing. If the limit
//! is wider, other calls get their own refusals, which cost Vault next to nothing. If we took a narrow limit for a
//! wide one, the callers of one grant could shut out those of another.
//!
//! INVARIANT (wall clock): time that the function spent frozen counts, and a clock that was set back ends the wait.

use std::{collections::BTreeMap, time::Duration};

use authorizer_steps::{clock::UnixTime, mint::MintError};

/// Whatever Vault, or something before it, asks for.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The calls that are not made now: at most one for each token role of the configuration, the login and the renewal.
#[derive(Debug, Default)]
pub(super) struct Throttled(BTreeMap<String, Wait>);

#[derive(Debug)]
struct Wait {
    since: UnixTime,
    lasts: Duration,
    path: String,
}

impl Throttled {
    /// Whether a call may be made now.
    ///
    /// # Errors
    ///
    /// [`MintError::Throttled`].
    pub(super) fn begin(&mut self, call: &str, now: UnixTime) -> Result<(), MintError> {
        let Some(wait) = self.0.get(call) else { return Ok(()) };
        let left = wait.lasts.saturating_sub(now.duration_after(wait.since));
        if now < wait.since || left.is_zero() {
            self.0.remove(call);
            return Ok(());
        }
        let seconds_left = left.as_secs() + u64::from(left.subsec_nanos() > 0);
        Err(MintError::Throttled { path: wait.path.clone(), seconds_left })
    }

    /// Vault refused a call to this path. Without a time there is nothing to wait for: Vault names one only if it is configured
    /// to (`enable_rate_limit_response_headers`).
    pub(super) fn refused(
        &mut self,
        call: &str,
        path: &str,
        retry_after_seconds: Option<u64>,
        now: UnixTime,
    ) {
        let lasts = Duration::from_secs(retry_after_seconds.unwrap_or_default()).min(LONGEST_WAIT);
        self.0.insert(call.to_owned(), Wait { since: now, lasts, path: path.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixTime = UnixTime::from_seconds(1_800_000_000);
    const ROLE: &str = "auth/token/create/orders";

    fn refused(retry_after_seconds: Option<u64>) -> Throttled {
        let mut throttled = Throttled::default();
        throttled.refused(ROLE, ROLE, retry_after_seconds, NOW);
        throttled
    }

    #[test]
    fn the_call_that_was_refused_waits_and_no_other() {
        let mut throttled = refused(Some(5));
        let told = throttled.begin(ROLE, UnixTime::from_millis(NOW.millis() + 4_999)).unwrap_err();
        assert!(matches!(told, MintError::Throttled { seconds_left: 1, .. }), "{told:?}");
        assert!(throttled.begin("auth/token/create/other", NOW).is_ok());
        assert!(throttled.begin(ROLE, NOW.plus_seconds(5)).is_ok());
    }

    #[test]
    fn a_wait_is_bounded_and_ends_where_the_clock_is_set_back_or_no_time_was_said() {
        let mut throttled = refused(Some(u64::MAX));
        assert!(throttled.begin(ROLE, NOW.plus_seconds(59)).is_err());
        assert!(throttled.begin(ROLE, NOW.plus_seconds(60)).is_ok());
        let mut throttled = refused(Some(5));
        assert!(throttled.begin(ROLE, UnixTime::from_seconds(1_700_000_000)).is_ok());
        assert!(throttled.begin(ROLE, NOW).is_ok(), "for good");
        for nothing in [None, Some(0)] {
            assert!(refused(nothing).begin(ROLE, NOW).is_ok());
        }
    }
}
