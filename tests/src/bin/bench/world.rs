//! What the functions meet: OpenBao, the callers' issuer, and the folder with the files that both sides read.

use std::path::PathBuf;

use serde_json::{Value, json};
use test_bed::{Configuration, Grant, Issuer, OpenBao, Scratch, TokenSpec, vault_setup};

/// All of it. It ends with the value.
pub(crate) struct World {
    // Dropped in this order: the folder last.
    pub(crate) issuer: Issuer,
    pub(crate) openbao: OpenBao,
    /// What the authorizer's login would give.
    pub(crate) token: String,
    keys: PathBuf,
    pub(crate) scratch: Scratch,
}

impl World {
    pub(crate) async fn start() -> Self {
        let scratch = Scratch::new("bench");
        let openbao = OpenBao::start_in_memory(&scratch).await;
        let token = set_up(&openbao).await;
        let issuer = Issuer::start();
        let keys = scratch.path().join("keys.json");
        std::fs::write(&keys, issuer.jwks().to_string()).expect("the keys can be written");
        Self { issuer, openbao, token, keys, scratch }
    }

    /// The quickstart's grant on `prod`, and `GET /status` for which no token is minted; the issuer's keys are in a file.
    pub(crate) fn configuration(&self) -> Configuration {
        self.discovering().set("issuers.corp.jwks", json!({"file": self.keys}))
    }

    /// The same with keys that are found by discovery.
    pub(crate) fn discovering(&self) -> Configuration {
        let configuration = Configuration::new(self.openbao.address()).token(&self.token);
        let configuration = configuration.issuer("corp", &self.issuer.url()).grant(Grant::reader());
        let configuration = configuration.grant(Grant::without_token("status", "GET /status"));
        // One caller makes all the calls.
        configuration.set("limits.caller_mints_per_second", 1000)
    }

    /// A JWT for the whole run.
    pub(crate) fn jwt(&self, spec: TokenSpec) -> String {
        self.issuer.token(&spec.expires_in(6 * 3600))
    }
}

/// The quickstart's roles without their quotas, which are for 200 tokens a second; and a token as the authorizer's login gives it.
pub(crate) async fn set_up(openbao: &OpenBao) -> String {
    vault_setup::quickstart(openbao).await;
    let quotas = openbao.as_root("LIST", "sys/quotas/rate-limit", Value::Null).await;
    for quota in quotas["data"]["keys"].as_array().expect("the quickstart makes quotas") {
        let quota = quota.as_str().expect("a name is text");
        openbao.delete(&format!("sys/quotas/rate-limit/{quota}")).await;
    }
    let token =
        json!({"policies": [vault_setup::AUTHORIZER_POLICY], "no_default_policy": true, "ttl": "12h"});
    let answer = openbao.write("auth/token/create-orphan", token).await;
    answer["auth"]["client_token"].as_str().expect("a token").to_owned()
}
