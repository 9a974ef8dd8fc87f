//! Writes an error and all its causes as one line of text.
//!
//! Receives any error; produces what an operator reads. The errors themselves must hold no secret.

use std::error::Error;

/// An error's text with those of its sources, which the text itself leaves out: what an operator reads is one line.
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
