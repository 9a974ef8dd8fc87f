//! The project's own tasks. Nothing here ships.
//!
//! It has few dependencies, and none that needs a C compiler. On a new machine `cargo xtask` builds within half a
//! minute, and then says what it is about to do.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command line prints")]

mod bench;
mod browser;
mod cargo;
mod chaos;
mod demo;
mod docs;
mod fuzz;
mod glibc;
mod integrations;
mod machine;
mod optimized;
mod package;
mod parts;
mod providers;
mod release;
mod sandbox;
mod schema;
mod site;
mod test;
mod text;
mod workspace;

use std::process::ExitCode;
use workspace::{Failure, Workspace};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("xtask: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Failure> {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [] | [.., "help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        ["demo", rest @ ..] => demo::run(&Workspace::find()?, rest),
        ["bench", rest @ ..] => bench::run(&Workspace::find()?, rest),
        ["chaos", rest @ ..] => chaos::run(&Workspace::find()?, rest),
        ["package", rest @ ..] => package::run(&Workspace::find()?, rest),
        ["release", rest @ ..] => release::run(&Workspace::find()?, rest),
        ["test", rest @ ..] => test::run(&Workspace::find()?, rest),
        ["fuzz", rest @ ..] => fuzz::run(&Workspace::find()?, rest),
        ["docs", rest @ ..] => site::run(&Workspace::find()?, rest),
        ["browser"] => browser::run(&Workspace::find()?),
        ["sandbox"] => sandbox::run(&Workspace::find()?),
        ["providers"] => providers::run(&Workspace::find()?),
        ["schema"] => schema::run(&Workspace::find()?),
        ["parts"] => parts::run(&Workspace::find()?),
        _ => Err(Failure::new(format!("no such task: `{}`\n\n{USAGE}", arguments.join(" ")))),
    }
}

const USAGE: &str = "\
Usage: cargo xtask <task>

  demo [--stay]   Build everything and run one request end to end on this machine, with real parts. Needs Rust and Python 3.
                  --stay leaves the parts running until Ctrl-C.
  test [--quick]  Run every check of the project, in order. Also needs Node.js, Go, Java, Terraform, Chromium and a C++ compiler.
                  --quick leaves out fuzzing, packages, outages and deployments.
  docs [--serve]  Build the documentation site in target/site, or serve it while you write.
  browser         Open that site and the pages of `trace --html` in Chromium, at phone width. Also needs Node.js.
  sandbox         Open a shell in which the commands of docs/deploy work on this machine, without an AWS account.
  package [--twice]
                  Build the zip files for Lambda, with their SBOMs, licences and checksums.
                  --twice builds them again in a fresh clone and compares the bytes.
  release --dry-run
                  Build and check all that a release consists of: packages, command line, notes, provenance, checksums, signature.
                  Nothing is published. A real release is --build. Without an option, it says what that needs.
                  --align writes the version and the address of Cargo.toml to all files that state them.
                  Also needs Python 3, Node.js, npm and minisign.
  chaos [name…]   Run outages of Vault, the network and the functions, and check what callers see: all scenarios, or these.
                  --mint-ahead runs them with tokens minted ahead.
                  All scenarios take twenty minutes and write docs/reliability.md. Also needs prlimit (util-linux).
  bench [--resume | scale | name…]
                  Compare the authorizer with smaller functions, and with the same in Node.js and Python: all subjects, or these.
                  All subjects take twenty minutes and write docs/benchmarks.md and docs/scale.md.
                  --resume continues an interrupted run. scale alone takes six minutes and writes docs/scale.md.
                  Also needs Node.js, npm and valgrind.
  bench --check | --record
                  Count the instructions of a start and of a request, and compare them with tests/bench/instructions.json,
                  or rewrite that file.
  providers       Test docs/identity/keycloak.md with a real Keycloak. Skipped without Java and Maven.
  fuzz [seconds]  Fuzz each parser of untrusted input, 30 s each. Needs a C++ compiler.
  schema          Regenerate the schema, the rules and the cases in infra/ after a change to the configuration's form.
  parts           Only install the pinned parts of the test bed (OpenBao, the AWS emulator, clients).

All output goes below Cargo's target folder, except for the files that a task is said to write.";
