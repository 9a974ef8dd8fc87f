//! Writes `docs/scale.md`: the figures of [`scale`](crate::scale), and the arithmetic that follows from them.

use test_bed::parts;

use crate::document::{Table, filled, grouped, machine_and_versions, memory, none, time};
use crate::results::Results;
use crate::scale::{End, How, Operation, Scale, Throughput};

/// What a request is made of, by how its token ends.
const REQUESTS: [(&str, [&str; 5]); 4] = [
    ("opened, ends by its TTL", [MINT, "lookup", "unwrap", "read", "end by TTL"]),
    (REVOKED, [MINT, "lookup", "unwrap", "read", "revoke"]),
    (
        "opened, `num_uses: 2` used up by two reads",
        [MINT, "lookup", "unwrap", "read, counted", "read, the last of `num_uses`"],
    ),
    ("never opened", [MINT, "end by TTL, never opened", "", "", ""]),
];
const REVOKED: &str = "opened, revoked";
const MINT: &str = "mint, wrapped";

/// Requests a second that a reader may want.
const RATES: [f64; 3] = [100.0, 1_000.0, 10_000.0];

/// The quickstart's `ttl`.
const TTL_SECONDS: f64 = 120.0;

/// Of the eight that a leader is supposed to have.
const BUSY_CORES: f64 = 4.0;

/// An entry of the log on fast disks and a fast network: an assumption.
const COMMIT_SECONDS: f64 = 0.002;

pub(crate) fn write(results: &Results) {
    let Some(scale) = &results.scale else { return };
    let path = parts::repository().join("docs/scale.md");
    std::fs::write(&path, markdown(results, scale))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    println!("written: docs/scale.md");
}

fn markdown(results: &Results, scale: &Scale) -> String {
    let revoked = request(scale, REVOKED);
    let values = [
        ("commit", results.machine.commit.clone()),
        ("machine", machine_and_versions(results, |name| name == "OpenBao")),
        ("throughput", throughput(scale)),
        ("operations", costs("call", &scale.operations)),
        ("requests", costs("request", &REQUESTS.map(|(name, _)| request(scale, name)))),
        ("ends", ends(scale)),
        ("settings", settings(scale)),
        ("needs", needs(scale)),
        ("mean", format!("{:.0} ms", mean_seconds(scale) * 1e3)),
        ("entries", format!("{:.0}", revoked.entries)),
        ("leader_cpu", time(revoked.leader_cpu)),
        ("a_core", rounded(1e6 / revoked.leader_cpu)),
        ("a_leader", rounded(BUSY_CORES * 1e6 / revoked.leader_cpu)),
        ("cores_medium", rounded(cores(RATES[1], revoked.leader_cpu))),
        ("vaults_medium", rounded(vaults(RATES[1], revoked.leader_cpu))),
        ("vaults_large", rounded(vaults(RATES[2], revoked.leader_cpu))),
        ("unopened", unopened(scale)),
    ];
    filled(include_str!("scale.txt"), &values)
}

fn throughput(scale: &Scale) -> String {
    let mut table = Table::new(&[
        "OpenBao",
        "at once",
        "allowed a second",
        "median",
        "p99",
        "function's CPU",
        "leader's CPU",
        "all nodes' CPU",
        "raw mints a second",
        "median",
    ]);
    for Throughput { storage, at_once, latency, rate, function_cpu, .. } in
        scale.throughput.iter().filter(|measured| measured.functions)
    {
        let Some(raw) = measured(scale, storage, false, *at_once) else { continue };
        table.row([
            storage.clone(),
            at_once.to_string(),
            rounded(rate.per_second),
            time(latency.median),
            time(latency.p99),
            time(*function_cpu),
            time(rate.leader_cpu),
            time(rate.nodes_cpu),
            rounded(raw.rate.per_second),
            time(raw.latency.median),
        ]);
    }
    table.0
}

/// Of calls, or of requests.
fn costs<'o>(what: &str, all: impl IntoIterator<Item = &'o Operation>) -> String {
    let mut table =
        Table::new(&[what, "log entries", "written by the leader", "leader's CPU", "all nodes' CPU"]);
    for Operation { name, entries, bytes, leader_cpu, nodes_cpu } in all {
        let entries = format!("{entries:.1}");
        table.row([name.clone(), entries, kilobytes(*bytes), time(*leader_cpu), time(*nodes_cpu)]);
    }
    table.0
}

/// The sum of a request's calls.
fn request(scale: &Scale, name: &str) -> Operation {
    let calls = REQUESTS.iter().find(|(known, _)| *known == name).map_or([""; 5], |(_, calls)| *calls);
    let sum = |value: fn(&Operation) -> f64| {
        calls.iter().filter_map(|call| operation(scale, call)).map(value).sum()
    };
    Operation {
        name: name.to_owned(),
        entries: sum(|call| call.entries),
        bytes: sum(|call| call.bytes),
        leader_cpu: sum(|call| call.leader_cpu),
        nodes_cpu: sum(|call| call.nodes_cpu),
    }
}

fn operation<'s>(scale: &'s Scale, name: &str) -> Option<&'s Operation> {
    scale.operations.iter().find(|operation| operation.name == name)
}

fn ends(scale: &Scale) -> String {
    let mut table = Table::new(&[
        "OpenBao",
        "request",
        "a second, before any ends",
        "while they end",
        "ratio",
        "leader's CPU, before",
        "while they end",
        "tokens held",
        "rate × TTL",
        "peak memory",
    ]);
    for End { storage, how, ttl_seconds, before, during, held, peak_memory } in &scale.ends {
        let (how, ends_by_ttl) = match how {
            // It and its wrapping token.
            How::Unopened => ("never opened", Some(2.0)),
            How::Ttl => ("opened", Some(1.0)),
            How::Revoke => ("opened, revoked", None),
            How::Uses => ("opened, `num_uses: 2` used up", None),
        };
        let due = |tokens| rounded(during.per_second * *ttl_seconds as f64 * tokens);
        table.row([
            storage.clone(),
            ends_by_ttl.map_or_else(|| how.to_owned(), |_| format!("{how}, TTL {ttl_seconds} s")),
            rounded(before.per_second),
            rounded(during.per_second),
            format!("{:.2}", during.per_second / before.per_second),
            time(before.leader_cpu),
            time(during.leader_cpu),
            grouped(*held as u64),
            ends_by_ttl.map_or_else(none, due),
            memory(*peak_memory),
        ]);
    }
    table.0
}

/// What is left of the rate of mints that nobody opens.
fn unopened(scale: &Scale) -> String {
    let end = scale.ends.iter().find(|end| end.how == How::Unopened);
    end.map_or_else(none, |end| format!("{:.2}", end.during.per_second / end.before.per_second))
}

/// Each setting beside what it would be without.
fn settings(scale: &Scale) -> String {
    let mut table = Table::new(&["setting", "measured", "with it", "without it", "ratio"]);
    let mut row = |setting: &str, what: &str, shown: fn(f64) -> String, with: f64, without: f64| {
        let ratio = format!("{:.2}", with / without);
        table.row([setting.to_owned(), what.to_owned(), shown(with), shown(without), ratio]);
    };
    let leader = |storage: &str, how, ttl| {
        let is_it = |end: &&End| end.storage == storage && end.how == how && end.ttl_seconds == ttl;
        scale.ends.iter().find(is_it).map_or(0.0, |end| end.during.leader_cpu)
    };
    let cpu = "leader's CPU a request";
    let by_ttl = leader("in memory", How::Ttl, 8);
    row("explicit revoke, in memory", cpu, time, leader("in memory", How::Revoke, 4), by_ttl);
    let by_ttl_of_three = leader("three nodes", How::Ttl, 8);
    row("explicit revoke, three nodes", cpu, time, leader("three nodes", How::Revoke, 4), by_ttl_of_three);
    row("`num_uses: 2` used up, in memory", cpu, time, leader("in memory", How::Uses, 4), by_ttl);
    row("half the `ttl`, in memory", cpu, time, leader("in memory", How::Ttl, 4), by_ttl);
    let of = |name| operation(scale, name).map_or(0.0, |operation| operation.leader_cpu);
    let (refused, mint) = (of("mint, refused by a quota"), of(MINT));
    row("a quota that refuses, three nodes", "leader's CPU a mint", time, refused, mint);
    let [one, four] = scale.namespaces;
    row("four namespaces, three nodes", "raw mints a second", rounded, four, one);
    for storage in ["in memory", "three nodes"] {
        let at = |at_once| measured(scale, storage, true, at_once).map_or(0.0, |of| of.rate.per_second);
        let setting = format!("16 functions in place of 4, {storage}");
        row(&setting, "allowed a second", rounded, at(16), at(4));
    }
    table.0
}

/// What each of [`RATES`] needs.
fn needs(scale: &Scale) -> String {
    let heads: Vec<String> =
        RATES.iter().map(|rate| format!("{} requests a second", rounded(*rate))).collect();
    let mut table = Table::new(&["", "arithmetic", &heads[0], &heads[1], &heads[2]]);
    let mut row = |what: &str, arithmetic: String, shown: &dyn Fn(f64) -> String| {
        let [small, medium, large] = RATES.map(shown);
        table.row([what.to_owned(), arithmetic, small, medium, large]);
    };
    let of_rate = |factor: f64| move |rate: f64| rounded((rate * factor).ceil());
    let mean = mean_seconds(scale);
    row("function concurrency, three nodes here", format!("rate × {:.0} ms", mean * 1e3), &of_rate(mean));
    let mint = operation(scale, MINT).map_or(0.0, |mint| mint.entries);
    let waits = format!("rate × {mint:.0} entries × 2 ms");
    row("function concurrency, 2 ms an entry", waits, &of_rate(mint * COMMIT_SECONDS));
    row("least that Lambda accepts", "rate / 10".to_owned(), &of_rate(0.1));
    row("tokens held, `ttl: 2m`, not revoked", "rate × 120 s".to_owned(), &of_rate(TTL_SECONDS));
    row("tokens held, revoked after 1 s", "rate × 1 s".to_owned(), &of_rate(1.0));
    let Operation { entries, bytes, leader_cpu, .. } = request(scale, REVOKED);
    row("log entries a second", format!("rate × {entries:.0}"), &of_rate(entries));
    let waits = format!("rate × {entries:.0} entries × 2 ms");
    row("calls that wait for the log, 2 ms an entry", waits, &of_rate(entries * COMMIT_SECONDS));
    let disk = move |rate: f64| format!("{} MB", rounded(rate * bytes / 1e6));
    row("written by leaders a second", format!("rate × {}", kilobytes(bytes)), &disk);
    let cores = move |rate: f64| format!("{:.1}", cores(rate, leader_cpu));
    row("busy cores of leaders", format!("rate × {}", time(leader_cpu)), &cores);
    let vaults = move |rate: f64| rounded(vaults(rate, leader_cpu));
    row("Vaults, a leader of 8 cores each", "busy cores / 4".to_owned(), &vaults);
    table.0
}

fn cores(rate: f64, leader_cpu: f64) -> f64 {
    rate * leader_cpu / 1e6
}

/// Whose leaders keep half of their cores free.
fn vaults(rate: f64, leader_cpu: f64) -> f64 {
    (cores(rate, leader_cpu) / BUSY_CORES).ceil()
}

/// A request of four functions, against three nodes: each has one in flight, so it is their number by their rate.
fn mean_seconds(scale: &Scale) -> f64 {
    measured(scale, "three nodes", true, 4).map_or(0.0, |measured| 4.0 / measured.rate.per_second)
}

fn measured<'s>(scale: &'s Scale, storage: &str, functions: bool, at_once: usize) -> Option<&'s Throughput> {
    let is_it =
        |of: &&Throughput| (of.storage.as_str(), of.functions, of.at_once) == (storage, functions, at_once);
    scale.throughput.iter().find(is_it)
}

fn rounded(number: f64) -> String {
    grouped(number.round() as u64)
}

fn kilobytes(bytes: f64) -> String {
    format!("{:.1} KB", bytes / 1e3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_a_place_for_all_that_is_filled_in_and_nothing_else() {
        let none = Scale { throughput: vec![], operations: vec![], ends: vec![], namespaces: [0.0; 2] };
        let document = markdown(&Results::none(), &none);
        assert!(!document.contains('{') && !document.contains('}'), "{document}");
    }

    #[test]
    fn a_request_costs_what_its_calls_cost() {
        let of = |name: &str, entries| {
            let name = name.to_owned();
            Operation { name, entries, bytes: 0.0, leader_cpu: 0.0, nodes_cpu: 0.0 }
        };
        let operations = vec![of(MINT, 4.0), of("revoke", 3.0), of("end by TTL", 2.0)];
        let scale = Scale { throughput: vec![], operations, ends: vec![], namespaces: [0.0; 2] };
        assert_eq!(request(&scale, REVOKED).entries, 7.0);
        assert_eq!(request(&scale, "never opened").entries, 4.0);
    }
}
