//! The metrics of one decision, in the line that records it: Amazon CloudWatch user guide, "Specification: Embedded metric
//! format".

use serde::Serialize;

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
    cloud_watch_metrics: [Definitions; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Definitions {
    namespace: &'static str,
    dimensions: [&'static [&'static str]; 2],
    metrics: &'static [Metric],
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Metric {
    name: &'static str,
    unit: &'static str,
}

impl Metric {
    const fn count(name: &'static str) -> Self {
        Self { name, unit: "Count" }
    }

    const fn micros(name: &'static str) -> Self {
        Self { name, unit: "Microseconds" }
    }
}

/// A metric that a definition names must be in the line, so there is one list for a decision with a mint.
const OF_A_DECISION: &[Metric] = &[
    Metric::count("Allowed"),
    Metric::count("Denied"),
    Metric::count("Faults"),
    Metric::count("ColdStarts"),
    Metric::micros("DecisionMicros"),
];
const OF_A_MINT: &[Metric] = &[
    Metric::count("Allowed"),
    Metric::count("Denied"),
    Metric::count("Faults"),
    Metric::count("ColdStarts"),
    Metric::micros("DecisionMicros"),
    Metric::micros("MintMicros"),
];

impl<'a> Metrics<'a> {
    pub(super) fn of(values: Values, stage: &'a str, code: &'static str, now: UnixTime) -> Self {
        let definitions = Definitions {
            namespace: "VaultAuthorizer",
            dimensions: [&["Stage"], &["Stage", "Code"]],
            metrics: if values.mint_micros.is_some() { OF_A_MINT } else { OF_A_DECISION },
        };
        let directive = Directive { timestamp: now.millis(), cloud_watch_metrics: [definitions] };
        Self { directive, stage, code, values }
    }
}
