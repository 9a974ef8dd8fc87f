//! `docs/cli.md` shows what the command really prints, and misses no option and no lint.

use std::collections::BTreeSet;

use serde_json::json;

use crate::{
    check::GOOD,
    support::{check, explain, orders, plain_config, run, token},
    trace::{LIVED, UNWRAPPED_TWICE, trace},
};

const REFERENCE: &str = include_str!("../../../docs/cli.md");

/// [`GOOD`] with a second stage, and what can go wrong with two.
fn doubtful() -> String {
    let doubtful = GOOD.replace("wrap_ttl: 30s", "wrap_ttl: 30s, num_uses: 2");
    format!(
        r#"{doubtful}
  staging:
    api_ids: [a1b2c3d4e5]
    grants:
      - {{name: everything, mode: none, routes: ["* /*"], caller: {{issuer: corp, any: true}}}}
      - {{name: status, mode: none, routes: ["GET /status"], caller: {{issuer: corp, bound_claims: {{team: ops}}}}}}
"#
    )
}

#[track_caller]
fn shows(command: &str, output: &str) {
    let block = format!("```\n$ vault-authorizer {command} --config authorizer.yaml");
    let shown =
        REFERENCE.split(&block).skip(1).any(|rest| rest.split_once('\n').unwrap().1.starts_with(output));
    assert!(shown, "docs/cli.md should show under `{command}`:\n{output}");
}

#[test]
fn the_examples_are_real() {
    let checked = |document: &str, code| {
        check(document, &[]).printed(code).replace("in standard input", "in `authorizer.yaml`")
    };
    shows("check", &checked(&crate::check::bad(), 1));
    shows("check", &checked(&doubtful(), 0));
    shows("explain", &explain(&plain_config(), &orders(&token(json!({}))), &[]).printed(0));
    let event = orders(&token(json!({"scope": "profile", "sub": "bob"})));
    let denied = explain(&plain_config(), &event, &[]).printed(3);
    shows("explain", denied.split_once("\n\nanswer to API Gateway\n").unwrap().0);
}

#[test]
fn the_configuration_to_try_an_integration_with_is_good() {
    let page = include_str!("../../../docs/integrations/testing.md");
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let (document, _) = rest.split_once("```").unwrap();
    check(document, &[]).printed(0);
}

#[test]
fn the_traces_are_real() {
    for id in [LIVED, UNWRAPPED_TWICE] {
        let printed = trace(id, &[]).printed(0);
        let command = format!(
            "$ vault-authorizer trace --request-id {id} --authorizer-log authorizer.log --audit-log audit.json"
        );
        assert!(
            REFERENCE.contains(&format!("```\n{command}\n{printed}```\n")),
            "docs/cli.md should show:\n{command}\n{printed}"
        );
    }
}

#[test]
fn every_option_has_its_row() {
    for command in ["check", "explain", "sign", "doctor", "vault plan", "vault apply", "revoke", "trace"] {
        let arguments: Vec<&str> = command.split(' ').chain(["--help"]).collect();
        let help = run(&arguments, "", &[]).printed(0);
        let section = REFERENCE.split(&format!("\n## {command}\n")).nth(1).unwrap();
        let section = section.split("\n## ").next().unwrap();
        let options: Vec<_> = help.lines().filter_map(|line| line.trim_start().strip_prefix("--")).collect();
        assert!(options.len() >= 3, "{help}");
        for option in options {
            let option = option.split([' ', ',']).next().unwrap();
            assert!(section.contains(&format!("`--{option}`")), "{command} --{option}");
        }
        assert!(help.contains("\nExit codes:\n") && help.contains("\nExamples:\n"), "{help}");
    }
}

#[test]
fn every_lint_has_its_row() {
    let document = doubtful()
        .replace("{method: aws, role: authorizer, server_id: vault.example.com}", "{method: token, token: s.x}")
        .replace("jwks: discovery", "jwks: {file: jwks.json}")
        .replace("algorithms: [RS256]", "algorithms: [EdDSA]")
        .replace("ttl: 2m, wrap_ttl: 30s", "ttl: 1h, wrap_ttl: 10m")
        .replace("[a1b2c3d4e5]", "[\"*\"]")
        .replace("    grants:\n", "    grants:\n      - {name: NAME, mode: none, routes: [\"GET /proofs\"], caller: {aws_identity: true, any: true}}\n")
        .replacen("NAME", "one", 1)
        .replacen("NAME", "two", 1)
        .replacen(
            "issuers: {",
            "issuers: {realm: {kind: jwt, issuer: \"https://sso.example.com/realms/a\", audiences: [account], algorithms: [RS256], types: [at+jwt], jwks: discovery}, \
             cognito: {kind: jwt, issuer: \"https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_EXAMPLE\", audiences: [app], algorithms: [RS256], jwks: discovery}, \
             entra: {kind: jwt, issuer: \"https://login.microsoftonline.com/common/v2.0\", audiences: [app], algorithms: [RS256], jwks: discovery}, \
             auth0: {kind: jwt, issuer: \"https://example.auth0.com\", audiences: [app], algorithms: [RS256], jwks: discovery}, \
             dpop: {kind: jwt, issuer: \"https://dpop.example.com\", audiences: [app], algorithms: [RS256], jwks: discovery, binding: {require: dpop}}, \
             mtls: {kind: jwt, issuer: \"https://mtls.example.com\", audiences: [app], algorithms: [RS256], jwks: discovery, binding: {require: mtls}}, \
             proxied: {kind: jwt, issuer: \"https://proxied.example.com\", audiences: [app], algorithms: [RS256], jwks: discovery, binding: {verify: elsewhere}}, \
             account: {kind: aws_iam, issuer: \"https://0a1b2c3d.tokens.sts.global.api.aws\", audiences: [vault]}, \
             app: {kind: jwt, issuer: \"https://app.example.com\", audiences: [app], audience_claim: azp, algorithms: [RS256], jwks: discovery}, ",
            1,
        )
        .replacen(
            "    grants:\n",
            "    grants:\n      - {name: realm, mode: none, routes: [\"GET /realm\"], caller: {issuer: realm, bound_claims: {realm_access.roles: a, /realm_access: b, acr: 1}}}\n      \
             - {name: dpop, mode: none, routes: [\"GET /dpop\"], caller: {issuer: dpop, any: true}}\n      \
             - {name: mtls, mode: none, routes: [\"GET /mtls\"], caller: {issuer: mtls, any: true}}\n      \
             - {name: proxied, mode: none, routes: [\"GET /proxied\"], caller: {issuer: proxied, any: true, binding: any}}\n      \
             - {name: app, mode: none, routes: [\"GET /app\"], caller: {issuer: app, any: true}}\n      \
             - {name: cognito, mode: none, routes: [\"GET /prod/:id\"], caller: {issuer: cognito, bound_claims: {scope: \"a b\", email: \"*@example.com\", team: \"^a\"}}}\n",
            1,
        )
        + "\naws_identity: {server_id: a, accounts: [\"123456789012\"], sts_regions: [eu-west-1], max_age: 15m}\n\
           limits: {caller_mints_per_second: 50}\n\
           credentials: [{query: token}, {cookie: session}]\nanswer: {response: simple}\n";
    let login = |login: &str| check(&document.replace("method: token, token: s.x", login), &[]).printed(0);
    let printed = login("method: token, token: s.x")
        + &login("method: approle, role_id: r, secret_id: s")
        + &login("method: aws, role: r, server_id: a")
        + &login("method: jwt, role: r, web_identity_audience: vault");
    let name = |line: &str| Some(line.split_once('[')?.1.split_once("]: ")?.0.to_owned());
    let fired: BTreeSet<String> =
        printed.lines().filter(|line| !line.starts_with(' ')).filter_map(name).collect();
    let section = REFERENCE.split("\n| lint | fires where |\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let rows: BTreeSet<String> = section
        .lines()
        .filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned()))
        .collect();
    assert_eq!(fired, rows, "{printed}");
    assert_eq!(rows, lints_in_the_source());
}

/// So that no lint is forgotten here and in the document alike.
fn lints_in_the_source() -> BTreeSet<String> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/check");
    let mut files = vec![folder.join("lints.rs")];
    files.extend(std::fs::read_dir(folder.join("lints")).unwrap().map(|entry| entry.unwrap().path()));
    files.retain(|file| file.extension().is_some_and(|ending| ending == "rs"));
    let sources: String = files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
    let made =
        ["Finding::warning(", "Finding::hint("].into_iter().flat_map(|made| sources.split(made).skip(1));
    made.filter_map(|rest| Some(rest.trim_start().strip_prefix('"')?.split_once('"')?.0.to_owned())).collect()
}

#[test]
fn every_check_of_the_doctor_has_its_row() {
    const SOURCES: [&str; 7] = [
        include_str!("../../src/doctor.rs"),
        include_str!("../../src/doctor/aws.rs"),
        include_str!("../../src/doctor/bindings.rs"),
        include_str!("../../src/doctor/issuers.rs"),
        include_str!("../../src/doctor/login.rs"),
        include_str!("../../src/doctor/objects.rs"),
        include_str!("../../src/doctor/vault.rs"),
    ];
    let is_check = |text: &&str| {
        ["vault-", "issuer-", "aws-credentials", "function", "authorizer-", "binding-", "stage"]
            .iter()
            .any(|start| text.starts_with(start))
            && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    };
    let shipped = SOURCES.map(|source| source.split("#[cfg(test)]").next().unwrap());
    let named: BTreeSet<&str> =
        shipped.iter().flat_map(|source| source.split('"').skip(1).step_by(2)).filter(is_check).collect();
    let section =
        REFERENCE.split("\n| check | wrong where |\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let rows: BTreeSet<&str> =
        section.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0)).collect();
    assert_eq!(rows, &named - &BTreeSet::from(["stages", "vault-authorizer"]));
}
