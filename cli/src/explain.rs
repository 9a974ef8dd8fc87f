//! `vault-authorizer explain`: what the function makes of one event, step by step.
//!
//! Receives a configuration, an event and a time; produces an [`Explanation`](walk::Explanation), which [`text`] words for
//! people and serde for programs. The walk is the function's own: [`walk`] only watches it. Vault is never called.

mod dry_run;
mod hints;
mod text;
mod time;
mod walk;

use std::{process::ExitCode, sync::Arc};

use clap::Args;
use serde_json::Value;
use vault_authorizer::{
    adapters::{identity_client, jwks::Jwks, sts::StsClient},
    authorize::Resolver,
    clock::{Clock, SystemClock},
    config::Config,
    identity::{AwsIdentityScheme, JwtScheme, Schemes},
    response::Envelope,
};

use crate::{
    failure::Failure,
    input::{ConfigArguments, Source},
    output::{self, Output},
};
use time::{At, StandingClock};
use walk::{Explanation, Outcome, Walk};

/// Lambda gives a function no more than 6 MB.
const MAX_EVENT_BYTES: u64 = 6 * 1024 * 1024;

const DENIED: u8 = 3;
const FAULT: u8 = 4;

/// Says what the function makes of an event, and why
///
/// Runs the function's own code on it: fetches the issuer's keys, asks STS about an IAM proof. Vault is not called: what
/// it would mint is marked. No credential is ever printed.
#[derive(Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// The event as the function got it, in JSON, or `-` for standard input
    #[arg(long, value_name = "FILE")]
    event: Source,
    /// Judge the event as of this time: RFC 3339, or Unix seconds [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<At>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Examples:
  vault-authorizer explain --config authorizer.yaml --event event.json
  vault-authorizer explain --config authorizer.yaml --event event.json --at 2027-01-15T08:00:00Z
  pbpaste | vault-authorizer explain --config authorizer.yaml --event - --json

Keys and STS are asked now, whatever `--at` says: a key that the issuer has withdrawn since is unknown, and STS takes no
proof that is older than 15 minutes.

Exit codes:
  0  allowed
  1  the configuration is not usable, or the event is not JSON or cannot be read
  2  the command line is wrong
  3  denied
  4  a fault: the function, the issuer's keys or STS, not the caller";

/// Explains.
pub(crate) async fn run(arguments: &Arguments, output: &Output) -> Result<ExitCode, Failure> {
    if arguments.config.config == Source::Stdin && arguments.event == Source::Stdin {
        return Err(Failure::TwoFromStdin);
    }
    let config = arguments.config.read()?;
    let event = arguments.event.read(MAX_EVENT_BYTES)?;
    let event: Value = serde_json::from_str(&event)
        .map_err(|error| Failure::EventNotJson { line: error.line(), column: error.column() })?;
    let mut explanation = walk_of(config, arguments.at)?.explain(&event).await;
    explanation.hints = hints::of(&explanation, &event, arguments.at.is_some());
    output.print(&worded(&explanation, arguments.json))?;
    Ok(match explanation.outcome {
        Outcome::Allowed => ExitCode::SUCCESS,
        Outcome::Denied => ExitCode::from(DENIED),
        Outcome::Fault => ExitCode::from(FAULT),
    })
}

/// Put together as in the function, but for the minter and the clock, which stands still.
fn walk_of(config: Config, at: Option<At>) -> Result<Walk, Failure> {
    let now = at.map_or_else(|| SystemClock.now(), At::time);
    let clock: Arc<dyn Clock> = Arc::new(StandingClock(now));
    let sts = StsClient::new(identity_client()?);
    let aws_identity =
        config.aws_identity.map(|settings| AwsIdentityScheme::new(settings, sts, Arc::clone(&clock)));
    let (issuers, keys) = Jwks::new(config.issuers, Arc::clone(&clock))?;
    let schemes = Schemes { jwt: JwtScheme::new(issuers, keys), aws_identity };
    Ok(Walk {
        resolver: Resolver { schemes, credentials: config.credentials, stages: config.stages, clock },
        envelope: Envelope {
            address: config.vault.address.as_str().to_owned(),
            namespace: config.vault.namespace.map(|namespace| namespace.as_str().to_owned()),
        },
        answer: config.answer,
    })
}

fn worded(explanation: &Explanation, json: bool) -> String {
    if json {
        let json = output::json(explanation);
        return format!("{json}\n");
    }
    text::of(explanation)
}
