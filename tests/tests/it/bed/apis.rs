//! What the emulator does with each kind of API: the events that it sends, and what it makes of each answer. Where it
//! differs from AWS, `docs/not-verified-on-aws.md` says so, and these tests notice when it no longer does.

use serde_json::{Value, json};
use test_bed::cases::Shape;
use test_bed::raw_http::Request;
use test_bed::{Apis, Emulator, Scratch, parts};

async fn bed(name: &str) -> (Scratch, Emulator, Apis) {
    let scratch = Scratch::new(name);
    let emulator = Emulator::start(&scratch).await;
    let apis = Apis::create(&emulator).await;
    apis.deploy_capture().await;
    (scratch, emulator, apis)
}

fn get(target: String, headers: &[(&str, &str)]) -> Request {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Request { method: "GET".to_owned(), target, headers }
}

/// What the authorizer was given.
async fn event(apis: &Apis, shape: Shape, request: &Request) -> Value {
    let outcome = apis.call(shape, request).await;
    let event = outcome.context()["event"].as_str().unwrap_or_else(|| panic!("{shape:?}: {outcome:?}"));
    serde_json::from_str(event).unwrap()
}

/// `tests/golden/events`: the emulator's own events, with sample values where each call has others.
/// `UPDATE_GOLDEN=1` writes them anew.
#[tokio::test]
async fn sends_the_events_that_were_captured() {
    let (_scratch, _emulator, apis) = bed("events").await;
    for shape in Shape::ALL {
        let base = apis.base(shape, "prod");
        let path = if shape == Shape::Websocket { "" } else { "/orders/a:b%20c" };
        let headers = [
            ("Authorization", "Bearer header.payload.signature"),
            ("User-Agent", "sample/1.0"),
            ("Cookie", "session=abc; theme=dark"),
            ("Cookie", "lang=en"),
            ("X-Two", "1"),
            ("x-two", "2"),
            ("Sec-WebSocket-Protocol", "bearer, header.payload.signature"),
        ];
        let target = format!("{base}{path}?access_token=a%2Bb&page=1&page=2");
        let mut event = event(&apis, shape, &get(target, &headers)).await;
        let api = base.split('/').nth(3).unwrap();
        sanitize(&mut event, api);

        let name = serde_json::to_value(shape).unwrap();
        parts::assert_golden(&format!("events/{}.json", name.as_str().unwrap()), &event);
    }
}

fn sanitize(value: &mut Value, api: &str) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match name.as_str() {
                    "requestId" | "extendedRequestId" => {
                        *value = json!("11111111-1111-4111-8111-111111111111");
                    }
                    "connectionId" => *value = json!("0123456789abcdef"),
                    "resourceId" => *value = json!("01234567"),
                    "requestTime" => *value = json!("01/Jan/2026:00:00:00 +0000"),
                    "requestTimeEpoch" | "connectedAt" => *value = json!(1_767_225_600_000_u64),
                    "host" if value.is_array() => *value = json!(["127.0.0.1:4566"]),
                    "host" => *value = json!("127.0.0.1:4566"),
                    _ => sanitize(value, api),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| sanitize(item, api)),
        Value::String(text) => *text = text.replace(api, "a1b2c3d4e5"),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[tokio::test]
async fn answers_as_api_gateway_does_where_we_say_so() {
    let (_scratch, _emulator, apis) = bed("answers").await;
    let orders = ["x", "deny", "error Unauthorized", "error unauthorized", "error vault_sealed", "nonsense"];
    let rest = [200, 403, 401, 401, 500, 500];
    let http = [200, 403, 500, 500, 500, 500];
    for shape in Shape::ALL {
        let mut seen = Vec::new();
        for order in orders {
            let path = if shape == Shape::Websocket { "" } else { "/orders" };
            let target = format!("{}{path}", apis.base(shape, "prod"));
            seen.push(apis.call(shape, &get(target, &[("Authorization", order)])).await.status);
        }
        let expected = match shape {
            Shape::RestRequest | Shape::RestToken => rest,
            Shape::HttpV1 | Shape::HttpV2 | Shape::HttpV2Simple => http,
            Shape::Websocket => [101, 403, 500, 500, 500, 500],
        };
        assert_eq!(seen, expected, "{shape:?}: {orders:?}");
    }
}

#[tokio::test]
async fn hands_the_context_on_in_each_shapes_own_place() {
    let (_scratch, _emulator, apis) = bed("context").await;
    for shape in Shape::ALL {
        let path = if shape == Shape::Websocket { "" } else { "/orders" };
        let target = format!("{}{path}", apis.base(shape, "prod"));
        let outcome = apis.call(shape, &get(target, &[("Authorization", "x")])).await;
        let authorizer = &outcome.body["authorizer"];
        let (context, nested, as_text) = match shape {
            Shape::RestRequest | Shape::RestToken | Shape::Websocket => (authorizer, false, true),
            Shape::HttpV1 => (&authorizer["lambda"], true, true),
            Shape::HttpV2 | Shape::HttpV2Simple => (&authorizer["lambda"], true, false),
        };
        assert_eq!(authorizer["lambda"].is_object(), nested, "{shape:?}");
        let (number, truth) = if as_text { (json!("1"), json!("true")) } else { (json!(1), json!(true)) };
        assert_eq!((&context["number"], &context["truth"]), (&number, &truth), "{shape:?}");
        let principal = if shape == Shape::HttpV2Simple { Value::Null } else { json!("capture") };
        assert_eq!(context["principalId"], principal, "{shape:?}");
    }
}

/// How paths reach the event: decoded, and otherwise as they were sent. TOKEN has nothing but the ARN.
#[tokio::test]
async fn names_the_path_in_the_arn_as_the_client_sent_it_but_decoded() {
    let (_scratch, _emulator, apis) = bed("paths").await;
    let cases = [
        ("/orders/a:b", "/orders/a:b"),
        ("/orders/a%20b", "/orders/a b"),
        ("/orders/%C3%A9", "/orders/é"),
        ("/orders/a%3Fb", "/orders/a?b"),
        ("/orders/*", "/orders/*"),
        ("/orders/", "/orders/"),
        ("/", "/"),
    ];
    for shape in [Shape::RestRequest, Shape::RestToken, Shape::HttpV1, Shape::HttpV2] {
        for (sent, seen) in cases {
            let target = format!("{}{sent}", apis.base(shape, "prod"));
            let event = event(&apis, shape, &get(target, &[("Authorization", "x")])).await;
            let arn = event.get("methodArn").or(event.get("routeArn")).unwrap().as_str().unwrap();
            let path = arn.splitn(4, '/').nth(3).unwrap();
            assert_eq!(format!("/{path}"), seen, "{shape:?}: {sent}");
        }
    }
}
