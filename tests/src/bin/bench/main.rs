//! What the authorizer costs, beside functions that do less and functions that do the same in other languages.
//!
//! Receives names of subjects, or none for all, or `--check` or `--record`; writes `docs/benchmarks.md`. `--check` compares the
//! instructions of a start and of a warm request with the baseline, and exits with 1 where they are more; `--record` writes the
//! baseline.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "not shipped: it measures on the test bed, and a broken one should stop at once"
)]

mod call;
mod figures;
mod instructions;
mod lambda;
mod proofs;
mod raw_mint;
mod subject;
mod timing;
mod world;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--check"] => {
            let wrong = instructions::check().await;
            if wrong.is_empty() {
                return ExitCode::SUCCESS;
            }
            eprintln!("{}", wrong.join("\n"));
            eprintln!("if it is meant: cargo xtask bench --record");
            ExitCode::FAILURE
        }
        ["--record"] => {
            instructions::record().await;
            ExitCode::SUCCESS
        }
        names => {
            let names = if names.is_empty() { subject::NAMES.as_slice() } else { names };
            let world = world::World::start().await;
            let mut subjects = Vec::new();
            for name in subject::NAMES.iter().filter(|name| names.contains(name)) {
                subjects.push(subject::Subject::of(name, &world).await);
            }
            println!("{:#?}", timing::starts(&subjects).await);
            println!("{:#?}", timing::warm(&subjects).await);
            ExitCode::SUCCESS
        }
    }
}
