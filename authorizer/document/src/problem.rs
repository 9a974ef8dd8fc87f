//! What is wrong with a document, and where.

use std::fmt;

/// One thing wrong with the configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where: `stages.prod.grants[2].token.ttl`. Empty for the document as a whole.
    pub path: String,
    /// What is wrong and what would be right. Never quotes a secret.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// A key as it may stand in a path: one that could be mistaken for a longer path is quoted, an endless one is cut.
#[must_use]
pub fn quoted(key: &str) -> String {
    let mut short: String = key.chars().take(128).collect();
    let plain = !short.is_empty()
        && short.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$' | '/' | ':'));
    if !plain {
        short = format!("{short:?}");
    }
    if key.chars().nth(128).is_some() { short + "…" } else { short }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_looks_like_a_path_is_quoted() {
        assert_eq!(quoted("prod"), "prod");
        assert_eq!(quoted("a.b"), "\"a.b\"");
        assert_eq!(quoted("a\nb"), "\"a\\nb\"");
        assert_eq!(quoted(&"a".repeat(129)), "a".repeat(128) + "…");
    }
}
