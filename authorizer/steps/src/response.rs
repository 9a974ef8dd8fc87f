//! Step 5: the answer to API Gateway.
//!
//! Receives the proofs of the steps before, or the code of the refusal. Produces the IAM policy with the context, its
//! simple form, or the error that API Gateway turns into a status. The forms are documented in the API Gateway
//! developer guide: "Output from an API Gateway Lambda authorizer" and "Control access to HTTP APIs with AWS Lambda
//! authorizers".
//!
//! The types of `aws_lambda_events` print what they hold, and allow by default. So only two functions here use them.
//! They set every field that is written, and return JSON.
//!
//! INVARIANT (fail closed): [`allow`] is the one place that writes `Allow` or `isAuthorized: true`, and it needs an
//! [`Identity`], a [`Grant`] and a [`Delivery`], which only the steps before can make.

use std::{collections::BTreeMap, fmt};

use aws_lambda_events::{
    apigw::{ApiGatewayV2CustomAuthorizerIamPolicyResponse, ApiGatewayV2CustomAuthorizerSimpleResponse},
    iam::{IamPolicyEffect, IamPolicyStatement},
};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use vault_api::{Namespace, VaultAddress};
use vault_context::{Caller, VaultContext, Wrapped};

use crate::{
    event::{Request, Shape},
    grant::Grant,
    identity::Identity,
    mint::{Delivery, Minted},
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

/// What the function returns: a decision, written once, or an error with exactly this message. Only [`allow`] and [`refuse`] make
/// one.
#[derive(Clone)]
pub struct Answer(Result<Box<RawValue>, &'static str>);

impl Answer {
    /// The policy, or `isAuthorized`, with the context, as JSON; or the error's message.
    ///
    /// # Errors
    ///
    /// The message, where the answer is an error.
    pub fn as_result(&self) -> Result<&str, &'static str> {
        self.0.as_ref().map(|decision| decision.get()).map_err(|message| *message)
    }

    /// As [`Answer::as_result`], for whoever returns it.
    ///
    /// # Errors
    ///
    /// The message, where the answer is an error.
    pub fn into_result(self) -> Result<Box<RawValue>, &'static str> {
        self.0
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Ok(_) => f.write_str("Decision(** redacted **)"),
            Err(message) => f.debug_tuple("Error").field(&message).finish(),
        }
    }
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
    /// The envelope of what is minted at this Vault.
    pub fn of(address: &VaultAddress, namespace: Option<&Namespace>) -> Self {
        Self {
            address: address.as_str().to_owned(),
            namespace: namespace.map(|namespace| namespace.as_str().to_owned()),
        }
    }

    /// What the context says of a wrapped token.
    pub fn wrapped(&self, minted: &Minted) -> Wrapped {
        Wrapped {
            token: minted.wrapping_token().clone(),
            wrapped_accessor: minted.wrapped_accessor().to_owned(),
            creation_path: minted.creation_path().to_owned(),
            address: self.address.clone(),
            namespace: self.namespace.clone(),
            expires_at: minted.wrap_expires_at().seconds(),
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
        simple(true, &context)
    } else {
        policy(identity.caller_id(), IamPolicyEffect::Allow, request.method_arn().as_str(), &context)
    };
    match json.get().len() {
        bytes if bytes > MAX_ANSWER_BYTES => Err(bytes),
        _ => Ok(Answer(Ok(json))),
    }
}

/// The answer to a refusal, in the form that `shape` asks for; an event of no known shape is a fault, which has one form
/// for all. Never holds a token: there is none yet, or it is lost with the answer.
pub fn refuse(code: Code, denial_id: &str, shape: Option<Shape>, settings: AnswerSettings) -> Answer {
    let is_http_api = shape.is_some_and(Shape::is_http_api);
    match (code.kind(), settings.unauthorized) {
        // API Gateway compares this text exactly; anything else becomes a 500.
        (Kind::Credential, UnauthorizedAs::Thrown) if !is_http_api => Answer(Err("Unauthorized")),
        (Kind::Credential | Kind::Permission, _) => deny(code, denial_id, shape, settings),
        (Kind::Fault, _) => Answer(Err(code.as_str())),
    }
}

fn deny(code: Code, denial_id: &str, shape: Option<Shape>, settings: AnswerSettings) -> Answer {
    let context = BTreeMap::from([("reason", code.as_str().to_owned()), ("denialId", denial_id.to_owned())]);
    Answer(Ok(if shape.is_some_and(|shape| settings.is_simple(shape)) {
        simple(false, &context)
    } else {
        policy("denied", IamPolicyEffect::Deny, "*", &context)
    }))
}

type Context = BTreeMap<&'static str, String>;

/// Of the two types for a policy, the one that all kinds of API take: a REST API's own also has `usageIdentifierKey`, which it
/// writes as null where there is none.
fn policy(principal_id: &str, effect: IamPolicyEffect, resource: &str, context: &Context) -> Box<RawValue> {
    let mut statement = IamPolicyStatement::default();
    statement.action = vec!["execute-api:Invoke".to_owned()];
    statement.effect = effect;
    statement.resource = vec![resource.to_owned()];
    let mut answer = ApiGatewayV2CustomAuthorizerIamPolicyResponse::default();
    answer.principal_id = Some(principal_id.to_owned());
    answer.policy_document.version = Some("2012-10-17".to_owned());
    answer.policy_document.statement = vec![statement];
    answer.context = to_json(context);
    to_json(&answer)
}

fn simple(is_authorized: bool, context: &Context) -> Box<RawValue> {
    let mut answer = ApiGatewayV2CustomAuthorizerSimpleResponse::default();
    answer.is_authorized = is_authorized;
    answer.context = to_json(context);
    to_json(&answer)
}

fn to_json(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_default()
}

fn context(identity: &Identity, grant: &Grant<'_>, delivery: &Delivery, envelope: &Envelope) -> VaultContext {
    VaultContext {
        grant: grant.name().to_string(),
        caller: Caller {
            kind: identity.kind(),
            issuer: identity.issuer().map(ToString::to_string),
            id: identity.caller_id().to_owned(),
            binding: identity.binding(),
        },
        wrapped: delivery.minted().map(|minted| envelope.wrapped(minted)),
    }
}
