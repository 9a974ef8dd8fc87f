//! `cargo xtask fuzz [seconds]`: fuzzes each parser of untrusted input for this time.
//!
//! `fuzz/` holds the targets, which say what must hold for every input, their first inputs (`seeds/<name>/`) and the
//! words to build more from (`dictionaries/<name>.dict`). A run writes below the target folder:
//!
//! ```text
//! <target>/fuzz/<triple>/release/<name>   the target
//! <target>/fuzz/corpus/<name>/            the inputs that reached new code, from which the next run continues
//! <target>/fuzz/crashes/<name>-…          the inputs that broke a property
//! <target>/fuzz/logs/<name>.log           what libFuzzer said
//! ```

use crate::cargo::{self, Locked};
use crate::machine;
use crate::workspace::{self, Failure, Workspace, shown};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// What the step of `cargo xtask test` gives each target.
const DEFAULT_SECONDS: u32 = 30;

/// `cargo xtask fuzz`.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<(), Failure> {
    let seconds = seconds(arguments)?;
    machine::require(&[machine::RUSTFMT, machine::CLIPPY, machine::CPP])?;
    fuzz(workspace, seconds)
}

/// As one of the checks.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    fuzz(workspace, DEFAULT_SECONDS)
}

/// None would be for ever: libFuzzer takes 0 for no limit.
fn seconds(arguments: &[&str]) -> Result<u32, Failure> {
    match arguments {
        [] => Ok(DEFAULT_SECONDS),
        [text] if text.parse().is_ok_and(|seconds: u32| seconds > 0) => {
            text.parse().map_err(Failure::because(text))
        }
        _ => Err(Failure::new(format!("fuzz takes a number of seconds, not `{}`", arguments.join(" ")))),
    }
}

fn fuzz(workspace: &Workspace, seconds: u32) -> Result<(), Failure> {
    check_versions(workspace)?;
    check_source(workspace)?;
    let (fuzzing, names) = (Fuzzing::build(workspace)?, target_names(workspace)?);
    let (next, failed) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    // Every one is run: what one finds says nothing about the others. A target keeps one core busy.
    let run_each = || {
        while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Err(failure) = fuzzing.run(name, seconds) {
                eprintln!("fuzz: {name}: {failure}");
                failed.lock().unwrap_or_else(PoisonError::into_inner).push(name.as_str());
            }
        }
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| (0..cores).for_each(|_| drop(scope.spawn(run_each))));
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    if failed.is_empty() { Ok(()) } else { Err(Failure::new(format!("failed: {}", failed.join(", ")))) }
}

/// What is fuzzed must be what ships: each package of the targets' lock file is in the workspace's, to the checksum.
fn check_versions(workspace: &Workspace) -> Result<(), Failure> {
    let shipped = cargo::lock_file(workspace, "Cargo.lock")?;
    let strange = strange(&shipped, &cargo::lock_file(workspace, "fuzz/Cargo.lock")?);
    if strange.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!(
        "fuzz/Cargo.lock has packages that are not in Cargo.lock: {}\nrun: {LOCK}",
        strange.join(", ")
    )))
}

const LOCK: &str = "cp Cargo.lock fuzz/ && cargo update --workspace --manifest-path fuzz/Cargo.toml";

/// Which packages are fuzzed and do not ship, but for those that only fuzzing needs.
fn strange(shipped: &[Locked], fuzzed: &[Locked]) -> Vec<String> {
    let is_strange =
        |package: &&Locked| !ONLY_FUZZING.contains(&package.name.as_str()) && !shipped.contains(package);
    let strange = fuzzed.iter().filter(is_strange);
    strange.map(|package| format!("{} {}", package.name, package.version)).collect()
}

const ONLY_FUZZING: [&str; 3] = ["fuzz", "libfuzzer-sys", "arbitrary"];

/// `fuzz/` is no member of the workspace, so the workspace's own lints do not see it.
fn check_source(workspace: &Workspace) -> Result<(), Failure> {
    let lints = ["clippy", "--locked", "--manifest-path", MANIFEST, "--all-targets", "--", "-D", "warnings"];
    workspace::run(&mut workspace.cargo(lints))
}

pub(crate) const MANIFEST: &str = "fuzz/Cargo.toml";

/// Each file in `fuzz_targets` is one.
fn target_names(workspace: &Workspace) -> Result<Vec<String>, Failure> {
    let folder = workspace.root.join("fuzz/fuzz_targets");
    let entries = fs::read_dir(&folder).map_err(Failure::because(folder.display()))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>();
    let paths = paths.map_err(Failure::because(folder.display()))?;
    let mut names: Vec<String> =
        paths.iter().filter_map(|path| path.file_stem()?.to_str().map(str::to_owned)).collect();
    names.sort();
    if names.is_empty() { Err(Failure::new("there is no target")) } else { Ok(names) }
}

/// Targets that are built.
struct Fuzzing {
    /// `fuzz/` of the repository.
    source: PathBuf,
    binaries: PathBuf,
    /// Where all that a run makes is put.
    output: PathBuf,
}

impl Fuzzing {
    /// With the flags of `cargo fuzz build --sanitizer none --no-cfg-fuzzing`, which would be a tool to install for
    /// these alone. Coverage, which libFuzzer goes by, is a flag of the stable compiler. A sanitizer would need the
    /// nightly one, and would look for the mistakes of `unsafe` code, of which we have none. Under `cfg(fuzzing)` some
    /// crates do without cryptography, and what is fuzzed must be what ships.
    fn build(workspace: &Workspace) -> Result<Self, Failure> {
        let triple = cargo::rustc_field("host")?;
        let output = workspace.target.join("fuzz");
        // With a target named, build scripts are built without the flags.
        let mut cargo =
            workspace.cargo(["build", "--release", "--locked", "--bins", "--manifest-path", MANIFEST]);
        cargo.args(["--target", &triple, "--target-dir"]).arg(&output);
        cargo.env("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join("\x1f"));
        workspace::run(&mut cargo)?;
        let binaries = output.join(triple).join("release");
        Ok(Self { source: workspace.root.join("fuzz"), binaries, output })
    }

    fn run(&self, name: &str, seconds: u32) -> Result<(), Failure> {
        println!("fuzz: {name}: {seconds} s …");
        let (corpus, crashes) = (self.folder("corpus")?.join(name), self.folder("crashes")?);
        fs::create_dir_all(&corpus).map_err(Failure::because(corpus.display()))?;
        let before = crashes_of(name, &crashes)?;
        let log = self.folder("logs")?.join(format!("{name}.log"));
        let output = File::create(&log).map_err(Failure::because(log.display()))?;
        let errors = output.try_clone().map_err(Failure::because(log.display()))?;

        let mut target = Command::new(self.binaries.join(name));
        target.args(LIMITS).arg("-print_final_stats=1").arg(format!("-max_total_time={seconds}"));
        target.arg(option("-artifact_prefix=", &crashes.join(format!("{name}-"))));
        target.arg(option("-dict=", &self.source.join("dictionaries").join(format!("{name}.dict"))));
        // The first folder is written to, the second only read.
        target.arg(&corpus).arg(self.source.join("seeds").join(name));
        target.env("RUST_BACKTRACE", "0").stdin(Stdio::null()).stdout(output).stderr(errors);
        let status = target.status().map_err(Failure::because(format!("`{}`", shown(&target))))?;

        let printed = fs::read(&log).map_err(Failure::because(log.display()))?;
        let printed = String::from_utf8_lossy(&printed);
        if !status.success() {
            let found: Vec<PathBuf> = crashes_of(name, &crashes)?.difference(&before).cloned().collect();
            return Err(self.found(name, &printed, &found));
        }
        match statistic(&printed, "number_of_executed_units") {
            None | Some(0) => Err(Failure::new(format!("it ran nothing; see {}", log.display()))),
            Some(inputs) => {
                println!("fuzz: {name}: {inputs} inputs, none broke a promise");
                Ok(())
            }
        }
    }

    /// What was found, and how to see it again.
    fn found(&self, name: &str, printed: &str, crashes: &[PathBuf]) -> Failure {
        let target = self.binaries.join(name);
        let again = crashes.iter().map(|input| {
            let (target, input) = (target.display(), input.display());
            format!(
                "input: {input}\nagain: {target} {input}\n\
                 When it is fixed, keep the input as a test, and also in fuzz/seeds/{name}/ if it is useful there."
            )
        });
        let again: Vec<String> = again.collect();
        Failure::new(format!("\n{}\n{}", said(printed), again.join("\n")))
    }

    fn folder(&self, name: &str) -> Result<PathBuf, Failure> {
        let folder = self.output.join(name);
        fs::create_dir_all(&folder).map_err(Failure::because(folder.display()))?;
        Ok(folder)
    }
}

/// What libFuzzer needs of the compiler; and the assertions that a release leaves out.
const COVERAGE: [&str; 7] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Cllvm-args=-sanitizer-coverage-stack-depth",
    "-Cdebug-assertions",
];

/// No input may be longer than what API Gateway lets through with its headers, take seconds, or fill the memory.
const LIMITS: [&str; 3] = ["-max_len=12288", "-timeout=10", "-rss_limit_mb=1024"];

fn option(name: &str, value: &Path) -> std::ffi::OsString {
    let mut option = std::ffi::OsString::from(name);
    option.push(value);
    option
}

fn crashes_of(name: &str, folder: &Path) -> Result<BTreeSet<PathBuf>, Failure> {
    let entries = fs::read_dir(folder).map_err(Failure::because(folder.display()))?;
    let of_target = |path: &PathBuf| {
        let file = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
        file.strip_prefix(name).is_some_and(|rest| rest.starts_with('-'))
    };
    Ok(entries.filter_map(Result::ok).map(|entry| entry.path()).filter(of_target).collect())
}

/// One of the numbers that libFuzzer ends with.
fn statistic(printed: &str, name: &str) -> Option<u64> {
    let value =
        |line: &str| line.strip_prefix("stat::")?.strip_prefix(name)?.strip_prefix(':')?.trim().parse().ok();
    printed.lines().find_map(value)
}

/// What libFuzzer said, without its progress and its bytes: the promise that was broken, and the input in base64.
fn said(printed: &str) -> String {
    const CHATTER: [&str; 8] = ["#", "0x", "INFO: ", "MS: ", "Dictionary: ", "WARNING: ", "note: ", "stat::"];
    let news = |line: &&str| !line.is_empty() && !CHATTER.iter().any(|start| line.starts_with(start));
    let lines: Vec<&str> = printed.lines().filter(news).collect();
    lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_a_number_of_seconds_and_never_runs_for_ever() {
        assert_eq!(seconds(&[]).unwrap(), 30);
        assert_eq!(seconds(&["180"]).unwrap(), 180);
        for refused in [&["0"][..], &["-1"], &["x"], &["1", "2"]] {
            let failure = seconds(refused).unwrap_err().to_string();
            assert!(failure.starts_with("fuzz takes a number of seconds"), "{failure}");
        }
    }

    #[test]
    fn another_version_of_what_ships_is_seen_and_the_fuzzer_itself_is_not() {
        let locked = |name: &str, version: &str, checksum: &str| Locked {
            name: name.to_owned(),
            version: version.to_owned(),
            checksum: Some(checksum.to_owned()),
        };
        let shipped = [locked("url", "2.5.0", "c0")];
        let all = |fuzzed| strange(&shipped, &[fuzzed, locked("arbitrary", "1.0.0", "c1")]);
        assert_eq!(all(locked("url", "2.5.0", "c0")), [""; 0]);
        assert_eq!(all(locked("url", "2.5.1", "c0")), ["url 2.5.1"]);
        assert_eq!(all(locked("url", "2.5.0", "c2")), ["url 2.5.0"]);
    }

    #[test]
    fn reads_how_many_inputs_were_run() {
        let printed = "#2 INITED\nstat::number_of_executed_units: 4711\nstat::peak_rss_mb: 40\n";
        assert_eq!(statistic(printed, "number_of_executed_units"), Some(4711));
        assert_eq!(statistic("INFO: Seed: 1\n", "number_of_executed_units"), None);
    }

    #[test]
    fn shows_the_broken_promise_without_the_progress() {
        let printed =
            "INFO: Seed: 1\n#2 INITED cov: 3\nthread panicked at event.rs:7:\ntwo credentials\nstat::x: 1\n";
        assert_eq!(said(printed), "thread panicked at event.rs:7:\ntwo credentials");
    }
}
