//! Where Vault is, and with which token an operator asks it: as Vault's own command line finds both.
//!
//! Receives the environment, and the configuration's `vault` for what is not set there; produces the transport's options and
//! a token. The token comes from `VAULT_TOKEN` or `~/.vault-token`, and never from the command line, which others on the
//! machine can read. Leaves what is asked to the commands.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use vault_authorizer::{adapters::vault::VaultSettings, causes::with_causes};
use vault_context::{
    InvalidToken, VaultToken,
    vault::{VariableError, VaultOptions},
};
use zeroize::Zeroizing;

/// A token has 2048 bytes at most, and an editor's line end.
const MAX_FILE_BYTES: u64 = 4096;

/// Why there is no connection to Vault to begin with.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectionError {
    /// Every problem with the variables.
    #[error("Vault cannot be addressed: {}", .0.iter().map(|problem| with_causes(problem)).collect::<Vec<_>>().join("; "))]
    Variables(Vec<VariableError>),
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

/// What the transport needs, by `VAULT_ADDR`, `VAULT_NAMESPACE`, `VAULT_CACERT`, `VAULT_CLIENT_CERT` and `VAULT_CLIENT_KEY`;
/// the configuration stands in for each that is not set.
pub(crate) fn options(
    configured: Option<&VaultSettings>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<VaultOptions, ConnectionError> {
    let stands_in = |name: &str| match (name, configured) {
        ("VAULT_ADDR", Some(settings)) => Some(settings.address.as_str().to_owned()),
        ("VAULT_NAMESPACE", Some(settings)) => {
            settings.namespace.as_ref().map(|namespace| namespace.as_str().to_owned())
        }
        _ => None,
    };
    let options = VaultOptions::from_variables(|name| set(&variable, name).or_else(|| stands_in(name)))
        .map_err(ConnectionError::Variables)?;
    let ca_pem = options.ca_pem.or_else(|| configured.and_then(|settings| settings.ca_pem.clone()));
    let client_certificate = options
        .client_certificate
        .or_else(|| configured.and_then(|settings| settings.client_certificate.clone()));
    Ok(VaultOptions { ca_pem, client_certificate, ..options })
}

/// The token.
pub(crate) fn token(variable: impl Fn(&str) -> Option<String>) -> Result<VaultToken, ConnectionError> {
    if let Some(token) = set(&variable, "VAULT_TOKEN") {
        let place = "VAULT_TOKEN";
        return VaultToken::parse(token).map_err(|source| ConnectionError::Token { place, source });
    }
    let home = set(&variable, "HOME").ok_or(ConnectionError::TokenMissing)?;
    let file = match File::open(Path::new(&home).join(".vault-token")) {
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

    #[test]
    fn rejects_an_environment_without_an_address() {
        let error = options(None, |_| None).unwrap_err().to_string();
        assert_eq!(error, "Vault cannot be addressed: VAULT_ADDR is not set");
    }
}
