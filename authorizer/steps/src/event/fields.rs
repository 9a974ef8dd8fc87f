//! The named values of an event: headers, query parameters and cookies, every one with every value.
//!
//! Receives the event's maps, of whichever shape; produces lists in which nothing is lost: API Gateway keeps one value of
//! a repeated name in one map and all of them in another. Leaves which name carries a credential to
//! [`credential`](super::credential).

use serde_json::{Map, Value};

use super::EventError;

/// More headers than a request's 10,240 bytes of them can carry (API Gateway quotas): not API Gateway's event.
pub(super) const MAX_FIELDS: usize = 10_240;

/// One kind of named values, from the two maps that an event has for it.
#[derive(Default)]
pub(super) struct Fields {
    /// From `headers` or `queryStringParameters`: one value a name. HTTP APIs join several with commas.
    pub(super) single: Vec<(String, String)>,
    /// From `multiValueHeaders` or `multiValueQueryStringParameters`: every value.
    pub(super) multi: Vec<(String, String)>,
}

impl Fields {
    /// `headers` and `multiValueHeaders`, names in lower case.
    pub(super) fn headers(event: &Map<String, Value>) -> Result<Self, EventError> {
        Self::read(event, ["headers", "multiValueHeaders"], str::to_ascii_lowercase)
    }

    /// `queryStringParameters` and `multiValueQueryStringParameters`, names as they are.
    pub(super) fn query(event: &Map<String, Value>) -> Result<Self, EventError> {
        Self::read(event, ["queryStringParameters", "multiValueQueryStringParameters"], str::to_owned)
    }

    fn read(
        event: &Map<String, Value>,
        [single, multi]: [&'static str; 2],
        name: fn(&str) -> String,
    ) -> Result<Self, EventError> {
        let mut fields = Self::default();
        for (own, value) in object(event, single)? {
            push(&mut fields.single, name(own), value)?;
        }
        for (own, values) in object(event, multi)? {
            for value in values.as_array().map_or(std::slice::from_ref(values), Vec::as_slice) {
                push(&mut fields.multi, name(own), value)?;
            }
        }
        Ok(fields)
    }
}

/// The names in a map of the event, with or without a value.
pub(super) fn names<'a>(
    event: &'a Map<String, Value>,
    key: &'static str,
) -> Result<impl Iterator<Item = &'a str>, EventError> {
    Ok(object(event, key)?.map(|(name, _)| name.as_str()))
}

/// `cookies` of an HTTP API's event, each `name=value`.
pub(super) fn cookies(event: &Map<String, Value>) -> Result<Option<Vec<String>>, EventError> {
    let odd = || EventError::Unsupported("its cookies are not a list of texts");
    match event.get("cookies") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(cookies)) if cookies.len() > MAX_FIELDS => Err(too_many()),
        Some(Value::Array(cookies)) => cookies
            .iter()
            .map(|cookie| cookie.as_str().map(str::to_owned).ok_or_else(odd))
            .collect::<Result<_, _>>()
            .map(Some),
        Some(_) => Err(odd()),
    }
}

fn push(fields: &mut Vec<(String, String)>, name: String, value: &Value) -> Result<(), EventError> {
    match value {
        Value::Null => {}
        Value::String(value) => fields.push((name, value.clone())),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            return Err(EventError::Unsupported("a header's or query parameter's value is not text"));
        }
    }
    if fields.len() > MAX_FIELDS { Err(too_many()) } else { Ok(()) }
}

fn too_many() -> EventError {
    EventError::Unsupported("it has more headers, query parameters or cookies than API Gateway carries")
}

fn object<'a>(
    event: &'a Map<String, Value>,
    key: &str,
) -> Result<impl Iterator<Item = (&'a String, &'a Value)>, EventError> {
    match event.get(key) {
        None | Some(Value::Null) => Ok(None.into_iter().flatten()),
        Some(Value::Object(map)) => Ok(Some(map.iter()).into_iter().flatten()),
        Some(_) => Err(EventError::Unsupported("its headers or query parameters are not an object")),
    }
}
