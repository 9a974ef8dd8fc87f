//! The metrics of one decision, in the line that records it.

use serde_json::{Map, Value, json};

use crate::clock::UnixTime;

/// What is counted and measured.
pub(super) struct Metrics {
    /// The dimension `Stage`: only a configured one, so that no caller can make up metrics.
    pub(super) stage: String,
    /// The dimension `Code`.
    pub(super) code: &'static str,
    pub(super) values: Vec<(&'static str, &'static str, u64)>,
}

impl Metrics {
    /// Amazon CloudWatch user guide, "Specification: Embedded metric format".
    pub(super) fn fields(self, now: UnixTime) -> Map<String, Value> {
        let definitions: Vec<_> =
            self.values.iter().map(|(name, unit, _)| json!({"Name": name, "Unit": unit})).collect();
        let directive = json!({
            "Namespace": "VaultAuthorizer",
            "Dimensions": [["Stage"], ["Stage", "Code"]],
            "Metrics": definitions,
        });
        let mut fields = Map::new();
        fields
            .insert("_aws".to_owned(), json!({"Timestamp": now.millis(), "CloudWatchMetrics": [directive]}));
        fields.insert("Stage".to_owned(), self.stage.into());
        fields.insert("Code".to_owned(), self.code.into());
        fields.extend(self.values.into_iter().map(|(name, _, value)| (name.to_owned(), value.into())));
        fields
    }
}
