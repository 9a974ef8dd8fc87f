//! The set-up of the client. `vault-context` tests what the client does on the wire, with its fake Vault.

use super::*;

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
