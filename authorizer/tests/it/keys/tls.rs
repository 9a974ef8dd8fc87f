//! Providers whose certificate a private CA signed.

use std::{
    io::{Read, Write},
    sync::Arc,
    time::Duration,
};

use rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::{Corp, USABLE};
use crate::support::*;

const CA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/tls/ca.pem");

/// A provider on loopback whose certificate a private CA signed, and which takes its time for each handshake.
fn behind_a_private_ca(handshake_after: Duration) -> String {
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let certificate = CertificateDer::from_pem_slice(include_bytes!("../../tls/provider.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("../../tls/provider.key.pem")).unwrap();
    let config = ServerConfig::builder_with_provider(provider.into()).with_safe_default_protocol_versions();
    let config = config.unwrap().with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
    let config = Arc::new(config);
    let server = RawServer::start(move |connection| {
        std::thread::sleep(handshake_after);
        let tls = ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut stream = StreamOwned::new(tls, connection);
        // Who does not trust the certificate ends the handshake.
        if stream.read(&mut [0; 4096]).is_ok() {
            let body = keys().jwks().to_string();
            let head = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: ";
            let _closed = stream.write_all(format!("{head}{}\r\n\r\n{body}", body.len()).as_bytes());
            stream.conn.send_close_notify();
            let _closed = stream.flush();
        }
    });
    format!("https://{}", server.address)
}

async fn keys_from(url: &str, ca_file: Option<&str>) -> Result<usize, String> {
    let document = document().keys_at(url);
    let document = match ca_file {
        Some(file) => document.corp(&format!("ca_file: {file}")),
        None => document,
    };
    Corp::of(document).current().await
}

#[tokio::test]
async fn a_private_ca_is_trusted_where_it_is_configured_and_nowhere_else() {
    let another = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/vault-transport/tests/tls/client.pem");
    let url = behind_a_private_ca(Duration::ZERO);
    assert_eq!(keys_from(&url, Some(CA)).await, Ok(USABLE));
    for ca_file in [None, Some(another)] {
        let reason = keys_from(&url, ca_file).await.unwrap_err();
        assert!(reason.contains("/keys: not reachable: ") && reason.contains("certificate"), "{reason}");
    }
}

#[tokio::test]
async fn a_connection_that_takes_longer_than_a_second_gets_through() {
    let url = behind_a_private_ca(Duration::from_millis(1200));
    assert_eq!(keys_from(&url, Some(CA)).await, Ok(USABLE));
}
