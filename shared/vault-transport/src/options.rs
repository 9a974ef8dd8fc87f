//! How to reach Vault: [`VaultOptions`], built by hand or from the environment variables of Vault's own clients.
//!
//! Receives values, or a function that looks variables up; produces options, or every problem with them.
//! [`Vault`](crate::Vault) connects.

use std::time::Duration;

use vault_api::{AddressError, InvalidNamespace, Namespace, VaultAddress};
use zeroize::Zeroizing;

use crate::http::{ClientCertificate, ClientCertificateError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
const TIMEOUT: Duration = Duration::from_secs(5);

/// Where Vault is and how long to wait for it.
#[derive(Debug, Clone)]
pub struct VaultOptions {
    /// Vault's address.
    pub address: VaultAddress,
    /// The namespace to send with every call.
    pub namespace: Option<Namespace>,
    /// PEM bundle of private roots; when given, nothing else is trusted.
    pub ca_pem: Option<Vec<u8>>,
    /// The certificate for a Vault that asks its clients for one.
    pub client_certificate: Option<ClientCertificate>,
    /// How long connecting, TLS included, may take.
    pub connect_timeout: Duration,
    /// How long one call may take in all.
    pub timeout: Duration,
}

/// Why a variable of the environment does not say where Vault is.
#[derive(Debug, thiserror::Error)]
pub enum VariableError {
    /// `VAULT_ADDR` is not set.
    #[error("VAULT_ADDR is not set")]
    AddressMissing,
    /// `VAULT_ADDR` is not an address.
    #[error("VAULT_ADDR is invalid")]
    Address(#[source] AddressError),
    /// `VAULT_NAMESPACE` is not a namespace.
    #[error("VAULT_NAMESPACE is invalid")]
    Namespace(#[source] InvalidNamespace),
    /// The file `VAULT_CACERT` names cannot be read.
    #[error("the file VAULT_CACERT names cannot be read")]
    CaFile(#[source] std::io::Error),
    /// The file `VAULT_CLIENT_CERT` or `VAULT_CLIENT_KEY` names cannot be read.
    #[error("the file {variable} names cannot be read")]
    ClientFile {
        /// Which of the two.
        variable: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// Only one of `VAULT_CLIENT_CERT` and `VAULT_CLIENT_KEY` is set.
    #[error("VAULT_CLIENT_CERT and VAULT_CLIENT_KEY go together: set both, or neither")]
    ClientHalf,
    /// What the two name is no client certificate.
    #[error("VAULT_CLIENT_CERT and VAULT_CLIENT_KEY are invalid")]
    Client(#[source] ClientCertificateError),
}

impl VaultOptions {
    /// Options for a Vault at `address`: no namespace, the system's roots, one second to connect, five in all.
    #[must_use]
    pub fn new(address: VaultAddress) -> Self {
        Self {
            address,
            namespace: None,
            ca_pem: None,
            client_certificate: None,
            connect_timeout: CONNECT_TIMEOUT,
            timeout: TIMEOUT,
        }
    }

    /// Options from `VAULT_ADDR`, `VAULT_NAMESPACE`, `VAULT_CACERT`, `VAULT_CLIENT_CERT` and `VAULT_CLIENT_KEY` (paths of
    /// PEM files), as Vault's own clients name them; an empty one counts as not set. `variable` is `|name| std::env::var(name).ok()`.
    ///
    /// # Errors
    /// Every [`VariableError`] there is, at once.
    pub fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<VariableError>> {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        let mut problems = Vec::new();
        let address = variable("VAULT_ADDR").ok_or(VariableError::AddressMissing);
        let address =
            address.and_then(|address| VaultAddress::parse(&address).map_err(VariableError::Address));
        let namespace = variable("VAULT_NAMESPACE").map(|name| Namespace::parse(&name));
        let namespace = namespace.transpose().map_err(VariableError::Namespace);
        let ca_pem = variable("VAULT_CACERT").map(std::fs::read).transpose().map_err(VariableError::CaFile);
        let parts = (
            kept(address, &mut problems),
            kept(namespace, &mut problems),
            kept(ca_pem, &mut problems),
            kept(client_certificate(variable), &mut problems),
        );
        match parts {
            (Some(address), Some(namespace), Some(ca_pem), Some(client_certificate)) => {
                Ok(Self { namespace, ca_pem, client_certificate, ..Self::new(address) })
            }
            (None, ..) | (_, None, ..) | (_, _, None, _) | (.., None) => Err(problems),
        }
    }
}

fn client_certificate(
    variable: impl Fn(&'static str) -> Option<String>,
) -> Result<Option<ClientCertificate>, VariableError> {
    let file = |name| {
        let path = variable(name);
        let pem = path.map(|path| std::fs::read(path).map(Zeroizing::new)).transpose();
        pem.map_err(|source| VariableError::ClientFile { variable: name, source })
    };
    match (file("VAULT_CLIENT_CERT")?, file("VAULT_CLIENT_KEY")?) {
        (None, None) => Ok(None),
        (Some(certificate), Some(key)) => {
            ClientCertificate::from_pem(&certificate, &key).map(Some).map_err(VariableError::Client)
        }
        (Some(_), None) | (None, Some(_)) => Err(VariableError::ClientHalf),
    }
}

fn kept<T>(part: Result<T, VariableError>, problems: &mut Vec<VariableError>) -> Option<T> {
    part.map_err(|problem| problems.push(problem)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<VaultOptions, Vec<VariableError>> {
        let get =
            |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        VaultOptions::from_variables(get)
    }

    #[test]
    fn reads_the_variables_of_vaults_own_clients() {
        let pem = format!("{}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
        let variables =
            [("VAULT_ADDR", "https://v.example/"), ("VAULT_NAMESPACE", "team/"), ("VAULT_CACERT", &pem)];
        let options = read(&variables).unwrap();
        assert_eq!(options.address.as_str(), "https://v.example");
        assert_eq!(options.namespace.unwrap().as_str(), "team");
        assert_eq!(options.ca_pem.unwrap(), std::fs::read(pem).unwrap());
    }

    #[test]
    fn an_empty_variable_is_not_set() {
        let options = read(&[("VAULT_ADDR", "https://v.example"), ("VAULT_NAMESPACE", "")]).unwrap();
        assert!(options.namespace.is_none() && options.ca_pem.is_none());
    }

    #[test]
    fn reports_every_problem_at_once() {
        use VariableError::{Address, AddressMissing, CaFile, Namespace};
        let variables =
            [("VAULT_ADDR", "ftp://x"), ("VAULT_NAMESPACE", "a b"), ("VAULT_CACERT", "/nonexistent")];
        let problems = read(&variables).unwrap_err();
        assert!(matches!(problems.as_slice(), [Address(_), Namespace(_), CaFile(_)]), "{problems:?}");
        assert!(matches!(read(&[]).unwrap_err().as_slice(), [AddressMissing]));
    }

    #[test]
    fn a_client_certificate_needs_both_files_and_that_they_are_one() {
        let pem = format!("{}/Cargo.toml", env!("CARGO_MANIFEST_DIR"));
        let client = |variables: &[(&str, &str)]| {
            let all = [&[("VAULT_ADDR", "https://v.example")], variables].concat();
            let mut problems = read(&all).unwrap_err();
            assert_eq!(problems.len(), 1);
            problems.remove(0)
        };
        let (cert, key) = (("VAULT_CLIENT_CERT", pem.as_str()), ("VAULT_CLIENT_KEY", pem.as_str()));
        assert!(matches!(client(&[cert]), VariableError::ClientHalf));
        assert!(matches!(client(&[key]), VariableError::ClientHalf));
        assert!(matches!(client(&[cert, key]), VariableError::Client(ClientCertificateError::Certificate)));
        let missing = client(&[cert, ("VAULT_CLIENT_KEY", "/nonexistent")]);
        assert!(
            matches!(missing, VariableError::ClientFile { variable: "VAULT_CLIENT_KEY", .. }),
            "{missing:?}"
        );
    }
}
