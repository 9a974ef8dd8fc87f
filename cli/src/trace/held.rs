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

/// The wrapping token's, and then the token's. Of a decision that gave nobody a token, nothing is known but that.
pub(super) fn of(trace: &Trace) -> [Option<Held>; 2] {
    let is_known = trace.complete && trace.decision.wrapped_accessor().is_some();
    if is_known { [wrapping(trace), token(trace)] } else { [None, None] }
}

fn wrapping(trace: &Trace) -> Option<Held> {
    let from = instant(&first(trace, Kind::Mint)?.time)?;
    let end = trace.steps.iter().filter_map(|step| Some((step, ending(step)?)));
    let end = end.min_by_key(|(step, _)| instant(&step.time));
    held(
        trace,
        from,
        end,
        "wrap_ttl_seconds",
        "Held by API Gateway and the integration, in the authorizer's answer",
    )
}

/// How a step ended the wrapping token, if it did.
fn ending(step: &Step) -> Option<&'static str> {
    match step.kind {
        Kind::Unwrap => step.succeeded().then_some("unwrapped it"),
        Kind::RevokeWrapping => step.succeeded().then_some("revoked it"),
        Kind::Misuse if step.is_rewrap() => {
            step.succeeded().then_some("wrapped the token again, and holds the new wrapping token")
        }
        // Whatever Vault answers.
        Kind::Misuse => Some("used it for something else, which burned it"),
        Kind::Mint | Kind::Lookup | Kind::Use | Kind::Revoke | Kind::Inquiry => None,
    }
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

/// The first of this kind that Vault did.
fn first(trace: &Trace, kind: Kind) -> Option<&Step> {
    trace.steps.iter().find(|step| step.kind == kind && step.succeeded())
}

fn who(step: &Step) -> &str {
    step.remote_address.as_deref().unwrap_or("somebody whose address is not in the log")
}

/// What an interception looks like in the audit log: each call that only somebody else, or a retry, makes. Nothing where the
/// token may be another's.
pub(super) fn suspicions(trace: &Trace) -> Vec<String> {
    if trace.is_anothers {
        return Vec::new();
    }
    let unwrapped = trace.steps.iter().position(|step| step.kind == Kind::Unwrap && step.succeeded());
    let unwrap = unwrapped.and_then(|place| trace.steps.get(place));
    let from_elsewhere = |step: &Step| {
        let address = unwrap?.remote_address.as_ref()?;
        Some(address != step.remote_address.as_ref()?)
    };
    let suspicion = |(place, step): (usize, &Step)| {
        let is_late = unwrapped.is_some_and(|unwrapped| unwrapped < place);
        let what = match step.kind {
            Kind::Unwrap if step.error.is_some() => "could not unwrap the token",
            Kind::Lookup if step.error.is_some() && is_late => "could not look up the wrapping token",
            Kind::Misuse if step.is_rewrap() && step.error.is_some() => "tried to wrap the token again",
            Kind::Misuse if step.is_rewrap() => "wrapped the token again, and holds the new wrapping token",
            Kind::Misuse => "used the wrapping token itself, which burns it",
            Kind::Use if from_elsewhere(step) == Some(true) => "sent the token",
            Kind::Mint
            | Kind::Lookup
            | Kind::Unwrap
            | Kind::Use
            | Kind::Revoke
            | Kind::RevokeWrapping
            | Kind::Inquiry => return None,
        };
        let other = match from_elsewhere(step) {
            Some(false) => "the same address that unwrapped it",
            Some(true) => "not the address that unwrapped it",
            None if unwrap.is_none() => "nobody unwrapped it",
            None => "an address is missing from the log",
        };
        Some(format!("{}: {} {what} ({other})", in_millis(&step.time), who(step)))
    };
    trace.steps.iter().enumerate().filter_map(suspicion).collect()
}
