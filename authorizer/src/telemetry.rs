//! What an operator sees: one line for each invocation, its metrics in the same line, and the log of everything else.
//!
//! Receives what the steps found out; produces JSON on standard output, which Lambda carries to CloudWatch. A [`Record`]
//! takes names, accessors and times, and has no place for a token.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use aws_lc_rs::digest;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::{Value, json};
use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    causes::with_causes,
    clock::UnixTime,
    event::{Credential, CredentialSource, Request, Sighting},
    grant::{Grant, Stage},
    identity::Identity,
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

/// Sends the log to standard output as JSON, at the level of `RUST_LOG`, `info` where it is absent.
///
/// INVARIANT (no secret in a log): never below `info`, whatever `RUST_LOG` says, since the Lambda runtime prints whole
/// events at `trace`. Release builds do not even hold such events.
pub fn start_log(rust_log: Option<&str>) {
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_ansi(false)
        .with_writer(io::stdout);
    tracing_subscriber::registry().with(LevelFilter::INFO).with(levels(rust_log)).with(lines).init();
}

/// For every error that we return, which a 401 is, the runtime would log one of its own beside the record: callers could
/// raise an alarm on errors. A panic, its other line there, is on standard error in any case. So only `RUST_LOG` that names
/// this target gets it.
fn levels(rust_log: Option<&str>) -> Targets {
    const RUNTIMES_OWN: &str = "lambda_runtime::layers::panic";
    let wanted = rust_log.and_then(|levels| levels.parse::<Targets>().ok());
    let levels = wanted.unwrap_or_else(|| Targets::new().with_default(Level::INFO));
    if rust_log.is_some_and(|levels| levels.contains(RUNTIMES_OWN)) {
        return levels;
    }
    levels.with_target(RUNTIMES_OWN, LevelFilter::OFF)
}

/// Measures steps. The only reader of the monotonic clock: a duration is for the log, an expiry never.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts to measure.
    #[expect(clippy::disallowed_methods, reason = "the one place that may measure with the monotonic clock")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The steps that are timed.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Reading the event and finding the credential.
    Event,
    /// Verifying the credential.
    Identity,
    /// Finding the grant.
    Grant,
    /// Vault.
    Mint,
}

/// Is told what each step found, also where a later one refuses: the record, or whoever explains a decision.
pub trait Observer {
    /// The stage is one of the configuration's.
    fn stage(&mut self, _stage: &Stage) {}
    /// The credential was found here. It is not verified yet.
    fn credential(&mut self, _source: &CredentialSource, _credential: &Credential) {}
    /// The caller is known.
    fn caller(&mut self, _identity: &Identity, _request: &Request, _stage: &Stage) {}
    /// The grant is known.
    fn grant(&mut self, _grant: &Grant<'_>) {}
    /// A step took this long.
    fn timed(&mut self, _step: Step, _stopwatch: Stopwatch) {}
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
    pub fn of(seen: Sighting, caller_id_in_log: CallerIdInLog) -> Self {
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
        self.decision_micros = whole_micros(stopwatch.elapsed());
        let Err(refusal) = outcome else {
            self.outcome = Some("allowed");
            return;
        };
        let code = refusal.code();
        self.code = Some(code.as_str());
        self.message = Some(with_causes(refusal));
        self.outcome = Some(match code.kind() {
            Kind::Credential | Kind::Permission => "denied",
            Kind::Fault => "fault",
        });
    }

    /// The line: the record and, beside it, its metrics in CloudWatch's embedded metric format.
    pub fn line(&self, now: UnixTime) -> Value {
        let mut line = serde_json::to_value(self).unwrap_or_default();
        if let Value::Object(fields) = &mut line {
            fields.retain(|_, value| !value.is_null());
            fields.extend(self.metrics(now));
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

    /// Amazon CloudWatch user guide, "Specification: Embedded metric format".
    fn metrics(&self, now: UnixTime) -> serde_json::Map<String, Value> {
        let count = |outcome| u64::from(self.outcome == Some(outcome));
        let mut values = vec![
            ("Allowed", "Count", count("allowed")),
            ("Denied", "Count", count("denied")),
            ("Faults", "Count", count("fault")),
            ("ColdStarts", "Count", u64::from(self.cold_start)),
            ("DecisionMicros", "Microseconds", self.decision_micros),
        ];
        values.extend(self.mint_micros.map(|micros| ("MintMicros", "Microseconds", micros)));
        let definitions: Vec<_> =
            values.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
        let directive = json!({
            "Namespace": "VaultAuthorizer",
            "Dimensions": [["Stage"], ["Stage", "Code"]],
            "Metrics": definitions,
        });
        let mut fields = serde_json::Map::new();
        fields
            .insert("_aws".to_owned(), json!({"Timestamp": now.millis(), "CloudWatchMetrics": [directive]}));
        fields.insert("Stage".to_owned(), self.known_stage.as_deref().unwrap_or("unknown").into());
        fields.insert("Code".to_owned(), self.code.unwrap_or("allowed").into());
        fields.extend(values.into_iter().map(|(name, _, value)| (name.to_owned(), value.into())));
        fields
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
        *micros = Some(whole_micros(stopwatch.elapsed()));
    }
}

fn hash(caller_id: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, caller_id.as_bytes()))
}

fn whole_micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_cannot_raise_the_runtimes_errors_whatever_level_is_wanted() {
        let shown = |levels: Option<&str>, target| super::levels(levels).would_enable(target, &Level::ERROR);
        for wanted in [None, Some("info"), Some("warn,vault_authorizer=info"), Some("mint=loud")] {
            assert!(!shown(wanted, "lambda_runtime::layers::panic"), "{wanted:?}");
            assert!(shown(wanted, "vault_authorizer::mint"), "{wanted:?}");
        }
        assert!(shown(Some("error,lambda_runtime::layers::panic=error"), "lambda_runtime::layers::panic"));
    }
}
