//! `vault-authorizer sign`: the header that proves an IAM identity to an API; and `sign dpop`, the proof beside a
//! token.
//!
//! Receives a server id and a region; finds credentials where the AWS command line does, and produces the
//! `Authorization` header. `sts-identity` does the signing. Nothing is sent to STS, and nothing but the header is
//! printed.

mod dpop;

use std::{process::ExitCode, time::Duration};

use authorizer_steps::{
    clock::{Clock, SystemClock},
    event::MAX_CREDENTIAL_BYTES,
};
use aws_credential_types::provider::error::CredentialsError;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use clap::{Args, Subcommand, ValueEnum};
use sts_identity::{
    Region, RegionError, ServerId, SigningRequest, StsEndpoint, StsEndpointError, presign_get_caller_identity,
};

use crate::{
    aws_credentials::credentials,
    failure::Failure,
    output::{Output, OutputError},
};

/// Makes the header that proves your AWS identity to an API
///
/// Presigns sts:GetCallerIdentity with the AWS credentials of this environment: variables, a profile (SSO and
/// credential_process too), a container or an instance. The header is a credential until it expires: anyone who has it can
/// call the API in your name, and do nothing else.
#[derive(Args)]
#[command(after_long_help = HELP, args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    other: Option<OtherProof>,
    /// The API's server id: `aws_identity.server_id` of its configuration, or the stage's own
    #[arg(long, value_name = "ID", required = true)]
    server_id: Option<ServerId>,
    #[command(flatten)]
    sts: Sts,
    /// How long the proof is valid, in seconds; the API's `max_age` (60 s by default) applies as well
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = seconds)]
    expires: u64,
    /// What to print
    #[arg(long, value_enum, default_value_t = Format::Header)]
    format: Format,
}

#[derive(Subcommand)]
enum OtherProof {
    Dpop(dpop::Arguments),
}

/// Which STS the API will ask.
#[derive(Args)]
#[group(required = true, multiple = false)]
struct Sts {
    /// The region of the STS that the API asks: one of its `aws_identity.sts_regions`
    #[arg(long, value_name = "REGION")]
    region: Option<Region>,
    /// For development: an STS on this machine
    #[arg(long, value_name = "URL")]
    sts_endpoint: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// `Authorization: AWS-Identity …`
    Header,
    /// `AWS-Identity …`
    Value,
    /// A line for `curl --config -`, which keeps the header out of the process list
    Curl,
}

const HELP: &str = "\
Examples:
  curl -H \"$(vault-authorizer sign --server-id orders.example.com --region eu-west-1)\" https://…/orders
  vault-authorizer sign --server-id orders.example.com --region eu-west-1 --format curl | curl --config - https://…/orders
  AWS_PROFILE=batch vault-authorizer sign --server-id orders.example.com --region eu-west-1 --format value

Exit codes:
  0  the header is on standard output
  1  there are no credentials, or they cannot sign
  2  the command line is wrong";

/// An emulator has no regions; the authorizer expects this one in a signature for it.
const LOOPBACK_REGION: &str = "us-east-1";

/// Why there is no header.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignError {
    /// `--region`.
    #[error("`--region` is invalid")]
    Region(#[from] RegionError),
    /// `--sts-endpoint`.
    #[error("`--sts-endpoint` is invalid")]
    Endpoint(#[from] StsEndpointError),
    /// Neither of the two, which the parser of the command line refuses first.
    #[error("needs `--region` or `--sts-endpoint`")]
    StsMissing,
    /// The chain has nothing.
    #[error(
        "no AWS credentials were found: set AWS_PROFILE, run `aws sso login`, or export AWS_ACCESS_KEY_ID and \
         AWS_SECRET_ACCESS_KEY"
    )]
    Credentials(#[source] CredentialsError),
    /// The credentials do not sign.
    #[error("the AWS credentials cannot sign a proof")]
    Sign(#[from] sts_identity::SignError),
    /// `dpop`.
    #[error(transparent)]
    Dpop(#[from] dpop::DpopError),
    /// No API would take it.
    #[error(
        "the proof has {bytes} bytes, but the authorizer accepts at most {most}: use credentials with a shorter \
         session token (a role with a smaller session policy, or fewer session tags)"
    )]
    ProofTooLarge {
        /// Of the header's value.
        bytes: usize,
        /// That are accepted.
        most: usize,
    },
    /// Standard output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl Failure for SignError {
    fn is_usage(&self) -> bool {
        match self {
            Self::Region(_) | Self::Endpoint(_) | Self::StsMissing => true,
            Self::Dpop(error) => error.is_usage(),
            Self::Credentials(_) | Self::Sign(_) | Self::ProofTooLarge { .. } | Self::Output(_) => false,
        }
    }
}

fn seconds(text: &str) -> Result<u64, &'static str> {
    let seconds = text.parse().ok().filter(|seconds| (1..=900).contains(seconds));
    seconds.ok_or("it must be a number of seconds from 1 to 900, without a unit")
}

/// Signs.
pub(crate) async fn run(arguments: &Arguments, output: &Output) -> Result<ExitCode, SignError> {
    if let Some(OtherProof::Dpop(arguments)) = &arguments.other {
        return Ok(dpop::run(arguments, output)?);
    }
    let endpoint = arguments.sts.endpoint()?;
    let credentials = credentials(endpoint.region()).await.map_err(SignError::Credentials)?;
    let request = SigningRequest {
        credentials: &credentials,
        endpoint: &endpoint,
        server_id: arguments.server_id.as_ref(),
        now: SystemClock.now().to_system_time(),
    };
    let url = presign_get_caller_identity(request, Duration::from_secs(arguments.expires))?;
    let value = format!("AWS-Identity {}", URL_SAFE_NO_PAD.encode(url.expose()));
    if value.len() > MAX_CREDENTIAL_BYTES {
        return Err(SignError::ProofTooLarge { bytes: value.len(), most: MAX_CREDENTIAL_BYTES });
    }
    output.print(&arguments.format.of(&value))?;
    output.hint(&format!("this is a credential for {} s: do not paste it anywhere else", arguments.expires));
    Ok(ExitCode::SUCCESS)
}

impl Sts {
    fn endpoint(&self) -> Result<StsEndpoint, SignError> {
        match (&self.region, &self.sts_endpoint) {
            (_, Some(url)) => Ok(StsEndpoint::loopback(url, &LOOPBACK_REGION.parse()?)?),
            (Some(region), None) => Ok(StsEndpoint::regional(region)),
            (None, None) => Err(SignError::StsMissing),
        }
    }
}

impl Format {
    fn of(self, value: &str) -> String {
        match self {
            Self::Header => format!("Authorization: {value}\n"),
            Self::Value => format!("{value}\n"),
            Self::Curl => format!("header = \"Authorization: {value}\"\n"),
        }
    }
}
