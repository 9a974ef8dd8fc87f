//! Writes `docs/benchmarks.md` and its pictures from the results of a run.

use std::fmt::Write as _;

use test_bed::parts;

use crate::figures::Figures;
use crate::instructions::Counts;
use crate::machine::Machine;
use crate::plot::{Bar, bars};
use crate::results::Results;
use crate::subject::SUBJECTS;
use crate::timing::{Start, Throttled, Warm};

/// The rows of the summary: a subject, one of its calls, and what a reader calls them.
const SUMMARY: [(&str, &str, &str); 10] = [
    ("empty", "empty", "empty function"),
    ("raw-mint", "allowed", "raw mint, no function"),
    ("mint-only", "allowed", "mint only, checks nothing"),
    ("authorizer", "refused", "authorizer, refused"),
    ("authorizer", "mode: none", "authorizer, `mode: none`"),
    ("authorizer", "allowed", "authorizer, allowed"),
    ("authorizer-mint-ahead", "allowed, minted ahead", "authorizer, allowed, minted ahead"),
    ("authorizer-tls", "allowed", "authorizer, allowed, Vault over TLS"),
    ("node", "allowed", "Node.js, allowed"),
    ("python", "allowed", "Python, allowed"),
];

/// Writes all of it.
pub(crate) fn write(results: &Results) {
    let docs = parts::repository().join("docs");
    let folder = docs.join("benchmarks");
    std::fs::create_dir_all(&folder).expect("the folder can be made");
    let files = [
        (docs.join("benchmarks.md"), markdown(results)),
        (folder.join("warm.svg"), warm_plot(results)),
        (folder.join("starts.svg"), starts_plot(results)),
    ];
    for (path, text) in files {
        std::fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    println!("written: docs/benchmarks.md");
}

/// The tables alone, for the terminal.
pub(crate) fn tables(results: &Results) -> String {
    let mut tables = [warm(results), starts(results)];
    tables.iter_mut().for_each(|table| table.push('\n'));
    tables.concat()
}

fn markdown(results: &Results) -> String {
    let machine = &results.machine;
    let start = results.starts.first().map_or(0, |start| start.init.count);
    let calls = results.warm.calls.first().map_or(0, |warm| warm.latency.count as u64);
    let values = [
        ("commit", machine.commit.clone()),
        ("machine", machine_and_versions(results, |_| true)),
        ("starts", start.to_string()),
        ("calls", grouped(calls)),
        ("summary", summary(results)),
        ("warm", warm(results)),
        ("start_table", starts(results)),
        ("throttled", throttled(results)),
        ("at_once", at_once(results)),
        ("instructions", instructions(results)),
        ("subjects", subjects()),
        ("ahead", ahead(results)),
    ];
    filled(include_str!("benchmarks.txt"), &values)
}

/// The text with a value in each place `{name}`.
pub(crate) fn filled(template: &str, values: &[(&str, String)]) -> String {
    values.iter().fold(template.to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{name}}}"), value.trim_end())
    })
}

/// What was measured on, and the versions of these programs.
pub(crate) fn machine_and_versions(results: &Results, is_shown: impl Fn(&str) -> bool) -> String {
    let Machine { commit, processor, cores, memory, kernel, versions } = &results.machine;
    let mut table = Table::new(&["", ""]);
    table.row(["commit".to_owned(), commit.clone()]);
    table.row(["processor".to_owned(), format!("{processor}, {cores} cores")]);
    table.row(["memory".to_owned(), memory.clone()]);
    table.row(["Linux".to_owned(), kernel.clone()]);
    table.row(["load when it began".to_owned(), results.load.clone()]);
    for version in versions {
        let (name, version) = version.split_once(' ').unwrap_or((version, ""));
        if is_shown(name) {
            table.row([name.to_owned(), version.to_owned()]);
        }
    }
    table.0
}

fn summary(results: &Results) -> String {
    let mut table = Table::new(&[
        "",
        "warm",
        "p99",
        "× empty function",
        "× mint only",
        "CPU a request",
        "start",
        "first answer",
        "peak memory",
        "zip",
    ]);
    let empty = results.median("empty", "empty");
    for (subject, call, label) in SUMMARY {
        let Some(warm) = results.warm(subject, call) else { continue };
        let start = results.start(subject).filter(|_| is_first(subject, call));
        let size = results.sizes.get(subject).filter(|_| is_first(subject, call));
        let memory_used = results.warm.peak_memory.get(subject).filter(|_| is_first(subject, call));
        table.row([
            label.to_owned(),
            time(warm.latency.median),
            time(warm.latency.p99),
            ratio(warm.latency.median, empty),
            ratio(warm.latency.median, floor(results, subject)),
            warm.cpu.map_or_else(none, time),
            start.map_or_else(none, |start| time(start.init.median)),
            start.map_or_else(none, |start| time(start.first.median)),
            memory_used.map_or_else(none, |kib| memory(*kib)),
            size.map_or_else(none, |bytes| format!("{:.2} MB", *bytes as f64 / 1e6)),
        ]);
    }
    table.0
}

/// The median of the function that only mints, on the same storage.
fn floor(results: &Results, subject: &str) -> Option<f64> {
    let on_disk = if subject.ends_with("-on-disk") { "mint-only-on-disk" } else { "mint-only" };
    results.median(on_disk, "allowed")
}

/// Whether this call is the one that a start is measured with.
fn is_first(subject: &str, call: &str) -> bool {
    call == "allowed" || subject == "empty"
}

/// What a token that was minted ahead costs a request, by a refusal.
fn ahead(results: &Results) -> String {
    let median = |call| results.median("authorizer-mint-ahead", call);
    let allowed = median("allowed, minted ahead, 5 ms later");
    allowed.map_or_else(none, |allowed| ratio(allowed, median("refused, 5 ms later")))
}

fn warm(results: &Results) -> String {
    let mut table = Table::new(&[
        "subject",
        "call",
        "median",
        "p90",
        "p99",
        "min",
        "× empty function",
        "× mint only",
        "CPU a request",
    ]);
    let empty = results.median("empty", "empty");
    for Warm { subject, call, latency, cpu } in &results.warm.calls {
        let Figures { median, p90, p99, min, .. } = *latency;
        table.row([
            format!("`{subject}`"),
            call.clone(),
            time(median),
            time(p90),
            time(p99),
            time(min),
            ratio(median, empty),
            ratio(median, floor(results, subject)),
            cpu.map_or_else(none, time),
        ]);
    }
    table.0
}

fn starts(results: &Results) -> String {
    let mut table = Table::new(&[
        "subject",
        "init",
        "p90",
        "min",
        "first answer",
        "p90",
        "min",
        "CPU of both",
        "peak memory, warm",
    ]);
    for Start { subject, init, first, cpu } in &results.starts {
        let memory_used = results.warm.peak_memory.get(subject);
        table.row([
            format!("`{subject}`"),
            time(init.median),
            time(init.p90),
            time(init.min),
            time(first.median),
            time(first.p90),
            time(first.min),
            time(*cpu),
            memory_used.map_or_else(none, |kib| memory(*kib)),
        ]);
    }
    table.0
}

fn throttled(results: &Results) -> String {
    let throttled = results.throttled.as_deref().unwrap_or_default();
    if throttled.is_empty() {
        return "Not measured: this machine lets its user make no control group.".to_owned();
    }
    let mut table = Table::new(&[
        "subject",
        "share",
        "init",
        "first answer",
        "first answer, init with a whole machine",
        "warm",
        "warm, p90",
    ]);
    for Throttled { subject, share, init, first, first_after_full_init, warm } in throttled {
        table.row([
            format!("`{subject}`"),
            format!("{:.2}", *share as f64 / 1e3),
            time(init.median),
            time(first.median),
            time(first_after_full_init.median),
            time(warm.median),
            time(warm.p90),
        ]);
    }
    table.0
}

fn at_once(results: &Results) -> String {
    let mut table = Table::new(&[
        "at once",
        "processes",
        "allowed a second",
        "median",
        "p99",
        "peak memory",
        "connections to Vault",
    ]);
    for measured in &results.at_once {
        table.row([
            measured.at_once.to_string(),
            measured.processes.to_string(),
            grouped(measured.allowed_per_second.round() as u64),
            time(measured.latency.median),
            time(measured.latency.p99),
            memory(measured.peak_memory),
            measured.connections.to_string(),
        ]);
    }
    table.0
}

fn instructions(results: &Results) -> String {
    let mut table = Table::new(&["counted", "instructions"]);
    for (name, count) in results.counts.iter().flat_map(Counts::all) {
        table.row([name.to_owned(), grouped(count)]);
    }
    table.0
}

fn subjects() -> String {
    let mut table = Table::new(&["subject", ""]);
    for (name, about) in SUBJECTS {
        table.row([format!("`{name}`"), about.to_owned()]);
    }
    table.0
}

fn warm_plot(results: &Results) -> String {
    let rows = SUMMARY.iter().filter_map(|(subject, call, label)| {
        let warm = results.warm(subject, call)?;
        Some(Bar {
            label: label.replace('`', ""),
            parts: vec![warm.latency.median],
            is_own: subject.starts_with("authorizer"),
        })
    });
    bars("A warm request, median", &rows.collect::<Vec<_>>(), time)
}

fn starts_plot(results: &Results) -> String {
    let rows = results.starts.iter().map(|start| Bar {
        label: start.subject.clone(),
        parts: vec![start.init.median, start.first.median],
        is_own: start.subject.starts_with("authorizer"),
    });
    bars(
        "A start: until the first event is asked for, then the first answer (lighter); medians",
        &rows.collect::<Vec<_>>(),
        time,
    )
}

/// A table of Markdown.
pub(crate) struct Table(pub(crate) String);

impl Table {
    pub(crate) fn new(heads: &[&str]) -> Self {
        Self(format!("| {} |\n|{}\n", heads.join(" | "), "---|".repeat(heads.len())))
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        let _ = writeln!(self.0, "| {} |", cells.join(" | "));
    }
}

pub(crate) fn memory(kib: u64) -> String {
    format!("{:.1} MB", kib as f64 * 1024.0 / 1e6)
}

/// Of microseconds: `86 µs`, `1,725 µs`, `52.3 ms`, `1.13 s`.
pub(crate) fn time(micros: f64) -> String {
    match micros {
        ..10_000.0 => format!("{} µs", grouped(micros.round() as u64)),
        ..1_000_000.0 => format!("{:.1} ms", micros / 1e3),
        _ => format!("{:.2} s", micros / 1e6),
    }
}

fn ratio(micros: f64, of: Option<f64>) -> String {
    of.map_or_else(none, |of| format!("{:.2}", micros / of))
}

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(crate) fn none() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_are_written_for_people() {
        assert_eq!(
            [85.6, 1725.4, 52_310.0, 1_127_800.0].map(time),
            ["86 µs", "1,725 µs", "52.3 ms", "1.13 s"]
        );
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(ratio(150.0, Some(100.0)), "1.50");
        assert_eq!(ratio(150.0, None), "-");
    }

    #[test]
    fn every_row_of_the_summary_is_of_a_known_subject() {
        for (subject, _, label) in SUMMARY {
            assert!(SUBJECTS.iter().any(|(name, _)| *name == subject), "{label}");
        }
    }

    #[test]
    fn the_document_has_a_place_for_all_that_is_filled_in_and_nothing_else() {
        let document = markdown(&Results::none());
        assert!(!document.contains('{') && !document.contains('}'), "{document}");
    }
}
