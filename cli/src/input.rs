//! Reads a command's input: a file, or standard input if the name is `-`.
//!
//! Receives the argument; produces its text, bounded. The command knows what is in it.

use std::{
    convert::Infallible,
    fmt, fs,
    io::{self, BufRead, BufReader, IsTerminal, Read},
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::{ArgGroup, Args};
use flate2::bufread::MultiGzDecoder;
use vault_authorizer::config::{Config, InvalidConfig, MAX_DOCUMENT_BYTES};

use crate::{failure::Failure, next::option, output::Output};

/// Logs are read in pieces of this size.
const READ_BYTES: usize = 64 * 1024;
/// A packed log gives no more than this: a few kilobytes of gzip can unpack to gigabytes.
const MAX_UNPACKED_BYTES: u64 = 16 * 1024 * 1024 * 1024;
/// The longest answer to a question.
const MAX_ANSWER_BYTES: u64 = 64;

/// Whether there is somebody to ask.
pub(crate) fn is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Asks, and takes `yes` alone for a yes.
pub(crate) fn confirmed(output: &Output, question: &str) -> Result<bool, InputError> {
    output.aside(question);
    let mut answer = String::new();
    let read = io::stdin().lock().take(MAX_ANSWER_BYTES).read_line(&mut answer);
    read.map_err(|error| Source::Stdin.unreadable(error))?;
    Ok(answer.trim() == "yes")
}

/// The configuration to work with.
#[derive(Args)]
#[command(group = ArgGroup::new("configuration").required(true))]
pub(crate) struct ConfigArguments {
    /// The configuration, as for `--config`
    #[arg(value_name = "CONFIG", group = "configuration")]
    document: Option<Source>,
    /// The configuration, or `-` for standard input: YAML, JSON, or the base64 of its gzip, as in AUTHORIZER_CONFIG. You can
    /// leave out the option's name
    #[arg(long, value_name = "FILE", group = "configuration")]
    config: Option<Source>,
    /// The folder of the files that the configuration names [default: the folder of the configuration; the current folder for
    /// `-`]
    #[arg(long, value_name = "DIR")]
    task_root: Option<PathBuf>,
}

impl ConfigArguments {
    /// Where it is. The parser of the command line refuses none and two.
    pub(crate) fn source(&self) -> Result<&Source, ConfigError> {
        self.document.as_ref().or(self.config.as_ref()).ok_or(ConfigError::Missing)
    }

    /// As it was given, for another command.
    pub(crate) fn given(&self) -> Vec<String> {
        let document = self.source().ok().map(|source| match source {
            Source::Stdin => "-".to_owned(),
            Source::File(path) => path.to_string_lossy().into_owned(),
        });
        let task_root = self.task_root.iter().flat_map(|folder| option("--task-root", folder.display()));
        document.into_iter().chain(task_root).collect()
    }

    /// Reads it exactly as the function would.
    pub(crate) fn read(&self) -> Result<Config, ConfigError> {
        let source = self.source()?;
        let document = source.read(MAX_DOCUMENT_BYTES)?;
        let task_root = self.task_root.as_deref().unwrap_or_else(|| source.folder());
        Ok(Config::from_packed(&document, task_root)?)
    }
}

/// A file or standard input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// `-`.
    Stdin,
    /// By its path.
    File(PathBuf),
}

impl Source {
    /// All of its text.
    pub(crate) fn read(&self, most_bytes: u64) -> Result<String, InputError> {
        let mut bytes = Vec::new();
        let read = self.bytes()?.take(most_bytes + 1).read_to_end(&mut bytes);
        read.map_err(|error| self.unreadable(error))?;
        let not_text = |what| InputError::NotText { name: self.to_string(), what };
        // Before its size: a package is larger than a document may be.
        if let Some((_, what)) = FORMS.iter().find(|(start, _)| bytes.starts_with(start)) {
            return Err(not_text(what));
        }
        if !u64::try_from(bytes.len()).is_ok_and(|bytes| bytes <= most_bytes) {
            return Err(InputError::TooLarge { name: self.to_string(), most_bytes });
        }
        String::from_utf8(bytes).map_err(|_| not_text("is not UTF-8 text"))
    }

    /// Its bytes as they come, for a log that is too long to hold; unpacked where it is gzip.
    pub(crate) fn open(&self) -> Result<Box<dyn BufRead>, InputError> {
        let mut log = self.bytes()?;
        // No text begins with the first byte of gzip's two.
        if log.fill_buf().map_err(|error| self.unreadable(error))?.first() != Some(&0x1f) {
            return Ok(log);
        }
        Ok(Box::new(BufReader::with_capacity(READ_BYTES, Unpacked::new(log, MAX_UNPACKED_BYTES))))
    }

    fn bytes(&self) -> Result<Box<dyn BufRead>, InputError> {
        Ok(match self {
            Self::Stdin => Box::new(io::stdin().lock()),
            Self::File(path) => {
                let file = fs::File::open(path).map_err(|error| self.unreadable(error))?;
                Box::new(BufReader::with_capacity(READ_BYTES, file))
            }
        })
    }

    /// It, or a part of it.
    pub(crate) fn unreadable(&self, source: io::Error) -> InputError {
        InputError::Unreadable { name: self.to_string(), source }
    }

    fn folder(&self) -> &Path {
        let folder = match self {
            Self::Stdin => None,
            Self::File(path) => path.parent().filter(|folder| !folder.as_os_str().is_empty()),
        };
        folder.unwrap_or(Path::new("."))
    }
}

/// What a file begins with that is given in place of a text.
const FORMS: [(&[u8], &str); 4] = [
    (b"PK\x03\x04", "is a zip file: pass the document inside it"),
    (b"\x1f\x8b", "is a gzip file: pass the document inside it"),
    (b"\xff\xfe", "is UTF-16 text: save it as UTF-8"),
    (b"\xfe\xff", "is UTF-16 text: save it as UTF-8"),
];

/// The contents of a gzip file, bounded.
struct Unpacked<R> {
    packed: MultiGzDecoder<R>,
    left: u64,
}

impl<R: BufRead> Unpacked<R> {
    fn new(packed: R, most_bytes: u64) -> Self {
        Self { packed: MultiGzDecoder::new(packed), left: most_bytes }
    }
}

impl<R: BufRead> Read for Unpacked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let bytes = self.packed.read(buffer)?;
        let left = u64::try_from(bytes).ok().and_then(|bytes| self.left.checked_sub(bytes));
        self.left = left.ok_or_else(|| io::Error::other("it unpacks to more than 16 GiB: split it"))?;
        Ok(bytes)
    }
}

impl FromStr for Source {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(if text == "-" { Self::Stdin } else { Self::File(text.into()) })
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            // Somebody who gives a JWT where its file is asked for must not find it in a message, and so in a log.
            Self::File(path) if looks_like_jwt(&path.to_string_lossy()) => {
                f.write_str("a file named like a JWT")
            }
            Self::File(path) => write!(f, "`{}`", path.display()),
        }
    }
}

/// Whether a text is in the form of a JWT: every header begins with `{"`, which is `eyJ` in base64url.
pub(crate) fn looks_like_jwt(text: &str) -> bool {
    text.contains("eyJ") && text.matches('.').count() >= 2 && !text.contains('/')
}

/// The JWT without line ends, and without the scheme that it has where it was copied from a request.
pub(crate) fn bare_jwt(text: &str) -> &str {
    let text = text.trim();
    match text.split_once(' ') {
        Some((scheme, jwt)) if ["bearer", "dpop"].iter().any(|own| scheme.eq_ignore_ascii_case(own)) => {
            jwt.trim_start()
        }
        Some(_) | None => text,
    }
}

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    /// Absent or forbidden.
    #[error("{name} cannot be read")]
    Unreadable {
        /// The file.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// Something else than the text that is asked for.
    #[error("{name} {what}")]
    NotText {
        /// The file.
        name: String,
        /// What it is, and what to give.
        what: &'static str,
    },
    /// More than the function would take.
    #[error("{name} is larger than {most_bytes} bytes, which is more than the function accepts")]
    TooLarge {
        /// The file.
        name: String,
        /// The bound.
        most_bytes: u64,
    },
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    /// None is named, which the parser of the command line refuses first.
    #[error("needs `--config`")]
    Missing,
    /// No text.
    #[error(transparent)]
    Input(#[from] InputError),
    /// Every problem of it.
    #[error(transparent)]
    Invalid(#[from] InvalidConfig),
}

impl Failure for ConfigError {
    fn is_usage(&self) -> bool {
        matches!(self, Self::Missing)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    #[test]
    fn rejects_a_log_that_unpacks_to_more_than_the_bound() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        gzip.write_all(&[b'x'; 100_000]).unwrap();
        let gzip = gzip.finish().unwrap();
        let read = |most| Unpacked::new(&gzip[..], most).read_to_end(&mut Vec::new());
        assert_eq!(read(100_000).unwrap(), 100_000);
        assert!(read(99_999).unwrap_err().to_string().contains("unpacks to more than"));
    }
}
