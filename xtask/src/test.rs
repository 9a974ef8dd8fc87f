//! `cargo xtask test`: every check the project has.
//!
//! A step that fails does not stop the others, unless they build on it; the table at the end says what passed, what
//! failed and what was not run. Only a table of passes is a pass.

use crate::workspace::{self, Failure, Stopwatch, Workspace};
use crate::{demo, docs, fuzz, machine, package, parts, text};

pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    println!("test: {} steps", STEPS.len());
    machine::require(&[
        machine::RUSTFMT,
        machine::CLIPPY,
        machine::CARGO_DENY,
        machine::CARGO_FUZZ,
        machine::CPP,
        machine::PYTHON,
        machine::NODE,
        machine::NPM,
        machine::OPENSSL,
        machine::TERRAFORM,
        machine::GIT,
        machine::COREUTILS,
    ])?;

    let stopwatch = Stopwatch::start();
    let mut reports: Vec<Report> = Vec::new();
    for (index, step) in STEPS.iter().enumerate() {
        let blocked = step.needs.iter().find(|need| !reports.iter().any(|report| report.passed(need)));
        let report = match blocked {
            Some(need) => Report { step, outcome: Outcome::NotRun { need }, seconds: 0.0 },
            None => {
                println!("\n=== {}/{} {}", index + 1, STEPS.len(), step.name);
                step.run(workspace)
            }
        };
        reports.push(report);
    }

    println!("\n{}\ntotal {:.0} s", table(&reports), stopwatch.seconds());
    match reports.iter().filter(|report| report.outcome != Outcome::Passed).count() {
        0 => Ok(()),
        1 => Err(Failure::new("1 step did not pass")),
        count => Err(Failure::new(format!("{count} steps did not pass"))),
    }
}

/// The steps: quick ones first, then what others build on. Fuzzing is last, since it always takes its time.
const STEPS: &[Step] = &[
    Step { name: "lock file", needs: &[], check: lock_file },
    Step { name: "formatting", needs: &[], check: formatting },
    Step { name: "text", needs: &[], check: text::check },
    Step { name: "documents", needs: &[], check: docs::check },
    Step { name: "dependencies", needs: &[], check: dependencies },
    Step { name: "lints", needs: &[], check: lints },
    Step { name: "unit tests", needs: &[], check: unit_tests },
    Step { name: "documentation", needs: &[], check: documentation },
    Step { name: "release binaries", needs: &[], check: release_binaries },
    Step { name: "parts", needs: &[], check: parts::run },
    Step { name: "end-to-end tests", needs: &["release binaries", "parts"], check: end_to_end_tests },
    Step { name: "demo", needs: &["release binaries", "parts"], check: demo::show },
    Step { name: "package", needs: &["release binaries"], check: package::again },
    Step { name: "fuzzing", needs: &[], check: fuzz::check },
];

fn lock_file(workspace: &Workspace) -> Result<(), Failure> {
    let mut cargo = workspace.cargo(["metadata", "--locked", "--format-version", "1"]);
    workspace::run(cargo.stdout(std::process::Stdio::null()))
}

fn formatting(workspace: &Workspace) -> Result<(), Failure> {
    workspace::run(&mut workspace.cargo(["fmt", "--all", "--check"]))
}

fn dependencies(workspace: &Workspace) -> Result<(), Failure> {
    workspace::run(&mut workspace.cargo(["deny", "check", "bans", "licenses", "sources"]))
}

fn lints(workspace: &Workspace) -> Result<(), Failure> {
    let everything = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
    workspace::run(&mut workspace.cargo(everything))?;
    // The contract alone, as an integration takes it that brings its own HTTP client.
    let contract = ["clippy", "--package", "vault-context", "--no-default-features", "--", "-D", "warnings"];
    workspace::run(&mut workspace.cargo(contract))
}

/// Documentation tests included: every Rust block of a README that a crate includes is compiled.
fn unit_tests(workspace: &Workspace) -> Result<(), Failure> {
    let shipped = ["test", "--workspace", "--exclude", "end-to-end", "--all-features"];
    workspace::run(&mut workspace.cargo(shipped))
}

fn documentation(workspace: &Workspace) -> Result<(), Failure> {
    let mut cargo =
        workspace.cargo(["doc", "--workspace", "--no-deps", "--document-private-items", "--all-features"]);
    workspace::run(cargo.env("RUSTDOCFLAGS", "-D warnings"))
}

/// The packages, so that what the tests and the demo run is what ships; the command, which the end-to-end tests run as an
/// operator does; and the demo's driver.
fn release_binaries(workspace: &Workspace) -> Result<(), Failure> {
    package::package(workspace)?;
    demo::build_driver(workspace)
}

/// The command is run as it was built for its own tests: nothing in it depends on the profile.
fn end_to_end_tests(workspace: &Workspace) -> Result<(), Failure> {
    workspace::run(&mut workspace.cargo(["build", "--package", "vault-authorizer-cli"]))?;
    workspace::run(&mut workspace.cargo(["test", "--package", "end-to-end"]))
}

struct Step {
    name: &'static str,
    needs: &'static [&'static str],
    check: fn(&Workspace) -> Result<(), Failure>,
}

impl Step {
    fn run(&'static self, workspace: &Workspace) -> Report {
        let stopwatch = Stopwatch::start();
        let outcome = match (self.check)(workspace) {
            Ok(()) => Outcome::Passed,
            Err(failure) => {
                eprintln!("{}: {failure}", self.name);
                Outcome::Failed
            }
        };
        let report = Report { step: self, outcome, seconds: stopwatch.seconds() };
        println!("=== {}: {} in {:.1} s", self.name, report.outcome.word(), report.seconds);
        report
    }
}

struct Report {
    step: &'static Step,
    outcome: Outcome,
    seconds: f64,
}

impl Report {
    fn passed(&self, name: &str) -> bool {
        self.step.name == name && self.outcome == Outcome::Passed
    }
}

#[derive(Debug, Eq, PartialEq)]
enum Outcome {
    Passed,
    Failed,
    NotRun { need: &'static str },
}

impl Outcome {
    fn word(&self) -> String {
        match self {
            Self::Passed => "passed".to_owned(),
            Self::Failed => "FAILED".to_owned(),
            Self::NotRun { need } => format!("NOT RUN: {need} did not pass"),
        }
    }
}

fn table(reports: &[Report]) -> String {
    let width = reports.iter().map(|report| report.step.name.len()).max().unwrap_or_default();
    let rows = reports.iter().map(|report| {
        format!("{:width$}  {:7.1} s  {}", report.step.name, report.seconds, report.outcome.word())
    });
    rows.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_need_names_an_earlier_step() {
        for (index, step) in STEPS.iter().enumerate() {
            for need in step.needs {
                assert!(
                    STEPS[..index].iter().any(|earlier| earlier.name == *need),
                    "{} needs {need}",
                    step.name
                );
            }
        }
    }

    #[test]
    fn the_table_shows_what_passed_what_failed_and_what_was_not_run() {
        let step = |name: &str| STEPS.iter().find(|step| step.name == name).unwrap();
        let reports = [
            Report { step: step("lints"), outcome: Outcome::Passed, seconds: 12.34 },
            Report { step: step("release binaries"), outcome: Outcome::Failed, seconds: 100.0 },
            Report {
                step: step("package"),
                outcome: Outcome::NotRun { need: "release binaries" },
                seconds: 0.0,
            },
        ];
        assert_eq!(
            table(&reports),
            "lints                12.3 s  passed\n\
             release binaries    100.0 s  FAILED\n\
             package               0.0 s  NOT RUN: release binaries did not pass"
        );
    }
}
