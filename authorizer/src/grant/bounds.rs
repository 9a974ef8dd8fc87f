//! What must hold of a caller: `bound_subject` and `bound_claims`, as Vault's JWT auth method names them (Vault
//! documentation, "JWT/OIDC auth method (API)", `bound_claims`, `bound_claims_type`), and `bound_iam_principal_arns` and
//! `bound_iam_principal_ids`, after Vault's AWS auth method.
//!
//! Receives an identity; says whether it is within the bounds, or which one it breaks. Leaves routes and issuers to the
//! rule.

use serde_json::Value;

use crate::identity::{Claims, Identity};

/// The bounds of one grant. All must hold.
#[derive(Debug, Clone, Default)]
pub struct Bounds {
    /// `sub`, compared exactly.
    pub subject: Option<String>,
    /// Claims by name.
    pub claims: Vec<BoundClaim>,
    /// ARNs of principals, any of which will do. Empty where none is bound.
    pub principal_arns: Vec<Pattern>,
    /// Unique ids of principals, any of which will do. Empty where none is bound.
    pub principal_ids: Vec<String>,
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
    /// This text, whole number or boolean.
    Exactly(Value),
    /// A text in which each `*` stands for any run of characters (`bound_claims_type: glob`).
    Glob(String),
}

/// The first bound that does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unbound<'a> {
    /// `bound_subject`.
    #[error("`sub` is not its `bound_subject`")]
    Subject,
    /// `bound_claims`.
    #[error("the claim `{0}` is absent, or has none of the values in `bound_claims`")]
    Claim(&'a str),
    /// `bound_iam_principal_arns`.
    #[error("the principal's ARN is not among `bound_iam_principal_arns`")]
    PrincipalArn,
    /// `bound_iam_principal_ids`.
    #[error("the principal's unique id is not among `bound_iam_principal_ids`")]
    PrincipalId,
}

impl Bounds {
    /// Whether every bound holds.
    ///
    /// # Errors
    ///
    /// The first that does not. What an identity does not have never satisfies a bound.
    pub fn check(&self, identity: &Identity) -> Result<(), Unbound<'_>> {
        let claim = |name: &str| identity.claims().and_then(|claims| claims.get(name));
        let subject_holds =
            self.subject.as_ref().is_none_or(|own| claim("sub").and_then(Value::as_str) == Some(own));
        if !subject_holds {
            return Err(Unbound::Subject);
        }
        let broken =
            self.claims.iter().find(|bound| !identity.claims().is_some_and(|claims| bound.holds(claims)));
        if let Some(bound) = broken {
            return Err(Unbound::Claim(&bound.name));
        }
        let arn_holds = |arn: &str| self.principal_arns.iter().any(|own| own.matches_text(arn));
        if !self.principal_arns.is_empty() && !identity.principal_arn().is_some_and(arn_holds) {
            return Err(Unbound::PrincipalArn);
        }
        let id_holds = |id: &str| self.principal_ids.iter().any(|own| own == id);
        if !self.principal_ids.is_empty() && !identity.principal_id().is_some_and(id_holds) {
            return Err(Unbound::PrincipalId);
        }
        Ok(())
    }

    /// Whether nothing is bound (`any: true`).
    pub fn is_any(&self) -> bool {
        let Self { subject, claims, principal_arns, principal_ids } = self;
        subject.is_none() && claims.is_empty() && principal_arns.is_empty() && principal_ids.is_empty()
    }

    /// Whether every identity within `other` is within these bounds, as far as that can be told without knowing what claims
    /// mean: `false` says nothing.
    pub fn include(&self, other: &Self) -> bool {
        let subject = self.subject.is_none() || self.subject == other.subject;
        let claims = self.claims.iter().all(|own| {
            other.claims.iter().any(|other| own.name == other.name && include(&own.any_of, &other.any_of))
        });
        let bound = |own: bool, other: bool, included: bool| own || (!other && included);
        let arns = bound(
            self.principal_arns.is_empty(),
            other.principal_arns.is_empty(),
            include(&self.principal_arns, &other.principal_arns),
        );
        let ids = bound(
            self.principal_ids.is_empty(),
            other.principal_ids.is_empty(),
            other.principal_ids.iter().all(|id| self.principal_ids.contains(id)),
        );
        subject && claims && arns && ids
    }
}

/// Whether whatever one of `other` matches, one of `own` does.
fn include(own: &[Pattern], other: &[Pattern]) -> bool {
    other.iter().all(|other| own.iter().any(|own| own.includes(other)))
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
    /// INVARIANT (numbers are compared exactly): a float equals every number that rounds to it, so none ever matches. What is
    /// written as a whole number of 64 bits is read as an integer, in the configuration and in a token.
    fn matches(&self, value: &Value) -> bool {
        match self {
            Self::Exactly(own) => own == value && !own.is_f64(),
            Self::Glob(pattern) => value.as_str().is_some_and(|text| glob(pattern, text)),
        }
    }

    /// Whether a text is this one, or one that it stands for.
    pub fn matches_text(&self, text: &str) -> bool {
        match self {
            Self::Exactly(own) => own == text,
            Self::Glob(pattern) => glob(pattern, text),
        }
    }

    /// Only a star of this pattern can take in a star of the other, and then it takes in whatever that one stands for.
    fn includes(&self, other: &Self) -> bool {
        match other {
            Self::Exactly(value) => self.matches(value),
            Self::Glob(pattern) => matches!(self, Self::Glob(own) if glob(own, pattern)),
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

    #[test]
    fn bounds_include_narrower_ones_and_no_others() {
        let texts = |values: &[&str]| values.iter().map(|value| Pattern::Exactly((*value).into())).collect();
        let claim = |name: &str, any_of: Vec<Pattern>| {
            let claims = vec![BoundClaim { name: name.to_owned(), any_of }];
            Bounds { claims, ..Bounds::default() }
        };
        let globs = |values: &[&str]| values.iter().map(|value| Pattern::Glob((*value).into())).collect();
        let arns = |principal_arns| Bounds { principal_arns, ..Bounds::default() };
        let ids = |ids: &[&str]| Bounds {
            principal_ids: ids.iter().map(|id| (*id).to_owned()).collect(),
            ..Bounds::default()
        };
        let alice = Bounds { subject: Some("alice".to_owned()), ..Bounds::default() };
        let both = Bounds { claims: claim("team", texts(&["a"])).claims, ..alice.clone() };
        for (own, other, expected) in [
            (Bounds::default(), alice.clone(), true),
            (alice.clone(), Bounds::default(), false),
            (alice.clone(), both.clone(), true),
            (both, alice, false),
            (claim("team", texts(&["a", "b"])), claim("team", texts(&["b"])), true),
            (claim("team", texts(&["a"])), claim("team", texts(&["a", "b"])), false),
            (claim("team", texts(&["a"])), claim("group", texts(&["a"])), false),
            (claim("team", globs(&["a*"])), claim("team", texts(&["ab"])), true),
            (claim("team", globs(&["a*"])), claim("team", globs(&["ab*c"])), true),
            (claim("team", globs(&["ab*"])), claim("team", globs(&["a*"])), false),
            (claim("team", globs(&["*"])), claim("team", vec![Pattern::Exactly(3.into())]), false),
            (claim("team", texts(&["a*"])), claim("team", globs(&["a*"])), false),
            (arns(texts(&["x", "y"])), arns(texts(&["y"])), true),
            (arns(texts(&["x"])), Bounds::default(), false),
            (arns(Vec::new()), arns(texts(&["x"])), true),
            (ids(&["AROA1", "AROA2"]), ids(&["AROA2"]), true),
            (ids(&["AROA1"]), ids(&["AROA2"]), false),
            (ids(&["AROA1"]), Bounds::default(), false),
        ] {
            assert_eq!(own.include(&other), expected, "{own:?} {other:?}");
        }
        assert!(Bounds::default().is_any() && !ids(&["AROA1"]).is_any());
    }
}
