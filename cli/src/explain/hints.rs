//! What to try next, if the outcome alone does not say it.
//!
//! Receives an explanation and the arguments; produces a sentence or nothing. Nothing here decides.

use authorizer_steps::{clock::UnixTime, grant::Stages, names::StageName, outcome::Code};
use serde_json::Value;

use super::{time::rfc3339, walk::Explanation};

/// What the command was given.
#[derive(Clone, Copy)]
pub(super) struct Given<'a> {
    /// The event.
    pub(super) event: &'a Value,
    /// Whether a time stands on the command line.
    pub(super) time: bool,
    /// Of a call in place of an event: whether a grant of the stage covers its route.
    pub(super) route_covered: Option<bool>,
    /// The configuration's.
    pub(super) stages: &'a Stages,
}

/// At most one.
pub(super) fn of(explanation: &Explanation, given: Given<'_>) -> Vec<String> {
    let Given { event, time: time_is_given, route_covered, stages } = given;
    let code = Code::ALL.iter().find(|code| Some(code.as_str()) == explanation.code);
    let is_one_of = |codes: &[Code]| code.is_some_and(|code| codes.contains(code));
    let hint = if is_one_of(&ENDED) && !time_is_given {
        as_of_the_event(event)
    } else if is_one_of(&[Code::KeyUnknown]) && time_is_given {
        "keys are fetched now, so a key that the issuer has withdrawn since then is unknown".to_owned()
    } else if is_one_of(&[Code::ProofRefused]) && time_is_given {
        "STS uses its own clock, and accepts no proof that is older than 15 minutes".to_owned()
    } else if is_one_of(&[Code::IssuerUnknown]) {
        "`issuer` must match exactly, including a trailing slash: copy it from a token's `iss`".to_owned()
    } else if is_one_of(&[Code::AudienceMismatch]) {
        "add the API's audience to `audiences`, or have the caller ask its provider for a token with one of those".to_owned()
    } else if is_one_of(&[Code::StageUnknown]) {
        let stages: Vec<&str> = stages.keys().map(StageName::as_str).collect();
        format!("the configured stages are: {}", stages.join(", "))
    } else if is_one_of(&[Code::NoGrant]) && route_covered == Some(false) {
        "no grant of the stage matches the route: `--route` is the API's own template, such as `GET /orders/{id}` for a call to /orders/7"
            .to_owned()
    } else if is_one_of(&[Code::BindingMissing]) && route_covered.is_some() {
        "a call made from `--jwt` has no proof and no client certificate: pass the event of a real call with `--event`".to_owned()
    } else if is_one_of(&[Code::CredentialMalformed, Code::SignatureInvalid]) && route_covered.is_some() {
        "the JWT may be truncated, or have other text around it".to_owned()
    } else if is_one_of(&[Code::CredentialMissing, Code::CredentialMalformed, Code::SignatureInvalid]) {
        "an event copied from a log may have its credential removed or truncated".to_owned()
    } else if is_one_of(&[Code::JwksUnavailable, Code::StsUnavailable]) {
        "this machine asked: the function may reach hosts that this machine cannot, and the other way round"
            .to_owned()
    } else if is_one_of(&[Code::EventUnsupported]) {
        "pass the event as the function got it: an object with `type` and `methodArn` or `routeArn`, without the log line around it".to_owned()
    } else {
        return Vec::new();
    };
    vec![hint]
}

/// What ends by itself, and so ends for every old event.
const ENDED: [Code; 4] = [Code::TokenExpired, Code::TokenExpiring, Code::TokenTooOld, Code::ProofExpired];

/// The event tells its own time in milliseconds: REST and WebSocket APIs as `requestTimeEpoch`, HTTP APIs as `timeEpoch`.
fn as_of_the_event(event: &Value) -> String {
    let millis = |pointer: &str| event.pointer(pointer).and_then(Value::as_u64);
    let millis = millis("/requestContext/requestTimeEpoch").or_else(|| millis("/requestContext/timeEpoch"));
    let time = millis.map(|millis| rfc3339(UnixTime::from_millis(millis)));
    let time = time.unwrap_or_else(|| "<the time of the request>".to_owned());
    format!("judged as of now; to see what the function decided then, add --at {time}")
}
