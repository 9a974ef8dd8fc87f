//! Who held the token, and whether somebody else may have had it.
//!
//! Receives a trace; produces from when to when its wrapping token and the token itself were good, and who had them,
//! as far as the logs say. A trace that is not complete says nothing of these: the token may be another's.

use aws_smithy_types::{DateTime, date_time::Format};

use super::{
    chain::{Kind, Step, instant},
    joined::Trace,
    text::in_millis,
};

const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// The time in which a token was good.
pub(super) struct Held {
    pub(super) from: i128,
    pub(super) until: i128,
    /// In words: who had it, and how it ended.
    pub(super) told: String,
}

/// The wrapping token's, and then the token's.
pub(super) fn of(trace: &Trace) -> [Option<Held>; 2] {
    if trace.complete { [wrapping(trace), token(trace)] } else { [None, None] }
}

fn wrapping(trace: &Trace) -> Option<Held> {
    let from = instant(&first(trace, Kind::Mint)?.time)?;
    let ended = trace.steps.iter().filter(|step| match step.kind {
        Kind::Unwrap | Kind::RevokeWrapping => step.error.is_none(),
        // Whatever Vault answers.
        Kind::Misuse => true,
        Kind::Mint | Kind::Lookup | Kind::Use | Kind::Revoke | Kind::Inquiry => false,
    });
    let end = ended.min_by_key(|step| instant(&step.time)).map(|step| {
        let ended = match step.kind {
            Kind::Unwrap => "unwrapped it",
            Kind::Misuse => "used it for something else, which burned it",
            Kind::Mint | Kind::Lookup | Kind::Use | Kind::Revoke | Kind::RevokeWrapping | Kind::Inquiry => {
                "revoked it"
            }
        };
        (step, ended)
    });
    let holder = match trace.decision.wrapped_accessor() {
        Some(_) => "Held by API Gateway and the integration, in the authorizer's answer",
        None => "Held by the authorizer, which gave it to nobody",
    };
    held(trace, from, end, "wrap_ttl_seconds", holder)
}

fn token(trace: &Trace) -> Option<Held> {
    let unwrap = first(trace, Kind::Unwrap)?;
    let end = first(trace, Kind::Revoke).map(|step| (step, "revoked it"));
    held(trace, instant(&unwrap.time)?, end, "ttl_seconds", &format!("Held by {}", who(unwrap)))
}

/// Until the step that ended it, or until its lifetime was over, which begins with the mint.
fn held(trace: &Trace, from: i128, end: Option<(&Step, &str)>, lifetime: &str, holder: &str) -> Option<Held> {
    let (until, latest, ended) = match end {
        Some((step, ended)) => (instant(&step.time)?, "", format!("until {} {ended}", who(step))),
        None => {
            let seconds: u32 = trace.decision.text(lifetime).parse().ok()?;
            let mint = instant(&first(trace, Kind::Mint)?.time)?;
            let end = mint.checked_add(i128::from(seconds).checked_mul(NANOS_PER_SECOND)?)?;
            (end, " at the latest", "until it expired".to_owned())
        }
    };
    let shown = |at: i128| Some(in_millis(&DateTime::from_nanos(at).ok()?.fmt(Format::DateTime).ok()?));
    let told = format!("{} to {}{latest}. {holder}, {ended}.", shown(from)?, shown(until)?);
    Some(Held { from, until, told })
}

/// The first of this kind that Vault did not refuse.
fn first(trace: &Trace, kind: Kind) -> Option<&Step> {
    trace.steps.iter().find(|step| step.kind == kind && step.error.is_none())
}

fn who(step: &Step) -> &str {
    step.remote_address.as_deref().unwrap_or("somebody whose address is not in the log")
}

/// What an interception looks like in the audit log: each call that only somebody else, or a retry, makes.
pub(super) fn suspicions(trace: &Trace) -> Vec<String> {
    let unwrap = first(trace, Kind::Unwrap);
    let suspicion = |step: &Step| {
        let at = in_millis(&step.time);
        let other = match unwrap {
            Some(unwrap) if unwrap.remote_address == step.remote_address => {
                "the same address that unwrapped it"
            }
            Some(_) => "not the address that unwrapped it",
            None => "nobody unwrapped it",
        };
        match step.kind {
            Kind::Unwrap if step.error.is_some() => {
                Some(format!("{at}: {} could not unwrap the token ({other})", who(step)))
            }
            Kind::Misuse => {
                Some(format!("{at}: {} used the wrapping token itself, which burns it ({other})", who(step)))
            }
            Kind::Use if unwrap.is_some_and(|unwrap| unwrap.remote_address != step.remote_address) => {
                Some(format!("{at}: {} sent the token ({other})", who(step)))
            }
            Kind::Mint
            | Kind::Lookup
            | Kind::Unwrap
            | Kind::Use
            | Kind::Revoke
            | Kind::RevokeWrapping
            | Kind::Inquiry => None,
        }
    };
    trace.steps.iter().filter_map(suspicion).collect()
}
