//! An event, as API Gateway sends it and as it never does. An event that parses has exactly one meaning.
//!
//! The input is JSON.
#![no_main]

use std::slice;

use authorizer_steps::event::{
    self, Credential, CredentialError, CredentialSource, EventSummary, Json, MAX_CREDENTIAL_BYTES, MethodArn,
    Request, Resource, Shape,
};
use libfuzzer_sys::{Corpus, fuzz_target};
use serde_json::Value;

fuzz_target!(
    init: assert!(SEEDS.into_iter().all(has_a_credential), "a target that accepts nothing checks nothing"),
    |input: &[u8]| -> Corpus {
        // What one reader of JSON takes, another does, except for duplicate members.
        let (read, event) = (event::read(input), serde_json::from_slice(input));
        if let (Err(error), Ok(_)) = (&read, &event) {
            assert!(format!("{error:?}").contains("a duplicate member"), "{error}");
        }
        let Ok(read) = read else { return Corpus::Reject };
        let event = event.expect("what is read is JSON");
        check(&read, &event);
        Corpus::Keep
    }
);

fn has_a_credential(seed: &str) -> bool {
    check(&serde_json::from_str(seed).expect("an event"), &serde_json::from_str(seed).expect("an event"))
}

/// Whether it is a request with a credential.
fn check(read: &Json, event: &Value) -> bool {
    check_summary(&EventSummary::of(read));
    let Ok(request) = Request::parse(read) else { return false };
    check_arn(&request, event);
    check_resource(&request);
    check_debug(&request);
    if request.shape() == Shape::RestToken {
        check_token(&request, event);
    } else {
        check_origin(&request, event);
        check_no_reserved_header(event);
        check_credential(&request, event);
    }
    request.credential(&sources()).is_ok()
}

/// Short texts, whatever the event is.
fn check_summary(seen: &EventSummary) {
    let texts =
        [&seen.request_id, &seen.extended_request_id, &seen.api_id, &seen.stage, &seen.method, &seen.route];
    assert!(texts.into_iter().flatten().all(|text| text.chars().count() <= 256));
}

fn check_arn(request: &Request, event: &Value) {
    let arn = request.method_arn();
    let said = if request.shape() == Shape::HttpV2 { &event["routeArn"] } else { &event["methodArn"] };
    assert_eq!(said, arn.as_str());
    assert_eq!(MethodArn::parse(arn.as_str()).as_ref(), Ok(arn));
    // The event may have the path in another encoding than the ARN.
    let paths = match request.shape() {
        Shape::RestToken | Shape::WebSocket => vec![],
        Shape::RestRequest | Shape::HttpV1 => vec![&event["path"]],
        Shape::HttpV2 => vec![&event["rawPath"], &event["requestContext"]["http"]["path"]],
    };
    for path in paths.into_iter().filter_map(Value::as_str).chain(arn.path()) {
        assert!(
            !path.contains(['*', '?']) && !path.contains("${"),
            "a policy would read a pattern: `{path}`"
        );
    }
}

fn check_resource(request: &Request) {
    match (request.shape(), request.resource()) {
        (Shape::RestToken, Resource::Path(path)) => {
            assert_eq!(Some(path.as_str()), request.method_arn().path());
            let dots = |segment: &str| segment == "." || segment == "..";
            assert!(!path.contains("//") && !path.contains('%') && !path.split('/').any(dots), "{path}");
            assert!(path == "/" || !path.ends_with('/'), "{path}");
        }
        (Shape::WebSocket, Resource::Connect) => assert_eq!(request.method_arn().path(), None),
        (Shape::RestRequest | Shape::HttpV1 | Shape::HttpV2, Resource::Template(_)) => {
            assert!(request.method_arn().path().is_some());
        }
        (shape, resource) => panic!("{shape:?} and {resource:?}"),
    }
}

/// Nothing but what the log may hold, however the request is printed.
fn check_debug(request: &Request) {
    let (shape, arn, resource) = (request.shape(), request.method_arn(), request.resource());
    let expected = format!("Request {{ shape: {shape:?}, method_arn: {arn:?}, resource: {resource:?}, .. }}");
    assert_eq!(format!("{request:?}"), expected);
}

/// The event says where it is from twice, in the ARN and in its context.
fn check_origin(request: &Request, event: &Value) {
    let (arn, context) = (request.method_arn(), &event["requestContext"]);
    for (name, expected) in [("accountId", arn.account()), ("apiId", arn.api_id()), ("stage", arn.stage())] {
        assert!(context[name].is_null() || context[name] == expected, "`{name}` is another one");
    }
}

/// A `TOKEN` event carries no headers; every other one does.
fn check_no_reserved_header(event: &Value) {
    let names = ["headers", "multiValueHeaders"].into_iter().filter_map(|map| event[map].as_object());
    for name in names.flat_map(|map| map.keys()) {
        let folded = name.to_ascii_lowercase().replace('_', "-");
        assert!(!folded.starts_with("x-vault-"), "`{name}` is only ours to set");
    }
}

fn check_token(request: &Request, event: &Value) {
    let Ok((source, credential)) = request.credential(&sources()) else { return };
    assert_eq!(source, CredentialSource::Header("authorizationToken".to_owned()));
    check_form(&credential);
    let token = filled(event["authorizationToken"].as_str().expect("a token")).expect("a credential");
    // It is read in both forms that headers may have.
    assert!(token == exposed(&credential) || is_with_scheme(&credential, token));
}

/// One credential, in one place, under one name, with one value.
fn check_credential(request: &Request, event: &Value) {
    let sources = sources();
    let alone: Vec<_> = sources
        .iter()
        .map(|source| request.credential(slice::from_ref(source)).map(|found| found.1))
        .collect();
    for (source, credential) in sources.iter().zip(&alone) {
        let Ok(credential) = credential else { continue };
        check_form(credential);
        check_sole_value(source, credential, event);
    }
    let found = alone.iter().filter(|credential| credential.is_ok()).count();
    match request.credential(&sources) {
        Ok((source, credential)) => {
            assert_eq!(found, 1, "two credentials");
            for (other, alone) in sources.iter().zip(&alone) {
                match alone {
                    Ok(alone) => assert_eq!((other, exposed(alone)), (&source, exposed(&credential))),
                    Err(error) => assert_eq!(*error, CredentialError::Missing, "{other} has one, too"),
                }
            }
        }
        // One that is found alone may be refused beside another. No other place may hide it.
        Err(error) => assert!(found == 0 || error != CredentialError::Missing, "{error}"),
    }
}

fn check_form(credential: &Credential) {
    let text = exposed(credential);
    let alphabet = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    assert!((1..=MAX_CREDENTIAL_BYTES).contains(&text.len()) && text.bytes().all(alphabet));
    let redacted = match credential {
        Credential::Bearer(_) => "Bearer(BearerToken(** redacted **))",
        Credential::Dpop(_) => "Dpop(BearerToken(** redacted **))",
        Credential::AwsIdentity(_) => "AwsIdentity(EncodedProof(** redacted **))",
    };
    assert_eq!(format!("{credential:?}"), redacted);
}

/// The event itself, read once more without any of the parser's help: another hop must see the same credential.
fn check_sole_value(source: &CredentialSource, credential: &Credential, event: &Value) {
    match source {
        CredentialSource::Header(name) => {
            let values = sole_values(event, "headers", "multiValueHeaders", name);
            assert!(!values.is_empty(), "no value in {source}");
            assert!(values.iter().all(|value| is_with_scheme(credential, value)), "two values in {source}");
        }
        CredentialSource::BareHeader(name) => {
            let values = sole_values(event, "headers", "multiValueHeaders", name);
            assert!(!values.is_empty(), "no value in {source}");
            assert!(values.iter().all(|value| *value == exposed(credential)), "two values in {source}");
        }
        CredentialSource::Query(name) => {
            sole_values(event, "queryStringParameters", "multiValueQueryStringParameters", name);
            // API Gateway writes both maps from one query, so a name in one is in the other, in the same spelling.
            let exactly =
                [&event["queryStringParameters"][name], &event["multiValueQueryStringParameters"][name]];
            let values = exactly.map(|value| value.as_array().map_or(slice::from_ref(value), Vec::as_slice));
            let mut values =
                values.into_iter().flatten().filter_map(Value::as_str).filter_map(filled).peekable();
            assert!(values.peek().is_some() && values.all(|value| value == exposed(credential)));
        }
        CredentialSource::Cookie(name) => {
            let apart = event["cookies"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let mut places = 0;
            for texts in [apart, header_values(event, "cookie")] {
                let pairs = texts.into_iter().flat_map(|text: &str| text.split(';')).map(trimmed);
                let pairs = pairs.filter_map(|pair| pair.split_once('='));
                let pairs = pairs.filter_map(|(own, value)| Some((own, filled(value)?)));
                let named: Vec<_> = pairs.filter(|(own, _)| own.eq_ignore_ascii_case(name)).collect();
                places += named.len();
                assert!(
                    named.is_empty() || named == [(name.as_str(), exposed(credential))],
                    "two values in {source}"
                );
            }
            assert!(places > 0, "no value in {source}");
        }
        CredentialSource::WebSocketProtocol(name) => {
            let lists = header_values(event, "sec-websocket-protocol");
            let offered: Vec<&str> =
                lists.into_iter().flat_map(|list| list.split(',')).map(trimmed).collect();
            let named = offered.iter().filter(|offer| offer.eq_ignore_ascii_case(name));
            assert_eq!(named.count(), 1, "two values in {source}");
            assert!(offered.windows(2).any(|two| two == [name, exposed(credential)]));
        }
    }
}

/// What stands under a name, in any case, in a map of single values and in one of many. Neither may have it twice; what is
/// empty does not count.
fn sole_values<'e>(event: &'e Value, single: &str, multi: &str, name: &str) -> Vec<&'e str> {
    let filled = |map| values(event, map, name).into_iter().filter_map(filled).collect::<Vec<_>>();
    let [single, multi] = [filled(single), filled(multi)];
    assert!(single.len() <= 1 && multi.len() <= 1, "`{name}` twice");
    [single, multi].concat()
}

/// Every value of a header that is a list: all of them where the event has all, among them what it kept elsewhere.
fn header_values<'e>(event: &'e Value, name: &str) -> Vec<&'e str> {
    let (kept, all) = (values(event, "headers", name), values(event, "multiValueHeaders", name));
    assert!(all.is_empty() || kept.iter().all(|value| all.contains(value)), "two stories of `{name}`");
    if all.is_empty() { kept } else { all }
}

fn values<'e>(event: &'e Value, map: &str, name: &str) -> Vec<&'e str> {
    let fields = event[map].as_object().into_iter().flatten();
    let named = fields.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    let all = named.flat_map(|value| value.as_array().map_or(slice::from_ref(value), Vec::as_slice));
    all.filter_map(Value::as_str).collect()
}

/// HTTP's white space, and no other (RFC 9110, section 5.6.3).
fn trimmed(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

/// A value without white space and empty values around it.
fn filled(value: &str) -> Option<&str> {
    Some(value.trim_matches([' ', '\t', ','])).filter(|value| !value.is_empty())
}

/// Whether a value is the credential as its header has it: the scheme in any case, and one or more spaces.
fn is_with_scheme(credential: &Credential, value: &str) -> bool {
    let Some((scheme, rest)) = value.split_once(' ') else { return false };
    scheme.eq_ignore_ascii_case(credential.scheme()) && rest.trim_start_matches(' ') == exposed(credential)
}

fn exposed(credential: &Credential) -> &str {
    match credential {
        Credential::Bearer(token) | Credential::Dpop(token) => token.expose(),
        Credential::AwsIdentity(proof) => proof.expose(),
    }
}

/// One of each shape and each place.
const SEEDS: [&str; 7] = [
    include_str!("../seeds/event/rest_token.json"),
    include_str!("../seeds/event/rest_request.json"),
    include_str!("../seeds/event/http_v1.json"),
    include_str!("../seeds/event/http_v2.json"),
    include_str!("../seeds/event/bare.json"),
    include_str!("../seeds/event/query.json"),
    include_str!("../seeds/event/websocket.json"),
];

/// One of each kind, and two headers with a scheme.
fn sources() -> [CredentialSource; 6] {
    [
        CredentialSource::Header("authorization".to_owned()),
        CredentialSource::Header("x-token".to_owned()),
        CredentialSource::BareHeader("x-jwt".to_owned()),
        CredentialSource::Cookie("session".to_owned()),
        CredentialSource::Query("access_token".to_owned()),
        CredentialSource::WebSocketProtocol("bearer".to_owned()),
    ]
}
