//! The secret of a login: a JWT, or an AppRole's ids.
//!
//! Receives text from the configuration or a file; produces a [`LoginSecret`], which cannot be printed by accident.
//! Files are read again at each login, so you can renew them without restarting the function. The logins send the
//! secret.

use std::{
    fmt, fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

/// A cloud's JWT has one or two thousand.
const MAX_BYTES: usize = 16 * 1024;

/// A secret that logs in. Wiped when it is dropped.
pub struct LoginSecret(Zeroizing<String>);

impl LoginSecret {
    /// Takes a secret over.
    ///
    /// # Errors
    ///
    /// [`InvalidSecret`], for what could not be one.
    pub fn parse(text: &str) -> Result<Self, InvalidSecret> {
        if text.is_empty() {
            return Err(InvalidSecret::Empty);
        }
        if text.len() > MAX_BYTES {
            return Err(InvalidSecret::TooLong);
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidSecret::NotVisibleAscii);
        }
        Ok(Self(Zeroizing::new(text.to_owned())))
    }

    /// The secret in clear, for the body of a login and nothing else.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for LoginSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LoginSecret(** redacted **)")
    }
}

/// Why a text cannot log in. Never quotes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSecret {
    /// There is nothing in it.
    #[error("must not be empty")]
    Empty,
    /// Longer than a secret of a login is.
    #[error("must have at most {MAX_BYTES} bytes")]
    TooLong,
    /// A space within, or a letter that no such secret has.
    #[error("must be visible ASCII, without spaces")]
    NotVisibleAscii,
}

/// A file with a secret in it, and white space around it at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile(PathBuf);

impl SecretFile {
    /// A file that need not be there yet: what writes it may start with the function, or after it.
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// What the file holds now.
    ///
    /// # Errors
    ///
    /// [`SecretFileError`], with the path.
    pub fn read(&self) -> Result<LoginSecret, SecretFileError> {
        let path = || self.0.display().to_string();
        let bytes =
            read_bounded(&self.0).map_err(|source| SecretFileError::Unreadable { path: path(), source })?;
        // Of bytes that are no text, none is visible ASCII.
        let text = std::str::from_utf8(&bytes).unwrap_or("\u{fffd}").trim();
        LoginSecret::parse(text).map_err(|reason| SecretFileError::Content { path: path(), reason })
    }
}

/// Why a file gave no secret.
#[derive(Debug, thiserror::Error)]
pub enum SecretFileError {
    /// It is not there, or not for this process.
    #[error("{path} cannot be read")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// What it holds cannot log in.
    #[error("the content of {path} {reason}")]
    Content {
        /// The file.
        path: String,
        /// Why.
        reason: InvalidSecret,
    },
}

/// One byte beyond the limit is read, so that a file that is too long is seen to be. The buffer has its size from the
/// beginning: one that grew would leave copies behind.
fn read_bounded(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    // A pipe would be waited for, and nothing else would run meanwhile, the deadline's timer included.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let most = MAX_BYTES + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(most + 1));
    fs::File::open(path)?.take(most as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "11111111-2222-4333-8444-555555555555";

    /// A file of this test's alone, gone with it.
    struct Written(PathBuf);

    impl Written {
        fn new(name: &str, content: &[u8]) -> Self {
            let path = std::env::temp_dir().join(format!("login-secret-{}-{name}", std::process::id()));
            fs::write(&path, content).unwrap();
            Self(path)
        }

        fn read(&self) -> Result<LoginSecret, SecretFileError> {
            SecretFile::new(self.0.clone()).read()
        }
    }

    impl Drop for Written {
        fn drop(&mut self) {
            let _ = fs::remove_file(&self.0);
        }
    }

    #[test]
    fn a_file_is_read_anew_and_without_the_space_around_its_secret() {
        let written = Written::new("anew", format!("\n {SECRET}\r\n").as_bytes());
        assert_eq!(written.read().unwrap().expose(), SECRET);
        fs::write(&written.0, "another").unwrap();
        assert_eq!(written.read().unwrap().expose(), "another");
        fs::write(&written.0, "x".repeat(MAX_BYTES)).unwrap();
        assert_eq!(written.read().unwrap().expose().len(), MAX_BYTES);
    }

    #[test]
    fn rejects_a_file_that_holds_no_one_secret_and_does_not_quote_it() {
        let two = format!("{SECRET}\n{SECRET}");
        let long = SECRET.repeat(1000);
        for (name, content, expected) in [
            ("empty", b" \n".as_slice(), InvalidSecret::Empty),
            ("two", two.as_bytes(), InvalidSecret::NotVisibleAscii),
            ("bytes", b"\xff\xfe", InvalidSecret::NotVisibleAscii),
            ("long", long.as_bytes(), InvalidSecret::TooLong),
        ] {
            let written = Written::new(name, content);
            let error = written.read().unwrap_err();
            let shown = format!("{error:?} {error}");
            assert!(
                matches!(error, SecretFileError::Content { reason, .. } if reason == expected),
                "{shown}"
            );
            assert!(shown.contains(written.0.to_str().unwrap()) && !shown.contains(SECRET), "{shown}");
        }
    }

    #[test]
    fn rejects_what_is_no_regular_file_rather_than_wait_for_it() {
        for path in ["/nonexistent/jwt", "/dev/zero", "/"] {
            let error = SecretFile::new(PathBuf::from(path)).read().unwrap_err();
            assert!(matches!(error, SecretFileError::Unreadable { .. }), "{path}: {error:?}");
            assert!(error.to_string().contains(path));
        }
    }

    #[test]
    fn debug_is_exactly_the_redacted_form() {
        assert_eq!(format!("{:?}", LoginSecret::parse(SECRET).unwrap()), "LoginSecret(** redacted **)");
    }
}
