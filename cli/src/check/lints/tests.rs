//! Each lint where it fires, and beside it the nearest document on which it is silent.

use std::path::Path;

use authorizer_adapters::jwks::JwksSource;
use authorizer_steps::identity::jwt::KeySet;
use vault_authorizer::config::Config;

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

/// The first grant's caller, whoever else is in the document.
const ANY: &str = "caller: {issuer: corp, any: true}";

#[test]
fn a_client_named_in_azp_has_id_tokens_too() {
    let with = |bounds: &str| {
        let document = GOOD.replacen("jwks: discovery}", "jwks: discovery, audience_claim: azp}", 1);
        let document = document
            .replace("[orders-api-prod]", "[orders-api]")
            .replace("[orders-api-staging]", "[orders-api]");
        let document = document.replace("    audiences: [orders-api]\n", "");
        let document = document.replace(ANY, &format!("caller: {{issuer: corp, {bounds}}}"));
        let mut found = lint(&config(&document), 20);
        found.retain(|finding| finding.lint != "shared-audience");
        found
    };
    let found = with("any: true");
    assert_eq!((found.len(), found[0].place.as_str()), (1, "issuers.corp.audience_claim"));
    assert_eq!(
        found[0].risk,
        "an ID token can name its client in `azp`, as an access token does, so it gets what `one-order`, `orders`, `staging-orders` give"
    );
    assert!(found[0].instead.ends_with("with Keycloak `bound_claims: {typ: Bearer}`"), "{found:?}");
    assert_eq!(with("bound_claims: {azp: app}").len(), 1);
    for apart in ["typ: Bearer", "/typ: [Bearer, DPoP]", "token_use: access", "scope: read"] {
        assert_eq!(with(&format!("bound_claims: {{{apart}}}")), [], "{apart}");
    }
}

#[test]
fn keycloaks_default_audience_is_in_nearly_every_token() {
    let login = "\"https://login.example.com/\", audiences: [orders-api]";
    let realm = |audiences: &str| format!("\"https://sso.example.com/realms/a\", audiences: [{audiences}]");
    // Each stage of it asks for an audience of its own as well.
    assert_eq!(fired(login, &realm("account, orders-api-prod, orders-api-staging")), []);
    let found = |document: String| {
        let found = lint(&config(&document), 20).into_iter();
        found.map(|finding| (finding.lint, finding.place)).collect::<Vec<_>>()
    };
    let open = GOOD.replacen("    audiences: [orders-api-staging]\n", "", 1);
    let expected = [
        once("default-audience", "issuers.corp.audiences"),
        once("shared-audience", "stages.staging.audiences"),
    ];
    assert_eq!(found(open.replacen(login, &realm("orders-api, account"), 1)), expected.concat());
    assert_eq!(found(open.replacen(login, &realm("orders-api"), 1)), expected[1]);
    let elsewhere = "\"https://login.example.com/\", audiences: [account]";
    assert_eq!(
        found(open.replacen(login, elsewhere, 1)),
        expected[1],
        "no realm: somebody's API of that name"
    );
}

#[test]
fn types_without_jwt_refuse_what_most_providers_send() {
    let types = |types: &str| findings("jwks: discovery}", &format!("jwks: discovery, types: [{types}]}}"));
    let found = types("at+jwt");
    assert_eq!((found.len(), found[0].lint, found[0].weight), (1, "types-without-jwt", Weight::Hint));
    assert_eq!(found[0].place, "issuers.corp.types");
    assert_eq!(types("at+jwt, jwt"), []);
    assert_eq!(types("application/JWT"), []);
}

/// What is found where the first grant binds these claims.
fn bound(claims: &str) -> Vec<Finding> {
    findings(ANY, &format!("caller: {{issuer: corp, bound_claims: {{{claims}}}}}"))
}

#[test]
fn a_name_with_dots_is_no_path() {
    let found = bound("realm_access.roles: reader");
    assert_eq!((found.len(), found[0].lint, found[0].weight), (1, "dotted-claim", Weight::Warning));
    assert_eq!(found[0].place, "stages.prod.grants[0].caller.bound_claims.\"realm_access.roles\"");
    assert_eq!(found[0].instead, "the JSON pointer `/realm_access/roles`, if the claim is nested");
    let found = bound("resource_access.my.client.roles: reader");
    assert_eq!(
        found[0].instead,
        "the JSON pointer `/resource_access/my.client/roles`, if the claim is nested"
    );
    let found = bound("user.team: blue");
    assert_eq!((found.len(), found[0].lint, found[0].weight), (1, "dotted-claim", Weight::Hint));
    for silent in [
        "/realm_access/roles",
        "https://example.com/roles",
        "urn:example.com:team",
        "cognito:groups",
        ".",
        "a..b",
    ] {
        assert_eq!(bound(&format!("\"{silent}\": reader")), [], "{silent}");
    }
    let user_claim = fired("jwks: discovery}", "jwks: discovery, user_claim: user.name}");
    assert_eq!(user_claim, once("dotted-claim", "issuers.corp.user_claim"));
    let alias =
        fired("ttl: 2m, wrap_ttl: 30s}", "ttl: 2m, wrap_ttl: 30s, entity_alias: {claim: org.tenant}}");
    assert_eq!(alias, once("dotted-claim", "stages.prod.grants[1].token.entity_alias.claim"));
}

#[test]
fn an_object_equals_no_value() {
    for (name, member) in [
        ("realm_access", "/realm_access/roles"),
        ("/realm_access", "/realm_access/roles"),
        ("/resource_access", "/resource_access/<client id>/roles"),
        ("/resource_access/my~1client", "/resource_access/my~1client/roles"),
        (
            "/https:~1~1sts.amazonaws.com~1/principal_tags",
            "/https:~1~1sts.amazonaws.com~1/principal_tags/<tag>",
        ),
        ("https://sts.amazonaws.com/", "/https:~1~1sts.amazonaws.com~1/principal_tags/<tag>"),
    ] {
        let found = bound(&format!("\"{name}\": reader"));
        assert_eq!(
            (found.len(), found[0].lint, found[0].weight),
            (1, "claim-is-object", Weight::Warning),
            "{name}"
        );
        assert_eq!(found[0].instead, format!("the member that is meant: `{member}`"));
    }
    for silent in
        ["/realm_access/roles", "/resource_access/my-client/roles", "/resource_access/a/roles/0", "address"]
    {
        assert_eq!(bound(&format!("\"{silent}\": reader")), [], "{silent}");
    }
}

#[test]
fn a_number_equals_no_text() {
    let found = bound("acr: [\"1\", 2]");
    assert_eq!((found.len(), found[0].lint, found[0].weight), (1, "number-for-text", Weight::Warning));
    assert_eq!(found[0].place, "stages.prod.grants[0].caller.bound_claims.acr");
    assert_eq!(found[0].risk, "`acr` is text in tokens, and 2 without quotes equals no text: it never holds");
    assert_eq!(found[0].instead, "\"2\", in quotes");
    assert_eq!(bound("/client_id: 123").len(), 1);
    assert_eq!(bound("scope: true").len(), 1);
    for silent in ["acr: \"1\"", "auth_time: 1", "email_verified: true", "tenant: 7", "/user/acr: 1"] {
        assert_eq!(bound(silent), [], "{silent}");
    }
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

const CORP: &str = "\"https://login.example.com/\", audiences: [orders-api], algorithms: [RS256, PS256, ES256], jwks: discovery";

/// What is found where `corp` is Cognito, with this behind its `issuer`, and all of its grants have these bounds.
fn at_cognito(entry: &str, bounds: &str) -> Vec<Finding> {
    let cognito = format!(
        "\"https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_EXAMPLE\", algorithms: [RS256], jwks: discovery, {entry}"
    );
    let document =
        GOOD.replacen(CORP, &cognito, 1).replace(ANY, &format!("caller: {{issuer: corp, {bounds}}}"));
    let document = document
        .replace("    audiences: [orders-api-prod]\n", "")
        .replace("    audiences: [orders-api-staging]\n", "");
    let mut found = lint(&config(&document), 20);
    found.retain(|finding| !["shared-audience", "any-caller-any-route"].contains(&finding.lint));
    found
}

#[test]
fn cognitos_access_tokens_name_the_client_in_client_id() {
    let access = "bound_claims: {token_use: access, scope: orders/read}";
    for bounds in ["any: true", access, "bound_claims: {token_use: [id, access]}"] {
        let found = at_cognito("audiences: [1example23456789]", bounds);
        assert_eq!((found.len(), found[0].lint), (1, "cognito-audience"), "{bounds}: {found:?}");
        assert_eq!(found[0].place, "issuers.corp.audience_claim");
    }
    let by_azp = at_cognito("audiences: [1example23456789], audience_claim: azp", "any: true");
    assert_eq!(by_azp.len(), 1, "{by_azp:?}");
    assert!(
        by_azp[0].risk.contains("no `azp`") && by_azp[0].instead.starts_with("`audience_claim: client_id`")
    );
    for (entry, bounds) in [
        ("audiences: [1example23456789], audience_claim: client_id", access),
        // ID tokens on purpose, and access tokens with resource binding.
        ("audiences: [1example23456789]", "bound_claims: {token_use: id}"),
        ("audiences: [\"https://orders.example.com\"]", access),
    ] {
        assert_eq!(at_cognito(entry, bounds), [], "{entry}");
    }
    // Its identity pools, and a name that only looks alike.
    for other in ["https://cognito-identity.amazonaws.com", "https://cognito-idp.example.com/pool"] {
        assert_eq!(fired("https://login.example.com/", other), [], "{other}");
    }
}

#[test]
fn entra_ids_issuer_ends_in_its_versions_form() {
    const TENANT: &str = "11111111-2222-4333-8444-555555555abc";
    let issuer = |form: &str| findings("https://login.example.com/", &form.replace("TENANT", TENANT));
    for wrong in [
        "https://login.microsoftonline.com/common/v2.0",
        "https://login.microsoftonline.com/organizations/v2.0",
        "https://login.microsoftonline.com/consumers/v2.0",
        "https://login.microsoftonline.com/{tenantid}/v2.0",
        "https://login.microsoftonline.com/example.onmicrosoft.com/v2.0",
        "https://login.microsoftonline.com/11111111-2222-4333-8444-555555555ABC/v2.0",
        "https://login.microsoftonline.com/TENANT/v2.0/",
        "https://login.microsoftonline.com/TENANT/",
        "https://login.microsoftonline.com/TENANT",
        "https://login.microsoftonline.com",
        "https://login.microsoftonline.com/TENANT/oauth2/v2.0",
        "https://login.microsoft.com/TENANT/v2.0",
        "https://login.windows.net/TENANT/",
        "https://sts.windows.net/TENANT",
        "https://sts.windows.net/TENANT/v2.0",
        "https://sts.windows.net/common/",
        "https://login.microsoftonline.us/TENANT/v2.0/",
        "https://login.partner.microsoftonline.cn/TENANT",
        "https://example.b2clogin.com/TENANT/v2.0",
        "https://example.b2clogin.com/example.onmicrosoft.com/v2.0/",
    ] {
        let found = issuer(wrong);
        assert_eq!((found.len(), found[0].lint), (1, "entra-issuer"), "{wrong}: {found:?}");
        assert_eq!(found[0].place, "issuers.corp.issuer");
    }
    for right in [
        "https://login.microsoftonline.com/TENANT/v2.0",
        "https://sts.windows.net/TENANT/",
        "https://login.microsoftonline.us/TENANT/v2.0",
        "https://login.partner.microsoftonline.cn/TENANT/v2.0",
        "https://sts.chinacloudapi.cn/TENANT/",
        "https://example.b2clogin.com/TENANT/v2.0/",
        "https://example.b2clogin.com/tfp/TENANT/b2c_1_signin/v2.0/",
        "https://login.microsoftonline.com/te/TENANT/b2c_1_signin/v2.0/",
        "https://TENANT.ciamlogin.com/TENANT/v2.0",
        "https://login.microsoftonline.example.com/common/v2.0",
    ] {
        assert_eq!(issuer(right), [], "{right}");
    }
    let remedy = |wrong: &str| issuer(wrong)[0].instead.clone();
    assert!(remedy("https://login.microsoftonline.com/TENANT/v2.0/").starts_with(&format!(
        "`https://login.microsoftonline.com/{TENANT}/v2.0` without a slash at the end for tokens of version 2, `https://sts.windows.net/{TENANT}/` with it"
    )));
    assert!(remedy("https://login.microsoftonline.com/common/v2.0").contains("/<tenant id>/v2.0`"));
}

#[test]
fn an_issuer_is_written_as_its_providers_tokens_have_it() {
    // Discovery needs a URL that can be called, and so refuses some of these itself.
    let by_uri = GOOD.replacen("jwks: discovery", "jwks: {uri: \"https://login.example.com/keys\"}", 1);
    let issuer = |url: &str| {
        lint(&config(&by_uri.replacen("https://login.example.com/\"", &format!("{url}\""), 1)), 20)
    };
    for (wrong, right) in [
        ("https://example.eu.auth0.com", "https://example.eu.auth0.com/"),
        ("https://example.okta.com/oauth2/default/", "https://example.okta.com/oauth2/default"),
        ("https://accounts.google.com/", "https://accounts.google.com"),
        ("https://sso.example.com/realms/orders/", "https://sso.example.com/realms/orders"),
        ("https://sso.example.com/realms/my realm", "https://sso.example.com/realms/my%20realm"),
        ("https://sso.example.com/realms/bücher", "https://sso.example.com/realms/b%C3%BCcher"),
        (
            "http://127.0.0.1:8080/realms/orders/protocol/openid-connect",
            "http://127.0.0.1:8080/realms/orders",
        ),
        ("https://login.example.com/.well-known/openid-configuration", "https://login.example.com"),
        ("https://example.auth0.com/.well-known/openid-configuration", "https://example.auth0.com/"),
    ] {
        let found = issuer(wrong);
        assert_eq!((found.len(), found[0].lint), (1, "issuer-form"), "{wrong}: {found:?}");
        assert_eq!(
            (found[0].place.as_str(), &found[0].instead),
            ("issuers.corp.issuer", &format!("`{right}`"))
        );
        assert_eq!(issuer(right), [], "{right}");
    }
    let pool = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_EXAMPLE";
    let document = GOOD.replacen("jwks: discovery}", "jwks: discovery, audience_claim: client_id}", 1);
    let document = document
        .replace("[orders-api-prod]", "[orders-api]")
        .replace("    audiences: [orders-api-staging]\n", "");
    let found = lint(&config(&document.replacen("https://login.example.com/", &format!("{pool}/"), 1)), 20);
    assert_eq!((found[0].lint, found[0].instead.as_str()), ("issuer-form", format!("`{pool}`").as_str()));
    // A custom domain of Auth0's or Okta's cannot be told, and a path of that name need not be Keycloak's.
    for silent in
        ["https://login.example.com", "https://login.example.com//", "https://example.com/realms/a/b"]
    {
        assert_eq!(issuer(silent), [], "{silent}");
    }
}

#[test]
fn two_scopes_are_not_one_word() {
    let found = bound("scope: \"orders:read orders:write\"");
    assert_eq!((found.len(), found[0].lint, found[0].weight), (1, "several-scopes", Weight::Warning));
    assert_eq!(found[0].place, "stages.prod.grants[0].caller.bound_claims.scope");
    assert_eq!(found[0].instead, "[\"orders:read\", \"orders:write\"], of which one will do");
    assert_eq!(bound("scp: [a, \"b \"]").len(), 1);
    let glob =
        findings(ANY, "caller: {issuer: corp, bound_claims_type: glob, bound_claims: {scope: \"a b*\"}}");
    assert_eq!((glob.len(), glob[0].lint), (1, "several-scopes"));
    // One text by its pointer; words of other claims may have spaces.
    for silent in ["scope: [a, b]", "/scope: \"a b\"", "groups: \"Order Readers\""] {
        assert_eq!(bound(silent), [], "{silent}");
    }
}

#[test]
fn a_star_is_text_without_a_glob() {
    let found = bound("groups: [staff, \"team-*\"]");
    assert_eq!((found.len(), found[0].lint, found[0].weight), (1, "star-is-text", Weight::Warning));
    assert_eq!(found[0].place, "stages.prod.grants[0].caller.bound_claims.groups");
    for own_star in ["scope: \"read:*\"", "/permissions: \"*\""] {
        let found = bound(own_star);
        assert_eq!((found.len(), found[0].weight), (1, Weight::Hint), "{own_star}");
    }
    let glob = |claims: &str| {
        findings(
            ANY,
            &format!("caller: {{issuer: corp, bound_claims_type: glob, bound_claims: {{{claims}}}}}"),
        )
    };
    for silent in ["groups: \"team-*\"", "scope: \"*:read\"", "groups: \"team.*\"", "groups: staff"] {
        assert_eq!(glob(silent), [], "{silent}");
    }

    let subject =
        findings(ANY, "caller: {issuer: corp, bound_claims_type: glob, bound_subject: \"repo:acme/*\"}");
    assert_eq!(
        (subject.len(), subject[0].lint, subject[0].place.as_str()),
        (1, "star-is-text", "stages.prod.grants[0].caller.bound_subject")
    );
    assert_eq!(subject[0].instead, "`bound_claims: {sub: \"repo:acme/*\"}` with `bound_claims_type: glob`");
    assert_eq!(fired(ANY, "caller: {issuer: corp, bound_subject: \"repo:acme/orders\"}"), []);

    assert_eq!(
        fired("audiences: [orders-api]", "audiences: [\"*\"]"),
        once("star-is-text", "issuers.corp.audiences")
    );
    assert_eq!(fired("login.example.com/", "*.example.com/"), once("star-is-text", "issuers.corp.issuer"));
    assert_eq!(fired("[orders-api-prod]", "[\"orders-*\"]"), once("star-is-text", "stages.prod.audiences"));
    let types = findings("jwks: discovery}", "jwks: discovery, types: [JWT, \"*\"]}");
    assert_eq!((types.len(), types[0].place.as_str()), (1, "issuers.corp.types"));
}

#[test]
fn a_regular_expression_is_text_in_both_types() {
    for (text, instead) in [
        ("^team-.*$", "`team-*` with `bound_claims_type: glob`"),
        (".*@example\\\\.com", "`*@example.com` with `bound_claims_type: glob`"),
        ("^admin$", "`admin`"),
        (
            "^(a|b)$",
            "a list of the values that are meant, or a glob, in which `*` alone stands for other text",
        ),
        ("team-.+$", "`team-*` with `bound_claims_type: glob`"),
    ] {
        for kind in ["", "bound_claims_type: glob, "] {
            let found = findings(
                ANY,
                &format!("caller: {{issuer: corp, {kind}bound_claims: {{group: \"{text}\"}}}}"),
            );
            assert_eq!((found.len(), found[0].lint), (1, "regular-expression"), "{kind}{text}: {found:?}");
            assert_eq!(found[0].instead, instead, "{text}");
        }
    }
    let subject = findings(ANY, "caller: {issuer: corp, bound_subject: \"^repo:acme/.*$\"}");
    assert_eq!(
        (subject.len(), subject[0].instead.as_str()),
        (1, "`repo:acme/*` as `sub` in `bound_claims`, with `bound_claims_type: glob`")
    );
    for name in ["CORP\\\\dave", "auth0|7", "HOST$", "Admins (EU|US)", "a.b+c@example.com", "[x]", "what?"] {
        assert_eq!(bound(&format!("group: \"{name}\"")), [], "{name}");
        assert_eq!(fired(ANY, &format!("caller: {{issuer: corp, bound_subject: \"{name}\"}}")), [], "{name}");
    }
}

/// What is found where the first grant of `prod` has this route.
fn routed(route: &str) -> Vec<Finding> {
    let mut found = findings("\"GET /orders/{id}\"", &format!("\"{route}\""));
    found.retain(|finding| finding.lint != "shadowed-grant" && finding.lint != "any-caller-any-route");
    found
}

#[test]
fn a_route_has_no_stage() {
    for (route, instead) in [
        ("GET /prod/orders", "`GET /orders`, unless the API has a resource `/prod`"),
        ("* /prod/*", "`* /*`, unless the API has a resource `/prod`"),
        ("GET /prod", "`GET /`, unless the API has a resource `/prod`"),
    ] {
        let found = routed(route);
        assert_eq!(
            (found.len(), found[0].lint, found[0].weight),
            (1, "stage-in-route", Weight::Warning),
            "{route}"
        );
        assert_eq!(found[0].place, "stages.prod.grants[0].routes[0]");
        assert_eq!(found[0].instead, instead);
    }
    for silent in [
        "GET /products",
        "GET /orders/prod",
        "GET /staging/orders",
        "GET /{prod}",
        "GET $default",
        "$connect",
    ] {
        assert_eq!(routed(silent), [], "{silent}");
    }
    // Stages that are called for what their URL is to look like.
    for stage in ["v1", "api"] {
        let document = GOOD.replace("  prod:", &format!("  {stage}:")).replacen(
            "GET /orders/{id}",
            &format!("GET /{stage}/x"),
            1,
        );
        let found = lint(&config(&document), 20);
        assert_eq!(
            (found.len(), found[0].lint, found[0].weight),
            (1, "stage-in-route", Weight::Hint),
            "{found:?}"
        );
    }
}

#[test]
fn a_parameter_of_a_framework_is_none_of_api_gateways() {
    for (route, instead) in [
        ("GET /orders/:id", "GET /orders/{id}"),
        ("GET /:tenant/orders/*", "GET /{tenant}/orders/*"),
        ("GET /orders/<id>", "GET /orders/{id}"),
        ("GET /orders/<int:id>/lines", "GET /orders/{id}/lines"),
        ("GET /orders/[id]", "GET /orders/{id}"),
        ("GET /files/[...path]", "GET /files/{path+}"),
        ("GET /files/{name}.json", "GET /files/{name}"),
        ("GET /orders/{id", "GET /orders/{id}"),
        ("GET /orders/{id?}", "GET /orders/{id}"),
        ("GET /orders?status=open", "GET /orders"),
    ] {
        let found = routed(route);
        assert_eq!(
            (found.len(), found[0].lint, found[0].weight),
            (1, "foreign-parameter", Weight::Warning),
            "{route}"
        );
        assert_eq!(found[0].place, "stages.prod.grants[0].routes[0]");
        assert_eq!(found[0].instead, format!("`{instead}`, with the names that the API's own template has"));
    }
    for silent in [
        "GET /orders:batch",
        "POST /orders/{id}:cancel",
        "GET /a~b/c.d",
        "GET /{proxy+}",
        "GET /{a-b.c_d}",
        "GET /",
    ] {
        let found = routed(silent);
        // Google's custom methods stand behind a parameter, which API Gateway does not have.
        assert_eq!(found.len(), usize::from(silent.contains("}:")), "{silent}: {found:?}");
    }
}

#[test]
fn a_proof_for_the_api_is_none_for_vault() {
    let fires = |place: &str| once("server-id-of-vault", place);
    let prod = "server_id: prod.orders.example.com";
    assert_eq!(fired(prod, "server_id: vault.example.com"), fires("stages.prod.server_id"));
    // The one at the top counts where a stage with proofs has none of its own.
    let top = "{server_id: orders.example.com,";
    assert_eq!(fired(top, "{server_id: vault.example.com,"), []);
    let document =
        GOOD.replacen(top, "{server_id: vault.example.com,", 1).replacen(&format!("    {prod}\n"), "", 1);
    let found = lint(&config(&document), 20).into_iter().map(|finding| (finding.lint, finding.place));
    assert_eq!(found.collect::<Vec<_>>(), fires("aws_identity.server_id"));
    // By Vault's host, whatever the login is; and by the login, whatever the host is.
    let host = GOOD.replacen("server_id: vault.example.com", "server_id: other.example.com", 1);
    let place = |document: String| {
        lint(&config(&document), 20).into_iter().map(|finding| finding.place).collect::<Vec<_>>()
    };
    assert_eq!(place(host.replacen(prod, "server_id: VAULT.example.com", 1)), ["stages.prod.server_id"]);
    assert_eq!(place(host.replacen(prod, "server_id: other.example.com", 1)), ["stages.prod.server_id"]);
    assert_eq!(place(host), Vec::<String>::new());
}

#[test]
fn a_jwt_of_aws_for_the_api_is_none_for_vault() {
    let aws = "login: {method: aws, role: api-authorizer, server_id: vault.example.com}";
    let jwt =
        GOOD.replacen(aws, "login: {method: jwt, role: r, web_identity_audience: vault.example.com}", 1);
    let with = |audience: &str| {
        let entry = format!(
            "  account: {{kind: aws_iam, issuer: \"https://0a1b2c3d.tokens.sts.global.api.aws\", audiences: [{audience}]}}\n  partner:"
        );
        lint(&config(&jwt.replacen("  partner:", &entry, 1)), 20)
    };
    let found = with("orders-api, vault.example.com");
    assert_eq!(
        (found.len(), found[0].lint, found[0].place.as_str()),
        (1, "audience-of-vault", "issuers.account.audiences")
    );
    assert_eq!(with("orders-api"), []);
    // Another issuer's token is none of AWS's.
    assert_eq!(
        lint(&config(&jwt.replacen("audiences: [orders-api]", "audiences: [vault.example.com]", 1)), 20),
        []
    );
}
