//! The configuration document that a test gives to the authorizer or the command, so that the test shows only its own
//! differences. It is JSON, which is YAML.
//!
//! ```
//! use test_bed::configuration::{Configuration, Grant};
//! let configuration = Configuration::new("https://vault.example.com")
//!     .issuer("corp", "https://login.example.com/")
//!     .grant(Grant::reader().set("token.ttl", "5m"))
//!     .set("limits.grant_mints_per_second", 3);
//! assert!(configuration.to_string().contains(r#""ttl":"5m""#));
//! ```

use std::fmt::{self, Display};

use serde_json::{Value, json};

/// The API that every document is for, unless a test says otherwise.
pub const API: &str = "a1b2c3d4e5";

/// A document.
#[derive(Debug, Clone)]
pub struct Configuration(Value);

impl Configuration {
    /// A login at this Vault by a token that it does not know. Issuers and grants are to be added.
    pub fn new(vault: &str) -> Self {
        let login = json!({"method": "token", "token": "s.AuthorizerTokenOfTheTest"});
        Self(json!({"vault": {"address": vault, "login": login}, "stages": {}}))
    }

    /// The quickstart's two grants, each on its stage.
    pub fn quickstart(vault: &str) -> Self {
        let configuration = Self::new(vault).issuer("corp", "https://login.example.com/");
        configuration.grant(Grant::reader()).grant_on("staging", Grant::staging_reader())
    }

    pub fn login(self, login: Value) -> Self {
        self.set("vault.login", login)
    }

    /// A login by this token.
    pub fn token(self, token: &str) -> Self {
        self.login(json!({"method": "token", "token": token}))
    }

    /// An issuer of JWTs for `orders-api`, whose keys are found by discovery.
    pub fn issuer(self, name: &str, url: &str) -> Self {
        let issuer = json!({
            "kind": "jwt", "issuer": url, "audiences": ["orders-api"], "algorithms": ["RS256", "ES256", "EdDSA"],
            "jwks": "discovery",
        });
        self.set(&format!("issuers.{name}"), issuer)
    }

    /// One more grant on `prod`.
    pub fn grant(self, grant: Grant) -> Self {
        self.grant_on("prod", grant)
    }

    pub fn grant_on(mut self, stage: &str, grant: Grant) -> Self {
        let stage = &mut self.0["stages"][stage];
        if stage.is_null() {
            *stage = json!({"api_ids": [API], "grants": []});
        }
        stage["grants"].as_array_mut().expect("grants are a list").push(grant.0);
        self
    }

    /// Sets what is at a path, such as `limits.grant_mints_per_second`.
    pub fn set(mut self, path: &str, value: impl Into<Value>) -> Self {
        *at(&mut self.0, path) = value.into();
        self
    }

    pub fn value(&self) -> &Value {
        &self.0
    }
}

impl Display for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A row of a stage's `grants`.
#[derive(Debug, Clone)]
pub struct Grant(Value);

impl Grant {
    /// The quickstart's: `GET /orders` by callers of `corp` with the scope `orders:read`.
    pub fn reader() -> Self {
        Self::new("orders-prod-reader", "GET /orders").scope("orders:read")
    }

    /// The quickstart's on `staging`, whose tokens live longer.
    pub fn staging_reader() -> Self {
        let grant = Self::new("orders-staging-reader", "GET /orders").scope("orders:read");
        grant
            .set("token.policies", json!(["orders-staging-read"]))
            .set("token.ttl", "10m")
            .set("token.wrap_ttl", "60s")
    }

    /// A token of the role of that name, for any caller of `corp`.
    pub fn new(name: &str, route: &str) -> Self {
        let token = json!({"role": name, "policies": ["orders-prod-read"], "ttl": "2m", "wrap_ttl": "30s"});
        Self(
            json!({"name": name, "routes": [route], "caller": {"issuer": "corp", "any": true}, "token": token}),
        )
    }

    /// Any caller of `corp` passes, without a token.
    pub fn without_token(name: &str, route: &str) -> Self {
        Self(
            json!({"name": name, "mode": "none", "routes": [route], "caller": {"issuer": "corp", "any": true}}),
        )
    }

    /// Only callers of `corp` whose JWT has this scope.
    pub fn scope(self, scope: &str) -> Self {
        self.set("caller", json!({"issuer": "corp", "bound_claims": {"scope": [scope]}}))
    }

    /// Sets what is at a path, such as `token.ttl`.
    pub fn set(mut self, path: &str, value: impl Into<Value>) -> Self {
        *at(&mut self.0, path) = value.into();
        self
    }
}

/// The document with these members of its own, or with others: `with(&parameters, json!({"Timeout": 2}))`.
pub fn with(document: &Value, mut members: Value) -> Value {
    let mut document = document.clone();
    if let (Some(own), Some(more)) = (document.as_object_mut(), members.as_object_mut()) {
        own.append(more);
    }
    document
}

/// The place at a path, a list's members by their number: `stages.prod.grants.0.name`.
pub fn at<'v>(document: &'v mut Value, path: &str) -> &'v mut Value {
    path.split('.').fold(document, |value, key| match key.parse::<usize>() {
        Ok(number) if value.is_array() => &mut value[number],
        _ => &mut value[key],
    })
}
