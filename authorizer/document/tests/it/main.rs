//! The files that the deployments share: the schema, the table of rules, and documents with their exact problems.
//!
//! `cargo xtask schema` sets `WRITE`, and the tests write the files again.

#![allow(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    unreachable_pub,
    reason = "test code: what is not as expected ends the test"
)]

mod table;

use std::{collections::BTreeMap, env, fs, path::Path};

use authorizer_document::{Document, rules, schema};
use boon::{Compiler, Schemas};
use serde::Deserialize;
use serde_json::{Value, json};

/// Documents, and what is changed in them.
#[derive(Deserialize)]
struct Cases {
    documents: BTreeMap<String, Value>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    /// One of `documents`.
    of: String,
    /// What stands at a JSON pointer then. A list's end is `-` (RFC 6902, section 4.1).
    #[serde(default)]
    set: BTreeMap<String, Value>,
    #[serde(default)]
    remove: Vec<String>,
}

fn cases() -> Vec<(String, Value)> {
    let Cases { documents, cases } = serde_saphyr::from_str(include_str!("cases.yaml")).unwrap();
    let unchanged = documents.iter().map(|(name, document)| (name.clone(), document.clone()));
    let changed = cases.iter().map(|case| {
        let mut document = documents[&case.of].clone();
        for (pointer, value) in &case.set {
            let (above, key) = pointer.rsplit_once('/').unwrap();
            let key = key.replace("~1", "/").replace("~0", "~");
            match document.pointer_mut(above).unwrap_or_else(|| panic!("{}: {above}", case.name)) {
                Value::Object(map) => drop(map.insert(key, value.clone())),
                Value::Array(items) if key == "-" => items.push(value.clone()),
                Value::Array(items) => items[key.parse::<usize>().unwrap()] = value.clone(),
                other => panic!("{}: nothing goes into {other}", case.name),
            }
        }
        for pointer in &case.remove {
            let (above, key) = pointer.rsplit_once('/').unwrap();
            let removed = document.pointer_mut(above).and_then(|above| above.as_object_mut()?.remove(key));
            assert!(removed.is_some(), "{}: {pointer}", case.name);
        }
        (case.name.clone(), document)
    });
    unchanged.chain(changed).collect()
}

fn problems(document: &Value) -> Vec<String> {
    rules::problems(document).iter().map(ToString::to_string).collect()
}

fn kept(name: &str, made: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../infra").join(name);
    let made = format!("{made:#}\n");
    if env::var_os("WRITE").is_some() {
        fs::write(&path, made).unwrap();
    } else {
        assert!(
            fs::read_to_string(&path).unwrap() == made,
            "{name} is not what the types and rules say: run `cargo xtask schema`"
        );
    }
}

#[test]
fn the_schema_the_rules_and_the_cases_are_kept() {
    kept("authorizer.schema.json", &schema::schema());
    kept("authorizer.rules.json", &table::table());
    let of = |(name, document): &(String, Value)| json!({"name": name, "document": document, "problems": problems(document)});
    kept("authorizer.cases.json", &cases().iter().map(of).collect());
}

/// Lest a document be the first to find one that does not compile.
#[test]
fn every_pattern_compiles() {
    fn patterns(value: &Value) -> Vec<&str> {
        match value {
            Value::Object(map) => {
                let own = map.get("pattern").and_then(Value::as_str);
                map.values().flat_map(patterns).chain(own).collect()
            }
            Value::Array(items) => items.iter().flat_map(patterns).collect(),
            _ => Vec::new(),
        }
    }
    let table = table::table();
    let patterns = patterns(&table);
    assert!(patterns.len() > 50, "{}", patterns.len());
    for pattern in patterns {
        assert!(regex_lite::Regex::new(pattern).is_ok(), "{pattern}");
    }
}

#[test]
fn each_case_is_another_one_and_has_what_its_name_says() {
    let mut seen = BTreeMap::new();
    for (name, document) in cases() {
        assert_eq!(seen.insert(name.clone(), ()), None, "{name}");
        let is_good = !name.starts_with("rejects ");
        assert_eq!(problems(&document).is_empty(), is_good, "{name}: {:#?}", problems(&document));
    }
    assert!(seen.len() >= 120, "{}", seen.len());
}

/// What the rules take, the types can read, and an editor that has the schema marks nothing in it.
#[test]
fn what_the_rules_take_the_types_and_the_schema_take() {
    let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
    compiler.add_resource("authorizer.schema.json", schema::schema()).unwrap();
    let schema = compiler.compile("authorizer.schema.json", &mut schemas).unwrap();
    for (name, document) in cases() {
        if problems(&document).is_empty() {
            let read = Document::read(&document.to_string());
            assert!(read.is_ok(), "{name}: {:?}", read.err());
            let refusal = schemas.validate(&document, schema).err().map(|error| format!("{error:#}"));
            assert_eq!(refusal, None, "{name}");
        }
    }
}

/// Each place of each good document with something else in it, or nothing.
#[test]
fn what_the_rules_take_the_types_read_whatever_stands_where() {
    let others = [
        json!(null),
        json!(true),
        json!(false),
        json!(0),
        json!(3),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(1e300),
        json!("x"),
        json!(""),
        json!("1m"),
        json!("none"),
        json!("*"),
        json!([]),
        json!(["x"]),
        json!([["x"]]),
        json!([{}]),
        json!({}),
        json!({"": {}}),
        json!({"x": {"y": ["z"]}}),
    ];
    let mut taken = 0;
    for (name, document) in cases().into_iter().filter(|(name, _)| !name.starts_with("rejects ")).take(4) {
        for place in places(&document) {
            for other in others.iter().map(Some).chain([None]) {
                let mut document = document.clone();
                let (above, key) = place.rsplit_once('/').unwrap_or_default();
                match (other, document.pointer_mut(above).unwrap()) {
                    (Some(other), _) => *document.pointer_mut(&place).unwrap() = other.clone(),
                    (None, Value::Object(map)) => {
                        map.remove(&key.replace("~1", "/").replace("~0", "~"));
                    }
                    (None, Value::Array(items)) => {
                        items.remove(key.parse().unwrap());
                    }
                    (None, _) => panic!("{name}: {above}"),
                }
                if problems(&document).is_empty() {
                    taken += 1;
                    let read = Document::read(&document.to_string());
                    assert!(read.is_ok(), "{name}: {place}: {other:?}: {:?}", read.err());
                }
            }
        }
    }
    assert!(taken > 200, "{taken}");
}

/// Every place in a value, as JSON pointers, the value itself not included.
fn places(value: &Value) -> Vec<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(map) => {
            map.iter().map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        Value::Array(items) => items.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect(),
        _ => Vec::new(),
    };
    let below = |(key, child): (String, &Value)| {
        let below = places(child).into_iter().map(move |rest| format!("/{key}{rest}"));
        below.collect::<Vec<_>>()
    };
    let own = children.iter().map(|(key, _)| format!("/{key}")).collect::<Vec<_>>();
    own.into_iter().chain(children.into_iter().flat_map(below)).collect()
}
