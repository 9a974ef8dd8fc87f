//! The conditions that a caller must meet. `bound_subject` and `bound_claims` work as in Vault's JWT auth method
//! (Vault documentation, "JWT/OIDC auth method (API)", `bound_claims`, `bound_claims_type`);
//! `bound_iam_principal_arns` and `bound_iam_principal_ids` follow Vault's AWS auth method.
//!
//! Receives an identity and says which conditions it does not meet. The rule checks routes and issuers.

use std::fmt;

use serde_json::Value;
use vault_context::CallerBinding;

use crate::{
    identity::{Claims, Identity, RequiredBinding},
    shown::shown,
};

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
    /// What the caller's token is bound to.
    pub binding: Option<RequiredBinding>,
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

/// A bound that a caller does not meet, and what the caller has. Claims are personal data: its text is for whoever explains a
/// decision, and not for the log.
#[derive(Debug, Clone, Copy)]
pub enum Unmet<'a> {
    /// `bound_subject`.
    Subject {
        /// What `sub` must be.
        bound: &'a str,
        /// What it is.
        found: Option<&'a Value>,
    },
    /// One of `bound_claims`.
    Claim {
        /// What the claim must be.
        bound: &'a BoundClaim,
        /// What it is.
        found: Option<&'a Value>,
    },
    /// `bound_iam_principal_arns`.
    PrincipalArn {
        /// What the ARN must be.
        any_of: &'a [Pattern],
        /// What it is.
        found: Option<&'a str>,
    },
    /// `bound_iam_principal_ids`.
    PrincipalId {
        /// What the unique id must be.
        any_of: &'a [String],
        /// What it is.
        found: Option<&'a str>,
    },
    /// `binding`.
    Binding {
        /// What the token must be bound to.
        bound: RequiredBinding,
        /// What it is bound to.
        found: CallerBinding,
    },
}

impl Bounds {
    /// Every bound that the caller does not meet. What an identity does not have never meets a bound.
    pub(crate) fn unmet<'a>(&'a self, identity: &'a Identity) -> Vec<Unmet<'a>> {
        let claim = |name: &str| identity.claims().and_then(|claims| claims.get(name));
        let subject = self.subject.as_deref().map(|bound| (bound, claim("sub")));
        let subject = subject.filter(|(bound, found)| found.and_then(Value::as_str) != Some(bound));
        let subject = subject.map(|(bound, found)| Unmet::Subject { bound, found });

        let holds = |bound: &BoundClaim| identity.claims().is_some_and(|claims| bound.holds(claims));
        let claims = self.claims.iter().filter(|bound| !holds(bound));
        let claims = claims.map(|bound| Unmet::Claim { bound, found: claim(&bound.name) });

        let (any_of, found) = (self.principal_arns.as_slice(), identity.principal_arn());
        let holds = |arn: &str| any_of.iter().any(|own| own.matches_text(arn));
        let arn = (!any_of.is_empty() && !found.is_some_and(holds))
            .then_some(Unmet::PrincipalArn { any_of, found });

        let (any_of, found) = (self.principal_ids.as_slice(), identity.principal_id());
        let holds = |id: &str| any_of.iter().any(|own| own == id);
        let id =
            (!any_of.is_empty() && !found.is_some_and(holds)).then_some(Unmet::PrincipalId { any_of, found });

        let binding = self.binding.filter(|bound| !identity.is_bound(*bound));
        let binding = binding.map(|bound| Unmet::Binding { bound, found: identity.binding() });

        subject.into_iter().chain(claims).chain(arn).chain(id).chain(binding).collect()
    }

    /// Whether nothing is bound (`any: true`). A binding says nothing of who the caller is.
    pub fn is_any(&self) -> bool {
        let Self { subject, claims, principal_arns, principal_ids, binding: _ } = self;
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
        let binding = match (self.binding, other.binding) {
            (None, _) | (Some(RequiredBinding::Any), Some(_)) => true,
            (own, other) => own == other,
        };
        subject && claims && arns && ids && binding
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

impl fmt::Display for Unmet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject { bound, found } => {
                write!(f, "`sub` {}, but `bound_subject` is {}", is(*found), quoted(bound))
            }
            Self::Claim { bound, found } => {
                let wanted = wanted(bound.any_of.iter().map(ToString::to_string));
                write!(
                    f,
                    "the claim `{}` {}, but `bound_claims` requires {wanted}",
                    shown(&bound.name),
                    is(*found)
                )
            }
            Self::PrincipalArn { any_of, found } => {
                let wanted = wanted(any_of.iter().map(ToString::to_string));
                let found = found.map_or_else(|| "is absent".to_owned(), |arn| format!("is {}", quoted(arn)));
                write!(f, "the principal's ARN {found}, but `bound_iam_principal_arns` requires {wanted}")
            }
            Self::PrincipalId { any_of, found } => {
                let wanted = wanted(any_of.iter().map(|id| quoted(id)));
                let found = found.map_or_else(|| "is absent".to_owned(), |id| format!("is {}", quoted(id)));
                write!(
                    f,
                    "the principal's unique id {found}, but `bound_iam_principal_ids` requires {wanted}"
                )
            }
            Self::Binding { bound, found } => {
                let (found, bound) = (found.as_str(), bound.as_str());
                write!(f, "the credential's binding is `{found}`, but `binding` requires `{bound}`")
            }
        }
    }
}

impl fmt::Display for Pattern {
    /// As JSON, so that `"3"` is not taken for `3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exactly(value) => f.write_str(&json(value)),
            Self::Glob(pattern) => f.write_str(&quoted(pattern)),
        }
    }
}

fn is(found: Option<&Value>) -> String {
    match found {
        None => "is absent".to_owned(),
        // Its last digits are lost.
        Some(Value::Number(number)) if number.is_f64() => {
            "is a number with a fraction, an exponent or more than 64 bits, which never matches".to_owned()
        }
        Some(value) => format!("is {}", json(value)),
    }
}

fn wanted(mut values: impl Iterator<Item = String>) -> String {
    let first = values.next().unwrap_or_default();
    values.fold(first, |list, value| format!("{list} or {value}"))
}

fn quoted(text: &str) -> String {
    json(&Value::from(text))
}

fn json(value: &Value) -> String {
    format!("`{}`", shown(&value.to_string()))
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
