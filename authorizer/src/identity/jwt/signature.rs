//! Public keys and what they have signed: the one file of this scheme that knows the cryptographic library.
//!
//! Receives a key's numbers, and then a message with its signature; produces yes or no. Leaves to `keys` which key is
//! asked, and to the issuer's configuration which algorithm.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ECDSA_P521_SHA512_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, VerificationAlgorithm,
};

use super::algorithm::{Algorithm, KeyType};

/// A key that was checked as far as it can be without a signature.
pub(super) struct PublicKey {
    key_type: KeyType,
    numbers: Numbers,
}

enum Numbers {
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    /// A point on a curve, bound to the one algorithm of that curve.
    Point(ParsedPublicKey),
}

/// The same numbers: the same signatures verify.
impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        match (&self.numbers, &other.numbers) {
            (Numbers::Rsa(own), Numbers::Rsa(other)) => own.n == other.n && own.e == other.e,
            (Numbers::Point(own), Numbers::Point(others)) => {
                self.key_type == other.key_type && own.as_ref() == others.as_ref()
            }
            (Numbers::Rsa(_), Numbers::Point(_)) | (Numbers::Point(_), Numbers::Rsa(_)) => false,
        }
    }
}

impl PublicKey {
    /// An RSA key of 2048 to 8192 bits: RFC 7518 section 3.3 demands the lower bound, the library has the upper one.
    pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Option<Self> {
        let (n, e) = (without_leading_zeros(modulus), without_leading_zeros(exponent));
        let sound = (2048..=8192).contains(&bits(n)) && is_odd(n) && is_sound_exponent(e);
        let key = RsaPublicKeyComponents { n: n.to_vec(), e: e.to_vec() };
        sound.then_some(Self { key_type: KeyType::Rsa, numbers: Numbers::Rsa(key) })
    }

    /// A point on one of the NIST curves. Each coordinate has exactly the curve's size (RFC 7518 section 6.2.1.2).
    pub(super) fn ec(key_type: KeyType, x: &[u8], y: &[u8]) -> Option<Self> {
        let size = coordinate_bytes(key_type)?;
        let sized = x.len() == size && y.len() == size;
        // SEC 1 section 2.3.3: uncompressed.
        sized.then(|| Self::point(key_type, &[&[4], x, y].concat())).flatten()
    }

    /// An Ed25519 key, 32 bytes (RFC 8032 section 5.1.5).
    pub(super) fn ed25519(x: &[u8]) -> Option<Self> {
        (x.len() == 32).then(|| Self::point(KeyType::Ed25519, x)).flatten()
    }

    pub(super) fn key_type(&self) -> KeyType {
        self.key_type
    }

    /// Whether this key made `signature` over `message`. An algorithm for another type of key never holds.
    pub(super) fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        match (&self.numbers, rsa_parameters(algorithm)) {
            (Numbers::Rsa(key), Some(parameters)) => key.verify(parameters, message, signature).is_ok(),
            (Numbers::Point(key), None) if algorithm.key_type() == self.key_type => {
                key.verify_sig(message, signature).is_ok()
            }
            (Numbers::Rsa(_) | Numbers::Point(_), _) => false,
        }
    }

    /// `None` for what is no point of the curve: a signature on another one can be forged.
    fn point(key_type: KeyType, bytes: &[u8]) -> Option<Self> {
        let key = ParsedPublicKey::new(point_algorithm(key_type)?, bytes).ok()?;
        Some(Self { key_type, numbers: Numbers::Point(key) })
    }
}

/// The salt of PSS is as long as the hash, and the mask's hash is the same (RFC 7518 section 3.5).
fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::Rs256 => Some(&RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Some(&RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Some(&RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Some(&RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Some(&RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Some(&RSA_PSS_2048_8192_SHA512),
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::Es512 | Algorithm::EdDsa => None,
    }
}

/// FIXED: `r` and `s` side by side, each as long as the curve's order (RFC 7518 section 3.4), and never DER.
fn point_algorithm(key_type: KeyType) -> Option<&'static dyn VerificationAlgorithm> {
    match key_type {
        KeyType::P256 => Some(&ECDSA_P256_SHA256_FIXED),
        KeyType::P384 => Some(&ECDSA_P384_SHA384_FIXED),
        KeyType::P521 => Some(&ECDSA_P521_SHA512_FIXED),
        KeyType::Ed25519 => Some(&ED25519),
        KeyType::Rsa => None,
    }
}

fn coordinate_bytes(key_type: KeyType) -> Option<usize> {
    match key_type {
        KeyType::P256 => Some(32),
        KeyType::P384 => Some(48),
        KeyType::P521 => Some(66),
        KeyType::Rsa | KeyType::Ed25519 => None,
    }
}

/// Odd and over 2^16, as FIPS 186-5 appendix A.1.1 demands; with 1, everyone can sign. 33 bits is what the library takes.
fn is_sound_exponent(exponent: &[u8]) -> bool {
    bits(exponent) <= 33 && bits(exponent) > 16 && is_odd(exponent)
}

fn is_odd(number: &[u8]) -> bool {
    number.last().is_some_and(|last| last & 1 == 1)
}

/// The length of an RSA key, for messages.
pub(super) fn modulus_bits(modulus: &[u8]) -> usize {
    bits(without_leading_zeros(modulus))
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

    fn is_rsa(modulus: &[u8], exponent: &[u8]) -> bool {
        PublicKey::rsa(modulus, exponent).is_some()
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
        for (key_type, size) in [(KeyType::P256, 32), (KeyType::P384, 48), (KeyType::P521, 66)] {
            let (zero, mut one) = (vec![0; size], vec![0; size]);
            one[size - 1] = 1;
            for (x, y) in [(&zero, &zero), (&zero, &one), (&one, &one)] {
                assert!(PublicKey::ec(key_type, x, y).is_none(), "{key_type:?}");
            }
        }
    }

    #[test]
    fn rejects_a_point_of_a_type_without_curve() {
        for key_type in [KeyType::Rsa, KeyType::Ed25519] {
            assert!(PublicKey::ec(key_type, &[1; 32], &[1; 32]).is_none());
        }
        assert!(PublicKey::ed25519(&[1; 31]).is_none() && PublicKey::ed25519(&[1; 33]).is_none());
    }
}
