//! The event of a made-up call, as each kind of API gives it to a Lambda proxy integration.
//!
//! API Gateway developer guide, "Input format of a Lambda function for proxy integration" and "AWS Lambda proxy integrations for
//! HTTP APIs".

use std::{iter, str::FromStr};

use authorizer_steps::{
    clock::UnixTime,
    event::Route,
    grant::{Rule, Stage},
};
use serde_json::{Map, Value, json};
use vault_context::VaultContext;

use super::Form;
use crate::explain::call::{REGION_AND_ACCOUNT, api_of, path_of};

const REQUEST_ID: &str = "00000000-0000-4000-8000-000000000000";
/// For documentation alone (RFC 5737).
const SOURCE_IP: &str = "192.0.2.1";

/// `--method`.
#[derive(Debug, Clone)]
pub(super) struct Method(String);

impl FromStr for Method {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_uppercase()) {
            Ok(Self(text.to_owned()))
        } else {
            Err("it must be a method in uppercase, such as `GET`")
        }
    }
}

/// `--path`.
#[derive(Debug, Clone)]
pub(super) struct RequestPath(String);

impl FromStr for RequestPath {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        if visible && text.starts_with('/') && !text.contains(['?', '#']) {
            Ok(Self(text.to_owned()))
        } else {
            Err("it must be a path such as `/orders/42`, percent-encoded, without a query")
        }
    }
}

/// The call that the event is of.
pub(super) struct Call<'a> {
    api_id: &'a str,
    stage: &'a str,
    method: String,
    template: String,
    path: String,
    parameters: Map<String, Value>,
    at: UnixTime,
}

impl<'a> Call<'a> {
    /// The call that is given, by the grant's route for it; of what is not given, what the grant's first route is for.
    pub(super) fn of(
        stage: &'a Stage,
        rule: &Rule,
        method: Option<&Method>,
        path: Option<&RequestPath>,
        at: UnixTime,
    ) -> Self {
        let (api_id, stage) = (api_of(&stage.apis), stage.name.as_str());
        let mut routes = rule.routes.iter().filter_map(Route::example);
        let (method_of_route, template, path, parameters) = match path {
            Some(RequestPath(path)) => {
                let route = routes.find_map(|(method, template)| {
                    Some((method, template, path.clone(), parameters(template, path)?))
                });
                route.unwrap_or_else(|| ("GET", path, path.clone(), Map::new()))
            }
            None => {
                let (method, template) = routes.next().unwrap_or(("GET", "/"));
                let path = path_of(template);
                let parameters = parameters(template, &path).unwrap_or_default();
                (method, template, path, parameters)
            }
        };
        let method = method.map_or(method_of_route, |Method(method)| method).to_owned();
        Self { api_id, stage, method, template: template.to_owned(), path, parameters, at }
    }

    pub(super) fn event(&self, form: Form, context: &VaultContext) -> Value {
        let context = json!(context.to_context());
        match form {
            Form::Http2 => self.http_v2(&context),
            Form::Http1 => self.proxy(Some("1.0"), &self.path_with_stage(), context),
            Form::Websocket => self.connect(context),
            Form::Rest | Form::Headers => self.proxy(None, &self.path, context),
        }
    }

    /// A REST API, and an HTTP API with payload 1.0, which is in its form.
    fn proxy(&self, version: Option<&str>, path: &str, context: Value) -> Value {
        let host = self.host();
        let parameters = (!self.parameters.is_empty()).then_some(&self.parameters);
        let mut request_context = self.origin(context);
        request_context.extend([
            ("resourcePath".to_owned(), json!(self.template)),
            ("httpMethod".to_owned(), json!(self.method)),
            ("path".to_owned(), json!(self.path_with_stage())),
            ("protocol".to_owned(), json!("HTTP/1.1")),
        ]);
        let mut event = json!({
            "resource": self.template,
            "path": path,
            "httpMethod": self.method,
            "headers": {"host": host},
            "multiValueHeaders": {"host": [host]},
            "queryStringParameters": null,
            "multiValueQueryStringParameters": null,
            "pathParameters": parameters,
            "stageVariables": null,
            "requestContext": request_context,
            "body": null,
            "isBase64Encoded": false,
        });
        if let (Some(version), Some(event)) = (version, event.as_object_mut()) {
            event.insert("version".to_owned(), json!(version));
        }
        event
    }

    fn http_v2(&self, context: &Value) -> Value {
        let path = self.path_with_stage();
        let route_key = if self.template == "$default" {
            self.template.clone()
        } else {
            format!("{} {}", self.method, self.template)
        };
        let mut event = json!({
            "version": "2.0",
            "routeKey": route_key,
            "rawPath": path,
            "rawQueryString": "",
            "headers": {"host": self.host()},
            "requestContext": {
                "accountId": REGION_AND_ACCOUNT.1,
                "apiId": self.api_id,
                "authorizer": {"lambda": context},
                "domainName": self.host(),
                "domainPrefix": self.api_id,
                "http": {
                    "method": self.method,
                    "path": path,
                    "protocol": "HTTP/1.1",
                    "sourceIp": SOURCE_IP,
                    "userAgent": "",
                },
                "requestId": REQUEST_ID,
                "routeKey": route_key,
                "stage": self.stage,
                "timeEpoch": self.at.millis(),
            },
            "isBase64Encoded": false,
        });
        if let (false, Some(event)) = (self.parameters.is_empty(), event.as_object_mut()) {
            event.insert("pathParameters".to_owned(), json!(self.parameters));
        }
        event
    }

    fn connect(&self, context: Value) -> Value {
        let host = self.host();
        let mut request_context = self.origin(context);
        request_context.extend([
            ("routeKey".to_owned(), json!("$connect")),
            ("eventType".to_owned(), json!("CONNECT")),
            ("messageDirection".to_owned(), json!("IN")),
            ("connectionId".to_owned(), json!("fake-context=")),
            ("connectedAt".to_owned(), json!(self.at.millis())),
        ]);
        json!({
            "headers": {"host": host},
            "multiValueHeaders": {"host": [host]},
            "requestContext": request_context,
            "isBase64Encoded": false,
        })
    }

    /// What the contexts of payload 1.0 have in common.
    fn origin(&self, mut context: Value) -> Map<String, Value> {
        if let Some(authorizer) = context.as_object_mut() {
            // API Gateway adds these to what the authorizer gave.
            let principal_id = authorizer.get("callerId").cloned().unwrap_or_default();
            authorizer.insert("principalId".to_owned(), principal_id);
            authorizer.insert("integrationLatency".to_owned(), json!(0));
        }
        [
            ("accountId", json!(REGION_AND_ACCOUNT.1)),
            ("apiId", json!(self.api_id)),
            ("authorizer", context),
            ("domainName", json!(self.host())),
            ("domainPrefix", json!(self.api_id)),
            ("identity", json!({"sourceIp": SOURCE_IP, "userAgent": ""})),
            ("requestId", json!(REQUEST_ID)),
            ("requestTimeEpoch", json!(self.at.millis())),
            ("stage", json!(self.stage)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into_iter()
        .collect()
    }

    fn host(&self) -> String {
        format!("{}.execute-api.{}.amazonaws.com", self.api_id, REGION_AND_ACCOUNT.0)
    }

    /// The stage `$default` of an HTTP API has no place in a path.
    fn path_with_stage(&self) -> String {
        if self.stage == "$default" { self.path.clone() } else { format!("/{}{}", self.stage, self.path) }
    }
}

/// What stands in the places of `{id}` and `{proxy+}`; `None` where the path is not one of the template's.
fn parameters(template: &str, path: &str) -> Option<Map<String, Value>> {
    let mut parameters = Map::new();
    let mut rest = path.split('/');
    for segment in template.split('/') {
        let own = rest.next()?;
        match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            None if segment == own => {}
            None => return None,
            Some(name) => {
                let (name, value) = match name.strip_suffix('+') {
                    Some(name) => (name, iter::once(own).chain(rest.by_ref()).collect::<Vec<_>>().join("/")),
                    None => (name, own.to_owned()),
                };
                parameters.insert(name.to_owned(), value.into());
            }
        }
    }
    rest.next().is_none().then_some(parameters)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_gives_the_parameters_of_its_template() {
        for (template, path, expected) in [
            ("/orders/{id}", "/orders/42", Some(json!({"id": "42"}))),
            ("/{proxy+}", "/a/b", Some(json!({"proxy": "a/b"}))),
            ("/orders", "/orders", Some(json!({}))),
            ("/orders/{id}", "/orders", None),
            ("/orders", "/orders/42", None),
            ("/orders/{id}", "/invoices/42", None),
        ] {
            assert_eq!(parameters(template, path).map(Value::Object), expected, "{template} {path}");
        }
    }

    #[test]
    fn rejects_what_is_no_path_and_no_method() {
        for text in ["", "orders", "/orders?page=2", "/a b", "/a\n", "/a#b"] {
            assert!(text.parse::<RequestPath>().is_err(), "{text:?}");
        }
        assert!("get".parse::<Method>().is_err() && "*".parse::<Method>().is_err());
    }
}
