//! Addresses that credentials may be sent to.
//!
//! Receives text; produces a URL, or the reason why credentials may not be sent there.

use std::net::IpAddr;

use url::{Host, Url};

/// Why an address is not one to send credentials to. Never quotes the address: it could hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// It is not a URL with a host.
    #[error("it is not an absolute URL with a host")]
    NotAUrl,
    /// A space, a line end, or a letter that is not ASCII.
    #[error("it must be visible ASCII (an internationalised host in its `xn--` form)")]
    Characters,
    /// Neither https, nor http to a loopback host.
    #[error("it must start with https:// (http:// is for a loopback host)")]
    NotHttps,
    /// A user name or password in the URL.
    #[error("it must not contain a user name or a password")]
    UserInfo,
    /// A query.
    #[error("it must not contain a query")]
    Query,
    /// A fragment.
    #[error("it must not contain a fragment")]
    Fragment,
}

/// Parses an address that credentials may be sent to: https, or http to a loopback host; no user, query or fragment.
///
/// # Errors
/// [`EndpointError`].
pub fn checked_endpoint(address: &str) -> Result<Url, EndpointError> {
    // The parser drops line ends and tabs, which would still stand in the text as it was written.
    if !address.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(EndpointError::Characters);
    }
    let url = Url::parse(address).map_err(|_reason| EndpointError::NotAUrl)?;
    if url.host_str().is_none_or(str::is_empty) {
        return Err(EndpointError::NotAUrl);
    }
    if url.scheme() != "https" && !(url.scheme() == "http" && is_loopback(&url)) {
        return Err(EndpointError::NotHttps);
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(EndpointError::UserInfo);
    }
    if url.query().is_some() {
        return Err(EndpointError::Query);
    }
    if url.fragment().is_some() { Err(EndpointError::Fragment) } else { Ok(url) }
}

/// Whether a URL's host is this machine by its very name: `localhost`, 127.0.0.0/8 or `::1`.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_https_and_loopback_http() {
        let addresses = "https://vault.example.com:8200 https://vault.example.com/a/b http://localhost:8200
            http://127.0.0.1:8200/ http://127.9.9.9 http://[::1]:8200";
        for address in addresses.split_whitespace() {
            assert!(checked_endpoint(address).is_ok(), "{address}");
        }
    }

    #[test]
    fn rejects_what_credentials_must_not_be_sent_to() {
        let cases = [
            ("", EndpointError::NotAUrl),
            ("https://vault.example.com\n", EndpointError::Characters),
            ("https://vault\t.example.com", EndpointError::Characters),
            (" https://vault.example.com", EndpointError::Characters),
            ("https://vault.bücher.example", EndpointError::Characters),
            ("vault.example.com", EndpointError::NotAUrl),
            ("https://", EndpointError::NotAUrl),
            ("mailto:a@b", EndpointError::NotAUrl),
            ("http://vault.example.com", EndpointError::NotHttps),
            ("http://10.0.0.1", EndpointError::NotHttps),
            ("http://localhost.example.com", EndpointError::NotHttps),
            ("http://127.0.0.1.nip.io", EndpointError::NotHttps),
            ("http://0.0.0.0:8200", EndpointError::NotHttps),
            ("ftp://vault.example.com", EndpointError::NotHttps),
            ("https://user@vault.example.com", EndpointError::UserInfo),
            ("https://:secret@vault.example.com", EndpointError::UserInfo),
            ("https://vault.example.com?", EndpointError::Query),
            ("https://vault.example.com/?a=b", EndpointError::Query),
            ("https://vault.example.com/#a", EndpointError::Fragment),
        ];
        for (address, expected) in cases {
            assert_eq!(checked_endpoint(address).unwrap_err(), expected, "{address}");
        }
    }
}
