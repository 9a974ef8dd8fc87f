//! Which grant decides.

use serde_json::{Value, json};
use vault_authorizer::config::Config;

use crate::support::*;

const ROUTED: &str = r#"
vault:
  address: https://vault.example.com
  login: {method: token, token: s.AuthorizerTokenOfTheTest}
issuers:
  corp: {kind: jwt, issuer: "https://login.example.com/", audiences: [orders-api], algorithms: [EdDSA], jwks: {file: jwks.json}}
stages:
  prod:
    api_ids: [a1b2c3d4e5]
    grants:
      - {name: admin, mode: none, routes: ["* /admin/*"], caller: {issuer: corp, bound_claims: {roles: [admin, root]}}}
      - {name: tenant, mode: none, routes: ["GET /t"], caller: {issuer: corp, bound_claims: {/org/tenant: blue, level: 3, active: true}}}
      - {name: glob, mode: none, routes: ["GET /g"], caller: {issuer: corp, bound_claims_type: glob, bound_claims: {team: ["orders-*"]}}}
      - {name: literal, mode: none, routes: ["GET /l"], caller: {issuer: corp, bound_claims: {team: ["orders-*"]}}}
      - {name: alice, mode: none, routes: ["GET /a"], caller: {issuer: corp, bound_subject: alice}}
      - {name: first, routes: ["GET /f"], caller: {issuer: corp, any: true}, token: {role: r1, policies: [p], ttl: 10m, wrap_ttl: 60s}}
      - {name: second, mode: none, routes: ["GET /f"], caller: {issuer: corp, any: true}}
      - {name: scp, mode: none, routes: ["GET /s"], caller: {issuer: corp, bound_claims: {scp: [rest]}}}
      - {name: rest, mode: none, routes: ["* /*"], caller: {issuer: corp, bound_claims: {scope: [rest]}}}
"#;

fn grant(changes: Value, method: &str, resource: &str) -> String {
    let line = Bed::with(ROUTED).line(&event_on(&token_with(changes), "prod", method, resource));
    line["grant"].as_str().unwrap_or_else(|| line["code"].as_str().unwrap()).to_owned()
}

#[test]
fn a_list_claim_holds_if_one_item_does() {
    assert_eq!(grant(json!({"roles": ["user", "admin"]}), "DELETE", "/admin/users"), "admin");
    assert_eq!(grant(json!({"roles": "root"}), "GET", "/admin"), "admin");
    assert_eq!(grant(json!({"roles": ["user"]}), "GET", "/admin"), "no_grant");
    assert_eq!(grant(json!({"roles": "admin root"}), "GET", "/admin"), "no_grant");
    assert_eq!(grant(json!({"roles": {"admin": true}}), "GET", "/admin"), "no_grant");
    assert_eq!(grant(json!({}), "GET", "/admin"), "no_grant");
}

#[test]
fn every_bound_must_hold_with_its_type() {
    let good = json!({"org": {"tenant": "blue"}, "level": 3, "active": true});
    assert_eq!(grant(good, "GET", "/t"), "tenant");
    for bad in [
        json!({"org": {"tenant": "blue"}, "level": "3", "active": true}),
        json!({"org": {"tenant": "blue"}, "level": 3, "active": "true"}),
        json!({"org": {"tenant": "bluer"}, "level": 3, "active": true}),
        json!({"/org/tenant": "blue", "level": 3, "active": true}),
        json!({"org": {"tenant": "blue"}, "level": 3}),
    ] {
        assert_eq!(grant(bad.clone(), "GET", "/t"), "no_grant", "{bad}");
    }
}

#[test]
fn a_star_is_a_pattern_only_where_globs_are_asked_for() {
    assert_eq!(grant(json!({"team": "orders-eu"}), "GET", "/g"), "glob");
    assert_eq!(grant(json!({"team": "my-orders-eu"}), "GET", "/g"), "no_grant");
    assert_eq!(grant(json!({"team": "orders-eu"}), "GET", "/l"), "no_grant");
    assert_eq!(grant(json!({"team": "orders-*"}), "GET", "/l"), "literal");
}

#[test]
fn a_scope_is_read_by_words() {
    assert_eq!(grant(json!({"scope": "a rest b"}), "GET", "/x"), "rest");
    assert_eq!(grant(json!({"scope": ["a", "rest"]}), "GET", "/x"), "rest");
    assert_eq!(grant(json!({"scope": "restful"}), "GET", "/x"), "no_grant");
    assert_eq!(grant(json!({"scope": "a\trest"}), "GET", "/x"), "no_grant");
    assert_eq!(grant(json!({"scope": "", "scp": "a rest b"}), "GET", "/s"), "scp");
    assert_eq!(grant(json!({"scope": "", "scp": ["rest"]}), "GET", "/s"), "scp");
    assert_eq!(grant(json!({"scope": "", "scp": "rest.all"}), "GET", "/s"), "no_grant");
}

#[test]
fn the_subject_is_compared_exactly() {
    assert_eq!(grant(json!({"sub": "alice"}), "GET", "/a"), "alice");
    assert_eq!(grant(json!({"sub": "Alice"}), "GET", "/a"), "no_grant");
}

#[test]
fn the_first_grant_decides_and_what_fails_later_is_final() {
    let bed = Bed::with(ROUTED);
    let on = |exp: u64| bed.line(&event_on(&token_with(json!({"exp": exp})), "prod", "GET", "/f"));
    assert_eq!(on(NOW + 600)["grant"], "first");
    assert_eq!(on(NOW + 5)["code"], "token_expiring", "it must not fall through to `second`");
}

#[test]
fn options_needs_a_route_of_its_own() {
    assert_eq!(grant(json!({"scope": "rest"}), "OPTIONS", "/x"), "no_grant");
    assert_eq!(grant(json!({"roles": "admin"}), "OPTIONS", "/admin"), "no_grant");
}

#[test]
fn an_unknown_stage_or_api_is_a_denial_before_any_credential() {
    let bed = Bed::new();
    assert_eq!(bed.code(&event_on("x", "test-invoke-stage", "GET", "/orders")), "stage_unknown");
    let mut other_api = event("x");
    other_api["methodArn"] = json!("arn:aws:execute-api:eu-west-1:123456789012:zzzzzzzzzz/prod/GET/orders");
    other_api["requestContext"]["apiId"] = json!("zzzzzzzzzz");
    assert_eq!(bed.code(&other_api), "api_unknown");
    let mut any_api =
        event_on(&token_with(json!({"aud": ["orders-api", "orders-api-narrow"]})), "narrow", "GET", "/x");
    any_api["methodArn"] = json!("arn:aws:execute-api:eu-west-1:123456789012:zzzzzzzzzz/narrow/GET/x");
    any_api["requestContext"]["apiId"] = json!("zzzzzzzzzz");
    assert_eq!(bed.code(&any_api), "allowed");
}

#[test]
fn a_token_event_matches_only_routes_written_out() {
    let bed = Bed::new();
    assert_eq!(bed.code(&token_event(&good_token(), "/orders")), "allowed");
    assert_eq!(
        bed.code(&token_event(&good_token(), "/orders/7")),
        "no_grant",
        "a path cannot stand for a parameter"
    );
    assert_eq!(bed.code(&token_event(&good_token(), "/orders/{id}")), "no_grant");
    assert_eq!(bed.code(&token_event(&good_token(), "/orders/")), "path_refused");
}

/// Both are 100000000000000000000 once they are floats.
#[test]
fn rejects_a_tenants_number_that_only_rounds_to_the_bound_one() {
    for bound in ["100000000000000000001", "1.00000000000000000001", "9.5", "1e3", "18446744073709551616"] {
        let document = ROUTED.replacen("level: 3", &format!("level: {bound}"), 1);
        let Err(error) = Config::parse(&document, &task_root()) else { panic!("{bound}") };
        assert_eq!(
            error.problems.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [
                "stages.prod.grants[1].caller.bound_claims.level: must be a whole number from -9223372036854775808 to \
                 18446744073709551615: no other can be compared exactly. Put it in quotes if the claim is text"
            ],
            "{bound}"
        );
    }
}

#[test]
fn a_number_is_bound_to_the_last_digit() {
    for (bound, refused) in [
        ("18446744073709551615", ["18446744073709551614", "18446744073709551616", "18446744073709551615.0"]),
        ("9007199254740993", ["9007199254740992", "9007199254740994", "9007199254740993.0"]),
        ("-9223372036854775808", ["-9223372036854775807", "-9223372036854775809", "9223372036854775808"]),
        ("5", ["5.0", "5e0", "\"5\""]),
        ("0", ["-0", "0.0", "false"]),
    ] {
        let bed = Bed::with(&ROUTED.replacen("level: 3", &format!("level: {bound}"), 1));
        let code = |level: &str| {
            let claims =
                claims_with(json!({"org": {"tenant": "blue"}, "level": 0, "active": true})).to_string();
            let claims = claims.replacen("\"level\":0", &format!("\"level\":{level}"), 1);
            let token = keys().ed25519_raw(r#"{"alg":"EdDSA","kid":"ed"}"#, &claims);
            bed.code(&event_on(&token, "prod", "GET", "/t"))
        };
        assert_eq!(code(bound), "allowed", "{bound}");
        for level in refused {
            assert_eq!(code(level), "no_grant", "{bound} {level}");
        }
    }
}
