//! `vault-authorizer check`: is this configuration valid, and is it wise?
//!
//! Receives a configuration; produces every problem in it, as the function would log them at init, or what the
//! [`lints`] say of a valid one.

pub(crate) mod lints;

use std::{fmt::Write, process::ExitCode};

use clap::Args;
use vault_authorizer::config::{Config, InvalidConfig};

use crate::{
    failure::Failure,
    input::{ConfigArguments, ConfigError},
    output::{BAD, CAUTION, GOOD, HEADING, Output, OutputError, plain, styled},
};
use lints::{
    finding::{Finding, Weight},
    lint,
};

/// Reports what is wrong with a configuration, or may go wrong with it
///
/// Reads the configuration exactly as the function does at init. It makes no calls, so it cannot tell whether Vault and the
/// issuers match the configuration.
#[derive(Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Arguments {
    #[command(flatten)]
    config: ConfigArguments,
    /// Fail on warnings as well; hints do not count
    #[arg(long)]
    strict: bool,
    /// How many instances the function may have: its reserved concurrency
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    concurrency: u32,
}

const HELP: &str = "\
Examples:
  vault-authorizer check authorizer.yaml
  vault-authorizer check --strict authorizer.yaml      in a pipeline
  terraform output -raw configuration | vault-authorizer check -

Exit codes:
  0  the configuration is valid
  1  the function would not start with it; or there are warnings and `--strict` is set; or it cannot be read
  2  the command line is wrong";

/// Why nothing was checked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    /// No text to check.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Standard output.
    #[error(transparent)]
    Output(#[from] OutputError),
}

impl Failure for CheckError {
    fn is_usage(&self) -> bool {
        matches!(self, Self::Config(error) if error.is_usage())
    }
}

/// Checks and lints.
pub(crate) fn run(arguments: &Arguments, output: &Output) -> Result<ExitCode, CheckError> {
    // A path can hold what a terminal obeys.
    let name = plain(&arguments.config.source()?.to_string());
    let config = match arguments.config.read() {
        Ok(config) => config,
        Err(ConfigError::Invalid(invalid)) => {
            output.print(&problems(&invalid, &name))?;
            return Ok(ExitCode::FAILURE);
        }
        Err(error) => return Err(error.into()),
    };
    let findings = lint(&config, arguments.concurrency);
    output.print(&report(&config, &findings, &name))?;
    let warned = findings.iter().any(|finding| finding.weight == Weight::Warning);
    Ok(if warned && arguments.strict { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn problems(invalid: &InvalidConfig, name: &str) -> String {
    let mut text = String::new();
    for problem in &invalid.problems {
        text += &format!("{}: {}\n", styled(BAD, "error"), plain(&problem.to_string()));
    }
    let found = counted(invalid.problems.len(), "problem");
    text + &format!("{} in {name}: the function would not start with it\n", styled(BAD, found))
}

fn report(config: &Config, findings: &[Finding], name: &str) -> String {
    let mut text = String::new();
    for Finding { lint, weight, place, risk, instead } in findings {
        let weight = match weight {
            Weight::Warning => styled(CAUTION, format_args!("warning[{lint}]")),
            Weight::Hint => styled(HEADING, format_args!("hint[{lint}]")),
        };
        // Writing to a String cannot fail.
        let [place, risk, instead] = [place, risk, instead].map(|words| plain(words));
        let _infallible = write!(text, "{weight}: {place}: {risk}\n  instead: {instead}\n");
    }
    text + &summary(config, findings, name)
}

fn summary(config: &Config, findings: &[Finding], name: &str) -> String {
    let grants = config.stages.values().map(|stage| stage.rules.len()).sum();
    let warnings = findings.iter().filter(|finding| finding.weight == Weight::Warning).count();
    let (word, of_warnings) = match warnings {
        0 => (styled(GOOD, "good"), String::new()),
        _ => (styled(CAUTION, "good"), format!(", {}", counted(warnings, "warning"))),
    };
    let (stages, grants) = (counted(config.stages.len(), "stage"), counted(grants, "grant"));
    format!("{word}: {stages}, {grants}{of_warnings} in {name}\n")
}

fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}
