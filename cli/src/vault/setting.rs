//! One field of an object, compared by its meaning: seconds are seconds, a list has no order, and an absent field has
//! its default.
//!
//! Receives the wanted value and the server's answer; produces the difference, and the forms to send and to print.

use std::{collections::BTreeSet, fmt};

use serde_json::{Map, Value, json};

use crate::output::plain;

/// A field and what it must say.
#[derive(Debug, Clone)]
pub(crate) struct Field {
    /// Its name in Vault's API.
    pub(crate) name: &'static str,
    wanted: Setting,
    stays: Stays,
}

/// What of the server's own stays as it is.
#[derive(Debug, Clone, Copy)]
enum Stays {
    Nothing,
    /// Whatever it says, so long as it says something.
    Whole,
    /// All claims but this one.
    OtherClaims(&'static str),
}

/// What a field says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Setting {
    /// Yes or no.
    Flag(bool),
    /// A text.
    Text(String),
    /// A list whose order means nothing.
    Set(BTreeSet<String>),
    /// A duration.
    Seconds(u64),
    /// A number.
    Number(u64),
    /// Claims, each with the values that it may have.
    Claims(Map<String, Value>),
    /// What the server has, and which is of no form that would be wanted.
    Other(String),
}

impl Field {
    /// It must say this.
    pub(crate) fn exactly(name: &'static str, wanted: Setting) -> Self {
        Self { name, wanted, stays: Stays::Nothing }
    }

    /// It must say this where the server says nothing.
    pub(crate) fn unless_set(name: &'static str, wanted: Setting) -> Self {
        Self { name, wanted, stays: Stays::Whole }
    }

    /// One of its claims must have one of these values; where there are none, the claim must be free. The others are left alone.
    pub(crate) fn claim(name: &'static str, claim: &'static str, values: &BTreeSet<String>) -> Self {
        let claims = (!values.is_empty()).then(|| (claim.to_owned(), json!(values)));
        Self { name, wanted: Setting::Claims(claims.into_iter().collect()), stays: Stays::OtherClaims(claim) }
    }

    /// What it must say on a server that has `found`.
    pub(crate) fn on(&self, found: Option<&Value>) -> Setting {
        match (self.stays, self.found(found), &self.wanted) {
            (Stays::Whole, Setting::Text(text), _) if !text.is_empty() => Setting::Text(text),
            (Stays::OtherClaims(claim), Setting::Claims(mut claims), Setting::Claims(wanted)) => {
                claims.remove(claim);
                claims.extend(wanted.clone());
                Setting::Claims(claims)
            }
            (Stays::Nothing | Stays::Whole | Stays::OtherClaims(_), _, wanted) => wanted.clone(),
        }
    }

    /// What it says on a server.
    pub(crate) fn found(&self, found: Option<&Value>) -> Setting {
        let value = found.and_then(|data| data.get(self.name)).unwrap_or(&Value::Null);
        self.wanted.read_alike(value).unwrap_or_else(|| Setting::Other(plain(&value.to_string())))
    }
}

impl Setting {
    /// A value of the server's in the form of this one.
    fn read_alike(&self, value: &Value) -> Option<Self> {
        let none = value.is_null();
        match self {
            Self::Flag(_) => value.as_bool().or(none.then_some(false)).map(Self::Flag),
            Self::Text(_) => value.as_str().or(none.then_some("")).map(|text| Self::Text(plain(text))),
            Self::Set(_) if none => Some(Self::Set(BTreeSet::new())),
            Self::Set(_) => {
                let items = value.as_array()?.iter().map(|item| item.as_str().map(plain));
                items.collect::<Option<BTreeSet<_>>>().map(Self::Set)
            }
            Self::Seconds(_) => whole(value).or(none.then_some(0)).map(Self::Seconds),
            Self::Number(_) => whole(value).or(none.then_some(0)).map(Self::Number),
            Self::Claims(_) if none => Some(Self::Claims(Map::new())),
            Self::Claims(_) => value.as_object().map(|claims| Self::Claims(sorted(claims))),
            Self::Other(_) => None,
        }
    }

    /// As it is sent.
    pub(crate) fn to_json(&self) -> Value {
        match self {
            Self::Flag(flag) => json!(flag),
            Self::Text(text) | Self::Other(text) => json!(text),
            Self::Set(items) => json!(items),
            Self::Seconds(seconds) => json!(format!("{seconds}s")),
            Self::Number(number) => json!(number),
            Self::Claims(claims) => json!(claims),
        }
    }
}

/// Claims whose lists of values are in order, since their order means nothing.
fn sorted(claims: &Map<String, Value>) -> Map<String, Value> {
    let mut claims = claims.clone();
    for values in claims.values_mut().filter_map(Value::as_array_mut) {
        values.sort_by_key(ToString::to_string);
    }
    claims
}

/// A number without a fraction, in whichever of JSON's forms: `200` and `200.0` are one.
fn whole(value: &Value) -> Option<u64> {
    let text = value.as_number()?.to_string();
    text.strip_suffix(".0").unwrap_or(&text).parse().ok()
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag(flag) => flag.fmt(f),
            Self::Text(text) if text.is_empty() => f.write_str("(none)"),
            Self::Text(text) | Self::Other(text) => f.write_str(text),
            Self::Set(items) if items.is_empty() => f.write_str("(none)"),
            Self::Set(items) => f.write_str(&items.iter().cloned().collect::<Vec<_>>().join(", ")),
            Self::Seconds(seconds) => write!(f, "{seconds}s"),
            Self::Number(number) => number.fmt(f),
            Self::Claims(claims) if claims.is_empty() => f.write_str("(none)"),
            Self::Claims(claims) => f.write_str(&plain(&json!(claims).to_string())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(wanted: Setting, value: &Value) -> Setting {
        Field::exactly("x", wanted).found(Some(&json!({"x": value})))
    }

    fn set(items: &[&str]) -> Setting {
        Setting::Set(items.iter().map(|item| (*item).to_owned()).collect())
    }

    #[test]
    fn values_are_compared_by_what_they_mean() {
        assert_eq!(found(set(&["a", "b"]), &json!(["b", "a", "b"])), set(&["a", "b"]));
        assert_eq!(found(Setting::Number(200), &json!(200.0)), Setting::Number(200));
        assert_eq!(found(Setting::Seconds(120), &json!(120)), Setting::Seconds(120));
        for (wanted, default) in [
            (Setting::Flag(true), Setting::Flag(false)),
            (Setting::Text("v01".to_owned()), Setting::Text(String::new())),
            (set(&["a"]), set(&[])),
            (Setting::Seconds(1), Setting::Seconds(0)),
            (Setting::Number(1), Setting::Number(0)),
        ] {
            assert_eq!(found(wanted.clone(), &Value::Null), default, "null is the default");
            assert_eq!(Field::exactly("x", wanted).found(Some(&json!({}))), default, "and so is absence");
        }
    }

    #[test]
    fn rejects_a_value_of_another_form_as_a_difference() {
        for (wanted, value, shown) in [
            (Setting::Number(100), json!(100.5), "100.5"),
            (Setting::Flag(true), json!("true"), "\"true\""),
            (set(&["a"]), json!([1]), "[1]"),
            (Setting::Seconds(15), json!(-15), "-15"),
        ] {
            assert_eq!(found(wanted, &value), Setting::Other(shown.to_owned()));
        }
    }

    #[test]
    fn one_claim_is_held_and_the_others_are_left_alone() {
        let held = |values: &[&str], found: Value| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            let field = Field::claim("bound_claims", "sub", &values);
            let found = json!({"bound_claims": found});
            (field.on(Some(&found)).to_json(), field.on(Some(&found)) == field.found(Some(&found)))
        };
        let two = || json!({"sub": ["a", "b"], "org": 1});
        assert_eq!(held(&["a", "b"], json!({"sub": ["b", "a"], "org": 1})), (two(), true));
        assert_eq!(held(&["a", "b"], json!({"sub": "a"})), (json!({"sub": ["a", "b"]}), false));
        assert_eq!(held(&["a", "b"], Value::Null), (json!({"sub": ["a", "b"]}), false));
        assert_eq!(held(&[], two()), (json!({"org": 1}), false));
        assert_eq!(held(&[], Value::Null), (json!({}), true));
    }

    #[test]
    fn the_servers_value_stays_only_where_it_may() {
        let suffix = Field::unless_set("path_suffix", Setting::Text("v01".to_owned()));
        for (found, kept) in [(json!({"path_suffix": "v07"}), "v07"), (json!({"path_suffix": ""}), "v01")] {
            assert_eq!(suffix.on(Some(&found)), Setting::Text(kept.to_owned()));
        }
        assert_eq!(suffix.on(None), Setting::Text("v01".to_owned()));
        let exact = Field::exactly("path_suffix", Setting::Text("v01".to_owned()));
        assert_eq!(exact.on(Some(&json!({"path_suffix": "v07"}))), Setting::Text("v01".to_owned()));
    }
}
