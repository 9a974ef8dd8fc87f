//! `cargo xtask test`: every check of the project, or with `--quick` only those that a developer waits for.
//!
//! A step that fails stops only the steps that build on it. The table at the end says what passed, what failed and
//! what did not run. The run passes only if all of its steps pass.

use crate::machine::Tool;
use crate::workspace::{self, Failure, Stopwatch, Workspace};
use crate::{
    bench, browser, demo, docs, fuzz, integrations, machine, optimized, package, parts, release, site, text,
};
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;

/// `cargo xtask test`.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<(), Failure> {
    let checks: Vec<(&'static Step, Check)> = match arguments {
        [] => STEPS.iter().map(|step| (step, step.check)).collect(),
        ["--quick"] => STEPS.iter().filter_map(|step| Some((step, step.quick?))).collect(),
        _ => return Err(Failure::new(format!("test takes `--quick`, not `{}`", arguments.join(" ")))),
    };
    println!("test: {} of {} steps", checks.len(), STEPS.len());
    machine::require(parts::NEEDS.iter().chain(NEEDS))?;

    let stopwatch = Stopwatch::start();
    let mut reports: Vec<Report> = Vec::new();
    for group in checks.chunk_by(|_, (next, _)| next.beside) {
        let run = |step: &'static Step, check: Check| match step
            .needs
            .iter()
            .find(|need| !reports.iter().any(|report| report.passed(need)))
        {
            Some(need) => Report { step, outcome: Outcome::NotRun { need }, seconds: 0.0 },
            None => step.run(check, workspace),
        };
        let done: Vec<Report> = thread::scope(|scope| {
            let running: Vec<_> =
                group.iter().map(|(step, check)| (*step, scope.spawn(|| run(step, *check)))).collect();
            let report = |(step, thread): (&'static Step, thread::ScopedJoinHandle<'_, Report>)| {
                thread.join().unwrap_or(Report { step, outcome: Outcome::Failed, seconds: 0.0 })
            };
            running.into_iter().map(report).collect()
        });
        reports.extend(done);
    }

    println!("\n{}\ntotal {:.0} s", table(&reports), stopwatch.seconds());
    let steps = reports.iter().map(|report| (report.seconds, report.step.name.to_owned()));
    println!("\nslowest steps:\n{}", slowest(steps.collect()));
    println!("\nslowest end-to-end tests:\n{}", slowest(test_times(workspace)));
    match reports.iter().filter(|report| report.outcome != Outcome::Passed).count() {
        0 => Ok(()),
        1 => Err(Failure::new("1 step did not pass")),
        count => Err(Failure::new(format!("{count} steps did not pass"))),
    }
}

/// Beside what the parts need.
const NEEDS: &[Tool] = &[
    machine::RUSTFMT,
    machine::CLIPPY,
    machine::CPP,
    machine::OPENSSL,
    machine::TERRAFORM,
    machine::GIT,
    machine::COREUTILS,
    machine::VALGRIND,
    machine::CHROMIUM,
];

/// The steps: short ones first, then what others build on. What always takes its time is last.
const STEPS: &[Step] = &[
    Step::of("lock file", lock_file),
    Step::of("formatting", formatting),
    Step::of("text", text::check),
    Step::of("documents", docs::check),
    Step::of("release", release::check),
    Step::of("lints", lints),
    Step { beside: true, ..Step::of("parts", parts::run) },
    Step { beside: true, ..Step::of("dependencies", dependencies) },
    Step::of("site", site::check),
    Step::of("unit tests", unit_tests),
    Step::of("documentation", documentation),
    Step { needs: &["site", "unit tests"], beside: true, ..Step::of("browser", browser::check) },
    Step { quick: Some(optimized::functions), ..Step::of("release binaries", package::package) },
    Step { needs: &["parts"], beside: true, ..Step::of("integrations", integrations::check) },
    Step {
        needs: &["unit tests", "release binaries", "parts"],
        quick: Some(quick_end_to_end_tests),
        ..Step::of("end-to-end tests", end_to_end_tests)
    },
    Step { needs: &["unit tests", "release binaries", "parts"], ..Step::of("demo", demo::show) },
    Step {
        needs: &["unit tests", "release binaries", "parts"],
        quick: None,
        ..Step::of("instructions", bench::check)
    },
    Step { needs: &["release binaries"], quick: None, ..Step::of("package", package::authorizer_again) },
    Step { beside: true, quick: None, ..Step::of("fuzzing", fuzz::check) },
];

fn lock_file(workspace: &Workspace) -> Result<(), Failure> {
    let mut cargo = workspace.cargo(["metadata", "--locked", "--format-version", "1"]);
    workspace::run(cargo.stdout(std::process::Stdio::null()))
}

fn formatting(workspace: &Workspace) -> Result<(), Failure> {
    workspace::run(&mut workspace.cargo(["fmt", "--all", "--check"]))?;
    workspace::run(&mut workspace.cargo(["fmt", "--manifest-path", fuzz::MANIFEST, "--check"]))
}

fn dependencies(workspace: &Workspace) -> Result<(), Failure> {
    let mut deny = Command::new(parts::cargo_deny(workspace)?);
    workspace::run(deny.args(["check", "bans", "licenses", "sources"]).current_dir(&workspace.root))
}

fn lints(workspace: &Workspace) -> Result<(), Failure> {
    let everything = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
    workspace::run(&mut workspace.cargo(everything))?;
    // The contract alone, as an integration takes it that brings its own HTTP client.
    let contract = ["clippy", "--package", "vault-context", "--no-default-features", "--", "-D", "warnings"];
    workspace::run(&mut workspace.cargo(contract))
}

/// Always the whole workspace, so that all is built with one set of features, once: the command by the unit tests, the
/// demo's driver by the end-to-end tests.
const WORKSPACE: [&str; 3] = ["test", "--workspace", "--all-features"];

/// Documentation tests included: every Rust block of a README that a crate includes is compiled.
fn unit_tests(workspace: &Workspace) -> Result<(), Failure> {
    workspace::run(workspace.cargo(WORKSPACE).args(["--lib", "--bins", "--test", "it"]))?;
    workspace::run(workspace.cargo(WORKSPACE).arg("--doc"))
}

fn documentation(workspace: &Workspace) -> Result<(), Failure> {
    let mut cargo =
        workspace.cargo(["doc", "--workspace", "--no-deps", "--document-private-items", "--all-features"]);
    workspace::run(cargo.env("RUSTDOCFLAGS", "-D warnings"))
}

fn end_to_end_tests(workspace: &Workspace) -> Result<(), Failure> {
    end_to_end(workspace, &[])
}

/// Without those of the packages, which are not made anew, and of what takes its time: failing parts, and the ways to deploy.
fn quick_end_to_end_tests(workspace: &Workspace) -> Result<(), Failure> {
    let slow =
        ["package", "chaos", "terraform", "cdk", "cloudformation", "deployments", "settings", "deploy_pages"];
    let modules = slow.map(|module| format!("{module}::"));
    let filter: Vec<&str> = modules.iter().flat_map(|module| ["--skip", module]).collect();
    end_to_end(workspace, &filter)
}

fn end_to_end(workspace: &Workspace, filter: &[&str]) -> Result<(), Failure> {
    let times = times(workspace);
    fs::write(&times, "").map_err(Failure::because(times.display()))?;
    let mut cargo = workspace.cargo(WORKSPACE);
    cargo.args(["--test", "end_to_end", "--"]).args(filter);
    workspace::run(cargo.env("TEST_TIMES", &times))
}

/// Where each end-to-end test writes how long it took: seconds, a space, its name.
fn times(workspace: &Workspace) -> PathBuf {
    workspace.test_bed().join("times.txt")
}

fn test_times(workspace: &Workspace) -> Vec<(f64, String)> {
    let text = fs::read_to_string(times(workspace)).unwrap_or_default();
    let time = |line: &str| {
        let (seconds, test) = line.split_once(' ')?;
        Some((seconds.parse().ok()?, test.to_owned()))
    };
    text.lines().filter_map(time).collect()
}

/// The five that took longest.
fn slowest(mut times: Vec<(f64, String)>) -> String {
    times.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    times.truncate(5);
    times.iter().map(|(seconds, name)| format!("{seconds:7.1} s  {name}")).collect::<Vec<_>>().join("\n")
}

type Check = fn(&Workspace) -> Result<(), Failure>;

struct Step {
    name: &'static str,
    needs: &'static [&'static str],
    check: Check,
    /// What stands for it with `--quick`.
    quick: Option<Check>,
    /// Whether it runs at the same time as the step before it: neither keeps all cores busy.
    beside: bool,
}

impl Step {
    const fn of(name: &'static str, check: Check) -> Self {
        Self { name, needs: &[], check, quick: Some(check), beside: false }
    }

    fn run(&'static self, check: Check, workspace: &Workspace) -> Report {
        println!("\n=== {}", self.name);
        let stopwatch = Stopwatch::start();
        let outcome = match check(workspace) {
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
                    STEPS[..index].iter().any(|earlier| earlier.name == *need && earlier.quick.is_some()),
                    "{} needs {need}",
                    step.name
                );
            }
        }
    }

    #[test]
    fn the_five_slowest_come_first() {
        let times = [3.0, 1.0, 12.5, 2.0, 4.0, 0.5].map(|seconds| (seconds, format!("a::{seconds}")));
        let told = slowest(times.to_vec());
        assert!(told.starts_with("   12.5 s  a::12.5\n    4.0 s"), "{told}");
        assert!(told.ends_with("    1.0 s  a::1"), "{told}");
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
