//! Where Vault is: [`VaultAddress`] and [`Namespace`], parsed once and compared exactly.
//!
//! Receives configuration; produces newtypes that are safe to connect to and to send. `options` and the callers read
//! the configuration.

use std::fmt;

use url::Url;

use crate::endpoint::{EndpointError, checked_endpoint};

/// Why a string is not Vault's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the Vault address is invalid")]
pub struct AddressError {
    /// What is wrong with it.
    #[from]
    source: EndpointError,
}

/// Vault's address: https, or http to a loopback host. Keeps the text as it was written, without a trailing slash, so
/// that the authorizer hands it on as its operators know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VaultAddress {
    written: String,
    url: Url,
}

impl VaultAddress {
    /// Parses an address such as `https://vault.example.com:8200`. A path is kept, as Vault's own clients do.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(address: &str) -> Result<Self, AddressError> {
        let url = checked_endpoint(address)?;
        Ok(Self { written: address.trim_end_matches('/').to_owned(), url })
    }

    /// The address as written, without a trailing slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// The address as a URL.
    #[must_use]
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether `written` is this address, perhaps in another spelling: a slash at its end, an upper-case host, the scheme's own
    /// port written out (RFC 3986, section 6.2.2 and 6.2.3). What is not an address is not this one.
    #[must_use]
    pub fn is_written_as(&self, written: &str) -> bool {
        checked_endpoint(written).is_ok_and(|url| {
            let origin = |url: &Url| (url.scheme().to_owned(), url.host_str().map(str::to_owned), url.port());
            origin(&url) == origin(&self.url)
                && url.path().trim_end_matches('/') == self.url.path().trim_end_matches('/')
        })
    }

    /// Whether it is plain `http`, which only a loopback host may be.
    #[must_use]
    pub fn is_loopback_http(&self) -> bool {
        self.url.scheme() == "http"
    }
}

impl fmt::Display for VaultAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.written)
    }
}

/// Why a string is not a Vault namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a Vault namespace is a path of visible ASCII characters such as `platform/team1`")]
pub struct InvalidNamespace;

/// A Vault namespace, without slashes at its ends
/// (<https://developer.hashicorp.com/vault/docs/enterprise/namespaces>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Namespace(String);

impl Namespace {
    /// Parses a namespace such as `platform` or `platform/team1`.
    ///
    /// # Errors
    /// [`InvalidNamespace`], for an empty one or one that could not be a header value.
    pub fn parse(namespace: &str) -> Result<Self, InvalidNamespace> {
        let namespace = namespace.trim_matches('/');
        let valid = !namespace.is_empty() && namespace.bytes().all(|byte| byte.is_ascii_graphic());
        if valid { Ok(Self(namespace.to_owned())) } else { Err(InvalidNamespace) }
    }

    /// The namespace as it is sent and compared.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_address_as_written_without_trailing_slash() {
        for (written, kept) in [
            ("https://vault.example.com:8200/", "https://vault.example.com:8200"),
            ("https://Vault.Example.com", "https://Vault.Example.com"),
            ("https://example.com/vault/", "https://example.com/vault"),
            ("http://127.0.0.1:8200", "http://127.0.0.1:8200"),
        ] {
            assert_eq!(VaultAddress::parse(written).unwrap().as_str(), kept);
        }
    }

    #[test]
    fn one_address_in_another_spelling_is_the_same_one() {
        for (configured, written) in [
            ("https://vault.example.com", "https://vault.example.com/"),
            ("https://vault.example.com", "HTTPS://Vault.Example.COM:443"),
            ("https://vault.example.com:8200//", "https://vault.example.com:8200"),
            ("https://example.com/vault", "https://example.com:443/vault/"),
            ("http://127.0.0.1:80", "http://127.0.0.1/"),
        ] {
            assert!(
                VaultAddress::parse(configured).unwrap().is_written_as(written),
                "{configured} {written}"
            );
        }
    }

    #[test]
    fn rejects_every_other_address_as_another_one() {
        let configured = VaultAddress::parse("https://vault.example.com/a").unwrap();
        for other in "https://vault.example.com https://vault.example.com/A https://vault.example.com/a/b
            https://vault.example.com:8200/a https://vault.example.com./a https://vault.example.com.evil.example/a
            https://vault.example.com@evil.example/a https://evil.example/vault.example.com/a https://vault.example.com/a?
            https://vault.example.com/a# https://vault.example.com/a?x https://u:p@vault.example.com/a vault.example.com/a
            http://vault.example.com/a"
            .split_whitespace()
            .chain(["", " https://vault.example.com/a", "https://vault.example.com/a\n"])
        {
            assert!(!configured.is_written_as(other), "{other}");
        }
    }

    #[test]
    fn rejects_an_address_that_is_no_endpoint() {
        let error = VaultAddress::parse("http://vault.example.com").unwrap_err();
        assert_eq!(error, AddressError { source: EndpointError::NotHttps });
    }

    #[test]
    fn a_namespace_loses_the_slashes_at_its_ends_and_can_be_sent() {
        assert_eq!(Namespace::parse("platform/team1/").unwrap().as_str(), "platform/team1");
        for namespace in ["", "/", "a b", "a\r\nb", "\u{e9}"] {
            assert_eq!(Namespace::parse(namespace), Err(InvalidNamespace));
        }
    }
}
