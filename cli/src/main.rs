//! The command `vault-authorizer`: what an operator does by hand, with the code that the Lambda runs.
//!
//! Receives the command line; produces text and an exit code. One module for each command, which leaves every decision
//! to the libraries; [`output`] alone prints, [`input`] alone reads the files that are named on it, [`connection`] alone finds
//! the operator's token, and [`operator`] alone calls Vault with it.
//!
//! A command never logs, whatever `RUST_LOG` says: no subscriber is installed, so there is nowhere for a secret to go.

mod aws_credentials;
mod check;
mod connection;
mod doctor;
mod explain;
mod failure;
mod input;
mod operator;
mod output;
mod revoke;
mod schema;
mod sign;
mod trace;
mod vault;

use std::process::ExitCode;

use authorizer_steps::error_chain::with_causes;
use clap::{Parser, Subcommand};

use output::Output;

/// Checks a configuration or a deployment, explains a decision, signs a proof, sets Vault up, revokes tokens, traces a request:
/// vault-authorizer by hand.
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
    Revoke(revoke::Arguments),
    Schema(schema::Arguments),
    Trace(trace::Arguments),
    Vault(vault::Arguments),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let command = CommandLine::parse().command;
    let outcome = match command {
        Command::Check(arguments) => check::run(&arguments, &Output),
        Command::Doctor(arguments) => doctor::run(&arguments, &Output).await,
        Command::Explain(arguments) => explain::run(&arguments, &Output).await,
        Command::Sign(arguments) => sign::run(&arguments, &Output).await,
        Command::Revoke(arguments) => revoke::run(&arguments, &Output).await,
        Command::Schema(schema::Arguments) => schema::run(&Output),
        Command::Trace(arguments) => trace::run(&arguments, &Output).await,
        Command::Vault(arguments) => vault::run(&arguments, &Output).await,
    };
    outcome.unwrap_or_else(|failure| {
        Output.complain(&with_causes(&failure));
        failure.exit_code()
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
