//! Counts with callgrind how many instructions the authorizer needs to start and to answer a warm request.
//!
//! A count hardly differs between runs and between machines, so it can be a check. [`check`] compares it with
//! `tests/bench/instructions.json`, by architecture. Only the process itself is counted, without the work of the
//! kernel and of Vault.
//!
//! The cost of a warm request is the difference between two runs, one of which has more requests, divided by how many
//! more.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use futures_util::StreamExt as _;
use futures_util::stream;
use serde::{Deserialize, Serialize};
use test_bed::parts;

use crate::subject::{self, Subject};
use crate::world::World;

/// Where the counts to compare with are.
const BASELINE: &str = "tests/bench/instructions.json";

/// By how much a count may be above the baseline's.
const TOLERANCE_PERCENT: u64 = 5;

/// What a start may cost, whatever the baseline says. Without the setting that keeps aws-lc from gathering jitter entropy, it
/// costs ten times as much.
const MOST_FOR_A_START: u64 = 40_000_000;

/// Calls of each kind before the ones that are counted: by then nothing is done for the first time any more.
const WARM_UP: u64 = 20;

const COUNTED: u64 = 200;

/// The counts of one architecture.
#[derive(Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct Counts {
    /// With which compiler and which valgrind.
    made_with: Vec<String>,
    /// By what was counted.
    instructions: BTreeMap<String, u64>,
}

/// Compares the counts with the baseline; answers what is wrong.
pub(crate) async fn check() -> Vec<String> {
    let counts = count().await;
    let mut wrong = counts.above_ceiling();
    let Some(baseline) = baseline().remove(std::env::consts::ARCH) else {
        wrong.push(format!(
            "{BASELINE} has nothing for {}: cargo xtask bench --record",
            std::env::consts::ARCH
        ));
        return wrong;
    };
    println!("{}", counts.beside(&baseline));
    let differs = counts.different_from(&baseline);
    if !differs.is_empty() {
        wrong.extend(differs);
        if counts.made_with != baseline.made_with {
            let [before, now] = [&baseline, &counts].map(|counts| counts.made_with.join(", "));
            wrong.push(format!("the baseline was made with {before}, and this is {now}"));
        }
        wrong.push("if it is meant: cargo xtask bench --record".to_owned());
    }
    wrong
}

/// Writes the counts as this architecture's baseline.
pub(crate) async fn record() {
    let counts = count().await;
    for wrong in counts.above_ceiling() {
        eprintln!("{wrong}");
    }
    let mut all = baseline();
    all.insert(std::env::consts::ARCH.to_owned(), counts);
    let text = serde_json::to_string_pretty(&all).expect("counts are JSON");
    std::fs::write(parts::repository().join(BASELINE), format!("{text}\n")).expect("the file can be written");
    println!("written: {BASELINE}");
}

fn baseline() -> BTreeMap<String, Counts> {
    let text =
        std::fs::read_to_string(parts::repository().join(BASELINE)).unwrap_or_else(|_| "{}".to_owned());
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{BASELINE}: {error}"))
}

impl Counts {
    pub(crate) fn all(&self) -> impl Iterator<Item = (&str, u64)> {
        self.instructions.iter().map(|(name, count)| (name.as_str(), *count))
    }

    fn get(&self, name: &str) -> Option<u64> {
        self.instructions.get(name).copied()
    }

    fn above_ceiling(&self) -> Vec<String> {
        let starts = self.instructions.iter().filter(|(name, _)| name.starts_with(START));
        let above = starts.filter(|(_, count)| **count > MOST_FOR_A_START);
        let told = |(name, count): (&String, &u64)| {
            format!(
                "{name}: {}, more than the {} that a start may cost: does aws-lc gather jitter entropy again?",
                millions(*count),
                millions(MOST_FOR_A_START)
            )
        };
        above.map(told).collect()
    }

    fn different_from(&self, baseline: &Self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (name, &before) in &baseline.instructions {
            let Some(now) = self.get(name) else {
                wrong.push(format!("{name}: in {BASELINE} and not counted"));
                continue;
            };
            if now > before + before * TOLERANCE_PERCENT / 100 {
                wrong.push(format!(
                    "{name}: {now}, more than {TOLERANCE_PERCENT} % above the baseline of {before}"
                ));
            }
        }
        let unknown = self.instructions.keys().filter(|name| baseline.get(name).is_none());
        wrong.extend(unknown.map(|name| format!("{name}: not in {BASELINE}")));
        wrong
    }

    /// A line for each count.
    fn beside(&self, baseline: &Self) -> String {
        let line = |(name, &count): (&String, &u64)| match baseline.get(name) {
            Some(before) => {
                let change = (count as f64 / before as f64 - 1.0) * 100.0;
                // A baseline far above what is counted would let it grow back unseen.
                let hint =
                    if change < -(TOLERANCE_PERCENT as f64) { "; cargo xtask bench --record" } else { "" };
                format!("{name:50} {count:>12}  {change:+.1} %{hint}")
            }
            None => format!("{name:50} {count:>12}"),
        };
        self.instructions.iter().map(line).collect::<Vec<_>>().join("\n")
    }
}

/// What the names of starts begin with.
const START: &str = "start";

/// One run under callgrind: a function, and how often each of its calls is made, by their place.
struct Run<'s> {
    subject: &'s Subject,
    calls: Vec<u64>,
}

/// All counts; about half a minute.
pub(crate) async fn count() -> Counts {
    let world = World::start().await;
    let warm = Subject::authorizer(
        "authorizer",
        &world.configuration(world.vault()),
        &world,
        subject::counted(&world),
    );
    let discovery = Subject::authorizer("discovery", &world.discovering(world.vault()), &world, Vec::new());

    let base = vec![WARM_UP; warm.calls.len()];
    let once = |name: &str| warm.calls.iter().map(|call| u64::from(call.name == name)).collect();
    let mut runs = vec![
        Run { subject: &warm, calls: vec![0; warm.calls.len()] },
        Run { subject: &warm, calls: once("allowed") },
        Run { subject: &discovery, calls: Vec::new() },
        Run { subject: &warm, calls: base.clone() },
    ];
    for counted in 0..warm.calls.len() {
        let mut calls = base.clone();
        calls[counted] += COUNTED;
        runs.push(Run { subject: &warm, calls });
    }
    let valgrind = parts::on_path("valgrind").expect("valgrind is installed");
    let at_once = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let jobs = runs.iter().enumerate().map(|(index, run)| {
        let counts = world.scratch.path().join(format!("callgrind-{index}"));
        run.count(valgrind.clone(), counts)
    });
    let counts: Vec<u64> = stream::iter(jobs).buffered(at_once).collect().await;

    let [key_file, first_answer, discovery, base, warm_runs @ ..] = counts.as_slice() else {
        panic!("too few runs")
    };
    let mut instructions = BTreeMap::from([
        (format!("{START}, keys from a file"), *key_file),
        (format!("{START} and first allowed answer, keys from a file"), *first_answer),
        (format!("{START}, discovery"), *discovery),
    ]);
    for (call, run) in warm.calls.iter().zip(warm_runs) {
        let one = run.checked_sub(*base).expect("more calls cost more") / COUNTED;
        instructions.insert(format!("warm, {}", call.name), one);
    }
    Counts { made_with: vec![version("rustc", "--version"), version("valgrind", "--version")], instructions }
}

impl Run<'_> {
    async fn count(&self, valgrind: PathBuf, counts: PathBuf) -> u64 {
        let function = self.subject.start_counted(&valgrind, &counts).await;
        for (call, times) in self.subject.calls.iter().zip(&self.calls) {
            for _ in 0..*times {
                let answer = function.invoke(&call.event()).await;
                call.judge(&answer).unwrap_or_else(|wrong| panic!("{wrong}\n{}", function.log()));
            }
        }
        function.stop().await;
        counted(&counts)
    }
}

/// The line `summary: <instructions>` of what callgrind has written.
fn counted(path: &Path) -> u64 {
    let text = std::fs::read_to_string(path).expect("callgrind has written its counts");
    let summary = text.lines().find_map(|line| line.strip_prefix("summary: "));
    summary.and_then(|count| count.trim().parse().ok()).expect("callgrind's counts have a summary")
}

fn version(program: &str, argument: &str) -> String {
    let output =
        Command::new(program).arg(argument).output().unwrap_or_else(|error| panic!("{program}: {error}"));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

fn millions(count: u64) -> String {
    format!("{:.1} million", count as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(start: u64, refused: u64) -> Counts {
        let instructions =
            BTreeMap::from([("start, discovery".to_owned(), start), ("warm, refused".to_owned(), refused)]);
        Counts { made_with: vec!["rustc 1".to_owned()], instructions }
    }

    #[test]
    fn five_percent_more_pass_and_anything_beyond_fails() {
        let baseline = counts(1_000_000, 1000);
        assert_eq!(counts(1_050_000, 1050).different_from(&baseline), [""; 0]);
        assert_eq!(counts(10, 10).different_from(&baseline), [""; 0]);
        let wrong = counts(1_000_000, 1051).different_from(&baseline);
        assert_eq!(wrong, ["warm, refused: 1051, more than 5 % above the baseline of 1000"]);
    }

    #[test]
    fn a_count_that_only_one_side_has_fails() {
        let mut one = counts(1, 1);
        one.instructions.remove("warm, refused");
        assert_eq!(
            one.different_from(&counts(1, 1)),
            ["warm, refused: in tests/bench/instructions.json and not counted"]
        );
        assert_eq!(
            counts(1, 1).different_from(&one),
            ["warm, refused: not in tests/bench/instructions.json"]
        );
    }

    #[test]
    fn a_start_has_a_ceiling_whatever_the_baseline_says() {
        assert_eq!(counts(40_000_000, 50_000_000).above_ceiling(), [""; 0]);
        let wrong = counts(441_000_000, 1).above_ceiling().concat();
        let told = "start, discovery: 441.0 million, more than the 40.0 million that a start may cost";
        assert!(wrong.starts_with(told), "{wrong}");
    }
}
