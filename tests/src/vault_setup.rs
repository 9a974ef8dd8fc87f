//! What an operator configures in Vault: secrets, policies, token roles, the authorizer's own policy and login.
//!
//! [`quickstart`] runs the script that users run. [`configure`] has `vault apply` create the same, and what more
//! grants need.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::configuration::with;
use crate::{Configuration, Issuer, OpenBao, parts};

pub const AUTHORIZER_POLICY: &str = "vault-authorizer";

/// The role that the authorizer logs in with, on every auth method.
pub const AUTHORIZER_ROLE: &str = "api-authorizer";

/// Runs `infra/vault/quickstart.sh` with OpenBao's command line.
pub async fn quickstart(openbao: &OpenBao) {
    let mut script = tokio::process::Command::from(quickstart_script(openbao));
    let output = script.kill_on_drop(true).output().await.expect("sh runs");
    assert!(output.status.success(), "quickstart.sh: {}", String::from_utf8_lossy(&output.stderr));
}

/// The command that [`quickstart`] runs, for tests of the script itself.
pub fn quickstart_script(openbao: &OpenBao) -> Command {
    let mut script = Command::new("sh");
    script.arg(parts::repository().join("infra/vault/quickstart.sh"));
    script.env("VAULT_CLI", parts::openbao()).env("VAULT_ADDR", openbao.address());
    script.env("VAULT_TOKEN", openbao.root_token());
    script
}

/// The quickstart's secrets and policies, and what this configuration's grants need, without quotas.
pub async fn configure(openbao: &OpenBao, configuration: &Configuration) {
    openbao.write("sys/mounts/secret", json!({"type": "kv", "options": {"version": "2"}})).await;
    kv_is_ready(openbao).await;
    for stage in ["prod", "staging"] {
        let secret =
            json!({"username": format!("orders-{stage}"), "password": format!("sample-{stage}-password")});
        openbao.write(&format!("secret/data/{stage}/orders"), json!({"data": secret})).await;
        let policy = format!("orders-{stage}-read");
        openbao.policy(&policy, &policy_file(&policy)).await;
    }
    let apply = crate::Command::new(&["vault", "apply", "--config", "-", "--no-quotas"]);
    let apply = apply.stdin(&configuration.to_string()).env("VAULT_ADDR", openbao.address());
    apply.env("VAULT_TOKEN", openbao.root_token()).run().printed(0);
}

/// For a moment a new mount answers 400: it is being upgraded.
async fn kv_is_ready(openbao: &OpenBao) {
    for _ in 0..500 {
        if openbao.api("GET", "secret/config", Some(openbao.root_token()), Value::Null).await.0 == 200 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("the KV mount is not ready: {}", openbao.log());
}

/// A token as the authorizer's login gives it, for `login.method: token`.
pub async fn authorizer_token(openbao: &OpenBao) -> String {
    let token = json!({"policies": [AUTHORIZER_POLICY], "no_default_policy": true, "ttl": "1h"});
    let answer = openbao.write("auth/token/create-orphan", token).await;
    answer["auth"]["client_token"].as_str().expect("a token").to_owned()
}

/// What `login.method: approle` is configured with.
#[derive(Debug, Clone)]
pub struct AppRole {
    pub role_id: String,
    pub secret_id: String,
}

/// Enables `AppRole` auth at `approle` with the authorizer's role.
pub async fn approle_login(openbao: &OpenBao) -> AppRole {
    openbao.write("sys/auth/approle", json!({"type": "approle"})).await;
    let role = format!("auth/approle/role/{AUTHORIZER_ROLE}");
    openbao.write(&role, login_token()).await;
    let role_id = openbao.as_root("GET", &format!("{role}/role-id"), Value::Null).await;
    let secret_id = openbao.write(&format!("{role}/secret-id"), json!({})).await;
    let text = |value: &Value| value.as_str().expect("an id").to_owned();
    AppRole { role_id: text(&role_id["data"]["role_id"]), secret_id: text(&secret_id["data"]["secret_id"]) }
}

/// Enables JWT auth at `jwt`, with the authorizer's role bound to `issuer` and `audience`.
pub async fn jwt_login(openbao: &OpenBao, issuer: &Issuer, audience: &str) {
    jwt_method(openbao, issuer).await;
    let bound = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": [audience]});
    openbao.write(&format!("auth/jwt/role/{AUTHORIZER_ROLE}"), with(&login_token(), bound)).await;
}

/// Enables JWT auth at `jwt`, and trusts `issuer`; without a role.
pub async fn jwt_method(openbao: &OpenBao, issuer: &Issuer) {
    openbao.write("sys/auth/jwt", json!({"type": "jwt"})).await;
    // Discovery alone does not bind the issuer: without `bound_issuer`, OpenBao accepts any `iss` that its keys signed.
    let config = json!({"oidc_discovery_url": issuer.url(), "bound_issuer": issuer.url()});
    openbao.write("auth/jwt/config", config).await;
}

/// The token that the authorizer's logins give, as roles of auth methods write it.
fn login_token() -> Value {
    json!({
        "token_policies": [AUTHORIZER_POLICY],
        "token_no_default_policy": true,
        "token_type": "service",
        "token_ttl": "1h",
        "token_max_ttl": "24h",
    })
}

/// One of the policies that ship.
pub fn policy_file(name: &str) -> String {
    parts::text(&format!("infra/vault/policies/{name}.hcl"))
}
