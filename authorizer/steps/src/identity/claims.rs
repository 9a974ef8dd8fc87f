//! The claims of a verified token, as a grant's conditions see them.
//!
//! Receives a JSON object whose signature is valid; returns its values by name or JSON pointer. The scheme and the
//! grant decide which values are right.

use std::fmt;

use serde_json::{Map, Value};

use crate::clock::UnixTime;

/// Verified claims. Only a scheme can make them.
pub struct Claims(Map<String, Value>);

impl Claims {
    pub(super) fn assertion(claims: Map<String, Value>) -> Self {
        Self(claims)
    }

    /// Takes a member out of a claim that is an object.
    pub(super) fn remove_member(&mut self, claim: &str, member: &str) {
        if let Some(Value::Object(members)) = self.0.get_mut(claim) {
            members.remove(member);
        }
    }

    /// The claim called `name`; a name that starts with `/` is a JSON pointer (RFC 6901) into nested claims.
    pub fn get(&self, name: &str) -> Option<&Value> {
        if !name.starts_with('/') {
            return self.0.get(name);
        }
        let mut steps = name.split('/').skip(1).map(unescape);
        let first = self.0.get(&steps.next()?)?;
        steps.try_fold(first, |value, step| match value {
            Value::Object(map) => map.get(&step),
            Value::Array(items) => items.get(index(&step)?),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        })
    }
}

/// A NumericDate (RFC 7519, section 2): seconds since the epoch, a fraction cut off.
pub(super) fn numeric_date(value: &Value) -> Option<UnixTime> {
    // A cast saturates; beyond 2^53 a float no longer tells seconds apart and is refused.
    let fractional = value.as_f64().filter(|seconds| (0.0..9_007_199_254_740_992.0).contains(seconds));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within 0 and 2^53")]
    let seconds = value.as_u64().or(fractional.map(|seconds| seconds as u64));
    seconds.map(UnixTime::from_seconds)
}

/// RFC 6901, section 4: digits without leading zeros. `-` names the item after the last, which is never there.
fn index(step: &str) -> Option<usize> {
    let digits = step.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = step.len() > 1 && step.starts_with('0');
    step.parse().ok().filter(|_| digits && !leading_zero)
}

fn unescape(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

impl fmt::Debug for Claims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Claims are the caller's personal data: names only.
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pointer_reaches_nested_claims_and_goes_into_arrays() {
        let claims = json!({"sub": "a", "https://x/": {"team": "blue", "a/b": 1}, "/odd": 2,
            "emails": ["a@example.com", "b@example.com"], "orgs": [{"id": "o-1"}], "none": [], "2": "two"});
        let Value::Object(map) = claims else { panic!() };
        let claims = Claims::assertion(map);
        for (pointer, expected) in [
            ("sub", json!("a")),
            ("/https:~1~1x~1/team", json!("blue")),
            ("/https:~1~1x~1/a~1b", json!(1)),
            ("/sub", json!("a")),
            ("/emails/0", json!("a@example.com")),
            ("/emails/1", json!("b@example.com")),
            ("/orgs/0/id", json!("o-1")),
            // Of an object, any text is a name.
            ("/2", json!("two")),
        ] {
            assert_eq!(claims.get(pointer), Some(&expected), "{pointer}");
        }
        let places =
            "/sub/x team /emails/2 /emails/- /emails/-1 /emails/+1 /emails/01 /emails/00 /emails/ /emails/1.0
            /emails/1e0 /emails/18446744073709551616 /none/0 /orgs/id /emails/0/0";
        for absent in places.split_whitespace().chain(["/emails/ 1", "/emails/\u{661}"]) {
            assert_eq!(claims.get(absent), None, "{absent}");
        }
        assert_eq!(format!("{claims:?}"), r#"{"/odd", "2", "emails", "https://x/", "none", "orgs", "sub"}"#);
    }
}
