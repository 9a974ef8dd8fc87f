//! The AWS auth method, by the stand-in or the real plugin, with requests that botocore signs and the emulator's STS
//! checks.

use std::process::Command;

use serde_json::{Value, json};
use test_bed::{AwsAuthConfig, Emulator, Scratch, VaultWithAwsAuth, http, parts, vault_setup};

const SERVER_ID: &str = "vault.example.com";

#[tokio::test]
async fn logs_in_a_signed_role_and_refuses_everything_else() {
    let scratch = Scratch::new("aws-auth");
    let emulator = Emulator::start(&scratch).await;
    let logins = signed_logins(&emulator.url());
    let arn = "arn:aws:iam::123456789012:role/api-authorizer";
    let config = AwsAuthConfig::quickstart(arn, SERVER_ID);
    let vault = VaultWithAwsAuth::start_in_memory(&scratch, &emulator.sts_url(), config).await;
    vault_setup::quickstart(&vault.openbao).await;

    for name in ["role", "role, headers as an object", "role, headers as lists"] {
        let (status, answer) = post(&vault, "auth/aws/login", &[], &logins[name]).await;
        assert_eq!(status, 200, "{name}: {answer}");
        let auth = &answer["auth"];
        assert_eq!(auth["policies"], json!(["vault-authorizer"]));
        assert_eq!((&auth["lease_duration"], &auth["renewable"]), (&json!(3600), &json!(true)));
        assert_eq!((&auth["orphan"], &auth["num_uses"]), (&json!(true), &json!(0)));
    }
    assert_eq!(vault.aws_auth.login_count(), 3);

    let refused = [
        ("tampered", "error making upstream request: received error code 403 from STS:"),
        ("wrong secret", "error making upstream request: received error code 403 from STS:"),
        ("another host", "error making upstream request: received error code 403 from STS:"),
        (
            "another principal",
            "IAM Principal \"arn:aws:iam::123456789012:user/nobody\" does not belong to the role",
        ),
        ("another role", "entry for role other not found"),
        ("server id of another", "error validating X-Vault-AWS-IAM-Server-ID header: expected"),
        ("no server id", "error validating X-Vault-AWS-IAM-Server-ID header: missing header"),
        (
            "server id unsigned",
            "error validating X-Vault-AWS-IAM-Server-ID header: vault header wasn't signed",
        ),
        ("another amz header", "invalid request header: X-Amz-Target"),
        ("another action", "iam request body is invalid"),
        ("two actions", "iam request body is invalid"),
        ("a query", "invalid request"),
        ("GET", "invalid iam_http_request_method; currently only 'POST' is supported"),
        ("URL-safe base64", "failed to base64 decode iam_request_url"),
        ("no body", "didn't supply required authentication values"),
    ];
    for (name, expected) in refused {
        assert!(logins[name].is_object(), "{name}");
        let (status, answer) = post(&vault, "auth/aws/login", &[], &logins[name]).await;
        let reason = answer["errors"][0].as_str().unwrap_or_default();
        assert!(status == 400 && reason.starts_with(expected), "{name}: {status} {answer}");
    }
    assert_eq!((vault.aws_auth.login_count(), vault.aws_auth.refused_login_count()), (3, refused.len()));
}

#[tokio::test]
async fn passes_everything_else_on_and_goes_down_with_openbao() {
    let scratch = Scratch::new("aws-auth-proxy");
    let config = AwsAuthConfig::quickstart("arn:aws:iam::123456789012:role/api-authorizer", SERVER_ID);
    let mut vault = VaultWithAwsAuth::start(&scratch, "http://127.0.0.1:9", config).await;
    vault_setup::quickstart(&vault.openbao).await;
    let token = vault_setup::authorizer_token(&vault.openbao).await;
    let path = "auth/token/create/orders-prod-reader";
    let headers = [("X-Vault-Token", token.as_str()), ("X-Vault-Wrap-TTL", "30s")];

    let (status, minted) = post(&vault, path, &headers, &json!({"ttl": "60s"})).await;
    assert_eq!((status, &minted["wrap_info"]["ttl"]), (200, &json!(30)));
    let (status, refused) = post(&vault, path, &headers, &json!({"ttl": "61s"})).await;
    assert_eq!(status, 403);
    assert_eq!(refused["errors"][0], "1 error occurred:\n\t* permission denied\n\n");

    let address = vault.address();
    vault.stop().await;
    let outage = http::client().get(format!("{address}/v1/sys/health")).send().await;
    assert!(outage.unwrap_err().is_connect(), "an outage looks like one");
    vault.start_again().await;
    assert_eq!(vault.address(), address);
    assert_eq!(post(&vault, path, &headers, &json!({"ttl": "60s"})).await.0, 200);
}

async fn post(vault: &VaultWithAwsAuth, path: &str, headers: &[(&str, &str)], body: &Value) -> (u16, Value) {
    let mut request = http::client().post(format!("{}/v1/{path}", vault.address())).json(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

/// Logins by name, signed with the keys of a role and of a user that this makes. The root user's keys would not do: the
/// emulator does not check them.
fn signed_logins(sts_url: &str) -> Value {
    let python = Command::new(parts::python())
        .arg(parts::client("aws_logins.py"))
        .args([sts_url, SERVER_ID])
        .output()
        .unwrap();
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    serde_json::from_slice(&python.stdout).unwrap()
}
