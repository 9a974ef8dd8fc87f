//! A log, line by line, however long it is.
//!
//! Receives a reader and the texts that a line must hold to matter; hands out the JSON objects of such lines, counts the
//! lines that are damaged, and says whether the log is of the kind that was asked for at all. Around an object stands what
//! CloudWatch, a container's runtime or an audit device's `prefix` puts there; whole lines may be of other kinds. Which object
//! is meant is left to the callers.

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

    fn record(log: &str, more: Value) -> String {
        let mut record = json!({"log": log, "stream": "stdout"});
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        record.to_string() + "\n"
    }

    /// Docker says of a piece only that it does not end a line, so it is told by its length.
    fn docker(log: &str) -> String {
        record(log, json!({"time": "t"}))
    }

    fn tagged(log: &str, tag: &str) -> String {
        record(log, json!({"logtag": tag}))
    }

    fn containerd(log: &str, tag: &str) -> String {
        format!("2026-11-24T20:00:00.1Z stdout {tag} {log}\n")
    }

    fn fluent_bit(pieces: &[&str]) -> Vec<u8> {
        pieces.iter().map(|piece| record(piece, json!({"date": 1.5}))).collect::<String>().into()
    }

    /// As long as a piece that was split off.
    fn long() -> String {
        "x".repeat(16 * 1024)
    }

    #[test]
    fn a_line_that_a_containers_runtime_has_split_is_put_together() {
        let x = long();
        let docker = docker(&format!(r#"{{"id":"7","x":"{x}","#))
            + &record("other\n", json!({"stream": "stderr"}))
            + &docker("\"n\":1}\n")
            + &docker("==> server log\n");
        assert_eq!(scanned(docker.as_bytes(), "7"), (vec![json!({"id": "7", "x": x, "n": 1})], 0));
        let tagged = tagged("{\"id\":\"7\",", "P") + &tagged("\"n\":1}", "F");
        let stderr = "2026-11-24T20:00:00.1Z stderr F other\n";
        let containerd = containerd("{\"id\":\"7\",", "P") + stderr + &containerd("\"n\":1}", "F");
        for log in [tagged, containerd] {
            assert_eq!(scanned(log.as_bytes(), "7"), (vec![json!({"id": "7", "n": 1})], 0), "{log}");
        }
    }

    #[test]
    fn rejects_a_split_line_whose_end_is_missing() {
        let log = br#"{"log":"{\"id\":\"7\",","stream":"stdout"}
{"log":"{\"id\":\"7\"}","stream":"stdout"}
{"log":"{\"id\":\"7\",","stream":"stdout"}
"#;
        assert_eq!(scanned(log, "7"), (vec![json!({"id": "7"})], 2));
    }

    #[test]
    fn a_line_that_was_split_at_any_size_without_a_word_of_it_is_put_together() {
        let entry = json!({"id": "7", "path": "bücher/{x}", "list": [{"a": 1}, {"b": ["[", "]"]}], "n": 5});
        let text = entry.to_string();
        for size in [10, 16, 33, 64] {
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
    fn a_line_that_is_cut_off_swallows_no_entry_of_its_own_length() {
        let log =
            fluent_bit(&[r#"{"cut":"off"#, "plain text.", r#"a {"id":"7"}"#, "b", r#"{"id":"7","n":2}"#]);
        assert_eq!(scanned(&log, "7").0, vec![json!({"id": "7"}), json!({"id": "7", "n": 2})]);
    }

    #[test]
    fn a_split_line_may_hold_several_objects_and_brackets_before_them() {
        for prefix in ["", "[core] {x} "] {
            let log =
                tagged(&format!("{prefix}{{\"id\":\"7\","), "P") + &tagged("\"n\":1}\t{\"id\":\"7\"}", "F");
            assert_eq!(
                scanned(log.as_bytes(), "7"),
                (vec![json!({"id": "7", "n": 1}), json!({"id": "7"})], 0)
            );
        }
    }

    #[test]
    fn an_unbalanced_line_of_a_log_shipper_swallows_no_split_entry() {
        let start = format!(r#"{{"id":"7","x":"{}"#, long());
        for foreign in ["[WARN] core: err={x}", "config {listener", "{listener"] {
            let log = fluent_bit(&[foreign, &start, r#"","n":1}"#, "plain", r#"{"id":"7"}"#]);
            assert_eq!(scanned(&log, "7").0.len(), 2, "{foreign}");
        }
    }

    #[test]
    fn a_line_is_put_together_where_a_bracket_begins_its_next_piece() {
        let x = long();
        for (before, after) in [
            (r#"","y":"#, r#"{"n":1}}"#),
            (r#"","y":[{},"#, r#"{"n":1}]}"#),
            (r#""#, r#"{\"n\":1}"}"#),
            (r#""#, r#"{{template}}"}"#),
        ] {
            let start = format!(r#"{{"id":"7","x":"{x}{before}"#);
            let whole = serde_json::from_str(&(start.clone() + after)).unwrap();
            assert!(scanned(&fluent_bit(&[&start, after]), "7") == (vec![whole], 0), "{after}");
        }
    }

    #[test]
    fn a_split_entry_without_its_end_swallows_no_next_one() {
        let start = format!(r#"{{"id":"7","x":"{}"#, long());
        for end in ["", r#"","#, r#"","y":"#] {
            let log = fluent_bit(&[&(start.clone() + end), r#"{"id":"7"}"#]);
            assert_eq!(scanned(&log, "7"), (vec![json!({"id": "7"})], 1), "{end}");
        }
    }

    /// Only a piece of 16 KiB can have been split off: a shorter one that opens a bracket and closes none is a line of its own.
    #[test]
    fn an_unbalanced_line_swallows_no_entry_behind_a_prefix() {
        for foreign in ["{listener", r#"{"cut":"of"#, "[{", r#""quote"#] {
            let log = fluent_bit(&[foreign, r#"2027-01-15 {"id":"7"}"#, r#"audit: {"id":"7","n":2}"#]);
            let expected = vec![json!({"id": "7"}), json!({"id": "7", "n": 2})];
            assert_eq!(scanned(&log, "7").0, expected, "{foreign}");
        }
    }

    #[test]
    fn a_split_entry_that_lost_its_end_in_a_string_swallows_no_entry_behind_a_prefix() {
        let x = long();
        for lost in [
            format!(r#"{{"id":"7","x":"{x}"#),
            format!(r#"{{"id":"7","x":"{x}\"#),
            format!(r#"{{"id":"7","y":["{x}""#),
        ] {
            for next in [r#"2027-01-15 {"id":"7"}"#, r#"" {"id":"7"}"#] {
                let log = fluent_bit(&[&lost, next]);
                assert_eq!(scanned(&log, "7"), (vec![json!({"id": "7"})], 1), "{next}");
            }
        }
    }

    #[test]
    fn a_record_that_says_it_is_whole_is_not_swallowed_by_one_that_lost_its_end() {
        let cut = r#"{"id":"7","cut":"o"#;
        let x = long();
        for next in [r#"{"id":"7"}"#, r#"audit: {"id":"7"}"#] {
            for log in [
                docker(&format!("{cut}{x}")) + &docker(&format!("{next}\n")),
                tagged(cut, "P") + &tagged(next, "F"),
                tagged(r#"{"id":"7","cut":"o\"#, "P") + &tagged(next, "F"),
                containerd(cut, "P") + &containerd(next, "F"),
            ] {
                assert_eq!(scanned(log.as_bytes(), "7"), (vec![json!({"id": "7"})], 1), "{log:.200}");
            }
            // It says that more follows, and so the bracket stands before the entry.
            let log = containerd("{listener", "P") + &containerd(next, "F");
            assert_eq!(scanned(log.as_bytes(), "7"), (vec![json!({"id": "7"})], 0), "{log}");
        }
    }

    #[test]
    fn an_entry_is_found_behind_a_bracket_of_its_prefix() {
        for prefix in ["{listener ", "[core] {x} ", "{{{ ", "{a} {b} "] {
            let log = format!("{prefix}{{\"id\":\"7\"}}\n");
            assert_eq!(scanned(log.as_bytes(), "7").0, vec![json!({"id": "7"})], "{prefix}");
        }
        // An object that is cut off is no prefix of what stands in it.
        assert_eq!(scanned(br#"{"a":"7","x":{"id":"7"}"#, "7"), (vec![], 1));
    }

    #[test]
    fn many_pieces_without_an_end_are_damaged_lines_of_the_largest_size() {
        // Where each piece read all before it again, this would not end.
        let mut pieces = vec![format!(r#"{{"id":"7","x":["{}""#, long())];
        pieces.resize(300, r#","{}",{}"#.repeat(2 * 1024));
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        let (found, damaged) = scanned(&fluent_bit(&pieces), "7");
        assert!(found.is_empty() && (1..=2).contains(&damaged), "{damaged}");
    }

    #[test]
    fn exports_of_cloudwatch_are_read() {
        let logs: [&[u8]; 4] = [
            br#"{"messageType":"DATA_MESSAGE","logEvents":[{"id":"1","message":"{\"id\":\"7\"}\n"}]}"#,
            br#"[{"@timestamp":"t","@message":{"id":"7"}}]"#,
            b"[\n  {\n    \"@message\": \"{\\\"id\\\":\\\"7\\\"}\"\n  }\n]\n",
            b"@timestamp,@message,@log\nt,\"{\"\"id\"\":\"\"7\"\"}\n\",a\nt,\"{\"\"id\"\":\"\"8\"\"}\",b\n",
        ];
        for log in logs {
            assert_eq!(scanned(log, "7"), (vec![json!({"id": "7"})], 0), "{}", String::from_utf8_lossy(log));
        }
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
