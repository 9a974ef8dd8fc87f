//! `vault-authorizer doctor`: what is wrong with a live deployment, and what to do.
//!
//! Receives a configuration. Looks at the Vault and the issuers that it names and, with AWS credentials, at the
//! function and its APIs. Produces findings. It reads, and changes nothing. A check that could not run says why, and
//! never passes.

mod aws;
mod aws_api;
mod bindings;
mod finding;
mod issuers;
mod login;
mod next;
mod objects;
mod vault;

use std::process::ExitCode;

use authorizer_adapters::identity_client;
use authorizer_steps::names::PolicyName;
use clap::Args;
use sts_identity::Region;
use vault_transport::http::{HttpSetupError, Protocol};

use crate::{
    connection::{self, AddressArguments},
    failure::Failure,
    input::{ConfigArguments, ConfigError},
    output::{Output, OutputError},
    vault::{OWN_POLICY, Quotas, own_policy},
};

use aws::Deployment;
use aws_api::AwsApi;
use finding::{Finding, report};

/// Reports what is wrong with a live deployment, and how to fix it
///
/// Checks Vault and the issuers as the function would see them. With --function it also checks AWS: the function, who may
/// invoke it, and how its APIs cache, log and pass on callers' proofs. It only reads.
#[derive(Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    #[command(flatten)]
    address: AddressArguments,
    /// The authorizer's Lambda function, to check it and its APIs
    #[arg(long, value_name = "NAME", requires = "region")]
    function: Option<String>,
    /// The region of the function and its APIs
    #[arg(long, value_name = "REGION")]
    region: Option<Region>,
    /// APIs to check, if the configuration says `api_ids: ["*"]`
    #[arg(long = "api", value_name = "ID", requires = "function")]
    apis: Vec<String>,
    /// For development: an AWS emulator on this machine
    #[arg(long, value_name = "URL", requires = "function")]
    aws_endpoint: Option<String>,
    /// The name of the authorizer's own policy in Vault
    #[arg(long, value_name = "NAME", default_value = OWN_POLICY, value_parser = own_policy)]
    policy: PolicyName,
    #[command(flatten)]
    quotas: Quotas,
    /// Log in to Vault as the function does, report whether that token could mint, and revoke it at once. Needs the
    /// function's login credentials: for the AWS login, credentials of the function's role. Like your token, the login goes
    /// only to the Vault that VAULT_ADDR names
    #[arg(long)]
    log_in: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Examples:
  vault-authorizer doctor --config authorizer.yaml
  vault-authorizer doctor --config authorizer.yaml --function orders-authorizer --region eu-west-1
  AWS_PROFILE=the-functions-role vault-authorizer doctor --config authorizer.yaml --log-in

With VAULT_TOKEN or ~/.vault-token it also compares Vault with what the configuration needs, as `vault plan` does. For AWS it needs lambda:GetFunctionConfiguration, lambda:GetFunctionConcurrency (on Lambda Managed Instances lambda:GetFunctionScalingConfig), lambda:GetPolicy and apigateway:GET.

Exit codes:
  0  no problem found
  1  a problem was found, or the configuration cannot be used
  2  the command line is wrong
  3  no problem found in what could be checked: some checks could not be made";

/// Some checks could not be made.
const INCOMPLETE: u8 = 3;

/// Why nothing was examined.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DoctorError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No HTTP client for the issuers or AWS.
    #[error("this machine's TLS roots cannot be used")]
    Http(#[from] HttpSetupError),
    /// Standard output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl Failure for DoctorError {
    fn is_usage(&self) -> bool {
        matches!(self, Self::Config(error) if error.is_usage())
    }
}

/// Examines.
pub(crate) async fn run(arguments: &Arguments, output: &Output) -> Result<ExitCode, DoctorError> {
    let config = arguments.config.read()?;
    let client = identity_client(Protocol::HttpsOrHttp)?;
    let mut findings = vault::examine(&config.vault).await;
    findings
        .extend(objects::examine(&config, &arguments.address, &arguments.policy, &arguments.quotas).await);
    let log_in = arguments.log_in.then(|| arguments.address.options_of(&config.vault, connection::variable));
    findings.push(login::examine(config.vault, client.clone(), log_in, &arguments.policy).await);
    let (stages, limits) = (config.stages, config.limits);
    let configured: Vec<_> = config.issuers.iter().map(|(issuer, _)| issuer.clone()).collect();
    findings.extend(issuers::examine(config.issuers).await?);
    if let (Some(function), Some(region)) = (&arguments.function, &arguments.region) {
        let api = AwsApi::new(client, region.clone(), arguments.aws_endpoint.as_deref()).await;
        let (also, issuers) = (arguments.apis.as_slice(), configured.as_slice());
        let deployment = Deployment { function, stages: &stages, issuers, limits, also };
        match api {
            Ok(api) => findings.extend(deployment.examine(&api).await),
            Err(reason) => findings.push(Finding::unseen(
                "aws-credentials",
                format!("no AWS credentials were found: set AWS_PROFILE, or run `aws sso login` ({reason})"),
            )),
        }
    }
    output.print(&report(&findings, &next::of(&findings, arguments), arguments.json))?;
    Ok(match () {
        () if findings.iter().any(Finding::is_wrong) => ExitCode::FAILURE,
        () if findings.iter().any(Finding::is_unseen) => ExitCode::from(INCOMPLETE),
        () => ExitCode::SUCCESS,
    })
}
