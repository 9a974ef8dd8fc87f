use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{
    AT, NOW, Ran, SERVER_ID, StsSays, aws_token, config, explain, explain_at, file, has, http_v1, http_v2,
    orders, plain_config, proof, rest, rest_token, run, secrets_of, sts, token, websocket,
};

fn told(event: &Value) -> String {
    let text = explain(&plain_config(), event, &[]).stdout;
    text.lines().take(2).collect::<Vec<_>>().join("\n")
}

/// Each with what the caller has: absent is told from different, and text from a number.
#[test]
fn every_bound_that_is_not_met_is_told() {
    let bounds = "bound_subject: alice, bound_claims: {tenant: [blue, green], level: 3, staff: true, id: 7, scope: [profile]}";
    let document = plain_config().replacen("bound_claims: {scope: [\"orders:read\"]}", bounds, 1);
    let claims =
        json!({"sub": "bob", "tenant": "red\u{1b}[2J`", "level": "3", "id": 100_000_000_000_000_000_000_f64});
    let told = explain(&document, &orders(&token(claims)), &[]).printed(3);
    let grants: Vec<_> =
        told.lines().skip_while(|line| !line.starts_with("  orders-reader")).take(5).collect();
    assert_snapshot!(grants.join("\n"));
}

#[test]
fn a_sender_constrained_token_is_told_with_what_can_be_done() {
    let event = orders(&token(json!({"cnf": {"jkt": "x"}})));
    let told = told(&event);
    assert!(
        told.starts_with("DENIED binding_missing\n") && told.contains("send `Authorization: DPoP <token>`"),
        "{told}"
    );
    let elsewhere = plain_config().replacen("max_age: 1h", "binding: {verify: elsewhere}", 1);
    explain(&elsewhere, &event, &[]).printed(0);
    // Copied from a request, scheme and all. No proof comes with it.
    let jwt = format!("DPoP {}", token(json!({"cnf": {"jkt": "x"}})));
    let config = file("yaml", &plain_config());
    let call = [
        "explain",
        "--config",
        &config,
        "--at",
        AT,
        "--jwt",
        "-",
        "--route",
        "GET /orders",
        "--stage",
        "prod",
    ];
    let told = run(&call, &jwt, &[]).printed(3);
    has(&told, &["DENIED binding_missing\n", "hint: a call made from `--jwt` has no proof"]);
}

/// The whole text of each, in a snapshot of its name.
#[test]
fn each_kind_of_decision_is_told() {
    let sts = sts(StsSays::TheTruth);
    let (plain, with_sts) = (plain_config(), config(&sts));
    let by_proof = |server_id: &str| rest(&proof(&sts, server_id), "POST", "/orders");
    let by_jwt = |role| rest(&format!("Bearer {}", aws_token(role)), "GET", "/reports");
    let simple = format!("{plain}\nanswer: {{response: simple}}\n");
    let good = token(json!({}));
    for (name, document, event, code) in [
        ("an_allowed_call_at_a_rest_api", &plain, orders(&good), 0),
        ("a_call_without_a_grant", &plain, orders(&token(json!({"scope": "profile", "sub": "bob"}))), 3),
        ("an_expired_token_and_when_to_look_at_it", &plain, orders(&token(json!({"exp": NOW - 5}))), 3),
        (
            "an_outage_of_the_issuer_is_a_fault",
            &with_sts,
            orders(&token(json!({"iss": "https://partner.example.net/"}))),
            4,
        ),
        ("an_iam_caller_is_named_by_sts", &with_sts, by_proof(SERVER_ID), 0),
        ("rejects_a_proof_for_another_server_id", &with_sts, by_proof("other.example.com"), 3),
        ("an_iam_caller_is_named_by_a_jwt_of_aws", &plain, by_jwt("reports/weekly"), 0),
        ("an_iam_caller_that_is_not_bound", &plain, by_jwt("other"), 3),
        (
            "a_grant_decides_although_its_token_would_come_too_late",
            &plain,
            orders(&token(json!({"exp": NOW + 10}))),
            3,
        ),
        ("a_token_event_is_judged_by_its_path", &plain, rest_token(&good), 0),
        (
            "http_apis_get_a_deny_where_others_get_an_error",
            &plain,
            http_v1(&token(json!({"aud": "billing-api"}))),
            3,
        ),
        ("a_cookie_and_a_simple_answer", &simple, http_v2(&good), 0),
        // 100 s are left, so the token gets 60.
        ("a_websocket_is_opened", &plain, websocket(&token(json!({"exp": NOW + 100}))), 0),
        ("an_event_that_is_none_is_a_fault_with_advice", &plain, json!({"message": orders("x")}), 4),
    ] {
        let text = explain(document, &event, &[]).printed(code);
        assert_snapshot!(name, text.replace(&sts, "http://127.0.0.1:4566/"));
    }
    // As of now, whenever that is, after 2027.
    let expired = orders(&token(json!({"exp": NOW - 5})));
    let judged_now = explain_at(&plain, &expired, &["--at", "2030-01-01T00:00:00Z"], &[]).printed(3);
    assert!(judged_now.starts_with("DENIED token_expired") && !judged_now.contains("hint:"), "{judged_now}");
}

#[test]
fn an_outage_of_sts_is_a_fault() {
    let sts = sts(StsSays::Nothing);
    let text = explain(&config(&sts), &rest(&proof(&sts, SERVER_ID), "POST", "/orders"), &[]).printed(4);
    assert!(text.starts_with("FAULT sts_unavailable\n"), "{text}");
    assert!(text.ends_with("\n  {\n    \"errorMessage\": \"sts_unavailable\"\n  }\n\nnext: vault-authorizer doctor authorizer.yaml\n"), "{text}");
}

#[test]
fn a_request_for_another_stage_or_with_a_header_of_ours_is_told_so() {
    let mut event = orders(&token(json!({})));
    event["headers"]["X-Vault-Context-Grant"] = "admin".into();
    assert_eq!(
        told(&event),
        "DENIED header_reserved\n  the request has a header that starts with `x-vault-`, and only this authorizer \
         may set those"
    );
    let mut event = orders(&token(json!({})));
    event["methodArn"] =
        "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/test-invoke-stage/GET/orders".into();
    event["requestContext"]["stage"] = "test-invoke-stage".into();
    assert_eq!(told(&event), "DENIED stage_unknown\n  the stage is not in the configuration's `stages`");
}

/// A terminal obeys whoever wrote to it.
#[test]
fn rejects_an_escape_sequence_in_an_event() {
    let mut event = orders(&token(json!({})));
    event["resource"] = "/orders\u{1b}]0;owned\u{7}".into();
    event["requestContext"]["resourcePath"] = event["resource"].clone();
    let ran = explain(&plain_config(), &event, &[]);
    assert!(!ran.stdout.chars().any(|c| c.is_control() && c != '\n'), "{:?}", ran.stdout);
    assert!(ran.stdout.contains("/orders\\u{1b}]0;owned\\u{7}"), "{}", ran.stdout);
}

#[test]
fn json_says_the_same_to_programs() {
    assert_snapshot!(explain(&plain_config(), &orders(&token(json!({}))), &["--json"]).printed(0));
    let denied =
        explain(&plain_config(), &orders(&token(json!({"aud": "billing-api"}))), &["--json"]).json(3);
    assert_eq!((&denied["outcome"], &denied["code"]), (&json!("denied"), &json!("audience_mismatch")));
    assert_eq!(denied["answer"], json!({"errorMessage": "Unauthorized"}));
    assert_eq!((&denied["caller"], &denied["grants"]), (&Value::Null, &Value::Null));
}

#[test]
fn rejects_an_event_that_says_two_things_of_one_header() {
    let event = r#"{"headers": {"authorization": "Bearer a.b.c"}, "headers": {}}"#;
    let ran = run(&["explain", "--config", &file("yaml", &plain_config()), "--event", "-"], event, &[]);
    assert_snapshot!(ran.complained(2), @"error: the function refuses this event as `event_unsupported`: the event cannot be parsed, so it does not come from API Gateway: an object has a duplicate member at line 1 column 61");
}

#[test]
fn what_cannot_be_explained_is_said_in_one_line() {
    let config = file("yaml", &plain_config());
    let with = |event: &str| run(&["explain", "--config", &config, "--event", event], "{\"a\": tru", &[]);
    assert_snapshot!(with("-").complained(2), @"error: the event is not JSON: line 1, column 9; pass the event as the function got it, without the log line around it, or a JWT with `--jwt`");
    assert_snapshot!(with("/nowhere/event.json").complained(1), @"error: `/nowhere/event.json` cannot be read: No such file or directory (os error 2)");
    let both = run(&["explain", "--config", "-", "--event", "-"], "", &[]);
    assert_snapshot!(both.complained(2), @"error: the configuration and `--event -` cannot both come from standard input: put one of them into a file");
    let call = ["--jwt", "-", "--route", "GET /orders", "--stage", "prod"];
    let both = run(&[&["explain", "-"], &call[..]].concat(), "", &[]);
    assert_snapshot!(both.complained(2), @"error: the configuration and `--jwt -` cannot both come from standard input: put one of them into a file");
    for too_little in [&[][..], &["--route", "GET /orders", "--stage", "prod"], &call[..4], &call[2..]] {
        let told = run(&[&["explain", "--config", &config], too_little].concat(), "", &[]).complained(2);
        assert!(told.contains("required arguments"), "{too_little:?}: {told}");
    }
    let event_as_well =
        run(&[&["explain", "--config", &config, "--event", "-"], &call[..]].concat(), "", &[]);
    assert!(event_as_well.complained(2).contains("cannot be used with"));
    let time = run(&["explain", "--config", &config, "--event", "-", "--at", "noon"], "", &[]);
    assert!(time.complained(2).contains("must be a time from 1970 on"));
    // What else is not one route is tested beside its type.
    let route = called(&plain_config(), "* /orders", "", &[]).complained(2);
    has(&route, &["must be one method and the API's own template"]);
    let bad = file("yaml", "vault: {}");
    assert_snapshot!(run(&["explain", "--config", &bad, "--event", "-"], "{}", &[]).complained(1), @r"
    error: the configuration is invalid, 4 problems:
      issuers: missing; there must be `issuers` or `aws_identity`
      stages: missing
      vault.address: missing
      vault.login: missing
    ");
}

/// `explain` of a call of `prod` with this JWT on standard input.
fn called(document: &str, route: &str, jwt: &str, options: &[&str]) -> Ran {
    let config = file("yaml", document);
    let call = ["explain", &config, "--jwt", "-", "--route", route, "--stage", "prod", "--at", AT];
    run(&[&call, options].concat(), jwt, &[])
}

#[test]
fn a_jwt_a_route_and_a_stage_stand_for_an_event() {
    let jwt = token(json!({}));
    let walk = |text: &str| text.rsplit_once("\nnext: vault-authorizer ").unwrap().0.to_owned();
    let of_event = walk(&explain(&plain_config(), &orders(&jwt), &[]).printed(0));
    // No log has the request of a JWT, so that there is nothing to trace.
    let ours = |text: &str| walk(&text.replace("us-east-1", "eu-west-1"));
    for as_copied in [jwt.clone(), format!("{jwt}\n"), format!(" bearer  {jwt}\r\n")] {
        assert_eq!(ours(&called(&plain_config(), "GET /orders", &as_copied, &[]).printed(0)), of_event);
    }
    let config = file("yaml", &plain_config());
    let from_file = file("jwt", &jwt);
    let call = ["--jwt", &from_file, "--route", "GET /orders", "--stage", "prod", "--at", AT];
    assert_eq!(
        ours(&run(&[&["explain", "--config", &config], &call[..]].concat(), "", &[]).printed(0)),
        of_event
    );
}

#[test]
fn a_call_is_of_the_kind_of_api_that_has_its_route() {
    let jwt = token(json!({}));
    let shape = |document: &str, route: &str| {
        let event = called(document, route, &jwt, &["--json"]).json(0)["event"].take();
        assert_eq!((&event["api_id"], &event["stage"]), (&json!("a1b2c3d4e5"), &json!("prod")));
        event["shape"].as_str().unwrap().to_owned()
    };
    let plain = plain_config();
    let simple = format!("{plain}\nanswer: {{response: simple}}\n");
    let any_api = plain.replace("[a1b2c3d4e5]", "[\"*\"]");
    for (document, route, expected) in [
        (&plain, "GET /orders/{id}", "REST API, REQUEST authorizer"),
        (&plain, "GET /files/{proxy+}", "REST API, REQUEST authorizer"),
        (&plain, "GET $default", "HTTP API, payload 2.0"),
        (&plain, "$connect", "WebSocket API, $connect"),
        (&simple, "GET /orders/{id}", "HTTP API, payload 2.0"),
        (&any_api, "GET /orders", "REST API, REQUEST authorizer"),
    ] {
        assert_eq!(shape(document, route), expected, "{route}");
    }
    let only_http = plain.replacen("  prod:", "  $default:", 1);
    let call = ["--jwt", "-", "--route", "GET /orders", "--stage", "$default", "--at", AT];
    has(
        &run(&[&["explain", &file("yaml", &only_http)], &call[..]].concat(), &jwt, &[]).printed(0),
        &["HTTP API, payload 2.0"],
    );
}

#[test]
fn a_jwt_stands_where_the_configuration_looks_for_it() {
    let places = "credentials: [{header: Authorization}, {cookie: session}]";
    for (configured, found, route) in [
        ("{header: X-Api-Token}", "header x-api-token", "GET /orders"),
        ("{header: X-Assertion, scheme: none}", "header x-assertion without a scheme", "GET /orders"),
        ("{cookie: session}", "cookie session", "GET /orders"),
        ("{cookie: session}", "cookie session", "GET $default"),
        ("{query: access_token}", "query parameter access_token", "GET /orders"),
        ("{websocket_protocol: bearer}", "WebSocket subprotocol bearer", "$connect"),
        ("{websocket_protocol: bearer}, {header: Authorization}", "header authorization", "GET /orders"),
    ] {
        let document = plain_config().replacen(places, &format!("credentials: [{configured}]"), 1);
        let printed = called(&document, route, &token(json!({})), &[]).printed(0);
        assert!(printed.contains(&format!("  found in    {found}\n")), "{configured}: {printed}");
    }
}

#[test]
fn a_call_that_is_refused_is_explained_as_any_other() {
    let plain = plain_config();
    let narrow = plain.replacen("[\"* /*\"]", "[\"GET /status\"]", 1);
    let good = token(json!({}));
    let alien = token(json!({"iss": "https://login.example.com"}));
    let mut told = String::new();
    for (case, document, route, stage, jwt) in [
        ("an issuer but for its slash", &plain, "GET /orders", "prod", alien.clone()),
        ("a path in the place of a template", &narrow, "GET /reports/7", "prod", good.clone()),
        ("a caller without a grant", &narrow, "GET /status", "prod", token(json!({"sub": "bob"}))),
        ("a JWT that is cut short", &plain, "GET /orders", "prod", good.replace('.', "")),
        ("a JWT that is too large", &plain, "GET /orders", "prod", "a".repeat(20_000)),
        ("a stage that there is not", &plain, "GET /orders", "prdo", alien),
    ] {
        let call = ["--jwt", "-", "--route", route, "--stage", stage, "--at", AT];
        let printed = run(&[&["explain", &file("yaml", document)], &call[..]].concat(), &jwt, &[]).printed(3);
        told += &format!("## {case}\n{}\n\n", printed.split("\n\n").next().unwrap());
    }
    assert_snapshot!(told);
}

#[test]
fn rejects_as_a_jwt_what_another_option_takes() {
    let proof = proof("http://127.0.0.1:9/", SERVER_ID);
    let (_, bare) = proof.split_once(' ').unwrap();
    let (header, curl) =
        (format!("Authorization: {proof}"), format!("header = \"Authorization: {proof}\"\n"));
    let event = orders(&token(json!({}))).to_string();
    for (given, what) in [
        ("", "is empty"),
        (" \n", "is empty"),
        (&proof, "is an IAM proof: put it into an event, and pass that with `--event`"),
        (bare, "is an IAM proof: put it into an event, and pass that with `--event`"),
        (&header, "is an IAM proof: put it into an event, and pass that with `--event`"),
        (&curl, "is an IAM proof: put it into an event, and pass that with `--event`"),
        (&event, "is JSON: pass an event with `--event`"),
    ] {
        let told = called(&plain_config(), "GET /orders", given, &[]).complained(2);
        assert_eq!(told, format!("error: `--jwt` takes a JWT, but standard input {what}\n"), "{given}");
    }
}

/// Others see a command's arguments, and a shell keeps them.
#[test]
fn rejects_a_jwt_as_an_argument_without_showing_it() {
    let jwt = token(json!({}));
    let config = file("yaml", &plain_config());
    let call = ["explain", &config, "--jwt", &jwt, "--route", "GET /orders", "--stage", "prod"];
    let told = run(&call, "", &[]).complained(2);
    assert!(told.starts_with("error: `--jwt` takes a file or `-` for standard input, not the JWT"), "{told}");
    // Nor in the place of another file.
    let wrong_place = run(&["explain", &jwt, "--event", "-"], "", &[]).complained(1);
    for secret in secrets_of(&jwt) {
        assert!(!told.contains(&secret) && !wrong_place.contains(&secret), "{told} {wrong_place}");
    }
}
