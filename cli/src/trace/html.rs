//! A trace as one page, for a ticket or a colleague: both logs on one timeline, and who held the token.
//!
//! Receives a trace; produces HTML with its style and its picture in it. The page has no script, and its policy lets
//! it load nothing. It shows what [`text`](super::text) shows, in the same words, and a caller chooses much of that,
//! so [`markup`] escapes it.

mod markup;

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use super::{
    chain::{Kind, Step, instant},
    held::{self, Held},
    joined::Trace,
    text::{facts, headline, in_millis, means, word},
};
use crate::output::plain;
use markup::{Markup, element, tag, text};

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PageError {
    /// It may be somebody's evidence.
    #[error("`{}` already exists and is not overwritten: remove it, or pass `--html` another name", plain(&.0.to_string_lossy()))]
    Exists(PathBuf),
    /// No folder, no right, no room.
    #[error("`{}` cannot be written (pass `--html` a new file in a folder that exists)", plain(&.path.to_string_lossy()))]
    Unwritable {
        /// As given.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Refuses a file that exists, before the logs are read.
pub(super) fn refuse_existing(path: &Path) -> Result<(), PageError> {
    if path.symlink_metadata().is_ok() { Err(PageError::Exists(path.to_owned())) } else { Ok(()) }
}

/// Writes the page into a new file.
pub(super) fn write(trace: &Trace, path: &Path) -> Result<(), PageError> {
    let failed = |source: io::Error| {
        if source.kind() == io::ErrorKind::AlreadyExists {
            PageError::Exists(path.to_owned())
        } else {
            PageError::Unwritable { path: path.to_owned(), source }
        }
    };
    let mut file = fs::File::create_new(path).map_err(failed)?;
    file.write_all(of(trace).as_bytes()).map_err(failed)
}

fn of(trace: &Trace) -> String {
    let title = text(&format!("Trace of request {}", trace.decision.lambda_request_id()));
    let entries = entries(trace);
    let main = [
        verdict(trace),
        interception(trace),
        axis(trace, &entries),
        holders(trace),
        list(&entries),
        notes(trace),
    ];
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{POLICY}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n<main>\n{}</main>\n</body>\n</html>\n",
        main.iter()
            .map(ToString::to_string)
            .filter(|part| !part.is_empty())
            .map(|part| part + "\n")
            .collect::<String>(),
    )
}

/// Nothing is loaded, nothing runs, nothing is sent. The style is in the page.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
const STYLE: &str = include_str!("html/style.css");

fn verdict(trace: &Trace) -> Markup {
    let class = match trace.decision.text("outcome").as_str() {
        "allowed" => "good",
        "denied" => "bad",
        _ => "caution",
    };
    let message = trace.decision.text("message");
    let message = (!message.is_empty()).then(|| element("p", "", [text(&message)]));
    let facts = facts(&trace.decision)
        .into_iter()
        .flat_map(|(name, value)| [element("dt", "", [text(name)]), element("dd", "", [text(&value)])]);
    let heading = element("h1", class, [text(&headline(&trace.decision))]);
    tag("header", &[], [heading].into_iter().chain(message).chain([element("dl", "", facts)]))
}

fn section(class: &str, heading: &str, inside: impl IntoIterator<Item = Markup>) -> Markup {
    element("section", class, [element("h2", "", [text(heading)])].into_iter().chain(inside))
}

fn interception(trace: &Trace) -> Markup {
    let suspicions = held::suspicions(trace);
    if suspicions.is_empty() {
        return Markup::default();
    }
    let items = suspicions.iter().map(|suspicion| element("li", "", [text(suspicion)]));
    let advice = "It was a client's own retry only if the addresses are the same and the token was never used. Otherwise assume that somebody else had the token, and revoke the tokens of the grant.";
    section("alarm", "Possible interception", [element("ul", "", items), element("p", "", [text(advice)])])
}

/// The logs' entries in one order.
struct Entry {
    time: String,
    at: Option<i128>,
    /// Since the first one.
    since: Option<i128>,
    log: &'static str,
    lane: usize,
    word: String,
    told: String,
    /// Why it was refused.
    refused: Option<String>,
    is_bad: bool,
}

const AUTHORIZER: usize = 0;
const WRAPPING: usize = 1;
const TOKEN: usize = 2;

fn entries(trace: &Trace) -> Vec<Entry> {
    let decision = &trace.decision;
    let outcome = decision.text("outcome");
    let mut entries: Vec<Entry> = trace.steps.iter().map(Entry::of_vault).collect();
    let time = decision.time.clone().unwrap_or_default();
    entries.push(Entry {
        at: instant(&time),
        time,
        since: None,
        log: "authorizer",
        lane: AUTHORIZER,
        is_bad: outcome != "allowed",
        told: format!("{} {}", decision.text("method"), decision.text("route")),
        refused: (outcome != "allowed")
            .then(|| format!("{} {}", decision.text("code"), decision.text("message"))),
        word: outcome,
    });
    entries.sort_by_key(|entry| entry.at);
    let first = entries.iter().find_map(|entry| entry.at);
    for entry in &mut entries {
        entry.since = entry.at.zip(first).map(|(at, first)| at.saturating_sub(first));
    }
    entries
}

impl Entry {
    fn of_vault(step: &Step) -> Self {
        let lane = match step.kind {
            Kind::Mint | Kind::Lookup | Kind::Unwrap | Kind::Misuse | Kind::RevokeWrapping => WRAPPING,
            Kind::Use | Kind::Revoke | Kind::Inquiry => TOKEN,
        };
        let Step { operation, path, remote_address, .. } = step;
        let address = remote_address.as_deref().map(|address| format!(" from {address}")).unwrap_or_default();
        let unanswered = (!step.answered).then(|| "no answer in the log".to_owned());
        Self {
            at: instant(&step.time),
            time: step.time.clone(),
            since: None,
            log: "Vault",
            lane,
            word: word(step).to_owned(),
            told: format!("{operation} {path}{address}"),
            refused: step.error.clone().or(unanswered),
            is_bad: step.error.is_some() || step.kind == Kind::Misuse,
        }
    }

    fn class(&self) -> &'static str {
        if self.is_bad { "bad" } else { "good" }
    }
}

/// The lanes, with room for a name, a bar and marks in each.
const LANES: [&str; 3] = ["Authorizer", "Wrapping token", "Token"];
const LANE_HEIGHT: usize = 52;

/// Positions are percentages, so that letters keep their size on a narrow screen.
fn axis(trace: &Trace, entries: &[Entry]) -> Markup {
    let times = || entries.iter().filter_map(|entry| entry.at);
    let (Some(first), Some(last)) = (times().min(), times().max()) else { return Markup::default() };
    let percent = |at: i128| {
        let (offset, span) = (at.saturating_sub(first), last.saturating_sub(first).max(1));
        let hundredths = offset.saturating_mul(10_000).checked_div(span).unwrap_or_default().clamp(0, 10_000);
        format!("{}.{:02}%", hundredths / 100, hundredths % 100)
    };
    let y = |lane: usize, offset: usize| (lane * LANE_HEIGHT + offset).to_string();
    let mut parts = Vec::new();
    for (lane, name) in LANES.iter().enumerate() {
        parts.push(tag("text", &[("class", "lane"), ("x", "0"), ("y", &y(lane, 14))], [text(name)]));
        let (x, y) = (("x1", "0%"), y(lane, 34));
        parts.push(tag("line", &[("class", "rail"), x, ("x2", "100%"), ("y1", &y), ("y2", &y)], []));
    }
    for (lane, held) in held::of(trace).iter().enumerate() {
        let Some(Held { from, until, .. }) = *held else { continue };
        let (x1, x2, y) = (percent(from), percent(until), y(WRAPPING + lane, 34));
        let class = if until > last { "bar open" } else { "bar" };
        parts.push(tag("line", &[("class", class), ("x1", &x1), ("x2", &x2), ("y1", &y), ("y2", &y)], []));
    }
    for (number, entry) in entries.iter().enumerate() {
        let Some(at) = entry.at else { continue };
        let told = format!("{}. {} {}", number + 1, entry.word, in_millis(&entry.time));
        let (x, y) = (percent(at), y(entry.lane, 39));
        let mark = text(if entry.is_bad { "✕" } else { "●" });
        let attributes = [("class", format!("mark {}", entry.class())), ("x", x), ("y", y)];
        let attributes = attributes.each_ref().map(|(name, value)| (*name, value.as_str()));
        parts.push(tag("text", &attributes, [mark, tag("title", &[], [text(&told)])]));
    }
    let (span, bottom) = (last.saturating_sub(first), y(LANES.len(), 14));
    for (x, anchor, offset) in [("0%", "start", 0), ("50%", "middle", span / 2), ("100%", "end", span)] {
        let attributes = [("class", "tick"), ("x", x), ("y", &*bottom), ("text-anchor", anchor)];
        parts.push(tag("text", &attributes, [text(&elapsed(offset))]));
    }
    let height = y(LANES.len(), 20);
    let label = format!("{} entries from both logs on one timeline", entries.len());
    let svg = [("width", "100%"), ("height", &*height), ("role", "img"), ("aria-label", &label)];
    let start = entries.iter().find(|entry| entry.at == Some(first)).map(|entry| in_millis(&entry.time));
    let legend = format!("From {}. ✕ means refused.", start.unwrap_or_default());
    section(
        "",
        "Both logs on one timeline",
        [tag("svg", &svg, parts), element("p", "legend", [text(&legend)])],
    )
}

/// `+16.2 ms`, `+2.500 s`.
fn elapsed(nanos: i128) -> String {
    match nanos / 1_000 {
        micros if micros < 1_000_000 => format!("+{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        micros => format!("+{}.{:03} s", micros / 1_000_000, micros % 1_000_000 / 1_000),
    }
}

fn holders(trace: &Trace) -> Markup {
    let held = held::of(trace);
    let told = LANES.iter().skip(WRAPPING).zip(&held).filter_map(|(what, held)| Some((what, held.as_ref()?)));
    let told: Vec<Markup> = told
        .flat_map(|(what, held)| [element("dt", "", [text(what)]), element("dd", "", [text(&held.told)])])
        .collect();
    if told.is_empty() { Markup::default() } else { section("", "Who held what", [element("dl", "", told)]) }
}

fn list(entries: &[Entry]) -> Markup {
    let items = entries.iter().map(|entry| {
        let since = entry.since.map(elapsed).unwrap_or_default();
        let head = [
            element("b", entry.class(), [text(&entry.word)]),
            element("time", "", [text(&in_millis(&entry.time))]),
            element("span", "since", [text(&since)]),
            element("span", "log", [text(entry.log)]),
        ];
        let refused = entry.refused.as_deref().map(|why| element("p", "why", [text(why.trim())]));
        let told = element("code", "", [text(entry.told.trim())]);
        element("li", "", [element("p", "", head), told].into_iter().chain(refused))
    });
    section("", "All entries", [element("ol", "entries", items)])
}

fn notes(trace: &Trace) -> Markup {
    let joined = trace.joined_by.map(|joined_by| format!("The logs are joined by {}.", means(joined_by)));
    let incomplete = (!trace.complete).then(|| INCOMPLETE.to_owned());
    let nothing = trace.steps.is_empty().then(|| "Vault: nothing found".to_owned());
    let items = joined.iter().chain(&incomplete).chain(&nothing).chain(&trace.notes);
    let items = items.map(|note| element("li", "", [text(note)]));
    section("", "Notes", [element("ul", "", items)])
}

const INCOMPLETE: &str =
    "The trace is incomplete: part of it is missing, or it is unclear whose token this is.";
