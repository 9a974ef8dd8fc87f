//! A call that nobody made yet: a JWT, a route and a stage in place of an event.
//!
//! Receives them and the configuration; produces the event that API Gateway would send, with the JWT where the
//! configuration looks for one. The walk then treats it like any other event.

use std::str::FromStr;

use authorizer_steps::{
    event::{self, CredentialSource, Resource},
    grant::{Apis, Stages},
    names::StageName,
    response::ResponseAs,
};
use serde_json::{Value, json};
use vault_authorizer::config::Config;

/// Of the event's ARN. Nothing is decided by them.
pub(crate) const REGION_AND_ACCOUNT: (&str, &str) = ("us-east-1", "123456789012");
/// For a stage with `api_ids: ["*"]`, and for one that is not in the configuration.
const SOME_API: &str = "a1b2c3d4e5";

/// `--route`: the one route that the call is routed to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CalledRoute {
    /// The request's method, and the API's template.
    Http { method: String, template: String },
    /// A WebSocket is opened.
    Connect,
}

/// The text is not one route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be one method and the API's own template, such as `GET /orders`, `GET /orders/{{id}}` or `GET $default`; or `$connect`"
)]
pub(crate) struct NotOneRoute;

impl FromStr for CalledRoute {
    type Err = NotOneRoute;

    fn from_str(text: &str) -> Result<Self, NotOneRoute> {
        if text.parse::<event::Route>().is_err() || text.contains('*') {
            return Err(NotOneRoute);
        }
        Ok(match text.split_once(' ') {
            Some((method, template)) => {
                Self::Http { method: method.to_owned(), template: template.to_owned() }
            }
            None => Self::Connect,
        })
    }
}

impl CalledRoute {
    /// Whether a grant of the stage covers it.
    pub(super) fn is_covered(&self, stage: &StageName, stages: &Stages) -> bool {
        let (method, resource) = match self {
            Self::Http { method, template } => (method.as_str(), Resource::Template(template.clone())),
            Self::Connect => ("$connect", Resource::Connect),
        };
        let rules = stages.get(stage).into_iter().flat_map(|stage| &stage.rules);
        rules.flat_map(|rule| &rule.routes).any(|route| route.covers(method, &resource))
    }

    /// The event of a REST API; of an HTTP API where only that can be meant; of a WebSocket API for `$connect`.
    pub(super) fn event(&self, stage: &StageName, jwt: &str, config: &Config) -> Value {
        let api_id = config.stages.get(stage).map_or(SOME_API, |stage| api_of(&stage.apis));
        let (region, account) = REGION_AND_ACCOUNT;
        let arn = |call: &str| format!("arn:aws:execute-api:{region}:{account}:{api_id}/{stage}/{call}");
        let origin = json!({"accountId": account, "apiId": api_id, "stage": stage.as_str()});
        let event = match self {
            Self::Connect => json!({
                "methodArn": arn("$connect"),
                "requestContext": {"eventType": "CONNECT", "routeKey": "$connect"},
            }),
            Self::Http { method, template } if is_http_api(stage, template, config) => {
                let path = path_of(template);
                let key =
                    if template == "$default" { template.clone() } else { format!("{method} {template}") };
                json!({
                    "version": "2.0",
                    "routeArn": arn(&format!("{method}{path}")),
                    "routeKey": key,
                    "rawPath": path,
                    "requestContext": {"http": {"method": method, "path": path}, "routeKey": key},
                })
            }
            Self::Http { method, template } => {
                let path = path_of(template);
                json!({
                    "methodArn": arn(&format!("{method}{path}")),
                    "resource": template,
                    "path": path,
                    "httpMethod": method,
                    "requestContext": {"httpMethod": method, "resourcePath": template},
                })
            }
        };
        let mut event = merged(event, json!({"type": "REQUEST", "requestContext": origin}));
        if let Some(source) = self.source(&config.credentials) {
            event = merged(event, credential(source, jwt));
        }
        event
    }

    /// A subprotocol is what a browser offers when it opens a WebSocket. Other calls have none.
    fn source<'a>(&self, sources: &'a [CredentialSource]) -> Option<&'a CredentialSource> {
        let fits = |source: &&CredentialSource| {
            *self == Self::Connect || !matches!(source, CredentialSource::WebSocketProtocol(_))
        };
        sources.iter().find(fits).or_else(|| sources.first())
    }
}

/// One API of a stage.
pub(crate) fn api_of(apis: &Apis) -> &str {
    match apis {
        Apis::Listed(ids) => ids.first().map_or(SOME_API, |id| id.as_str()),
        Apis::Any => SOME_API,
    }
}

/// Only an HTTP API has `$default`, as a stage and as a route, and only it understands simple answers.
fn is_http_api(stage: &StageName, template: &str, config: &Config) -> bool {
    stage.as_str() == "$default" || template == "$default" || config.answer.response == ResponseAs::Simple
}

/// A path that leads to the template: `/orders/id` for `/orders/{id}`.
pub(crate) fn path_of(template: &str) -> String {
    if template == "$default" { "/".to_owned() } else { template.replace(['{', '}', '+'], "") }
}

fn credential(source: &CredentialSource, jwt: &str) -> Value {
    match source {
        CredentialSource::Header(name) => json!({"headers": {name: format!("Bearer {jwt}")}}),
        CredentialSource::BareHeader(name) => json!({"headers": {name: jwt}}),
        CredentialSource::Cookie(name) => json!({"headers": {"cookie": format!("{name}={jwt}")}}),
        CredentialSource::Query(name) => json!({"queryStringParameters": {name: jwt}}),
        CredentialSource::WebSocketProtocol(name) => {
            json!({"headers": {"sec-websocket-protocol": format!("{name}, {jwt}")}})
        }
    }
}

/// Both objects in one, and the objects within them.
fn merged(one: Value, other: Value) -> Value {
    match (one, other) {
        (Value::Object(mut one), Value::Object(other)) => {
            for (key, value) in other {
                let value = match one.remove(&key) {
                    Some(own) => merged(own, value),
                    None => value,
                };
                one.insert(key, value);
            }
            Value::Object(one)
        }
        (_, other) => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_route_is_read() {
        let http = |method: &str, template: &str| {
            Ok(CalledRoute::Http { method: method.to_owned(), template: template.to_owned() })
        };
        assert_eq!("GET /orders/{id}".parse(), http("GET", "/orders/{id}"));
        assert_eq!("POST $default".parse(), http("POST", "$default"));
        assert_eq!("$connect".parse(), Ok(CalledRoute::Connect));
    }

    #[test]
    fn rejects_what_is_not_one_route() {
        for text in
            ["", "/orders", "GET", "* /orders", "GET /orders/*", "ANY /orders", "get /orders", "GET orders"]
        {
            assert_eq!(text.parse::<CalledRoute>(), Err(NotOneRoute), "{text}");
        }
    }
}
