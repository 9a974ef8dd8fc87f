//! `vault-authorizer explain`: what the function does with one event, step by step.
//!
//! Receives a configuration, an event or the call that would cause it, and a time. Produces an
//! [`Explanation`](walk::Explanation), which [`text`] words for people and serde for programs. The walk is the
//! function's own, and [`walk`] only watches it. Vault is never called.

pub(crate) mod call;
mod dry_run;
mod hints;
mod next;
mod text;
mod time;
mod walk;

use std::{process::ExitCode, sync::Arc};

use authorizer_adapters::{identity_client, jwks::Jwks, sts::StsClient};
use authorizer_steps::{
    authorize::Resolver,
    clock::{Clock, SystemClock},
    event::{self, EventError},
    identity::{AwsIdentityScheme, JwtScheme, Schemes},
    names::StageName,
    response::Envelope,
};
use clap::Args;
use serde_json::Value;
use vault_authorizer::config::Config;
use vault_transport::http::HttpSetupError;
use zeroize::Zeroizing;

use crate::{
    failure::Failure,
    input::{ConfigArguments, ConfigError, InputError, Source, bare_jwt, looks_like_jwt},
    output::{self, Output, OutputError},
};

use call::CalledRoute;
use hints::Given;
use time::{At, StandingClock};
use walk::{Explanation, Outcome, Walk};

/// Lambda gives a function no more than 6 MB.
const MAX_EVENT_BYTES: u64 = 6 * 1024 * 1024;
/// More than any credential may have, so that one that is too large is explained.
const MAX_JWT_FILE_BYTES: u64 = 64 * 1024;

const DENIED: u8 = 3;
const FAULT: u8 = 4;

/// Shows what the function decides about an event, and why
///
/// Takes an event, or a caller's JWT with a route and a stage, and runs the function's own code on it: it fetches the
/// issuer's keys, and asks STS about an IAM proof. It does not call Vault, and marks the values that Vault would mint. It
/// never prints a credential.
#[derive(Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// The event as the function got it, in JSON, or `-` for standard input
    #[arg(long, value_name = "FILE", required_unless_present = "jwt")]
    event: Option<Source>,
    /// Instead of an event: a file with the caller's JWT, or `-` for standard input. Needs --route and --stage
    #[arg(long, value_name = "FILE", conflicts_with = "event", requires_all = ["route", "stage"])]
    jwt: Option<Source>,
    /// The route of the call, such as `GET /orders/{id}`
    #[arg(long, value_name = "ROUTE", requires = "jwt")]
    route: Option<CalledRoute>,
    /// The stage of the call
    #[arg(long, value_name = "NAME", requires = "jwt")]
    stage: Option<StageName>,
    /// Decide as of this time: RFC 3339, or Unix seconds [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<At>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Examples:
  vault-authorizer explain --config authorizer.yaml --event event.json
  vault-authorizer explain --config authorizer.yaml --jwt token.jwt --route \"GET /orders\" --stage prod
  printf %s \"$jwt\" | vault-authorizer explain --config authorizer.yaml --jwt - --route \"GET /orders/{id}\" --stage prod
  vault-authorizer explain --config authorizer.yaml --event event.json --at 2027-01-15T08:00:00Z
  pbpaste | vault-authorizer explain --config authorizer.yaml --event - --json

The issuer's keys and STS answer as of now, whatever `--at` says: a key that the issuer has withdrawn since is unknown, and
STS accepts no proof that is older than 15 minutes.

Exit codes:
  0  allowed
  1  the configuration is invalid, or a file cannot be read
  2  the command line is wrong, or the event is not JSON
  3  denied
  4  a fault: a problem with the function, the issuer's keys or STS, not with the caller";

/// Why nothing is explained.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExplainError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No event and no JWT.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Two arguments want standard input.
    #[error(
        "the configuration and `{option} -` cannot both come from standard input: put one of them into a file"
    )]
    TwoFromStdin {
        /// The other one.
        option: &'static str,
    },
    /// Neither of the two, which the parser of the command line refuses first.
    #[error("needs `--event`, or `--jwt` with `--route` and `--stage`")]
    EventMissing,
    /// A JWT where its file should be.
    #[error(
        "`--jwt` takes a file or `-` for standard input, not the JWT itself: others on this machine can read a command's arguments, and your shell saves them. Write `printf %s \"$jwt\" | vault-authorizer explain --jwt - …`"
    )]
    JwtAsArgument,
    /// Another option takes it, or none.
    #[error("`--jwt` takes a JWT, but {name} {what}")]
    NotAJwt {
        /// The file.
        name: String,
        /// What it is, and which option takes it.
        what: &'static str,
    },
    /// Not what a Lambda function is given.
    #[error(
        "the event is not JSON: line {line}, column {column}; pass the event as the function got it, without the log line around it, or a JWT with `--jwt`"
    )]
    EventNotJson {
        /// Where reading stopped.
        line: usize,
        /// And there.
        column: usize,
    },
    /// The function refuses it before it looks at the caller.
    #[error("the function refuses this event as `event_unsupported`")]
    EventRefused(#[source] EventError),
    /// No HTTP client for the issuers or STS.
    #[error("this machine's TLS roots cannot be used")]
    Http(#[from] HttpSetupError),
    /// Standard output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl Failure for ExplainError {
    fn is_usage(&self) -> bool {
        match self {
            Self::Config(error) => error.is_usage(),
            Self::Input(_) | Self::Http(_) | Self::Output(_) => false,
            Self::TwoFromStdin { .. } | Self::EventMissing | Self::JwtAsArgument => true,
            Self::NotAJwt { .. } | Self::EventNotJson { .. } | Self::EventRefused(_) => true,
        }
    }
}

/// Explains.
pub(crate) async fn run(arguments: &Arguments, output: &Output) -> Result<ExitCode, ExplainError> {
    arguments.refuse_two_from_stdin()?;
    let config = arguments.config.read()?;
    let event = arguments.event(&config)?;
    let walk = walk_of(config, arguments.at)?;
    let mut explanation = walk.explain(&event).await;
    let route_covered = arguments.call().map(|(route, stage)| route.is_covered(stage, &walk.resolver.stages));
    let given =
        Given { event: &event, time: arguments.at.is_some(), route_covered, stages: &walk.resolver.stages };
    explanation.hints = hints::of(&explanation, given);
    explanation.next = next::of(explanation.outcome, explanation.code, arguments, &event);
    output.print(&worded(&explanation, arguments.json))?;
    Ok(match explanation.outcome {
        Outcome::Allowed => ExitCode::SUCCESS,
        Outcome::Denied => ExitCode::from(DENIED),
        Outcome::Fault => ExitCode::from(FAULT),
    })
}

impl Arguments {
    fn refuse_two_from_stdin(&self) -> Result<(), ExplainError> {
        let from_stdin = |source: &Option<Source>| *source == Some(Source::Stdin);
        let option = match (from_stdin(&self.event), from_stdin(&self.jwt)) {
            (true, _) => "--event",
            (false, true) => "--jwt",
            (false, false) => return Ok(()),
        };
        if *self.config.source()? == Source::Stdin {
            Err(ExplainError::TwoFromStdin { option })
        } else {
            Ok(())
        }
    }

    /// The event that is given, or that of the call.
    fn event(&self, config: &Config) -> Result<Value, ExplainError> {
        if let (Some(jwt), Some((route, stage))) = (&self.jwt, self.call()) {
            return Ok(route.event(stage, bare_jwt(&read_jwt(jwt)?), config));
        }
        let text = self.event.as_ref().ok_or(ExplainError::EventMissing)?.read(MAX_EVENT_BYTES)?;
        let event = serde_json::from_str(&text)
            .map_err(|error| ExplainError::EventNotJson { line: error.line(), column: error.column() })?;
        // The function reads more strictly: what it refuses is not explained by what one of two members says.
        event::read(text.as_bytes()).map_err(ExplainError::EventRefused)?;
        Ok(event)
    }

    fn call(&self) -> Option<(&CalledRoute, &StageName)> {
        self.route.as_ref().zip(self.stage.as_ref())
    }
}

fn read_jwt(source: &Source) -> Result<Zeroizing<String>, ExplainError> {
    match source {
        Source::File(path) if looks_like_jwt(&path.to_string_lossy()) => Err(ExplainError::JwtAsArgument),
        Source::Stdin | Source::File(_) => {
            let text = Zeroizing::new(source.read(MAX_JWT_FILE_BYTES)?);
            match instead_of_a_jwt(bare_jwt(&text)) {
                Some(what) => Err(ExplainError::NotAJwt { name: source.to_string(), what }),
                None => Ok(text),
            }
        }
    }
}

/// What was given in its place, where that is plain: what the function says of it would mislead.
fn instead_of_a_jwt(text: &str) -> Option<&'static str> {
    // A proof is a URL, in base64 after its scheme.
    let is_proof =
        text.contains("AWS-Identity ") || ["http", "aHR0c"].iter().any(|url| text.starts_with(url));
    match () {
        () if text.is_empty() => Some("is empty"),
        () if is_proof => Some("is an IAM proof: put it into an event, and pass that with `--event`"),
        () if text.starts_with('{') => Some("is JSON: pass an event with `--event`"),
        () => None,
    }
}

/// Put together as in the function, but for the minter and the clock, which stands still.
fn walk_of(config: Config, at: Option<At>) -> Result<Walk, HttpSetupError> {
    let now = at.map_or_else(|| SystemClock.now(), At::time);
    let clock: Arc<dyn Clock> = Arc::new(StandingClock(now));
    let sts = StsClient::new(identity_client(config.sts_protocol())?);
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
