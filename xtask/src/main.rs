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

  demo [--stay]   Build everything and show the whole story on real parts, on this machine. Needs Rust and Python 3.
                  --stay leaves the parts running until Ctrl-C.
  test [--quick]  Every check the project has, in order. Needs Node.js, Go, Java, Terraform, Chromium and a C++ compiler as well.
                  --quick leaves out fuzzing, packages, failing parts and the ways to deploy.
  docs [--serve]  The documentation as a site, in target/site; or served while you write it.
  browser         Open that site and the pages of `trace --html` in Chromium, as wide as a phone. Needs Node.js as well.
  sandbox         A shell in which the commands of docs/deploy work on this machine, without an AWS account.
  package [--twice]
                  The zip files for Lambda, what is in them and under which licences, with their checksums.
                  --twice builds them again in a fresh clone, and compares the bytes.
  chaos [name…]   Break what is around the authorizer, and compare what callers see with a bar; all scenarios, or these;
                  with --mint-ahead, tokens are minted ahead.
                  All of them take twenty minutes and write docs/reliability.md. Needs prlimit (util-linux) as well.
  bench [--resume | scale | name…]
                  Time the authorizer beside functions that do less, and the same in Node.js and Python; all subjects, or these.
                  All of them take twenty minutes and write docs/benchmarks.md and docs/scale.md. --resume goes on after an interruption.
                  scale alone takes six minutes, and writes docs/scale.md.
                  Needs Node.js, npm and valgrind as well.
  bench --check | --record
                  Compare the instructions of a start and of a request with tests/bench/instructions.json, or write it anew.
  providers       Try what docs/identity/keycloak.md says on a real Keycloak. Needs Java with Maven, else it is skipped.
  fuzz [seconds]  Ever new input for each parser of what a stranger sends, 30 s each. Needs a C++ compiler.
  schema          Write the schema, the rules and the cases in infra/ anew, after the configuration's form has changed.
  parts           Only install the pinned parts of the test bed (OpenBao, the AWS emulator, clients).

Everything is written under Cargo's target folder.";
