//! The table of rules: what the schema says, and then what `rules.yaml` says.
//!
//! A place in the table uses the schema's path: `issuers.*.jwks.uri`. If the schema has a choice by a key (`method`,
//! `kind`), a rule names the kinds that it is for.

use std::collections::{BTreeMap, BTreeSet};

use authorizer_document::schema;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// `infra/authorizer.rules.json`.
pub fn table() -> Value {
    let schema = schema::schema();
    let mut walk = Walk { definitions: &schema["$defs"], kinds: BTreeMap::new(), places: BTreeMap::new() };
    walk.place("", &[], &schema);
    // A grant is of the kind of its callers.
    walk.kinds.insert("stages.*.grants[]".to_owned(), "caller".to_owned());
    let mut written = include_str!("../../rules.yaml").to_owned();
    let Written { parts, .. } = serde_saphyr::from_str(&written).unwrap();
    for (name, pattern) in parts {
        written = written.replace(&format!("<{name}>"), &pattern.replace('\'', "''"));
    }
    let Written { rules, .. } = serde_saphyr::from_str(&written).unwrap();
    rules.into_iter().for_each(|rule| walk.write(rule));
    let places = walk.places.into_iter().map(|(at, place)| {
        let [own, between] = [place.own, place.between].map(Value::Array);
        (at, if between == json!([]) { json!({"own": own}) } else { json!({"own": own, "between": between}) })
    });
    json!({"kinds": walk.kinds, "places": places.collect::<Map<_, _>>()})
}

/// `rules.yaml`.
#[derive(Deserialize)]
struct Written {
    /// Patterns that stand in others as `<name>`.
    parts: BTreeMap<String, String>,
    rules: Vec<Value>,
}

struct Walk<'s> {
    definitions: &'s Value,
    kinds: BTreeMap<String, String>,
    places: BTreeMap<String, Place>,
}

#[derive(Default)]
struct Place {
    own: Vec<Value>,
    between: Vec<Value>,
}

impl Walk<'_> {
    /// What stands at a place, in mappings of these kinds.
    fn place(&mut self, at: &str, of: &[&str], schema: &Value) {
        let schema = self.resolved(schema);
        let variants = schema["oneOf"].as_array().map(Vec::as_slice).unwrap_or_default();
        if let Some(tag) = tag(variants) {
            let kind = |variant: &Value| variant["properties"][tag]["const"].clone();
            self.own(at, of, json!({"rule": "type", "types": ["mapping"]}), "must be a mapping");
            self.kinds.insert(at.to_owned(), tag.to_owned());
            self.between(at, of, json!({"rule": "has", "key": tag}), "missing");
            let kinds: Vec<Value> = variants.iter().map(kind).collect();
            self.place(&below(at, tag), of, &json!({"type": "string", "enum": kinds}));
            for variant in variants {
                self.mapping(at, &[kind(variant).as_str().unwrap()], variant, Some(tag));
            }
            return;
        }
        let forms = self.forms(&schema);
        let types: BTreeSet<&str> = forms.iter().map(type_of).collect();
        let error = schema["errorMessage"].as_str();
        let choice = words(&forms[0]).map(|words| one_of(&words)).unwrap_or_default();
        let wrong = match forms.as_slice() {
            [one] => match type_of(one) {
                "text" if words(one).is_some() => error.unwrap_or(&choice),
                "text" => {
                    let unquoted = json!({"rule": "type", "types": ["text", "null", "list", "mapping"]});
                    self.own(at, of, unquoted, error.unwrap_or("must be a string: put it in quotes"));
                    error.unwrap_or("must be a string")
                }
                "boolean" => error.unwrap_or("must be true or false"),
                "whole" => "must be a whole number",
                "list" => "must be a list",
                "mapping" => error.unwrap_or("must be a mapping"),
                other => panic!("{at}: {other}"),
            },
            _ => error.unwrap_or_else(|| panic!("{at}: a choice needs an errorMessage")),
        };
        self.own(at, of, json!({"rule": "type", "types": types}), wrong);
        forms.iter().for_each(|form| self.form(at, of, form, error));
    }

    /// What holds of one form of a value, beside its type.
    fn form(&mut self, at: &str, of: &[&str], schema: &Value, error: Option<&str>) {
        let is_mapping = schema["type"] == "object";
        let is_filled = if is_mapping {
            schema["minProperties"] == 1
        } else {
            ["text", "list"].contains(&type_of(schema))
        };
        if is_filled {
            self.own(at, of, json!({"rule": "filled"}), "must not be empty");
        }
        if let Some(values) = words(schema) {
            let choice = one_of(&values);
            self.own(at, of, json!({"rule": "one_of", "values": values}), error.unwrap_or(&choice));
        }
        if let Some(pattern) = schema["pattern"].as_str() {
            let message = schema["patternErrorMessage"].as_str();
            let message = message.unwrap_or_else(|| panic!("{at}: a pattern needs a patternErrorMessage"));
            self.own(at, of, json!({"rule": "pattern", "pattern": pattern}), message);
        }
        if let Some(most) = schema["maxLength"].as_u64() {
            self.own(
                at,
                of,
                json!({"rule": "length", "most": most}),
                &format!("must have at most {most} characters"),
            );
        }
        match (&schema["minimum"], &schema["maximum"]) {
            // The least that its Rust type has says nothing.
            (Value::Null, _) => {}
            (least, Value::Null) if *least == 0 => {}
            (least, Value::Null) => {
                let range = format!("must be at least {least}");
                self.own(at, of, json!({"rule": "range", "least": least}), error.unwrap_or(&range));
            }
            (least, most) => {
                let range = format!("must be from {least} to {most}");
                let error = schema["errorMessage"].as_str().unwrap_or(&range);
                self.own(at, of, json!({"rule": "range", "least": least, "most": most}), error);
            }
        }
        match type_of(schema) {
            "list" => self.place(&format!("{at}[]"), of, &schema["items"]),
            "mapping" => self.mapping(at, of, schema, None),
            _ => {}
        }
    }

    fn mapping(&mut self, at: &str, of: &[&str], schema: &Value, tag: Option<&str>) {
        let any = below(at, "*");
        if schema["additionalProperties"].is_object() {
            self.place(&any, of, &schema["additionalProperties"]);
        }
        if let Some(pattern) = schema["propertyNames"]["pattern"].as_str() {
            let message = schema["propertyNames"]["patternErrorMessage"].as_str().unwrap();
            self.own(&any, of, json!({"rule": "named", "pattern": pattern}), message);
        }
        let Some(properties) = schema["properties"].as_object() else { return };
        let keys: Vec<&str> = properties.keys().map(String::as_str).collect();
        let unknown = format!("unknown key; expected one of {}", keys.join(", "));
        self.between(at, of, json!({"rule": "keys", "keys": keys}), &unknown);
        for key in texts(&schema["required"]).filter(|key| Some(*key) != tag) {
            self.between(at, of, json!({"rule": "has", "key": key}), "missing");
        }
        for (other, needed) in schema["dependentRequired"].as_object().into_iter().flatten() {
            for key in texts(needed) {
                let missing = format!("missing; `{other}` has no effect without it");
                self.between(at, of, json!({"rule": "beside", "key": key, "other": other}), &missing);
            }
        }
        let choices = schema["oneOf"].as_array().into_iter().flatten();
        let mut choices: Vec<&str> = choices.flat_map(|choice| texts(&choice["required"])).collect();
        if schema["maxProperties"] == 1 {
            choices.clone_from(&keys);
        }
        if !choices.is_empty() {
            let shown: Vec<Value> =
                choices.iter().map(|key| shown(key, &properties[*key]["const"])).collect();
            let error = schema["errorMessage"].as_str();
            let needs = format!("needs {}", quoted(&shown, " or "));
            let both = format!("has both {}: remove one of them", quoted(&shown, " and "));
            self.between(at, of, json!({"rule": "some", "keys": choices}), error.unwrap_or(&needs));
            self.between(at, of, json!({"rule": "single", "keys": choices}), error.unwrap_or(&both));
        }
        for (key, schema) in properties.iter().filter(|(key, _)| Some(key.as_str()) != tag) {
            self.place(&below(at, key), of, schema);
        }
    }

    /// A definition with what is said beside the reference to it.
    fn resolved(&self, schema: &Value) -> Value {
        let Some(name) = schema["$ref"].as_str().and_then(|name| name.strip_prefix("#/$defs/")) else {
            return schema.clone();
        };
        let mut definition = self.resolved(&self.definitions[name]);
        let beside = schema.as_object().unwrap().clone().into_iter();
        definition.as_object_mut().unwrap().extend(beside.filter(|(key, _)| key != "$ref"));
        definition
    }

    /// The forms that a value may have: one, but where the schema leaves a choice.
    fn forms(&self, schema: &Value) -> Vec<Value> {
        match schema["anyOf"].as_array().filter(|_| schema["type"].is_null()) {
            None => vec![schema.clone()],
            Some(choices) => choices.iter().flat_map(|choice| self.forms(&self.resolved(choice))).collect(),
        }
    }

    fn own(&mut self, at: &str, of: &[&str], rule: Value, message: &str) {
        add(&mut self.places.entry(at.to_owned()).or_default().own, of, rule, message);
    }

    fn between(&mut self, at: &str, of: &[&str], rule: Value, message: &str) {
        add(&mut self.places.entry(at.to_owned()).or_default().between, of, rule, message);
    }

    /// A rule of `rules.yaml`: one for each of its places, keys and other keys.
    fn write(&mut self, mut rule: Value) {
        let mut take = |key: &str| rule.as_object_mut().unwrap().remove(key);
        let (places, first) = (take("at").unwrap(), take("first").is_some());
        let [keys, others] = ["key", "other"].map(&mut take).map(|keys| match keys {
            Some(Value::Array(keys)) => keys.into_iter().map(Some).collect(),
            one => vec![one],
        });
        for at in texts(&places) {
            let (at, of) = at.split_once(" of ").unwrap_or((at, ""));
            let place = self.places.get_mut(at).unwrap_or_else(|| panic!("there is no place `{at}`"));
            for (key, other) in keys.iter().flat_map(|key| others.iter().map(move |other| (key, other))) {
                let mut rule = rule.clone();
                let of: Vec<&str> = of.split_whitespace().collect();
                let parts = [
                    ("key", key.clone()),
                    ("other", other.clone()),
                    ("of", (!of.is_empty()).then(|| json!(of))),
                ];
                for (name, part) in parts {
                    rule.as_object_mut().unwrap().extend(part.map(|part| (name.to_owned(), part)));
                }
                let own = [
                    "type",
                    "filled",
                    "one_of",
                    "pattern",
                    "not",
                    "named",
                    "not_named",
                    "length",
                    "range",
                    "seconds",
                    "never",
                    "needs",
                    "among",
                    "alone",
                ];
                let is_own = own.iter().any(|word| rule["rule"] == *word);
                match (is_own, first) {
                    (true, true) => place.own.insert(0, rule),
                    (true, false) => place.own.push(rule),
                    (false, _) => place.between.push(rule),
                }
            }
        }
    }
}

/// What is said of two kinds alike is one rule.
fn add(rules: &mut Vec<Value>, of: &[&str], mut rule: Value, message: &str) {
    rule["message"] = json!(message);
    let same = |one: &&mut Value| {
        let mut one = (*one).clone();
        one.as_object_mut().unwrap().remove("of");
        one == rule
    };
    match rules.iter_mut().find(same) {
        Some(same) if !of.is_empty() => {
            let mut kinds: Vec<String> = texts(&same["of"]).map(str::to_owned).collect();
            kinds.extend(of.iter().map(|kind| (*kind).to_owned()));
            kinds.dedup();
            same["of"] = json!(kinds);
        }
        Some(_) => {}
        None => {
            if !of.is_empty() {
                rule["of"] = json!(of);
            }
            rules.push(rule);
        }
    }
}

/// The key that tells variants apart.
fn tag(variants: &[Value]) -> Option<&str> {
    let properties = variants.first()?["properties"].as_object()?;
    let (tag, _) = properties.iter().find(|(_, schema)| schema["const"].is_string())?;
    variants.iter().all(|variant| variant["properties"][tag]["const"].is_string()).then_some(tag)
}

/// The words that a value may be.
fn words(schema: &Value) -> Option<Vec<Value>> {
    if !schema["const"].is_null() {
        return Some(vec![schema["const"].clone()]);
    }
    let choices = || Some(schema["oneOf"].as_array()?.iter().map(|choice| choice["const"].clone()).collect());
    schema["enum"].as_array().cloned().or_else(choices).filter(|words| !words.contains(&Value::Null))
}

fn one_of(words: &[Value]) -> String {
    match words {
        [only] => format!("must be {}", quoted(std::slice::from_ref(only), "")),
        words => format!("must be one of {}", quoted(words, ", ")),
    }
}

fn type_of(schema: &Value) -> &'static str {
    match schema["type"].as_str() {
        Some("integer") if schema["format"] == "int128" => "number",
        Some("integer") => "whole",
        Some("boolean") => "boolean",
        Some("array") => "list",
        Some("object") => "mapping",
        // A choice of words has none.
        _ => "text",
    }
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().map(|text| text.as_str().unwrap())
}

fn shown(key: &str, value: &Value) -> Value {
    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    if value == "null" { json!(key) } else { json!(format!("{key}: {value}")) }
}

fn quoted(values: &[Value], between: &str) -> String {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    values.iter().map(|value| format!("`{}`", text(value))).collect::<Vec<_>>().join(between)
}

fn below(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
