//! Lines as a container's runtime or a log shipper stores them, put together again.
//!
//! Docker, fluent-bit and containerd wrap each line, and split one of more than 16 KiB into several records:
//!
//! ```text
//! Docker      {"log":"{\"time\":…","stream":"stdout","time":"…"}      a line's last record ends with \n
//! fluent-bit  {"date":…,"log":"{\"time\":…","logtag":"P"}             or `partial_message`, or neither
//! containerd  2026-11-24T20:00:00.1Z stdout P {"time":…               P: more follows, F: the last
//! ```

use std::{borrow::Cow, collections::BTreeMap};

use memchr::{memchr, memmem};
use serde::de::IgnoredAny;
use serde_json::Value;

/// Longer lines are skipped and counted: an audit entry of this size is a list of very many names.
pub(super) const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;

/// A file has the lines of so many containers side by side.
const MAX_STREAMS: usize = 64;

/// Longer lines are split.
const SPLIT_BYTES: usize = 16 * 1024;

/// The lines whose end is not there yet, by container and stream.
#[derive(Default)]
pub(super) struct Pieces {
    open: BTreeMap<String, Joined>,
}

/// The pieces of a line so far, and where in its JSON they end: each byte is looked at once, however many pieces come.
#[derive(Default)]
struct Joined {
    bytes: Vec<u8>,
    /// The brackets that are open.
    nesting: Vec<u8>,
    begun: bool,
    in_string: bool,
    escaped: bool,
    /// The last byte that is neither blank nor in a string.
    last: u8,
    /// Its last piece is as long as one that was split off.
    is_full: bool,
}

struct Piece<'l> {
    stream: String,
    text: Cow<'l, [u8]>,
    end: End,
}

#[derive(PartialEq)]
enum End {
    Whole,
    MoreFollows,
    /// The record does not say.
    Unsaid,
}

impl Pieces {
    /// Hands out the lines that are complete with this one, and whether each is whole.
    pub(super) fn take(&mut self, line: &[u8], emit: &mut impl FnMut(&[u8], bool)) {
        let Some(Piece { stream, text, end }) = containerd(line).or_else(|| record(line)) else {
            return emit(line, true);
        };
        let mut open = self.open.remove(&stream);
        if end == End::Unsaid {
            let is_start = text.trim_ascii_start().starts_with(b"{");
            // What was open never got its end.
            if is_start && let Some(old) = open.take_if(|old| !old.goes_on_with(&text)) {
                emit(&old.bytes, false);
            }
            // Nothing so short was split off.
            if open.is_none() && text.len() < SPLIT_BYTES {
                return emit(&text, true);
            }
        }
        let mut joined = open.unwrap_or_default();
        let before = joined.bytes.len();
        joined.push(&text);
        let too_long = joined.bytes.len() > MAX_LINE_BYTES;
        let is_last = match end {
            End::Whole => true,
            End::MoreFollows => false,
            // A piece that short is the last one.
            End::Unsaid => joined.is_closed() || !joined.is_full,
        };
        if !is_last && !too_long {
            return self.keep(stream, joined, emit);
        }
        // What was open never got its end, and this is another line.
        if before > 0 && joined.begun && !too_long && !joined.is_json() {
            joined.bytes.truncate(before);
            emit(&joined.bytes, false);
            return emit(&text, true);
        }
        emit(&joined.bytes, !too_long);
    }

    fn keep(&mut self, stream: String, joined: Joined, emit: &mut impl FnMut(&[u8], bool)) {
        if self.open.len() >= MAX_STREAMS
            && let Some((_, oldest)) = self.open.pop_first()
        {
            emit(&oldest.bytes, false);
        }
        self.open.insert(stream, joined);
    }

    /// Hands out what never got its end.
    pub(super) fn end(self, emit: &mut impl FnMut(&[u8], bool)) {
        self.open.values().for_each(|line| emit(&line.bytes, false));
    }
}

impl Joined {
    fn push(&mut self, piece: &[u8]) {
        self.bytes.extend_from_slice(piece);
        self.is_full = piece.len() >= SPLIT_BYTES;
        for byte in piece {
            self.step(*byte);
        }
    }

    fn step(&mut self, byte: u8) {
        self.begun |= byte == b'{';
        if !self.begun {
            return;
        }
        if self.in_string {
            self.in_string = self.escaped || byte != b'"';
            self.escaped = !self.escaped && byte == b'\\';
            return;
        }
        match byte {
            b'"' => self.in_string = true,
            b'{' | b'[' => self.nesting.push(byte),
            b'}' | b']' => _ = self.nesting.pop(),
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            self.last = byte;
        }
    }

    /// As many brackets close as open.
    fn is_closed(&self) -> bool {
        !self.in_string && self.nesting.is_empty()
    }

    fn is_json(&self) -> bool {
        let text = memchr(b'{', &self.bytes).and_then(|start| self.bytes.get(start..)).unwrap_or_default();
        serde_json::from_slice::<IgnoredAny>(text).is_ok()
    }

    /// Whether a piece that begins with a bracket can belong to this line: it was split just there.
    /// A whole object is a new line.
    fn goes_on_with(&self, piece: &[u8]) -> bool {
        let fits = if self.in_string {
            // A quote would end the string, and no line of JSON goes on with a name then.
            !piece.starts_with(b"{\"")
        } else {
            matches!(self.last, b':' | b'[') || (self.last == b',' && self.nesting.last() == Some(&b'['))
        };
        self.is_full && fits && serde_json::from_slice::<IgnoredAny>(piece).is_err()
    }
}

fn containerd(line: &[u8]) -> Option<Piece<'_>> {
    let mut words = line.splitn(4, |byte| *byte == b' ');
    let (time, stream, tag, text) = (words.next()?, words.next()?, words.next()?, words.next()?);
    if !time.first()?.is_ascii_digit() || !matches!(stream, b"stdout" | b"stderr") {
        return None;
    }
    let end = match tag.split(|byte| *byte == b':').next()? {
        b"F" => End::Whole,
        b"P" => End::MoreFollows,
        _ => return None,
    };
    Some(Piece { stream: String::from_utf8_lossy(stream).into_owned(), text: text.into(), end })
}

fn record(line: &[u8]) -> Option<Piece<'static>> {
    memmem::find(line, b"\"log\":")?;
    let record: Value = serde_json::from_slice(line.trim_ascii()).ok()?;
    let text = record.get("log")?.as_str()?;
    let is = |name: &str, wanted: &str| match record.get(name) {
        Some(Value::String(value)) => value == wanted,
        Some(Value::Bool(value)) => value.to_string() == wanted,
        _ => false,
    };
    let more_follows = is("logtag", "P") || (is("partial_message", "true") && !is("partial_last", "true"));
    let end = if more_follows {
        End::MoreFollows
    } else if is("logtag", "F") || is("partial_last", "true") || text.ends_with('\n') {
        End::Whole
    } else {
        End::Unsaid
    };
    let of = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let container =
        ["/container_id", "/kubernetes/docker_id", "/kubernetes/pod_name", "/kubernetes/container_name"];
    let stream = container.map(of).join(" ") + " " + of("/stream") + of("/source");
    Some(Piece { stream, text: text.as_bytes().to_vec().into(), end })
}
