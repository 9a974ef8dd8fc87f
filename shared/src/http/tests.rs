//! The addresses and the client's set-up. What the client does on the wire is in `tests/it`.

use super::*;

#[test]
fn accepts_https_and_loopback_http() {
    for address in [
        "https://vault.example.com:8200",
        "https://vault.example.com/a/b",
        "http://localhost:8200",
        "http://127.0.0.1:8200/",
        "http://127.9.9.9",
        "http://[::1]:8200",
    ] {
        assert!(checked_endpoint(address).is_ok(), "{address}");
    }
}

#[test]
fn rejects_what_credentials_must_not_be_sent_to() {
    let cases = [
        ("", EndpointError::NotAUrl),
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

#[test]
fn rejects_a_bundle_that_would_trust_nothing() {
    let with = |pem: &str| client(&HttpOptions { ca_pem: Some(pem.into()), ..HttpOptions::default() });
    assert!(matches!(with("").unwrap_err(), HttpSetupError::CaEmpty));
    assert!(matches!(with("not a certificate").unwrap_err(), HttpSetupError::CaEmpty));
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(with(broken).is_err());
}
