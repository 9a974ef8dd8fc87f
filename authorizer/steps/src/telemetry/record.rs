//! The line of one decision: names, accessors and times, and no place for a token.

use std::io::{self, Write};

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::Value;

use super::{
    metrics::Metrics,
    observer::{Observer, Step},
    stopwatch::Stopwatch,
};
use crate::{
    clock::UnixTime,
    error_chain::with_causes,
    event::{EventSummary, Request},
    grant::{Grant, Stage},
    identity::{Identity, IdentityError, Unproven},
    mint::Delivery,
    outcome::{Kind, Refusal},
};

/// How the log names callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum CallerIdInLog {
    /// As it is.
    #[default]
    Plain,
    /// Base64url of its SHA-256: the same caller has the same value, and guessing a name confirms it.
    Hashed,
    /// Not at all.
    Omitted,
}

impl CallerIdInLog {
    /// The caller's name for a log: this one's, and Vault's audit log.
    pub fn shown(self, caller_id: &str) -> Option<String> {
        match self {
            Self::Plain => Some(caller_id.to_owned()),
            Self::Hashed => Some(hash(caller_id)),
            Self::Omitted => None,
        }
    }
}

/// What one invocation was, filled as the walk goes on.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Record {
    outcome: Option<&'static str>,
    code: Option<&'static str>,
    message: Option<String>,
    lambda_request_id: String,
    request_id: Option<String>,
    extended_request_id: Option<String>,
    trace_id: Option<String>,
    api_id: Option<String>,
    stage: Option<String>,
    route: Option<String>,
    method: Option<String>,
    caller_kind: Option<&'static str>,
    caller_issuer: Option<String>,
    caller_id: Option<String>,
    caller_binding: Option<&'static str>,
    grant: Option<String>,
    token_role: Option<String>,
    wrapped_accessor: Option<String>,
    creation_path: Option<String>,
    ttl_seconds: Option<u64>,
    wrap_ttl_seconds: Option<u64>,
    cold_start: bool,
    event_micros: Option<u64>,
    identity_micros: Option<u64>,
    grant_micros: Option<u64>,
    mint_micros: Option<u64>,
    decision_micros: u64,
    /// The stage as a metric's dimension: only a configured one, so that no caller can make up metrics.
    #[serde(skip)]
    known_stage: Option<String>,
    #[serde(skip)]
    caller_id_in_log: CallerIdInLog,
}

impl Record {
    /// A record of what the event shows before it is believed.
    pub fn of(seen: EventSummary, caller_id_in_log: CallerIdInLog) -> Self {
        Self {
            request_id: seen.request_id,
            extended_request_id: seen.extended_request_id,
            api_id: seen.api_id,
            stage: seen.stage,
            route: seen.route,
            method: seen.method,
            caller_id_in_log,
            ..Self::default()
        }
    }

    /// What Lambda says of the invocation.
    pub fn invocation(&mut self, lambda_request_id: &str, trace_id: Option<&str>, cold_start: bool) {
        self.lambda_request_id = lambda_request_id.to_owned();
        self.trace_id = trace_id.map(str::to_owned);
        self.cold_start = cold_start;
    }

    /// The token is minted.
    pub fn delivery(&mut self, delivery: &Delivery) {
        if let Some(minted) = delivery.minted() {
            self.wrapped_accessor = Some(minted.wrapped_accessor().to_owned());
            self.creation_path = Some(minted.creation_path().to_owned());
        }
    }

    /// The walk is over.
    pub fn decided(&mut self, outcome: Result<(), &Refusal>, stopwatch: Stopwatch) {
        self.decision_micros = stopwatch.micros();
        let Err(refusal) = outcome else {
            self.outcome = Some("allowed");
            return;
        };
        if let Refusal::Identity(IdentityError::Unproven(unproven)) = refusal {
            self.owner(unproven);
        }
        let code = refusal.code();
        self.code = Some(code.as_str());
        self.message = Some(with_causes(refusal));
        self.outcome = Some(match code.kind() {
            Kind::Credential | Kind::Permission => "denied",
            Kind::Fault => "fault",
        });
    }

    /// Whose token was sent, by whoever it was: `caller_binding` stays absent.
    fn owner(&mut self, unproven: &Unproven) {
        self.caller_kind = Some(unproven.kind.as_str());
        self.caller_issuer = Some(unproven.issuer.to_string());
        self.caller_id = unproven.owner.as_deref().and_then(|owner| self.caller_id_in_log.shown(owner));
    }

    /// The line: the record and, beside it, its metrics in CloudWatch's embedded metric format.
    pub fn line(&self, now: UnixTime) -> Value {
        let mut line = serde_json::to_value(self).unwrap_or_default();
        if let Value::Object(fields) = &mut line {
            fields.retain(|_, value| !value.is_null());
            fields.extend(self.metrics().fields(now));
        }
        line
    }

    /// Writes the line to standard output. A log that cannot be written does not stop a decision.
    pub fn write(&self, now: UnixTime) {
        let mut line = self.line(now).to_string();
        line.push('\n');
        if io::stdout().lock().write_all(line.as_bytes()).is_err() {
            tracing::error!("the record could not be written");
        }
    }

    fn metrics(&self) -> Metrics {
        let count = |outcome| u64::from(self.outcome == Some(outcome));
        let mut values = vec![
            ("Allowed", "Count", count("allowed")),
            ("Denied", "Count", count("denied")),
            ("Faults", "Count", count("fault")),
            ("ColdStarts", "Count", u64::from(self.cold_start)),
            ("DecisionMicros", "Microseconds", self.decision_micros),
        ];
        values.extend(self.mint_micros.map(|micros| ("MintMicros", "Microseconds", micros)));
        let stage = self.known_stage.as_deref().unwrap_or("unknown").to_owned();
        Metrics { stage, code: self.code.unwrap_or("allowed"), values }
    }
}

impl Observer for Record {
    fn stage(&mut self, stage: &Stage) {
        self.known_stage = Some(stage.name.to_string());
    }

    fn caller(&mut self, identity: &Identity, _request: &Request, _stage: &Stage) {
        self.caller_kind = Some(identity.kind().as_str());
        self.caller_issuer = identity.issuer().map(ToString::to_string);
        self.caller_id = self.caller_id_in_log.shown(identity.caller_id());
        self.caller_binding = Some(identity.binding().as_str());
    }

    fn grant(&mut self, grant: &Grant<'_>) {
        self.grant = Some(grant.name().to_string());
        if let Some(to_mint) = grant.to_mint() {
            self.token_role = Some(to_mint.role().to_string());
            self.ttl_seconds = Some(to_mint.ttls().token_seconds);
            self.wrap_ttl_seconds = Some(to_mint.ttls().wrap_seconds);
        }
    }

    fn timed(&mut self, step: Step, stopwatch: Stopwatch) {
        let micros = match step {
            Step::Event => &mut self.event_micros,
            Step::Identity => &mut self.identity_micros,
            Step::Grant => &mut self.grant_micros,
            Step::Mint => &mut self.mint_micros,
        };
        *micros = Some(stopwatch.micros());
    }
}

fn hash(caller_id: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, caller_id.as_bytes()))
}
