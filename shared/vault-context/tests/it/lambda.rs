//! Requests in the types of `aws_lambda_events`, as API Gateway sends them.

use aws_lambda_events::apigw::{
    ApiGatewayProxyRequest, ApiGatewayV2httpRequest, ApiGatewayWebsocketProxyRequest,
};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use vault_context::unwrap::UnwrapError;
use vault_context::{ContextError, VaultContext};

use crate::fake_vault::assert_matches;
use crate::unwrap::{event_until, fake, integration, now};

const EXPIRES_AT: u64 = 1_800_000_030;

fn rest(authorizer: &Value) -> Value {
    json!({"resource": "/orders", "path": "/orders", "httpMethod": "GET", "headers": {}, "requestContext": {
        "httpMethod": "GET", "resourcePath": "/orders", "stage": "prod", "authorizer": authorizer,
    }})
}

fn websocket(authorizer: &Value) -> Value {
    json!({"requestContext": {
        "routeKey": "$connect", "eventType": "CONNECT", "connectionId": "c", "connectedAt": 0, "requestTimeEpoch": 0,
        "stage": "prod", "authorizer": authorizer,
    }})
}

fn http_v2(authorizer: &Value) -> Value {
    json!({"version": "2.0", "routeKey": "GET /orders", "rawPath": "/orders", "headers": {}, "requestContext": {
        "http": {"method": "GET", "path": "/orders"}, "stage": "prod", "authorizer": authorizer,
    }})
}

fn typed<T: DeserializeOwned>(event: Value) -> T {
    serde_json::from_value(event).unwrap()
}

fn context(address: &str) -> Value {
    event_until(address, EXPIRES_AT)["requestContext"]["authorizer"].take()
}

#[tokio::test]
async fn requests_of_all_kinds_of_api_are_opened_and_their_contexts_too() {
    let fake = fake(|_| None).await;
    let (integration, context) = (integration(&fake), context(&fake.address));
    let rest: ApiGatewayProxyRequest = typed(rest(&context));
    let websocket: ApiGatewayWebsocketProxyRequest = typed(websocket(&context));
    let http: ApiGatewayV2httpRequest = typed(http_v2(&json!({ "lambda": context })));
    for opened in [
        integration.open_request(&rest, now()).await,
        integration.open_request(&websocket, now()).await,
        integration.open_request(&http, now()).await,
        integration.open_request(&rest.request_context, now()).await,
        integration.open_request(&websocket.request_context, now()).await,
        integration.open_request(&http.request_context, now()).await,
    ] {
        assert_eq!(opened.unwrap().caller().id, "corp:alice");
    }
}

#[tokio::test]
async fn rejects_a_request_without_context_and_one_in_the_place_of_another_kind() {
    let fake = fake(|_| None).await;
    let context = context(&fake.address);
    for authorizer in [json!(null), json!({}), context.clone()] {
        let request: ApiGatewayV2httpRequest = typed(http_v2(&authorizer));
        let error = integration(&fake).open_request(&request, now()).await.unwrap_err();
        assert_matches!(error, UnwrapError::NoContext);
    }
    for authorizer in [json!(null), json!({}), json!({ "lambda": context })] {
        let request: ApiGatewayProxyRequest = typed(rest(&authorizer));
        assert_matches!(VaultContext::from_request(&request).unwrap_err(), ContextError::Missing);
    }
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn rejects_what_the_authorizer_would_never_write_without_quoting_it() {
    let mut context = context("http://127.0.0.1:1");
    context["vaultWrappingToken"] = json!({"hvs": "secret"});
    let request: ApiGatewayProxyRequest = typed(rest(&context));
    let error = VaultContext::from_request(&request).unwrap_err();
    assert_matches!(error, ContextError::Invalid { key: "vaultWrappingToken", .. });
    assert!(!format!("{error} {error:?}").contains("secret"));
}
