//! The events of API Gateway.

use serde_json::{Value, json};

const API: &str = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5";

/// A REST `REQUEST` event for `GET /orders` on `prod`, with a JWT.
pub fn event(token: &str) -> Value {
    event_on(token, "prod", "GET", "/orders")
}

/// The same with any `Authorization`.
pub fn event_with(authorization: &str) -> Value {
    on_route(authorization, "prod", "GET", "/orders")
}

/// The same for another route of `stage`.
pub fn event_on(token: &str, stage: &str, method: &str, resource: &str) -> Value {
    on_route(&format!("Bearer {token}"), stage, method, resource)
}

/// For a route of another API.
pub fn event_of_another_api(token: &str, stage: &str) -> Value {
    let event = event_on(token, stage, "GET", "/orders").to_string();
    serde_json::from_str(&event.replace("a1b2c3d4e5", "zzzzzzzzzz")).unwrap()
}

fn on_route(authorization: &str, stage: &str, method: &str, resource: &str) -> Value {
    json!({
        "type": "REQUEST",
        "methodArn": format!("{API}/{stage}/{method}{resource}"),
        "resource": resource,
        "path": resource,
        "httpMethod": method,
        "headers": {"Authorization": authorization},
        "multiValueHeaders": {"Authorization": [authorization]},
        "requestContext": {"accountId": "123456789012", "apiId": "a1b2c3d4e5", "stage": stage,
            "resourcePath": resource, "httpMethod": method, "requestId": "request-1", "extendedRequestId": "extended-1"},
    })
}

pub fn token_event(token: &str, path: &str) -> Value {
    json!({"type": "TOKEN", "authorizationToken": format!("Bearer {token}"), "methodArn": format!("{API}/prod/GET{path}")})
}
