//! A public key, and the check of what it signed.
//!
//! Receives a JWK's numbers; produces a key of `jsonwebtoken`, which checks the signature. That crate accepts any
//! numbers as a key, so this module checks what RFC 7518, RFC 8037 and FIPS 186-5 demand of them. `keys` chooses the
//! key.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, VerificationAlgorithm,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    DecodingKey, DecodingKeyKind, crypto,
    jwk::{EllipticCurveKeyParameters, OctetKeyPairParameters, RSAKeyParameters},
};

use super::{Algorithm, unusable::Unusable};

/// A key that was checked as far as it can be without a signature.
pub(super) struct PublicKey {
    serves: &'static [Algorithm],
    key: DecodingKey,
}

/// A NIST curve that we serve.
pub(super) struct Curve {
    coordinate_bytes: usize,
    point: &'static dyn VerificationAlgorithm,
    serves: [Algorithm; 1],
}

pub(super) static P256: Curve =
    Curve { coordinate_bytes: 32, point: &ECDSA_P256_SHA256_FIXED, serves: [Algorithm::ES256] };

pub(super) static P384: Curve =
    Curve { coordinate_bytes: 48, point: &ECDSA_P384_SHA384_FIXED, serves: [Algorithm::ES384] };

const RSA: [Algorithm; 6] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// The same numbers: the same signatures verify.
impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        use DecodingKeyKind::{RsaModulusExponent, SecretOrDer};
        match (self.key.kind(), other.key.kind()) {
            (RsaModulusExponent { n, e }, RsaModulusExponent { n: other_n, e: other_e }) => {
                n == other_n && e == other_e
            }
            (SecretOrDer(point), SecretOrDer(other)) => point == other,
            (RsaModulusExponent { .. }, SecretOrDer(_)) | (SecretOrDer(_), RsaModulusExponent { .. }) => {
                false
            }
        }
    }
}

impl PublicKey {
    /// An RSA key of 2048 to 8192 bits: RFC 7518 section 3.3 demands the lower bound, the library has the upper one.
    pub(super) fn rsa(jwk: &RSAKeyParameters) -> Result<Self, Unusable> {
        let (n, e) = (bytes("n", &jwk.n)?, bytes("e", &jwk.e)?);
        let (n, e) = (without_leading_zeros(&n), without_leading_zeros(&e));
        if !(2048..=8192).contains(&bits(n)) || !is_odd(n) || !is_sound_exponent(e) {
            return Err(Unusable::Rsa { bits: bits(n) });
        }
        Ok(Self { serves: &RSA, key: DecodingKey::from_rsa_raw_components(n, e) })
    }

    /// A point on one of the NIST curves. Each coordinate has exactly the curve's size (RFC 7518 section 6.2.1.2).
    pub(super) fn ec(curve: &'static Curve, jwk: &EllipticCurveKeyParameters) -> Result<Self, Unusable> {
        let (x, y) = (bytes("x", &jwk.x)?, bytes("y", &jwk.y)?);
        if x.len() != curve.coordinate_bytes || y.len() != curve.coordinate_bytes {
            return Err(Unusable::Point);
        }
        let key = DecodingKey::from_ec_components(&jwk.x, &jwk.y).map_err(|_| Unusable::Point)?;
        Self::point(key, curve.point, &curve.serves)
    }

    /// An Ed25519 key, 32 bytes (RFC 8032 section 5.1.5). `aws-lc-rs` would take a `SubjectPublicKeyInfo`, too.
    pub(super) fn ed25519(jwk: &OctetKeyPairParameters) -> Result<Self, Unusable> {
        let x: [u8; 32] = bytes("x", &jwk.x)?.try_into().map_err(|_| Unusable::Point)?;
        if is_of_small_order(x) {
            return Err(Unusable::SmallOrder);
        }
        let key = DecodingKey::from_ed_components(&jwk.x).map_err(|_| Unusable::Point)?;
        Self::point(key, &ED25519, &[Algorithm::EDDSA])
    }

    /// A signature on another curve can be forged. `jsonwebtoken` checks the point with each signature. Here it is checked
    /// when the key is read, so that `doctor` and the log can name the key, and `knows` does not count it.
    fn point(
        key: DecodingKey,
        algorithm: &'static dyn VerificationAlgorithm,
        serves: &'static [Algorithm],
    ) -> Result<Self, Unusable> {
        let point = key.try_get_as_bytes().map_err(|_| Unusable::Point)?;
        ParsedPublicKey::new(algorithm, point).map_err(|_| Unusable::Point)?;
        Ok(Self { serves, key })
    }

    /// The algorithms that a key of this type verifies: six for RSA, one for each curve.
    pub(super) fn serves(&self) -> &'static [Algorithm] {
        self.serves
    }

    /// Whether this key made `signature`, in base64url, over `message`. An algorithm for another type of key never holds.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &str) -> bool {
        self.serves.contains(&algorithm)
            && crypto::verify(signature, message, &self.key, algorithm.verifier).unwrap_or(false)
    }
}

fn bytes(name: &'static str, text: &str) -> Result<Vec<u8>, Unusable> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Unusable::NotBase64(name))
}

/// Odd and over 2^16, as FIPS 186-5 appendix A.1.1 demands; with 1, everyone can sign. 33 bits is what the library takes.
fn is_sound_exponent(exponent: &[u8]) -> bool {
    bits(exponent) <= 33 && bits(exponent) > 16 && is_odd(exponent)
}

/// The `y` of the eight points of small order, as RFC 8032 section 5.1.2 encodes it. The last two are second forms of 0 and 1.
const SMALL_ORDER: [&str; 7] = [
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU",
    "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o",
    "7P_______________________________________38",
    "7f_______________________________________38",
    "7v_______________________________________38",
];

/// Such a point has at most eight multiples, so anybody can sign with it. The highest bit is the sign of `x` and does not matter.
fn is_of_small_order(mut point: [u8; 32]) -> bool {
    point[31] &= 0x7f;
    SMALL_ORDER.contains(&URL_SAFE_NO_PAD.encode(point).as_str())
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|last| last & 1 == 1)
}

/// The length of a number without leading zeros.
fn bits(number: &[u8]) -> usize {
    let unused = number.first().map_or(0, |first| first.leading_zeros());
    (number.len() * 8).saturating_sub(unused as usize)
}

/// RFC 7518 section 6.3.1.1 forbids them and tells of libraries that write one all the same.
fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modulus(bits: usize) -> Vec<u8> {
        let mut number = vec![0xff; bits.div_ceil(8)];
        number[0] >>= number.len() * 8 - bits;
        number
    }

    fn b64(bytes: &[u8]) -> String {
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn is_rsa(modulus: &[u8], exponent: &[u8]) -> bool {
        let jwk = RSAKeyParameters { n: b64(modulus), e: b64(exponent), ..RSAKeyParameters::default() };
        PublicKey::rsa(&jwk).is_ok()
    }

    fn is_point(curve: &'static Curve, x: &[u8], y: &[u8]) -> bool {
        let jwk =
            EllipticCurveKeyParameters { x: b64(x), y: b64(y), ..EllipticCurveKeyParameters::default() };
        PublicKey::ec(curve, &jwk).is_ok()
    }

    const F4: [u8; 3] = [1, 0, 1];

    #[test]
    fn rsa_keys_have_2048_to_8192_bits() {
        for bits in [2048, 2049, 3072, 4096, 8192] {
            assert!(is_rsa(&modulus(bits), &F4), "{bits}");
        }
        for bits in [1024, 2040, 2047, 8193, 8200, 16384] {
            assert!(!is_rsa(&modulus(bits), &F4), "{bits}");
        }
        assert!(is_rsa(&[&[0], &modulus(2048)[..]].concat(), &[&[0], &F4[..]].concat()), "leading zeros");
        assert!(!is_rsa(&[&[0; 128], &modulus(1024)[..]].concat(), &F4), "leading zeros are no length");
        assert!(!is_rsa(&[], &F4));
    }

    #[test]
    fn rejects_an_even_modulus_and_an_unsound_exponent() {
        let mut even = modulus(2048);
        even[255] = 0xfe;
        assert!(!is_rsa(&even, &F4));
        for sound in [&F4[..], &[1, 0, 3], &[0xff, 0xff, 0xff, 0xff], &[1, 0, 0, 0, 1]] {
            assert!(is_rsa(&modulus(2048), sound), "{sound:?}");
        }
        for unsound in [&[][..], &[0], &[1], &[2], &[3], &[0xff, 0xff], &[1, 0, 0], &[2, 0, 0, 0, 1], &[1; 6]]
        {
            assert!(!is_rsa(&modulus(2048), unsound), "{unsound:?}");
        }
    }

    #[test]
    fn rejects_a_point_that_is_not_on_its_curve() {
        for curve in [&P256, &P384] {
            let size = curve.coordinate_bytes;
            let (zero, mut one) = (vec![0; size], vec![0; size]);
            one[size - 1] = 1;
            for (x, y) in [(&zero, &zero), (&zero, &one), (&one, &one)] {
                assert!(!is_point(curve, x, y), "{size}");
            }
        }
    }

    /// RFC 7515, appendix A.3. The crate writes the two coordinates one after the other, however long each is.
    #[test]
    fn rejects_a_point_whose_coordinates_are_cut_elsewhere() {
        let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
        let x = decode("f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
        let y = decode("x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0");
        let point = [&x[..], &y].concat();
        for at in 0..=point.len() {
            let (x, y) = point.split_at(at);
            assert_eq!(is_point(&P256, x, y), at == 32, "{at}");
        }
        assert!(!is_point(&P384, &x, &y));
    }

    /// `R` and `S` that need no private key: the library takes them for every message under the point of order 1.
    #[test]
    fn rejects_an_ed25519_key_that_anybody_can_sign_with() {
        let read = |x: &str| {
            PublicKey::ed25519(&OctetKeyPairParameters {
                x: x.to_owned(),
                ..OctetKeyPairParameters::default()
            })
        };
        let forged = b64(&[&[1][..], &[0; 63]].concat());
        let neutral = DecodingKey::from_ed_components(SMALL_ORDER[1]).unwrap();
        assert!(crypto::verify(&forged, b"any", &neutral, jsonwebtoken::Algorithm::EdDSA).unwrap());
        for x in SMALL_ORDER {
            let mut with_sign = URL_SAFE_NO_PAD.decode(x).unwrap();
            with_sign[31] |= 0x80;
            for x in [x, &b64(&with_sign)] {
                assert!(matches!(read(x), Err(Unusable::SmallOrder)), "{x}");
            }
        }
    }

    /// aws-lc-rs reads both; a JWK has the 32 bytes alone.
    #[test]
    fn rejects_an_ed25519_key_in_der() {
        // RFC 8037, appendix A.2; RFC 8410, section 4 for what is before it.
        let x = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap();
        let der = [&[0x30, 0x2a, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 3, 0x21, 0][..], &x].concat();
        assert!(ParsedPublicKey::new(&ED25519, &der).is_ok());
        let is_key = |x: &[u8]| {
            PublicKey::ed25519(&OctetKeyPairParameters { x: b64(x), ..OctetKeyPairParameters::default() })
                .is_ok()
        };
        assert!(is_key(&x));
        for other in [&der[..], &x[1..], &[&[0], &x[..]].concat(), &[]] {
            assert!(!is_key(other), "{other:?}");
        }
    }
}
