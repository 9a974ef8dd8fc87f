//! Runs the scenarios of [`test_bed::chaos`] one after the other, and reports the results.
//!
//! Receives names of scenarios, or none for all. Prints a line for each and, after all of them, writes
//! `docs/reliability.md`. With `--mint-ahead`, the functions mint tokens ahead, and no document is written. The exit
//! code is 1 if a promise was broken.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "not shipped: it runs the test bed, and a broken one should stop at once"
)]

mod document;

use std::process::ExitCode;

use test_bed::chaos::{self, Figures, Pace, SCENARIOS, Scenario, Tokens};
use test_bed::{Scratch, parts};

fn main() -> ExitCode {
    let (options, names): (Vec<_>, Vec<_>) =
        std::env::args().skip(1).partition(|argument| argument == "--mint-ahead");
    let tokens = if options.is_empty() { Tokens::Asked } else { Tokens::Ahead };
    let chosen: Vec<&Scenario> = if names.is_empty() {
        SCENARIOS.iter().collect()
    } else {
        SCENARIOS.iter().filter(|each| names.iter().any(|name| name == each.name)).collect()
    };
    if let Some(unknown) = names.iter().find(|name| chaos::scenario(name).is_none()) {
        let known: Vec<&str> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        eprintln!("there is no scenario `{unknown}`; there are: {}", known.join(", "));
        return ExitCode::from(2);
    }

    let mut results: Vec<(&Scenario, Figures)> = Vec::new();
    for (index, scenario) in chosen.iter().enumerate() {
        println!("{}/{} {}: {}", index + 1, chosen.len(), scenario.name, scenario.injected);
        let mut scratch = Scratch::new(scenario.name);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let figures = runtime.block_on(chaos::run(scenario, Pace::FULL, tokens, &scratch));
        println!("    {}", document::line(&figures));
        for missed in &figures.missed {
            println!("    MISSED: {missed}");
        }
        if !figures.missed.is_empty() {
            scratch.keep();
            println!("    the logs of every process: {}", scratch.path().display());
        }
        results.push((scenario, figures));
    }

    if names.is_empty() && tokens == Tokens::Asked {
        let path = parts::repository().join("docs/reliability.md");
        std::fs::write(&path, document::of(&results)).expect("the document can be written");
        println!("written: docs/reliability.md");
    }
    match results.iter().filter(|(_, figures)| !figures.missed.is_empty()).count() {
        0 => ExitCode::SUCCESS,
        missed => {
            eprintln!("{missed} of {} scenarios missed the bar", results.len());
            ExitCode::FAILURE
        }
    }
}
