//! Step 5: the answer to API Gateway.
//!
//! Receives the proofs of the steps before, or the code of the refusal; produces the IAM policy with the context, the
//! simple form of it, or the error that API Gateway turns into a status. Forms: API Gateway developer guide, "Output from
//! an API Gateway Lambda authorizer" and "Control access to HTTP APIs with AWS Lambda authorizers". Our own types: they
//! hold nothing that must not be printed by accident, and no default that allows.
//!
//! INVARIANT (fail closed): [`allow`] is the one place that writes `Allow` or `isAuthorized: true`, and it needs an [`Identity`], a [`Grant`] and
//! a [`Delivery`], which only the steps before can make.

use std::collections::BTreeMap;

use serde::Serialize;
use vault_context::{Caller, VaultContext, Wrapped, vault::Vault};

use crate::{
    event::{Request, Shape},
    grant::Grant,
    identity::Identity,
    mint::Delivery,
    outcome::{Code, Kind},
};

/// "AWS Lambda authorizer result size", not adjustable (API Gateway quotas, L-20859C74).
pub const MAX_ANSWER_BYTES: usize = 8192;

/// How the configuration wants answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AnswerSettings {
    /// How HTTP APIs with payload 2.0 are answered.
    pub response: ResponseAs,
    /// How REST and WebSocket APIs are told of a refused credential.
    pub unauthorized: UnauthorizedAs,
}

/// The form of an answer to an HTTP API with payload 2.0. The event does not say which one the authorizer is set to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseAs {
    /// An IAM policy.
    Policy,
    /// `isAuthorized`, for authorizers with `enableSimpleResponses`. Other APIs get a policy all the same: they have no
    /// such form.
    Simple,
}

/// How a refused credential is answered. An HTTP API gets a Deny in either case: what it makes of an error's text is not
/// documented, and an outage there looks the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnauthorizedAs {
    /// An error whose message is exactly `Unauthorized`, which API Gateway answers with 401.
    Thrown,
    /// A policy that denies: 403, and no Lambda error is counted.
    Denied,
}

impl Default for AnswerSettings {
    fn default() -> Self {
        Self { response: ResponseAs::Policy, unauthorized: UnauthorizedAs::Thrown }
    }
}

impl AnswerSettings {
    fn is_simple(self, shape: Shape) -> bool {
        self.response == ResponseAs::Simple && shape == Shape::HttpV2
    }
}

/// What the function returns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A policy, or `isAuthorized`, with the context: as JSON.
    Decision(serde_json::Value),
    /// An error with exactly this message.
    Error(&'static str),
}

/// Where the integration finds Vault: repeated in the context for comparison, never to be dialled.
#[derive(Debug, Clone)]
pub struct Envelope {
    /// Vault's address as configured.
    pub address: String,
    /// The namespace as configured.
    pub namespace: Option<String>,
}

impl Envelope {
    /// The envelope of what this transport mints.
    pub fn of(vault: &Vault) -> Self {
        Self {
            address: vault.address().as_str().to_owned(),
            namespace: vault.namespace().map(|namespace| namespace.as_str().to_owned()),
        }
    }
}

/// `Allow` for exactly the method that was called, with the context.
///
/// # Errors
///
/// The answer's size, when API Gateway would not take it.
pub fn allow(
    request: &Request,
    identity: &Identity,
    grant: &Grant<'_>,
    delivery: &Delivery,
    envelope: &Envelope,
    settings: AnswerSettings,
) -> Result<Answer, usize> {
    let context = context(identity, grant, delivery, envelope).to_context();
    let json = if settings.is_simple(request.shape()) {
        to_json(&SimpleAnswer { is_authorized: true, context })
    } else {
        let policy_document = Policy::new("Allow", request.method_arn().as_str());
        to_json(&PolicyAnswer { principal_id: identity.caller_id(), policy_document, context })
    };
    match json.to_string().len() {
        bytes if bytes > MAX_ANSWER_BYTES => Err(bytes),
        _ => Ok(Answer::Decision(json)),
    }
}

/// The answer to a refusal, in the form that `shape` asks for; an event of no known shape is a fault, which has one form
/// for all. Never holds a token: there is none yet, or it is lost with the answer.
pub fn refuse(code: Code, denial_id: &str, shape: Option<Shape>, settings: AnswerSettings) -> Answer {
    let is_http_api = shape.is_some_and(Shape::is_http_api);
    match (code.kind(), settings.unauthorized) {
        // API Gateway compares this text exactly; anything else becomes a 500.
        (Kind::Credential, UnauthorizedAs::Thrown) if !is_http_api => Answer::Error("Unauthorized"),
        (Kind::Credential | Kind::Permission, _) => deny(code, denial_id, shape, settings),
        (Kind::Fault, _) => Answer::Error(code.as_str()),
    }
}

fn deny(code: Code, denial_id: &str, shape: Option<Shape>, settings: AnswerSettings) -> Answer {
    let context = BTreeMap::from([("reason", code.as_str().to_owned()), ("denialId", denial_id.to_owned())]);
    if shape.is_some_and(|shape| settings.is_simple(shape)) {
        return Answer::Decision(to_json(&SimpleAnswer { is_authorized: false, context }));
    }
    let answer = PolicyAnswer { principal_id: "denied", policy_document: Policy::new("Deny", "*"), context };
    Answer::Decision(to_json(&answer))
}

fn to_json(answer: &impl Serialize) -> serde_json::Value {
    serde_json::to_value(answer).unwrap_or_default()
}

fn context(identity: &Identity, grant: &Grant<'_>, delivery: &Delivery, envelope: &Envelope) -> VaultContext {
    VaultContext {
        grant: grant.name().to_string(),
        caller: Caller {
            kind: identity.kind(),
            issuer: identity.issuer().map(ToString::to_string),
            id: identity.caller_id().to_owned(),
        },
        wrapped: delivery.minted().map(|minted| Wrapped {
            token: minted.wrapping_token().clone(),
            wrapped_accessor: minted.wrapped_accessor().to_owned(),
            creation_path: minted.creation_path().to_owned(),
            address: envelope.address.clone(),
            namespace: envelope.namespace.clone(),
            expires_at: minted.wrap_expires_at().seconds(),
        }),
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PolicyAnswer<'a> {
    principal_id: &'a str,
    policy_document: Policy<'a>,
    context: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SimpleAnswer {
    is_authorized: bool,
    context: BTreeMap<&'static str, String>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Policy<'a> {
    version: &'static str,
    statement: [Statement<'a>; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Statement<'a> {
    action: &'static str,
    effect: &'static str,
    resource: &'a str,
}

impl<'a> Policy<'a> {
    fn new(effect: &'static str, resource: &'a str) -> Self {
        let statement = Statement { action: "execute-api:Invoke", effect, resource };
        Self { version: "2012-10-17", statement: [statement] }
    }
}
