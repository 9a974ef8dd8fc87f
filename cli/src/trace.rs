//! `vault-authorizer trace`: what happened to one request, from both logs.
//!
//! Receives the authorizer's log, Vault's audit log and a request's id. Produces the chain: decision, mint, unwrap,
//! each use, revocation. [`decision`] finds the authorizer's line, and [`chain`] the entries of its token. [`joined`]
//! puts the two together, and [`held`] says who had the token. [`lines`] reads the logs, [`text`] words the chain for people,
//! [`html`] shows it to them on a page, and serde tells programs.

mod chain;
mod container;
mod decision;
mod held;
mod html;
mod joined;
mod lines;
mod objects;
mod text;

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use crate::{
    failure::Failure,
    input::{InputError, Source},
    output::{self, Output, OutputError},
};
use chain::AuditLog;
use decision::FindError;
use html::PageError;

/// Shows what happened to one request: the decision, the mint, the unwrap, each use, the revocation
///
/// Joins the authorizer's log with Vault's audit log. Calls Vault only if the logs cannot be joined without it, as for a
/// token that nobody unwrapped, and only with VAULT_ADDR and a token (VAULT_TOKEN or ~/.vault-token). Prints no token and no
/// HMAC.
#[derive(Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Arguments {
    /// `lambda_request_id`, `request_id` or `extended_request_id` of the authorizer's log line; a 403 has the first as
    /// `denialId`
    #[arg(long, value_name = "ID")]
    request_id: String,
    /// The authorizer's log, or `-` for standard input: as CloudWatch exports, tails or filters it, text or gzip. Other lines
    /// are ignored
    #[arg(long, value_name = "FILE")]
    authorizer_log: Source,
    /// Vault's audit log, from a device of type `file`, text or gzip. Repeat the option for each file of a rotated log
    #[arg(long, value_name = "FILE", required = true)]
    audit_log: Vec<String>,
    /// The audit device that wrote it, for `sys/audit-hash` [default: the only one, or `file`]
    #[arg(long, value_name = "PATH")]
    audit_device: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Also write the trace into a new file: one self-contained page for a browser
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

const HELP: &str = "\
Examples:
  vault-authorizer trace --request-id 3f0c2c1e-… --authorizer-log authorizer.log --audit-log /var/log/vault/audit.log
  aws logs tail /aws/lambda/orders-authorizer --since 1h |
      vault-authorizer trace --request-id 3f0c2c1e-… --authorizer-log - --audit-log audit.log --audit-log audit.log.1

What your token needs in Vault, for a token that nobody unwrapped:
  In the root namespace, where audit devices are: `update` on sys/audit-hash/<device>; `read` and `sudo` on sys/audit,
  unless --audit-device is given

Exit codes:
  0  the request and what Vault did for it were found
  1  no request has this id, more than one has it, a log cannot be read, or the page cannot be written
  2  the command line is wrong
  3  the request was found, but its token or its mint is not in the audit log, or the token is somebody else's; or something is missing, and part of the audit log could not be read";

const INCOMPLETE: u8 = 3;

/// Why there is nothing to tell.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TraceError {
    /// No decision.
    #[error(transparent)]
    Find(#[from] FindError),
    /// Vault's audit log.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Standard output.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// The page.
    #[error(transparent)]
    Page(#[from] PageError),
}

impl Failure for TraceError {
    fn is_usage(&self) -> bool {
        matches!(self, Self::Find(FindError::IdEmpty))
    }
}

/// Traces.
pub(crate) async fn run(arguments: &Arguments, output: &Output) -> Result<ExitCode, TraceError> {
    arguments.html.as_deref().map_or(Ok(()), html::refuse_existing)?;
    let (decision, unreadable) = decision::find(&arguments.authorizer_log, &arguments.request_id)?;
    let audit_log = AuditLog::new(&arguments.audit_log);
    let trace = joined::follow(decision, unreadable, &audit_log, arguments.audit_device.as_deref()).await?;
    if let Some(path) = &arguments.html {
        html::write(&trace, path)?;
    }
    output.print(&if arguments.json { output::json(&trace) + "\n" } else { text::of(&trace) })?;
    Ok(if trace.complete { ExitCode::SUCCESS } else { ExitCode::from(INCOMPLETE) })
}
