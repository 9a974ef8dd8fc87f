//! Which grant decides.

use serde_json::json;

use crate::support::*;

const ROUTED: &str = r#"
stages:
  narrow: null
  prod:
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

/// The claims, the call, and which grant decides, or the code.
fn decides([claims, call, expected]: [&str; 3]) {
    let (method, path) = call.split_once(' ').unwrap();
    let event = event_on(&token_with(serde_json::from_str(claims).unwrap()), "prod", method, path);
    assert_eq!(Bed::of(document_with(ROUTED)).grant_or_code(&event), expected, "{claims} {call}");
}

tests_of_table! {
    include_str!("golden/grants.txt"), decides {
        fn a_list_claim_holds_if_one_item_does();
        fn every_bound_must_hold_with_its_type();
        fn a_star_is_a_pattern_only_where_globs_are_asked_for();
        fn a_scope_is_read_by_words();
        fn the_subject_is_compared_exactly();
        fn options_needs_a_route_of_its_own();
    }
}

/// With another number for the bound `level`, as it is written.
fn with_level(bound: &str) -> String {
    document_with(ROUTED).to_string().replacen("\"level\":3", &format!("\"level\":{bound}"), 1)
}

#[test]
fn the_first_grant_decides_and_what_fails_later_is_final() {
    let bed = Bed::of(document_with(ROUTED));
    let on = |exp: u64| bed.line(&event_on(&token_with(json!({"exp": exp})), "prod", "GET", "/f"));
    assert_eq!(on(NOW + 600)["grant"], "first");
    assert_eq!(on(NOW + 5)["code"], "token_expiring", "it must not fall through to `second`");
}

#[test]
fn an_unknown_stage_or_api_is_a_denial_before_any_credential() {
    let bed = Bed::new();
    assert_eq!(bed.code(&event_on("x", "test-invoke-stage", "GET", "/orders")), "stage_unknown");
    assert_eq!(bed.code(&event_of_another_api("x", "prod")), "api_unknown");
    let token = token_with(json!({"aud": ["orders-api", "orders-api-narrow"]}));
    assert_eq!(bed.code(&event_of_another_api(&token, "narrow")), "allowed");
}

#[test]
fn a_token_event_matches_only_routes_written_out() {
    let bed = Bed::new();
    for (path, expected) in [
        ("/orders", "allowed"),
        // A path cannot stand for a parameter.
        ("/orders/7", "no_grant"),
        ("/orders/{id}", "no_grant"),
        ("/orders/", "path_refused"),
    ] {
        assert_eq!(bed.code(&token_event(&good_token(), path)), expected, "{path}");
    }
}

/// Both are 100000000000000000000 once they are floats.
#[test]
fn rejects_a_tenants_number_that_only_rounds_to_the_bound_one() {
    for bound in ["100000000000000000001", "1.00000000000000000001", "9.5", "1e3", "18446744073709551616"] {
        assert_eq!(
            problems(with_level(bound)),
            [
                "stages.prod.grants[1].caller.bound_claims.level: must be a whole number from -9223372036854775808 to \
                 18446744073709551615: no other can be compared exactly. Put it in quotes if the claim is a string"
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
        let bed = Bed::of(with_level(bound));
        let claims = claims_with(json!({"org": {"tenant": "blue"}, "active": true}));
        let code = |level: &str| {
            let token = token_with_text(claims.clone(), "level", level);
            bed.code(&event_on(&token, "prod", "GET", "/t"))
        };
        assert_eq!(code(bound), "allowed", "{bound}");
        for level in refused {
            assert_eq!(code(level), "no_grant", "{bound} {level}");
        }
    }
}
