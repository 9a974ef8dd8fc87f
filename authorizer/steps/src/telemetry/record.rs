//! The line of one decision. It has names, accessors and times, and no field for a token.

use std::cell::Cell;

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;

use super::{
    metrics::{Metrics, Values},
    observer::{Observer, Step},
    stopwatch::Stopwatch,
    write_line,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    lambda_request_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extended_request_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller_kind: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller_issuer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    caller_binding: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_role: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wrapped_accessor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    creation_path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minted_ahead: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wrap_ttl_seconds: Option<u64>,
    cold_start: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_micros: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity_micros: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant_micros: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mint_micros: Option<u64>,
    decision_micros: u64,
    /// The stage as a metric's dimension: only a configured one, so that no caller can make up metrics.
    #[serde(skip)]
    known_stage: Option<String>,
    #[serde(skip)]
    caller_id_in_log: CallerIdInLog,
    /// Whether the grant lets its tokens be minted ahead.
    #[serde(skip)]
    mints_ahead: bool,
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
            self.minted_ahead = minted.is_ahead().then_some(true);
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

    /// The line, as JSON: the record and, beside it, its metrics in CloudWatch's embedded metric format.
    pub fn line(&self, now: UnixTime) -> String {
        let mut line = Vec::new();
        self.append_to(&mut line, now);
        String::from_utf8(line).unwrap_or_default()
    }

    /// Writes the line to standard output.
    pub fn write(&self, now: UnixTime) {
        thread_local! {
            /// Each line is written where the one before it was.
            static LINE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
        }
        let mut line = LINE.take();
        line.clear();
        self.append_to(&mut line, now);
        write_line(&mut line);
        LINE.set(line);
    }

    fn append_to(&self, line: &mut Vec<u8>, now: UnixTime) {
        let written = serde_json::to_writer(line, &Line { record: self, metrics: self.metrics(now) });
        if written.is_err() {
            tracing::error!("the record could not be serialized");
        }
    }

    fn metrics(&self, now: UnixTime) -> Metrics<'_> {
        let count = |outcome| u64::from(self.outcome == Some(outcome));
        let values = Values {
            allowed: count("allowed"),
            denied: count("denied"),
            faults: count("fault"),
            cold_starts: u64::from(self.cold_start),
            decision_micros: self.decision_micros,
            mint_micros: self.mint_micros,
            minted_ahead: self.mints_ahead.then_some(u64::from(self.minted_ahead.is_some())),
        };
        let stage = self.known_stage.as_deref().unwrap_or("unknown");
        Metrics::of(values, stage, self.code.unwrap_or("allowed"), now)
    }
}

#[derive(Serialize)]
struct Line<'a> {
    #[serde(flatten)]
    record: &'a Record,
    #[serde(flatten)]
    metrics: Metrics<'a>,
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
            self.mints_ahead = to_mint.mints_ahead();
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
