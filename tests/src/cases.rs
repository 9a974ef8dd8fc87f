//! `authorizer/tests/cases.json`: what each kind of authorizer decides, call by call.
//!
//! The file explains its members. The authorizer's own tests give it events. Here the same calls go over the wire.

use std::collections::BTreeMap;
use std::fs;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::parts;
use crate::raw_http::Request;

/// A kind of API with a kind of authorizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// A REST API's REQUEST authorizer.
    RestRequest,
    /// A REST API's TOKEN authorizer.
    RestToken,
    /// An HTTP API's authorizer with payload format 1.0.
    HttpV1,
    /// Payload format 2.0, answered with a policy.
    HttpV2,
    /// Payload format 2.0 with simple responses.
    HttpV2Simple,
    /// A WebSocket API's `$connect` authorizer.
    Websocket,
}

impl Shape {
    pub const ALL: [Self; 6] =
        [Self::RestRequest, Self::RestToken, Self::HttpV1, Self::HttpV2, Self::HttpV2Simple, Self::Websocket];
}

/// The whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    #[serde(rename = "about")]
    _about: Vec<String>,
    credentials: BTreeMap<String, String>,
    configuration: Value,
    configuration_of: BTreeMap<Shape, BTreeMap<String, Value>>,
    kinds: BTreeMap<String, Vec<String>>,
    statuses: BTreeMap<Shape, BTreeMap<String, u16>>,
    emulator_statuses: BTreeMap<Shape, Deviation>,
    cases: Vec<Case>,
}

/// Where the emulator answers with another status than AWS, and why.
#[derive(Debug, Clone, Deserialize)]
struct Deviation {
    #[serde(rename = "why")]
    _why: String,
    #[serde(flatten)]
    statuses: BTreeMap<String, u16>,
}

/// One call.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What is special about it.
    pub name: String,
    /// The stage that is called.
    #[serde(default = "prod")]
    pub stage: String,
    /// The call is made once before.
    #[serde(default)]
    pub again: bool,
    #[serde(default = "get")]
    method: String,
    #[serde(default = "orders")]
    path: String,
    #[serde(default = "orders", rename = "template")]
    _template: String,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    query: Vec<(String, String)>,
    code: String,
    only: Option<Vec<Shape>>,
    #[serde(default)]
    shapes: BTreeMap<Shape, Exception>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum Exception {
    /// The shape knows no such call.
    NotKnown(#[expect(dead_code, reason = "for whoever reads the table")] String),
    Other(Other),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Other {
    /// Absent: the case's own. `null`: the authorizer is not called.
    #[serde(default, deserialize_with = "present")]
    code: Option<Option<String>>,
    status: Option<u16>,
    emulator: Option<String>,
}

/// What is expected of a call in the emulator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedOutcome {
    /// What the authorizer's log line says; `None` where it is not called.
    pub code: Option<String>,
    pub status: u16,
}

impl Table {
    pub fn read() -> Self {
        let path = parts::repository().join("authorizer/tests/cases.json");
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// The cases that the emulator can make of a shape, with what is expected.
    pub fn cases(&self, shape: Shape) -> impl Iterator<Item = (&Case, ExpectedOutcome)> {
        self.cases.iter().filter_map(move |case| Some((case, self.expected(case, shape)?)))
    }

    /// The names of the credentials that the cases use.
    pub fn credentials(&self) -> impl Iterator<Item = &str> {
        self.credentials.keys().map(String::as_str)
    }

    /// The authorizer's configuration for a shape, `${name}` replaced; a list `["${apis}"]` becomes `api_ids`.
    pub fn configuration(&self, shape: Shape, values: &BTreeMap<String, String>, api_ids: &[&str]) -> String {
        let mut document = self.configuration.clone();
        for (key, value) in self.configuration_of.get(&shape).into_iter().flatten() {
            document[key] = value.clone();
        }
        for stage in document["stages"].as_object_mut().expect("stages").values_mut() {
            if stage["api_ids"] == Value::from(["${apis}"].as_slice()) {
                stage["api_ids"] = api_ids.into();
            }
        }
        let mut text = document.to_string();
        for (name, value) in values {
            text = text.replace(&format!("${{{name}}}"), value);
        }
        text
    }

    fn expected(&self, case: &Case, shape: Shape) -> Option<ExpectedOutcome> {
        if case.only.as_ref().is_some_and(|only| !only.contains(&shape)) {
            return None;
        }
        let other = match case.shapes.get(&shape) {
            Some(Exception::NotKnown(_)) => return None,
            Some(Exception::Other(other)) if other.emulator.is_some() => return None,
            Some(Exception::Other(other)) => Some(other),
            None => None,
        };
        let code = other.and_then(|other| other.code.clone()).unwrap_or_else(|| Some(case.code.clone()));
        let told = other.and_then(|other| other.status);
        let status =
            told.unwrap_or_else(|| self.status(shape, code.as_deref().expect("a status without a code")));
        Some(ExpectedOutcome { code, status })
    }

    fn status(&self, shape: Shape, code: &str) -> u16 {
        let of_kind = |(kind, codes): (&String, &Vec<String>)| {
            codes.iter().any(|own| own == code).then(|| kind.clone())
        };
        let kind =
            if code == "allowed" { Some(code.to_owned()) } else { self.kinds.iter().find_map(of_kind) };
        let kind = kind.unwrap_or_else(|| panic!("`{code}` is of no kind"));
        let emulators =
            self.emulator_statuses.get(&shape).and_then(|deviation| deviation.statuses.get(&kind));
        emulators.copied().unwrap_or_else(|| self.statuses[&shape][&kind])
    }
}

impl Case {
    /// The request, below `base`, with `${name}` replaced by the credential of that name.
    pub fn request(&self, base: &str, credentials: &BTreeMap<String, String>) -> Request {
        let filled = |(name, value): &(String, String)| (name.clone(), fill(value, credentials));
        let query: Vec<_> =
            self.query.iter().map(filled).map(|(name, value)| format!("{name}={value}")).collect();
        let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
        Request {
            method: self.method.clone(),
            target: format!("{base}{}{query}", self.path),
            headers: self.headers.iter().map(filled).collect(),
        }
    }
}

fn fill(text: &str, credentials: &BTreeMap<String, String>) -> String {
    let Some((before, rest)) = text.split_once("${") else { return text.to_owned() };
    let (name, after) = rest.split_once('}').expect("`${name}`");
    let credential = credentials.get(name).unwrap_or_else(|| panic!("no credential is called `{name}`"));
    format!("{before}{credential}{}", fill(after, credentials))
}

fn present<'de, D: serde::Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}

fn prod() -> String {
    "prod".to_owned()
}

fn get() -> String {
    "GET".to_owned()
}

fn orders() -> String {
    "/orders".to_owned()
}
