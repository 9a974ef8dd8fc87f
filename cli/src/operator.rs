//! Vault as an operator reaches it: with the address, the namespace, the CA and the token of Vault's own command line.
//!
//! Receives the environment, and the configuration's `vault` for what is not set there; produces an [`Operator`], whose
//! calls say which capability on which path is missing. Leaves to the commands what to call. The token is never an option,
//! which the list of processes would show, and never printed.

use std::{
    fs::File,
    io::{self, Read},
    path::PathBuf,
    time::Duration,
};

use serde_json::Value;
use vault_authorizer::{adapters::vault::VaultSettings, causes::with_causes};
use vault_context::{
    VaultToken,
    secret::{InvalidToken, MAX_TOKEN_BYTES},
    vault::{Answer, Call, VariableError, Vault, VaultError, VaultOptions, VaultSetupError},
};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A revocation of many tokens takes its time.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A connection to Vault with the power of whoever runs the command.
pub(crate) struct Operator {
    vault: Vault,
    token: VaultToken,
}

/// The capabilities that a call needs on its path, named where Vault refuses it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needs(pub(crate) &'static str);

impl Operator {
    /// Reads `VAULT_ADDR`, `VAULT_NAMESPACE`, `VAULT_CACERT` and `VAULT_TOKEN`. For the first three the configuration stands
    /// in, for the last `~/.vault-token`, where `vault login` puts it. Sends nothing.
    pub(crate) fn new(
        variable: impl Fn(&str) -> Option<String>,
        configured: Option<&VaultSettings>,
    ) -> Result<Self, OperatorError> {
        let variable = |name: &str| variable(name).filter(|value| !value.is_empty());
        let stands_in = |name: &str| match (name, configured) {
            ("VAULT_ADDR", Some(settings)) => Some(settings.address.as_str().to_owned()),
            ("VAULT_NAMESPACE", Some(settings)) => {
                settings.namespace.as_ref().map(|namespace| namespace.as_str().to_owned())
            }
            _ => None,
        };
        let options = VaultOptions::from_variables(|name| variable(name).or_else(|| stands_in(name)))
            .map_err(OperatorError::Variables)?;
        let ca_pem = options.ca_pem.or_else(|| configured.and_then(|settings| settings.ca_pem.clone()));
        let options = VaultOptions { ca_pem, connect_timeout: CONNECT_TIMEOUT, timeout: TIMEOUT, ..options };
        let token = match variable("VAULT_TOKEN") {
            Some(token) => token,
            None => kept_token(variable("HOME"))?,
        };
        let token = VaultToken::parse(token).map_err(OperatorError::TokenInvalid)?;
        Ok(Self { vault: Vault::new(options)?, token })
    }

    /// The Vault that is meant, in words.
    pub(crate) fn place(&self) -> String {
        let namespace = self.vault.namespace();
        let namespace = namespace.map(|namespace| format!(", namespace `{}`", namespace.as_str()));
        format!("`{}`{}", self.vault.address(), namespace.unwrap_or_default())
    }

    /// Reads `path`.
    pub(crate) async fn read(&self, path: &str, needs: Needs) -> Result<Answer, OperatorError> {
        self.send(Call::get(path), needs).await
    }

    /// Writes `body` to `path`.
    pub(crate) async fn write(
        &self,
        path: &str,
        body: &Value,
        needs: Needs,
    ) -> Result<Answer, OperatorError> {
        let call = Call::post(path).body(body);
        self.send(call.map_err(|error| self.failed(error, needs))?, needs).await
    }

    async fn send(&self, call: Call, needs: Needs) -> Result<Answer, OperatorError> {
        self.vault.send(call.token(&self.token)).await.map_err(|error| self.failed(error, needs))
    }

    fn failed(&self, error: VaultError, needs: Needs) -> OperatorError {
        let place = self.place();
        let path = error.path().to_owned();
        if let VaultError::TokenNotValid { .. } = error {
            OperatorError::TokenNotValid { place, path }
        } else if let VaultError::Forbidden { .. } = error {
            OperatorError::Forbidden { place, path, needs: needs.0 }
        } else {
            OperatorError::Vault { place, error }
        }
    }
}

/// Vault's command line keeps the token of `vault login` there.
fn kept_token(home: Option<String>) -> Result<String, OperatorError> {
    let path = PathBuf::from(home.ok_or(OperatorError::TokenMissing)?).join(".vault-token");
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(OperatorError::TokenMissing),
        Err(error) => return Err(OperatorError::TokenFile(error)),
    };
    // One byte more than the longest token and its end of line: what is longer is refused as a token.
    let most_bytes = u64::try_from(MAX_TOKEN_BYTES).unwrap_or(u64::MAX).saturating_add(2);
    let mut token = String::new();
    file.take(most_bytes).read_to_string(&mut token).map_err(OperatorError::TokenFile)?;
    token.truncate(token.trim_end().len());
    Ok(token)
}

/// Why Vault did not do what the operator asked of it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OperatorError {
    /// Every problem with the variables.
    #[error("Vault cannot be addressed: {}", .0.iter().map(|problem| with_causes(problem)).collect::<Vec<_>>().join("; "))]
    Variables(Vec<VariableError>),
    /// Neither the variable nor the file.
    #[error("there is no Vault token: set VAULT_TOKEN, or run `vault login`, which writes ~/.vault-token")]
    TokenMissing,
    /// The file is there.
    #[error("~/.vault-token cannot be read")]
    TokenFile(#[source] io::Error),
    /// Not fit for a header.
    #[error("VAULT_TOKEN, or else ~/.vault-token, is no Vault token")]
    TokenInvalid(#[source] InvalidToken),
    /// The CA or the system's roots.
    #[error(transparent)]
    Setup(#[from] VaultSetupError),
    /// 403 for the token.
    #[error(
        "{place} does not know your token, or not any more (`{path}`): log in again, and mind the namespace"
    )]
    TokenNotValid {
        /// Which Vault.
        place: String,
        /// The call.
        path: String,
    },
    /// 403 for the call.
    #[error("your token may not do this at {place}: its policies need {needs} on `{path}`")]
    Forbidden {
        /// Which Vault.
        place: String,
        /// The call.
        path: String,
        /// Capabilities.
        needs: &'static str,
    },
    /// Anything else.
    #[error("{place}")]
    Vault {
        /// Which Vault.
        place: String,
        /// What happened there.
        #[source]
        error: VaultError,
    },
}

impl OperatorError {
    /// Whether Vault said that there is nothing at the path.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Vault { error: VaultError::Refused { status: 404, .. }, .. })
    }

    /// Whether Vault may have done it all the same.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Vault { error: VaultError::TimedOut { .. }, .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator(variables: &[(&str, &str)]) -> Result<Operator, OperatorError> {
        let get =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Operator::new(get, None)
    }

    #[test]
    fn the_variables_of_vaults_command_line_say_where_and_who() {
        let operator = operator(&[
            ("VAULT_ADDR", "http://127.0.0.1:8200"),
            ("VAULT_NAMESPACE", "platform/"),
            ("VAULT_TOKEN", "s.OfTheTest"),
        ]);
        assert_eq!(operator.unwrap().place(), "`http://127.0.0.1:8200`, namespace `platform`");
    }

    #[test]
    fn rejects_an_environment_without_address_or_token() {
        let told = |variables: &[(&str, &str)]| with_causes(&operator(variables).map(|_| ()).unwrap_err());
        assert_eq!(told(&[("VAULT_TOKEN", "s.x")]), "Vault cannot be addressed: VAULT_ADDR is not set");
        let missing =
            "there is no Vault token: set VAULT_TOKEN, or run `vault login`, which writes ~/.vault-token";
        assert_eq!(told(&[("VAULT_ADDR", "http://127.0.0.1:1")]), missing);
        assert_eq!(told(&[("VAULT_ADDR", "http://127.0.0.1:1"), ("HOME", "/nonexistent")]), missing);
        let invalid = told(&[("VAULT_ADDR", "http://127.0.0.1:1"), ("VAULT_TOKEN", "s.secret token")]);
        assert!(invalid.starts_with("VAULT_TOKEN, or else ~/.vault-token, is no Vault token"), "{invalid}");
        assert!(!invalid.contains("secret"), "{invalid}");
    }
}
