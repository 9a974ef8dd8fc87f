//! What the log may say of an event, even of one that cannot be read.
//!
//! Receives any JSON; produces short texts for people who read logs. No step trusts any of it.

use super::Json;

/// What an event shows at first sight.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventSummary {
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

impl EventSummary {
    /// Reads what is there, cutting what is too long for a log line.
    pub fn of(event: &Json<'_>) -> Self {
        let text = |key: &str| event.get(key).and_then(Json::as_str);
        let context = event.get("requestContext");
        let in_context = |key: &str| context.and_then(|context| context.get(key)).and_then(Json::as_str);
        // HTTP APIs with payload 2.0 call it `routeArn`.
        let arn = text("methodArn").or_else(|| text("routeArn")).map(cut).unwrap_or_default();
        let mut arn = arn.splitn(6, ':').nth(5).unwrap_or_default().splitn(4, '/');
        let (api_id, stage, method) = (arn.next(), arn.next(), arn.next());
        // `resource`, or the path half of `routeKey`; `routeKey` alone for `$default` and `$connect`.
        let route_key = || text("routeKey").or_else(|| in_context("routeKey"));
        let template = text("resource")
            .or_else(|| route_key().map(|key| key.split_once(' ').map_or(key, |(_, template)| template)));
        Self {
            request_id: in_context("requestId").map(cut).map(str::to_owned),
            extended_request_id: in_context("extendedRequestId").map(cut).map(str::to_owned),
            route: template
                .map(|template| cut(template).to_owned())
                .or_else(|| arn.next().map(|path| format!("/{path}"))),
            api_id: api_id.filter(|id| !id.is_empty()).map(str::to_owned),
            stage: stage.map(str::to_owned),
            method: method.map(str::to_owned),
        }
    }
}

/// What fits into a log line.
fn cut(text: &str) -> &str {
    const MAX_BYTES: usize = 256;
    text.get(..text.floor_char_boundary(MAX_BYTES)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn of(event: &Value) -> EventSummary {
        EventSummary::of(&event.into())
    }

    #[test]
    fn any_event_shows_something_or_nothing() {
        let arn = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/GET/orders/7";
        let context = json!({"requestId": "r-1", "extendedRequestId": "x-1", "routeKey": "$connect"});
        let rest = json!({"methodArn": arn, "resource": "/orders/{id}", "requestContext": context});
        let rest = of(&rest);
        let seen = [rest.api_id, rest.stage, rest.method, rest.request_id, rest.extended_request_id];
        assert_eq!(seen.map(Option::unwrap), ["a1b2c3d4e5", "prod", "GET", "r-1", "x-1"]);
        assert_eq!(rest.route.as_deref(), Some("/orders/{id}"));
        for (event, route) in [
            (json!({"routeArn": arn, "routeKey": "ANY /orders/{id}"}), "/orders/{id}"),
            (json!({"routeArn": arn, "routeKey": "$default"}), "$default"),
            (json!({"requestContext": context}), "$connect"),
            (json!({"methodArn": arn}), "/orders/7"),
        ] {
            assert_eq!(of(&event).route.as_deref(), Some(route), "{event}");
        }
        assert_eq!(of(&json!("x")), EventSummary::default());
    }

    #[test]
    fn what_is_too_long_for_a_line_is_cut() {
        let seen = of(&json!({"resource": "/x".repeat(1000)}));
        assert_eq!(seen.route.unwrap().len(), 256);
    }
}
