//! Prepares text from outside for a message that somebody reads in a log or on a terminal.
//!
//! Receives any text; produces printable ASCII of bounded length.

/// The most characters of a text that are shown.
const MAX_CHARS: usize = 128;

/// The text with everything but printable ASCII escaped, control and bidirectional characters among it, and cut where it
/// is long. Backticks are escaped, too: messages put the text between two.
pub fn shown(text: &str) -> String {
    let mut shown = String::new();
    for (count, letter) in text.chars().enumerate() {
        if count == MAX_CHARS {
            shown.push_str("...");
            break;
        }
        match letter {
            ' '..='~' if letter != '`' => shown.push(letter),
            _ => shown.extend(letter.escape_unicode()),
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_what_a_terminal_obeys_and_what_turns_the_text_around_it() {
        assert_eq!(shown("key-1 \"a\""), "key-1 \"a\"");
        assert_eq!(shown("\u{1b}[2J\r\n\u{9b}\u{202e}ü"), "\\u{1b}[2J\\u{d}\\u{a}\\u{9b}\\u{202e}\\u{fc}");
        assert_eq!(shown("` is fine. `"), "\\u{60} is fine. \\u{60}");
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(shown(&"k".repeat(128)), "k".repeat(128));
        assert_eq!(shown(&"k".repeat(129)), "k".repeat(128) + "...");
    }
}
