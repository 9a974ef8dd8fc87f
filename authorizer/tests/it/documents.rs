//! The documents name every code, key and log field that exists, and no code that does not.

use std::collections::BTreeSet;
use std::path::Path;

use authorizer_steps::outcome::{Code, Kind};
use authorizer_steps::telemetry::Record;
use serde_json::Value;

use crate::support::{Bed, event, good_token};

const OPERATIONS: &str = include_str!("../../../docs/operations.md");
const CONFIGURATION: &str = include_str!("../../../docs/configuration.md");
const SCHEMA: &str = include_str!("../../../infra/authorizer.schema.json");

#[test]
fn the_table_of_codes_has_a_row_for_each_code_and_for_no_other() {
    assert_eq!(rows(section(OPERATIONS, "## Codes")), codes(|_| true));
}

/// A page about one provider may refer to the list of JWTs.
#[test]
fn the_pages_of_the_identities_list_the_checks_by_codes_that_exist() {
    let (every, mut listed) = (codes(|_| true), BTreeSet::new());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/identity");
    for page in std::fs::read_dir(folder).unwrap() {
        let page = page.unwrap().path();
        let text = std::fs::read_to_string(&page).unwrap();
        let rows = rows(section(&text, "## What is checked"));
        let says = !rows.is_empty() || text.contains("(jwt.md#what-is-checked)");
        assert!(says, "{} does not say what is checked", page.display());
        listed.extend(rows.into_iter().map(str::to_owned));
    }
    let listed: BTreeSet<&str> = listed.iter().map(String::as_str).collect();
    assert_eq!(listed.difference(&every).collect::<Vec<_>>(), [&""; 0], "no such code");
    let of_credentials = codes(|kind| kind == Kind::Credential);
    assert_eq!(of_credentials.difference(&listed).collect::<Vec<_>>(), [&""; 0], "on no page");
}

#[test]
fn each_field_of_the_record_and_each_metric_is_explained() {
    let record = serde_json::to_value(Record::default()).unwrap();
    let fields = record.as_object().unwrap().keys().cloned();
    let line = Bed::new().line(&event(&good_token()));
    let metrics = line["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().unwrap();
    let metrics = metrics.iter().map(|metric| metric["Name"].as_str().unwrap().to_owned());
    let missing = fields.chain(metrics).filter(|name| !OPERATIONS.contains(&format!("`{name}`")));
    assert_eq!(missing.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn each_key_of_the_schema_is_in_the_reference() {
    let mut keys = BTreeSet::new();
    collect_keys(&serde_json::from_str(SCHEMA).unwrap(), &mut keys);
    assert!(keys.contains("stages") && keys.contains("wrap_ttl"), "{keys:?}");
    keys.retain(|key| {
        let forms = [format!("`{key}`"), format!(".{key}`"), format!("{{{key}: "), format!("{key}: ")];
        !forms.iter().any(|form| CONFIGURATION.contains(form))
    });
    assert_eq!(keys, BTreeSet::new());
}

fn collect_keys(schema: &Value, keys: &mut BTreeSet<String>) {
    if let Some(properties) = schema.get("properties").and_then(Value::as_object) {
        keys.extend(properties.keys().cloned());
    }
    match schema {
        Value::Object(members) => members.values().for_each(|member| collect_keys(member, keys)),
        Value::Array(members) => members.iter().for_each(|member| collect_keys(member, keys)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn codes(wanted: impl Fn(Kind) -> bool) -> BTreeSet<&'static str> {
    Code::ALL.iter().filter(|code| wanted(code.kind())).map(|code| code.as_str()).collect()
}

/// What stands under a heading, to the next one.
fn section<'t>(text: &'t str, heading: &str) -> &'t str {
    let (_, after) = text.split_once(&format!("\n{heading}\n")).unwrap_or_default();
    after.split_once("\n##").map_or(after, |(section, _)| section)
}

/// The first cells of a section's tables, where they are one word of code.
fn rows(section: &str) -> BTreeSet<&str> {
    let name = |line| str::strip_prefix(line, "| `")?.split_once("` |").map(|(name, _)| name);
    section.lines().filter_map(name).collect()
}
