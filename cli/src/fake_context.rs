//! `vault-authorizer fake-context`: what an integration gets for a grant, without AWS.
//!
//! Mints a real wrapped token in a development Vault and puts the context around it: an event for a Lambda function,
//! or headers for a container. The order, the mint and the checks are the function's own code. The caller is made up,
//! and the mint uses the operator's token. That token could mint without this command as well, so nothing here opens
//! a way around the authorizer.

mod event;

use std::{process::ExitCode, sync::Arc, time::Duration};

use authorizer_steps::{
    clock::{Clock, SystemClock},
    grant::{Callers, EntityAlias, Mode, Pattern, Rule, Stage, TokenRule},
    identity::{RequiredBinding, jwt::IssuerKind},
    mint::{self, MintError, Order, TokenMetadata},
    response::Envelope,
};
use clap::{Args, ValueEnum};
use sts_identity::{PrincipalArn, PrincipalArnError};
use vault_api::{VaultErrorKind, is_loopback};
use vault_authorizer::config::Config;
use vault_context::{Caller, CallerBinding, CallerKind, VaultContext, Wrapped};
use vault_transport::VaultSetupError;

use crate::{
    connection::{self, AddressArguments, ConnectionError},
    failure::Failure,
    input::{ConfigArguments, ConfigError},
    operator::{Needs, Operator, OperatorError},
    output::{self, Output, OutputError, plain},
};

use event::{Call, Method, RequestPath};

/// Prints an event or headers with a real wrapped token, to try an integration without AWS
///
/// Creates one token of the grant in a development Vault, as the function would, and prints the context with it. VAULT_ADDR
/// says which Vault, and the context names it too: configure your integration with it. VAULT_NAMESPACE and VAULT_CACERT are
/// used as well; your own token comes from VAULT_TOKEN or ~/.vault-token. The caller is not verified. A grant with
/// `mode: none` needs no Vault.
#[derive(Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// The grant to create a token of
    #[arg(long, value_name = "NAME")]
    grant: String,
    /// What to print: the event of a Lambda proxy integration, or a container's headers
    #[arg(long = "as", value_enum, value_name = "FORM", default_value_t = Form::Rest)]
    form: Form,
    /// The method of the event's call [default: that of the grant's first route]
    #[arg(long, value_name = "METHOD")]
    method: Option<Method>,
    /// The path of the event's call, such as `/orders/42` [default: that of the grant's first route]
    #[arg(long, value_name = "PATH")]
    path: Option<RequestPath>,
    /// The caller: `<issuer>:<name>`, or an ARN for a grant of IAM proofs [default: a made-up one]
    #[arg(long, value_name = "ID")]
    caller: Option<String>,
    /// For a grant with `entity_alias`: the value of that claim
    #[arg(long, value_name = "VALUE")]
    entity_alias: Option<String>,
    /// Use a Vault that is not on this machine, where the printed token is a real one
    #[arg(long)]
    allow_remote: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    /// The event of a REST API
    Rest,
    /// The event of an HTTP API, payload 1.0
    #[value(name = "http-1.0")]
    Http1,
    /// The event of an HTTP API, payload 2.0
    #[value(name = "http-2.0")]
    Http2,
    /// The event of a WebSocket API's `$connect`
    Websocket,
    /// `Name: value` lines, for `curl --header @-`
    Headers,
}

const HELP: &str = "\
Examples:
  export VAULT_ADDR=http://127.0.0.1:8200 VAULT_TOKEN=root       bao server -dev -dev-root-token-id=root
  vault-authorizer vault apply --config authorizer.yaml          once: creates the grants' token roles
  vault-authorizer fake-context --config authorizer.yaml --grant orders-prod-reader > event.json
  vault-authorizer fake-context --config authorizer.yaml --grant orders-prod-reader --as headers |
      curl --header @- http://127.0.0.1:8080/orders

The token opens once, before its `wrap_ttl` is up: make one for each call.

Exit codes:
  0  the event or the headers are on standard output
  1  there is no token, because of the configuration, the connection, Vault, or a Vault that is not on this machine
  2  the command line is wrong, or the grant is not in the configuration";

/// In the token's metadata, in the place of Lambda's request id: Vault's audit log then tells these tokens from others.
const REQUEST_ID: &str = "fake-context";
const SOMEBODY: &str = "alice";
const SOME_ARN: &str = "arn:aws:iam::123456789012:role/batch";
/// An operator waits longer than API Gateway.
const DEADLINE: Duration = Duration::from_secs(15);
const MINT: Needs = Needs("`update`");

/// Why there is no context.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FakeContextError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A name that is not there.
    #[error("no grant is called `{name}`; the configuration has: {}", known.join(", "))]
    GrantUnknown {
        /// As given.
        name: String,
        /// What is there.
        known: Vec<String>,
    },
    /// A call's options without a call.
    #[error(
        "`--method` and `--path` belong to the event of an HTTP call, which `--as {form}` does not print"
    )]
    NoCall {
        /// As given.
        form: &'static str,
    },
    /// No caller of this grant has this id.
    #[error("`--caller` must begin with `{issuer}:`, because the grant's callers come from that issuer")]
    CallerOfAnotherIssuer {
        /// The grant's.
        issuer: String,
    },
    /// It could not stand in a header.
    #[error("`--caller` must be printable ASCII, at most {MAX_CALLER_BYTES} bytes")]
    CallerUnprintable,
    /// No caller of this grant has this id.
    #[error("`--caller` must be the ARN of an IAM principal, because the grant's callers are IAM principals")]
    CallerNotAnArn(#[from] PrincipalArnError),
    /// The grant's tokens have an alias.
    #[error(
        "the grant's tokens carry an entity alias from the claim `{claim}`: give its value with `--entity-alias`"
    )]
    AliasMissing {
        /// The claim.
        claim: String,
    },
    /// The grant's tokens have no alias.
    #[error("`--entity-alias` is for a grant whose `token` has an `entity_alias`; this one has none")]
    AliasUnasked,
    /// The function would refuse the caller.
    #[error(
        "the value of `--entity-alias` {why}: an alias is 1 to 128 of a-z, 0-9, `.`, `_` and `-`, and begins with a \
         letter or digit"
    )]
    Alias {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The configuration's address is that of the real Vault.
    #[error(
        "VAULT_ADDR is not set: set it to your development Vault, such as http://127.0.0.1:8200. The configuration's `vault.address` is not used here"
    )]
    AddressMissing,
    /// A token there is a real one.
    #[error(
        "VAULT_ADDR names `{address}`, which is not this machine, and the token would be a real one there: set VAULT_ADDR to a development Vault, or add `--allow-remote`"
    )]
    Remote {
        /// The environment's.
        address: String,
    },
    /// Nobody has set this Vault up.
    #[error(
        "{place} has no token role `{role}`: create it with `vault-authorizer vault apply`, with the same configuration, VAULT_ADDR and VAULT_TOKEN"
    )]
    RoleMissing {
        /// Which Vault.
        place: String,
        /// The grant's.
        role: String,
    },
    /// No address or no token.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// No HTTP client for Vault.
    #[error(transparent)]
    Setup(#[from] VaultSetupError),
    /// Vault refused, or was not there.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// Vault's answer would not have done for the function either.
    #[error(transparent)]
    Mint(MintError),
    /// Standard output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl Failure for FakeContextError {
    fn is_usage(&self) -> bool {
        match self {
            Self::Config(error) => error.is_usage(),
            Self::GrantUnknown { .. }
            | Self::NoCall { .. }
            | Self::CallerOfAnotherIssuer { .. }
            | Self::CallerUnprintable
            | Self::CallerNotAnArn(_)
            | Self::AliasMissing { .. }
            | Self::AliasUnasked
            | Self::Alias { .. } => true,
            Self::AddressMissing
            | Self::Remote { .. }
            | Self::RoleMissing { .. }
            | Self::Connection(_)
            | Self::Setup(_)
            | Self::Operator(_)
            | Self::Mint(_)
            | Self::Output(_) => false,
        }
    }
}

/// As long as API Gateway's headers are together: the function bounds a claim more tightly.
const MAX_CALLER_BYTES: usize = 1024;

/// Prints the context.
pub(crate) async fn run(arguments: &Arguments, output: &Output) -> Result<ExitCode, FakeContextError> {
    let config = arguments.config.read()?;
    let (stage, rule) = arguments.rule(&config)?;
    arguments.refuse_a_call_without_event()?;
    let caller = arguments.caller(rule, &config)?;
    let wrapped = match &rule.mode {
        Mode::None if arguments.entity_alias.is_some() => return Err(FakeContextError::AliasUnasked),
        Mode::None => None,
        Mode::Token(token) => Some(arguments.mint(stage, rule, token, &caller.id, &config).await?),
    };
    let note = note(&wrapped, rule, &caller.id);
    let context = VaultContext { grant: rule.name.to_string(), caller, wrapped };
    output.print(&arguments.printed(&context, stage, rule))?;
    output.aside(&note);
    Ok(ExitCode::SUCCESS)
}

impl Arguments {
    /// A grant's name is that of one stage alone.
    fn rule<'c>(&self, config: &'c Config) -> Result<(&'c Stage, &'c Rule), FakeContextError> {
        let all =
            || config.stages.values().flat_map(|stage| stage.rules.iter().map(move |rule| (stage, rule)));
        all().find(|(_, rule)| rule.name.as_str() == self.grant).ok_or_else(|| {
            FakeContextError::GrantUnknown {
                name: self.grant.clone(),
                known: all().map(|(_, rule)| rule.name.to_string()).collect(),
            }
        })
    }

    fn refuse_a_call_without_event(&self) -> Result<(), FakeContextError> {
        let form = match self.form {
            Form::Rest | Form::Http1 | Form::Http2 => return Ok(()),
            Form::Websocket => "websocket",
            Form::Headers => "headers",
        };
        if self.method.is_none() && self.path.is_none() {
            Ok(())
        } else {
            Err(FakeContextError::NoCall { form })
        }
    }

    /// Somebody whom the grant could be for, as the function would name them. The bounds need not hold.
    fn caller(&self, rule: &Rule, config: &Config) -> Result<Caller, FakeContextError> {
        let given = self.caller.as_deref();
        if given.is_some_and(|id| !is_printable(id)) {
            return Err(FakeContextError::CallerUnprintable);
        }
        let arn = || match rule.bounds.principal_arns.first() {
            Some(Pattern::Exactly(arn)) => arn.as_str().unwrap_or(SOME_ARN),
            Some(Pattern::Glob(_)) | None => SOME_ARN,
        };
        let Callers::OfIssuer(issuer) = &rule.callers else {
            let id = PrincipalArn::parse(given.unwrap_or_else(arn))?.canonical().to_owned();
            let (kind, binding) = (CallerKind::AwsIdentity, CallerBinding::None);
            return Ok(Caller { kind, issuer: None, id, binding });
        };
        let is_aws = |kind| kind == IssuerKind::AwsIam;
        let of_aws = config.issuers.iter().any(|(known, _)| known.name == *issuer && is_aws(known.kind));
        let name = if of_aws { arn() } else { rule.bounds.subject.as_deref().unwrap_or(SOMEBODY) };
        let id = given.map_or_else(|| format!("{issuer}:{name}"), str::to_owned);
        if id.strip_prefix(issuer.as_str()).and_then(|name| name.strip_prefix(':')).is_none_or(str::is_empty)
        {
            return Err(FakeContextError::CallerOfAnotherIssuer { issuer: issuer.to_string() });
        }
        let binding = match rule.bounds.binding {
            None => CallerBinding::None,
            Some(RequiredBinding::Any | RequiredBinding::Dpop) => CallerBinding::Dpop,
            Some(RequiredBinding::Mtls) => CallerBinding::Mtls,
        };
        let kind = if of_aws { CallerKind::AwsIam } else { CallerKind::Jwt };
        Ok(Caller { kind, issuer: Some(issuer.to_string()), id, binding })
    }

    async fn mint(
        &self,
        stage: &Stage,
        rule: &Rule,
        token: &TokenRule,
        caller_id: &str,
        config: &Config,
    ) -> Result<Wrapped, FakeContextError> {
        let entity_alias = self.alias(rule, token)?;
        let operator = self.operator(config)?;
        let metadata =
            TokenMetadata { stage: stage.name.as_str(), request_id: REQUEST_ID, caller_id: Some(caller_id) };
        let order = Order {
            creation_path: mint::creation_path(&token.role),
            ttls: token.longest_ttls(&rule.callers),
            num_uses: token.num_uses,
            credential_ends: None,
            entity_alias: entity_alias.map(|alias| alias.to_string()),
            meta: metadata.meta(&rule.name),
            deadline: SystemClock.now().plus(DEADLINE),
        };
        let minted = mint::mint(&order, &operator.minter(Arc::new(SystemClock)), &SystemClock).await;
        let minted = minted.map_err(|error| refused(error, &operator, token))?;
        let envelope = Envelope {
            address: operator.address().to_owned(),
            namespace: operator.namespace().map(str::to_owned),
        };
        Ok(envelope.wrapped(&minted))
    }

    fn alias(&self, rule: &Rule, token: &TokenRule) -> Result<Option<EntityAlias>, FakeContextError> {
        match (&token.alias_claim, &self.entity_alias, &rule.callers) {
            (Some(_), Some(value), Callers::OfIssuer(issuer)) => {
                let alias = EntityAlias::of_value(value, issuer);
                alias.map(Some).map_err(|why| FakeContextError::Alias { why })
            }
            (Some(claim), None, _) => Err(FakeContextError::AliasMissing { claim: claim.clone() }),
            (None, Some(_), _) | (Some(_), Some(_), Callers::AwsIdentity) => {
                Err(FakeContextError::AliasUnasked)
            }
            (None, None, _) => Ok(None),
        }
    }

    /// The Vault of the environment alone, since that of the configuration is the real one.
    fn operator(&self, config: &Config) -> Result<Operator, FakeContextError> {
        if connection::variable("VAULT_ADDR").is_none_or(|address| address.is_empty()) {
            return Err(FakeContextError::AddressMissing);
        }
        let options = AddressArguments::UNTRUSTED.options(Some(&config.vault), connection::variable)?;
        if !self.allow_remote && !is_loopback(options.address.url()) {
            return Err(FakeContextError::Remote { address: options.address.as_str().to_owned() });
        }
        Ok(Operator::at(options, connection::token(connection::variable)?)?)
    }

    fn printed(&self, context: &VaultContext, stage: &Stage, rule: &Rule) -> String {
        if self.form == Form::Headers {
            let headers = context.to_headers();
            return headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
        }
        let call = Call::of(stage, rule, self.method.as_ref(), self.path.as_ref(), SystemClock.now());
        output::json(&call.event(self.form, context)) + "\n"
    }
}

/// As the function holds a caller's name to.
fn is_printable(id: &str) -> bool {
    id.len() <= MAX_CALLER_BYTES
        && id.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic())
        && !id.ends_with(' ')
}

fn refused(error: MintError, operator: &Operator, token: &TokenRule) -> FakeContextError {
    let MintError::Vault(error) = error else { return FakeContextError::Mint(error) };
    if let VaultErrorKind::Refused { status: 400, message } = &error.kind
        && message.contains("unknown role")
    {
        return FakeContextError::RoleMissing { place: operator.place(), role: token.role.to_string() };
    }
    operator.failed(error, MINT).into()
}

/// For whoever reads along while standard output goes into a pipe.
fn note(wrapped: &Option<Wrapped>, rule: &Rule, caller_id: &str) -> String {
    let (grant, caller_id) = (&rule.name, plain(caller_id));
    match (wrapped, &rule.mode) {
        (Some(wrapped), Mode::Token(token)) => format!(
            "a token of grant `{grant}` at `{}`, which opens once within {} s; the caller `{caller_id}` was not verified\n",
            plain(&wrapped.address),
            token.longest_ttls(&rule.callers).wrap_seconds
        ),
        _ => format!(
            "grant `{grant}` has `mode: none`, so there is no token; the caller `{caller_id}` was not verified\n"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_a_caller_that_would_be_another_header() {
        for id in ["corp:alice\r\nX-Vault-Context-Grant: admin", "corp:\u{e9}", "corp:alice ", "corp:\u{0}"] {
            assert!(!is_printable(id), "{id:?}");
        }
        assert!(is_printable("corp:Alice Example") && !is_printable(&"a".repeat(MAX_CALLER_BYTES + 1)));
    }
}
