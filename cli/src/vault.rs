//! `vault-authorizer vault plan` and `vault apply`: make Vault hold what the configuration needs.
//!
//! Receives a configuration. [`desired`] derives from it everything that Vault must hold, including the [`login`].
//! [`server`] looks at what a server has, [`compare`] finds the difference, [`text`] words it, and `apply` carries it
//! out step by step. [`script`] does the same for people who would rather run it themselves. Only [`server`] makes
//! calls.

pub(crate) mod compare;
pub(crate) mod desired;
mod login;
mod object;
mod place;
mod script;
mod server;
mod setting;
mod text;

use std::process::ExitCode;

use authorizer_steps::names::{PolicyName, RoleName};
use clap::{Args, Subcommand, ValueEnum, builder::NonEmptyStringValueParser};
use compare::{Allowed, Plan, plan};
use desired::{Choices, Desired, DesiredError, SELF_POLICY, desired};
use sts_identity::PrincipalArn;
use vault_api::Namespace;
use vault_authorizer::config::Config;
use vault_transport::{VaultOptions, VaultSetupError};

use crate::{
    connection::{self, AddressArguments, ConnectionError, OwnToken},
    failure::Failure,
    input::{ConfigArguments, ConfigError},
    next::option,
    output::{Output, OutputError},
};

use login::Trusted;
use server::{Server, ServerError};

const CHANGES: u8 = 5;

/// Compares Vault with what the configuration needs, and sets it up
#[derive(Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Plan(PlanArguments),
    Apply(ApplyArguments),
}

/// Shows what the configuration needs that is missing in Vault; changes nothing
///
/// Derives from the configuration the authorizer's policy, a token role and a rate limit quota for each grant, and the
/// authorizer's login, and compares them with what the server has. VAULT_ADDR, VAULT_NAMESPACE and VAULT_CACERT say which
/// server; the token comes from VAULT_TOKEN or ~/.vault-token.
#[derive(Args)]
#[command(after_long_help = PLAN_HELP)]
struct PlanArguments {
    #[command(flatten)]
    common: Common,
    /// What to print; `shell` does not ask a server
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Exit with 5 if `apply` would change something, or would stop at a conflict
    #[arg(long)]
    detailed_exitcode: bool,
}

/// Creates and updates what the configuration needs in Vault
///
/// Prints the plan and carries it out. You can run it again at any time. If something is in conflict, it changes nothing. If
/// a change fails, it stops: run it again to continue.
#[derive(Args)]
#[command(after_long_help = APPLY_HELP)]
struct ApplyArguments {
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct Common {
    #[command(flatten)]
    config: ConfigArguments,
    #[command(flatten)]
    address: AddressArguments,
    /// The name of the authorizer's own policy in Vault: one for each configuration
    #[arg(long, value_name = "NAME", default_value = OWN_POLICY, value_parser = own_policy)]
    policy: PolicyName,
    #[command(flatten)]
    trusted: TrustedArguments,
    #[command(flatten)]
    quotas: Quotas,
    /// Take over and change objects with these names that were not made for this configuration
    #[arg(long)]
    adopt: bool,
    /// Remove objects that vault-authorizer made and no grant needs any more
    #[arg(long)]
    prune: bool,
    /// Remove principals and subjects that you did not name from the login role
    #[arg(long)]
    remove_principals: bool,
}

/// Where quotas are, which Vault keeps apart from everything else.
#[derive(Debug, Clone, Args)]
pub(crate) struct Quotas {
    /// Leave rate limit quotas alone; a token of a namespace cannot change them
    #[arg(long)]
    no_quotas: bool,
    /// The namespace that keeps the rate limit quotas: `admin` on HCP Vault [default: the root namespace]
    #[arg(long, value_name = "NAMESPACE", value_parser = Namespace::parse, conflicts_with = "no_quotas")]
    quota_namespace: Option<Namespace>,
}

impl Quotas {
    /// As it was given, for another command.
    pub(crate) fn given(&self) -> Vec<String> {
        let namespace = self.quota_namespace.iter();
        let namespace = namespace.flat_map(|namespace| option("--quota-namespace", namespace.as_str()));
        self.no_quotas.then(|| "--no-quotas".to_owned()).into_iter().chain(namespace).collect()
    }
}

/// Who may log in, of which the configuration says nothing. One of them, by `vault.login`.
#[derive(Args)]
struct TrustedArguments {
    /// For the login `aws`, and `jwt` with `web_identity_audience`: the function's execution role, which may log in. Repeat
    /// the option for each function and region [default: the login is left alone]
    #[arg(long, value_name = "ARN", value_parser = principal, conflicts_with_all = ["jwt_subject", "approle"])]
    aws_principal: Vec<PrincipalArn>,
    /// For the login `jwt` with `jwt_file`: the `sub` of the JWTs that may log in. Repeat the option for each
    #[arg(long, value_name = "SUB", value_parser = NonEmptyStringValueParser::new(), requires = "jwt_audience", conflicts_with = "approle")]
    jwt_subject: Vec<String>,
    /// With `--jwt-subject`: their `aud`
    #[arg(long, value_name = "AUD", value_parser = NonEmptyStringValueParser::new(), requires = "jwt_subject")]
    jwt_audience: Option<String>,
    /// For the login `approle`: the name of the role whose role id the configuration has
    #[arg(long, value_name = "ROLE")]
    approle: Option<RoleName>,
}

impl TrustedArguments {
    fn trusted(&self) -> Option<Trusted> {
        let Self { aws_principal, jwt_subject, jwt_audience, approle } = self;
        if !aws_principal.is_empty() {
            return Some(Trusted::AwsPrincipals(aws_principal.clone()));
        }
        let subjects = || jwt_subject.iter().cloned().collect();
        let jwt = jwt_audience.clone().map(|audience| Trusted::Jwt { subjects: subjects(), audience });
        jwt.or_else(|| approle.clone().map(Trusted::AppRole))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// The differences
    Text,
    /// Everything, as a shell script that runs Vault's command line
    #[value(alias = "hcl")]
    Shell,
}

const PLAN_HELP: &str = "\
Examples:
  vault-authorizer vault plan --config authorizer.yaml
  vault-authorizer vault plan --config authorizer.yaml --detailed-exitcode      in a pipeline, to detect drift
  vault-authorizer vault plan --config authorizer.yaml --format shell > vault.sh

Exit codes:
  0  the plan is printed
  1  there is no plan, because of the configuration, the connection or the token's policies
  2  the command line is wrong
  5  with `--detailed-exitcode`: there is something to do, or an auth method is missing";

const APPLY_HELP: &str = "\
Examples:
  vault-authorizer vault apply --config authorizer.yaml
  vault-authorizer vault apply --config authorizer.yaml --aws-principal arn:aws:iam::123456789012:role/api-authorizer
  vault-authorizer vault apply --config authorizer.yaml --policy orders-prod     a second configuration on one Vault
  vault-authorizer vault apply --config authorizer.yaml --prune

Exit codes:
  0  Vault has everything that the configuration needs
  1  it does not: a conflict, a failed change, or a missing auth method
  2  the command line is wrong";

/// Why Vault was not looked at, or does not hold what it must.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetUpError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// No address or no token.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// No HTTP client for Vault.
    #[error(transparent)]
    Transport(#[from] VaultSetupError),
    /// There is nothing that Vault should hold.
    #[error(transparent)]
    Desired(#[from] DesiredError),
    /// What Vault has cannot be told.
    #[error(transparent)]
    Server(#[from] Box<ServerError>),
    /// Something is there that another made.
    #[error("nothing was changed: {count} in conflict, see above")]
    Conflict {
        /// How many.
        count: usize,
    },
    /// An auth method that only the user can enable.
    #[error("the authorizer cannot log in yet: an auth method is missing, see above")]
    MountMissing,
    /// A step failed.
    #[error(
        "{done} done, then this failed; run it again to continue. Not done: {}", undone.join("; ")
    )]
    Unfinished {
        /// How many steps went well before.
        done: usize,
        /// The one that failed and those behind it, by name.
        undone: Vec<String>,
        /// Why.
        source: Box<ServerError>,
    },
    /// Standard output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl Failure for SetUpError {
    fn is_usage(&self) -> bool {
        match self {
            Self::Config(error) => error.is_usage(),
            Self::Desired(error) => matches!(error, DesiredError::Login(_)),
            Self::Connection(_) | Self::Transport(_) | Self::Server(_) | Self::Output(_) => false,
            Self::Conflict { .. } | Self::MountMissing | Self::Unfinished { .. } => false,
        }
    }
}

/// Plans or applies.
pub(crate) async fn run(arguments: &Arguments, output: &Output) -> Result<ExitCode, SetUpError> {
    match &arguments.command {
        Command::Plan(arguments) if arguments.format == Format::Shell => {
            let (options, desired) = arguments.common.derive(&AddressArguments::TRUSTED)?;
            let namespace = options.namespace.as_ref().map(Namespace::as_str);
            let quotas = arguments.common.quotas.quota_namespace.as_ref().map(Namespace::as_str);
            output.print(&script::of(&desired, options.address.as_str(), namespace, quotas))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Plan(arguments) => {
            let (_, plan) = arguments.common.look(output).await?;
            let changes = arguments.detailed_exitcode && !plan.is_done();
            Ok(if changes { ExitCode::from(CHANGES) } else { ExitCode::SUCCESS })
        }
        Command::Apply(arguments) => {
            let (server, plan) = arguments.common.look(output).await?;
            apply(&server, &plan, output).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn apply(server: &Server, plan: &Plan, output: &Output) -> Result<(), SetUpError> {
    if plan.obstacles() > 0 {
        return Err(SetUpError::Conflict { count: plan.obstacles() });
    }
    for (index, step) in plan.steps.iter().enumerate() {
        server.carry_out(step).await.map_err(|error| {
            let source = Box::new(error);
            let undone = plan.steps.iter().skip(index).map(text::named).collect();
            SetUpError::Unfinished { done: index, undone, source }
        })?;
        output.print(&text::done(step))?;
    }
    if !plan.steps.is_empty() {
        output.print(&text::applied(plan))?;
    }
    if plan.lacks_mount() { Err(SetUpError::MountMissing) } else { Ok(()) }
}

impl Common {
    /// The Vault that is meant, and what it must hold.
    fn derive(&self, address: &AddressArguments) -> Result<(VaultOptions, Desired), SetUpError> {
        let config = self.config.read()?;
        let options = address.options(Some(&config.vault), connection::variable)?;
        let desired = wanted(&config, &options, &self.policy, self.trusted.trusted(), &self.quotas)?;
        Ok((options, desired))
    }

    async fn look(&self, output: &Output) -> Result<(Server, Plan), SetUpError> {
        let (options, desired) = self.derive(&self.address)?;
        let token = connection::token(connection::variable)?;
        let Self { adopt, prune, remove_principals, .. } = *self;
        let allowed = Allowed { adopt, prune, remove_principals };
        let (server, plan) = compared(options, token, &self.quotas, &desired, allowed).await?;
        let at = &server.operator;
        output.print(&text::of(&plan, at.address(), at.namespace(), at.token_place()))?;
        Ok((server, plan))
    }
}

fn wanted(
    config: &Config,
    at: &VaultOptions,
    policy: &PolicyName,
    trusted: Option<Trusted>,
    quotas: &Quotas,
) -> Result<Desired, DesiredError> {
    let (policy, namespace) = (policy.clone(), at.namespace.clone());
    desired(config, &Choices { policy, trusted, namespace, quotas: !quotas.no_quotas })
}

/// What a server has of what is desired, and what to do about the rest.
async fn compared(
    options: VaultOptions,
    token: OwnToken,
    quotas: &Quotas,
    desired: &Desired,
    allowed: Allowed,
) -> Result<(Server, Plan), SetUpError> {
    let server = Server::new(options, token, quotas.quota_namespace.clone())?;
    let found = server.look(desired).await.map_err(Box::new)?;
    Ok((server, plan(desired, &found, allowed)))
}

/// What `plan` would find at the configuration's own Vault, for whoever only wants to know whether there is anything; and where
/// the token was found.
///
/// # Errors
///
/// Also where nobody but the configuration says that this is the operator's Vault.
pub(crate) async fn drift(
    config: &Config,
    address: &AddressArguments,
    policy: &PolicyName,
    quotas: &Quotas,
) -> Result<(Plan, &'static str), SetUpError> {
    // Whoever has no token need not hear where it would go.
    let token = connection::token(connection::variable)?;
    let options = address.options_of(&config.vault, connection::variable)?;
    let desired = wanted(config, &options, policy, None, quotas)?;
    let (server, plan) = compared(options, token, quotas, &desired, Allowed::default()).await?;
    Ok((plan, server.operator.token_place()))
}

/// The name of the authorizer's own policy, unless `--policy` gives another one.
pub(crate) const OWN_POLICY: &str = "vault-authorizer";

/// Other names are somebody's already.
pub(crate) fn own_policy(text: &str) -> Result<PolicyName, String> {
    match text.parse::<PolicyName>() {
        Ok(name) if name.as_str() == SELF_POLICY || name.as_str() == "default" => {
            Err(format!("must not be `{name}`, which other tokens have"))
        }
        name => name.map_err(|error| error.to_string()),
    }
}

/// IAM allows a comma in a name and in a path, so a list of ARNs can read like one ARN, and would let in its last role alone.
fn principal(text: &str) -> Result<PrincipalArn, String> {
    if let Some((_, last)) = text.rsplit_once(',')
        && (last.is_empty() || last.contains('/'))
    {
        let each = text.split(',').map(str::trim).filter(|arn| !arn.is_empty());
        let each: Vec<String> = each.map(|arn| format!("--aws-principal {arn}")).collect();
        return Err(format!("pass one ARN per option: `{}`", each.join(" ")));
    }
    PrincipalArn::parse(text).map_err(|error| error.to_string())
}
