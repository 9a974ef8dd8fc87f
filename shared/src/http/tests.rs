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

#[test]
fn rejects_a_bundle_that_would_trust_nothing() {
    let with = |pem: &str| client(&HttpOptions { ca_pem: Some(pem.into()), ..HttpOptions::default() });
    assert!(matches!(with("").unwrap_err(), HttpSetupError::CaEmpty));
    assert!(matches!(with("not a certificate").unwrap_err(), HttpSetupError::CaEmpty));
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    assert!(with(broken).is_err());
}

const CERTIFICATE: &[u8] = include_bytes!("../../tests/tls/client.pem");
const KEY: &[u8] = include_bytes!("../../tests/tls/client.key.pem");
const KEY_OF_ANOTHER: &[u8] = include_bytes!("../../tests/tls/other.key.pem");

#[test]
fn a_client_certificate_is_a_certificate_and_its_own_key() {
    let pair = ClientCertificate::from_pem(CERTIFICATE, KEY).unwrap();
    assert_eq!(format!("{pair:?}"), "ClientCertificate { .. }");
    let options = HttpOptions { client_certificate: Some(pair), ..HttpOptions::default() };
    assert!(!format!("{options:?}").contains("KEY"));
    assert!(ClientCertificate::from_pem(&[CERTIFICATE, CERTIFICATE].concat(), KEY).is_ok(), "a chain");
}

#[test]
fn rejects_a_certificate_that_could_not_be_shown() {
    let refused = |certificate, key| ClientCertificate::from_pem(certificate, key).unwrap_err();
    for certificate in [b"".as_slice(), b"not a certificate", KEY] {
        assert!(matches!(refused(certificate, KEY), ClientCertificateError::Certificate));
    }
    let encrypted = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    for key in [b"".as_slice(), b"not a key", CERTIFICATE, encrypted] {
        assert!(matches!(refused(CERTIFICATE, key), ClientCertificateError::Key));
    }
    let other = refused(CERTIFICATE, KEY_OF_ANOTHER);
    assert!(matches!(other, ClientCertificateError::Pair(_)), "{other:?}");
}
