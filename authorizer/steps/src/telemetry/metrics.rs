//! The metrics of one decision, in the line that records it (Amazon CloudWatch user guide, "Specification: Embedded
//! metric format").

use std::sync::LazyLock;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::clock::UnixTime;

/// What is counted and measured, and what CloudWatch is to make of it.
#[derive(Serialize)]
pub(super) struct Metrics<'a> {
    #[serde(rename = "_aws")]
    directive: Directive,
    /// A dimension: only a configured one, so that no caller can make up metrics.
    #[serde(rename = "Stage")]
    stage: &'a str,
    /// A dimension.
    #[serde(rename = "Code")]
    code: &'static str,
    #[serde(flatten)]
    values: Values,
}

/// The values, each by the name of its metric.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Values {
    pub(super) allowed: u64,
    pub(super) denied: u64,
    pub(super) faults: u64,
    pub(super) cold_starts: u64,
    pub(super) decision_micros: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mint_micros: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) minted_ahead: Option<u64>,
}

/// What CloudWatch is to make of a line.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Directive {
    timestamp: u64,
    cloud_watch_metrics: &'static RawValue,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definitions {
    namespace: &'static str,
    dimensions: &'static [&'static [&'static str]],
    metrics: Vec<Metric>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: &'static str,
}

/// What every line says alike is written once. A metric that is defined must be in the line, so a decision with a mint, and one
/// by a grant that mints ahead, have definitions of their own.
static DECISIONS: LazyLock<[[Box<RawValue>; 2]; 2]> = LazyLock::new(|| {
    let of = |ahead: &[&'static str]| [&[][..], &["MintMicros"]].map(|mint| decisions(ahead, mint));
    [of(&[]), of(&["MintedAhead"])]
});
/// Of a token that was minted ahead and that nobody got.
static WASTED: LazyLock<Box<RawValue>> =
    LazyLock::new(|| definitions(&[&["Stage"]], counted(&["AheadUndone", "AheadLeft"]).collect()));

fn decisions(also_counted: &[&'static str], also_measured: &[&'static str]) -> Box<RawValue> {
    let all = counted(&["Allowed", "Denied", "Faults", "ColdStarts"]).chain(counted(also_counted));
    let measured = ["DecisionMicros"].iter().chain(also_measured);
    let all = all.chain(measured.map(|name| Metric { name, unit: "Microseconds" }));
    definitions(&[&["Stage"], &["Stage", "Code"]], all.collect())
}

fn counted(names: &[&'static str]) -> impl Iterator<Item = Metric> {
    names.iter().map(|name| Metric { name, unit: "Count" })
}

fn definitions(dimensions: &'static [&'static [&'static str]], metrics: Vec<Metric>) -> Box<RawValue> {
    to_raw_value(&[Definitions { namespace: "VaultAuthorizer", dimensions, metrics }]).unwrap_or_default()
}

impl Directive {
    fn of(definitions: &'static RawValue, now: UnixTime) -> Self {
        Self { timestamp: now.millis(), cloud_watch_metrics: definitions }
    }

    pub(super) fn of_wasted(now: UnixTime) -> Self {
        Self::of(&WASTED, now)
    }
}

impl<'a> Metrics<'a> {
    pub(super) fn of(values: Values, stage: &'a str, code: &'static str, now: UnixTime) -> Self {
        let [without, with] = &*DECISIONS;
        let [unmeasured, measured] = if values.minted_ahead.is_some() { with } else { without };
        let definitions = if values.mint_micros.is_some() { measured } else { unmeasured };
        Self { directive: Directive::of(definitions, now), stage, code, values }
    }
}
