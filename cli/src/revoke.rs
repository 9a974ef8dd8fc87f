//! `vault-authorizer revoke`: ends minted tokens at once.
//!
//! Receives what to end: the tokens of a grant, a stage or a token role, or one token by its accessor. The first two
//! need a configuration. The others do without one, because the configuration may be what is broken. The command says
//! what it is about to do, asks, does it with the operator's own power, and says what it did not do. It does not stop
//! new tokens. The authorizer's policy and the function's concurrency do that.
//!
//! ```text
//! POST sys/leases/revoke-prefix/auth/token/create/<role>   {"sync": true}
//!      auth/token/create/<role>/<path_suffix>/<lease>      a caller's token, of whatever generation
//!      auth/token/create/<role>/<lease>                    a wrapping token, which has no path_suffix
//! ```
//!
//! So revoking the role's own path ends both the opened and the unopened tokens. Its path_suffix would miss the
//! unopened ones, and all tokens minted before the suffix was changed. A role whose name only begins the same is not
//! touched, because Vault compares whole segments.

use std::process::ExitCode;

use authorizer_steps::{
    error_chain::with_causes,
    grant::{Mode, Rule, Stage, Stages},
    names::RoleName,
};
use clap::Args;
use serde_json::json;

use crate::{
    connection::{self, AddressArguments},
    failure::Failure,
    input::{self, ConfigArguments, ConfigError, InputError},
    operator::{Needs, Operator, OperatorError},
    output::{BAD, CAUTION, GOOD, HEADING, Output, OutputError, plain, styled},
};

/// Revokes the Vault tokens of a grant, a stage or a token role, or a single token by its accessor
///
/// Vault's address, namespace and CA come from VAULT_ADDR, VAULT_NAMESPACE and VAULT_CACERT. If VAULT_NAMESPACE is not set,
/// the configuration's namespace is used; its address and CA are used only with --trust-config-address. The token comes from
/// VAULT_TOKEN or ~/.vault-token. New tokens are minted as before. `--role` and `--accessor` need no configuration.
#[derive(Args)]
#[command(after_long_help = HELP)]
#[command(mut_group("configuration", |group| group.required(false)))]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: Option<ConfigArguments>,
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    address: AddressArguments,
    /// Do not ask first; required without a terminal
    #[arg(long)]
    yes: bool,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Every token of this grant, opened or not
    #[arg(long, value_name = "NAME")]
    grant: Option<String>,
    /// Every token of every grant of this stage
    #[arg(long, value_name = "NAME")]
    stage: Option<String>,
    /// Every token of this token role: `token_role` of the authorizer's log line
    #[arg(long, value_name = "NAME")]
    role: Option<RoleName>,
    /// The one token with this accessor: `wrapped_accessor` of the authorizer's log line
    #[arg(long, value_name = "ACCESSOR")]
    accessor: Option<String>,
}

const HELP: &str = "\
Examples:
  vault-authorizer revoke --config authorizer.yaml --grant orders-prod-reader
  vault-authorizer revoke --config authorizer.yaml --stage prod --yes
  vault-authorizer revoke --role orders-prod-reader
  vault-authorizer revoke --accessor BJ2J7fl2ksKbSCQaYIgIx3cU

What your token needs in Vault:
  --grant, --stage, --role   `update` and `sudo` on sys/leases/revoke-prefix/auth/token/create/<token role>;
                             `read` on auth/token/roles/<token role>, to see that this is the right Vault
  --accessor                 `update` on auth/token/revoke-accessor

Exit codes:
  0  revoked
  1  something was not revoked, or there was nothing to revoke, because this Vault does not have the token role or the accessor
  2  the command line is wrong, a name is not in the configuration, or you did not confirm";

const REVOKE_PREFIX: Needs = Needs("`update` and `sudo`");
const UPDATE: Needs = Needs("`update`");
const READ: Needs = Needs("`read`");

/// No accessor of Vault's or OpenBao's is nearly as long.
const MAX_ACCESSOR_BYTES: usize = 128;

/// Why nothing was revoked, or why what was revoked could not be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RevokeError {
    /// A name that is not there.
    #[error("no {kind} is called `{name}`; the configuration {}", listed(.known))]
    Unknown {
        /// Grant or stage.
        kind: &'static str,
        /// As given.
        name: String,
        /// What is there.
        known: Vec<String>,
    },
    /// `mode: none`.
    #[error("{what} issues no Vault tokens (`mode: none`): there is nothing to revoke")]
    NoToken {
        /// Grant or stage, with its name.
        what: String,
    },
    /// Whoever wants tokens dead now should not have to mend it first.
    #[error("nothing was revoked; `--role` and `--accessor` need no configuration")]
    Config(#[source] ConfigError),
    /// No grants to look among.
    #[error("`--grant` and `--stage` need `--config`")]
    ConfigMissing,
    /// Not quoted: it may be a token.
    #[error("`--accessor` is not an accessor: pass the `wrapped_accessor` of the log line, never a token")]
    Accessor,
    /// Nobody to ask.
    #[error("there is no terminal to confirm on: add `--yes`")]
    NobodyToAsk,
    /// Asked, and not confirmed.
    #[error("not confirmed: nothing was revoked")]
    NotConfirmed,
    /// The answer to the question.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Vault cannot be asked at all.
    #[error(transparent)]
    Operator(#[from] OperatorError),
    /// Standard output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl Failure for RevokeError {
    fn is_usage(&self) -> bool {
        match self {
            Self::Config(error) => error.is_usage(),
            Self::Input(_) | Self::Operator(_) | Self::Output(_) => false,
            Self::Unknown { .. } | Self::NoToken { .. } | Self::ConfigMissing | Self::Accessor => true,
            Self::NobodyToAsk | Self::NotConfirmed => true,
        }
    }
}

fn listed(known: &[String]) -> String {
    match known {
        [] => "has none".to_owned(),
        names => format!("has `{}`", names.join("`, `")),
    }
}

/// What is to end, and how it is told.
struct Target<'a> {
    end: End<'a>,
    what: String,
    intention: String,
}

enum End<'a> {
    /// All tokens of a token role.
    Role(&'a RoleName),
    /// One token.
    Accessor(&'a str),
}

/// Revokes.
pub(crate) async fn run(arguments: &Arguments, output: &Output) -> Result<ExitCode, RevokeError> {
    let config = arguments.config.as_ref().map(ConfigArguments::read).transpose();
    let config = config.map_err(RevokeError::Config)?;
    let targets = arguments.what.targets(config.as_ref().map(|config| &config.stages))?;
    if !arguments.yes && !input::is_terminal() {
        return Err(RevokeError::NobodyToAsk);
    }
    let operator =
        Operator::new(&arguments.address, config.as_ref().map(|config| &config.vault), connection::variable)?;

    let mut text = format!("at {}, token from {}:\n", plain(&operator.place()), operator.token_place());
    let mut absent = false;
    let mut hangs = false;
    for target in &targets {
        // One look that hangs is enough: tokens live on meanwhile.
        let seen = if hangs { Seen::Skipped } else { target.look(&operator).await? };
        hangs |= matches!(&seen, Seen::Unknown(error) if error.timed_out());
        absent |= matches!(seen, Seen::Absent);
        text += &format!("  {}{}\n", target.intention, seen.remark());
    }
    let mut report = Report { output, unprinted: None };
    if arguments.yes {
        report.say(&text);
    } else {
        // Nobody confirms what they cannot read.
        output.print(&text)?;
        if !input::confirmed(output, "type `yes` to revoke: ")? {
            return Err(RevokeError::NotConfirmed);
        }
    }

    let mut failed = false;
    for target in &targets {
        let (word, why) = match target.revoke(&operator).await {
            Ok(true) => (styled(GOOD, "revoked"), String::new()),
            Ok(false) => (styled(CAUTION, "not found"), format!(": {NO_SUCH_TOKEN}")),
            // One refusal must not keep the others' tokens alive.
            Err(error) => {
                let word = if error.is_open() {
                    styled(CAUTION, "possibly not revoked:")
                } else {
                    styled(BAD, "not revoked")
                };
                (word, format!(": {}", plain(&with_causes(&error))))
            }
        };
        failed |= !why.is_empty();
        report.say(&format!("{word} {}{why}\n", target.what));
    }
    report.say(&what_goes_on(&targets));
    match report.unprinted {
        Some(error) => Err(error.into()),
        None => Ok(if failed || absent { ExitCode::FAILURE } else { ExitCode::SUCCESS }),
    }
}

/// What is said while tokens are revoked. A full disk under standard output must not keep the next ones alive: it is remembered
/// for the end, and standard error has the text meanwhile.
struct Report<'o> {
    output: &'o Output,
    unprinted: Option<OutputError>,
}

impl Report<'_> {
    fn say(&mut self, text: &str) {
        if let Err(error) = self.output.print(text) {
            self.output.aside(text);
            self.unprinted.get_or_insert(error);
        }
    }
}

const NO_SUCH_TOKEN: &str = "no token here has this accessor: it has expired or was revoked, or it belongs to another Vault or namespace";

impl What {
    fn targets<'a>(&'a self, stages: Option<&'a Stages>) -> Result<Vec<Target<'a>>, RevokeError> {
        if let Some(accessor) = &self.accessor {
            return Ok(vec![Target::accessor(checked_accessor(accessor)?)]);
        }
        if let Some(role) = &self.role {
            return Ok(vec![Target::role(role)]);
        }
        // The parser of the command line asks for a configuration with the others.
        let stages = stages.ok_or(RevokeError::ConfigMissing)?;
        let all = || stages.values().flat_map(|stage| stage.rules.iter().map(move |rule| (stage, rule)));
        let (kind, name, known, meant): (_, _, Vec<String>, Vec<_>) = match (&self.grant, &self.stage) {
            (Some(grant), _) => (
                "grant",
                grant,
                all().map(|(_, rule)| rule.name.to_string()).collect(),
                all().filter(|(_, rule)| rule.name.as_str() == grant).collect(),
            ),
            (None, Some(name)) => (
                "stage",
                name,
                stages.keys().map(ToString::to_string).collect(),
                all().filter(|(stage, _)| stage.name.as_str() == name).collect(),
            ),
            // And for one of the four.
            (None, None) => return Err(RevokeError::Accessor),
        };
        if meant.is_empty() {
            return Err(RevokeError::Unknown { kind, name: name.clone(), known });
        }
        let targets: Vec<_> =
            meant.into_iter().filter_map(|(stage, rule)| Target::grant(rule, stage)).collect();
        if targets.is_empty() {
            return Err(RevokeError::NoToken { what: format!("{kind} `{name}`") });
        }
        Ok(targets)
    }
}

/// A token in the place of an accessor would be known to the shell's history already; it goes no further.
fn checked_accessor(accessor: &str) -> Result<&str, RevokeError> {
    let is_token = ["s.", "b.", "hvs.", "hvb."].iter().any(|prefix| accessor.starts_with(prefix));
    let fits = (1..=MAX_ACCESSOR_BYTES).contains(&accessor.len())
        && accessor.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if fits && !is_token { Ok(accessor) } else { Err(RevokeError::Accessor) }
}

/// Whether a token role is at this Vault.
enum Seen {
    /// It is, or there is no role to look for.
    Fine,
    Absent,
    /// Why that cannot be told.
    Unknown(OperatorError),
    /// Nobody looked.
    Skipped,
}

impl Seen {
    fn remark(&self) -> String {
        match self {
            Self::Fine => String::new(),
            Self::Unknown(why) => {
                format!("\n    unclear whether this Vault has the token role: {}", plain(&with_causes(why)))
            }
            Self::Skipped => "\n    unclear whether this Vault has the token role".to_owned(),
            Self::Absent => format!(
                "\n    {}: this Vault has no such token role: is it the right address and namespace?",
                styled(CAUTION, "warning")
            ),
        }
    }
}

impl<'a> Target<'a> {
    /// None where the grant gives no token.
    fn grant(rule: &'a Rule, stage: &Stage) -> Option<Self> {
        let Mode::Token(token) = &rule.mode else { return None };
        let (role, grant, stage) = (&token.role, &rule.name, &stage.name);
        let what = format!("every token of grant `{grant}`, opened or not, with its leases");
        let intention = format!(
            "revoke every token of grant `{grant}` on stage `{stage}`, opened or not, with its leases (auth/token/create/{role})"
        );
        Some(Self { end: End::Role(role), what, intention })
    }

    fn role(role: &'a RoleName) -> Self {
        let what = format!("every token of token role `{role}`, opened or not, with its leases");
        let intention = format!("revoke {what} (auth/token/create/{role})");
        Self { end: End::Role(role), what, intention }
    }

    fn accessor(accessor: &'a str) -> Self {
        let what = format!("the token with accessor {accessor}, with its leases");
        Self { end: End::Accessor(accessor), intention: format!("revoke {what}"), what }
    }

    /// A prefix under which there is nothing is revoked without complaint, and so is one at the wrong Vault. The role tells.
    ///
    /// Whoever may revoke need not be allowed to look, and one read that fails must not save the tokens of a whole stage: only
    /// what every revocation would fail with stops here.
    async fn look(&self, operator: &Operator) -> Result<Seen, OperatorError> {
        let End::Role(role) = self.end else { return Ok(Seen::Fine) };
        match operator.read(&format!("auth/token/roles/{role}"), READ).await {
            Ok(_) => Ok(Seen::Fine),
            Err(error) if error.is_absent() => Ok(Seen::Absent),
            Err(error) if error.is_final() => Err(error),
            Err(error) => Ok(Seen::Unknown(error)),
        }
    }

    /// Whether there was something to revoke, as far as Vault tells.
    async fn revoke(&self, operator: &Operator) -> Result<bool, OperatorError> {
        match self.end {
            End::Role(role) => {
                let path = format!("sys/leases/revoke-prefix/auth/token/create/{role}");
                // Without `sync` Vault answers before it has done it.
                operator.write(&path, &json!({"sync": true}), REVOKE_PREFIX).await.map(|_| true)
            }
            End::Accessor(accessor) => {
                let body = json!({"accessor": accessor});
                let answer = operator.write("auth/token/revoke-accessor", &body, UPDATE).await?;
                Ok(!answer.warnings.iter().any(|warning| warning.contains("No token found")))
            }
        }
    }
}

fn what_goes_on(targets: &[Target<'_>]) -> String {
    let mut text = format!("{}\n", styled(HEADING, "what this does not do"));
    text += "  New tokens are minted as before. To stop them: docs/operations.md, \"Emergency stop\".\n";
    text += "  Secrets that were read stay known: change any password that was not leased.\n";
    if targets.iter().any(|target| matches!(target.end, End::Accessor(_))) {
        text += "  A wrapping token that was not opened yet still opens, but the token inside is revoked.\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_accessor_is_taken_and_one_in_a_namespace_too() {
        for accessor in ["BJ2J7fl2ksKbSCQaYIgIx3cU", "3TrGgAUvPhvXxjPBS9FUmkwf.2KfehQ"] {
            assert_eq!(checked_accessor(accessor).unwrap(), accessor);
        }
    }
}
