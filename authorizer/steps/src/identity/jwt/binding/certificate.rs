//! The client certificate of mutual TLS (RFC 8705, section 3).
//!
//! Receives the PEM that API Gateway verified; says whether the token is bound to it. API Gateway checks the chain
//! and the dates. Nobody checks revocation.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls_pki_types::{CertificateDer, pem::PemObject};

use super::{BindingError, digest};

/// `thumbprint` is base64url of the SHA-256 of the certificate in DER.
pub(super) fn verify(pem: Option<&str>, thumbprint: &str) -> Result<(), BindingError> {
    let pem = pem.ok_or(BindingError::NoCertificate)?;
    let mut certificates = CertificateDer::pem_slice_iter(pem.as_bytes());
    let (Some(Ok(certificate)), None) = (certificates.next(), certificates.next()) else {
        return Err(BindingError::CertificateUnreadable);
    };
    let found = URL_SAFE_NO_PAD.encode(digest(&certificate));
    if found == thumbprint { Ok(()) } else { Err(BindingError::OtherCertificate) }
}
