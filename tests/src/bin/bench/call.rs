//! One kind of call: the event that API Gateway would send for it, and the expected verdict.

use std::time::Duration;

use serde_json::{Value, json};
use test_bed::parts;

use crate::lambda::Answer;

/// A kind of call to a function.
pub(crate) struct Call {
    /// Its row in the report.
    pub(crate) name: &'static str,
    event: Box<dyn Fn() -> Vec<u8>>,
    due: Due,
    /// Before each call, where the authorizer limits how many of them there may be.
    pub(crate) pause: Option<Duration>,
}

/// What a right answer says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Due {
    /// An empty object.
    Nothing,
    /// Allow, with a wrapping token.
    Token,
    /// Allow, without one.
    Allow,
    /// Deny, for this reason.
    Deny(&'static str),
    /// The error that API Gateway answers with a 401.
    Unauthorized,
}

impl Call {
    /// A call whose event never changes.
    pub(crate) fn new(name: &'static str, event: Vec<u8>, due: Due) -> Self {
        Self::fresh(name, move || event.clone(), due)
    }

    /// A call with an event of its own each time, as for a proof that is good once.
    pub(crate) fn fresh(name: &'static str, event: impl Fn() -> Vec<u8> + 'static, due: Due) -> Self {
        Self { name, event: Box::new(event), due, pause: None }
    }

    /// The same with a pause before each call.
    pub(crate) fn after(self, pause: Duration) -> Self {
        Self { pause: Some(pause), ..self }
    }

    pub(crate) fn event(&self) -> Vec<u8> {
        (self.event)()
    }

    /// Why an answer is wrong.
    pub(crate) fn judge(&self, answer: &Answer) -> Result<(), String> {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if self.due.is_met_by(answer.is_error, &body) {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&answer.body);
        Err(format!("{}: due was {:?}, and the answer was {text}", self.name, self.due))
    }
}

impl Due {
    fn is_met_by(self, is_error: bool, body: &Value) -> bool {
        let effect = &body["policyDocument"]["Statement"][0]["Effect"];
        let token = body["context"]["vaultWrappingToken"].as_str();
        match self {
            Self::Unauthorized => is_error && body["errorMessage"] == "Unauthorized",
            _ if is_error => false,
            Self::Nothing => *body == json!({}),
            Self::Token => effect == "Allow" && token.is_some_and(|token| token.len() > 20),
            Self::Allow => effect == "Allow" && token.is_none(),
            Self::Deny(reason) => effect == "Deny" && token.is_none() && body["context"]["reason"] == reason,
        }
    }
}

/// What a REST API at the edge sends a `REQUEST` authorizer for `GET <path>` with these headers.
pub(crate) fn event(path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut event = parts::json("tests/bench/event.json");
    event["methodArn"] =
        format!("arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/GET{path}").into();
    for place in ["/resource", "/path", "/requestContext/resourcePath"] {
        *event.pointer_mut(place).expect("the sample has it") = path.into();
    }
    event["requestContext"]["path"] = format!("/prod{path}").into();
    for (name, value) in headers {
        event["headers"][*name] = (*value).into();
    }
    let all = event["headers"].as_object().expect("headers are an object").iter();
    event["multiValueHeaders"] = all.map(|(name, value)| (name.clone(), json!([value]))).collect();
    event.to_string().into()
}

/// The same with a bearer token.
pub(crate) fn bearer(path: &str, jwt: &str) -> Vec<u8> {
    event(path, &[("Authorization", &format!("Bearer {jwt}"))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_meets_what_is_due_and_nothing_else() {
        let policy = |effect: &str, context: Value| {
            let statement = json!({"Effect": effect});
            json!({"policyDocument": {"Statement": [statement]}, "context": context})
        };
        let token = json!({"vaultWrappingToken": "s.0123456789abcdefghijkl"});
        let answers = [
            (false, json!({}), Due::Nothing),
            (false, policy("Allow", token), Due::Token),
            (false, policy("Allow", json!({"vaultGrant": "status"})), Due::Allow),
            (false, policy("Deny", json!({"reason": "no_grant"})), Due::Deny("no_grant")),
            (true, json!({"errorMessage": "Unauthorized"}), Due::Unauthorized),
            (true, json!({}), Due::Deny("nothing meets this")),
        ];
        for (is_error, body, due) in &answers {
            for (_, _, other) in answers.iter().take(5) {
                assert_eq!(other.is_met_by(*is_error, body), other == due, "{body} for {other:?}");
            }
        }
    }
}
