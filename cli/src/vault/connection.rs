//! Where Vault is, and with which token it is asked: as Vault's own command line finds both.
//!
//! Receives the configuration's section `vault`, the environment and the home folder; produces the transport's options
//! and a token. The environment overrides the configuration. A token comes from `VAULT_TOKEN` or `~/.vault-token` and
//! never from the command line, which others on the machine can read.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use vault_authorizer::adapters::vault::VaultSettings;
use vault_context::{
    InvalidToken, VaultToken,
    vault::{Namespace, VariableError, VaultAddress, VaultOptions},
};
use zeroize::Zeroizing;

/// A token has 2048 bytes at most, and an editor's line end.
const MAX_FILE_BYTES: u64 = 4096;

/// Why there is no connection to Vault to begin with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    /// A variable of the environment.
    #[error(transparent)]
    Variable(#[from] VariableError),
    /// Neither the variable nor the file.
    #[error("there is no token for Vault: set VAULT_TOKEN, or `vault login`, which writes ~/.vault-token")]
    TokenMissing,
    /// It could not be sent.
    #[error("the token in {place} is refused")]
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

/// The namespace: the environment's, else the configuration's.
pub(crate) fn namespace(
    settings: &VaultSettings,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Option<Namespace>, ConnectionError> {
    let named = set(&variable, "VAULT_NAMESPACE").map(|name| Namespace::parse(&name)).transpose();
    Ok(named.map_err(VariableError::Namespace)?.or_else(|| settings.namespace.clone()))
}

/// What the transport needs, for that namespace.
pub(crate) fn options(
    settings: &VaultSettings,
    namespace: Option<Namespace>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<VaultOptions, ConnectionError> {
    let address = set(&variable, "VAULT_ADDR").map(|address| VaultAddress::parse(&address)).transpose();
    let address = address.map_err(VariableError::Address)?.unwrap_or_else(|| settings.address.clone());
    let ca_pem = set(&variable, "VAULT_CACERT").map(fs::read).transpose().map_err(VariableError::CaFile)?;
    let ca_pem = ca_pem.or_else(|| settings.ca_pem.clone());
    let client_certificate = settings.client_certificate.clone();
    Ok(VaultOptions { namespace, ca_pem, client_certificate, ..VaultOptions::new(address) })
}

/// The token.
pub(crate) fn token(variable: impl Fn(&str) -> Option<String>) -> Result<VaultToken, ConnectionError> {
    if let Some(token) = set(&variable, "VAULT_TOKEN") {
        let place = "VAULT_TOKEN";
        return VaultToken::parse(token).map_err(|source| ConnectionError::Token { place, source });
    }
    let home = set(&variable, "HOME").ok_or(ConnectionError::TokenMissing)?;
    let file = match fs::File::open(Path::new(&home).join(".vault-token")) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ConnectionError::TokenMissing),
        file => file.map_err(ConnectionError::TokenFile)?,
    };
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(ConnectionError::TokenFile)?;
    let place = "~/.vault-token";
    VaultToken::parse(text.trim()).map_err(|source| ConnectionError::Token { place, source })
}

/// A variable that is empty counts as not set, as for Vault's own clients.
fn set(variable: impl Fn(&str) -> Option<String>, name: &str) -> Option<String> {
    variable(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_an_absent_and_a_broken_token_without_showing_it() {
        assert!(matches!(token(|_| None), Err(ConnectionError::TokenMissing)));
        let home = |name: &str| (name == "HOME").then(|| "/nowhere".to_owned());
        assert!(matches!(token(home), Err(ConnectionError::TokenMissing)));
        let broken = |name: &str| (name == "VAULT_TOKEN").then(|| "s.secret secret".to_owned());
        let error = token(broken).unwrap_err();
        assert!(matches!(error, ConnectionError::Token { .. }));
        assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    }
}
