use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use insta::assert_snapshot;
use serde_json::json;

use crate::support::{
    ACCESS_KEY_ID, Ran, SECRET_ACCESS_KEY, SERVER_ID, SESSION_TOKEN, StsSays, config, explain_at, file, has,
    plain_config, rest, run, seconds, sts, token,
};

const KEYS: [(&str, &str); 3] = [
    ("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID),
    ("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY),
    ("AWS_SESSION_TOKEN", SESSION_TOKEN),
];

fn sign(options: &[&str], env: &[(&str, &str)]) -> Ran {
    run(&[&["sign", "--server-id", SERVER_ID], options].concat(), "", env)
}

/// The URL in a header's value.
fn url_of(value: &str) -> String {
    let encoded = value.strip_prefix("AWS-Identity ").unwrap();
    String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap()
}

#[test]
fn the_header_is_the_only_line() {
    let printed = sign(&["--region", "eu-west-1"], &KEYS).printed(0);
    let value = printed.strip_prefix("Authorization: ").and_then(|line| line.strip_suffix('\n')).unwrap();
    let url = url_of(value);
    assert!(url.starts_with("https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&"), "{url}");
    assert!(url.contains("&X-Amz-Expires=60&") && url.contains(ACCESS_KEY_ID), "{url}");
    assert!(!url.contains(SECRET_ACCESS_KEY));
}

#[test]
fn each_format_carries_the_same_value() {
    let value = |format: &str| {
        sign(&["--region", "us-east-1", "--expires", "900", "--format", format], &KEYS).printed(0)
    };
    let curl = value("curl");
    let curl =
        curl.strip_prefix("header = \"Authorization: ").and_then(|line| line.strip_suffix("\"\n")).unwrap();
    for value in [curl, value("value").trim_end()] {
        let url = url_of(value);
        assert!(
            url.starts_with("https://sts.amazonaws.com/?") && url.contains("&X-Amz-Expires=900&"),
            "{url}"
        );
    }
}

/// What `sign` makes, `explain` takes, with a real signature that the STS here checks.
#[test]
fn a_signed_header_is_explained_as_its_signer() {
    let sts = sts(StsSays::TheTruth);
    let explained = |keys: &[(&str, &str)]| {
        let value = sign(&["--sts-endpoint", &sts, "--format", "value"], keys).printed(0);
        let url = url_of(value.trim_end());
        let at = seconds(&url.split_once("X-Amz-Date=").unwrap().1[..16]).to_string();
        explain_at(&config(&sts), &rest(value.trim_end(), "POST", "/orders"), &["--at", &at], &[])
    };
    let told = explained(&KEYS).printed(0);
    assert!(told.starts_with("ALLOWED by grant `nightly-batch`\n"), "{told}");
    assert!(told.contains("  id          arn:aws:iam::123456789012:role/batch\n"), "{told}");

    // A secret key that STS does not know.
    let other = [KEYS[0], ("AWS_SECRET_ACCESS_KEY", "another"), KEYS[2]];
    let told = explained(&other).printed(3);
    assert!(told.starts_with("DENIED proof_refused\n"), "{told}");
}

#[test]
fn a_profile_and_a_process_of_its_own_give_credentials_too() {
    let process = file(
        "json",
        &format!(
            r#"{{"Version": 1, "AccessKeyId": "{ACCESS_KEY_ID}", "SecretAccessKey": "{SECRET_ACCESS_KEY}", "SessionToken": "{SESSION_TOKEN}"}}"#
        ),
    );
    let profiles = file(
        "config",
        &format!(
            "[profile batch]\ncredential_process = cat {process}\n[profile plain]\naws_access_key_id = {ACCESS_KEY_ID}\naws_secret_access_key = {SECRET_ACCESS_KEY}\n"
        ),
    );
    for (profile, has_session) in [("batch", true), ("plain", false)] {
        let env = [("AWS_CONFIG_FILE", profiles.as_str()), ("AWS_PROFILE", profile)];
        let url = url_of(sign(&["--region", "eu-west-1", "--format", "value"], &env).printed(0).trim_end());
        assert!(url.contains(ACCESS_KEY_ID), "{url}");
        assert_eq!(url.contains(SESSION_TOKEN), has_session, "{url}");
    }
}

/// Signing in to SSO needs a browser; what can be seen here is that a profile with SSO is understood.
#[test]
fn a_profile_with_sso_asks_for_its_login() {
    let profiles = file(
        "config",
        "[profile sso]\nsso_session = corp\nsso_account_id = 123456789012\nsso_role_name = batch\n\
         [sso-session corp]\nsso_region = eu-west-1\nsso_start_url = https://example.awsapps.com/start\n",
    );
    let env = [("AWS_CONFIG_FILE", profiles.as_str()), ("AWS_PROFILE", "sso")];
    let complaint = sign(&["--region", "eu-west-1"], &env).complained(1);
    assert!(complaint.contains("run `aws sso login`"), "{complaint}");
    assert!(complaint.ends_with("failed to load the cached SSO token\n"), "{complaint}");
}

#[test]
fn what_cannot_be_signed_is_said_in_one_line() {
    assert_snapshot!(sign(&["--region", "eu-west-1"], &[]).complained(1), @r"
    error: no AWS credentials were found: set AWS_PROFILE, run `aws sso login`, or export AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: the credential provider was not enabled: no credentials found in chain. Attempted:
      Environment: the credential provider was not enabled: environment variable not set
      Profile: the credential provider was not enabled
      WebIdentityToken: the credential provider was not enabled: $AWS_WEB_IDENTITY_TOKEN_FILE was not set
      EcsContainer: the credential provider was not enabled: ECS provider not configured
      Ec2InstanceMetadata: the credential provider was not enabled: IMDS disabled by AWS_EC2_METADATA_DISABLED env var set to `true`
    ");
    let long = "/".repeat(4000);
    let env = [KEYS[0], KEYS[1], ("AWS_SESSION_TOKEN", long.as_str())];
    assert_snapshot!(sign(&["--region", "eu-west-1"], &env).complained(1), @"error: the proof has 16541 bytes, but the authorizer accepts at most 10240: use credentials with a shorter session token (a role with a smaller session policy, or fewer session tags)");
    assert_snapshot!(sign(&["--sts-endpoint", "https://sts.example.com/"], &KEYS).complained(2), @"error: `--sts-endpoint` is invalid: an STS endpoint of your own must be on this machine: 127.0.0.0/8, ::1 or localhost");
    for options in
        [&["--region", "west"][..], &[], &["--region", "eu-west-1", "--sts-endpoint", "http://127.0.0.1:1/"]]
    {
        sign(options, &KEYS).complained(2);
    }
    for expires in ["0", "901", "1.5", "60s", ""] {
        has(
            &sign(&["--region", "eu-west-1", "--expires", expires], &KEYS).complained(2),
            &["seconds from 1 to 900, without a unit"],
        );
    }
}

/// What `sign dpop` makes, `explain` takes: for this call, with this token, and for no other.
#[test]
fn a_dpop_proof_is_explained_as_its_keys_holder_made_it() {
    use authorizer_steps::clock::{Clock, SystemClock};
    use aws_lc_rs::{
        digest::{SHA256, digest},
        signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
    };
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
    let point = key.public_key().as_ref()[1..].to_vec();
    let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let (x, y) = (b64(&point[..32]), b64(&point[32..]));
    let jwk = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    let jkt = b64(digest(&SHA256, jwk.as_bytes()).as_ref());
    let der = base64::engine::general_purpose::STANDARD.encode(key.to_pkcs8v1().unwrap().as_ref());
    let pem = file("pem", &format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n"));
    let now = SystemClock.now().seconds();
    let bound = token(json!({"cnf": {"jkt": jkt}, "iat": now, "exp": now + 600}));
    let proof = |method: &str, token: &str| {
        let url = "https://api.example.com/orders?limit=1";
        let options = ["sign", "dpop", "--key", &pem, "--method", method, "--url", url, "--token", "-"];
        run(&options, token, &[]).printed(0).trim_end().to_owned()
    };
    let explained = |proof: &str| {
        let mut event = rest(&format!("DPoP {bound}"), "GET", "/orders");
        event["headers"]["DPoP"] = proof.into();
        event["requestContext"]["domainName"] = "api.example.com".into();
        event["requestContext"]["path"] = "/orders".into();
        explain_at(&plain_config(), &event, &["--at", &now.to_string()], &[])
    };
    let told = explained(&proof("GET", &format!("{bound}\n"))).printed(0);
    assert!(
        told.contains("ALLOWED by grant `orders-reader`") && told.contains(r#""callerBinding": "dpop""#),
        "{told}"
    );
    for (proof, why) in [
        (proof("POST", &bound), "`htm` is `POST`, but the request's method is GET"),
        (proof("GET", "another.token.here"), "its `ath` is not the hash of this one"),
    ] {
        let told = explained(&proof).printed(3);
        assert!(told.starts_with("DENIED binding_refused\n") && told.contains(why), "{told}");
    }
    let no_key = file("pem", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n");
    let refused = run(&["sign", "dpop", "--key", &no_key, "--method", "GET", "--url", "https://a/"], "", &[]);
    assert!(refused.complained(1).contains("is not a single private key in PEM (PKCS #8)"));
    let signed = |key: &str, stdin: &str| {
        run(
            &["sign", "dpop", "--key", key, "--method", "GET", "--url", "https://a/", "--token", "-"],
            stdin,
            &[],
        )
    };
    assert!(signed("-", "").complained(2).contains("cannot both come from standard input"));
    assert!(signed(&pem, "\n").complained(1).contains("standard input contains no token"));
}

#[test]
fn a_dpop_proof_is_for_a_method_and_a_whole_url_that_an_api_can_have() {
    let asked = |method: &str, url: &str| {
        run(&["sign", "dpop", "--key", "no-such.pem", "--method", method, "--url", url], "", &[])
    };
    let url = "https://api.example.com/orders";
    for method in ["get", "Get", "GET /", " GET", "GET\n", "M-SEARCH", "*", ""] {
        let complaint = asked(method, url).complained(2);
        has(&complaint, &["--method <METHOD>", "must be uppercase letters only, such as `GET`"]);
    }
    for url in [
        "/orders",
        "api.example.com/orders",
        "api.example.com:443/orders",
        "//api.example.com/orders",
        "https:/orders",
        "https:///orders",
        "https://",
        "https://u:p@api.example.com/orders",
        "https://api.example.com/orders/{id}",
        "https://api.example.com/a b",
        "ftp://api.example.com/orders",
        "?https://api.example.com/orders",
        "",
    ] {
        let complaint = asked("GET", url).complained(2);
        has(&complaint, &["--url <URL>", "must be a full http, https, ws or wss URL with a host"]);
    }
    // What can be asked for goes on to its key.
    for url in [
        url,
        "HTTPS://API.example.com",
        "https://api.example.com:8443/a%20b?q=a b|c#d",
        "http://[::1]:8080/orders",
        "wss://api.example.com/prod",
        "ws://localhost/prod",
    ] {
        has(&asked("DELETE", url).complained(1), &["`no-such.pem` cannot be read"]);
    }
}

/// As it is copied from a request, or from the example of one.
#[test]
fn a_token_has_no_scheme_in_its_dpop_proof() {
    let key = aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap();
    let der = base64::engine::general_purpose::STANDARD.encode(key.to_pkcs8().unwrap().as_ref());
    let pem = file("pem", &format!("-----BEGIN PRIVATE KEY-----\n{der}\n-----END PRIVATE KEY-----\n"));
    let claims = |token: &str| {
        let url = "https://api.example.com/orders?limit=1#top";
        let token = file("txt", token);
        let options = ["sign", "dpop", "--key", &pem, "--method", "GET", "--url", url, "--token", &token];
        let proof = run(&options, "", &[]).printed(0);
        let claims = URL_SAFE_NO_PAD.decode(proof.split('.').nth(1).unwrap()).unwrap();
        serde_json::from_slice::<serde_json::Value>(&claims).unwrap()
    };
    let plain = claims("a.b.c");
    assert_eq!(plain["htu"], "https://api.example.com/orders");
    let ath = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, b"a.b.c");
    assert_eq!(plain["ath"], URL_SAFE_NO_PAD.encode(ath));
    for token in ["DPoP a.b.c\n", "Bearer a.b.c", "dpop  a.b.c", "\nBEARER a.b.c\r\n"] {
        assert_eq!(claims(token)["ath"], plain["ath"], "{token:?}");
    }
    assert_ne!(claims("a.b.d")["ath"], plain["ath"]);
}
