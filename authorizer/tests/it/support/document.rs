//! The configuration document: the usual one, and what a test changes in it.

use std::{
    fmt::{Display, Formatter, Result},
    fs,
    path::PathBuf,
    sync::OnceLock,
};

use serde_json::{Value, json};
use vault_authorizer::config::Config;

use super::*;

pub const ISSUER: &str = "https://login.example.com/";
pub const PARTNER: &str = "https://partner.example.net";

/// As an operator writes it.
pub const USUAL: &str = r#"
vault:
  address: https://vault.example.com:8200
  login: {method: token, token: s.AuthorizerTokenOfTheTest}
issuers:
  corp:
    kind: jwt
    issuer: https://login.example.com/
    audiences: [orders-api]
    algorithms: [RS256, ES256, EdDSA]
    jwks: {file: jwks.json}
    max_age: 1h
  partner:
    kind: jwt
    issuer: https://partner.example.net
    audiences: [orders-api]
    audience_claim: client_id
    algorithms: [EdDSA]
    jwks: {file: partner.json}
    user_claim: /user/name
stages:
  prod:
    api_ids: [a1b2c3d4e5]
    grants:
      - name: orders-reader
        routes: ["GET /orders", "GET /orders/{id}"]
        caller: {issuer: corp, bound_claims: {scope: ["orders:read"]}}
        token: {role: orders-prod-reader, policies: [orders-read], ttl: 2m, wrap_ttl: 30s, num_uses: 5}
      - name: status
        mode: none
        routes: ["GET /status"]
        caller: {issuer: corp, any: true}
      - name: partner-reader
        routes: ["GET /orders"]
        caller: {issuer: partner, any: true}
        token: {role: partner-reader, policies: [partner-read], ttl: 1m, wrap_ttl: 15s}
  narrow:
    api_ids: ["*"]
    audiences: [orders-api-narrow]
    grants:
      - name: narrow-status
        mode: none
        routes: ["* /*"]
        caller: {issuer: corp, any: true}
"#;

/// A document, shown as JSON.
#[derive(Clone)]
pub struct Document(Value);

pub fn document() -> Document {
    Document(serde_saphyr::from_str(USUAL).unwrap())
}

/// [`document`] with changes, as [`Document::with`] makes them.
pub fn document_with(changes: &str) -> Document {
    document().with(changes)
}

impl Document {
    /// With changes in YAML: a member stands for the one of its name at every depth, null takes it away, and a list stands for
    /// the whole list.
    pub fn with(mut self, changes: &str) -> Self {
        merge(&mut self.0, serde_saphyr::from_str(changes).unwrap());
        self
    }

    /// With changes to the issuer `corp`: members of a flow mapping.
    pub fn corp(self, changes: &str) -> Self {
        self.with(&format!("issuers: {{corp: {{{changes}}}}}"))
    }

    /// With another login: members of a flow mapping.
    pub fn login(self, login: &str) -> Self {
        self.at("/vault/login", &format!("{{{login}}}"))
    }

    /// With the issuer's keys from a provider.
    pub fn keys_at(self, url: &str) -> Self {
        self.corp(&format!("jwks: {{file: null, uri: \"{url}/keys\"}}"))
    }

    /// With the provider as the issuer, whose keys are found by its discovery document.
    pub fn discovered_at(self, url: &str) -> Self {
        self.corp(&format!("issuer: \"{url}\", jwks: discovery"))
    }

    /// With this YAML at a place whose parent is there.
    pub fn at(mut self, pointer: &str, yaml: &str) -> Self {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = self.0.pointer_mut(parent).unwrap_or_else(|| panic!("no {parent}"));
        let value = serde_saphyr::from_str(yaml).unwrap();
        match parent.as_array_mut() {
            Some(list) => list[name.parse::<usize>().unwrap()] = value,
            None => parent[name] = value,
        }
        self
    }

    pub fn config(&self) -> Config {
        Config::parse(&self.to_string(), &task_root()).unwrap_or_else(|error| panic!("{error}"))
    }
}

impl Display for Document {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.0.fmt(f)
    }
}

fn merge(value: &mut Value, changes: Value) {
    let Value::Object(changes) = changes else {
        *value = changes;
        return;
    };
    if !value.is_object() {
        *value = json!({});
    }
    let members = value.as_object_mut().unwrap();
    for (name, change) in changes {
        if change.is_null() {
            members.remove(&name);
        } else {
            merge(members.entry(name).or_insert(Value::Null), change);
        }
    }
}

/// What is wrong with a document.
pub fn problems(document: impl Display) -> Vec<String> {
    match Config::parse(&document.to_string(), &task_root()) {
        Ok(_) => Vec::new(),
        Err(error) => error.problems.iter().map(ToString::to_string).collect(),
    }
}

/// A folder with the files that the document names, as they stand beside the binary.
pub fn task_root() -> PathBuf {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    let root = ROOT.get_or_init(|| {
        let root =
            PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("task-root-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        fs::write(root.join("jwks.json"), keys().jwks().to_string()).unwrap();
        fs::write(root.join("partner.json"), keys().partner_jwks().to_string()).unwrap();
        root
    });
    root.clone()
}
