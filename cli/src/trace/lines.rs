//! A log, line by line, however long it is.
//!
//! Receives a reader and the texts that a line must hold to matter; hands out the JSON objects of such lines, and counts the
//! lines that are damaged. Around an object stands what CloudWatch or an audit device's `prefix` puts there; whole lines may be
//! of other kinds. Which object is meant is left to the callers.

use std::{
    borrow::Cow,
    io::{self, BufRead},
};

use memchr::{memchr, memmem::Finder};
use serde_json::{Deserializer, Value};

/// Longer lines are skipped and counted: an audit entry of this size is a list of very many names.
const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;

/// Reads all of it. Returns how many lines could not be read: too long, cut off, or not JSON where a needle stands.
pub(super) fn scan(
    mut log: impl BufRead,
    needles: &[String],
    mut found: impl FnMut(&Value),
) -> io::Result<u64> {
    let needles: Vec<String> = needles.iter().map(|needle| as_json_writes(needle)).collect();
    let needles: Vec<Finder<'_>> = needles.iter().map(Finder::new).collect();
    let mut damaged = 0;
    let mut line = Vec::new();
    while let Some(whole) = next_line(&mut log, &mut line)? {
        let Some(text) = json_in(&line) else {
            damaged += u64::from(!whole);
            continue;
        };
        let text = text.trim_ascii_end();
        // A bracket alone opens what is printed over several lines.
        let cut_off = !whole || (text != b"{" && text.last() != Some(&b'}'));
        let matters = needles.iter().any(|needle| needle.find(&line).is_some());
        let readable = !matters || objects(text, &mut found);
        damaged += u64::from(cut_off || !readable);
    }
    Ok(damaged)
}

/// The line from its first bracket on; or what CloudWatch Logs has printed over several lines as `"message": "{…}\n",`.
fn json_in(line: &[u8]) -> Option<Cow<'_, [u8]>> {
    if let Some(message) = line.trim_ascii_start().strip_prefix(b"\"message\":") {
        let message = Deserializer::from_slice(message).into_iter::<String>().next()?.ok()?;
        return message.starts_with('{').then(|| Cow::Owned(message.into_bytes()));
    }
    let start = memchr(b'{', line)?;
    line.get(start..).map(Cow::Borrowed)
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

/// Hands out every object of the text, which begins with one. `aws logs filter-log-events --output text` puts several into
/// a line. `false` where one is damaged.
fn objects(mut text: &[u8], found: &mut impl FnMut(&Value)) -> bool {
    loop {
        let mut values = Deserializer::from_slice(text).into_iter::<Value>();
        let Some(Ok(value)) = values.next() else { return false };
        let end = values.byte_offset();
        match inner(&value) {
            Some(inner) => found(&inner),
            None => found(&value),
        }
        let rest = text.get(end..).unwrap_or_default();
        let Some(start) = memchr(b'{', rest) else { return true };
        text = rest.get(start..).unwrap_or_default();
    }
}

/// An event of CloudWatch Logs has the line as text: `{"timestamp": …, "message": "{…}\n"}`.
fn inner(value: &Value) -> Option<Value> {
    let message = value.get("message")?.as_str()?;
    let inner: Value = serde_json::from_str(message.trim()).ok()?;
    inner.is_object().then_some(inner)
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
        let damaged = scan(reader, &[needle.to_owned()], |value| objects.push(value.clone())).unwrap();
        (objects, damaged)
    }

    #[test]
    fn an_object_is_found_behind_whatever_prefix_and_among_other_lines() {
        let log = b"START RequestId: 7 Version: $LATEST\n\
            2027-01-15T08:00:00+00:00 2027/01/15/[$LATEST]0f {\"id\":\"7\"}\r\n\
            {\"id\":\"8\"}\n\n\
            REPORT RequestId: 7\tDuration: 3.1 ms\tBilled Duration: 4 ms\n\
            {\"timestamp\":1,\"message\":\"{\\\"id\\\":\\\"7\\\",\\\"n\\\":2}\\n\"}\n\
            {\n  \"events\": [\n    {\n      \"message\": \"{\\\"id\\\":\\\"7\\\",\\\"n\\\":5}\\n\",\n\
            {\"id\":\"7\",\"n\":3}\t{\"id\":\"7\",\"n\":4}";
        let expected = [
            json!({"id": "7"}),
            json!({"id": "7", "n": 2}),
            json!({"id": "7", "n": 5}),
            json!({"id": "7", "n": 3}),
            json!({"id": "7", "n": 4}),
        ];
        assert_eq!(scanned(log, "7"), (expected.to_vec(), 0));
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
}
