//! The usual parts of a test as one value: [`LocalBed`] for the functions' binaries and the command, [`AwsBed`] for
//! deployments.

use serde_json::{Value, json};

use crate::deployed_stack::json_objects;
use crate::{
    ACCOUNT, AwsAuthConfig, Configuration, Emulator, Function, Grant, Issuer, OpenBao, REGION, Scratch,
    TokenSpec, VaultWithAwsAuth, http, vault_setup,
};

/// The server id that the authorizer's AWS login is signed for.
pub const SERVER_ID: &str = "vault.example.com";

/// An OpenBao in memory, set up, with a token of the authorizer's own; and the callers' issuer.
#[derive(Debug)]
pub struct LocalBed {
    // Dropped in this order: the folder last.
    pub issuer: Issuer,
    pub openbao: OpenBao,
    /// What the authorizer's login would give.
    pub token: String,
    pub scratch: Scratch,
}

impl LocalBed {
    /// With the quickstart's secrets, policies and roles.
    pub async fn new(name: &str) -> Self {
        Self::with(name, |quickstart| quickstart).await
    }

    /// With what more grants need.
    pub async fn with(name: &str, more: impl FnOnce(Configuration) -> Configuration) -> Self {
        let scratch = Scratch::new(name);
        let openbao = OpenBao::start_in_memory(&scratch).await;
        let configuration = more(Configuration::quickstart(openbao.address()));
        vault_setup::configure(&openbao, &configuration).await;
        let token = vault_setup::authorizer_token(&openbao).await;
        Self { issuer: Issuer::start(), openbao, token, scratch }
    }

    /// This Vault, its token and this issuer, without a grant.
    pub fn configuration(&self) -> Configuration {
        let configuration = Configuration::new(self.openbao.address()).token(&self.token);
        configuration.issuer("corp", &self.issuer.url())
    }

    /// The quickstart's grant on `prod`, and `GET /status` for which no token is minted.
    pub fn readers(&self) -> Configuration {
        let status = Grant::without_token("status", "GET /status");
        self.configuration().grant(Grant::reader()).grant(status)
    }

    /// A documented example, which has no `vault` section, with this Vault.
    pub fn documented(&self, example: &str) -> String {
        format!("vault: {}\n{example}", self.configuration().value()["vault"])
    }

    /// The authorizer's release binary with this configuration.
    pub fn function(&self, configuration: &Configuration) -> Function {
        Function::authorizer(&configuration.to_string(), &[], &self.scratch)
    }

    /// Of a caller who may read orders.
    pub fn good_token(&self) -> String {
        self.issuer.token(&TokenSpec::reader())
    }

    /// A file in the bed's folder; answers its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.scratch.path().join(name);
        std::fs::write(&path, text).expect("the file can be written");
        path.to_str().expect("the bed's path is UTF-8").to_owned()
    }
}

/// An AWS account in the emulator; Vault, set up by `quickstart.sh`, with an AWS login for one role of the account; and the
/// callers' issuer.
#[derive(Debug)]
pub struct AwsBed {
    // Dropped in this order: clients before servers, the folder last.
    pub emulator: Emulator,
    pub vault: VaultWithAwsAuth,
    pub issuer: Issuer,
    /// The ARN of the role that logs in. It is known before anything is deployed: Vault's address is a parameter of that.
    pub role: String,
    pub scratch: Scratch,
}

impl AwsBed {
    /// The role is `<function>-<region>`, as every way to deploy calls it.
    pub async fn new(name: &str, function: &str) -> Self {
        let bed = Self::without_setup(name, function).await;
        vault_setup::quickstart(&bed.vault.openbao).await;
        bed
    }

    /// With a Vault in which there is nothing but the login.
    pub async fn without_setup(name: &str, function: &str) -> Self {
        let scratch = Scratch::new(name);
        let emulator = Emulator::start(&scratch).await;
        let role = format!("arn:aws:iam::{ACCOUNT}:role/{function}-{REGION}");
        let login = AwsAuthConfig::quickstart(&role, SERVER_ID);
        let vault = VaultWithAwsAuth::start_in_memory(&scratch, &emulator.sts_url(), login).await;
        Self { emulator, vault, issuer: Issuer::start(), role, scratch }
    }

    /// Of a caller who may read orders, for an hour.
    pub fn good_token(&self) -> String {
        self.issuer.token(&TokenSpec::reader().expires_in(3600))
    }

    /// The same claims, signed by somebody else.
    pub fn forged_token(&self) -> String {
        self.issuer.forged(&TokenSpec::reader())
    }

    /// `GET <url>` with a JWT, or without a credential: the status, and the body if it is JSON.
    pub async fn get(&self, url: &str, token: Option<&str>) -> (u16, Value) {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        http::call("GET", url, &headers).await
    }

    /// Where the emulator serves `/orders` of an API's stage.
    pub fn orders(&self, api: &str, stage: &str) -> String {
        format!("{}/_aws/execute-api/{api}/{stage}/orders", self.emulator.url())
    }

    /// The quickstart's reader on `prod` is served at this URL, and others get these statuses: forged tokens, and no credential.
    /// Five calls, of which the authorizer's log has [`AwsBed::DECISIONS`], the one without a credential where that reaches it.
    pub async fn assert_served(&self, orders: &str, [forged, missing]: [u16; 2]) {
        let (status, answer) = self.get(orders, Some(&self.good_token())).await;
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["caller"], "corp:alice");
        assert_eq!(answer["grant"], "orders-prod-reader");
        assert_eq!(answer["vault"]["policies"], json!(["orders-prod-read", "vault-authorizer-self"]));
        assert_eq!(answer["vault"]["lease_duration_seconds"], 120);
        assert_eq!(self.get(orders, Some(&self.forged_token())).await.0, forged);
        assert_eq!(self.get(orders, None).await.0, missing);
        let without_scope = self.issuer.token(&TokenSpec::new());
        assert_eq!(self.get(orders, Some(&without_scope)).await.0, 403);
        let bearer = format!("Bearer {}", self.good_token());
        let smuggled = [("authorization", bearer.as_str()), ("x-vault-context-wrapping-token", "s.Smuggled")];
        assert_eq!(http::call("GET", orders, &smuggled).await.0, 403);
        assert_eq!(self.vault.aws_auth.login_count(), 1, "of the function's role, for all of them");
    }

    /// The same caller is served on `staging`, with what the quickstart grants there.
    pub async fn assert_served_on_staging(&self, orders: &str) {
        let (status, answer) = self.get(orders, Some(&self.good_token())).await;
        assert_eq!((status, &answer["grant"]), (200, &json!("orders-staging-reader")), "{answer}");
        assert_eq!(answer["vault"]["policies"], json!(["orders-staging-read", "vault-authorizer-self"]));
        assert_eq!(answer["vault"]["lease_duration_seconds"], 600);
    }

    /// See [`AwsBed::assert_served`].
    pub const DECISIONS: [&str; 5] =
        ["allowed", "signature_invalid", "credential_missing", "no_grant", "header_reserved"];

    /// Those of an HTTP API, which answers by itself where there is no credential.
    pub const HTTP_DECISIONS: [&str; 4] = ["allowed", "signature_invalid", "no_grant", "header_reserved"];

    /// The codes of the decisions in a function's log group, oldest first.
    pub async fn codes(&self, log_group: &str) -> Vec<String> {
        let lines = json_objects(&self.emulator.aws().log_group(log_group).await);
        lines.iter().filter_map(|line| line["Code"].as_str().map(str::to_owned)).collect()
    }
}
