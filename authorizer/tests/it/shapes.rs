//! The table of cases, `cases.json`, as the events that API Gateway makes of each call. It covers every shape,
//! including those that the emulator cannot carry. The file explains its members.
//!
//! The events are written as AWS documents them (API Gateway developer guide, "Input to an API Gateway Lambda
//! authorizer" and the pages for HTTP and WebSocket APIs). The golden files refer to credentials by their names.

use std::{collections::BTreeMap, fmt::Write, fs, path::Path};

use authorizer_steps::response::Answer;
use serde_json::{Map, Value, json};

use crate::{aws_iam, aws_identity, support::*};

const SHAPES: [&str; 6] = ["rest_request", "rest_token", "http_v1", "http_v2", "http_v2_simple", "websocket"];
const API: &str = "a1b2c3d4e5";
const USER: (&str, &str) = ("arn:aws:iam::123456789012:user/people/alice", "AIDAEXAMPLEALICE");

fn table() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// One call of the table.
struct Call<'a> {
    case: &'a Value,
    shape: &'static str,
}

impl Call<'_> {
    fn text(&self, name: &str, otherwise: &'static str) -> &str {
        self.case[name].as_str().unwrap_or(otherwise)
    }

    fn pairs(&self, name: &str) -> Vec<(String, String)> {
        let pairs = self.case[name].as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        pairs.iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect()
    }

    fn headers(&self, name: &str) -> Vec<String> {
        let named = |(own, _): &(String, String)| own.eq_ignore_ascii_case(name);
        self.pairs("headers").into_iter().filter(named).map(|(_, value)| value).collect()
    }

    /// The code, or `None` where API Gateway answers without calling the authorizer or knows no such call.
    fn code(&self) -> Option<&str> {
        let only = self.case["only"].as_array();
        if only.is_some_and(|only| !only.iter().any(|shape| shape == self.shape)) {
            return None;
        }
        let special = &self.case["shapes"][self.shape];
        match special.get("code") {
            _ if special.is_string() => None,
            Some(other) => other.as_str(),
            None => self.case["code"].as_str(),
        }
    }

    fn event(&self) -> Value {
        match self.shape {
            "rest_request" => self.rest_request(),
            "rest_token" => self.rest_token(),
            "http_v1" => self.http_v1(),
            "http_v2" | "http_v2_simple" => self.http_v2(),
            _ => self.websocket(),
        }
    }

    fn arn(&self) -> String {
        let (stage, method) = (self.text("stage", "prod"), self.text("method", "GET"));
        let below = match self.shape {
            "websocket" => "$connect".to_owned(),
            _ => format!("{method}{}", self.text("path", "/orders")),
        };
        format!("arn:aws:execute-api:eu-west-1:123456789012:{API}/{stage}/{below}")
    }

    /// HTTP APIs put a named stage in front of the path.
    fn path_below_stage(&self) -> String {
        let path = self.text("path", "/orders");
        match self.text("stage", "prod") {
            "$default" => path.to_owned(),
            stage => format!("/{stage}{path}"),
        }
    }

    fn rest_request(&self) -> Value {
        let (path, template) = (self.text("path", "/orders"), self.text("template", "/orders"));
        let (stage, method) = (self.text("stage", "prod"), self.text("method", "GET"));
        let (headers, query) = (self.pairs("headers"), self.pairs("query"));
        json!({
            "type": "REQUEST", "methodArn": self.arn(), "resource": template, "path": path, "httpMethod": method,
            "headers": last(&headers), "multiValueHeaders": all(&headers),
            "queryStringParameters": last(&query), "multiValueQueryStringParameters": all(&query),
            "pathParameters": null, "stageVariables": null,
            "requestContext": {"resourceId": "abc123", "resourcePath": template, "httpMethod": method, "path": format!("/{stage}{path}"),
                "accountId": "123456789012", "apiId": API, "stage": stage, "requestId": "request-1", "extendedRequestId": "extended-1",
                "identity": {"sourceIp": "192.0.2.1"}},
        })
    }

    fn rest_token(&self) -> Value {
        let token = self.headers("authorization").pop().unwrap_or_default();
        json!({"type": "TOKEN", "authorizationToken": token, "methodArn": self.arn()})
    }

    fn http_v1(&self) -> Value {
        let mut event = self.rest_request();
        event["version"] = json!("1.0");
        event["path"] = self.path_below_stage().into();
        event["headers"] = joined(&lower(self.pairs("headers")));
        event["queryStringParameters"] = joined(&self.pairs("query"));
        for multi in ["multiValueHeaders", "multiValueQueryStringParameters"] {
            event.as_object_mut().unwrap().remove(multi);
        }
        let source = self.headers("authorization").join(",");
        event["identitySource"] = source.clone().into();
        event["authorizationToken"] = source.into();
        event
    }

    fn http_v2(&self) -> Value {
        let (path, template) = (self.path_below_stage(), self.text("template", "/orders"));
        let (stage, method) = (self.text("stage", "prod"), self.text("method", "GET"));
        let key = match template {
            "$default" => template.to_owned(),
            _ if template.contains("{proxy+}") => format!("ANY {template}"),
            _ => format!("{method} {template}"),
        };
        let (cookies, headers): (Vec<_>, Vec<_>) =
            lower(self.pairs("headers")).into_iter().partition(|(name, _)| name == "cookie");
        let cookies: Vec<_> = cookies.iter().flat_map(|(_, value)| value.split("; ")).collect();
        json!({
            "version": "2.0", "type": "REQUEST", "routeArn": self.arn(), "identitySource": self.headers("authorization"),
            "routeKey": key, "rawPath": path, "rawQueryString": "", "cookies": cookies, "headers": joined(&headers),
            "queryStringParameters": joined(&self.pairs("query")), "pathParameters": {}, "stageVariables": {},
            "requestContext": {"accountId": "123456789012", "apiId": API, "domainName": "a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com",
                "domainPrefix": API, "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "agent"},
                "requestId": "request-1", "routeKey": key, "stage": stage, "time": "15/Jan/2027:08:00:00 +0000", "timeEpoch": NOW * 1000},
        })
    }

    fn websocket(&self) -> Value {
        let (headers, query) = (self.pairs("headers"), self.pairs("query"));
        json!({
            "type": "REQUEST", "methodArn": self.arn(),
            "headers": last(&headers), "multiValueHeaders": all(&headers),
            "queryStringParameters": last(&query), "multiValueQueryStringParameters": all(&query), "stageVariables": {},
            "requestContext": {"routeKey": "$connect", "eventType": "CONNECT", "extendedRequestId": "extended-1", "messageDirection": "IN",
                "stage": self.text("stage", "prod"), "connectedAt": NOW * 1000, "requestTimeEpoch": NOW * 1000,
                "identity": {"sourceIp": "192.0.2.1"}, "requestId": "request-1", "connectionId": "connection-1", "apiId": API},
        })
    }

    fn bed(&self, table: &Value) -> Bed {
        let mut document = table["configuration"].clone();
        for (key, value) in table["configuration_of"][self.shape].as_object().into_iter().flatten() {
            document[key] = value.clone();
        }
        for issuer in document["issuers"].as_object_mut().unwrap().values_mut() {
            issuer["jwks"] = json!({"file": "jwks.json"});
        }
        for stage in document["stages"].as_object_mut().unwrap().values_mut() {
            if stage["api_ids"] == json!(["${apis}"]) {
                stage["api_ids"] = json!([API]);
            }
        }
        let values = [
            ("vault", "https://vault.example.com:8200"),
            ("vault_token", "s.AuthorizerTokenOfTheTest"),
            ("issuer", ISSUER),
            ("aws_issuer", aws_iam::ISSUER),
            ("sts", "http://127.0.0.1:4566"),
        ];
        let filled = values
            .iter()
            .fold(document.to_string(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value));
        let bed = Bed::of(filled);
        let names = |name: &str| self.case.to_string().contains(&format!("${{{name}}}"));
        let refused = names("user_tampered") || names("user_other_server");
        let answer = match () {
            () if refused => error_answer(403, "SignatureDoesNotMatch"),
            () if names("user") => caller_answer(USER.0, USER.1),
            () if names("user_unlisted") => {
                caller_answer("arn:aws:iam::123456789012:user/people/bob", "AIDAEXAMPLEBOB")
            }
            () if names("user_other_account") => {
                caller_answer("arn:aws:iam::999999999999:user/people/alice", "AIDAEXAMPLEEVE")
            }
            () if names("root") => caller_answer("arn:aws:iam::123456789012:root", "123456789012"),
            () => caller_answer(ROLE_SESSION, "AROAEXAMPLEBATCH:nightly-7"),
        };
        bed.sts.answer(Ok(answer));
        bed
    }
}

fn lower(pairs: Vec<(String, String)>) -> Vec<(String, String)> {
    pairs.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}

/// One value a name, the last.
fn last(pairs: &[(String, String)]) -> Value {
    pairs.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect::<Map<_, _>>().into()
}

fn all(pairs: &[(String, String)]) -> Value {
    let mut named = Map::<String, Value>::new();
    for (name, value) in pairs {
        let values = named.entry(name.clone()).or_insert_with(|| json!([]));
        values.as_array_mut().unwrap().push(value.clone().into());
    }
    named.into()
}

/// The values of a name with commas between, as HTTP APIs have them.
fn joined(pairs: &[(String, String)]) -> Value {
    let mut joined = all(pairs);
    for values in joined.as_object_mut().unwrap().values_mut() {
        let texts: Vec<_> = values.as_array().unwrap().iter().map(|value| value.as_str().unwrap()).collect();
        *values = texts.join(",").into();
    }
    joined
}

fn credentials() -> BTreeMap<&'static str, String> {
    let rs256 = json!({"alg": "RS256", "kid": "rsa", "typ": "JWT"});
    let jwt = |changes: Value| keys().rs256(&rs256, &claims_with(changes));
    let role = "arn:aws:iam::123456789012:role/jobs/batch";
    let orders = json!({"principal_tags": {"team": "orders"}});
    let two_accounts = json!({"principal_tags": {"team": "orders"}, "aws_account": "210987654321"});
    let aws = |sub: &str, about: &Value| aws_iam::claims_of(sub, about.clone());
    let es384 = header("ES384", "ec384");
    let aws_jwt = |sub: &str, about: &Value| keys().token("ES384", &es384, &aws(sub, about));
    let proof = |seconds_ago: u64| aws_identity::emulated_proof(NOW - seconds_ago, "orders.example.com");
    BTreeMap::from([
        ("jwt", jwt(json!({}))),
        ("jwt_without_scope", jwt(json!({"scope": null}))),
        ("jwt_expired", jwt(json!({"exp": NOW - 5}))),
        ("jwt_forged", keys().token("RS512", &header("RS256", "rsa"), &claims())),
        ("jwt_other_audience", jwt(json!({"aud": "other-api"}))),
        ("jwt_other_issuer", jwt(json!({"iss": "https://other.example.com/"}))),
        ("user", proof(0)),
        ("role", proof(1)),
        ("user_unlisted", proof(2)),
        ("user_other_account", proof(3)),
        ("user_tampered", proof(4)),
        ("user_other_server", aws_identity::emulated_proof(NOW - 5, "other.example.com")),
        ("user_old", proof(3600)),
        ("root", proof(6)),
        ("aws_jwt", aws_jwt(role, &orders)),
        ("aws_jwt_rs256", keys().rs256(&rs256, &aws(role, &orders))),
        ("aws_jwt_unlisted", aws_jwt("arn:aws:iam::123456789012:role/other/batch", &orders)),
        ("aws_jwt_two_accounts", aws_jwt(role, &two_accounts)),
        ("aws_jwt_request_tag", aws_jwt(role, &json!({"request_tags": {"team": "orders"}}))),
        ("aws_jwt_forged", keys().token("ES384", &header("RS256", "rsa"), &aws(role, &orders))),
    ])
}

fn filled(event: &Value, credentials: &BTreeMap<&str, String>) -> Value {
    let mut text = event.to_string();
    for (name, credential) in credentials {
        text = text.replace(&format!("${{{name}}}"), credential);
    }
    serde_json::from_str(&text).unwrap()
}

/// What API Gateway makes of the answer, and thereby the form it must have.
fn form(shape: &str, answer: &Answer) -> String {
    match answer.as_result().map(parsed) {
        Err(message) => format!("error {message}"),
        Ok(decision) if shape == "http_v2_simple" => {
            assert!(decision.get("policyDocument").is_none(), "{decision}");
            format!("isAuthorized {}", decision["isAuthorized"].as_bool().unwrap())
        }
        Ok(decision) => {
            assert!(decision.get("isAuthorized").is_none(), "{decision}");
            decision["policyDocument"]["Statement"][0]["Effect"].as_str().unwrap().to_owned()
        }
    }
}

fn expected_form(shape: &str, kind: &str) -> &'static str {
    match (shape, kind) {
        ("http_v2_simple", "allowed") => "isAuthorized true",
        ("http_v2_simple", _) => "isAuthorized false",
        (_, "allowed") => "Allow",
        ("rest_request" | "rest_token" | "websocket", "credential") => "error Unauthorized",
        _ => "Deny",
    }
}

#[test]
fn each_shape_decides_and_answers_as_the_table_says() {
    let (table, credentials) = (table(), credentials());
    let named: Vec<_> = table["credentials"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(credentials.keys().copied().collect::<Vec<_>>(), named, "the table's credentials and ours");
    let is_of =
        |kind: &str, code: &str| table["kinds"][kind].as_array().unwrap().iter().any(|own| own == code);
    let mut wrong = String::new();
    for shape in SHAPES {
        let mut golden = String::new();
        for case in table["cases"].as_array().unwrap() {
            let call = Call { case, shape };
            let Some(expected) = call.code() else { continue };
            let (bed, event) = (call.bed(&table), filled(&call.event(), &credentials));
            if case["again"] == true {
                assert_eq!(bed.code(&event), "allowed", "{case}");
            }
            let (answer, line) = bed.decide_bytes(event.to_string().as_bytes());
            let (code, form) = (line["Code"].as_str().unwrap(), form(shape, &answer));
            let kind =
                ["credential", "permission"].into_iter().find(|kind| is_of(kind, code)).unwrap_or("allowed");
            if code != expected || form != expected_form(shape, kind) {
                let (name, message) = (&case["name"], &line["message"]);
                writeln!(wrong, "{shape}, {name}: {code} ({form}), not {expected}: {message}").unwrap();
            }
            let (name, route) = (case["name"].as_str().unwrap(), line["route"].as_str().unwrap_or("-"));
            writeln!(golden, "{name:<58} {code:<22} {form:<20} {route:.40}").unwrap();
        }
        insta::assert_snapshot!(format!("{shape}_decisions"), golden);
        let first = Call { case: &table["cases"][0], shape };
        insta::assert_json_snapshot!(format!("{shape}_event"), first.event());
        let answer = first.bed(&table).decision(&filled(&first.event(), &credentials));
        insta::assert_json_snapshot!(format!("{shape}_answer"), answer);
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The prefix is copied into the policy as it came, so every partition's will do.
#[test]
fn each_shape_is_served_in_every_partition() {
    let (table, credentials) = (table(), credentials());
    for shape in SHAPES {
        let call = Call { case: &table["cases"][0], shape };
        for partition in ["aws-cn", "aws-us-gov"] {
            let event = call.event().to_string().replace("arn:aws:", &format!("arn:{partition}:"));
            let event = filled(&serde_json::from_str(&event).unwrap(), &credentials);
            let answer = call.bed(&table).decision(&event);
            if shape == "http_v2_simple" {
                assert_eq!(answer["isAuthorized"], true);
                continue;
            }
            let arn = event.get("methodArn").or_else(|| event.get("routeArn")).unwrap();
            assert!(arn.as_str().unwrap().starts_with(&format!("arn:{partition}:")));
            let statement = &answer["policyDocument"]["Statement"][0];
            assert_eq!(statement["Effect"], "Allow", "{shape}");
            assert_eq!(statement["Resource"], json!([arn]), "{shape}");
        }
    }
}

#[test]
fn no_shape_answers_with_an_error_where_a_denial_is_asked_for() {
    let mut table = table();
    table["configuration"]["answer"] = json!({"unauthorized": "deny"});
    table["configuration_of"]["http_v2_simple"]["answer"]["unauthorized"] = json!("deny");
    let credentials = credentials();
    for shape in SHAPES {
        let call = Call { case: &table["cases"][0], shape };
        let event = call.event().to_string().replace("${jwt}", "${jwt_expired}");
        let event = filled(&serde_json::from_str(&event).unwrap(), &credentials);
        let (answer, line) = call.bed(&table).decide_bytes(event.to_string().as_bytes());
        assert_eq!(form(shape, &answer), expected_form(shape, "permission"));
        let answer = parsed(answer.as_result().unwrap());
        assert_eq!(answer["context"]["reason"], "token_expired", "{shape}");
        assert_eq!(line["Code"], "token_expired");
    }
}
