//! The command `vault-authorizer`: what an operator does by hand, with the code that the Lambda runs.
//!
//! Receives the command line; produces text and an exit code. Each command has one module, which leaves every
//! decision to the libraries. Only [`output`] prints, only [`trace`] writes a file, only [`input`] reads the files that
//! are named on the command line, only [`connection`] finds the operator's token, and only [`operator`] calls Vault
//! with it.
//!
//! A command never logs, whatever `RUST_LOG` says. No subscriber is installed, so a secret has nowhere to go.

mod aws_credentials;
mod check;
mod connection;
mod doctor;
#[cfg(test)]
mod documented;
mod explain;
mod failure;
mod fake_context;
mod input;
mod next;
mod operator;
mod output;
mod revoke;
mod schema;
mod sign;
mod trace;
mod vault;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::Failure;
use output::Output;

/// The command line of vault-authorizer: checks a configuration or a deployment, explains a decision, signs a proof, sets up
/// Vault, revokes tokens, and traces a request
#[derive(Parser)]
#[command(name = "vault-authorizer", version, disable_help_subcommand = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Check(check::Arguments),
    Doctor(doctor::Arguments),
    Explain(explain::Arguments),
    Sign(sign::Arguments),
    FakeContext(fake_context::Arguments),
    Revoke(revoke::Arguments),
    Schema(schema::Arguments),
    Trace(trace::Arguments),
    Vault(vault::Arguments),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let command = CommandLine::parse().command;
    match command {
        Command::Check(arguments) => ended(check::run(&arguments, &Output)),
        Command::Doctor(arguments) => ended(doctor::run(&arguments, &Output).await),
        Command::Explain(arguments) => ended(explain::run(&arguments, &Output).await),
        Command::Sign(arguments) => ended(sign::run(&arguments, &Output).await),
        Command::FakeContext(arguments) => ended(fake_context::run(&arguments, &Output).await),
        Command::Revoke(arguments) => ended(revoke::run(&arguments, &Output).await),
        Command::Schema(schema::Arguments) => ended(schema::run(&Output)),
        Command::Trace(arguments) => ended(trace::run(&arguments, &Output).await),
        Command::Vault(arguments) => ended(vault::run(&arguments, &Output).await),
    }
}

fn ended(outcome: Result<ExitCode, impl Failure>) -> ExitCode {
    outcome.unwrap_or_else(|failure| {
        Output.complain(&failure.told());
        failure.exit_code().into()
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        CommandLine::command().debug_assert();
    }
}
