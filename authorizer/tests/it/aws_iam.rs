//! IAM callers with a JWT of `sts:GetWebIdentityToken`: an issuer of AWS for each account, and which of its claims
//! count.

use serde_json::{Value, json};

use crate::support::*;

pub const ISSUER: &str = "https://0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0.tokens.sts.global.api.aws";
const BATCH: &str = "arn:aws:iam::123456789012:role/team/orders/batch";

const WORKLOADS: &str = r#"
issuers:
  workloads:
    kind: aws_iam
    issuer: https://0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0.tokens.sts.global.api.aws
    audiences: [orders-api]
    jwks: {file: jwks.json}
stages:
  prod:
    grants:
      - name: batch
        routes: ["GET /orders"]
        caller: {issuer: workloads, bound_iam_principal_arns: ["arn:aws:iam::123456789012:role/team/orders/batch"]}
        token: {role: batch, policies: [batch], ttl: 15m, wrap_ttl: 60s}
      - name: team
        routes: ["GET /orders"]
        caller: {issuer: workloads, bound_iam_principal_arns: ["arn:aws:iam::123456789012:role/team/*"]}
        token: {role: team, policies: [team], ttl: 1m, wrap_ttl: 30s}
      - name: tagged
        routes: ["GET /orders"]
        caller:
          issuer: workloads
          bound_claims:
            /https:~1~1sts.amazonaws.com~1/principal_tags/team: [orders]
            /https:~1~1sts.amazonaws.com~1/org_id: o-example
            /https:~1~1sts.amazonaws.com~1/aws_account: "123456789012"
        token: {role: tagged, policies: [tagged], ttl: 1m, wrap_ttl: 30s}
      - name: a-users-token
        routes: ["GET /orders"]
        caller: {issuer: corp, bound_subject: somebody}
        token: {role: corp, policies: [corp], ttl: 1m, wrap_ttl: 30s}
"#;

fn bed() -> Bed {
    Bed::of(document_with(WORKLOADS))
}

pub fn claims_of(sub: &str, aws: Value) -> Value {
    let account = sub.split(':').nth(4).unwrap_or_default();
    let about = json!({"aws_account": account, "source_region": "eu-west-1", "org_id": "o-example"});
    let about = changed(&about, &aws);
    json!({"iss": ISSUER, "sub": sub, "aud": "orders-api", "exp": NOW + 300, "iat": NOW, "jti": "one",
        "https://sts.amazonaws.com/": about})
}

/// As AWS signs: RS256 with a key whose JWK has no `alg`.
fn token(claims: &Value) -> String {
    keys().rs256(&json!({"alg": "RS256", "kid": "rsa", "typ": "JWT"}), claims)
}

fn line(claims: &Value) -> Value {
    bed().line(&event(&token(claims)))
}

fn grant_or_code(claims: &Value) -> String {
    bed().grant_or_code(&event(&token(claims)))
}

/// The usual role's claims, changed.
fn batch_with(changes: Value) -> Value {
    changed(&claims_of(BATCH, json!({})), &changes)
}

#[test]
fn a_role_is_known_by_its_arn_with_the_path() {
    let line = line(&claims_of(BATCH, json!({})));
    let told = ["outcome", "grant", "caller_kind", "caller_issuer"].map(|name| line[name].as_str().unwrap());
    assert_eq!(told, ["allowed", "batch", "aws_iam", "workloads"]);
    assert_eq!(line["caller_id"], format!("workloads:{BATCH}"));
    // The JWT ends in 300 s, and so does what it brings.
    assert_eq!(line["ttl_seconds"], 120);
}

#[test]
fn both_of_awss_algorithms_are_accepted_and_no_other() {
    let claims = claims_of(BATCH, json!({}));
    let code = |alg: &str, kid: &str| {
        let token = keys().token(alg, &header(alg, kid), &claims);
        bed().code_for(&token)
    };
    assert_eq!((code("RS256", "rsa"), code("ES384", "ec384")), ("allowed".to_owned(), "allowed".to_owned()));
    for (alg, kid) in [("RS384", "rsa"), ("PS256", "rsa"), ("ES256", "ec"), ("EdDSA", "ed")] {
        assert_eq!(code(alg, kid), "algorithm_refused", "{alg}");
    }
}

/// What an emulator of AWS hands out: signed with a shared secret, from an issuer that everybody can name.
#[test]
fn rejects_an_hs256_token_of_an_emulator() {
    for (claims, expected) in [
        (batch_with(json!({})), "algorithm_refused"),
        (batch_with(json!({"iss": "https://sts.amazonaws.com"})), "issuer_unknown"),
    ] {
        let token = hs256(b"secret", &json!({"alg": "HS256", "typ": "JWT"}), &claims);
        assert_eq!(bed().code_for(&token), expected);
    }
}

/// The `sub`, what AWS says beside it, and the grant, or the code.
fn gets([sub, about, expected]: [&str; 3]) {
    let claims = claims_of(sub, serde_json::from_str(about).unwrap());
    assert_eq!(grant_or_code(&claims), expected, "{sub} {about}");
}

tests_of_table! {
    include_str!("golden/aws_iam.txt"), gets {
        fn a_pattern_covers_the_path_and_nothing_beside_it();
        fn rejects_the_same_role_name_under_another_path_or_in_another_account();
        fn principal_tags_account_and_organization_can_be_bound();
        fn rejects_an_account_that_is_not_the_arns();
        fn rejects_root_federated_users_sessions_and_what_is_no_principal();
    }
}

#[test]
fn rejects_tags_that_the_caller_asked_for() {
    let user = "arn:aws:iam::123456789012:user/mallory";
    let claims = claims_of(user, json!({"request_tags": {"team": "orders"}}));
    assert_eq!(grant_or_code(&claims), "no_grant");
    // No name and no pointer leads to them: a configuration that tries is refused, and the claim itself is gone.
    let asked_for = WORKLOADS.replace("/principal_tags/team", "/request_tags/team");
    let bound = problems(document_with(&asked_for)).concat();
    assert!(bound.contains("whatever the caller asked for"), "{bound}");
    let user = "/https:~1~1sts.amazonaws.com~1/request_tags/name";
    let named = document_with(WORKLOADS).with(&format!("issuers: {{workloads: {{user_claim: '{user}'}}}}"));
    let named = problems(named).concat();
    assert!(named.contains("they identify nobody"), "{named}");
}

/// IAM gives a path 512 characters.
#[test]
fn a_role_of_a_long_path_is_a_caller_like_any_other() {
    let role = format!("arn:aws:iam::123456789012:role/team/{}/batch", "p".repeat(450));
    let line = line(&claims_of(&role, json!({})));
    assert_eq!(json!([line["outcome"], line["caller_id"]]), json!(["allowed", format!("workloads:{role}")]));
}

#[test]
fn rejects_a_token_without_what_aws_says_and_a_stolen_sender_constrained_one() {
    let no_account = json!({"source_region": "eu-west-1", "org_id": "o-example"});
    for (changes, expected) in [
        (json!({"sub": null}), "claim_missing"),
        (json!({"https://sts.amazonaws.com/": null}), "claim_missing"),
        (json!({"https://sts.amazonaws.com/": no_account}), "claim_missing"),
        (json!({"cnf": {"jkt": "x"}}), "binding_missing"),
    ] {
        assert_eq!(grant_or_code(&batch_with(changes.clone())), expected, "{changes}");
    }
}

#[test]
fn rejects_an_arn_of_another_issuer() {
    let line = line(&batch_with(json!({"iss": crate::support::ISSUER})));
    assert_eq!((line["Code"].as_str(), line["caller_kind"].as_str()), (Some("no_grant"), Some("jwt")));
}
