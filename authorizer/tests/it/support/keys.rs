//! An issuer's keys, one of each kind, and what they sign.

use std::sync::OnceLock;

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::KeySize,
    signature::{
        self, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING,
        ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
        Ed25519KeyPair, KeyPair,
    },
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::*;

/// Every algorithm, and the `kid` of the key of [`Keys::jwks`] that serves it.
pub const ALGORITHMS: [(&str, &str); 9] = [
    ("RS256", "rsa"),
    ("RS384", "rsa"),
    ("RS512", "rsa"),
    ("PS256", "rsa"),
    ("PS384", "rsa"),
    ("PS512", "rsa"),
    ("ES256", "ec"),
    ("ES384", "ec384"),
    ("EdDSA", "ed"),
];

/// The issuer's keys.
pub struct Keys {
    pub rsa: signature::RsaKeyPair,
    ec256: Ec,
    ec384: Ec,
    ed: Ed25519KeyPair,
    partner: Ed25519KeyPair,
}

/// One key of a curve, signing in both forms.
struct Ec {
    fixed: EcdsaKeyPair,
    der: EcdsaKeyPair,
}

impl Ec {
    fn generate(fixed: &'static EcdsaSigningAlgorithm, der: &'static EcdsaSigningAlgorithm) -> Self {
        let fixed = EcdsaKeyPair::generate(fixed).unwrap();
        let pkcs8 = fixed.to_pkcs8v1().unwrap();
        Self { der: EcdsaKeyPair::from_pkcs8(der, pkcs8.as_ref()).unwrap(), fixed }
    }

    fn jwk(&self, kid: &str, crv: &str, alg: &str) -> Value {
        // SEC 1, uncompressed: 4, x, y.
        let point = &self.fixed.public_key().as_ref()[1..];
        let (x, y) = point.split_at(point.len() / 2);
        json!({"kty": "EC", "crv": crv, "kid": kid, "alg": alg, "x": b64(x), "y": b64(y)})
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.fixed.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }

    fn sign_der(&self, message: &[u8]) -> Vec<u8> {
        self.der.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec()
    }
}

pub fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(Keys::generate)
}

impl Keys {
    pub fn generate() -> Self {
        Self {
            rsa: signature::RsaKeyPair::generate(KeySize::Rsa2048).unwrap(),
            ec256: Ec::generate(&ECDSA_P256_SHA256_FIXED_SIGNING, &ECDSA_P256_SHA256_ASN1_SIGNING),
            ec384: Ec::generate(&ECDSA_P384_SHA384_FIXED_SIGNING, &ECDSA_P384_SHA384_ASN1_SIGNING),
            ed: Ed25519KeyPair::generate().unwrap(),
            partner: Ed25519KeyPair::generate().unwrap(),
        }
    }

    /// What `algorithm` makes of the message with the key of this set that fits.
    pub fn signature(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        match algorithm {
            "RS256" => self.rsa_signature(&signature::RSA_PKCS1_SHA256, message),
            "RS384" => self.rsa_signature(&signature::RSA_PKCS1_SHA384, message),
            "RS512" => self.rsa_signature(&signature::RSA_PKCS1_SHA512, message),
            "PS256" => self.rsa_signature(&signature::RSA_PSS_SHA256, message),
            "PS384" => self.rsa_signature(&signature::RSA_PSS_SHA384, message),
            "PS512" => self.rsa_signature(&signature::RSA_PSS_SHA512, message),
            "ES256" => self.ec256.sign(message),
            "ES384" => self.ec384.sign(message),
            "EdDSA" => self.ed.sign(message).as_ref().to_vec(),
            "ES256 in DER" => self.ec256.sign_der(message),
            "ES384 in DER" => self.ec384.sign_der(message),
            other => panic!("no key signs {other}"),
        }
    }

    fn rsa_signature(&self, encoding: &'static signature::RsaSignatureEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.rsa.public_modulus_len()];
        self.rsa.sign(encoding, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }

    /// The modulus: DER's `RSAPublicKey` of 2048 bits and 65537 is a header of 9 bytes, the modulus, and 5 bytes more.
    pub fn rsa_modulus(&self) -> Vec<u8> {
        let der = self.rsa.public_key().as_ref();
        assert!(der.len() == 270 && der.ends_with(&[2, 3, 1, 0, 1]), "{der:?}");
        der[9..265].to_vec()
    }

    pub fn rsa_public_jwk(&self) -> Value {
        json!({"kty": "RSA", "kid": "rsa", "use": "sig", "n": b64(&self.rsa_modulus()), "e": "AQAB"})
    }

    /// A set with keys for other purposes and of unknown kinds among the good ones.
    pub fn jwks(&self) -> Value {
        json!({"keys": [
            {"kty": "future", "kid": "ed"},
            {"kty": "RSA", "kid": "enc", "use": "enc", "n": b64(&self.rsa_modulus()), "e": "AQAB"},
            self.rsa_public_jwk(),
            self.ec256.jwk("ec", "P-256", "ES256"),
            self.ec384.jwk("ec384", "P-384", "ES384"),
            {"kty": "OKP", "crv": "Ed25519", "kid": "ed", "key_ops": ["verify"], "x": b64(self.ed.public_key().as_ref())},
        ]})
    }

    pub fn partner_jwks(&self) -> Value {
        json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "x": b64(self.partner.public_key().as_ref())}]})
    }

    /// A token as `algorithm` signs it, whatever its header says.
    pub fn token(&self, algorithm: &str, header: &Value, claims: &Value) -> String {
        sign(header, claims, |message| self.signature(algorithm, message))
    }

    pub fn rs256(&self, header: &Value, claims: &Value) -> String {
        self.token("RS256", header, claims)
    }

    pub fn ed25519(&self, header: &Value, claims: &Value) -> String {
        self.token("EdDSA", header, claims)
    }

    pub fn partner(&self, header: &Value, claims: &Value) -> String {
        sign(header, claims, |message| self.partner.sign(message).as_ref().to_vec())
    }

    /// Signs header and claims that are not what `serde_json` would write.
    pub fn ed25519_raw(&self, header: &str, claims: &str) -> String {
        let message = format!("{}.{}", b64(header.as_bytes()), b64(claims.as_bytes()));
        format!("{message}.{}", b64(self.ed.sign(message.as_bytes()).as_ref()))
    }
}

/// A modulus of another key than [`keys`]'s.
pub fn other_modulus() -> String {
    b64(&[&[0x80], &keys().rsa_modulus()[1..]].concat())
}

/// The good set, and more.
pub fn jwks_and(more: impl IntoIterator<Item = Value>) -> Value {
    let mut jwks = keys().jwks();
    jwks["keys"].as_array_mut().unwrap().extend(more);
    jwks
}

/// The good key with this `kid`.
pub fn published(kid: &str) -> Value {
    let jwks = keys().jwks();
    jwks["keys"].as_array().unwrap().iter().rfind(|jwk| jwk["kid"] == kid).unwrap().clone()
}

pub fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
