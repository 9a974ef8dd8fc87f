//! Reads each of the five event shapes into the same [`Request`].
//!
//! Finds out which kind of authorizer sent the event, takes the fields of that shape, and refuses an event whose
//! fields contradict each other. [`credential`](super::credential) reads the credential.
//!
//! | shape | told by | ARN | template |
//! |---|---|---|---|
//! | REST `TOKEN` | `type` | `methodArn` | none: the path decides |
//! | REST `REQUEST` | `type` | `methodArn` | `resource` |
//! | HTTP API, payload 1.0 | `version` | `methodArn` | `resource` |
//! | HTTP API, payload 2.0 | `version` | `routeArn` | `routeKey` |
//! | WebSocket `$connect` | `requestContext.eventType` | `methodArn` | none |

use vault_context::is_reserved_header;

use super::{
    CallerUrl, EventError, InvalidMethodArn, Json, MethodArn, Request, Resource,
    credential::Places,
    fields::{self, Fields},
    method_arn::path_is_literal,
};

/// The kind of authorizer that API Gateway called, which decides the form of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// REST API, `REQUEST` authorizer.
    RestRequest,
    /// REST API, `TOKEN` authorizer: the event carries a token and a method ARN, nothing else.
    RestToken,
    /// HTTP API, authorizer payload format 1.0.
    HttpV1,
    /// HTTP API, authorizer payload format 2.0: the only one that may be answered in the simple form.
    HttpV2,
    /// WebSocket API, `$connect`.
    WebSocket,
}

impl Shape {
    /// The shape of an event, as far as it can be told.
    ///
    /// # Errors
    ///
    /// [`EventError::Unsupported`].
    pub fn of(event: &Json<'_>) -> Result<Self, EventError> {
        let text = |key: &str| event.get(key).and_then(Json::as_str);
        let context = event.get("requestContext");
        let is_websocket = context.is_some_and(|context| context.get("eventType").is_some());
        match (text("type"), event.get("version"), text("version")) {
            (Some("TOKEN"), None, _) => Ok(Self::RestToken),
            (Some("REQUEST"), Some(_), Some("1.0")) => Ok(Self::HttpV1),
            (Some("REQUEST"), Some(_), Some("2.0")) => Ok(Self::HttpV2),
            (Some("REQUEST"), Some(_), _) => {
                Err(EventError::Unsupported("its payload `version` is neither 1.0 nor 2.0"))
            }
            (Some("REQUEST"), None, _) if is_websocket => Ok(Self::WebSocket),
            (Some("REQUEST"), None, _) => Ok(Self::RestRequest),
            _ => Err(EventError::Unsupported("its `type` is neither REQUEST nor TOKEN")),
        }
    }

    /// Whether the authorizer is of an HTTP API, which has no 401 for it.
    pub fn is_http_api(self) -> bool {
        matches!(self, Self::HttpV1 | Self::HttpV2)
    }

    /// The name in messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RestRequest => "REST API, REQUEST authorizer",
            Self::RestToken => "REST API, TOKEN authorizer",
            Self::HttpV1 => "HTTP API, payload 1.0",
            Self::HttpV2 => "HTTP API, payload 2.0",
            Self::WebSocket => "WebSocket API, $connect",
        }
    }
}

pub(super) fn read<'e>(event: &'e Json<'_>) -> Result<Request<'e>, EventError> {
    let shape = Shape::of(event)?;
    let event = Event { event, context: event.get("requestContext") };
    match shape {
        Shape::RestToken => event.rest_token(),
        Shape::RestRequest | Shape::HttpV1 => event.with_resource(shape),
        Shape::HttpV2 => event.http_v2(),
        Shape::WebSocket => event.websocket(),
    }
}

/// An event and its `requestContext`. A field that is absent or null says nothing.
struct Event<'e, 'j> {
    event: &'e Json<'j>,
    context: Option<&'e Json<'j>>,
}

impl<'e, 'j> Event<'e, 'j> {
    fn rest_token(&self) -> Result<Request<'e>, EventError> {
        let token = match self.event.get("authorizationToken") {
            None | Some(Json::Null) => None,
            Some(token) => Some(
                token.as_str().ok_or(EventError::Unsupported("its `authorizationToken` is not a string"))?,
            ),
        };
        let (method_arn, path) = method_arn_with_path(self.text("methodArn"))?;
        if !path_has_one_spelling(&path) {
            return Err(EventError::PathAmbiguous);
        }
        let (shape, resource) = (Shape::RestToken, Resource::Path(path));
        let (places, caller_url, certificate) = (Places::default(), None, None);
        Ok(Request { shape, method_arn, resource, places, token, caller_url, certificate })
    }

    /// REST `REQUEST`, and HTTP API payload 1.0, which is made after it.
    fn with_resource(&self, shape: Shape) -> Result<Request<'e>, EventError> {
        let (method_arn, path) = method_arn_with_path(self.text("methodArn"))?;
        let template = self.text("resource").ok_or(EventError::Unsupported("it has no `resource`"))?;
        // Payload 1.0 is not documented for `$default`: should it ever show the path here, no caller may spell a template.
        let bent = template.contains('{') || !path_has_one_spelling(template);
        if shape == Shape::HttpV1 && template == path && bent {
            return Err(EventError::PathAmbiguous);
        }
        // Nor does it say twice what was called, as the others do: the path has to be one that the template leads to.
        if shape == Shape::HttpV1 && !leads_to(template, &path) {
            return Err(EventError::RouteDisagrees);
        }
        self.check_origin(&method_arn)?;
        self.check_route(&[
            (self.event.get("httpMethod"), method_arn.method()),
            (self.in_context("httpMethod"), method_arn.method()),
            (self.in_context("resourcePath"), template),
        ])?;
        check_paths([self.text("path")])?;
        self.request(shape, method_arn, Resource::Template(template.to_owned()))
    }

    /// `routeKey` is `GET /orders/{id}`, `ANY /orders/{id}` or `$default`. Its method is the route's, not the request's.
    fn http_v2(&self) -> Result<Request<'e>, EventError> {
        let (method_arn, _) = method_arn_with_path(self.text("routeArn"))?;
        let key = self.text("routeKey").ok_or(EventError::Unsupported("it has no `routeKey`"))?;
        let (own_method, template) = key.split_once(' ').unwrap_or(("ANY", key));
        if own_method != "ANY" && own_method != method_arn.method() {
            return Err(EventError::RouteDisagrees);
        }
        let http = self.in_context("http");
        let http = |field: &str| http.and_then(|http| http.get(field));
        self.check_origin(&method_arn)?;
        self.check_route(&[(http("method"), method_arn.method()), (self.in_context("routeKey"), key)])?;
        check_paths([self.text("rawPath"), http("path").and_then(Json::as_str)])?;
        self.request(Shape::HttpV2, method_arn, Resource::Template(template.to_owned()))
    }

    fn websocket(&self) -> Result<Request<'e>, EventError> {
        let method_arn = method_arn(self.text("methodArn"))?;
        let opens = self.in_context("eventType").and_then(Json::as_str) == Some("CONNECT");
        if !opens || method_arn.path().is_some() {
            return Err(EventError::Unsupported("a WebSocket authorizer is called for `$connect` alone"));
        }
        self.check_origin(&method_arn)?;
        self.check_route(&[(self.in_context("routeKey"), method_arn.method())])?;
        self.request(Shape::WebSocket, method_arn, Resource::Connect)
    }

    fn request(
        &self,
        shape: Shape,
        method_arn: MethodArn,
        resource: Resource,
    ) -> Result<Request<'e>, EventError> {
        // By the event's own names, so that a header without a value is refused as well.
        let mut names =
            fields::names(self.event, "headers")?.chain(fields::names(self.event, "multiValueHeaders")?);
        if names.any(is_reserved_header) {
            return Err(EventError::HeaderReserved);
        }
        let places = Places {
            headers: Fields::headers(self.event)?,
            query: Fields::query(self.event)?,
            cookies: fields::cookies(self.event)?,
        };
        let caller_url = self.caller_url(shape, &method_arn);
        let certificate = self.certificate(shape);
        Ok(Request { shape, method_arn, resource, places, token: None, caller_url, certificate })
    }

    /// The URL that the caller used. Nothing is derived where reports of real events differ: of an HTTP API on a custom
    /// domain, the event may not tell the base path.
    fn caller_url(&self, shape: Shape, arn: &MethodArn) -> Option<CallerUrl> {
        let in_context = |key| self.in_context(key).and_then(Json::as_str);
        let host = in_context("domainName").filter(|host| !host.is_empty())?;
        let is_own = host.to_ascii_lowercase().starts_with(&format!("{}.execute-api.", arn.api_id()));
        let path = match shape {
            Shape::RestRequest => in_context("path").map(str::to_owned),
            Shape::HttpV1 => in_context("path").filter(|_| is_own).map(str::to_owned),
            Shape::HttpV2 => self.text("rawPath").filter(|_| is_own).map(str::to_owned),
            // Most samples of real events have no path there. At the API's own endpoint, it is the stage's.
            Shape::WebSocket => {
                in_context("path").map(str::to_owned).or_else(|| is_own.then(|| format!("/{}", arn.stage())))
            }
            Shape::RestToken => None,
        };
        Some(CallerUrl { host: host.to_owned(), path: path.filter(|path| path.starts_with('/'))? })
    }

    /// The certificate that API Gateway verified for this connection (API Gateway developer guide, "Mutual TLS
    /// authentication"): in the request's own context, which no client writes.
    fn certificate(&self, shape: Shape) -> Option<&'e str> {
        let holder = match shape {
            Shape::HttpV2 => "authentication",
            Shape::RestRequest | Shape::RestToken | Shape::HttpV1 | Shape::WebSocket => "identity",
        };
        let pem = self.in_context(holder)?.get("clientCert")?.get("clientCertPem")?.as_str();
        pem.filter(|pem| !pem.is_empty())
    }

    /// The event says where it is from twice; where the two differ, neither is believed.
    fn check_origin(&self, arn: &MethodArn) -> Result<(), EventError> {
        if !agrees(self.in_context("accountId"), arn.account()) {
            return Err(EventError::AccountDisagrees);
        }
        if !agrees(self.in_context("apiId"), arn.api_id()) {
            return Err(EventError::ApiDisagrees);
        }
        if !agrees(self.in_context("stage"), arn.stage()) {
            return Err(EventError::StageDisagrees);
        }
        Ok(())
    }

    fn check_route(&self, said: &[(Option<&Json<'_>>, &str)]) -> Result<(), EventError> {
        let agree = said.iter().all(|(value, expected)| agrees(*value, expected));
        if agree { Ok(()) } else { Err(EventError::RouteDisagrees) }
    }

    fn text(&self, key: &str) -> Option<&'e str> {
        self.event.get(key).and_then(Json::as_str)
    }

    fn in_context(&self, key: &str) -> Option<&'e Json<'j>> {
        self.context.and_then(|context| context.get(key))
    }
}

fn method_arn(text: Option<&str>) -> Result<MethodArn, EventError> {
    let missing = EventError::Unsupported("it has no `methodArn`, or with `version` 2.0 no `routeArn`");
    Ok(MethodArn::parse(text.ok_or(missing)?)?)
}

fn method_arn_with_path(text: Option<&str>) -> Result<(MethodArn, String), EventError> {
    let arn = method_arn(text)?;
    let path = arn.path().map(str::to_owned).ok_or(InvalidMethodArn::Malformed)?;
    Ok((arn, path))
}

fn agrees(said: Option<&Json<'_>>, expected: &str) -> bool {
    said.is_none_or(|value| matches!(value, Json::Null) || value.as_str() == Some(expected))
}

/// The ARN may hold the path in another encoding than these.
fn check_paths<const N: usize>(paths: [Option<&str>; N]) -> Result<(), EventError> {
    let literal = paths.into_iter().flatten().all(path_is_literal);
    if literal { Ok(()) } else { Err(InvalidMethodArn::PathIsPattern.into()) }
}

/// Whether a template of an HTTP API routes this path: `{id}` is any one segment, `{proxy+}` all that are left.
fn leads_to(template: &str, path: &str) -> bool {
    let mut path = path.split('/');
    let mut template = template.split('/');
    loop {
        match (template.next(), path.next()) {
            (Some("$default"), _) | (None, None) => return true,
            (Some(wanted), Some(_)) if wanted.starts_with('{') && wanted.ends_with("+}") => return true,
            (Some(wanted), Some(_)) if wanted.starts_with('{') && wanted.ends_with('}') => {}
            (Some(wanted), Some(given)) if wanted == given => {}
            (Some(_) | None, _) => return false,
        }
    }
}

/// Without a template the path decides, so it must not have a second spelling that routes elsewhere.
fn path_has_one_spelling(path: &str) -> bool {
    let segments = path.strip_prefix('/').unwrap_or(path);
    let plain =
        |segment: &str| !segment.is_empty() && segment != "." && segment != ".." && !segment.contains('%');
    path == "/" || segments.split('/').all(plain)
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::event::{CredentialSource, fields::MAX_FIELDS};
    use crate::table::{rows, tests_of_table};

    const ARN: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/GET/orders/7";

    /// `GET /orders/7` as a REST API's `REQUEST` authorizer gets it.
    fn rest() -> Value {
        json!({
            "type": "REQUEST",
            "methodArn": ARN,
            "resource": "/orders/{id}",
            "path": "/orders/7",
            "httpMethod": "GET",
            "headers": {"Authorization": "Bearer a.b.c"},
            "multiValueHeaders": {"Authorization": ["Bearer a.b.c"]},
            "queryStringParameters": null,
            "requestContext": {"accountId": "123456789012", "apiId": "a1b2c3d4e5", "stage": "prod",
                "httpMethod": "GET", "resourcePath": "/orders/{id}"},
        })
    }

    fn http_v1() -> Value {
        let mut event = rest();
        event["version"] = json!("1.0");
        event["identitySource"] = json!("Bearer a.b.c");
        event["authorizationToken"] = json!("Bearer a.b.c");
        event
    }

    fn http_v2() -> Value {
        json!({
            "version": "2.0",
            "type": "REQUEST",
            "routeArn": ARN,
            "identitySource": ["Bearer a.b.c"],
            "routeKey": "ANY /orders/{id}",
            "rawPath": "/orders/7",
            "cookies": ["session=a.b.c"],
            "headers": {"authorization": "Bearer a.b.c"},
            "requestContext": {"accountId": "123456789012", "apiId": "a1b2c3d4e5", "stage": "prod",
                "routeKey": "ANY /orders/{id}", "http": {"method": "GET", "path": "/orders/7"}},
        })
    }

    fn websocket() -> Value {
        json!({
            "type": "REQUEST",
            "methodArn": "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/$connect",
            "headers": {"Authorization": "Bearer a.b.c"},
            "multiValueHeaders": {"Authorization": ["Bearer a.b.c"]},
            "requestContext": {"apiId": "a1b2c3d4e5", "stage": "prod", "routeKey": "$connect", "eventType": "CONNECT"},
        })
    }

    fn token(path: &str) -> Value {
        let arn = format!("arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/GET/{path}");
        json!({"type": "TOKEN", "authorizationToken": "Bearer a.b.c", "methodArn": arn})
    }

    fn with(mut event: Value, pointer: &str, value: Value) -> Value {
        *event.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        event
    }

    fn error(event: &Value) -> EventError {
        read(&event.into()).err().unwrap_or_else(|| panic!("{event}"))
    }

    #[test]
    fn each_shape_is_told_apart_and_read() {
        let template = Resource::Template("/orders/{id}".into());
        for (event, shape, resource) in [
            (rest(), Shape::RestRequest, template.clone()),
            (token("orders/7"), Shape::RestToken, Resource::Path("/orders/7".into())),
            (http_v1(), Shape::HttpV1, template.clone()),
            (http_v2(), Shape::HttpV2, template),
            (websocket(), Shape::WebSocket, Resource::Connect),
        ] {
            let event = Json::from(&event);
            let request = read(&event).unwrap();
            assert_eq!((request.shape(), request.resource()), (shape, &resource));
            assert!(request.credential(&CredentialSource::default_list()).is_ok(), "{shape:?}");
            assert_eq!(Shape::of(&event), Ok(shape));
        }
    }

    #[test]
    fn the_default_route_and_stage_and_the_root_path_are_read() {
        let default = with(http_v2(), "/routeKey", json!("$default"));
        let mut default = with(default, "/requestContext/routeKey", json!("$default"));
        default["requestContext"]["stage"] = json!("$default");
        default["routeArn"] =
            json!("arn:aws-cn:execute-api:cn-north-1:123456789012:a1b2c3d4e5/$default/GET/");
        let default = Json::from(&default);
        let request = read(&default).unwrap();
        assert_eq!((request.resource().as_str(), request.method_arn().stage()), ("$default", "$default"));
        assert_eq!(request.method_arn().path(), Some("/"));
        assert!(read(&Json::from(&token(""))).is_ok());
    }

    #[test]
    fn an_event_without_what_is_not_needed_is_read() {
        let without = |mut event: Value, keys: &[&str]| {
            keys.iter().for_each(|key| drop(event.as_object_mut().unwrap().remove(*key)));
            event
        };
        for event in [
            without(rest(), &["path", "httpMethod", "multiValueHeaders", "requestContext"]),
            without(http_v1(), &["multiValueHeaders", "identitySource", "path", "requestContext"]),
            without(http_v2(), &["rawPath", "cookies", "identitySource", "requestContext"]),
            with(http_v2(), "/requestContext/http", json!(null)),
            with(http_v2(), "/cookies", json!(null)),
            without(websocket(), &["multiValueHeaders"]),
        ] {
            assert!(read(&Json::from(&event)).is_ok(), "{event}");
        }
    }

    /// A good event, what is changed in it, and what is then wrong with it.
    fn refused([event, pointer, value, expected]: [&str; 4]) {
        let event = match event {
            "rest" => rest(),
            "token" => token("x"),
            "http_v1" => http_v1(),
            "http_v2" => http_v2(),
            _ => websocket(),
        };
        let error = error(&with(event, pointer, serde_json::from_str(value).unwrap()));
        // What is not supported is said in words.
        assert!(format!("{error:?}").starts_with(expected), "{pointer} {value}: {error:?}");
    }

    tests_of_table! {
        include_str!("../../golden/refused-events.txt"), refused {
            fn rejects_a_path_that_hides_a_pattern_from_the_arn();
            fn an_unknown_shape_is_unsupported();
            fn rejects_a_forged_api_id_stage_or_account();
            fn rejects_two_methods_and_two_routes();
            fn rejects_a_websocket_event_that_opens_nothing_and_a_connect_that_is_no_websockets();
        }
    }

    /// The route's own method, where nothing else tells of one.
    #[test]
    fn rejects_a_method_other_than_the_route_keys_own() {
        let mut other = with(http_v2(), "/routeKey", json!("POST /orders/{id}"));
        other["requestContext"] = json!({});
        assert_eq!(error(&other), EventError::RouteDisagrees);
    }

    #[test]
    fn rejects_a_path_posing_as_a_template_of_payload_1() {
        let arn = ARN.replace("orders/7", "orders/{id}");
        let event = with(with(http_v1(), "/methodArn", json!(arn)), "/path", json!("/prod/orders/{id}"));
        assert_eq!(error(&event), EventError::PathAmbiguous);
    }

    #[test]
    fn rejects_a_template_of_payload_1_that_does_not_lead_to_the_path() {
        let moved = |template: &str| {
            let event = with(http_v1(), "/resource", json!(template));
            with(event, "/requestContext/resourcePath", json!(template))
        };
        for template in
            ["/orders/{id}", "/orders/7", "/{area}/{id}", "/orders/{proxy+}", "/{proxy+}", "$default"]
        {
            assert!(read(&Json::from(&moved(template))).is_ok(), "{template}");
        }
        for template in
            ["/status", "/orders", "/orders/{id}/lines", "/admin/{proxy+}", "/{id}", "/orders/7/{proxy+}", ""]
        {
            assert_eq!(error(&moved(template)), EventError::RouteDisagrees, "{template}");
        }
    }

    #[test]
    fn rejects_a_token_path_with_a_second_spelling() {
        for path in
            ["orders/", "orders//7", "/orders", "orders/./7", "orders/../admin", "orders%2f7", ".", ".."]
        {
            assert_eq!(error(&token(path)), EventError::PathAmbiguous, "{path}");
        }
    }

    #[test]
    fn rejects_a_smuggled_vault_context_header() {
        for name in ["X-Vault-Context-Wrapping-Token", "x-vault-token", "X_Vault_Token", "X-VAULT-"] {
            for event in [rest(), http_v1(), websocket()] {
                let places = [
                    ("/headers", json!("v")),
                    ("/headers", json!(null)),
                    ("/multiValueHeaders", json!(["v"])),
                    ("/multiValueHeaders", json!([])),
                ];
                for (place, value) in places {
                    let event = with(event.clone(), place, json!({name: value}));
                    assert_eq!(error(&event), EventError::HeaderReserved, "{name}");
                }
            }
            let event = with(http_v2(), "/headers", json!({name: "v"}));
            assert_eq!(error(&event), EventError::HeaderReserved, "{name}");
        }
    }

    #[test]
    fn too_many_headers_are_not_api_gateways() {
        let headers: Map<_, _> = (0..=MAX_FIELDS).map(|n| (format!("h{n}"), json!(""))).collect();
        let many = with(rest(), "/headers", Value::Object(headers));
        let cookies = with(http_v2(), "/cookies", json!(vec!["a=b"; MAX_FIELDS + 1]));
        for event in [many, cookies] {
            assert!(matches!(error(&event), EventError::Unsupported(_)));
        }
    }
}
