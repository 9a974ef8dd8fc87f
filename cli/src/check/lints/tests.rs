//! Each lint where it fires, and beside it the nearest document on which it is silent.

use std::path::Path;

use vault_authorizer::{adapters::jwks::JwksSource, config::Config, identity::jwt::KeySet};

use super::{Finding, Weight, lint};

/// Nothing to say about.
const GOOD: &str = r#"
vault:
  address: https://vault.example.com:8200
  login: {method: aws, role: api-authorizer, server_id: vault.example.com}
issuers:
  corp: {kind: jwt, issuer: "https://login.example.com/", audiences: [orders-api], algorithms: [RS256, PS256, ES256], jwks: discovery}
  partner: {kind: jwt, issuer: "https://partner.example.net/", audiences: [orders-api], algorithms: [EdDSA], jwks: discovery}
aws_identity: {server_id: orders.example.com, accounts: ["123456789012"], sts_regions: [eu-west-1]}
credentials: [{header: Authorization}, {websocket_protocol: bearer}]
stages:
  prod:
    api_ids: [a1b2c3d4e5]
    audiences: [orders-api-prod]
    server_id: prod.orders.example.com
    grants:
      - name: one-order
        routes: ["GET /orders/{id}"]
        caller: {issuer: corp, any: true}
        token: {role: one-order, policies: [one-order], ttl: 15m, wrap_ttl: 5m, num_uses: 3}
      - name: orders
        routes: ["* /orders/*"]
        caller: {issuer: corp, any: true}
        token: {role: orders, policies: [orders], ttl: 2m, wrap_ttl: 30s}
      - name: batch
        routes: ["* /*"]
        caller: {aws_identity: true, bound_iam_principal_arns: ["arn:aws:iam::123456789012:role/batch"]}
        token: {role: batch, policies: [batch], ttl: 2m, wrap_ttl: 30s}
  staging:
    api_ids: [f6g7h8i9j0]
    audiences: [orders-api-staging]
    server_id: staging.orders.example.com
    grants:
      - name: staging-orders
        routes: ["* /orders/*"]
        caller: {issuer: corp, any: true}
        token: {role: staging-orders, policies: [orders], ttl: 2m, wrap_ttl: 30s}
      - name: staging-batch
        routes: ["* /batch"]
        caller: {aws_identity: true, any: true}
        mode: none
"#;

fn config(document: &str) -> Config {
    Config::parse(document, Path::new("/nowhere")).unwrap_or_else(|error| panic!("{error}"))
}

/// What is found where `old`, which must be there, reads `new`.
fn findings(old: &str, new: &str) -> Vec<Finding> {
    assert!(GOOD.contains(old), "{old}");
    lint(&config(&GOOD.replacen(old, new, 1)), 20)
}

/// The lints that fire and their places.
fn fired(old: &str, new: &str) -> Vec<(&'static str, String)> {
    findings(old, new).into_iter().map(|finding| (finding.lint, finding.place)).collect()
}

fn once(lint: &'static str, place: &str) -> Vec<(&'static str, String)> {
    vec![(lint, place.to_owned())]
}

#[test]
fn a_good_document_has_no_finding() {
    assert_eq!(lint(&config(GOOD), 20), []);
}

#[test]
fn a_token_in_the_document_is_for_development() {
    let aws = "{method: aws, role: api-authorizer, server_id: vault.example.com}";
    let found = findings(aws, "{method: token, token: s.OfTheTest}");
    assert_eq!((found.len(), found[0].lint, found[0].place.as_str()), (1, "login-token", "vault.login"));
    assert!(!format!("{found:?}").contains("OfTheTest"));
}

#[test]
fn a_secret_id_in_the_document_has_many_readers() {
    let aws = "{method: aws, role: api-authorizer, server_id: vault.example.com}";
    let found = findings(aws, "{method: approle, role_id: r, secret_id: OfTheTest}");
    assert_eq!(
        (found.len(), found[0].lint, found[0].place.as_str()),
        (1, "login-secret", "vault.login.secret_id")
    );
    assert!(!format!("{found:?}").contains("OfTheTest"));
    assert_eq!(fired(aws, "{method: approle, role_id: r, secret_id_file: secret-id}"), []);
    assert_eq!(fired(aws, "{method: jwt, role: r, web_identity_audience: vault.example.com}"), []);
}

#[test]
fn keys_in_a_file_do_not_rotate() {
    // RFC 8037, appendix A.2.
    let keys = br#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let mut config = config(GOOD);
    config.issuers[1].1 = JwksSource::File(KeySet::parse(keys).unwrap());
    let found = lint(&config, 20);
    assert_eq!(
        (found.len(), found[0].lint, found[0].place.as_str()),
        (1, "keys-in-file", "issuers.partner.jwks")
    );

    let uri = GOOD.replacen("jwks: discovery", "jwks: {uri: \"https://login.example.com/keys\"}", 1);
    assert_eq!(lint(&super::tests::config(&uri), 20), []);
}

#[test]
fn a_proof_that_is_good_for_long_can_be_presented_by_others() {
    let regions = "sts_regions: [eu-west-1]}";
    let fires = once("proof-window", "aws_identity.max_age");
    assert_eq!(fired(regions, "sts_regions: [eu-west-1], max_age: 301s}"), fires);
    assert_eq!(fired(regions, "sts_regions: [eu-west-1], max_age: 300s}"), []);
    assert_eq!(fired(regions, "sts_regions: [eu-west-1], max_age: 15m, single_use: true}"), []);
}

#[test]
fn credentials_in_urls_and_cookies_have_readers_of_their_own() {
    let header = "{websocket_protocol: bearer}";
    assert_eq!(fired(header, "{query: access_token}"), once("credential-in-query", "credentials[1].query"));
    assert_eq!(fired(header, "{cookie: session}"), once("credential-in-cookie", "credentials[1].cookie"));
    assert_eq!(fired(header, "{header: X-Api-Token}"), []);
}

#[test]
fn simple_answers_need_a_setting_of_the_api() {
    let found = findings("stages:", "answer: {response: simple}\nstages:");
    assert_eq!((found.len(), found[0].lint, found[0].weight), (1, "simple-answers", Weight::Hint));
    assert_eq!(fired("stages:", "answer: {response: policy}\nstages:"), []);
}

#[test]
fn one_caller_has_at_most_half_of_what_a_grant_has() {
    let found = |limits: &str, instances| {
        let document = GOOD.replacen("stages:", &format!("limits: {{{limits}}}\nstages:"), 1);
        lint(&config(&document), instances)
    };
    assert_eq!(found("", 20), [], "the defaults hold together");
    let one = &found("", 21)[0];
    assert_eq!((one.lint, one.place.as_str()), ("caller-over-grant", "limits.caller_mints_per_second"));
    assert!(one.risk.contains("21 instances") && one.risk.contains("105 tokens a second"), "{}", one.risk);
    assert!(one.instead.starts_with("`caller_mints_per_second: 4` or less"), "{}", one.instead);

    let all = &found("caller_mints_per_second: 50", 20)[0];
    assert!(all.risk.contains("1000 tokens") && all.risk.contains("leaves nothing"), "{}", all.risk);
    assert_eq!(found("caller_mints_per_second: 50, grant_mints_per_second: 2000", 20), []);
    assert_eq!(found("caller_mints_per_second: 50", 2), []);
    // No limit of a caller's fits, however low.
    assert!(found("caller_mints_per_second: 1", 1000)[0].instead.starts_with("a higher `grant_"));
}

#[test]
fn where_nothing_is_minted_no_limit_is_too_high() {
    let document: String = GOOD
        .lines()
        .map(|line| match line.split_once("token: {") {
            Some((indent, _)) => format!("{indent}mode: none\n"),
            None => format!("{line}\n"),
        })
        .collect();
    assert_eq!(lint(&config(&document), 1000), []);
}

#[test]
fn stages_that_share_an_audience_take_each_others_tokens() {
    let fires = || once("shared-audience", "stages.staging.audiences");
    assert_eq!(fired("    audiences: [orders-api-prod]\n", ""), fires());
    assert_eq!(fired("    audiences: [orders-api-staging]\n", ""), fires());
    assert_eq!(fired("[orders-api-staging]", "[orders-api-staging, orders-api-prod]"), fires());
    let found = findings("[orders-api-staging]", "[orders-api-prod]");
    assert!(
        found[0].risk.starts_with("a token of `corp` for stage `prod` can be good on `staging`"),
        "{found:?}"
    );

    // Another issuer's tokens are good on one stage only.
    let other = GOOD.replacen("[orders-api-staging]", "[orders-api-prod]", 1);
    let (prod, staging) = other.split_once("  staging:").unwrap();
    let other = format!("{prod}  staging:{}", staging.replace("issuer: corp", "issuer: partner"));
    assert_eq!(lint(&config(&other), 20), []);
}

#[test]
fn stages_that_share_a_server_id_take_each_others_proofs() {
    let fires = || once("shared-server-id", "stages.staging.server_id");
    assert_eq!(fired("staging.orders.example.com", "prod.orders.example.com"), fires());
    let neither = GOOD
        .replace("    server_id: prod.orders.example.com\n", "")
        .replace("    server_id: staging.orders.example.com\n", "");
    let places: Vec<_> =
        lint(&config(&neither), 20).into_iter().map(|finding| (finding.lint, finding.place)).collect();
    assert_eq!(places, fires());
    // One of them is enough to hold two apart; and no proof is good where no grant takes one.
    assert_eq!(fired("    server_id: staging.orders.example.com\n", ""), []);
    let no_proofs = neither.replace(
        "{aws_identity: true, bound_iam_principal_arns: [\"arn:aws:iam::123456789012:role/batch\"]}",
        "{issuer: partner, bound_subject: batch}",
    );
    assert_eq!(lint(&config(&no_proofs), 20), []);
}

#[test]
fn any_api_is_every_api_to_come() {
    assert_eq!(fired("[f6g7h8i9j0]", "[\"*\"]"), once("any-api", "stages.staging.api_ids"));
    assert_eq!(fired("[f6g7h8i9j0]", "[f6g7h8i9j0, k1l2m3n4o5]"), []);
}

#[test]
fn a_grant_behind_a_wider_one_never_decides() {
    let fires = || once("shadowed-grant", "stages.prod.grants[1]");
    assert_eq!(fired("[\"GET /orders/{id}\"]", "[\"* /orders/*\"]"), fires());
    assert_eq!(fired("[\"GET /orders/{id}\"]", "[\"GET /orders\", \"* /*\"]").len(), 2);
    // Wider in its routes, but not in its callers; wider in its callers, but not in its routes.
    let narrower = "[\"* /*\"]\n        caller: {issuer: corp, bound_claims: {scope: [read]}}";
    assert_eq!(fired("[\"GET /orders/{id}\"]\n        caller: {issuer: corp, any: true}", narrower), []);
    assert_eq!(fired("[\"GET /orders/{id}\"]", "[\"GET /orders/*\"]"), []);
    let found = findings("[\"GET /orders/{id}\"]", "[\"* /orders/*\"]");
    assert!(
        found[0].risk.starts_with("`orders` never decides: grants[0], `one-order`, comes first"),
        "{found:?}"
    );
}

#[test]
fn any_caller_on_any_route_is_no_bound() {
    let fires = once("any-caller-any-route", "stages.staging.grants[1]");
    assert_eq!(fired("[\"* /batch\"]", "[\"* /*\"]"), fires);
    assert_eq!(fired("[\"* /batch\"]", "[\"* /batch/*\"]"), []);
}

#[test]
fn a_token_that_outlives_the_integrations_limit_is_refused_there() {
    let fires = once("ttl-over-lease-limit", "stages.prod.grants[1].token.ttl");
    let token = "policies: [orders], ttl: 2m";
    assert_eq!(fired(token, "policies: [orders], ttl: 901s"), fires);
    assert_eq!(fired(token, "policies: [orders], ttl: 900s"), []);
}

#[test]
fn a_wrapping_token_is_for_seconds() {
    let fires = once("long-wrap", "stages.prod.grants[0].token.wrap_ttl");
    assert_eq!(fired("wrap_ttl: 5m", "wrap_ttl: 301s"), fires);
    assert_eq!(fired("wrap_ttl: 5m", "wrap_ttl: 300s"), []);
}

#[test]
fn two_uses_are_one_call() {
    assert_eq!(fired("num_uses: 3", "num_uses: 2"), once("few-uses", "stages.prod.grants[0].token.num_uses"));
    assert_eq!(fired(", num_uses: 3", ""), []);
}

#[test]
fn a_name_that_looks_like_a_path_is_quoted() {
    let document = GOOD.replace("  partner:", "  part.ner:");
    let keys = br#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    let mut config = config(&document);
    config.issuers[1].1 = JwksSource::File(KeySet::parse(keys).unwrap());
    assert_eq!(lint(&config, 20)[0].place, "issuers.\"part.ner\".jwks");
}
