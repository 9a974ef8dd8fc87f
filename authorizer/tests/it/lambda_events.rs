//! The crate `aws_lambda_events` beside our reader: events like each of its own fixtures, the events that its types
//! reject or shorten, and the answers that they write.

use authorizer_steps::event::{
    Credential, CredentialError, CredentialSource, EventError, InvalidMethodArn, Json, Request, Shape,
};
use aws_lambda_events::apigw::{
    ApiGatewayCustomAuthorizerRequest, ApiGatewayCustomAuthorizerRequestTypeRequest,
    ApiGatewayCustomAuthorizerResponse, ApiGatewayV2CustomAuthorizerV1Request,
    ApiGatewayV2CustomAuthorizerV2Request,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::support::*;

const BAD_ARN: EventError = EventError::MethodArn(InvalidMethodArn::Malformed);

/// Events with the members of each fixture of an authorizer's event. Several are samples of AWS's documentation, in which a
/// stage is `*` or two ids of one API differ: those are refused as they stand, and read once they agree.
#[test]
fn an_event_like_each_of_the_crates_own_is_read_as_its_type_reads_it() {
    let token = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/test/GET/";
    let version = EventError::Unsupported("its payload `version` is neither 1.0 nor 2.0");
    let agrees = |event: Value| (event.clone(), None, event);
    let v2 = |changed: fn(Value) -> Value| {
        (changed(v2_sample()), Some(EventError::ApiDisagrees), changed(agreeing_v2()))
    };
    for (name, (event, refused, agreeing)) in [
        ("token", (token_sample(), Some(BAD_ARN), with(token_sample(), "/methodArn", json!(token)))),
        ("request", agrees(rest_sample())),
        ("payload 1.0", agrees(v1_sample())),
        ("payload 2.0", v2(|event| event)),
        ("payload 2.0, null maps", v2(null_maps)),
        ("payload 2.0 without cookies", v2(|event| without(event, "", "cookies"))),
        ("payload 2.0 without identity source", v2(|event| without(event, "", "identitySource"))),
        // The crate has it with the members of Lambda's own context in it, of which `version` is one.
        ("websocket", (websocket_sample(), Some(version), agreeing_websocket())),
    ] {
        assert_eq!(refusal(&event), refused, "{name}");
        let read = Json::from(&agreeing);
        let request = Request::parse(&read).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(of_type(request.shape(), &agreeing), of_reader(&request), "{name}");
    }
}

/// The method ARN, the account, API and stage that the event says again, and what the call was routed to. Where a type has no
/// place for one, it says nothing.
type Said = [Option<String>; 5];

fn of_type(shape: Shape, event: &Value) -> Said {
    match shape {
        Shape::RestToken => {
            let event: ApiGatewayCustomAuthorizerRequest = typed(event).unwrap();
            [event.method_arn, None, None, None, None]
        }
        Shape::RestRequest | Shape::WebSocket => {
            let event: ApiGatewayCustomAuthorizerRequestTypeRequest = typed(event).unwrap();
            let context = event.request_context;
            [event.method_arn, context.account_id, context.apiid, context.stage, event.resource]
        }
        Shape::HttpV1 => {
            let event: ApiGatewayV2CustomAuthorizerV1Request = typed(event).unwrap();
            let context = event.request_context;
            [event.method_arn, context.account_id, context.apiid, context.stage, event.resource]
        }
        Shape::HttpV2 => {
            let event: ApiGatewayV2CustomAuthorizerV2Request = typed(event).unwrap();
            let context = event.request_context;
            [event.route_arn, context.account_id, context.apiid, context.stage, event.route_key]
        }
    }
}

fn of_reader(request: &Request) -> Said {
    let arn = request.method_arn();
    let has_context = request.shape() != Shape::RestToken;
    let has_account = has_context && request.shape() != Shape::WebSocket;
    let texts = [
        (true, arn.as_str()),
        (has_account, arn.account()),
        (has_context, arn.api_id()),
        (has_context, arn.stage()),
        (has_account, request.resource().as_str()),
    ];
    texts.map(|(said, text)| said.then(|| text.to_owned()))
}

#[test]
fn a_token_that_is_no_text_is_a_fault_and_none_at_all_a_denial() {
    let mut event = token_event("a.b.c", "/orders");
    assert!(credential(&event).is_ok());
    event["authorizationToken"] = json!(null);
    assert_eq!(credential(&event).unwrap_err(), CredentialError::Missing);
    event["authorizationToken"] = json!({"a.b.c": 1});
    let error = refusal(&event).unwrap();
    assert!(matches!(error, EventError::Unsupported(_)) && !error.to_string().contains("a.b.c"), "{error}");
}

/// A member that no decision rests on decides about nobody: it may be missing, null or short of something.
#[test]
fn events_that_the_types_fail_on_are_read() {
    type Rest = ApiGatewayCustomAuthorizerRequestTypeRequest;
    type V1 = ApiGatewayV2CustomAuthorizerV1Request;
    type V2 = ApiGatewayV2CustomAuthorizerV2Request;
    fn fails<T: DeserializeOwned>(event: Value) -> (bool, Value) {
        (typed::<T>(&event).is_err(), event)
    }
    let v2 = |pointer, value| with(agreeing_v2(), pointer, value);
    let certificate = "/requestContext/identity/clientCert";
    for (fails, event) in [
        fails::<Rest>(without(rest_sample(), "", "requestContext")),
        fails::<Rest>(without(rest_sample(), certificate, "validity")),
        fails::<Rest>(with(rest_sample(), "/headers", json!({"Accept": null}))),
        fails::<Rest>(with(rest_sample(), "/pathParameters", json!({"id": null}))),
        fails::<V1>(with(v1_sample(), "/headers", json!(null))),
        fails::<V1>(without(v1_sample(), "/requestContext", "identity")),
        fails::<V1>(without(v1_sample(), "", "httpMethod")),
        fails::<V2>(v2("/headers", json!(null))),
        fails::<V2>(v2("/cookies", json!(null))),
        fails::<V2>(v2("/requestContext/http", json!(null))),
        fails::<V2>(v2("/requestContext/timeEpoch", json!(null))),
        fails::<V1>(agreeing_websocket()),
        fails::<V2>(agreeing_websocket()),
    ] {
        assert!(fails, "the type reads it: {event}");
        assert_eq!(refusal(&event), None, "{event}");
    }
}

/// What the type makes of each, which has no word for it but that the event cannot be read: a fault and not a denial.
#[test]
fn rejects_what_the_type_does_not_tell_of() {
    type Rest = ApiGatewayCustomAuthorizerRequestTypeRequest;
    let two = json!({"Authorization": "Bearer a.b.c", "authorization": "Bearer d.e.f"});
    let two = with(with(rest_sample(), "/headers", two), "/multiValueHeaders", json!(null));
    let kept = typed::<Rest>(&two).unwrap();
    assert_eq!(kept.headers.get_all("authorization").iter().count(), 1, "one of two spellings");
    assert_eq!(credential(&two).unwrap_err(), CredentialError::Duplicate);

    let reserved = with(rest_sample(), "/multiValueHeaders", json!({"X-Vault-Token": []}));
    assert!(typed::<Rest>(&reserved).unwrap().multi_value_headers.is_empty(), "no header without a value");
    assert_eq!(refusal(&reserved), Some(EventError::HeaderReserved));

    let empty = with(rest_sample(), "/httpMethod", json!(""));
    assert_eq!(typed::<Rest>(&empty).unwrap().http_method.unwrap(), "GET", "an empty method is read as GET");
    assert_eq!(refusal(&empty), Some(EventError::RouteDisagrees));

    let number = with(rest_sample(), "/requestContext/accountId", json!(123_456_789_012_u64));
    assert!(typed::<Rest>(&number).is_err());
    assert_eq!(refusal(&number), Some(EventError::AccountDisagrees));

    let message = with(agreeing_websocket(), "/requestContext/eventType", json!("MESSAGE"));
    let kept = serde_json::to_string(&typed::<Rest>(&message).unwrap()).unwrap();
    assert!(!kept.contains("MESSAGE"), "what tells a WebSocket's event from a REST API's is not kept");
    assert!(matches!(refusal(&message), Some(EventError::Unsupported(_))));
}

#[test]
fn neither_debug_nor_an_error_shows_a_credential_as_the_types_do() {
    let event = token_event("a.b.c", "/orders");
    assert!(format!("{:?}", typed::<ApiGatewayCustomAuthorizerRequest>(&event)).contains("a.b.c"));
    assert!(!format!("{:?}", Request::parse(&Json::from(&event)).unwrap()).contains("a.b.c"));
    let mut event = rest_sample();
    event["headers"]["Authorization"] = json!("Bearer a.b.c\n");
    let error = typed::<ApiGatewayCustomAuthorizerRequestTypeRequest>(&event).unwrap_err();
    assert!(error.to_string().contains("a.b.c"), "{error}");
    assert_eq!(credential(&event).unwrap_err(), CredentialError::Malformed);
}

/// API Gateway's answer to a null is not documented. The type of a REST API's own answer writes one where there is no
/// `usageIdentifierKey`, so no answer is made of it.
#[test]
fn no_answer_holds_a_null_or_a_member_that_is_not_documented() {
    let own = serde_json::to_value(ApiGatewayCustomAuthorizerResponse::<Value>::default()).unwrap();
    assert_eq!(own.get("usageIdentifierKey"), Some(&Value::Null));
    let simple = document_with("answer: {response: simple}");
    let (allowed, denied) = (good_token(), token_with(json!({"sub": "nobody", "scope": "nothing"})));
    let v2 = |token: &str| {
        json!({
            "version": "2.0", "type": "REQUEST", "routeKey": "GET /orders", "headers": {"authorization": format!("Bearer {token}")},
            "routeArn": event(token)["methodArn"], "requestContext": {},
        })
    };
    let policy = ["context", "policyDocument", "principalId"];
    for (bed, event, members) in [
        (Bed::new(), event(&allowed), policy.as_slice()),
        (Bed::new(), event(&denied), &policy),
        (Bed::new(), v2(&allowed), &policy),
        (Bed::new(), v2(&denied), &policy),
        (Bed::of(&simple), v2(&allowed), &["context", "isAuthorized"]),
        (Bed::of(&simple), v2(&denied), &["context", "isAuthorized"]),
    ] {
        let answer = bed.decision(&event);
        assert!(!answer.to_string().contains("null"), "{answer}");
        assert_eq!(answer.as_object().unwrap().keys().collect::<Vec<_>>(), members);
        if let Some(document) = answer.get("policyDocument") {
            assert_eq!(document.as_object().unwrap().keys().collect::<Vec<_>>(), ["Statement", "Version"]);
            let statement = document["Statement"][0].as_object().unwrap();
            assert_eq!(statement.keys().collect::<Vec<_>>(), ["Action", "Effect", "Resource"]);
        }
    }
}

fn credential(event: &Value) -> Result<Credential, CredentialError> {
    let event = Json::from(event);
    let request = Request::parse(&event).unwrap();
    request.credential(&CredentialSource::default_list()).map(|(_, credential)| credential)
}

fn refusal(event: &Value) -> Option<EventError> {
    Request::parse(&Json::from(event)).err()
}

fn typed<T: DeserializeOwned>(event: &Value) -> serde_json::Result<T> {
    T::deserialize(event)
}

fn sample(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn token_sample() -> Value {
    let arn = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/*/GET/";
    json!({"type": "TOKEN", "authorizationToken": "allow", "methodArn": arn})
}

fn rest_sample() -> Value {
    sample(include_str!("events/rest_request.json"))
}

/// It has members of payload 2.0 in its context, which speak of another call.
fn v1_sample() -> Value {
    sample(include_str!("events/http_v1.json"))
}

fn v2_sample() -> Value {
    sample(include_str!("events/http_v2.json"))
}

fn websocket_sample() -> Value {
    sample(include_str!("events/websocket.json"))
}

/// With one API, one stage and one method.
fn agreeing_v2() -> Value {
    let event = with(v2_sample(), "/requestContext/apiId", json!("a1b2c3d4e5"));
    let event = with(event, "/requestContext/stage", json!("test"));
    with(event, "/requestContext/http/method", json!("GET"))
}

fn null_maps(mut event: Value) -> Value {
    for name in ["queryStringParameters", "pathParameters", "stageVariables"] {
        event[name] = json!(null);
    }
    event
}

fn agreeing_websocket() -> Value {
    with(without(websocket_sample(), "", "version"), "/requestContext/apiId", json!("a1b2c3d4e5"))
}

fn with(mut event: Value, pointer: &str, value: Value) -> Value {
    *event.pointer_mut(pointer).unwrap() = value;
    event
}

fn without(mut event: Value, place: &str, name: &str) -> Value {
    event.pointer_mut(place).unwrap().as_object_mut().unwrap().remove(name).unwrap();
    event
}
