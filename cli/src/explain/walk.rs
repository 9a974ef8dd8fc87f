//! Runs the steps on an event and records what they found.
//!
//! Receives an event. The function's own steps decide about it, and this module records what each of them found, even
//! if a later one refuses. Nothing here holds a credential, because an [`Explanation`] has no field for one.

use authorizer_adapters::{jwks::Jwks, sts::StsClient};
use authorizer_steps::{
    authorize::Resolver,
    clock::UnixTime,
    error_chain::with_causes,
    event::{Credential, CredentialSource, EventSummary, Json, Request, Shape},
    grant::{Grant, Rule, Stage},
    identity::Identity,
    mint::{self, TokenMetadata, ahead::Ahead},
    outcome::{Kind, Refusal},
    response::{self, Answer, AnswerSettings, Envelope},
    telemetry::Observer,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::next::Next;

use super::{
    dry_run::{self, DryRun},
    time::rfc3339,
};

/// What Lambda would give the invocation.
const REQUEST_ID: &str = "(the Lambda request id)";

/// Everything that decides.
pub(super) struct Walk {
    /// Steps 1 to 3.
    pub(super) resolver: Resolver<Jwks, StsClient>,
    /// For step 5.
    pub(super) envelope: Envelope,
    /// For step 5.
    pub(super) answer: AnswerSettings,
}

/// What one event comes to, and why.
#[derive(Debug, Serialize)]
pub(super) struct Explanation {
    /// The end of it.
    pub(super) outcome: Outcome,
    /// The code of a refusal.
    pub(super) code: Option<&'static str>,
    /// Its reason, for the operator.
    pub(super) message: Option<String>,
    /// What API Gateway makes of the answer.
    pub(super) client_sees: &'static str,
    /// What may help.
    pub(super) hints: Vec<String>,
    /// The time that the event is judged at.
    pub(super) at: String,
    /// What the event says of itself.
    pub(super) event: EventSeen,
    /// What each step found.
    #[serde(flatten)]
    pub(super) seen: Seen,
    /// What API Gateway gets.
    pub(super) answer: Value,
    /// The command to run next.
    pub(super) next: Option<Next>,
}

/// The end of a walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    Allowed,
    Denied,
    Fault,
}

/// What an event says of itself, believed or not.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) struct EventSeen {
    pub(super) shape: Option<&'static str>,
    pub(super) method_arn: Option<String>,
    pub(super) api_id: Option<String>,
    pub(super) stage: Option<String>,
    pub(super) method: Option<String>,
    pub(super) route: Option<String>,
}

/// What the steps found, as far as they came.
#[derive(Debug, Default, Serialize)]
pub(super) struct Seen {
    #[serde(skip)]
    now: Option<UnixTime>,
    pub(super) credential: Option<CredentialSeen>,
    pub(super) caller: Option<CallerSeen>,
    pub(super) grants: Option<Vec<GrantSeen>>,
    pub(super) token: Option<TokenSeen>,
}

/// Where a credential was found, and of which kind it is. Not verified, and not here.
#[derive(Debug, Serialize)]
pub(super) struct CredentialSeen {
    pub(super) scheme: &'static str,
    pub(super) place: String,
}

/// The verified caller.
#[derive(Debug, Serialize)]
pub(super) struct CallerSeen {
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) issuer: Option<String>,
    pub(super) binding: &'static str,
    pub(super) principal_arn: Option<String>,
    pub(super) principal_id: Option<String>,
    pub(super) credential_ends: Option<String>,
    pub(super) seconds_left: Option<u64>,
}

/// One grant of the stage, held against caller and call.
#[derive(Debug, Serialize)]
pub(super) struct GrantSeen {
    pub(super) name: String,
    pub(super) matches: bool,
    /// The first that matches does.
    pub(super) decides: bool,
    /// Every condition that does not hold.
    pub(super) mismatches: Vec<String>,
}

/// What Vault would be asked for.
#[derive(Debug, Serialize)]
pub(super) struct TokenSeen {
    pub(super) role: String,
    pub(super) ttl_seconds: u64,
    pub(super) wrap_ttl_seconds: u64,
    pub(super) num_uses: Option<u64>,
    pub(super) entity_alias: Option<String>,
}

impl Walk {
    pub(super) async fn explain(&self, event: &Value) -> Explanation {
        let now = self.resolver.clock.now();
        let event = &Json::from(event);
        let mut seen = Seen { now: Some(now), ..Seen::default() };
        let (outcome, refusal, answer) = match self.decide(event, &mut seen).await {
            Ok(answer) => (Outcome::Allowed, None, answer),
            Err(refusal) => {
                let code = refusal.code();
                let outcome = match code.kind() {
                    Kind::Credential | Kind::Permission => Outcome::Denied,
                    Kind::Fault => Outcome::Fault,
                };
                let answer = response::refuse(code, REQUEST_ID, Shape::of(event).ok(), self.answer);
                (outcome, Some(refusal), answer)
            }
        };
        Explanation {
            outcome,
            code: refusal.as_ref().map(|refusal| refusal.code().as_str()),
            message: refusal.as_ref().map(|refusal| with_causes(refusal)),
            client_sees: client_sees(outcome, &answer),
            hints: Vec::new(),
            next: None,
            at: rfc3339(now),
            event: EventSeen::of(event),
            seen,
            answer: match answer.as_result() {
                Ok(decision) => dry_run::shown(decision),
                Err(message) => json!({"errorMessage": message}),
            },
        }
    }

    /// The function's own five steps; the fourth asks nobody.
    async fn decide(&self, event: &Json<'_>, seen: &mut Seen) -> Result<Answer, Refusal> {
        let resolved = self.resolver.resolve(event, seen).await?;
        let stage = resolved.stage.name.as_str();
        let metadata = TokenMetadata { stage, request_id: REQUEST_ID, caller_id: None };
        let clock = &*self.resolver.clock;
        let delivery =
            mint::deliver(&resolved.grant, metadata, clock.now(), &Ahead::default(), &DryRun, clock).await?;
        let (request, identity, grant) = (&resolved.request, &resolved.identity, &resolved.grant);
        response::allow(request, identity, grant, &delivery, &self.envelope, self.answer)
            .map_err(|bytes| Refusal::AnswerTooLarge { bytes })
    }
}

impl Observer for Seen {
    fn credential(&mut self, source: &CredentialSource, credential: &Credential) {
        self.credential = Some(CredentialSeen { scheme: credential.scheme(), place: source.to_string() });
    }

    fn caller(&mut self, identity: &Identity, request: &Request, stage: &Stage) {
        let ends_at = identity.ends_at();
        self.caller = Some(CallerSeen {
            id: identity.caller_id().to_owned(),
            kind: identity.kind().as_str(),
            issuer: identity.issuer().map(ToString::to_string),
            binding: identity.binding().as_str(),
            principal_arn: identity.principal_arn().map(str::to_owned),
            principal_id: identity.principal_id().map(str::to_owned),
            credential_ends: ends_at.map(rfc3339),
            seconds_left: ends_at.zip(self.now).map(|(ends_at, now)| ends_at.seconds_after(now)),
        });
        let mut grants: Vec<_> =
            stage.rules.iter().map(|rule| GrantSeen::of(rule, identity, request)).collect();
        if let Some(first) = grants.iter_mut().find(|grant| grant.matches) {
            first.decides = true;
        }
        self.grants = Some(grants);
    }

    fn grant(&mut self, grant: &Grant<'_>) {
        self.token = grant.to_mint().map(|mint| TokenSeen {
            role: mint.role().to_string(),
            ttl_seconds: mint.ttls().token_seconds,
            wrap_ttl_seconds: mint.ttls().wrap_seconds,
            num_uses: mint.num_uses(),
            entity_alias: mint.entity_alias().map(ToString::to_string),
        });
    }
}

impl GrantSeen {
    fn of(rule: &Rule, identity: &Identity, request: &Request) -> Self {
        let mismatches: Vec<_> = rule.mismatches(identity, request).iter().map(ToString::to_string).collect();
        Self { name: rule.name.to_string(), matches: mismatches.is_empty(), decides: false, mismatches }
    }
}

impl EventSeen {
    fn of(event: &Json<'_>) -> Self {
        let EventSummary { api_id, stage, method, route, .. } = EventSummary::of(event);
        let request = Request::parse(event).ok();
        let method_arn = request.map(|request| request.method_arn().as_str().to_owned());
        let shape = Shape::of(event).ok().map(Shape::as_str);
        Self { shape, method_arn, api_id, stage, method, route }
    }
}

/// API Gateway developer guide, "Output from an API Gateway Lambda authorizer" and "Gateway response types".
fn client_sees(outcome: Outcome, answer: &Answer) -> &'static str {
    match (outcome, answer.as_result()) {
        (Outcome::Allowed, _) => "the integration's answer",
        (Outcome::Denied, Err(_)) => "401",
        (Outcome::Denied, Ok(_)) => "403",
        (Outcome::Fault, _) => "500, or whatever a REST API's gateway responses make of it",
    }
}
