//! What an operator configures in Vault: secrets, policies, token roles, the authorizer's own policy and login.
//!
//! [`quickstart`] runs the script that users run. [`configure`] does the same over the API, for any [`Setup`]; a test
//! that wants more than the two quickstart roles starts from [`Setup::quickstart`] and adds its own.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::{Issuer, OpenBao, parts};

pub const AUTHORIZER_POLICY: &str = "vault-authorizer";

/// The policy that every token role carries, so that a caller's token can revoke itself and look itself up.
pub const SELF_POLICY: &str = "vault-authorizer-self";

/// The role that the authorizer logs in with, on every auth method.
pub const AUTHORIZER_ROLE: &str = "api-authorizer";

/// The lifetimes that a mint may ask for, beside the grant's own.
const TTL_STEPS: [u64; 7] = [15, 30, 60, 120, 300, 600, 900];

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

/// Secrets, policies and token roles, as data.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Path below the KV v2 mount `secret/`, and the data.
    pub secrets: Vec<(String, Value)>,
    /// Name and HCL.
    pub policies: Vec<(String, String)>,
    /// The grants' token roles. The authorizer's policy follows from them.
    pub roles: Vec<TokenRole>,
}

impl Setup {
    /// The quickstart's two stages, the policies read from the files that `quickstart.sh` writes.
    pub fn quickstart() -> Self {
        let secret = |stage: &str| json!({"username": format!("orders-{stage}"), "password": format!("sample-{stage}-password")});
        Self::default()
            .secret("prod/orders", secret("prod"))
            .secret("staging/orders", secret("staging"))
            .policy("orders-prod-read", &policy_file("orders-prod-read"))
            .policy("orders-staging-read", &policy_file("orders-staging-read"))
            .role(TokenRole::new("orders-prod-reader", "orders-prod-read", 120, 30))
            .role(TokenRole::new("orders-staging-reader", "orders-staging-read", 600, 60))
    }

    /// Adds a secret at `secret/<path>`.
    pub fn secret(mut self, path: &str, data: Value) -> Self {
        self.secrets.push((path.to_owned(), data));
        self
    }

    pub fn policy(mut self, name: &str, hcl: &str) -> Self {
        self.policies.push((name.to_owned(), hcl.to_owned()));
        self
    }

    pub fn role(mut self, role: TokenRole) -> Self {
        self.roles.push(role);
        self
    }

    /// The authorizer's policy: each role wrapped and bounded, and its own token. In the form of
    /// `infra/vault/policies/vault-authorizer.hcl`.
    pub fn authorizer_policy(&self) -> String {
        let mints: String = self.roles.iter().map(|role| role.mint_stanza() + "\n").collect();
        let own = |(path, capability)| {
            format!("path \"auth/token/{path}\" {{\n  capabilities = [\"{capability}\"]\n}}\n")
        };
        let own = [("lookup-self", "read"), ("renew-self", "update"), ("revoke-self", "update")].map(own);
        mints + &own.join("\n")
    }
}

/// The Vault token role of one grant.
#[derive(Debug, Clone)]
pub struct TokenRole {
    pub name: String,
    /// What its tokens may do, beside revoking themselves and looking themselves up.
    pub policies: Vec<String>,
    /// The grant's `ttl`, which caps the role's tokens.
    pub ttl_seconds: u64,
    /// The grant's `wrap_ttl`, which caps the wrapping.
    pub wrap_ttl_seconds: u64,
    /// The entity aliases (globs) it accepts. Where there is none, the authorizer may not send one.
    pub allowed_entity_aliases: Vec<String>,
}

impl TokenRole {
    /// A role whose tokens carry one policy.
    pub fn new(name: &str, policy: &str, ttl_seconds: u64, wrap_ttl_seconds: u64) -> Self {
        Self {
            name: name.to_owned(),
            policies: vec![policy.to_owned()],
            ttl_seconds,
            wrap_ttl_seconds,
            allowed_entity_aliases: Vec::new(),
        }
    }

    /// Accepts entity aliases that match `glob`, such as `*@corp`.
    pub fn entity_alias(mut self, glob: &str) -> Self {
        self.allowed_entity_aliases.push(glob.to_owned());
        self
    }

    pub fn definition(&self) -> Value {
        let policies = self.policies.iter().map(String::as_str).chain([SELF_POLICY]).collect::<Vec<_>>();
        let mut definition = json!({
            "allowed_policies": policies,
            "token_explicit_max_ttl": format!("{}s", self.ttl_seconds),
            "token_type": "service",
            "token_no_default_policy": true,
            "orphan": true,
            "renewable": false,
            "path_suffix": "v01",
        });
        if !self.allowed_entity_aliases.is_empty() {
            definition["allowed_entity_aliases"] = json!(self.allowed_entity_aliases);
        }
        definition
    }

    /// The part of the authorizer's policy that lets it mint this role's tokens.
    fn mint_stanza(&self) -> String {
        let steps = TTL_STEPS.into_iter().filter(|step| *step < self.ttl_seconds).chain([self.ttl_seconds]);
        let ttls = steps.map(|step| format!("\"{step}s\"")).collect::<Vec<_>>().join(", ");
        let (name, wrap_ttl) = (&self.name, self.wrap_ttl_seconds);
        let globs = self.allowed_entity_aliases.iter().map(|glob| format!("\"{glob}\""));
        let globs = globs.collect::<Vec<_>>().join(", ");
        let entity_alias =
            if globs.is_empty() { String::new() } else { format!("    \"entity_alias\" = [{globs}]\n") };
        format!(
            r#"path "auth/token/create/{name}" {{
  capabilities        = ["update"]
  min_wrapping_ttl    = "15s"
  max_wrapping_ttl    = "{wrap_ttl}s"
  required_parameters = ["ttl"]
  allowed_parameters = {{
    "ttl"      = [{ttls}]
    "num_uses" = []
    "meta"     = []
{entity_alias}  }}
}}
"#
        )
    }
}

/// Configures `setup`. May be called again with a larger one.
pub async fn configure(openbao: &OpenBao, setup: &Setup) {
    let mounts = openbao.as_root("GET", "sys/mounts", Value::Null).await;
    if mounts["data"]["secret/"].is_null() {
        openbao.write("sys/mounts/secret", json!({"type": "kv", "options": {"version": "2"}})).await;
        kv_is_ready(openbao).await;
    }
    for (path, data) in &setup.secrets {
        openbao.write(&format!("secret/data/{path}"), json!({"data": data})).await;
    }
    let own = [(SELF_POLICY, policy_file(SELF_POLICY)), (AUTHORIZER_POLICY, setup.authorizer_policy())];
    let own = own.map(|(name, hcl)| (name.to_owned(), hcl));
    for (name, hcl) in setup.policies.iter().chain(&own) {
        openbao.as_root("PUT", &format!("sys/policies/acl/{name}"), json!({"policy": hcl})).await;
    }
    for role in &setup.roles {
        openbao.write(&format!("auth/token/roles/{}", role.name), role.definition()).await;
    }
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
    let mut role = login_token();
    role["role_type"] = json!("jwt");
    role["user_claim"] = json!("sub");
    role["bound_audiences"] = json!([audience]);
    openbao.write(&format!("auth/jwt/role/{AUTHORIZER_ROLE}"), role).await;
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
    let path = parts::repository().join(format!("infra/vault/policies/{name}.hcl"));
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
