//! The authorizer with a Vault that has a TLS certificate of a private CA, and with one that asks its clients for
//! theirs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use test_bed::process::free_port;
use test_bed::{
    Child, Configuration, Function, Grant, Invocation, Issuer, OpenBao, Scratch, TokenSpec, parts,
};
use vault_api::{VaultAddress, VaultToken};
use vault_transport::http::ClientCertificate;
use vault_transport::{Call, Vault, VaultOptions};

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

    let trusting = decide(&scratch, &address, json!({"ca_file": ca_file})).await;
    assert!(matches!(trusting.0, Invocation::Response(_)), "{trusting:?}");
    let (_other, _, other_ca) = serve_tls(&scratch).await;
    for trust in [json!({}), json!({"ca_file": other_ca})] {
        let (invocation, log) = decide(&scratch, &address, trust).await;
        assert_eq!(invocation.error(), "vault_unreachable");
        assert!(log.contains("invalid peer certificate"), "the log says why: {log}");
    }
}

#[tokio::test]
async fn a_vault_that_asks_for_a_certificate_gets_the_configured_one() {
    let scratch = Scratch::new("mtls");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    let (ca, other_ca) = (Ca::new(&openbao, "pki").await, Ca::new(&openbao, "other").await);
    let server = ca.certificate(&scratch, "server").await;
    let (_server, address) = serve_mutual_tls(&scratch, &ca, &server).await;

    let client = ca.certificate(&scratch, "client").await;
    let (certificate, key) =
        (std::fs::read(&client.certificate).unwrap(), std::fs::read(&client.key).unwrap());
    let vault = Vault::new(VaultOptions {
        ca_pem: Some(ca.pem.clone().into_bytes()),
        client_certificate: Some(ClientCertificate::from_pem(&certificate, &key).unwrap()),
        ..VaultOptions::new(VaultAddress::parse(&address).unwrap())
    });
    make_role(&vault.unwrap()).await;

    let ca_file = scratch.path().join("ca.pem");
    std::fs::write(&ca_file, &ca.pem).unwrap();
    let trust = json!({"ca_file": ca_file});
    let shown = |files: &CertificateFiles| json!({"ca_file": ca_file, "client_cert_file": files.certificate, "client_key_file": files.key});
    let (invocation, log) = decide(&scratch, &address, shown(&client)).await;
    assert!(matches!(invocation, Invocation::Response(_)), "{invocation:?} {log}");
    let stranger = other_ca.certificate(&scratch, "stranger").await;
    for without in [trust, shown(&stranger)] {
        let (invocation, log) = decide(&scratch, &address, without).await;
        assert_eq!(invocation.error(), "vault_unreachable");
        assert!(log.contains("received fatal alert"), "the log says who ended it: {log}");
    }
    for (_, printed) in scratch.logs() {
        assert!(!printed.contains("PRIVATE KEY"));
    }
}

/// A CA of OpenBao's own.
struct Ca<'b> {
    openbao: &'b OpenBao,
    mount: &'static str,
    pem: String,
}

/// A certificate and its key.
struct CertificateFiles {
    certificate: PathBuf,
    key: PathBuf,
}

impl<'b> Ca<'b> {
    async fn new(openbao: &'b OpenBao, mount: &'static str) -> Self {
        openbao.write(&format!("sys/mounts/{mount}"), json!({"type": "pki"})).await;
        let root = json!({"common_name": format!("{mount} of the tests"), "key_type": "ec"});
        let root = openbao.write(&[mount, "root", "generate", "internal"].join("/"), root).await;
        let role = json!({"allow_any_name": true, "enforce_hostnames": false, "key_type": "ec"});
        openbao.write(&format!("{mount}/roles/any"), role).await;
        Self { openbao, mount, pem: text(&root["data"]["certificate"]) }
    }

    async fn certificate(&self, scratch: &Scratch, name: &str) -> CertificateFiles {
        let request = json!({"common_name": name, "ip_sans": "127.0.0.1", "ttl": "1h"});
        let issued = self.openbao.write(&format!("{}/issue/any", self.mount), request).await;
        let folder = scratch.folder(name);
        let files = CertificateFiles { certificate: folder.join("cert.pem"), key: folder.join("key.pem") };
        std::fs::write(&files.certificate, text(&issued["data"]["certificate"])).unwrap();
        std::fs::write(&files.key, text(&issued["data"]["private_key"])).unwrap();
        files
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("PEM").to_owned()
}

/// OpenBao in memory that takes no client without a certificate of this CA.
async fn serve_mutual_tls(scratch: &Scratch, ca: &Ca<'_>, own: &CertificateFiles) -> (Child, String) {
    let (plain_port, port, folder) = (free_port(), free_port(), scratch.folder("mtls"));
    std::fs::write(folder.join("ca.pem"), &ca.pem).unwrap();
    let listener = format!(
        r#"listener "tcp" {{
  address                            = "127.0.0.1:{port}"
  tls_cert_file                      = "{}"
  tls_key_file                       = "{}"
  tls_client_ca_file                 = "{}"
  tls_require_and_verify_client_cert = true
}}
"#,
        own.certificate.display(),
        own.key.display(),
        folder.join("ca.pem").display()
    );
    std::fs::write(folder.join("openbao.hcl"), listener).unwrap();
    let mut command = dev_server(plain_port);
    command.arg(format!("-config={}", folder.join("openbao.hcl").display()));
    (started(command, port, &folder).await, format!("https://127.0.0.1:{port}"))
}

/// A server in memory that is unsealed, with [`ROOT`].
fn dev_server(port: u16) -> Command {
    let mut command = Command::new(parts::openbao());
    command.args(["server", "-dev", "-dev-no-store-token"]);
    command.arg(format!("-dev-listen-address=127.0.0.1:{port}"));
    command.arg(format!("-dev-root-token-id={ROOT}"));
    command
}

/// Starts it, and waits until it listens and is unsealed.
async fn started(command: Command, port: u16, folder: &Path) -> Child {
    let log = folder.join("openbao.log");
    let mut server = Child::spawn("openbao", command, &log);
    let ready = async || {
        let unsealed = std::fs::read_to_string(&log).is_ok_and(|log| log.contains("vault is unsealed"));
        unsealed && std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
    };
    server.ready(Duration::from_secs(20), ready).await.unwrap();
    server
}

/// OpenBao in memory with a certificate and a CA that it makes for this run.
async fn serve_tls(scratch: &Scratch) -> (Child, String, PathBuf) {
    let (port, folder) = (free_port(), scratch.folder("tls"));
    let mut command = dev_server(port);
    command.arg("-dev-tls").arg(format!("-dev-tls-cert-dir={}", folder.display()));
    let server = started(command, port, &folder).await;
    (server, format!("https://127.0.0.1:{port}"), folder.join("vault-ca.pem"))
}

async fn make_role(vault: &Vault) {
    let role = json!({"allowed_policies": "default", "token_type": "service", "orphan": true, "renewable": false,
        "token_explicit_max_ttl": "60s"});
    let root = VaultToken::parse(ROOT).unwrap();
    vault.send(Call::post("auth/token/roles/reader").token(&root).body(&role).unwrap()).await.unwrap();
}

/// With these settings of `vault` besides its address.
async fn decide(scratch: &Scratch, address: &str, trust: Value) -> (Invocation, String) {
    let issuer = Issuer::start();
    let mut configuration = Configuration::new(address).token(ROOT).issuer("corp", &issuer.url());
    for (name, value) in trust.as_object().unwrap() {
        configuration = configuration.set(&format!("vault.{name}"), value.clone());
    }
    let grant =
        Grant::new("reader", "* /*").set("token.ttl", "60s").set("token.policies", json!(["default"]));
    let function = Function::authorizer(&configuration.grant(grant).to_string(), &[], scratch);
    let invocation = function.get("/", &issuer.token(&TokenSpec::new())).await;
    (invocation, function.log())
}
