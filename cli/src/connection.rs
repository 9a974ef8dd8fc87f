//! Where Vault is, and which token an operator uses. Both are found as Vault's own command line finds them.
//!
//! Receives the environment, and the configuration's `vault`; produces the transport's options and a token. The token
//! comes from `VAULT_TOKEN` or `~/.vault-token`. It never comes from the command line, which others on the machine
//! can read. The commands decide what to ask.
//!
//! Anybody can write a configuration: the author of a pull request or of a ticket, or an attacker. So its address and
//! CA fill in for a missing `VAULT_ADDR` and `VAULT_CACERT` only if the operator says so. Otherwise the document
//! would choose who gets the token.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use authorizer_adapters::vault::VaultSettings;
use authorizer_steps::error_chain::with_causes;
use clap::Args;
use vault_api::{InvalidToken, VaultToken};
use vault_transport::{VariableError, VaultOptions};
use zeroize::Zeroizing;

/// A token has 2048 bytes at most, and an editor's line end.
const MAX_FILE_BYTES: u64 = 4096;

/// Why there is no connection to Vault to begin with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    /// Every problem with the variables.
    #[error("cannot connect to Vault: {}", .0.iter().map(|problem| with_causes(problem)).collect::<Vec<_>>().join("; "))]
    Variables(Vec<VariableError>),
    /// Only the document says where Vault is.
    #[error(
        "VAULT_ADDR is not set, and a configuration alone must not decide where your credentials go: set VAULT_ADDR, or add `--trust-config-address` if you trust `{address}` with them"
    )]
    AddressUntrusted {
        /// The configuration's.
        address: String,
    },
    /// The operator's Vault is not the one that is looked at.
    #[error(
        "VAULT_ADDR or VAULT_NAMESPACE names a different Vault (`{address}`) from the configuration's, and your token may belong to that one: set both to the configuration's Vault"
    )]
    AnotherVault {
        /// The environment's.
        address: String,
    },
    /// Neither the variable nor the file.
    #[error("there is no Vault token: set VAULT_TOKEN, or run `vault login`, which writes ~/.vault-token")]
    TokenMissing,
    /// It could not be sent.
    #[error("the token in {place} is invalid")]
    Token {
        /// The variable or the file.
        place: &'static str,
        /// Why.
        source: InvalidToken,
    },
    /// The file is there, and cannot be read.
    #[error("~/.vault-token cannot be read")]
    TokenFile(#[source] io::Error),
}

/// Whether a document may say where the operator's token goes.
#[derive(Debug, Args)]
pub(crate) struct AddressArguments {
    /// If VAULT_ADDR is not set, send your token to the Vault that the configuration names. Its CA and client certificate
    /// then replace VAULT_CACERT, VAULT_CLIENT_CERT and VAULT_CLIENT_KEY
    #[arg(long)]
    trust_config_address: bool,
}

impl AddressArguments {
    /// For what sends nothing.
    pub(crate) const TRUSTED: Self = Self { trust_config_address: true };
    /// For what only the operator's own variables may say.
    pub(crate) const UNTRUSTED: Self = Self { trust_config_address: false };

    /// As it was given, for another command.
    pub(crate) fn given(&self) -> Option<String> {
        self.trust_config_address.then(|| "--trust-config-address".to_owned())
    }

    /// What the transport needs, by `VAULT_ADDR`, `VAULT_NAMESPACE`, `VAULT_CACERT`, `VAULT_CLIENT_CERT` and
    /// `VAULT_CLIENT_KEY`. The configuration stands in for the namespace; where it is trusted and `VAULT_ADDR` is not set, also
    /// for each of the others.
    pub(crate) fn options(
        &self,
        configured: Option<&VaultSettings>,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<VaultOptions, ConnectionError> {
        let own_address = set(&variable, "VAULT_ADDR");
        let trusted = configured.filter(|_| self.trust_config_address && own_address.is_none());
        if let (Some(settings), None, None) = (configured, trusted, own_address) {
            return Err(ConnectionError::AddressUntrusted { address: settings.address.as_str().to_owned() });
        }
        let stands_in = |name: &str| match name {
            "VAULT_ADDR" => trusted.map(|settings| settings.address.as_str().to_owned()),
            "VAULT_NAMESPACE" => {
                configured.and_then(|settings| Some(settings.namespace.as_ref()?.as_str().to_owned()))
            }
            _ => None,
        };
        let options = VaultOptions::from_variables(|name| set(&variable, name).or_else(|| stands_in(name)))
            .map_err(ConnectionError::Variables)?;
        let ca_pem = options.ca_pem.or_else(|| trusted.and_then(|settings| settings.ca_pem.clone()));
        let client_certificate = options
            .client_certificate
            .or_else(|| trusted.and_then(|settings| settings.client_certificate.clone()));
        Ok(VaultOptions { ca_pem, client_certificate, ..options })
    }

    /// The same for what is about the configuration's own Vault alone.
    ///
    /// # Errors
    ///
    /// Also where the variables name another Vault: the token is that one's then, and no other may see it.
    pub(crate) fn options_of(
        &self,
        configured: &VaultSettings,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<VaultOptions, ConnectionError> {
        let options = self.options(Some(configured), variable)?;
        if options.address == configured.address && options.namespace == configured.namespace {
            return Ok(options);
        }
        Err(ConnectionError::AnotherVault { address: options.address.as_str().to_owned() })
    }
}

/// The operator's token, and where it was found.
#[derive(Debug, Clone)]
pub(crate) struct OwnToken {
    /// To be sent.
    pub(crate) token: VaultToken,
    /// The variable or the file.
    pub(crate) place: &'static str,
}

impl OwnToken {
    fn parse(text: &str, place: &'static str) -> Result<Self, ConnectionError> {
        let token = VaultToken::parse(text).map_err(|source| ConnectionError::Token { place, source })?;
        Ok(Self { token, place })
    }
}

/// The token.
pub(crate) fn token(variable: impl Fn(&str) -> Option<String>) -> Result<OwnToken, ConnectionError> {
    if let Some(token) = set(&variable, "VAULT_TOKEN") {
        return OwnToken::parse(&token, "VAULT_TOKEN");
    }
    let home = set(&variable, "HOME").ok_or(ConnectionError::TokenMissing)?;
    let file = match File::open(Path::new(&home).join(".vault-token")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ConnectionError::TokenMissing),
        file => file.map_err(ConnectionError::TokenFile)?,
    };
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(ConnectionError::TokenFile)?;
    OwnToken::parse(text.trim(), "~/.vault-token")
}

/// A variable of the environment.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A variable that is empty counts as not set, as for Vault's own clients.
fn set(variable: impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    variable(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use vault_authorizer::config::Config;

    use super::*;

    /// Whoever is on the way to the operator's Vault could show a certificate of the document's CA.
    #[test]
    fn rejects_a_documents_ca_for_the_operators_vault() {
        let tls = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/vault-transport/tests/tls");
        let document = r#"
vault: {address: "https://vault.example.com", namespace: platform, ca_file: client.pem, login: {method: token, token: s.x}}
issuers: {corp: {kind: jwt, issuer: "https://login.example.com", audiences: [a], algorithms: [RS256], jwks: discovery}}
stages: {prod: {api_ids: ["*"], grants: [{name: g, mode: none, routes: ["GET /a"], caller: {issuer: corp, any: true}}]}}
"#;
        let configured = Config::from_packed(document, &tls).unwrap().vault;
        let at = |name: &str| (name == "VAULT_ADDR").then(|| "https://vault.example.com".to_owned());
        for trust_config_address in [false, true] {
            let options = AddressArguments { trust_config_address }.options(Some(&configured), at).unwrap();
            assert!(options.ca_pem.is_none());
            assert_eq!(
                options.namespace.unwrap().as_str(),
                "platform",
                "which chooses among the operator's own"
            );
        }
        let trusting = AddressArguments { trust_config_address: true };
        assert!(trusting.options(Some(&configured), |_| None).unwrap().ca_pem.is_some());
    }
}
