//! The document: what the rules accept is read, problems in a file or in the YAML are reported, and no secret is
//! shown.

use std::{fmt::Display, fs, path::Path};

use authorizer_document::rules;
use authorizer_steps::identity::jwt::Algorithm;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::support::*;

/// The one problem of a document.
fn problem(document: impl Display) -> String {
    let found = problems(document);
    assert_eq!(found.len(), 1, "{found:#?}");
    found[0].replace(task_root().to_str().unwrap(), "")
}

/// A file beside the function.
fn beside(name: &str, content: &[u8]) {
    fs::write(task_root().join(name), content).unwrap();
}

/// The certificates and keys of the transport's own tests, beside the function.
fn client_certificates() {
    let pem = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vault-transport/tests/tls");
    for name in ["client.pem", "client.key.pem", "other.key.pem"] {
        fs::copy(pem.join(name), task_root().join(name)).unwrap();
    }
}

#[test]
fn a_good_document_is_read_as_yaml_and_as_json() {
    assert_eq!(problems(USUAL), [""; 0]);
    let json = r#"{"vault": {"address": "https://v.example", "login": {"method": "aws", "role": "r", "server_id": "v.example"}},
        "issuers": {"corp": {"kind": "jwt", "issuer": "https://i.example", "audiences": ["a"], "algorithms": ["RS256"], "jwks": "discovery"}},
        "stages": {"$default": {"api_ids": ["*"], "grants": [{"name": "g", "mode": "none", "routes": ["* /*"], "caller": {"issuer": "corp", "any": true}}]}}}"#;
    assert_eq!(problems(json), [""; 0]);
}

#[test]
fn a_stage_whose_audiences_no_token_can_name_is_refused() {
    let found = |stage_audiences: &str, claim: &str| {
        let document = document_with(&format!("issuers: {{partner: {{audience_claim: {claim}}}}}"));
        let document = document.at("/stages/narrow/audiences", stage_audiences);
        problems(document.at("/stages/narrow/grants/0/caller/issuer", "partner"))
    };
    let none = "stages.narrow.audiences: no token of issuer `partner` can match this stage: its `client_id` names one audience, and none of the issuer's `audiences` is among these";
    assert_eq!(found("[orders-api-narrow]", "client_id"), [none]);
    assert_eq!(found("[orders-api-narrow, orders-api]", "client_id"), [""; 0]);
    assert_eq!(found("[orders-api-narrow]", "aud"), [""; 0], "a list may name both");
}

#[test]
fn rejects_a_document_that_is_not_one_mapping() {
    for document in ["", "[]", "vault", "vault: {", "a: 1\na: 2\nvault: {}", "vault: {}\nvault: {}"] {
        assert!(!problems(document).is_empty(), "{document:?}");
    }
    let told = "not a YAML document: line 2 column 1: duplicate mapping key: vault";
    assert_eq!(problems("vault: {}\nvault: {}"), [told], "without the parser's advice");
    let twice = problems(USUAL.replace("stages:", "vault: {}\nstages:"));
    assert!(twice[0].contains("not a YAML document"), "{twice:?}");
}

/// YAML 1.2's core schema: what readers of YAML 1.1 take for a number, such as a tenant `2024_01`, is text.
#[test]
fn rejects_a_claim_bound_to_another_number_than_is_written() {
    let bound =
        |tenant: &str| USUAL.replacen(r#"{scope: ["orders:read"]}"#, &format!("{{tenant: {tenant}}}"), 1);
    for (written, claim, expected) in [
        ("yes", json!("yes"), "allowed"),
        ("2024_01", json!("2024_01"), "allowed"),
        ("2024_01", json!(202_401), "no_grant"),
        ("1_000", json!(1000), "no_grant"),
        ("1:30", json!(90), "no_grant"),
        ("2024-01-01", json!("2024-01-01"), "allowed"),
        ("0x1F", json!(31), "allowed"),
        ("0o17", json!(15), "allowed"),
        ("+5", json!(5), "allowed"),
    ] {
        let code = Bed::of(bound(written)).code_for(&token_with(json!({"tenant": claim})));
        assert_eq!(code, expected, "{written}: {claim}");
    }
    let place = "stages.prod.grants[0].caller.bound_claims.tenant: must be ";
    let others = ["0123", "1e3", "0e5", ".5", "5.", "!!float 5"].map(|other| (other, place));
    let none = ["1e999", "-1e999", ".inf", ".nan"].map(|none| (none, "not a YAML document: "));
    for (written, expected) in others.into_iter().chain(none) {
        let problem = problem(bound(written));
        assert!(problem.starts_with(expected), "{problem}");
    }
}

#[test]
fn rejects_a_ca_bundle_that_trusts_nobody_or_is_of_no_use() {
    beside("no-ca.pem", b"not a certificate");
    beside("good-ca.pem", include_bytes!("../tls/ca.pem"));
    let with = |ca_file: &str| document().corp(&format!("ca_file: {ca_file}"));
    let fetched = |ca_file: &str| with(ca_file).corp("jwks: discovery");
    assert_eq!(problems(fetched("good-ca.pem")), [""; 0]);
    for (document, expected) in [
        (document_with("vault: {ca_file: no-ca.pem}"), "vault.ca_file: the CA bundle"),
        (fetched("no-ca.pem"), "issuers.corp.ca_file: the CA bundle"),
        (fetched("nowhere.pem"), "issuers.corp.ca_file: "),
        (
            with("good-ca.pem"),
            "issuers.corp.ca_file: has no effect: `jwks` names a file, so no keys are fetched",
        ),
    ] {
        let found = problem(document);
        assert!(found.starts_with(expected), "{found}");
    }
}

/// Documents that keep the rules, and whose files are there.
#[test]
fn what_the_rules_take_is_read() {
    client_certificates();
    for name in ["vault-ca.pem", "corp-ca.pem"] {
        beside(name, include_bytes!("../tls/ca.pem"));
    }
    let cases = include_str!("../../../infra/authorizer.cases.json");
    let cases: Vec<Value> = serde_json::from_str(cases).unwrap();
    let good = cases.iter().filter(|case| case["problems"] == json!([])).count();
    assert!(good >= 20 && cases.len() - good >= 100);
    for case in cases {
        assert_eq!(json!(problems(&case["document"])), case["problems"], "{}", case["name"]);
    }
}

#[test]
fn the_rules_name_the_algorithms_that_there_are() {
    let rules: Value = serde_json::from_str(include_str!("../../../infra/authorizer.rules.json")).unwrap();
    let rules = rules["places"]["issuers.*.algorithms[]"]["own"].as_array().unwrap();
    let named = rules.iter().find(|rule| rule["rule"] == "one_of" && rule["of"] == json!(["jwt"])).unwrap();
    assert_eq!(named["values"], json!(Algorithm::names().collect::<Vec<_>>()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// What a rule takes, the type that is made of it takes as well: were it otherwise, a plan would go through and the function
    /// not start. Hosts and ports are the exception: what the rules leave open of them, the URL parser decides at start.
    #[test]
    fn no_rule_takes_what_its_type_refuses(
        (at, text) in prop_oneof![
            text("/vault/namespace", "[/a-z é!~]{0,8}"),
            text("/vault/login/role", "[A-Za-z0-9._/-]{0,10}|.{0,3}"),
            text("/vault/login/mount", "[a-z/_-]{0,8}"),
            text("/vault/login/server_id", "[!-~]{0,4}[ é]?|x{255,258}"),
            text("/vault/login/sts_region", "[a-z0-9-]{0,14}|eu-[a-z]{20,32}-1"),
            text("/aws_identity/accounts/0", "[0-9]{11,13}"),
            text("/stages/prod/api_ids/0", "[*a-z0-9-]{0,3}|a{31,33}"),
            text("/stages/prod/grants/0/name", "[a-z._ -]{0,3}|n{63,66}"),
            text("/stages/prod/grants/0/token/role", "[a-z./_]{0,6}|r{127,129}"),
            text("/stages/prod/grants/0/token/policies/0", "[a-zA-Z./]{0,4}|root|p{127,130}"),
            text("/stages/prod/grants/0/routes/0", "(GET|ANY|[*]|get)? ?[/*${}a-z%]{0,6}|[$]connect.?|GET [$]default"),
            text("/stages/prod/grants/0/caller/bound_iam_principal_arns/0", "arn:aws(-cn|-foo)?:(iam|sts)::123456789012:(user|role|root)?/?[a-z/:*? ]{0,6}"),
            text("/stages/prod/grants/0/caller/bound_iam_principal_arns/0", "arn:aws:iam::123456789012:user/(p{508,512}/)?n{63,65}"),
            text("/stages/prod/grants/0/caller/bound_iam_principal_ids/0", "(AROA|AIDA|AKIA)[A-Z0-9a]{6,9}"),
        ],
    ) {
        let mut document: Value = serde_saphyr::from_str(IAM).unwrap();
        *document.pointer_mut(at).unwrap() = text.clone().into();
        if rules::problems(&document).is_empty() {
            prop_assert_eq!(problems(&document), Vec::<String>::new(), "{:?} at {}", text, at);
        }
    }
}

fn text(at: &'static str, of: &'static str) -> impl Strategy<Value = (&'static str, String)> {
    of.prop_map(move |text| (at, text))
}

const IAM: &str = r#"
vault: {address: "https://v.example", namespace: n, login: {method: aws, role: r, server_id: v, mount: aws, sts_region: eu-west-1}}
aws_identity: {server_id: o, accounts: ["123456789012"], sts_regions: [eu-west-1]}
stages:
  prod:
    api_ids: [a1]
    grants:
      - name: batch
        routes: ["GET /"]
        caller: {aws_identity: true, bound_iam_principal_arns: ["arn:aws:iam::123456789012:user/ann"], bound_iam_principal_ids: [AROA1234567890]}
        token: {role: batch, policies: [p], ttl: 1m, wrap_ttl: 30s}
"#;

#[test]
fn every_login_is_read() {
    for login in [
        "method: aws, role: r, server_id: v.example, mount: team/aws, sts_endpoint: \"http://127.0.0.1:4566\"",
        "method: jwt, role: r, jwt_file: not-there-yet.jwt, mount: team/jwt",
        "method: jwt, role: r, jwt_file: /tmp/vault.jwt",
        "method: jwt, role: r, web_identity_audience: v.example, sts_region: eu-west-1",
        "method: jwt, role: r, web_identity_audience: v.example, sts_endpoint: \"http://127.0.0.1:4566\"",
        "method: approle, role_id: r, secret_id: s, mount: team/approle",
        "method: approle, role_id: r, secret_id_file: secret-id",
    ] {
        assert_eq!(problems(document().login(login)), [""; 0], "{login}");
    }
}

/// The global STS does not know the call.
#[test]
fn a_web_identity_is_asked_of_a_region() {
    for (login, host) in [
        ("web_identity_audience: v.example", "sts.us-east-1.amazonaws.com"),
        ("web_identity_audience: v.example, sts_region: eu-west-1", "sts.eu-west-1.amazonaws.com"),
    ] {
        let config = document().login(&format!("method: jwt, role: r, {login}")).config();
        let shown = format!("{:?}", config.vault.login);
        assert!(shown.contains(&format!("host: \"{host}\"")), "{shown}");
    }
}

#[test]
fn a_client_certificate_is_two_files_that_belong_together() {
    client_certificates();
    let found = [
        ["client.pem", "client.key.pem"],
        ["client.pem", "null"],
        ["null", "client.key.pem"],
        ["missing.pem", "missing.key.pem"],
        ["client.key.pem", "client.key.pem"],
        ["client.pem", "client.pem"],
        ["client.pem", "other.key.pem"],
    ]
    .map(|[certificate, key]| {
        let files = format!("vault: {{client_cert_file: {certificate}, client_key_file: {key}}}");
        problems(document_with(&files)).join(" | ").replace(task_root().to_str().unwrap(), "<task root>")
    });
    assert_eq!(found[0], "");
    insta::assert_snapshot!(found[1..].join("\n"));
}

/// Every example of the README and of the concepts is a whole document, and every one of the identities' pages is but for its
/// `vault`; those of the reference are one together.
#[test]
fn the_examples_of_the_documents_are_accepted() {
    const VAULT: &str =
        "vault: {address: \"https://v.example\", login: {method: aws, role: r, server_id: v.example}}\n";
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let examples = |path: &Path| {
        let text = fs::read_to_string(path).unwrap();
        let blocks = text.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap().to_owned());
        let blocks: Vec<_> = blocks.collect();
        assert!(!blocks.is_empty(), "{}", path.display());
        blocks
    };
    let mut documents = examples(&root.join("README.md"));
    documents.extend(examples(&root.join("docs/concepts.md")));
    documents.push(examples(&root.join("docs/configuration.md")).concat());
    for page in fs::read_dir(root.join("docs/identity")).unwrap() {
        documents.extend(examples(&page.unwrap().path()).iter().map(|example| format!("{VAULT}{example}")));
    }
    for document in documents {
        assert_eq!(problems(&document), [""; 0], "{document}");
    }
}

#[test]
fn rejects_an_alias_bomb() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..9 {
        bomb.push_str(&format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", ")));
    }
    let bombs = "not a YAML document: it has more values, aliases or levels than any configuration needs";
    assert_eq!(problems(&bomb), [bombs]);
}

#[test]
fn a_problem_never_quotes_a_secret() {
    let secret = "s.VerySecretDevelopmentToken";
    let twice = USUAL.replace("token: s.AuthorizerTokenOfTheTest", &format!("token: {secret}, token: x"));
    let address = document().at("/vault/address", &format!("https://user:{secret}@vault.example.com"));
    let logins = [
        format!("method: token, token: [{secret}]"),
        format!("method: token, token: \"{secret}\\n\""),
        format!("method: approle, role_id: r, secret_id: [\"{secret}\"]"),
        format!("method: approle, role_id: r, secret_id: \"{secret} \""),
        format!("method: approle, role_id: \"{secret} \", secret_id: s"),
        format!("method: approle, role_id: r, secret_id: {secret}, secret_id_file: f"),
        format!("method: jwt, role: r, secret_id: {secret}"),
    ];
    let logins = logins.map(|login| document().login(&login).to_string());
    for document in logins.into_iter().chain([twice, address.to_string()]) {
        assert!(document.contains(secret), "{document}");
        let found = problems(document);
        assert!(!found.is_empty() && !found.join("\n").contains(secret), "{found:#?}");
    }
    assert!(!format!("{:?}", document().config()).contains("AuthorizerTokenOfTheTest"));
}
