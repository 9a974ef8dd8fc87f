//! The only place that prints.
//!
//! Receives finished text; writes results to standard output and complaints to standard error. Colour appears only on
//! a terminal, and never if `NO_COLOR` is set.
//!
//! A terminal obeys escape sequences from anybody: a caller, a document, a provider, AWS. So all output has only the
//! escape sequences of our own styles (`harmless`), and text from outside has none at all ([`plain`]).

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
    pub(crate) fn print(&self, text: &str) -> Result<(), OutputError> {
        let mut stdout = AutoStream::auto(io::stdout().lock());
        match stdout.write_all(harmless(text).as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(OutputError(error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    /// Says on standard error what standard output did not take, or asks a person there.
    pub(crate) fn aside(&self, text: &str) {
        let _unwritable = AutoStream::auto(io::stderr().lock()).write_all(harmless(text).as_bytes());
    }

    /// Says why there is no result. Where not even that can be written, the exit code has to do.
    pub(crate) fn complain(&self, text: &str) {
        let text: Vec<_> = text.split('\n').map(plain).collect();
        self.aside(&format!("{}: {}\n", styled(BAD, "error"), text.join("\n")));
    }

    /// Tells a person at a terminal something that a pipe need not know.
    pub(crate) fn hint(&self, text: &str) {
        if io::stdout().is_terminal() {
            self.aside(&format!("{text}\n"));
        }
    }
}

/// Standard output takes no more.
#[derive(Debug, thiserror::Error)]
#[error("the output could not be written")]
pub(crate) struct OutputError(#[source] io::Error);

impl Failure for OutputError {}

/// Text in a style, which is left out again where it is not for a terminal.
pub(crate) fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Text from outside with the characters spelt out that a terminal obeys or that turn the text around them.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|c| if acts(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

/// The same, but for the ends of lines, tabs, and our own styles.
fn harmless(text: &str) -> String {
    // The longer ones first: each colour begins as a heading does.
    let ours: Vec<String> = [GOOD, BAD, CAUTION, HEADING]
        .into_iter()
        .flat_map(|style| [style.render().to_string(), style.render_reset().to_string()])
        .collect();
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let style = ours.iter().find(|style| rest.starts_with(style.as_str()));
        let (text, after) = rest.split_at(style.map_or(c.len_utf8(), String::len));
        let as_it_is = style.is_some() || matches!(c, '\n' | '\t');
        shown += &if as_it_is { text.to_owned() } else { plain(text) };
        rest = after;
    }
    shown
}

/// Room for the longest name of a [`field`].
const NAME_WIDTH: usize = 12;

/// One line of a list of names and values.
pub(crate) fn field(name: &str, value: &str) -> String {
    format!("  {name:NAME_WIDTH$}{}\n", plain(value))
}

/// JSON for people and programs, with the same characters escaped.
pub(crate) fn json(value: &(impl Serialize + ?Sized)) -> String {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    // Between strings there is nothing of these but the ends of lines, and in strings none.
    let escaped = |c: char| c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect();
    text.chars().map(|c| if acts(c) && c != '\n' { escaped(c) } else { c.to_string() }).collect()
}

/// Control characters, C1 among them, and those of Unicode that show nothing, and change the order or the place of others or
/// hide between them: UAX #9, zero width, fillers, annotations and tags.
fn acts(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
                | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_an_escape_sequence_from_a_request() {
        assert_eq!(plain("/orders\u{1b}[2J\u{9b}31m\r\n"), "/orders\\u{1b}[2J\\u{9b}31m\\r\\n");
        assert_eq!(plain("/bücher/{id}"), "/bücher/{id}");
        assert_eq!(plain("nimda\u{202e}admin"), "nimda\\u{202e}admin");
        for hidden in
            ["\u{202a}", "\u{2066}", "\u{2069}", "\u{200e}", "\u{61c}", "\u{200b}", "\u{ad}", "\u{e0061}"]
        {
            assert!(plain(hidden).is_ascii(), "{hidden:?}");
        }
    }

    #[test]
    fn rejects_at_the_way_out_every_sequence_that_is_not_of_our_styles() {
        let text = format!("{}:\t`\u{1b}[8m\u{1b}]0;x\u{7}\u{202e}ü`\r\n", styled(BAD, "error"));
        let shown =
            format!("{}:\t`\\u{{1b}}[8m\\u{{1b}}]0;x\\u{{7}}\\u{{202e}}ü`\\r\n", styled(BAD, "error"));
        assert_eq!(harmless(&text), shown);
    }

    #[test]
    fn rejects_an_escape_sequence_in_json() {
        let value = serde_json::json!({"path": "/\u{9b}31m\u{202e}\u{1b}[2J\u{7f}ü\u{e0061}"});
        let text = json(&value);
        assert_eq!(text, "{\n  \"path\": \"/\\u009b31m\\u202e\\u001b[2J\\u007fü\\udb40\\udc61\"\n}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), value);
    }
}
