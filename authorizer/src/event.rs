//! Step 1: from API Gateway's raw event to a [`Request`].
//!
//! Receives the event as JSON, of a shape this process does not choose; produces a [`Request`] whose method ARN, route
//! and headers are checked and agree with each other, and its [`Credential`], still unverified. Leaves to others who the
//! caller is ([`identity`](crate::identity)) and what they may do ([`grant`](crate::grant)).
//!
//! The types are our own and tolerant: every field may be absent, null or of another kind, in any case of spelling.
//! Shapes: API Gateway developer guide, "Input to an API Gateway Lambda authorizer".

mod credential;
mod method_arn;
mod route;

use std::fmt;

use serde_json::{Map, Value};
use vault_context::is_reserved_header;

pub use credential::{BearerToken, Credential, CredentialError, CredentialSource, MAX_CREDENTIAL_BYTES};
pub use method_arn::{InvalidMethodArn, MethodArn};
pub use route::{InvalidRoute, Resource, Route};

/// More headers than a request's 10,240 bytes of them can carry (API Gateway quotas): not API Gateway's event.
const MAX_HEADERS: usize = 10_240;

/// The kind of authorizer that API Gateway called, which decides the form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// REST API, `REQUEST` authorizer.
    RestRequest,
    /// REST API, `TOKEN` authorizer: the event carries a token and a method ARN, nothing else.
    RestToken,
}

/// A call to the API, as far as it can be known before the caller is.
pub struct Request {
    shape: Shape,
    method_arn: MethodArn,
    resource: Resource,
    headers: Headers,
    /// The `authorizationToken` of a `TOKEN` event.
    token: Option<String>,
}

impl Request {
    /// Reads an event.
    ///
    /// # Errors
    ///
    /// See [`EventError`].
    pub fn parse(event: &Value) -> Result<Self, EventError> {
        let event = event.as_object().ok_or(EventError::Unsupported("it is not a JSON object"))?;
        match detect(event)? {
            Shape::RestRequest => rest_request(event),
            Shape::RestToken => rest_token(event),
        }
    }

    /// The credential, from the one place among `sources` that carries it.
    ///
    /// # Errors
    ///
    /// See [`CredentialError`]: none, more than one, or not of a known form.
    pub fn credential(&self, sources: &[CredentialSource]) -> Result<Credential, CredentialError> {
        match self.shape {
            // API Gateway took the value from the header that the authorizer names as its token source.
            Shape::RestToken => Credential::parse(self.token.as_deref().unwrap_or_default()),
            Shape::RestRequest => credential::find(&self.headers, sources),
        }
    }

    /// Which authorizer was called.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The method that is called.
    pub fn method_arn(&self) -> &MethodArn {
        &self.method_arn
    }

    /// What the call was routed to.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("shape", &self.shape)
            .field("method_arn", &self.method_arn)
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

/// `REQUEST` events of HTTP APIs carry a `version`, those of WebSocket APIs an `eventType`.
fn detect(event: &Map<String, Value>) -> Result<Shape, EventError> {
    let kind = event.get("type").and_then(Value::as_str);
    let context = event.get("requestContext").and_then(Value::as_object);
    let is_websocket = context.is_some_and(|context| context.contains_key("eventType"));
    match kind {
        Some("TOKEN") => Ok(Shape::RestToken),
        Some("REQUEST") if event.contains_key("version") => {
            Err(EventError::Unsupported("events of HTTP APIs are not available in this version"))
        }
        Some("REQUEST") if is_websocket => {
            Err(EventError::Unsupported("events of WebSocket APIs are not available in this version"))
        }
        Some("REQUEST") => Ok(Shape::RestRequest),
        Some(_) | None => Err(EventError::Unsupported("its `type` is neither REQUEST nor TOKEN")),
    }
}

fn rest_request(event: &Map<String, Value>) -> Result<Request, EventError> {
    let method_arn = method_arn(event)?;
    let resource = text(event, "resource").ok_or(EventError::Unsupported("it has no `resource`"))?;
    check_agreement(event, &method_arn, resource)?;
    let headers = Headers::read(event)?;
    // By the event's own names, so that a header without a value is refused as well.
    if object(event, "headers")?
        .chain(object(event, "multiValueHeaders")?)
        .any(|(name, _)| is_reserved_header(name))
    {
        return Err(EventError::HeaderReserved);
    }
    let resource = Resource::Template(resource.to_owned());
    Ok(Request { shape: Shape::RestRequest, method_arn, resource, headers, token: None })
}

fn rest_token(event: &Map<String, Value>) -> Result<Request, EventError> {
    let method_arn = method_arn(event)?;
    if !path_has_one_spelling(method_arn.path()) {
        return Err(EventError::PathAmbiguous);
    }
    let resource = Resource::Path(method_arn.path().to_owned());
    let token = text(event, "authorizationToken").map(str::to_owned);
    Ok(Request { shape: Shape::RestToken, method_arn, resource, headers: Headers::default(), token })
}

fn method_arn(event: &Map<String, Value>) -> Result<MethodArn, EventError> {
    let arn = text(event, "methodArn").ok_or(EventError::Unsupported("it has no `methodArn`"))?;
    Ok(MethodArn::parse(arn)?)
}

/// Without a template the path decides, so it must not have a second spelling that routes elsewhere.
fn path_has_one_spelling(path: &str) -> bool {
    let segments = path.strip_prefix('/').unwrap_or(path);
    let plain =
        |segment: &str| !segment.is_empty() && segment != "." && segment != ".." && !segment.contains('%');
    path == "/" || segments.split('/').all(plain)
}

/// The event says the same thing twice; where the two differ, neither is believed. A field that is absent says nothing.
fn check_agreement(event: &Map<String, Value>, arn: &MethodArn, resource: &str) -> Result<(), EventError> {
    let empty = Map::new();
    let context = event.get("requestContext").and_then(Value::as_object).unwrap_or(&empty);
    let agrees = |map: &Map<String, Value>, key: &str, expected: &str| match map.get(key) {
        None | Some(Value::Null) => true,
        Some(value) => value == expected,
    };
    if !agrees(context, "accountId", arn.account()) {
        return Err(EventError::AccountDisagrees);
    }
    if !agrees(context, "apiId", arn.api_id()) {
        return Err(EventError::ApiDisagrees);
    }
    if !agrees(context, "stage", arn.stage()) {
        return Err(EventError::StageDisagrees);
    }
    let methods_agree =
        agrees(event, "httpMethod", arn.method()) && agrees(context, "httpMethod", arn.method());
    if !methods_agree || !agrees(context, "resourcePath", resource) {
        return Err(EventError::RouteDisagrees);
    }
    let path = text(event, "path").unwrap_or("/");
    if method_arn::path_is_literal(path) { Ok(()) } else { Err(InvalidMethodArn::PathIsPattern.into()) }
}

fn text<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    map.get(key).and_then(Value::as_str)
}

/// Every header with every value, names in lower case.
#[derive(Default)]
struct Headers {
    /// From `headers`: one value a name.
    single: Vec<(String, String)>,
    /// From `multiValueHeaders`: every value.
    multi: Vec<(String, String)>,
}

impl Headers {
    fn read(event: &Map<String, Value>) -> Result<Self, EventError> {
        let mut headers = Self::default();
        for (name, value) in object(event, "headers")? {
            push(&mut headers.single, name, value)?;
        }
        for (name, values) in object(event, "multiValueHeaders")? {
            for value in values.as_array().map_or(std::slice::from_ref(values), Vec::as_slice) {
                push(&mut headers.multi, name, value)?;
            }
        }
        Ok(headers)
    }
}

fn push(headers: &mut Vec<(String, String)>, name: &str, value: &Value) -> Result<(), EventError> {
    match value {
        Value::Null => {}
        Value::String(value) => headers.push((name.to_ascii_lowercase(), value.clone())),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            return Err(EventError::Unsupported("a header's value is not text"));
        }
    }
    if headers.len() > MAX_HEADERS {
        return Err(EventError::Unsupported("it has more headers than API Gateway carries"));
    }
    Ok(())
}

fn object<'a>(
    event: &'a Map<String, Value>,
    key: &str,
) -> Result<impl Iterator<Item = (&'a String, &'a Value)>, EventError> {
    match event.get(key) {
        None | Some(Value::Null) => Ok(None.into_iter().flatten()),
        Some(Value::Object(map)) => Ok(Some(map.iter()).into_iter().flatten()),
        Some(_) => Err(EventError::Unsupported("its headers are not an object")),
    }
}

/// What the log may say of an event whether or not it can be read: nothing here is believed by any step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sighting {
    /// `requestContext.requestId`. A client can choose it: for reading logs only.
    pub request_id: Option<String>,
    /// `requestContext.extendedRequestId`, chosen by API Gateway.
    pub extended_request_id: Option<String>,
    /// From the ARN.
    pub api_id: Option<String>,
    /// From the ARN.
    pub stage: Option<String>,
    /// From the ARN.
    pub method: Option<String>,
    /// The template, or the path where there is none.
    pub route: Option<String>,
}

impl Sighting {
    /// Reads what is there, cutting what is too long for a log line.
    pub fn of(event: &Value) -> Self {
        const MAX_CHARS: usize = 256;
        let cut = |value: &str| value.chars().take(MAX_CHARS).collect::<String>();
        let field = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).map(cut);
        let arn = field("/methodArn").unwrap_or_default();
        let mut arn = arn.splitn(6, ':').nth(5).unwrap_or_default().splitn(4, '/').map(str::to_owned);
        let (api_id, stage, method) = (arn.next(), arn.next(), arn.next());
        Self {
            request_id: field("/requestContext/requestId"),
            extended_request_id: field("/requestContext/extendedRequestId"),
            route: field("/resource").or_else(|| arn.next().map(|path| format!("/{path}"))),
            api_id: api_id.filter(|id| !id.is_empty()),
            stage,
            method,
        }
    }
}

/// Why an event is not a [`Request`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// A fault: the function is attached to something it does not serve.
    #[error("the event is not one this authorizer serves: {0}")]
    Unsupported(&'static str),
    /// A denial, or a fault where the ARN itself is malformed.
    #[error(transparent)]
    MethodArn(#[from] InvalidMethodArn),
    /// A path with a second spelling, where only the path says what is called.
    #[error(
        "the path holds `%`, an empty or dot segment or a trailing slash, and a TOKEN event has no template to go by"
    )]
    PathAmbiguous,
    /// `accountId` and the ARN differ.
    #[error("the event's account and its method ARN differ")]
    AccountDisagrees,
    /// `apiId` and the ARN differ.
    #[error("the event's API id and its method ARN differ")]
    ApiDisagrees,
    /// `stage` and the ARN differ.
    #[error("the event's stage and its method ARN differ")]
    StageDisagrees,
    /// `httpMethod` or `resourcePath` differs from the ARN or `resource`.
    #[error("the event names two methods or two resources")]
    RouteDisagrees,
    /// A header that only the authorizer may set.
    #[error("the request carries a header that starts with `x-vault-`, which only this authorizer may set")]
    HeaderReserved,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request_event() -> Value {
        json!({
            "type": "REQUEST",
            "methodArn": "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/GET/orders/7",
            "resource": "/orders/{id}",
            "path": "/orders/7",
            "httpMethod": "GET",
            "headers": {"Authorization": "Bearer a.b.c"},
            "multiValueHeaders": {"Authorization": ["Bearer a.b.c"]},
            "queryStringParameters": null,
            "requestContext": {"accountId": "123456789012", "apiId": "a1b2c3d4e5", "stage": "prod",
                "httpMethod": "GET", "resourcePath": "/orders/{id}", "requestId": "r-1", "extendedRequestId": "x-1"},
        })
    }

    fn token_event(path: &str) -> Value {
        let arn = format!("arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/GET/{path}");
        json!({"type": "TOKEN", "authorizationToken": "Bearer a.b.c", "methodArn": arn})
    }

    fn with(pointer: &str, value: Value) -> Value {
        let mut event = request_event();
        *event.pointer_mut(pointer).unwrap() = value;
        event
    }

    #[test]
    fn a_request_event_is_read() {
        let request = Request::parse(&request_event()).unwrap();
        assert_eq!(request.shape(), Shape::RestRequest);
        assert_eq!(request.resource(), &Resource::Template("/orders/{id}".into()));
        assert!(request.credential(&CredentialSource::default_list()).is_ok());
    }

    #[test]
    fn a_token_event_is_read() {
        let request = Request::parse(&token_event("orders/7")).unwrap();
        assert_eq!(request.resource(), &Resource::Path("/orders/7".into()));
        assert!(request.credential(&CredentialSource::default_list()).is_ok());
        assert!(Request::parse(&token_event("")).is_ok());
    }

    #[test]
    fn the_emulators_and_older_events_without_most_fields_are_read() {
        let mut event = request_event();
        for key in ["path", "httpMethod", "multiValueHeaders", "requestContext"] {
            event.as_object_mut().unwrap().remove(key);
        }
        assert!(Request::parse(&event).is_ok());
    }

    #[test]
    fn rejects_a_forged_api_id_stage_or_account() {
        let cases = [
            ("/requestContext/apiId", EventError::ApiDisagrees),
            ("/requestContext/stage", EventError::StageDisagrees),
            ("/requestContext/accountId", EventError::AccountDisagrees),
            ("/requestContext/resourcePath", EventError::RouteDisagrees),
            ("/requestContext/httpMethod", EventError::RouteDisagrees),
            ("/httpMethod", EventError::RouteDisagrees),
        ];
        for (pointer, expected) in cases {
            for other in [json!("other"), json!(123_456_789_012_u64), json!(["prod"]), json!("")] {
                assert_eq!(Request::parse(&with(pointer, other)).unwrap_err(), expected, "{pointer}");
            }
        }
    }

    #[test]
    fn rejects_a_path_that_hides_a_pattern_from_the_arn() {
        let event = with("/path", json!("/orders/*"));
        assert_eq!(
            Request::parse(&event).unwrap_err(),
            EventError::MethodArn(InvalidMethodArn::PathIsPattern)
        );
    }

    #[test]
    fn rejects_a_token_path_with_a_second_spelling() {
        for path in
            ["orders/", "orders//7", "/orders", "orders/./7", "orders/../admin", "orders%2f7", ".", ".."]
        {
            assert_eq!(Request::parse(&token_event(path)).unwrap_err(), EventError::PathAmbiguous, "{path}");
        }
    }

    #[test]
    fn rejects_a_smuggled_vault_context_header() {
        for name in ["X-Vault-Context-Wrapping-Token", "x-vault-token", "X_Vault_Token", "X-VAULT-"] {
            let places = [
                ("/headers", json!("v")),
                ("/headers", json!(null)),
                ("/multiValueHeaders", json!(["v"])),
                ("/multiValueHeaders", json!([])),
            ];
            for (place, value) in places {
                let event = with(place, json!({name: value}));
                assert_eq!(Request::parse(&event).unwrap_err(), EventError::HeaderReserved, "{name}");
            }
        }
    }

    #[test]
    fn an_unknown_shape_is_unsupported() {
        let mut websocket = request_event();
        websocket["requestContext"]["eventType"] = json!("CONNECT");
        let mut http_api = request_event();
        http_api["version"] = json!("2.0");
        let cases = [
            json!(null),
            json!([]),
            json!({}),
            json!({"type": "token"}),
            json!({"Records": []}),
            json!({"type": "TOKEN"}),
            with("/methodArn", json!(7)),
            with("/methodArn", json!("arn")),
            with("/resource", json!(null)),
            with("/headers", json!("x")),
            with("/headers", json!({"A": {}})),
            with("/multiValueHeaders", json!({"A": [1]})),
            websocket,
            http_api,
        ];
        for event in cases {
            let error = Request::parse(&event).unwrap_err();
            let malformed = EventError::MethodArn(InvalidMethodArn::Malformed);
            assert!(matches!(error, EventError::Unsupported(_)) || error == malformed, "{event}: {error}");
        }
    }

    #[test]
    fn too_many_headers_are_not_api_gateways() {
        let headers: Map<_, _> = (0..=MAX_HEADERS).map(|n| (format!("h{n}"), json!(""))).collect();
        let error = Request::parse(&with("/headers", Value::Object(headers))).unwrap_err();
        assert!(matches!(error, EventError::Unsupported(_)));
    }

    #[test]
    fn debug_does_not_show_the_credential() {
        let request = Request::parse(&request_event()).unwrap();
        assert!(!format!("{request:?}").contains("a.b.c"));
        assert!(!format!("{:?}", request.credential(&CredentialSource::default_list())).contains("a.b.c"));
    }

    #[test]
    fn a_sighting_reads_any_event() {
        let seen = Sighting::of(&request_event());
        assert_eq!(seen.api_id.as_deref(), Some("a1b2c3d4e5"));
        assert_eq!((seen.stage.as_deref(), seen.route.as_deref()), (Some("prod"), Some("/orders/{id}")));
        assert_eq!(Sighting::of(&token_event("orders/7")).route.as_deref(), Some("/orders/7"));
        assert_eq!(Sighting::of(&json!("x")), Sighting::default());
    }
}
