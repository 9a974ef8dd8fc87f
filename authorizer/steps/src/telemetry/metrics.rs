//! The metrics of one decision, in the line that records it: Amazon CloudWatch user guide, "Specification: Embedded metric
//! format".

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
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Directive {
    timestamp: u64,
    cloud_watch_metrics: &'static RawValue,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definitions {
    namespace: &'static str,
    dimensions: [&'static [&'static str]; 2],
    metrics: Vec<Metric>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: &'static str,
}

/// What every line says alike is written once. A metric that is defined must be in the line, so a decision with a mint has
/// definitions of its own.
static WITHOUT_A_MINT: LazyLock<Box<RawValue>> = LazyLock::new(|| definitions(&[]));
static WITH_A_MINT: LazyLock<Box<RawValue>> = LazyLock::new(|| definitions(&["MintMicros"]));

fn definitions(also_measured: &[&'static str]) -> Box<RawValue> {
    let counted = ["Allowed", "Denied", "Faults", "ColdStarts"].map(|name| Metric { name, unit: "Count" });
    let measured = ["DecisionMicros"].iter().chain(also_measured);
    let measured = measured.map(|name| Metric { name, unit: "Microseconds" });
    let definitions = Definitions {
        namespace: "VaultAuthorizer",
        dimensions: [&["Stage"], &["Stage", "Code"]],
        metrics: counted.into_iter().chain(measured).collect(),
    };
    to_raw_value(&[definitions]).unwrap_or_default()
}

impl<'a> Metrics<'a> {
    pub(super) fn of(values: Values, stage: &'a str, code: &'static str, now: UnixTime) -> Self {
        let definitions = if values.mint_micros.is_some() { &WITH_A_MINT } else { &WITHOUT_A_MINT };
        let directive = Directive { timestamp: now.millis(), cloud_watch_metrics: definitions };
        Self { directive, stage, code, values }
    }
}
