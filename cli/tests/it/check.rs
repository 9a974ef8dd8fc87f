use std::io::Write;

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use insta::assert_snapshot;

use crate::support::{check, file, folder, has, plain_config, run};

pub const GOOD: &str = r#"
vault: {address: "https://vault.example.com:8200", login: {method: aws, role: authorizer, server_id: vault.example.com}}
issuers: {corp: {kind: jwt, issuer: "https://login.example.com/", audiences: [orders-api], algorithms: [RS256], jwks: discovery}}
stages:
  prod:
    api_ids: [a1b2c3d4e5]
    grants:
      - name: orders-reader
        routes: ["GET /orders"]
        caller: {issuer: corp, bound_claims: {scope: ["orders:read"]}}
        token: {role: orders-prod-reader, policies: [orders-read], ttl: 2m, wrap_ttl: 30s}
"#;

/// [`GOOD`] with three problems.
pub fn bad() -> String {
    GOOD.replace(", server_id: vault.example.com", "")
        .replace("ttl: 2m", "ttl: 2d")
        .replace("issuer: corp", "issuer: corq")
}

#[test]
fn warnings_fail_where_it_is_strict_and_hints_nowhere() {
    let good = "good: 1 stage, 1 grant in standard input\n";
    assert_eq!([check(GOOD, &[]).printed(0), check(GOOD, &["--strict"]).printed(0)], [good, good]);
    let warned = GOOD.replace("[a1b2c3d4e5]", "[\"*\"]");
    assert_snapshot!(check(&warned, &[]).printed(0), @r"
    warning[any-api]: stages.prod.api_ids: every API that may call this function gets these grants on its own stage `prod`, including APIs that are created later
      instead: the ids of the APIs that you mean
    good: 1 stage, 1 grant, 1 warning in standard input
    ");
    assert_eq!(check(&warned, &["--strict"]).code, 1);
    assert_snapshot!(check(&format!("{GOOD}\nanswer: {{response: simple}}\n"), &["--strict"]).printed(0), @r"
    hint[simple-answers]: answer.response: HTTP APIs get `isAuthorized`, which they understand only if their authorizer has payload format 2.0 and simple responses enabled; otherwise every call fails with a 500
      instead: set `EnableSimpleResponses: true` on the authorizer, or set `policy` here and leave it off there
    good: 1 stage, 1 grant in standard input
    ");
}

#[test]
fn every_form_that_the_function_takes_is_read() {
    let json = r#"{"vault": {"address": "https://vault.example.com:8200", "login": {"method": "aws", "role": "a", "server_id": "v"}},
        "issuers": {"corp": {"kind": "jwt", "issuer": "https://login.example.com/", "audiences": ["a"], "algorithms": ["ES256"], "jwks": "discovery"}},
        "stages": {"prod": {"api_ids": ["a1"], "grants": [{"name": "n", "mode": "none", "routes": ["GET /"], "caller": {"issuer": "corp", "any": true}}]}}}"#;
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(GOOD.as_bytes()).unwrap();
    let packed = STANDARD.encode(gzip.finish().unwrap());
    for document in [json, &packed, &format!("base64gzip:{packed}\n")] {
        assert_eq!(
            check(document, &["--strict"]).printed(0),
            "good: 1 stage, 1 grant in standard input\n",
            "{document}"
        );
    }
}

#[test]
fn every_problem_is_printed_with_its_path() {
    assert_snapshot!(check(&bad(), &[]).printed(1), @r"
    error: stages.prod.grants[0].caller.issuer: is not among `issuers`, which are: corp
    error: stages.prod.grants[0].token.ttl: must be a whole number with a unit: `30s`, `2m` or `1h`
    error: vault.login.server_id: missing
    3 problems in standard input: the function would not start with it
    ");
    for (document, problem) in [
        ("", "the document is empty"),
        ("a: [", "not a YAML document: line 1 column 4: unclosed bracket '['"),
        (
            "vault:\n\taddress: a\n",
            "not a YAML document: line 2 column 2: tabs are not allowed here: indent with spaces",
        ),
        ("base64gzip:!", "the document is not base64: Invalid symbol 33, offset 0."),
    ] {
        let end = "1 problem in standard input: the function would not start with it\n";
        assert_eq!(check(document, &[]).printed(1), format!("error: {problem}\n{end}"));
    }
}

/// As every user types it first.
#[test]
fn the_configuration_may_stand_without_its_option() {
    let good = file("yaml", GOOD);
    assert_eq!(
        run(&["check", &good, "--strict"], "", &[]).printed(0),
        format!("good: 1 stage, 1 grant in `{good}`\n")
    );
    assert_eq!(run(&["check", "-"], GOOD, &[]).printed(0), "good: 1 stage, 1 grant in standard input\n");
    for command in [&["doctor"][..], &["vault", "plan"], &["vault", "apply"]] {
        let told = run(&[command, &["/nowhere/a.yaml"]].concat(), "", &[]).complained(1);
        assert!(told.starts_with("error: `/nowhere/a.yaml` cannot be read"), "{command:?}: {told}");
    }
    let revoke = ["revoke", &good, "--grant", "orders-reader", "--yes", "--trust-config-address"];
    assert!(run(&revoke, "", &[]).complained(1).contains("there is no Vault token"));
}

#[test]
fn files_are_looked_for_beside_the_configuration_or_where_the_option_says() {
    let config = plain_config();
    let beside = file("yaml", &config);
    assert_eq!(run(&["check", "--config", &beside], "", &[]).code, 0);
    let elsewhere = run(&["check", "--config", &beside, "--task-root", "/nowhere"], "", &[]).printed(1);
    has(&elsewhere, &["error: issuers.account.jwks.file: /nowhere/aws.json cannot be read"]);
    let (_, name) = beside.rsplit_once('/').unwrap();
    assert_eq!(run(&["check", "--config", name], "", &[]).code, 0);
    // Standard input lies in the current folder, which is that of the keys.
    assert_eq!(check(&config, &[]).code, 0);
    let folder = folder();
    assert_eq!(check(&config, &["--task-root", folder.to_str().unwrap()]).code, 0);
}

#[test]
fn what_cannot_be_read_is_said_in_one_line() {
    assert_snapshot!(run(&["check", "--config", "/nowhere/a.yaml"], "", &[]).complained(1), @"error: `/nowhere/a.yaml` cannot be read: No such file or directory (os error 2)");
    assert_snapshot!(check(&"#".repeat(300_000), &[]).complained(1), @"error: standard input is larger than 262144 bytes, which is more than the function accepts");
    has(&run(&["check", "a.yaml", "--config", "a.yaml"], "", &[]).complained(2), &["cannot be used with"]);
}

#[test]
fn a_file_that_is_no_document_is_called_what_it_is() {
    // A package is larger than a document may be.
    let zip = [b"PK\x03\x04", &[0xff; 300_000][..]].concat();
    for (bytes, what) in [
        (&zip[..], "is a zip file: pass the document inside it"),
        (b"\x1f\x8b\x08\0\xff", "is a gzip file: pass the document inside it"),
        (b"\xff\xfev\0a\0", "is UTF-16 text: save it as UTF-8"),
        (b"vault: \xff", "is not UTF-8 text"),
    ] {
        let path = file("bin", "");
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(run(&["check", &path], "", &[]).complained(1), format!("error: `{path}` {what}\n"));
    }
    for template in [
        include_str!("../../../infra/cloudformation/quickstart.yaml"),
        include_str!("../../../infra/cloudformation/authorizer.yaml"),
        r#"{"Resources": {"Function": {"Type": "AWS::Lambda::Function"}}}"#,
    ] {
        assert_eq!(
            check(template, &[]).printed(1),
            "error: this is a CloudFormation template: pass the document inside it, which is the parameter `Configuration` or, in the quickstart, the variable `AUTHORIZER_CONFIG`
1 problem in standard input: the function would not start with it
"
        );
    }
}

#[test]
fn the_usage_says_that_the_options_name_may_be_left_out() {
    for command in
        [&["check"][..], &["doctor"], &["explain", "--event", "-"], &["vault", "plan"], &["vault", "apply"]]
    {
        let told = run(command, "", &[]).complained(2);
        assert!(told.contains("not provided:\n  <CONFIG|--config <FILE>>\n"), "{command:?}: {told}");
        assert!(told.contains("<CONFIG|--config <FILE>>\n\nFor more"), "{command:?}: {told}");
    }
}

#[test]
fn rejects_colour_and_secrets_in_a_pipe() {
    let file = file("yaml", &plain_config());
    let printed = |env| run(&["check", "--config", &file], "", &[env]).printed(0);
    // The one way to have a pipe taken for a terminal.
    assert!(printed(("CLICOLOR_FORCE", "1")).contains('\u{1b}'));
    for env in [("TERM", "xterm-256color"), ("NO_COLOR", "1")] {
        let printed = printed(env);
        has(&printed, &["warning[login-token]: vault.login: "]);
        assert!(!printed.contains('\u{1b}') && !printed.contains(crate::support::LOGIN_TOKEN), "{printed}");
    }
}

#[test]
fn rejects_what_a_terminal_obeys_in_a_foreign_document() {
    let acts = |c: char| {
        c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{2066}' | '\u{200b}' | '\u{61c}')
    };
    let hostile = r"\e[2J\x9b31m\u202e\u2066\u200b\u061cgood";
    let documents = [
        format!("{GOOD}\n\"{hostile}\": 1\n"),
        GOOD.replace("kind: jwt", &format!("kind: \"{hostile}\"")),
        GOOD.replace("discovery", &format!("{{file: \"{hostile}\"}}")),
        GOOD.replace("issuer: corp,", &format!("issuer: \"{hostile}\",")),
        format!("{GOOD}\n{}: [", hostile.replace("\\e", "\u{1b}").replace("\\u202e", "\u{202e}")),
    ];
    for document in documents {
        let ran = check(&document, &[]);
        assert_eq!(ran.code, 1, "{document}");
        assert!(!ran.stdout.contains(acts), "{:?}", ran.stdout);
        let ran = run(&["doctor", "--config", &file("yaml", &document)], "", &[]);
        assert!(!ran.stderr.contains(acts), "{:?}", ran.stderr);
        assert_eq!(ran.code, 1, "{}", ran.stderr);
    }
    let claim = GOOD.replace("{scope:", &format!("{{\"{hostile}\":")).replace("[a1b2c3d4e5]", "[\"*\"]");
    let printed = check(&claim, &[]).printed(0);
    assert!(!printed.contains(acts), "{printed:?}");
}
