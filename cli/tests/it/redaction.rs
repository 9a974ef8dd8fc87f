//! No credential in any output, whatever goes wrong, at any log level.

use serde_json::{Value, json};

use crate::support::{
    AT, LOGIN_TOKEN, NOW, SECRET_ACCESS_KEY, SERVER_ID, SESSION_TOKEN, StsSays, b64, config, explain_at,
    file, http_v1, http_v2, orders, plain_config, proof, rest, rest_token, run, secrets_of, sts, token,
    websocket,
};

const TRACE: [(&str, &str); 2] = [("RUST_LOG", "trace"), ("RUST_BACKTRACE", "1")];

/// Runs it in both forms, and returns the code that was told.
#[track_caller]
fn told(document: &str, event: &Value, credential: &str) -> String {
    let mut secrets = secrets_of(credential);
    secrets.extend([LOGIN_TOKEN, SECRET_ACCESS_KEY, SESSION_TOKEN].map(str::to_owned));
    let mut code = String::new();
    for options in [&["--at", AT][..], &["--at", AT, "--json"], &[]] {
        let ran = explain_at(document, event, options, &TRACE);
        for secret in &secrets {
            assert!(!ran.stdout.contains(secret), "{secret} in {}", ran.stdout);
            assert!(!ran.stderr.contains(secret), "{secret} in {}", ran.stderr);
        }
        assert_eq!(ran.stderr, "");
        if options.contains(&"--json") {
            let exit = ran.code;
            code = ran.json(exit)["code"].as_str().unwrap_or("allowed").to_owned();
        }
    }
    code
}

#[test]
fn rejects_a_jwt_in_any_output() {
    let good = token(json!({}));
    let tampered = {
        let (message, signature) = good.rsplit_once('.').unwrap();
        let other = if signature.starts_with('A') { 'B' } else { 'A' };
        format!("{message}.{other}{}", &signature[1..])
    };
    let another_key = good.replacen(
        &b64(br#"{"alg":"EdDSA","kid":"one","typ":"JWT"}"#),
        &b64(br#"{"alg":"EdDSA","kid":"two","typ":"JWT"}"#),
        1,
    );
    let cases = [
        (good.clone(), "allowed"),
        (tampered, "signature_invalid"),
        (another_key, "key_unknown"),
        (token(json!({"exp": NOW - 1})), "token_expired"),
        (token(json!({"exp": NOW + 5})), "token_expiring"),
        (token(json!({"nbf": NOW + 500})), "token_not_yet_valid"),
        (token(json!({"iat": NOW - 5000})), "token_too_old"),
        (token(json!({"aud": "billing-api"})), "audience_mismatch"),
        (token(json!({"sub": "bob", "scope": "none"})), "no_grant"),
        (token(json!({"sub": 7})), "claim_missing"),
        (token(json!({"cnf": {"jkt": "x"}})), "binding_missing"),
        (token(json!({"sub": "\u{1b}[2J"})), "identity_value_refused"),
        (token(json!({"iss": "https://elsewhere.example/"})), "issuer_unknown"),
        (format!("{good}.more"), "credential_malformed"),
        (format!("{good}, {good}"), "credential_duplicate"),
    ];
    let document = plain_config();
    for (token, code) in cases {
        assert_eq!(told(&document, &orders(&token), &token), code, "{code}");
    }
    for event in [rest_token(&good), http_v1(&good), http_v2(&good), websocket(&good)] {
        assert_eq!(told(&document, &event, &good), "allowed", "{event}");
    }
    let mut two = orders(&good);
    two["headers"]["Cookie"] = format!("session={good}").into();
    for (event, code) in [
        (rest(&format!("Basic {good}"), "GET", "/orders"), "scheme_unsupported"),
        (json!({"log": orders(&good)}), "event_unsupported"),
        (two, "credential_duplicate"),
    ] {
        assert_eq!(told(&document, &event, &good), code);
    }
}

#[test]
fn rejects_a_proof_in_any_output() {
    let (up, down) = (sts(StsSays::TheTruth), sts(StsSays::Nothing));
    let cases = [
        (&up, proof(&up, SERVER_ID), "allowed"),
        (&up, proof(&up, "other.example.com"), "proof_refused"),
        (&up, proof("http://127.0.0.1:1/", SERVER_ID), "proof_refused"),
        (&down, proof(&down, SERVER_ID), "sts_unavailable"),
    ];
    for (sts, proof, code) in cases {
        assert_eq!(told(&config(sts), &rest(&proof, "POST", "/orders"), &proof), code, "{code}");
    }
    let proof = proof(&up, SERVER_ID);
    assert_eq!(told(&plain_config(), &rest(&proof, "POST", "/orders"), &proof), "proof_refused");
    // Nor a grant of theirs: the configuration's reader would not have it.
    let without =
        config(&up).lines().filter(|line| !line.starts_with("aws_identity")).collect::<Vec<_>>().join("\n");
    let (without, _) = without.split_once("      - name: nightly-batch").unwrap();
    assert_eq!(told(without, &rest(&proof, "POST", "/orders"), &proof), "scheme_unsupported");
}

/// The parser of JSON, of YAML and of the command line would each like to quote what it stumbled on.
#[test]
fn rejects_a_secret_in_a_complaint() {
    let good = token(json!({}));
    let config = file("yaml", &plain_config());
    let broken = format!("{{\"authorizationToken\": \"Bearer {good}\", oops");
    let ran = run(&["explain", "--config", &config, "--event", "-"], &broken, &TRACE);
    assert!(!ran.complained(2).contains(&good[..20]));
    let call = ["--jwt", "-", "--route", "GET /orders", "--stage", "prod"];
    for given in [good.clone(), format!("{good}.more"), format!("Basic {good}"), format!("\"{good}\"")] {
        for form in [&[][..], &["--json"]] {
            let ran = run(&[&["explain", &config], &call[..], form].concat(), &given, &TRACE);
            let shown = ran.stdout + &ran.stderr;
            let shows = secrets_of(&good).iter().any(|secret| shown.contains(secret));
            assert!(!shows && shown.len() > 100, "{shown}");
        }
    }
    for document in
        [format!("vault: [{LOGIN_TOKEN}"), plain_config().replace("method: token", "method: tokem")]
    {
        let bad = file("yaml", &document);
        let checked = run(&["check", "--config", &bad], "", &TRACE);
        let explained = run(&["explain", "--config", &bad, "--event", "-"], "{}", &TRACE);
        assert_eq!((checked.code, explained.code), (1, 1));
        for output in [checked.stdout, checked.stderr, explained.stdout, explained.stderr] {
            assert!(!output.contains("AuthorizerTokenOfTheTest"), "{output}");
        }
    }
}

#[test]
fn rejects_a_secret_key_in_any_output_of_sign() {
    let env = [
        TRACE[0],
        ("AWS_ACCESS_KEY_ID", "AKIA"),
        ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
        ("AWS_SESSION_TOKEN", SESSION_TOKEN),
    ];
    let complaint = run(&["sign", "--server-id", SERVER_ID, "--region", "eu-west-1"], "", &env).complained(1);
    assert!(!complaint.contains(SECRET_ACCESS_KEY) && !complaint.contains(SESSION_TOKEN), "{complaint}");
}
