//! The authorizer and a Vault that speaks TLS with a certificate of a private CA.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use test_bed::issuer::{Issuer, TokenSpec};
use test_bed::parts;
use test_bed::process::{Child, Scratch, free_port};
use test_bed::runtime_api::{Function, Invocation};
use vault_context::VaultToken;
use vault_context::vault::{Call, Vault, VaultAddress, VaultOptions};

const ROOT: &str = "root-of-the-tls-test";

#[tokio::test]
async fn a_private_ca_is_trusted_where_it_is_configured_and_nowhere_else() {
    let scratch = Scratch::new("tls");
    let (_server, address, ca_file) = serve_tls(&scratch).await;
    let ca_pem = std::fs::read(&ca_file).unwrap();
    let vault = Vault::new(VaultOptions {
        ca_pem: Some(ca_pem),
        ..VaultOptions::new(VaultAddress::parse(&address).unwrap())
    });
    make_role(&vault.unwrap()).await;

    let trusting = decide(&scratch, &address, &format!("ca_file: {}", ca_file.display())).await;
    assert!(matches!(trusting.0, Invocation::Response(_)), "{trusting:?}");
    let (_other, _, other_ca) = serve_tls(&scratch).await;
    for trust in ["", &format!("ca_file: {}", other_ca.display())] {
        let (invocation, log) = decide(&scratch, &address, trust).await;
        let Invocation::Error { message, .. } = invocation else { panic!("{trust}: {invocation:?}") };
        assert_eq!(message, "vault_unreachable", "{trust}");
        assert!(log.contains("invalid peer certificate"), "the log says why: {log}");
    }
}

/// OpenBao in memory with a certificate and a CA that it makes for this run.
async fn serve_tls(scratch: &Scratch) -> (Child, String, PathBuf) {
    let (port, folder) = (free_port(), scratch.folder("tls"));
    let mut command = Command::new(parts::openbao());
    command.args(["server", "-dev", "-dev-tls", "-dev-no-store-token"]);
    command.arg(format!("-dev-tls-cert-dir={}", folder.display()));
    command.arg(format!("-dev-listen-address=127.0.0.1:{port}"));
    command.arg(format!("-dev-root-token-id={ROOT}"));
    let mut server = Child::spawn("openbao", command, &folder.join("openbao.log"));
    let ca_file = folder.join("vault-ca.pem");
    let ready = async || ca_file.exists() && std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
    server.ready(Duration::from_secs(20), ready).await.unwrap();
    (server, format!("https://127.0.0.1:{port}"), ca_file)
}

async fn make_role(vault: &Vault) {
    let role = json!({"allowed_policies": "default", "token_type": "service", "orphan": true, "renewable": false,
        "token_explicit_max_ttl": "60s"});
    let root = VaultToken::parse(ROOT).unwrap();
    vault.send(Call::post("auth/token/roles/reader").token(&root).body(&role).unwrap()).await.unwrap();
}

async fn decide(scratch: &Scratch, address: &str, trust: &str) -> (Invocation, String) {
    let issuer = Issuer::start();
    let config = format!(
        r#"
vault:
  address: {address}
  {trust}
  login: {{method: token, token: {ROOT}}}
issuers:
  corp: {{kind: jwt, issuer: "{}", audiences: [orders-api], algorithms: [RS256], jwks: discovery}}
stages:
  prod:
    api_ids: ["*"]
    grants:
      - name: reader
        routes: ["* /*"]
        caller: {{issuer: corp, any: true}}
        token: {{role: reader, policies: [default], ttl: 60s, wrap_ttl: 30s}}
"#,
        issuer.url()
    );
    let function =
        Function::start(&parts::binary("release", "bootstrap"), [("AUTHORIZER_CONFIG", &config)], scratch);
    let event = json!({
        "type": "REQUEST",
        "methodArn": "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/GET/",
        "resource": "/",
        "headers": {"authorization": format!("Bearer {}", issuer.token(&TokenSpec::new()))},
    });
    let invocation = function.invoke(&event).await;
    (invocation, function.log())
}
