//! The one place that prints.
//!
//! Receives finished text; writes results to standard output and complaints to standard error. Colour shows on a terminal
//! only, and nowhere where `NO_COLOR` is set. Text that came from a request is made harmless by [`plain`] before it gets
//! here: a terminal obeys escape sequences, whoever wrote them.

use std::{
    fmt::Display,
    io::{self, IsTerminal, Write},
};

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use serde::Serialize;

use crate::failure::Failure;

/// Headings.
pub(crate) const HEADING: Style = Style::new().bold();
/// What went well.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// What did not.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// What deserves a look.
pub(crate) const CAUTION: Style = AnsiColor::Yellow.on_default().bold();

/// Standard output and standard error.
#[derive(Debug)]
pub(crate) struct Output;

impl Output {
    /// Prints a result. A reader that has seen enough, such as `head`, is no failure.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = AutoStream::auto(io::stdout().lock());
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Says on standard error what standard output did not take.
    pub(crate) fn aside(&self, text: &str) {
        let _unwritable = AutoStream::auto(io::stderr().lock()).write_all(text.as_bytes());
    }

    /// Says why there is no result. Where not even that can be written, the exit code has to do.
    pub(crate) fn complain(&self, text: &str) {
        let line = format!(
            "{}: {}\n",
            styled(BAD, "error"),
            text.replace(|c: char| c.is_control() && c != '\n', " ")
        );
        let _unwritable = AutoStream::auto(io::stderr().lock()).write_all(line.as_bytes());
    }

    /// Asks a person at a terminal, on standard error.
    pub(crate) fn ask(&self, question: &str) {
        let mut stderr = AutoStream::auto(io::stderr().lock());
        let _unwritable = stderr.write_all(question.as_bytes()).and_then(|()| stderr.flush());
    }

    /// Tells a person at a terminal something that a pipe need not know.
    pub(crate) fn hint(&self, text: &str) {
        if io::stdout().is_terminal() {
            let _unwritable = AutoStream::auto(io::stderr().lock()).write_all(format!("{text}\n").as_bytes());
        }
    }
}

/// Text in a style, which is left out again where it is not for a terminal.
pub(crate) fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Text from outside with the characters spelt out that a terminal obeys or that turn the text around them.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if acts(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

/// JSON for people and programs, with the same characters escaped.
pub(crate) fn json(value: &(impl Serialize + ?Sized)) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    // Beyond ASCII there is nothing but what strings hold. All of these have four digits.
    text.chars()
        .map(|c| if acts(c) && !c.is_ascii() { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() })
        .collect()
}

/// Control characters, C1 among them, and those of Unicode that show nothing and change the order or the place of others
/// (UAX #9, and zero width).
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_an_escape_sequence_from_a_request() {
        assert_eq!(plain("/orders\u{1b}[2J\u{9b}31m\r\n"), "/orders\\u{1b}[2J\\u{9b}31m\\r\\n");
        assert_eq!(plain("/bücher/{id}"), "/bücher/{id}");
        assert_eq!(plain("nimda\u{202e}admin"), "nimda\\u{202e}admin");
    }

    #[test]
    fn rejects_an_escape_sequence_in_json() {
        let value = serde_json::json!({"path": "/\u{9b}31m\u{202e}\u{1b}[2Jü"});
        let text = json(&value);
        assert_eq!(text, "{\n  \"path\": \"/\\u009b31m\\u202e\\u001b[2Jü\"\n}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
