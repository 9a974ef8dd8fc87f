//! What a command reads: a file, or standard input where it is called `-`.
//!
//! Receives the argument; produces its text, bounded. Leaves what is in it to the command.

use std::{
    convert::Infallible,
    fmt, fs,
    io::{self, BufRead, BufReader, IsTerminal, Read},
    path::{Path, PathBuf},
    str::FromStr,
};

use clap::Args;
use vault_authorizer::config::{Config, MAX_DOCUMENT_BYTES};

use crate::{failure::Failure, output::Output};

/// Logs are read in pieces of this size.
const READ_BYTES: usize = 64 * 1024;
/// The longest answer to a question.
const MAX_ANSWER_BYTES: u64 = 64;

/// Whether there is somebody to ask.
pub(crate) fn is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Asks, and takes `yes` alone for a yes.
pub(crate) fn confirmed(output: &Output, question: &str) -> Result<bool, InputError> {
    output.ask(question);
    let mut answer = String::new();
    let read = io::stdin().lock().take(MAX_ANSWER_BYTES).read_line(&mut answer);
    read.map_err(|source| InputError::Unreadable { name: Source::Stdin.to_string(), source })?;
    Ok(answer.trim() == "yes")
}

/// The configuration to work with.
#[derive(Args)]
pub(crate) struct ConfigArguments {
    /// The configuration, as `--config` takes it
    #[arg(value_name = "CONFIG", conflicts_with = "config")]
    document: Option<Source>,
    /// The configuration, or `-` for standard input: YAML, JSON, or the base64 of its gzip, as AUTHORIZER_CONFIG may hold it.
    /// The option's name may be left out
    #[arg(long, value_name = "FILE", required_unless_present = "document")]
    config: Option<Source>,
    /// Where the files lie that the configuration names [default: the folder of the configuration; the current folder for `-`]
    #[arg(long, value_name = "DIR")]
    task_root: Option<PathBuf>,
}

impl ConfigArguments {
    /// Where it is. The parser of the command line refuses none and two.
    pub(crate) fn source(&self) -> Result<&Source, Failure> {
        self.document.as_ref().or(self.config.as_ref()).ok_or(Failure::ConfigMissing)
    }

    /// Reads it exactly as the function would.
    pub(crate) fn read(&self) -> Result<Config, Failure> {
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
        let unreadable = |source| InputError::Unreadable { name: self.to_string(), source };
        let mut text = String::new();
        let bytes = match self {
            Self::Stdin => io::stdin().lock().take(most_bytes + 1).read_to_string(&mut text),
            Self::File(path) => {
                let file = fs::File::open(path).map_err(unreadable)?;
                file.take(most_bytes + 1).read_to_string(&mut text)
            }
        }
        .map_err(unreadable)?;
        if u64::try_from(bytes).is_ok_and(|bytes| bytes <= most_bytes) {
            return Ok(text);
        }
        Err(InputError::TooLarge { name: self.to_string(), most_bytes })
    }

    /// Its bytes as they come, for what is too long to hold.
    pub(crate) fn open(&self) -> Result<Box<dyn BufRead>, InputError> {
        Ok(match self {
            Self::Stdin => Box::new(io::stdin().lock()),
            Self::File(path) => {
                let file = fs::File::open(path)
                    .map_err(|source| InputError::Unreadable { name: self.to_string(), source })?;
                Box::new(BufReader::with_capacity(READ_BYTES, file))
            }
        })
    }

    fn folder(&self) -> &Path {
        let folder = match self {
            Self::Stdin => None,
            Self::File(path) => path.parent().filter(|folder| !folder.as_os_str().is_empty()),
        };
        folder.unwrap_or(Path::new("."))
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

/// Why there is no text.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    /// Absent, forbidden, or not UTF-8.
    #[error("{name} cannot be read")]
    Unreadable {
        /// The file.
        name: String,
        /// Why.
        source: io::Error,
    },
    /// More than the function would take.
    #[error("{name} is larger than {most_bytes} bytes, which is more than the function takes")]
    TooLarge {
        /// The file.
        name: String,
        /// The bound.
        most_bytes: u64,
    },
}
