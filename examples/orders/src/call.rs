//! What this integration reads from an event: the API's stage and the authorizer's context.
//!
//! Receives the event of a REST API, or of an HTTP API with payload 2.0; produces a [`Call`]. The types of
//! `aws_lambda_events` and their errors print what the event holds, including a wrapping token, so neither leaves
//! this module.

use aws_lambda_events::apigw::{ApiGatewayProxyRequest, ApiGatewayV2httpRequest};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::OrdersError;

/// A request, as far as it matters here.
pub(crate) struct Call {
    pub(crate) stage: String,
    pub(crate) context: Map<String, Value>,
}

impl Call {
    /// Payload 2.0 has the context under `lambda`; a REST API's event has it flat.
    pub(crate) fn read(event: Value) -> Result<Self, OrdersError> {
        let (stage, authorizer) = if event.get("version").is_some_and(|version| version == "2.0") {
            let context = typed::<ApiGatewayV2httpRequest>(event)?.request_context;
            (context.stage, context.authorizer.unwrap_or_default())
        } else {
            let context = typed::<ApiGatewayProxyRequest>(event)?.request_context;
            (context.stage, context.authorizer)
        };
        let stage = stage.ok_or(OrdersError::StageUnknown)?;
        Ok(Self { stage, context: authorizer.fields.into_iter().collect() })
    }
}

fn typed<T: DeserializeOwned>(event: Value) -> Result<T, OrdersError> {
    serde_json::from_value(event).map_err(|_| OrdersError::EventUnsupported)
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// As a REST API sends it.
    pub(crate) fn rest(stage: &str, context: &Value) -> Value {
        json!({
            "resource": "/orders", "path": "/orders", "httpMethod": "GET",
            "headers": {"Host": "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"},
            "multiValueHeaders": {"Host": ["a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"]},
            "queryStringParameters": null, "multiValueQueryStringParameters": null, "pathParameters": null, "stageVariables": null,
            "requestContext": {
                "accountId": "123456789012", "apiId": "a1b2c3d4e5", "resourceId": "abc123", "resourcePath": "/orders",
                "httpMethod": "GET", "path": "/prod/orders", "protocol": "HTTP/1.1", "requestId": "request-1",
                "identity": {"sourceIp": "192.0.2.1", "userAgent": null}, "requestTimeEpoch": 1_800_000_000_000_u64,
                "stage": stage, "authorizer": context,
            },
            "body": null, "isBase64Encoded": false,
        })
    }

    /// As an HTTP API with payload 2.0 sends it.
    pub(crate) fn http_v2(stage: &str, context: &Value) -> Value {
        json!({
            "version": "2.0", "routeKey": "GET /orders", "rawPath": "/prod/orders", "rawQueryString": "",
            "headers": {"host": "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com"},
            "requestContext": {
                "accountId": "123456789012", "apiId": "a1b2c3d4e5", "routeKey": "GET /orders", "requestId": "request-1",
                "http": {"method": "GET", "path": "/prod/orders", "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1"},
                "time": "15/Jan/2027:08:00:00 +0000", "timeEpoch": 1_800_000_000_000_u64, "authentication": null,
                "stage": stage, "authorizer": {"lambda": context},
            },
            "isBase64Encoded": false,
        })
    }

    #[test]
    fn both_kinds_of_event_say_the_stage_and_the_context() {
        let context = json!({"vaultGrant": "orders-reader", "principalId": "corp:alice"});
        for event in [rest("prod", &context), http_v2("prod", &context)] {
            let call = Call::read(event).unwrap();
            assert_eq!((call.stage.as_str(), Value::Object(call.context)), ("prod", context.clone()));
        }
    }

    #[test]
    fn an_event_without_an_authorizer_has_no_context() {
        for mut event in [rest("prod", &json!(null)), http_v2("prod", &json!(null))] {
            assert!(Call::read(event.clone()).unwrap().context.is_empty());
            event["requestContext"].as_object_mut().unwrap().remove("authorizer");
            assert!(Call::read(event).unwrap().context.is_empty());
        }
    }

    #[test]
    fn rejects_a_context_in_the_place_of_the_other_kind() {
        let context = json!({"vaultGrant": "orders-reader"});
        let mut event = http_v2("prod", &json!({}));
        event["requestContext"]["authorizer"] = context.clone();
        assert!(Call::read(event).unwrap().context.is_empty());
        let nested = Call::read(rest("prod", &json!({"lambda": context}))).unwrap();
        assert!(nested.context.get("vaultGrant").is_none());
    }

    #[test]
    fn rejects_an_event_of_another_service_in_words_that_do_not_quote_it() {
        let mut number = rest("prod", &json!({}));
        number["requestContext"]["stage"] = json!(1);
        let mut header = http_v2("prod", &json!({}));
        header["headers"]["authorization"] = json!("Bearer a.b.c\n");
        for event in [json!({}), json!(null), json!({"Records": []}), number, header] {
            let error = Call::read(event).err().unwrap();
            assert!(matches!(error, OrdersError::EventUnsupported) && !error.to_string().contains("a.b.c"));
        }
    }
}
