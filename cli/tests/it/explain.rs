use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{
    AT, NOW, Ran, SERVER_ID, StsSays, aws_token, config, explain, explain_at, file, http_v1, http_v2, orders,
    plain_config, proof, rest, rest_token, run, secrets_of, sts, token, websocket,
};

fn told(event: &Value) -> String {
    let text = explain(&plain_config(), event, &[]).stdout;
    text.lines().take(2).collect::<Vec<_>>().join("\n")
}

fn json_of(document: &str, event: &Value) -> Value {
    serde_json::from_str(&explain(document, event, &["--json"]).stdout).unwrap()
}

#[test]
fn an_allowed_call_at_a_rest_api() {
    assert_snapshot!(explain(&plain_config(), &orders(&token(json!({}))), &[]).printed(0));
}

#[test]
fn a_call_without_a_grant() {
    let event = orders(&token(json!({"scope": "profile", "sub": "bob"})));
    assert_snapshot!(explain(&plain_config(), &event, &[]).printed(3));
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
        told.starts_with("DENIED binding_missing\n")
            && told.contains("`issuers.corp.binding: {verify: elsewhere}`")
    );
    let elsewhere = plain_config().replacen("max_age: 1h", "binding: {verify: elsewhere}", 1);
    explain(&elsewhere, &event, &[]).printed(0);
}

#[test]
fn an_expired_token_and_when_to_look_at_it() {
    let event = orders(&token(json!({"exp": NOW - 5})));
    assert_snapshot!(explain(&plain_config(), &event, &[]).printed(3));
    // As of now, whenever that is, after 2027.
    let judged_now = explain_at(&plain_config(), &event, &["--at", "2030-01-01T00:00:00Z"], &[]).printed(3);
    assert!(judged_now.starts_with("DENIED token_expired") && !judged_now.contains("hint:"), "{judged_now}");
}

#[test]
fn an_outage_of_the_issuer_is_a_fault() {
    let sts = sts(StsSays::TheTruth);
    let event = orders(&token(json!({"iss": "https://partner.example.net/"})));
    let text = explain(&config(&sts), &event, &[]).printed(4);
    assert_snapshot!(text.replace(&sts, "http://127.0.0.1:4566/"));
}

#[test]
fn an_iam_caller_is_named_by_sts() {
    let sts = sts(StsSays::TheTruth);
    let event = rest(&proof(&sts, SERVER_ID), "POST", "/orders");
    assert_snapshot!(explain(&config(&sts), &event, &[]).printed(0));
}

#[test]
fn an_iam_caller_is_named_by_a_jwt_of_aws() {
    let event = |role| rest(&format!("Bearer {}", aws_token(role)), "GET", "/reports");
    let told = explain(&plain_config(), &event("reports/weekly"), &[]).printed(0);
    assert!(told.contains("  kind        aws_iam\n  issuer      account\n  principal   arn:aws:iam::123456789012:role/reports/weekly\n"), "{told}");
    let told = explain(&plain_config(), &event("other"), &[]).printed(3);
    assert!(
        told.contains(
            "  reports        no: the principal's ARN is `\"arn:aws:iam::123456789012:role/other\"`, and \
            `bound_iam_principal_arns` wants `\"arn:aws:iam::123456789012:role/reports/*\"`\n"
        ),
        "{told}"
    );
}

#[test]
fn rejects_a_proof_for_another_server_id() {
    let sts = sts(StsSays::TheTruth);
    let event = rest(&proof(&sts, "other.example.com"), "POST", "/orders");
    let text = explain(&config(&sts), &event, &[]).printed(3);
    let told: Vec<_> = text.lines().take(4).collect();
    assert_eq!(
        told,
        [
            "DENIED proof_refused",
            "  STS refuses the IAM proof with `SignatureDoesNotMatch`; a proof for another server id is refused so, too",
            "  the client sees 401",
            "  hint: STS goes by its own clock: it takes no proof that is older than 15 minutes",
        ]
    );
}

#[test]
fn an_outage_of_sts_is_a_fault() {
    let sts = sts(StsSays::Nothing);
    let event = rest(&proof(&sts, SERVER_ID), "POST", "/orders");
    let text = explain(&config(&sts), &event, &[]).printed(4);
    assert!(text.starts_with("FAULT sts_unavailable\n"), "{text}");
    assert!(text.ends_with("\n  {\n    \"errorMessage\": \"sts_unavailable\"\n  }\n"), "{text}");
}

#[test]
fn a_token_event_is_judged_by_its_path() {
    assert_snapshot!(explain(&plain_config(), &rest_token(&token(json!({}))), &[]).printed(0));
}

#[test]
fn http_apis_get_a_deny_where_others_get_an_error() {
    let event = http_v1(&token(json!({"aud": "billing-api"})));
    assert_snapshot!(explain(&plain_config(), &event, &[]).printed(3));
}

#[test]
fn a_cookie_and_a_simple_answer() {
    let simple = format!("{}\nanswer: {{response: simple}}\n", plain_config());
    assert_snapshot!(explain(&simple, &http_v2(&token(json!({}))), &[]).printed(0));
}

#[test]
fn a_websocket_is_opened() {
    // 100 s are left, so the token gets 60.
    let event = websocket(&token(json!({"exp": NOW + 100})));
    assert_snapshot!(explain(&plain_config(), &event, &[]).printed(0));
}

#[test]
fn a_grant_decides_although_its_token_would_come_too_late() {
    let event = orders(&token(json!({"exp": NOW + 10})));
    let text = explain(&plain_config(), &event, &[]).printed(3);
    assert!(text.starts_with("DENIED token_expiring\n"), "{text}");
    assert!(text.contains("\n> orders-reader  matches, and decides\n"), "{text}");
    assert!(text.contains("\n  status         matches, but an earlier one decides\n"), "{text}");
}

#[test]
fn an_event_that_is_none_is_a_fault_with_advice() {
    assert_snapshot!(explain(&plain_config(), &json!({"message": orders("x")}), &[]).printed(4));
}

#[test]
fn a_request_for_another_stage_or_with_a_header_of_ours_is_told_so() {
    let mut event = orders(&token(json!({})));
    event["headers"]["X-Vault-Context-Grant"] = "admin".into();
    assert_eq!(
        told(&event),
        "DENIED header_reserved\n  the request carries a header that starts with `x-vault-`, which only this authorizer may set"
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
    let denied = json_of(&plain_config(), &orders(&token(json!({"aud": "billing-api"}))));
    assert_eq!((&denied["outcome"], &denied["code"]), (&json!("denied"), &json!("audience_mismatch")));
    assert_eq!(denied["answer"], json!({"errorMessage": "Unauthorized"}));
    assert_eq!((&denied["caller"], &denied["grants"]), (&Value::Null, &Value::Null));
}

#[test]
fn what_cannot_be_explained_is_said_in_one_line() {
    let config = file("yaml", &plain_config());
    let with = |event: &str| run(&["explain", "--config", &config, "--event", event], "{\"a\": tru", &[]);
    assert_snapshot!(with("-").complained(2), @"error: the event is not JSON: line 1, column 9; give the event as the function got it, without the log line around it, or a JWT as `--jwt`");
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
    let bad = file("yaml", "vault: {}");
    assert_snapshot!(run(&["explain", "--config", &bad, "--event", "-"], "{}", &[]).complained(1), @r"
    error: the configuration is not usable, 4 problems:
      issuers: is missing: there must be `issuers` or `aws_identity`
      stages: is missing
      vault.address: is missing
      vault.login: is missing
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
    let of_event = explain(&plain_config(), &orders(&jwt), &[]).printed(0);
    let ours = |text: &str| text.replace("us-east-1", "eu-west-1");
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
        let printed = called(document, route, &jwt, &["--json"]).printed(0);
        let json: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(
            (&json["event"]["api_id"], &json["event"]["stage"]),
            (&json!("a1b2c3d4e5"), &json!("prod"))
        );
        json["event"]["shape"].as_str().unwrap().to_owned()
    };
    let plain = plain_config();
    assert_eq!(shape(&plain, "GET /orders/{id}"), "REST API, REQUEST authorizer");
    assert_eq!(shape(&plain, "GET /files/{proxy+}"), "REST API, REQUEST authorizer");
    assert_eq!(shape(&plain, "GET $default"), "HTTP API, payload 2.0");
    assert_eq!(shape(&plain, "$connect"), "WebSocket API, $connect");
    let simple = format!("{plain}\nanswer: {{response: simple}}\n");
    assert_eq!(shape(&simple, "GET /orders/{id}"), "HTTP API, payload 2.0");
    let any_api = plain.replace("[a1b2c3d4e5]", "[\"*\"]");
    assert_eq!(shape(&any_api, "GET /orders"), "REST API, REQUEST authorizer");
    let only_http = plain.replacen("  prod:", "  $default:", 1);
    let call = ["--jwt", "-", "--route", "GET /orders", "--stage", "$default", "--at", AT];
    let printed = run(&[&["explain", &file("yaml", &only_http)], &call[..]].concat(), &jwt, &[]).printed(0);
    assert!(printed.contains("HTTP API, payload 2.0"), "{printed}");
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
    let told = |route: &str, jwt: &str| {
        let printed = called(&plain_config(), route, jwt, &[]).printed(3);
        printed.lines().take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
    };
    let alien = token(json!({"iss": "https://login.example.com"}));
    assert_snapshot!(told("GET /orders", &alien), @r"
    DENIED issuer_unknown
      the token's `iss` is `https://login.example.com`, and the configured issuers are `https://0a1b2c3d.tokens.sts.global.api.aws`, `https://login.example.com/`, `https://partner.example.net/`
      the client sees 401
      hint: `issuer` is compared to the letter, a slash at its end included: copy it from a token's `iss`
    ");
    let narrow = plain_config().replacen("[\"* /*\"]", "[\"GET /status\"]", 1);
    let concrete = called(&narrow, "GET /reports/7", &token(json!({})), &[]).printed(3);
    assert!(
        concrete.starts_with(
            "DENIED no_grant\n  no grant of the stage matches both the route and the caller\n  the client sees 403\n  \
             hint: no grant of the stage covers the route: `--route` is the API's own template, `GET /orders/{id}` for a call of /orders/7\n"
        ),
        "{concrete}"
    );
    let covered = called(&narrow, "GET /status", &token(json!({"sub": "bob"})), &[]).printed(3);
    assert!(covered.starts_with("DENIED no_grant\n") && !covered.contains("hint:"), "{covered}");
    assert_snapshot!(told("GET /orders", &token(json!({})).replace('.', "")), @r"
    DENIED credential_malformed
      the token is malformed: it must have three parts with dots between them
      the client sees 401
      hint: the JWT may be cut short, or have something around it
    ");
    assert_eq!(told("GET /orders", &"a".repeat(20_000)).lines().next(), Some("DENIED credential_too_large"));
    let call = ["--jwt", "-", "--route", "GET /orders", "--stage", "prdo", "--at", AT];
    let printed =
        run(&[&["explain", &file("yaml", &plain_config())], &call[..]].concat(), &alien, &[]).printed(3);
    assert!(printed.starts_with("DENIED stage_unknown\n"), "{printed}");
    assert!(printed.contains("\n  hint: the configured stages are: prod\n"), "{printed}");
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
        (&proof, "is an IAM proof: put it into an event, and give that with `--event`"),
        (bare, "is an IAM proof: put it into an event, and give that with `--event`"),
        (&header, "is an IAM proof: put it into an event, and give that with `--event`"),
        (&curl, "is an IAM proof: put it into an event, and give that with `--event`"),
        (&event, "is JSON: an event goes to `--event`"),
    ] {
        let told = called(&plain_config(), "GET /orders", given, &[]).complained(2);
        assert_eq!(told, format!("error: `--jwt` takes a JWT, but standard input {what}\n"), "{given}");
    }
}

#[test]
fn rejects_what_is_not_one_call() {
    for route in ["/orders", "* /orders", "GET /orders/*", "ANY /orders"] {
        let told = called(&plain_config(), route, "", &[]).complained(2);
        assert!(told.contains("must be one method and the API's own template"), "{route}: {told}");
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
