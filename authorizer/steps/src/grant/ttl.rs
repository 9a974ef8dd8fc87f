//! Chooses the TTLs to ask Vault for.
//!
//! Vault's `allowed_parameters` matches values literally, so the authorizer's policy lists every TTL that it may
//! send. This only works with few values. They form a ladder of steps, and the largest step that fits is taken.
//!
//! Receives the grant's TTLs and the time that the credential has left; produces the TTLs to send. The grant decides
//! how much time is left.

/// No token and no wrapping token lives shorter, in seconds.
pub const MIN_TTL_SECONDS: u64 = 15;

const STEPS_SECONDS: [u64; 7] = [MIN_TTL_SECONDS, 30, 60, 120, 300, 600, 900];

/// Every TTL that may be sent for a grant, in seconds and in ascending order: the steps below the grant's own `ttl`, and that.
/// The authorizer's Vault policy lists exactly these, each as `"<n>s"`.
pub fn ladder(ttl_seconds: u64) -> impl DoubleEndedIterator<Item = u64> {
    STEPS_SECONDS.into_iter().filter(move |step| *step < ttl_seconds).chain([ttl_seconds])
}

/// What one mint asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttls {
    /// Of the token, in seconds.
    pub token_seconds: u64,
    /// Of the wrapping token, in seconds; never longer than the token's.
    pub wrap_seconds: u64,
}

impl Ttls {
    /// The largest step that fits the grant and the rest of the credential; `None` if not even the smallest does.
    pub(super) fn fit(ttl_seconds: u64, wrap_ttl_seconds: u64, seconds_left: u64) -> Option<Self> {
        let token_seconds = ladder(ttl_seconds).rev().find(|step| *step <= seconds_left)?;
        Some(Self { token_seconds, wrap_seconds: wrap_ttl_seconds.min(token_seconds) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_largest_step_that_fits_is_taken_and_none_where_the_smallest_does_not() {
        for (ttl, wrap, left, expected) in [
            (120, 30, 3600, Some((120, 30))),
            (120, 30, 119, Some((60, 30))),
            (120, 30, 29, Some((15, 15))),
            (120, 30, 15, Some((15, 15))),
            (120, 30, 14, None),
            (120, 30, 0, None),
            (45, 30, 45, Some((45, 30))),
            (45, 30, 44, Some((30, 30))),
            (7200, 60, 7199, Some((900, 60))),
            (7200, 60, 7200, Some((7200, 60))),
        ] {
            let fitted = Ttls::fit(ttl, wrap, left).map(|ttls| (ttls.token_seconds, ttls.wrap_seconds));
            assert_eq!(fitted, expected, "{ttl} {wrap} {left}");
        }
    }

    proptest! {
        #[test]
        fn a_ttl_never_outlives_the_grant_or_the_credential(ttl in 15u64..90_000, wrap in 15u64..90_000, left in 0u64..100_000) {
            let wrap = wrap.min(ttl);
            match Ttls::fit(ttl, wrap, left) {
                Some(ttls) => {
                    prop_assert!(ttls.token_seconds <= ttl && ttls.token_seconds <= left);
                    prop_assert!(ttls.wrap_seconds <= wrap && ttls.wrap_seconds <= ttls.token_seconds);
                    prop_assert!(ttls.wrap_seconds >= MIN_TTL_SECONDS);
                    prop_assert!(ladder(ttl).any(|step| step == ttls.token_seconds));
                }
                None => prop_assert!(left < MIN_TTL_SECONDS),
            }
        }
    }
}
