//! Signs a file with minisign, and verifies the signature.
//!
//! Anybody can verify it with the command `minisign`, which most systems have a package of.

use crate::workspace::Failure;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use minisign::{KeyPair, PublicKey, PublicKeyBox, SecretKey, SignatureBox};
use std::fs;
use std::io::Cursor;
use std::path::Path;

/// A key pair. The secret half never leaves its file but for a signature.
pub(super) struct Key {
    secret: SecretKey,
    pub(super) public: Public,
}

/// What a signature is verified with.
pub(super) struct Public(PublicKey);

impl Key {
    /// For one dry run. Nobody can trust it, so nothing of it is kept.
    pub(super) fn for_a_dry_run() -> Result<Self, Failure> {
        let pair = KeyPair::generate_unencrypted_keypair().map_err(Failure::because("a new key"))?;
        Ok(Self { secret: pair.sk, public: Public(pair.pk) })
    }

    /// From a file of `minisign -G -W`: without a password, since nobody is there to type one.
    pub(super) fn read(file: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(file).map_err(Failure::because(file.display()))?;
        // The library's own reader rejects such a key of the command: that one writes no checksum into it.
        let bytes = text.lines().nth(1).and_then(|line| BASE64_STANDARD.decode(line.trim()).ok());
        let secret = bytes.and_then(|bytes| SecretKey::from_bytes(&bytes).ok());
        let secret = secret.filter(|secret| !secret.is_encrypted()).ok_or_else(|| {
            Failure::new(format!(
                "{}: not a secret key without a password, which `minisign -G -W` makes",
                file.display()
            ))
        })?;
        let public = PublicKey::from_secret_key(&secret).map_err(Failure::because(file.display()))?;
        Ok(Self { secret, public: Public(public) })
    }

    /// The signature of `data`, as its file has it. The comment is signed as well.
    pub(super) fn sign(&self, data: &[u8], comment: &str) -> Result<String, Failure> {
        let signature = minisign::sign(
            Some(&self.public.0),
            &self.secret,
            Cursor::new(data),
            Some(comment),
            Some("signature of vault-authorizer"),
        );
        Ok(signature.map_err(Failure::because("the signature"))?.into_string())
    }
}

impl Public {
    pub(super) fn read(file: &Path) -> Result<Self, Failure> {
        let text = fs::read_to_string(file).map_err(Failure::because(file.display()))?;
        let key = PublicKeyBox::from_string(&text).and_then(PublicKeyBox::into_public_key);
        Ok(Self(key.map_err(Failure::because(file.display()))?))
    }

    pub(super) fn text(&self) -> Result<String, Failure> {
        let text = self.0.to_box().map_err(Failure::because("the public key"))?;
        Ok(text.into_string())
    }

    /// One line, as `minisign -P` takes it.
    pub(super) fn line(&self) -> String {
        self.0.to_base64()
    }

    pub(super) fn verify(&self, data: &[u8], signature: &str) -> Result<(), Failure> {
        let signature = SignatureBox::from_string(signature).map_err(Failure::because("the signature"))?;
        let verified = minisign::verify(&self.0, &signature, Cursor::new(data), true, false, false);
        verified.map_err(Failure::because("the signature"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_its_own_signature_and_rejects_every_flipped_byte_of_the_data() {
        let key = Key::for_a_dry_run().unwrap();
        let data = b"1  a\n2  b\n".to_vec();
        let signature = key.sign(&data, "version 0.1.0").unwrap();
        key.public.verify(&data, &signature).unwrap();
        for index in 0..data.len() {
            let mut other = data.clone();
            other[index] ^= 1;
            assert!(key.public.verify(&other, &signature).is_err(), "byte {index}");
        }
    }

    #[test]
    fn rejects_another_key_and_another_comment() {
        let key = Key::for_a_dry_run().unwrap();
        let signature = key.sign(b"data", "version 0.1.0").unwrap();
        let other = Key::for_a_dry_run().unwrap();
        assert!(other.public.verify(b"data", &signature).is_err());
        let other = signature.replace("version 0.1.0", "version 0.2.0");
        assert!(key.public.verify(b"data", &other).is_err());
    }

    /// Made with `minisign` 0.11 of Debian: a key with a password, one without, and a signature.
    #[test]
    fn reads_what_the_command_writes() {
        let folder = std::env::temp_dir().join(format!("xtask-minisign-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("key");
        fs::write(&file, WITH_PASSWORD).unwrap();
        let failure = Key::read(&file).err().unwrap().to_string();
        assert!(failure.contains("minisign -G -W"), "{failure}");
        fs::write(&file, SIGNATURE).unwrap();
        assert!(Key::read(&file).is_err());
        fs::write(&file, WITHOUT_PASSWORD).unwrap();
        let without = Key::read(&file).unwrap();
        without.public.verify(b"data\n", SIGNATURE).unwrap();
        without.public.verify(b"other", &without.sign(b"other", "version 0.1.0").unwrap()).unwrap();
        assert!(without.public.verify(b"Data\n", SIGNATURE).is_err());
        fs::write(&file, without.public.text().unwrap()).unwrap();
        assert_eq!(Public::read(&file).unwrap().line(), without.public.line());
        fs::remove_dir_all(&folder).unwrap();
    }

    // Keys of this test alone.
    const WITH_PASSWORD: &str = include_str!("golden/with-password.key");
    const WITHOUT_PASSWORD: &str = include_str!("golden/without-password.key");
    const SIGNATURE: &str = include_str!("golden/signature.minisig");
}
