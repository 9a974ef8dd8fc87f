//! `vault-authorizer schema`: the configuration's form, for editors and for programs that render it.
//!
//! Produces the JSON Schema that belongs to the function's own reader.

use std::process::ExitCode;

use authorizer_document::schema::schema;
use clap::Args;

use crate::output::{self, Output, OutputError};

/// Prints the configuration's JSON Schema
///
/// With it, an editor completes keys and marks mistakes as you type. `check` finds what a schema cannot express.
#[derive(Args)]
#[command(after_long_help = HELP)]
pub(crate) struct Arguments;

const HELP: &str = "\
Examples:
  vault-authorizer schema > authorizer.schema.json
  # yaml-language-server: $schema=authorizer.schema.json      the first line of authorizer.yaml, for editors

Exit codes:
  0  the schema is printed
  1  the schema could not be printed";

/// Prints it.
pub(crate) fn run(output: &Output) -> Result<ExitCode, OutputError> {
    output.print(&(output::json(&schema()) + "\n"))?;
    Ok(ExitCode::SUCCESS)
}
