//! Measures what the authorizer costs, beside functions that do less and functions that do the same in other
//! languages.
//!
//! With names of subjects, it prints their times. Without names, it measures everything and writes
//! `docs/benchmarks.md` and `docs/scale.md`; `--resume` continues such a run. `scale` measures and writes only
//! `docs/scale.md`. `--check` compares the instructions of a start and of a warm request with the baseline, and exits
//! 1 if there are more. `--record` writes the baseline.
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

mod at_once;
mod call;
mod document;
mod figures;
mod instructions;
mod lambda;
mod machine;
mod plot;
mod proofs;
mod raw_mint;
mod results;
mod scale;
mod scale_document;
mod scale_site;
mod share;
mod size;
mod subject;
mod timing;
mod world;

use std::process::ExitCode;

use self::machine::Machine;
use self::results::Results;
use self::subject::{SUBJECTS, Subject};
use self::world::World;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["--check"] => check().await,
        ["--record"] => {
            instructions::record().await;
            ExitCode::SUCCESS
        }
        [] => all(None).await,
        ["--resume"] => all(Results::of_last_run(&Machine::this())).await,
        ["scale"] => {
            let mut results = Results::new(Machine::this());
            results.scale = Some(scale::measure().await);
            scale_document::write(&results);
            ExitCode::SUCCESS
        }
        names => some(names).await,
    }
}

async fn check() -> ExitCode {
    let wrong = instructions::check().await;
    if wrong.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("{}", wrong.join("\n"));
    ExitCode::FAILURE
}

/// Everything that these results do not have yet, and the document.
async fn all(results: Option<Results>) -> ExitCode {
    let mut results = results.unwrap_or_else(|| Results::new(Machine::this()));
    if results.sizes.is_empty() {
        println!("1/7 sizes");
        results.sizes = size::sizes();
        results.keep();
    }
    if results.counts.is_none() {
        println!("2/7 instructions");
        results.counts = Some(instructions::count().await);
        results.keep();
    }
    let names: Vec<&str> = SUBJECTS.iter().map(|(name, _)| *name).collect();
    if results.starts.is_empty() {
        println!("3/7 starts");
        let world = World::start().await;
        results.starts = timing::starts(&subjects(&names, &world).await).await;
        results.keep();
    }
    if results.warm.calls.is_empty() {
        println!("4/7 warm requests");
        let world = World::start().await;
        results.warm = timing::warm(&subjects(&names, &world).await).await;
        results.keep();
    }
    if results.throttled.is_none() {
        println!("5/7 a share of a processor");
        let world = World::start().await;
        let subjects = subjects(&timing::WITH_A_SHARE, &world).await;
        results.throttled = Some(timing::throttled(&subjects).await);
        results.keep();
    }
    if results.at_once.is_empty() {
        println!("6/7 many at once");
        results.at_once = at_once::measure(&World::start().await).await;
        results.keep();
    }
    if results.scale.is_none() {
        println!("7/7 scale");
        results.scale = Some(scale::measure().await);
        results.keep();
    }
    document::write(&results);
    scale_document::write(&results);
    ExitCode::SUCCESS
}

/// The times of these subjects, printed.
async fn some(names: &[&str]) -> ExitCode {
    if let Some(unknown) = names.iter().find(|name| SUBJECTS.iter().all(|(known, _)| known != *name)) {
        let known: Vec<&str> = SUBJECTS.iter().map(|(name, _)| *name).collect();
        eprintln!("there is no subject `{unknown}`; there are: {}", known.join(", "));
        return ExitCode::from(2);
    }
    let world = World::start().await;
    let subjects = subjects(names, &world).await;
    let mut results = Results::new(Machine::this());
    results.starts = timing::starts(&subjects).await;
    results.warm = timing::warm(&subjects).await;
    println!("{}", document::tables(&results));
    ExitCode::SUCCESS
}

/// The subjects of these names, in the order of the report.
async fn subjects(names: &[&str], world: &World) -> Vec<Subject> {
    let mut subjects = Vec::new();
    for (name, _) in SUBJECTS.iter().filter(|(name, _)| names.contains(name)) {
        subjects.push(Subject::of(name, world).await);
    }
    subjects
}
