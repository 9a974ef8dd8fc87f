//! The document: what is accepted, and that everything wrong is reported at once, each with its path.

use std::{fs, path::Path};

use vault_authorizer::config::Config;

use crate::support::*;

fn problems(document: &str) -> Vec<String> {
    match Config::parse(document, &task_root()) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems.iter().map(ToString::to_string).collect(),
    }
}

/// The one problem of [`CONFIG`] with a change.
fn problem(from: &str, to: &str) -> String {
    assert!(CONFIG.contains(from), "{from}");
    let found = problems(&CONFIG.replacen(from, to, 1));
    assert_eq!(found.len(), 1, "{found:#?}");
    found[0].replace(task_root().to_str().unwrap(), "")
}

#[test]
fn a_good_document_is_read_as_yaml_and_as_json() {
    assert_eq!(problems(CONFIG), Vec::<String>::new());
    let json = r#"{"vault": {"address": "https://v.example", "login": {"method": "aws", "role": "r", "server_id": "v.example"}},
        "issuers": {"corp": {"kind": "jwt", "issuer": "https://i.example", "audiences": ["a"], "algorithms": ["RS256"], "jwks": "discovery"}},
        "stages": {"$default": {"api_ids": ["*"], "grants": [{"name": "g", "mode": "none", "routes": ["* /*"], "caller": {"issuer": "corp", "any": true}}]}}}"#;
    assert_eq!(problems(json), Vec::<String>::new());
}

#[test]
fn everything_wrong_is_reported_together_with_its_path() {
    let document = r#"
vault:
  address: http://vault.example.com
  namespaces: x
  login: {method: aws, role: "a/b", sts_region: nowhere, sts_endpoint: "http://sts.example.com/"}
issuers:
  corp:
    kind: jwt
    issuer: https://login.example.com/
    audiences: []
    algorithms: [RS256, HS256, none, ES512]
    jwks: discovery
    leeway: 30
    max_age: 1d
  Other:
    kind: saml
    issuer: https://login.example.com/
    audiences: [x]
    algorithms: [RS256]
    jwks: {uri: "http://keys.example.com", file: jwks.json}
  files:
    kind: jwt
    issuer: https://login.example.com/
    audiences: [x, y]
    algorithms: [EdDSA]
    jwks: {file: missing.json}
stages:
  prod:
    api_ids: ["*", abc]
    grants:
      - name: twice
        routes: []
        caller: {issuer: corp}
        token: {role: one, policies: [root], ttl: 10s, wrap_ttl: 30s, num_uses: 1}
      - name: twice
        routes: ["GET /a", "get /b"]
        caller: {issuer: nobody, any: true, bound_subject: x}
        token: {role: one, policies: [p], ttl: 1m, wrap_ttl: 2m, entity_alias: {claim: tenant}}
        mode: none
  staging: {api_ids: [abc]}
extra: 1
"#;
    let root = task_root();
    let found = problems(document).join("\n").replace(root.to_str().unwrap(), "<task root>");
    insta::assert_snapshot!(found);
}

#[test]
fn single_problems_say_what_would_be_right() {
    insta::assert_snapshot!(
        [
            problem("ttl: 2m,", "ttl: 14s,"),
            problem("ttl: 2m,", "ttl: 25h,"),
            problem("ttl: 2m,", "ttl: 120,"),
            problem("wrap_ttl: 30s", "wrap_ttl: 121s"),
            problem("num_uses: 5", "num_uses: 0"),
            problem("num_uses: 5", "num_uses: many"),
            problem("mode: none", "mode: nothing"),
            problem("[orders-read]", "[]"),
            problem("max_age: 1h", "binding: {require: dpop}"),
            problem("max_age: 1h", "binding: {require: always}"),
            problem("max_age: 1h", "binding: {verify: here}"),
            problem("max_age: 1h", "binding: {verify: elsewhere, require: none}"),
            problem("max_age: 1h", "binding: {}"),
            problem("max_age: 1h", "binding: elsewhere"),
            problem("max_age: 1h", "binding: {require: none, public_urls: [\"https://api.example.com\"]}"),
            problem("api_ids: [a1b2c3d4e5]", "api_ids: [12345]"),
            problem("api_ids: [a1b2c3d4e5]", "api_ids: []"),
            problem("{file: jwks.json}", "{file: empty.json}"),
            problem("{file: jwks.json}", "introspection"),
            problem("any: true", "any: false"),
            problem("kind: jwt", "kind: saml"),
            problem("method: token, token: s.AuthorizerTokenOfTheTest", "method: kubernetes, role: x"),
            problem("method: token, token: s.AuthorizerTokenOfTheTest", "method: token"),
            problem("name: status", "name: orders-reader"),
            problem("role: partner-reader", "role: orders-prod-reader"),
            problem("stages:", "credentials: [{header: Authorization}, {header: authorization}]\nstages:"),
            problem("stages:", "credentials: [{cookie: session, query: token}]\nstages:"),
            problem("stages:", "credentials: [{cookie: \"a b\"}]\nstages:"),
            problem("stages:", "credentials: [{query: token}, {query: Token}]\nstages:"),
            problem("stages:", "credentials: [{header: Authorization, body: token}]\nstages:"),
            problem("stages:", "credentials: [{header: Authorization, scheme: Bearer}]\nstages:"),
            problem("stages:", "credentials: [{cookie: session, scheme: none}]\nstages:"),
            problem("stages:", "credentials: [{header: X-Jwt}, {header: x-jwt, scheme: none}]\nstages:"),
            problem("stages:", "answer: {response: complex}\nstages:"),
            problem("GET /status", "GET $connect"),
            problem("    api_ids: [a1b2c3d4e5]", "    server_id: x\n    api_ids: [a1b2c3d4e5]"),
        ]
        .join("\n")
    );
}

/// [`CONFIG`] with a section for IAM callers, an issuer of AWS and a grant for each.
fn iam_config() -> String {
    let sections = r#"
aws_identity: {server_id: orders.example.com, accounts: ["123456789012"], sts_regions: [eu-west-1]}
stages:
  batch:
    api_ids: [a1b2c3d4e5]
    server_id: batch.example.com
    grants:
      - name: by-proof
        routes: ["$connect", "GET $default"]
        caller: {aws_identity: true, bound_iam_principal_arns: ["arn:aws:iam::123456789012:role/batch"]}
        token: {role: by-proof, policies: [batch], ttl: 15m, wrap_ttl: 30s}
      - name: by-jwt
        routes: ["GET /batch"]
        caller: {issuer: aws, bound_iam_principal_arns: ["arn:aws:iam::123456789012:role/team/*"]}
        token: {role: by-jwt, policies: [batch], ttl: 1h, wrap_ttl: 30s}
"#;
    let issuer = r#"issuers:
  aws:
    kind: aws_iam
    issuer: https://0f1e2d3c.tokens.sts.global.api.aws
    audiences: [orders-api]
"#;
    let credentials = "credentials: [{header: Authorization}, {header: X-Goog-Iap-Jwt-Assertion, scheme: none}, {cookie: session}, {query: access_token}, {websocket_protocol: bearer}]";
    let answer = "answer: {response: simple}";
    let document = CONFIG.replace("issuers:\n", issuer).replace("\nstages:", sections.trim_end());
    format!("{credentials}\n{answer}{document}")
}

#[test]
fn a_document_with_everything_for_iam_callers_is_read() {
    assert_eq!(problems(&iam_config()), Vec::<String>::new());
    let alone = r#"
vault: {address: "https://v.example", login: {method: aws, role: r, server_id: v.example}}
aws_identity: {server_id: o.example, accounts: ["123456789012"], sts_endpoint: "http://127.0.0.1:4566", max_age: 15m, single_use: true}
stages: {prod: {api_ids: ["*"], grants: [{name: g, mode: none, routes: ["* /*"], caller: {aws_identity: true, any: true}}]}}
"#;
    assert_eq!(problems(alone), Vec::<String>::new());
}

#[test]
fn what_cannot_hold_for_an_iam_caller_is_refused() {
    let problem = |from: &str, to: &str| {
        let document = iam_config();
        assert!(document.contains(from), "{from}");
        problems(&document.replacen(from, to, 1)).join(" | ")
    };
    let proof = |to: &str| {
        problem(
            r#"aws_identity: true, bound_iam_principal_arns: ["arn:aws:iam::123456789012:role/batch"]"#,
            to,
        )
    };
    let jwt = |to: &str| {
        problem(r#"issuer: aws, bound_iam_principal_arns: ["arn:aws:iam::123456789012:role/team/*"]"#, to)
    };
    insta::assert_snapshot!(
        [
            proof(r#"aws_identity: true, bound_iam_principal_arns: ["arn:aws:iam::123456789012:role/*"]"#),
            proof(r#"aws_identity: true, bound_iam_principal_arns: ["arn:aws:iam::123456789012:role/team/batch"]"#),
            proof(r#"aws_identity: true, bound_iam_principal_arns: ["arn:aws:sts::123456789012:assumed-role/batch/nightly"]"#),
            proof(r#"aws_identity: true, bound_iam_principal_arns: ["arn:aws:iam::123456789012:root"]"#),
            proof(r#"aws_identity: true, bound_iam_principal_arns: ["arn:aws:iam::210987654321:role/batch"]"#),
            proof(r#"aws_identity: true, bound_iam_principal_ids: [batch]"#),
            proof(r#"aws_identity: true, bound_subject: batch"#),
            problem("ttl: 15m, wrap_ttl: 30s", "ttl: 15m, wrap_ttl: 30s, entity_alias: {claim: tenant}"),
            problem("ttl: 1h, wrap_ttl: 30s", "ttl: 1h, wrap_ttl: 30s, entity_alias: {claim: \"/https:~1~1sts.amazonaws.com~1/request_tags/team\"}"),
            problem("stages:", "limits: {caller_mints_per_second: 0, grant_mints_per_second: 1000000}\nstages:"),
            proof(r#"aws_identity: true, bound_claims: {sub: batch}"#),
            proof(r#"aws_identity: true"#),
            proof(r#"aws_identity: false, any: true"#),
            proof(r#"aws_identity: true, issuer: corp, any: true"#),
            proof(r#"any: true"#),
            jwt(r#"issuer: corp, bound_iam_principal_arns: ["arn:aws:iam::123456789012:role/batch"]"#),
            jwt(r#"issuer: aws, bound_iam_principal_ids: [AROAEXAMPLEBATCH]"#),
            jwt(r#"issuer: aws, bound_iam_principal_arns: ["arn:aws:iam::*:role/batch"]"#),
            jwt(r#"issuer: aws, bound_iam_principal_arns: ["arn:aws:iam::123456789012:*/batch"]"#),
            jwt(r#"issuer: aws, bound_iam_principal_arns: ["*"]"#),
            jwt(r#"issuer: aws, bound_iam_principal_arns: ["arn:aws:iam::123456789012:role/team/?"]"#),
            problem("ttl: 15m", "ttl: 16m"),
            problem("tokens.sts.global.api.aws", "tokens.sts.global.api.aws.evil.example"),
            problem("https://0f1e2d3c.tokens", "http://0f1e2d3c.tokens"),
            problem("kind: aws_iam", "kind: aws_iam\n    algorithms: [RS256, ES256]"),
            problem("kind: aws_iam", "kind: aws_iam\n    audience_claim: azp"),
            problem("kind: aws_iam", "kind: aws_iam\n    jwks: {uri: \"https://keys.example.com/jwks.json\"}"),
            problem("sts_regions: [eu-west-1]", "sts_regions: [nowhere]"),
            problem("sts_regions: [eu-west-1]", "sts_endpoint: \"http://sts.example.com\""),
            problem("sts_regions: [eu-west-1]", "sts_regions: [eu-west-1], sts_endpoint: \"http://127.0.0.1\""),
            problem(", sts_regions: [eu-west-1]", ""),
            problem("sts_regions: [eu-west-1]", "sts_regions: [eu-west-1], max_age: 16m"),
            problem(r#"accounts: ["123456789012"]"#, "accounts: [123456789012]"),
            problem("aws_identity: {", "aws_identities: {"),
        ]
        .join("\n")
    );
}

#[test]
fn a_stage_whose_audiences_no_token_can_name_is_refused() {
    let document = |stage_audiences: &str, claim: &str| {
        let partner = format!("audience_claim: {claim}");
        let narrow = format!("audiences: {stage_audiences}");
        let grant = "caller: {issuer: partner, any: true}\n";
        let (before, stage) = CONFIG.rsplit_once("caller: {issuer: corp, any: true}\n").unwrap();
        let document = format!("{before}{grant}{stage}");
        document
            .replace("audience_claim: client_id", &partner)
            .replace("audiences: [orders-api-narrow]", &narrow)
    };
    assert_eq!(
        problems(&document("[orders-api-narrow]", "client_id")),
        [
            "stages.narrow.audiences: no token of issuer `partner` can be for this stage: its `client_id` names one audience, and none of the issuer's `audiences` is among these"
        ]
    );
    assert_eq!(problems(&document("[orders-api-narrow, orders-api]", "client_id")), Vec::<String>::new());
    assert_eq!(
        problems(&document("[orders-api-narrow]", "aud")),
        Vec::<String>::new(),
        "a list may name both"
    );
}

/// No token may be of two entries: by whatever else they differ, one audience in one claim would make it so.
#[test]
fn two_entries_of_one_issuer_share_no_audience() {
    let with = |entries: [&str; 2]| {
        let [twin, other] = entries.map(|rest| {
            format!("{{kind: jwt, issuer: \"https://login.example.com/\", algorithms: [ES256], jwks: discovery, {rest}}}")
        });
        problems(&CONFIG.replacen(
            "issuers:\n",
            &format!("issuers:\n  a-twin: {twin}\n  b-twin: {other}\n"),
            1,
        ))
    };
    for told_apart in [
        ["audiences: [a]", "audiences: [b]"],
        ["audiences: [a]", "audiences: [a], audience_claim: client_id"],
        ["audiences: [a], audience_claim: azp", "audiences: [a], audience_claim: client_id"],
        ["audiences: [a, a]", "audiences: [b, b]"],
    ] {
        assert_eq!(with(told_apart), Vec::<String>::new(), "{told_apart:?}");
    }
    let refused = |place: &str, audience: &str, other: &str| {
        vec![format!(
            "issuers.{place}.audiences: two issuers with one `issuer` may not share an audience in one `audience_claim`: `{audience}` is in issuers.{other}.audiences, too"
        )]
    };
    assert_eq!(
        with(["audiences: [a, b]", "audiences: [b, c], types: [at+jwt]"]),
        refused("b-twin", "b", "a-twin")
    );
    assert_eq!(
        with(["audiences: [a], audience_claim: azp", "audiences: [a], audience_claim: azp"]),
        refused("b-twin", "a", "a-twin")
    );
    assert_eq!(
        with(["audiences: [orders-api]", "audiences: [c], audience_claim: aud"]),
        refused("corp", "orders-api", "a-twin")
    );
}

#[test]
fn an_issuer_of_aws_may_say_where_on_its_own_host_its_keys_are() {
    let beside = "kind: aws_iam\n    jwks: {uri: \"https://0f1e2d3c.tokens.sts.global.api.aws/.well-known/jwks.json\"}";
    assert_eq!(problems(&iam_config().replacen("kind: aws_iam", beside, 1)), Vec::<String>::new());
}

#[test]
fn rejects_a_document_that_is_not_one_mapping() {
    for document in ["", "[]", "vault", "vault: {", "a: 1\na: 2\nvault: {}", "vault: {}\nvault: {}"] {
        assert!(!problems(document).is_empty(), "{document:?}");
    }
    let twice = CONFIG.replace("stages:", "vault: {}\nstages:");
    assert!(problems(&twice)[0].contains("not a YAML document"), "{:?}", problems(&twice));
}

#[test]
fn a_duplicate_key_is_told_without_the_parsers_advice() {
    let found = problems("vault: {}\nvault: {}");
    assert_eq!(found, ["not a YAML document: error: line 2 column 1: duplicate mapping key: vault"]);
}

#[test]
fn yes_and_no_are_text() {
    let document = CONFIG.replacen(r#"{scope: ["orders:read"]}"#, "{consent: yes}", 1);
    let line = Bed::with(&document).line(&event(&token_with(serde_json::json!({"consent": "yes"}))));
    assert_eq!(line["grant"], "orders-reader");
}

/// YAML 1.2's core schema: what readers of YAML 1.1 take for a number, such as a tenant `2024_01`, is text.
#[test]
fn rejects_a_claim_bound_to_another_number_than_is_written() {
    let bed = |bound: &str| {
        Bed::with(&CONFIG.replacen(r#"{scope: ["orders:read"]}"#, &format!("{{tenant: {bound}}}"), 1))
    };
    let grant = |bound: &str, claim: serde_json::Value| {
        bed(bound).line(&event(&token_with(serde_json::json!({"tenant": claim}))))["Code"].clone()
    };
    assert_eq!(grant("2024_01", "2024_01".into()), "allowed");
    assert_eq!(grant("2024_01", 202_401.into()), "no_grant");
    assert_eq!(grant("1_000", 1000.into()), "no_grant");
    assert_eq!(grant("1:30", 90.into()), "no_grant");
    assert_eq!(grant("2024-01-01", "2024-01-01".into()), "allowed");
    assert_eq!(grant("0x1F", 31.into()), "allowed");
    assert_eq!(grant("0o17", 15.into()), "allowed");
    assert_eq!(grant("+5", 5.into()), "allowed");
    for other in ["0123", "1e3", "0e5", ".5", "5.", "!!float 5"] {
        let problem = problem(r#"{scope: ["orders:read"]}"#, &format!("{{tenant: {other}}}"));
        assert!(
            problem.starts_with("stages.prod.grants[0].caller.bound_claims.tenant: must be "),
            "{problem}"
        );
    }
    for none in ["1e999", "-1e999", ".inf", ".nan"] {
        let problem = problem(r#"{scope: ["orders:read"]}"#, &format!("{{tenant: {none}}}"));
        assert!(problem.starts_with("not a YAML document: "), "{problem}");
    }
}

#[test]
fn rejects_a_ca_bundle_that_trusts_nobody() {
    fs::write(task_root().join("ca.pem"), "not a certificate").unwrap();
    let found = problem("  login: {", "  ca_file: ca.pem\n  login: {");
    assert!(found.starts_with("vault.ca_file: the CA bundle"), "{found}");
}

#[test]
fn rejects_an_issuers_ca_bundle_that_trusts_nobody_or_is_of_no_use() {
    fs::write(task_root().join("ca.pem"), "not a certificate").unwrap();
    let good = include_bytes!("../tls/ca.pem");
    fs::write(task_root().join("good-ca.pem"), good).unwrap();
    let with = |jwks: &str, ca_file: &str| {
        let keys = "    jwks: {file: jwks.json}\n";
        assert!(CONFIG.contains(keys));
        problems(&CONFIG.replacen(keys, &format!("    jwks: {jwks}\n    ca_file: {ca_file}\n"), 1))
    };
    assert_eq!(with("discovery", "good-ca.pem"), Vec::<String>::new());
    let found = with("discovery", "ca.pem");
    assert!(found.len() == 1 && found[0].starts_with("issuers.corp.ca_file: the CA bundle"), "{found:?}");
    let found = with("discovery", "nowhere.pem");
    assert!(found.len() == 1 && found[0].starts_with("issuers.corp.ca_file: "), "{found:?}");
    let found = with("{file: jwks.json}", "good-ca.pem");
    assert_eq!(found, ["issuers.corp.ca_file: is of no use: `jwks` names a file, so no keys are fetched"]);
}

/// [`CONFIG`] with another login; more of `vault` may stand before it.
fn with_login(more: &str, login: &str) -> String {
    let token = "  login: {method: token, token: s.AuthorizerTokenOfTheTest}";
    assert!(CONFIG.contains(token));
    CONFIG.replacen(token, &format!("{more}  login: {{{login}}}"), 1)
}

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
        assert_eq!(problems(&with_login("", login)), Vec::<String>::new(), "{login}");
    }
}

/// The global STS does not know the call.
#[test]
fn a_web_identity_is_asked_of_a_region() {
    for (login, host) in [
        ("web_identity_audience: v.example", "sts.us-east-1.amazonaws.com"),
        ("web_identity_audience: v.example, sts_region: eu-west-1", "sts.eu-west-1.amazonaws.com"),
    ] {
        let document = with_login("", &format!("method: jwt, role: r, {login}"));
        let config = Config::parse(&document, &task_root()).unwrap();
        let shown = format!("{:?}", config.vault.login);
        assert!(shown.contains(&format!("host: \"{host}\"")), "{shown}");
    }
}

#[test]
fn what_a_login_lacks_or_has_too_much_of_is_reported_together() {
    let problems = |login: &str| problems(&with_login("", login)).join(" | ");
    insta::assert_snapshot!(
        [
            problems("method: jwt"),
            problems("method: jwt, role: r"),
            problems("method: jwt, role: \"a/b\", jwt_file: a, web_identity_audience: b, mount: \"/x\""),
            problems(
                "method: jwt, role: r, jwt_file: a, sts_region: eu-west-1, sts_endpoint: \"http://127.0.0.1\""
            ),
            problems("method: jwt, role: r, web_identity_audience: \"a b\", sts_region: nowhere"),
            problems(
                "method: jwt, role: r, web_identity_audience: a, sts_endpoint: \"https://sts.example.com\""
            ),
            problems("method: jwt, role: r, jwt_file: \"\", server_id: v.example"),
            problems("method: approle"),
            problems("method: approle, role_id: r, secret_id: a, secret_id_file: b"),
            problems("method: approle, role_id: \"a b\", secret_id: 1234, role: r"),
            problems("method: aws, role: r, server_id: v.example, web_identity_audience: a, jwt_file: b"),
            problems("method: token, token: s.x, secret_id: a"),
        ]
        .join("\n")
    );
}

#[test]
fn a_client_certificate_is_two_files_that_belong_together() {
    let root = task_root();
    let pem = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/tests/tls");
    for name in ["client.pem", "client.key.pem", "other.key.pem"] {
        fs::copy(pem.join(name), root.join(name)).unwrap();
    }
    let aws = "method: aws, role: r, server_id: v.example";
    let problems = |certificate: &str, key: &str| {
        let line = |name: &str, value: &str| match value {
            "" => String::new(),
            value => format!("  {name}: {value}\n"),
        };
        let both = line("client_cert_file", certificate) + &line("client_key_file", key);
        problems(&with_login(&both, aws)).join(" | ").replace(root.to_str().unwrap(), "<task root>")
    };
    assert_eq!(problems("client.pem", "client.key.pem"), "");
    insta::assert_snapshot!(
        [
            problems("client.pem", ""),
            problems("", "client.key.pem"),
            problems("missing.pem", "missing.key.pem"),
            problems("client.key.pem", "client.key.pem"),
            problems("client.pem", "client.pem"),
            problems("client.pem", "other.key.pem"),
        ]
        .join("\n")
    );
}

/// Every example of the README is a whole document, and every one of the identities' pages is but for its `vault`; those of
/// the reference are one together.
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
    documents.push(examples(&root.join("docs/configuration.md")).concat());
    for page in fs::read_dir(root.join("docs/identity")).unwrap() {
        documents.extend(examples(&page.unwrap().path()).iter().map(|example| format!("{VAULT}{example}")));
    }
    for document in documents {
        assert_eq!(problems(&document), Vec::<String>::new(), "{document}");
    }
}

#[test]
fn rejects_an_alias_bomb() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..9 {
        bomb.push_str(&format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", ")));
    }
    assert!(problems(&bomb)[0].contains("not a YAML document"));
}

#[test]
fn a_problem_never_quotes_a_secret() {
    let secret = "s.VerySecretDevelopmentToken";
    for document in [
        CONFIG.replace(
            "method: token, token: s.AuthorizerTokenOfTheTest",
            &format!("method: token, token: [{secret}]"),
        ),
        CONFIG.replace(
            "method: token, token: s.AuthorizerTokenOfTheTest",
            &format!("method: token, token: \"{secret}\\n\""),
        ),
        CONFIG.replace(
            "method: token, token: s.AuthorizerTokenOfTheTest",
            &format!("method: token, token: {secret}, token: x"),
        ),
        CONFIG.replace("https://vault.example.com:8200", &format!("https://user:{secret}@vault.example.com")),
    ] {
        let found = problems(&document);
        assert!(!found.is_empty() && !found.join("\n").contains(secret), "{found:#?}");
    }
    for login in [
        format!("method: approle, role_id: r, secret_id: [\"{secret}\"]"),
        format!("method: approle, role_id: r, secret_id: \"{secret} \""),
        format!("method: approle, role_id: \"{secret} \", secret_id: s"),
        format!("method: approle, role_id: r, secret_id: {secret}, secret_id_file: f"),
        format!("method: jwt, role: r, secret_id: {secret}"),
    ] {
        let found = problems(&with_login("", &login));
        assert!(!found.is_empty() && !found.join("\n").contains(secret), "{found:#?}");
    }
    let config = Config::parse(CONFIG, &task_root()).unwrap();
    assert!(!format!("{config:?}").contains("AuthorizerTokenOfTheTest"));
}
