//! Parses an event's JSON without copying its strings.
//!
//! The tree borrows each string from the event's bytes, and copies only those that hold an escape. It does not tell
//! numbers and booleans apart, because no step asks for one. An object with a duplicate member is an error, because JSON
//! parsers differ in which of the two they keep (RFC 8259, section 4). The other modules of this step know what each
//! member means.

use std::{borrow::Cow, collections::BTreeSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

/// A value of an event.
pub enum Json<'e> {
    /// `null`
    Null,
    /// A string.
    Text(Cow<'e, str>),
    /// An array.
    List(Vec<Json<'e>>),
    /// An object.
    Members(Vec<(Cow<'e, str>, Json<'e>)>),
    /// A number, `true` or `false`.
    Other,
}

impl Json<'_> {
    /// The member with this name, of an object.
    pub fn get(&self, name: &str) -> Option<&Self> {
        let Self::Members(members) = self else { return None };
        members.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// The text, of a string.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::Text(text) = self { Some(text) } else { None }
    }
}

/// An event holds the caller's credential.
impl fmt::Debug for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Json(** redacted **)")
    }
}

impl<'e> From<&'e Value> for Json<'e> {
    fn from(value: &'e Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::String(text) => Self::Text(text.into()),
            Value::Array(items) => Self::List(items.iter().map(Self::from).collect()),
            Value::Object(members) => {
                let members = members.iter().map(|(name, value)| (name.into(), value.into()));
                Self::Members(members.collect())
            }
            Value::Bool(_) | Value::Number(_) => Self::Other,
        }
    }
}

impl<'e> Deserialize<'e> for Json<'e> {
    fn deserialize<D: Deserializer<'e>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyJson)
    }
}

struct AnyJson;

impl<'e> Visitor<'e> for AnyJson {
    type Value = Json<'e>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Json<'e>, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Json<'e>, E> {
        Ok(Json::Other)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Json<'e>, E> {
        Ok(Json::Other)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Json<'e>, E> {
        Ok(Json::Other)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Json<'e>, E> {
        Ok(Json::Other)
    }

    fn visit_borrowed_str<E: Error>(self, text: &'e str) -> Result<Json<'e>, E> {
        Ok(Json::Text(text.into()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Json<'e>, E> {
        Ok(Json::Text(text.to_owned().into()))
    }

    fn visit_seq<A: SeqAccess<'e>>(self, mut items: A) -> Result<Json<'e>, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'e>>(self, mut entries: A) -> Result<Json<'e>, A::Error> {
        let mut members = Vec::new();
        while let Some((Name(name), value)) = entries.next_entry()? {
            members.push((name, value));
        }
        if has_duplicate(&members) {
            return Err(Error::custom("an object has a duplicate member"));
        }
        Ok(Json::Members(members))
    }
}

/// Most names of a small object differ in length, so to compare each pair costs less than any set. A caller can make an object
/// large.
fn has_duplicate(members: &[(Cow<'_, str>, Json<'_>)]) -> bool {
    if members.len() > 64 {
        return members.iter().map(|(name, _)| name).collect::<BTreeSet<_>>().len() < members.len();
    }
    let mut rest = members;
    while let [(name, _), others @ ..] = rest {
        if others.iter().any(|(other, _)| other == name) {
            return true;
        }
        rest = others;
    }
    false
}

/// A member's name. serde alone would copy every one.
#[derive(Deserialize)]
struct Name<'e>(#[serde(borrow)] Cow<'e, str>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_without_an_escape_are_the_events_own() {
        let json: Json = serde_json::from_str(r#"{"a":"x","b\n":["y\t", null, true, 1.5, -1]}"#).unwrap();
        let Json::Members(members) = &json else { panic!() };
        assert!(members.iter().map(|(name, _)| matches!(name, Cow::Borrowed(_))).eq([true, false]));
        assert!(matches!(json.get("a"), Some(Json::Text(Cow::Borrowed("x")))));
        assert!(matches!(json.get("b\n"), Some(Json::List(items)) if matches!(
            items.as_slice(),
            [Json::Text(Cow::Owned(text)), Json::Null, Json::Other, Json::Other, Json::Other] if text == "y\t"
        )));
    }

    #[test]
    fn rejects_a_duplicate_member() {
        for twice in [
            r#"{"headers":{"cookie":"session=a.b.c","cookie":null}}"#,
            r#"{"headers":{"authorization":"Bearer a.b.c"},"headers":{}}"#,
            r#"{"a":1,"\u0061":2}"#,
        ] {
            let error = serde_json::from_str::<Json>(twice).unwrap_err().to_string();
            assert!(error.starts_with("an object has a duplicate member"), "{twice}: {error}");
        }
        for members in 2..100 {
            let names = (1..members).map(|n| format!("\"{n}\":{n},")).collect::<String>();
            let text = |last: &str| format!("{{{names}\"{last}\":0}}");
            assert!(serde_json::from_str::<Json>(&text("0")).is_ok());
            assert!(serde_json::from_str::<Json>(&text("1")).is_err(), "{members}");
        }
    }
}
