//! Reads a log line by line, however long it is.
//!
//! Receives a reader and the texts that a relevant line must contain. Returns the JSON objects of these lines, counts
//! the damaged lines, and says whether the log is of the requested kind at all. CloudWatch, a container's runtime or
//! an audit device's `prefix` may put text around an object, and whole lines may be of other kinds. The callers know
//! which object they want.

use std::io::{self, BufRead};

use memchr::{memchr, memmem::Finder};
use serde_json::Value;

use super::{
    container::{MAX_LINE_BYTES, Pieces},
    objects::{json_in, objects},
};

/// How far a log could be read.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Read {
    /// Lines that were too long, cut off, or not JSON where a needle stands.
    pub(super) damaged: u64,
    /// It has lines, and none is of the kind that was asked for: another log, or a format that is not read here.
    pub(super) foreign: bool,
}

/// Reads all of it. `is_known` recognises the kind of object that the log is made of.
pub(super) fn scan(
    mut log: impl BufRead,
    needles: &[String],
    is_known: fn(&Value) -> bool,
    mut found: impl FnMut(&Value),
) -> io::Result<Read> {
    let needles: Vec<String> = needles.iter().map(|needle| as_json_writes(needle)).collect();
    let needles: Vec<Finder<'_>> = needles.iter().map(Finder::new).collect();
    let (mut damaged, mut known, mut empty) = (0, false, true);
    let mut take = |line: &[u8], whole: bool| {
        empty &= line.trim_ascii().is_empty();
        let Some(text) = json_in(line) else {
            damaged += u64::from(!whole);
            return;
        };
        let text = text.trim_ascii_end();
        // A bracket alone opens what is printed over several lines, and a list may end behind the last object.
        let end = text.strip_suffix(b",").unwrap_or(text);
        let end = end.strip_suffix(b"]").unwrap_or(end);
        let cut_off = !whole || (text != b"{" && end.last() != Some(&b'}'));
        let matters = needles.iter().any(|needle| needle.find(line).is_some());
        let readable = (!matters && known)
            || objects(text, &mut |object| {
                known |= is_known(object);
                if matters {
                    found(object);
                }
            });
        damaged += u64::from(cut_off || (matters && !readable));
    };
    let mut pieces = Pieces::default();
    let mut line = Vec::new();
    while let Some(whole) = next_line(&mut log, &mut line)? {
        if whole {
            pieces.take(&line, &mut take);
        } else {
            take(&line, false);
        }
    }
    pieces.end(&mut take);
    Ok(Read { damaged, foreign: !known && !empty })
}

/// The text inside of quotes: what a JSON writer makes of it.
fn as_json_writes(text: &str) -> String {
    let quoted = Value::from(text).to_string();
    let inside = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    inside.unwrap_or_default().to_owned()
}

/// Reads one line into `line`; `false` if its end was left out. Nothing at the end.
fn next_line(log: &mut impl BufRead, line: &mut Vec<u8>) -> io::Result<Option<bool>> {
    line.clear();
    let (mut whole, mut any) = (true, false);
    loop {
        let buffer = match log.fill_buf() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            buffer => buffer?,
        };
        if buffer.is_empty() {
            return Ok(any.then_some(whole));
        }
        any = true;
        let end = memchr(b'\n', buffer);
        let piece = buffer.get(..end.unwrap_or(buffer.len())).unwrap_or_default();
        if piece.len() > MAX_LINE_BYTES.saturating_sub(line.len()) {
            whole = false;
        } else if whole {
            line.extend_from_slice(piece);
        }
        let used = piece.len() + usize::from(end.is_some());
        log.consume(used);
        if end.is_some() {
            return Ok(Some(whole));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use serde_json::json;

    use super::*;

    fn scanned(log: &[u8], needle: &str) -> (Vec<Value>, u64) {
        let mut objects = Vec::new();
        // A small buffer, so that lines come in pieces.
        let reader = io::BufReader::with_capacity(7, Cursor::new(log.to_vec()));
        let is_known = |value: &Value| value.get("id").is_some();
        let read = scan(reader, &[needle.to_owned()], is_known, |value| objects.push(value.clone())).unwrap();
        (objects, read.damaged)
    }

    /// Each with how many lines are damaged.
    #[test]
    fn entries_are_found_however_a_log_was_shipped_and_split() {
        let x = "x".repeat(16 * 1024);
        let mut text = String::new();
        for case in include_str!("lines/cases.txt").split("\n## ").skip(1) {
            let (heading, log) = case.split_once('\n').unwrap();
            let (found, damaged) = scanned(log.replace("<16 KiB>", &x).replace("<CR>", "\r").as_bytes(), "7");
            let found = found.iter().map(|object| object.to_string().replace(&x, "<16 KiB>") + "\n");
            text += &format!("## {heading}\n{}damaged: {damaged}\n\n", found.collect::<String>());
        }
        insta::assert_snapshot!(text);
    }

    #[test]
    fn rejects_damaged_lines_and_reads_on() {
        let mut log = b"{\"id\":\"7\",\"cut\":\"of\n{\"id\":\"7\"\xff\xfe}\n".to_vec();
        log.extend(b"{\"id\":\"7\",\"long\":\"");
        log.extend(vec![b'x'; MAX_LINE_BYTES]);
        log.extend(b"\"}\n{\"id\":\"7\"}\n{\"id\":\"8\",\"cut\":\"of\n{\"id\":\"8\"");
        assert_eq!(scanned(&log, "7"), (vec![json!({"id": "7"})], 5));
    }

    #[test]
    fn rejects_a_bomb_of_brackets() {
        let log = [b"{\"id\":\"7\",\"deep\":".to_vec(), vec![b'['; 100_000], b"}\n{\"id\":\"7\"}\n".to_vec()];
        assert_eq!(scanned(&log.concat(), "7"), (vec![json!({"id": "7"})], 1));
    }

    #[test]
    fn a_needle_is_looked_for_as_json_writes_it() {
        let log = br#"{"id":"a\"b"}"#;
        assert_eq!(scanned(log, "a\"b").0.len(), 1);
    }

    fn fluent_bit(pieces: &[&str]) -> Vec<u8> {
        pieces
            .iter()
            .map(|piece| json!({"date": 1.5, "log": piece}).to_string() + "\n")
            .collect::<String>()
            .into()
    }

    #[test]
    fn a_line_that_was_split_at_any_size_without_a_word_of_it_is_put_together() {
        let books: Vec<_> =
            (0..20).map(|n| json!({"path": format!("bücher/{n}"), "list": ["[", "]"]})).collect();
        let entry = json!({"id": "7", "books": books});
        let text = entry.to_string();
        for size in [68, 100, 257, 1000] {
            let mut pieces: Vec<String> = vec![String::new()];
            for c in text.chars() {
                if pieces.last().unwrap().len() + c.len_utf8() > size {
                    pieces.push(String::new());
                }
                pieces.last_mut().unwrap().push(c);
            }
            let around =
                [&["plain"][..], &pieces.iter().map(String::as_str).collect::<Vec<_>>(), &[r#"{"id":"7"}"#]];
            let found = scanned(&fluent_bit(&around.concat()), "7");
            assert_eq!(found, (vec![entry.clone(), json!({"id": "7"})], 0), "{size}");
        }
    }

    #[test]
    fn many_pieces_without_an_end_are_damaged_lines_of_the_largest_size() {
        // Where each piece read all before it again, this would not end.
        let mut pieces = vec![format!(r#"{{"id":"7","x":["{}""#, "x".repeat(16 * 1024))];
        pieces.resize(300, r#","{}",{}"#.repeat(2 * 1024));
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        let (found, damaged) = scanned(&fluent_bit(&pieces), "7");
        assert!(found.is_empty() && (1..=2).contains(&damaged), "{damaged}");
    }

    #[test]
    fn a_log_without_one_known_object_is_foreign() {
        let foreign = |log: &[u8]| {
            scan(log, &["7".to_owned()], |value| value.get("id").is_some(), |_| ()).unwrap().foreign
        };
        assert!(
            foreign(b"<jsonx>7</jsonx>\n") && foreign(b"\x28\xb5\x2f\xfd\x04") && foreign(b"{\"x\":\"7\"}\n")
        );
        assert!(!foreign(b"") && !foreign(b"\n") && !foreign(b"start\n{\"id\":\"8\"}\n"));
    }
}
