//! JSON objects in which no member occurs twice, at any depth.
//!
//! Receives bytes; produces one object. The readers of tokens and key sets know what belongs in it.
//!
//! RFC 7515 section 4, RFC 7517 section 4 and RFC 7519 section 4 let a parser keep the last of two members with the
//! same name. Two parsers that keep different ones see two tokens under one signature. So a second member is an error
//! here.

use std::{cell::RefCell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::shown::shown;

/// Why some bytes are not one JSON object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnObject {
    /// The parser's words, which never quote the text.
    #[error("must be JSON: {0}")]
    Json(String),
    /// A list, a text or another value.
    #[error("must be a JSON object")]
    Other,
    /// A member is there twice.
    #[error("must not have `{0}` twice")]
    Twice(String),
}

/// Reads one JSON object and nothing after it.
pub(super) fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    read(bytes).ok()
}

/// The same, and why not.
pub(super) fn read(bytes: &[u8]) -> Result<Map<String, Value>, NotAnObject> {
    let twice = RefCell::default();
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let value = Unique { twice: &twice }.deserialize(&mut json);
    match (value.and_then(|value| json.end().map(|()| value)), twice.take()) {
        (Ok(Value::Object(map)), _) => Ok(map),
        (Ok(_), _) => Err(NotAnObject::Other),
        (Err(_), Some(member)) => Err(NotAnObject::Twice(member)),
        (Err(error), None) => Err(NotAnObject::Json(error.to_string())),
    }
}

#[derive(Clone, Copy)]
struct Unique<'a> {
    /// Where the member is told that ended the parse: an error of serde's is only text.
    twice: &'a RefCell<Option<String>>,
}

impl<'de> DeserializeSeed<'de> for Unique<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(list.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(self)?;
            if map.contains_key(&name) {
                self.twice.replace(Some(shown(&name)));
                return Err(A::Error::custom("a member occurs twice"));
            }
            map.insert(name, value);
        }
        Ok(map.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_reads_as_serde_json_reads_it() {
        let text = r#"{"a":1,"b":-2,"c":1.5,"d":"x","e":[true,null,{"a":"again, elsewhere"}],"f":{}}"#;
        assert_eq!(
            Value::Object(object(text.as_bytes()).unwrap()),
            serde_json::from_str::<Value>(text).unwrap()
        );
    }

    #[test]
    fn rejects_a_duplicate_member_at_any_depth_and_in_any_spelling() {
        for (text, member) in [
            (r#"{"alg":"RS256","alg":"none"}"#, "alg"),
            (r#"{"a":{"b":1,"b":1}}"#, "b"),
            (r#"{"a":[{"b":1,"b":2}]}"#, "b"),
            (r#"{"alg":"RS256","\u0061lg":"none"}"#, "alg"),
            (r#"{"`\u001b":1,"`\u001b":1}"#, "\\u{60}\\u{1b}"),
        ] {
            assert_eq!(read(text.as_bytes()), Err(NotAnObject::Twice(member.to_owned())), "{text}");
        }
    }

    #[test]
    fn rejects_what_is_not_one_object() {
        for text in ["[]", "null", "1", "\"x\""] {
            assert_eq!(read(text.as_bytes()), Err(NotAnObject::Other), "{text}");
        }
        for text in ["", "{} {}", "{}x", "{\"a\":1,}", "{'a':1}", "\u{feff}{}", "{\"a\":1e999}"] {
            let Err(NotAnObject::Json(why)) = read(text.as_bytes()) else { panic!("{text}") };
            assert!(why.contains("at line 1 column"), "{why}");
        }
        assert!(object(b"{\"a\":\"\xff\"}").is_none());
        assert!(object(format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200)).as_bytes()).is_none());
    }
}
