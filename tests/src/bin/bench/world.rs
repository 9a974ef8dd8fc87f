//! The surroundings of the functions: OpenBao in memory and on disk, the callers' issuer, AWS, and the files that
//! both sides read.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use test_bed::{
    AwsAuth, AwsAuthConfig, Configuration, Emulator, Grant, IamCaller, Issuer, OpenBao, SERVER_ID, Scratch,
    Server, TokenSpec, parts, vault_setup,
};
use tokio::sync::OnceCell;

use crate::proofs;

/// All of it. What only some subjects need starts with the first of them.
pub(crate) struct World {
    // Dropped in this order: clients before servers, the folder last.
    pub(crate) issuer: Issuer,
    aws: OnceCell<AwsLogin>,
    on_disk: OnceCell<(OpenBao, Vault)>,
    sts: Server,
    openbao: OpenBao,
    vault: Vault,
    keys: PathBuf,
    pub(crate) scratch: Scratch,
}

/// Where Vault is, and what the authorizer's login would give there.
#[derive(Debug, Clone)]
pub(crate) struct Vault {
    pub(crate) address: String,
    pub(crate) token: String,
    /// One that may mint for the same role with whatever parameters a client library sends.
    pub(crate) peer_token: String,
}

/// Vault with the AWS auth method, and whose role may log in.
struct AwsLogin {
    auth: AwsAuth,
    caller: IamCaller,
    emulator: Emulator,
}

impl World {
    pub(crate) async fn start() -> Self {
        let scratch = Scratch::new("bench");
        let (certificate, key) = (tls("provider.pem"), tls("provider.key.pem"));
        let openbao = OpenBao::start_in_memory_with_tls(&scratch, certificate, key).await;
        let vault = set_up(&openbao).await;
        let issuer = Issuer::start();
        let keys = scratch.path().join("keys.json");
        std::fs::write(&keys, issuer.jwks().to_string()).expect("the keys can be written");
        Self {
            issuer,
            aws: OnceCell::new(),
            on_disk: OnceCell::new(),
            sts: proofs::sts(),
            openbao,
            vault,
            keys,
            scratch,
        }
    }

    /// OpenBao in memory.
    pub(crate) fn vault(&self) -> &Vault {
        &self.vault
    }

    /// OpenBao with Raft, one node, on this machine's disk.
    pub(crate) async fn vault_on_disk(&self) -> &Vault {
        let start = async || {
            let openbao = OpenBao::start(&self.scratch).await;
            let vault = set_up(&openbao).await;
            (openbao, vault)
        };
        let (_, vault) = self.on_disk.get_or_init(start).await;
        vault
    }

    /// The issuer's keys.
    pub(crate) fn keys(&self) -> &Path {
        &self.keys
    }

    /// The quickstart's grant on `prod`, and `GET /status` for which no token is minted; the issuer's keys are in a file.
    pub(crate) fn configuration(&self, vault: &Vault) -> Configuration {
        let file = json!({"file": self.keys});
        self.discovering(vault).set("issuers.corp.jwks", file)
    }

    /// The same with keys that are found by discovery.
    pub(crate) fn discovering(&self, vault: &Vault) -> Configuration {
        let configuration = Configuration::new(&vault.address).token(&vault.token);
        let configuration = configuration.issuer("corp", &self.issuer.url()).grant(Grant::reader());
        let configuration = configuration.grant(Grant::without_token("status", "GET /status"));
        // One caller makes all the calls.
        configuration.set("limits.caller_mints_per_second", 1000)
    }

    /// The same with a token that is minted before it is asked for.
    pub(crate) fn minting_ahead(&self) -> Configuration {
        self.configuration(&self.vault).set("stages.prod.grants.0.mint_ahead", true)
    }

    /// The same with callers that prove an AWS identity to [`World::sts`].
    pub(crate) fn with_aws_identity(&self) -> Configuration {
        let identity =
            json!({"server_id": proofs::SERVER_ID, "accounts": ["123456789012"], "sts_endpoint": self.sts()});
        let caller = json!({"aws_identity": true, "bound_iam_principal_arns": [proofs::USER]});
        let configuration = self.configuration(&self.vault).set("aws_identity", identity);
        configuration.grant(Grant::staging_reader().set("caller", caller))
    }

    /// Where proofs of an AWS identity are judged.
    pub(crate) fn sts(&self) -> String {
        self.sts.url()
    }

    /// The same with the same OpenBao over TLS.
    pub(crate) fn over_tls(&self) -> Configuration {
        let vault = Vault { address: self.openbao.tls_address(), ..self.vault.clone() };
        self.configuration(&vault).set("vault.ca_file", json!(tls("ca.pem")))
    }

    /// The same with the login by `aws`, and the credentials that log in, as Lambda's environment has them.
    pub(crate) async fn with_aws_login(&self) -> (Configuration, [(&'static str, String); 2]) {
        let start = async || {
            let emulator = Emulator::start(&self.scratch).await;
            let caller = emulator.aws().iam_user("authorizer").await;
            let config = AwsAuthConfig::quickstart(&caller.arn, SERVER_ID);
            let auth = AwsAuth::over(&self.openbao, &emulator.sts_url(), config).await;
            AwsLogin { auth, caller, emulator }
        };
        let AwsLogin { auth, caller, emulator } = self.aws.get_or_init(start).await;
        let login = json!({
            "method": "aws", "role": vault_setup::AUTHORIZER_ROLE, "server_id": SERVER_ID, "sts_endpoint": emulator.sts_url(),
        });
        let vault = Vault { address: auth.address(), ..self.vault.clone() };
        let keys = [
            ("AWS_ACCESS_KEY_ID", caller.credentials.access_key_id().to_owned()),
            ("AWS_SECRET_ACCESS_KEY", caller.credentials.secret_access_key().to_owned()),
        ];
        (self.configuration(&vault).login(login), keys)
    }

    /// A JWT for the whole run.
    pub(crate) fn jwt(&self, spec: TokenSpec) -> String {
        self.issuer.token(&spec.expires_in(6 * 3600))
    }
}

/// A file of the certificate for 127.0.0.1 that the authorizer's tests use.
fn tls(file: &str) -> PathBuf {
    parts::repository().join("authorizer/tests/tls").join(file)
}

/// The quickstart's roles without their quotas, which are for 200 tokens a second; and a token as the authorizer's login gives it.
pub(crate) async fn set_up(openbao: &OpenBao) -> Vault {
    vault_setup::quickstart(openbao).await;
    let quotas = openbao.as_root("LIST", "sys/quotas/rate-limit", Value::Null).await;
    for quota in quotas["data"]["keys"].as_array().expect("the quickstart makes quotas") {
        let quota = quota.as_str().expect("a name is text");
        openbao.delete(&format!("sys/quotas/rate-limit/{quota}")).await;
    }
    let token =
        json!({"policies": [vault_setup::AUTHORIZER_POLICY], "no_default_policy": true, "ttl": "12h"});
    let answer = openbao.write("auth/token/create-orphan", token).await;
    let token = answer["auth"]["client_token"].as_str().expect("a token").to_owned();
    openbao
        .policy("peer", r#"path "auth/token/create/orders-prod-reader" { capabilities = ["update"] }"#)
        .await;
    let peer_token = json!({"policies": ["peer"], "no_default_policy": true, "ttl": "12h"});
    let peer_token = openbao.token(peer_token).await;
    Vault { address: openbao.address().to_owned(), token, peer_token }
}
