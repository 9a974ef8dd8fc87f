//! `vault-authorizer trace`: what became of one request, from both logs.
//!
//! Receives the authorizer's log, Vault's audit log and a request's id; produces the chain: decision, mint, opening, each use,
//! revocation. [`decision`] finds the authorizer's line, [`chain`] the entries of its token, [`lines`] reads, [`text`] words
//! it for people and serde for programs.
//!
//! ```text
//! authorizer's log   lambda_request_id   wrapped_accessor
//!                           │                   │ sys/audit-hash/<device>: needs power at the server
//! audit log          metadata.request_id        ▼
//!                    in clear, from the  ──▶ HMAC of the accessor ──▶ every entry of the token, its mint included
//!                    opening on
//! ```
//!
//! The left way needs no power and is taken where it leads to one token. A token that nobody opened shows no metadata: for
//! that, and where two tokens bear one id, the server is asked.

mod chain;
mod decision;
mod lines;
mod text;

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value, json};
use vault_authorizer::causes::with_causes;

use crate::{
    failure::Failure,
    input::Source,
    operator::{Needs, Operator, OperatorError},
    output::Output,
};
use chain::{AuditLog, Kind, Step};
use decision::Decision;

/// Shows what became of one request: the decision, the mint, the opening, each use, the revocation
///
/// Joins the authorizer's log with Vault's audit log. Calls Vault only where the logs do not join by themselves, that is
/// for a token that nobody opened, and only with VAULT_ADDR and a token (VAULT_TOKEN, else ~/.vault-token). Prints no token
/// and no HMAC.
#[derive(Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Arguments {
    /// `lambda_request_id`, `request_id` or `extended_request_id` of the authorizer's log line; a 403 has the first as
    /// `denialId`
    #[arg(long, value_name = "ID")]
    request_id: String,
    /// The authorizer's log, or `-` for standard input: as CloudWatch exports, tails or filters it, other lines among it
    #[arg(long, value_name = "FILE")]
    authorizer_log: Source,
    /// Vault's audit log, of a device of type `file`; once for each file of a log that was rotated
    #[arg(long, value_name = "FILE", required = true)]
    audit_log: Vec<String>,
    /// The audit device that wrote it, for `sys/audit-hash` [default: the only one, or `file`]
    #[arg(long, value_name = "PATH")]
    audit_device: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Examples:
  vault-authorizer trace --request-id 3f0c2c1e-… --authorizer-log authorizer.log --audit-log /var/log/vault/audit.log
  aws logs tail /aws/lambda/orders-authorizer --since 1h |
      vault-authorizer trace --request-id 3f0c2c1e-… --authorizer-log - --audit-log audit.log --audit-log audit.log.1

What your token needs in Vault, for a token that nobody opened:
  `update` on sys/audit-hash/<device>; `read` and `sudo` on sys/audit, unless --audit-device is given

Exit codes:
  0  the request was found, and what Vault did for it
  1  no request has this id, more than one has it, or a log cannot be read
  2  the command line is wrong
  3  the request was found, and its token was not found in the audit log, or another's was";

const INCOMPLETE: u8 = 3;

/// So many calls of one token are told.
const MAX_STEPS: usize = 1000;

/// Why there is nothing to tell.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TraceError {
    /// An empty text would be found everywhere.
    #[error("`--request-id` is empty")]
    IdEmpty,
    /// Not in the log.
    #[error("no decision in {log} has the request id `{id}`{}", unread(*.unreadable))]
    Unknown {
        /// The file.
        log: String,
        /// As given.
        id: String,
        /// Lines that it may have stood in.
        unreadable: u64,
    },
    /// A client chooses API Gateway's request id.
    #[error("more than one decision in {log} has the request id `{id}`: give the `lambda_request_id` of one, such as `{}`", .lambda_request_ids.join("`, `"))]
    Ambiguous {
        /// The file.
        log: String,
        /// As given.
        id: String,
        /// Of the decisions.
        lambda_request_ids: Vec<String>,
    },
}

fn unread(lines: u64) -> String {
    match lines {
        0 => String::new(),
        1 => "; 1 line of it is damaged".to_owned(),
        lines => format!("; {lines} lines of it are damaged"),
    }
}

/// What is told.
#[derive(Serialize)]
struct Trace {
    /// Whether what Vault did is known, as far as the decision asked for it.
    complete: bool,
    /// What joined the logs.
    joined_by: Option<JoinedBy>,
    decision: Decision,
    steps: Vec<Step>,
    notes: Vec<String>,
}

/// What stands in both logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum JoinedBy {
    /// `request_id` in the token's metadata.
    Metadata,
    /// The accessor, which this device writes in clear.
    Accessor,
    /// The accessor's HMAC, which the server told.
    AuditHash,
}

/// Traces.
pub(crate) async fn run(arguments: &Arguments, output: &Output) -> Result<ExitCode, Failure> {
    let (decision, unreadable) = decision::find(&arguments.authorizer_log, &arguments.request_id)?;
    let audit_log = AuditLog::new(&arguments.audit_log);
    let trace = follow(decision, unreadable, &audit_log, arguments).await?;
    output.print(&if arguments.json {
        format!("{}\n", serde_json::to_string_pretty(&trace).unwrap_or_default())
    } else {
        text::of(&trace)
    })?;
    Ok(if trace.complete { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}

async fn follow(
    decision: Decision,
    unreadable: u64,
    audit_log: &AuditLog<'_>,
    arguments: &Arguments,
) -> Result<Trace, Failure> {
    let mut notes = Vec::new();
    let seen = audit_log.accessors_of(decision.lambda_request_id(), decision.wrapped_accessor())?;
    let (mut accessor, mut joined_by) = match seen.accessors.as_slice() {
        [only] => {
            (Some(only.clone()), Some(if seen.in_clear { JoinedBy::Accessor } else { JoinedBy::Metadata }))
        }
        _ => (None, None),
    };
    // A decision without an accessor gave nobody a token.
    if let (None, Some(clear)) = (&accessor, decision.wrapped_accessor()) {
        match hashed(clear, arguments).await {
            Ok(hash) => (accessor, joined_by) = (Some(hash), Some(JoinedBy::AuditHash)),
            Err(reason) => {
                let why = if seen.accessors.is_empty() { UNSEEN } else { AMBIGUOUS };
                notes.push(format!("{why}; {reason}"));
            }
        }
    }
    let mut chain = match &accessor {
        Some(accessor) => audit_log.chain(accessor)?,
        None => chain::Chain::default(),
    };
    if chain.left_out > 0 {
        notes.push(format!("{} more uses are left out", chain.left_out));
    }
    if joined_by == Some(JoinedBy::AuditHash) && chain.steps.is_empty() {
        notes.push(NOT_IN_THIS_LOG.to_owned());
        joined_by = None;
    }
    notes.extend(remarks(&decision, &chain.steps));
    notes.extend(damage("the authorizer's log", unreadable));
    notes.extend(damage("Vault's audit log", seen.unreadable.max(chain.unreadable)));
    let found = !chain.steps.is_empty() && minted_elsewhere(&decision, &chain.steps).is_none();
    let complete = decision.wrapped_accessor().is_none() || found;
    Ok(Trace { complete, joined_by, decision, steps: std::mem::take(&mut chain.steps), notes })
}

const UNSEEN: &str = "the audit log does not name this request, which it does from a token's opening on: either nobody opened it, or that is not in this log";
const AMBIGUOUS: &str =
    "more than one token bears this request id in its metadata, which whoever may make tokens can write";
const NOT_IN_THIS_LOG: &str =
    "the audit log has nothing on this token: it is of another time, another server or another audit device";

/// The accessor as the audit device writes it.
async fn hashed(accessor: &str, arguments: &Arguments) -> Result<String, String> {
    let variable = |name: &str| std::env::var(name).ok();
    let operator = Operator::new(variable, None)
        .map_err(|error| format!("the server could tell, and was not asked: {}", with_causes(&error)))?;
    let failed = |error: OperatorError| format!("the server could tell: {}", with_causes(&error));
    let device = match &arguments.audit_device {
        Some(device) => device.trim_matches('/').to_owned(),
        None => the_device(&operator).await.map_err(failed)?,
    };
    let answer = operator
        .write(&format!("sys/audit-hash/{device}"), &json!({"input": accessor}), Needs("`update`"))
        .await
        .map_err(|error| format!("{} (another device: --audit-device)", failed(error)))?;
    let hash = answer.data.as_ref().and_then(|data| data.get("hash")).and_then(Value::as_str);
    hash.map(str::to_owned).ok_or_else(|| "the server gave no hash".to_owned())
}

/// The only device, if the devices may be looked at. Vault's own documents call it `file`.
async fn the_device(operator: &Operator) -> Result<String, OperatorError> {
    let usual = "file".to_owned();
    match operator.read("sys/audit", Needs("`read` and `sudo`")).await {
        Ok(answer) => {
            let devices = answer.data.as_ref().and_then(Value::as_object).map_or_else(Vec::new, paths);
            Ok(match devices.as_slice() {
                [only] => only.clone(),
                _ => usual,
            })
        }
        Err(OperatorError::Forbidden { .. }) => Ok(usual),
        Err(error) => Err(error),
    }
}

fn paths(devices: &Map<String, Value>) -> Vec<String> {
    devices.keys().map(|path| path.trim_end_matches('/').to_owned()).collect()
}

/// What whoever reads the chain should not have to find out alone.
fn remarks(decision: &Decision, steps: &[Step]) -> Vec<String> {
    let mut notes = Vec::new();
    let of = |kind: Kind| steps.iter().filter(move |step| step.kind == kind);
    let went_well = |kind: Kind| of(kind).any(|step| step.error.is_none());
    if decision.wrapped_accessor().is_none() {
        notes.push(match steps {
            [] => "no token was minted, and the audit log has none of this request".to_owned(),
            _ => "the decision gave nobody a token, and Vault minted one: the authorizer has given it back, or somebody else made one with this request id".to_owned(),
        });
        return notes;
    }
    if steps.is_empty() {
        return notes;
    }
    if let Some(path) = minted_elsewhere(decision, steps) {
        notes.push(format!(
            "this is another's token: it was minted at `{path}`, by somebody who gave it this request id"
        ));
    } else if !went_well(Kind::Mint) {
        notes.push("the mint is not in this audit log: it is in an older file".to_owned());
    }
    if !went_well(Kind::Unwrap) {
        notes.push("nobody opened the token".to_owned());
    } else if of(Kind::Unwrap).any(|step| step.error.is_some()) {
        notes.push("one opening succeeded and another was refused: if the integration is the refused one, somebody else has had the token. Compare the addresses".to_owned());
    }
    if of(Kind::Misuse).next().is_some() {
        notes.push("the wrapping token was used in place of the token inside, which burns it".to_owned());
    }
    if went_well(Kind::Unwrap) && !went_well(Kind::Revoke) {
        notes.push(
            "it was not revoked by a call of its own: it ends with its ttl, or with others of its grant"
                .to_owned(),
        );
    }
    notes
}

/// Where a token was made that the decision does not speak of. The metadata alone proves nothing: whoever may make tokens
/// writes into it.
fn minted_elsewhere<'s>(decision: &Decision, steps: &'s [Step]) -> Option<&'s str> {
    let own = decision.creation_path()?;
    steps.iter().find(|step| step.kind == Kind::Mint && step.path != own).map(|step| step.path.as_str())
}

fn damage(log: &str, lines: u64) -> Option<String> {
    (lines > 0).then(|| format!("{log}{}", unread(lines).replacen(';', ":", 1)))
}
