//! The headers, query parameters and cookies of an event, each name with all its values.
//!
//! API Gateway puts one value of a repeated name in one map and all of them in another. This module merges the maps
//! of any shape into lists, so no value is lost. [`credential`](super::credential) decides which name carries a
//! credential.

use std::{borrow::Cow, slice};

use super::{EventError, Json};

/// More headers than a request's 10,240 bytes of them can carry (API Gateway quotas): not API Gateway's event.
pub(super) const MAX_FIELDS: usize = 10_240;

/// One kind of named values, from the two maps that an event has for it.
#[derive(Default)]
pub(super) struct Fields<'e> {
    /// From `headers` or `queryStringParameters`: one value a name. HTTP APIs join several with commas.
    pub(super) single: Vec<(Cow<'e, str>, &'e str)>,
    /// From `multiValueHeaders` or `multiValueQueryStringParameters`: every value.
    pub(super) multi: Vec<(Cow<'e, str>, &'e str)>,
}

impl<'e> Fields<'e> {
    /// `headers` and `multiValueHeaders`, names in lower case.
    pub(super) fn headers(event: &'e Json<'_>) -> Result<Self, EventError> {
        Self::read(event, ["headers", "multiValueHeaders"], lower_case)
    }

    /// `queryStringParameters` and `multiValueQueryStringParameters`, names as they are.
    pub(super) fn query(event: &'e Json<'_>) -> Result<Self, EventError> {
        Self::read(event, ["queryStringParameters", "multiValueQueryStringParameters"], Cow::Borrowed)
    }

    fn read(
        event: &'e Json<'_>,
        [single, multi]: [&'static str; 2],
        name: fn(&'e str) -> Cow<'e, str>,
    ) -> Result<Self, EventError> {
        let mut fields = Self::default();
        for (own, value) in object(event, single)? {
            push(&mut fields.single, name(own), value)?;
        }
        for (own, values) in object(event, multi)? {
            let values = if let Json::List(values) = values { values } else { slice::from_ref(values) };
            for value in values {
                push(&mut fields.multi, name(own), value)?;
            }
        }
        Ok(fields)
    }
}

fn lower_case(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        name.to_ascii_lowercase().into()
    } else {
        name.into()
    }
}

/// The names in a map of the event, with or without a value.
pub(super) fn names<'e>(
    event: &'e Json<'_>,
    key: &'static str,
) -> Result<impl Iterator<Item = &'e str>, EventError> {
    Ok(object(event, key)?.map(|(name, _)| name))
}

/// `cookies` of an HTTP API's event, each `name=value`.
pub(super) fn cookies<'e>(event: &'e Json<'_>) -> Result<Option<Vec<&'e str>>, EventError> {
    let odd = || EventError::Unsupported("its cookies are not a list of strings");
    match event.get("cookies") {
        None | Some(Json::Null) => Ok(None),
        Some(Json::List(cookies)) if cookies.len() > MAX_FIELDS => Err(too_many()),
        Some(Json::List(cookies)) => {
            cookies.iter().map(|cookie| cookie.as_str().ok_or_else(odd)).collect::<Result<_, _>>().map(Some)
        }
        Some(Json::Text(_) | Json::Members(_) | Json::Other) => Err(odd()),
    }
}

fn push<'e>(
    fields: &mut Vec<(Cow<'e, str>, &'e str)>,
    name: Cow<'e, str>,
    value: &'e Json<'_>,
) -> Result<(), EventError> {
    match value {
        Json::Null => {}
        Json::Text(value) => fields.push((name, value)),
        Json::Other | Json::List(_) | Json::Members(_) => {
            return Err(EventError::Unsupported("the value of a header or query parameter is not a string"));
        }
    }
    if fields.len() > MAX_FIELDS { Err(too_many()) } else { Ok(()) }
}

fn too_many() -> EventError {
    EventError::Unsupported("it has more headers, query parameters or cookies than API Gateway allows")
}

fn object<'e, 'j>(
    event: &'e Json<'j>,
    key: &str,
) -> Result<impl Iterator<Item = (&'e str, &'e Json<'j>)>, EventError> {
    let members = match event.get(key) {
        None | Some(Json::Null) => &[],
        Some(Json::Members(members)) => members.as_slice(),
        Some(Json::Text(_) | Json::List(_) | Json::Other) => {
            return Err(EventError::Unsupported("its headers or query parameters are not an object"));
        }
    };
    Ok(members.iter().map(|(name, value)| (name.as_ref(), value)))
}
