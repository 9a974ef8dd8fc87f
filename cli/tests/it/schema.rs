//! The stored schema matches the reader's.

use serde_json::Value;

use crate::support::run;

#[test]
fn the_kept_schema_is_not_stale() {
    let printed = run(&["schema"], "", &[]).printed(0);
    let kept = include_str!("../../../infra/authorizer.schema.json");
    assert_eq!(printed, kept, "infra/authorizer.schema.json is stale: cargo xtask schema");
    let schema: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
}
