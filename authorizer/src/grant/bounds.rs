//! What must hold of a caller's claims: `bound_subject` and `bound_claims`, as Vault's JWT auth method names them
//! (Vault documentation, "JWT/OIDC auth method (API)", `bound_claims`, `bound_claims_type`).
//!
//! Receives verified claims; says whether they are within the bounds. Leaves routes and issuers to the rule.

use serde_json::Value;

use crate::identity::Claims;

/// The bounds of one grant. All must hold.
#[derive(Debug, Clone, Default)]
pub struct Bounds {
    /// `sub`, compared exactly.
    pub subject: Option<String>,
    /// Claims by name.
    pub claims: Vec<BoundClaim>,
}

/// One claim that must have one of some values.
#[derive(Debug, Clone)]
pub struct BoundClaim {
    /// The claim's name, or a JSON pointer.
    pub name: String,
    /// The values, any of which will do.
    pub any_of: Vec<Pattern>,
}

/// One value to compare with.
#[derive(Debug, Clone, PartialEq)]
pub enum Pattern {
    /// This text, number or boolean.
    Exactly(Value),
    /// A text in which each `*` stands for any run of characters (`bound_claims_type: glob`).
    Glob(String),
}

impl Bounds {
    /// Whether every bound holds.
    pub fn hold(&self, claims: &Claims) -> bool {
        let subject_holds =
            self.subject.as_ref().is_none_or(|own| claims.get("sub").and_then(Value::as_str) == Some(own));
        subject_holds && self.claims.iter().all(|bound| bound.holds(claims))
    }
}

impl BoundClaim {
    /// An absent claim never satisfies a bound.
    fn holds(&self, claims: &Claims) -> bool {
        let Some(value) = claims.get(&self.name) else { return false };
        self.values(value).iter().any(|value| self.any_of.iter().any(|pattern| pattern.matches(value)))
    }

    /// A list counts by its items, and `scope` (RFC 8693) or `scp` by its words.
    fn values(&self, value: &Value) -> Vec<Value> {
        match value {
            Value::Array(items) => items.clone(),
            Value::String(words) if matches!(self.name.as_str(), "scope" | "scp") => {
                words.split(' ').filter(|word| !word.is_empty()).map(Value::from).collect()
            }
            Value::String(_) | Value::Number(_) | Value::Bool(_) | Value::Null | Value::Object(_) => {
                vec![value.clone()]
            }
        }
    }
}

impl Pattern {
    fn matches(&self, value: &Value) -> bool {
        match self {
            Self::Exactly(own) => own == value,
            Self::Glob(pattern) => value.as_str().is_some_and(|text| glob(pattern, text)),
        }
    }
}

/// Each piece between stars is taken at its first place, which finds a match if there is one.
fn glob(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut pieces: Vec<&str> = rest.split('*').collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        let Some((_, after)) = text.split_once(piece) else { return false };
        text = after;
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_matches_as_a_whole() {
        for (pattern, text, expected) in [
            ("orders:*", "orders:read", true),
            ("orders:*", "orders:", true),
            ("orders:*", "my-orders:read", false),
            ("*:read", "orders:read", true),
            ("*:read", "orders:read:all", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("a**a", "aa", true),
            ("*", "", true),
            ("plain", "plain", true),
            ("plain", "plainer", false),
        ] {
            assert_eq!(glob(pattern, text), expected, "{pattern} {text}");
        }
    }
}
