//! Reassembles lines that a container's runtime or a log shipper has split.
//!
//! Docker, fluent-bit and containerd wrap each line, and split a long line, usually one of more than 16 KiB, into
//! several records:
//!
//! ```text
//! Docker      {"log":"{\"time\":…","stream":"stdout","time":"…"}      a line's last record ends with \n
//! fluent-bit  {"date":…,"log":"{\"time\":…","logtag":"P"}             or `partial_message`, or neither
//! containerd  2026-11-24T20:00:00.1Z stdout P {"time":…               P: more follows, F: the last
//! ```
//!
//! If a record does not say whether more follows, its length does. All pieces of a line are as long as the first, and
//! the last is shorter. A short line that only looks like a first piece takes no other line with it.

use std::{borrow::Cow, collections::BTreeMap};

use memchr::{memchr, memmem};
use serde::de::IgnoredAny;
use serde_json::Value;

use super::objects::objects;

/// Longer lines are skipped and counted: an audit entry of this size is a list of very many names.
pub(super) const MAX_LINE_BYTES: usize = 4 * 1024 * 1024;

/// A file has the lines of so many containers side by side.
const MAX_STREAMS: usize = 64;

/// Where container runtimes split.
const SPLIT_BYTES: usize = 16 * 1024;

/// No shipper splits shorter ones, which are lines of their own.
const LEAST_SPLIT_BYTES: usize = 64;

/// No character is cut in two, so a piece may be shorter by the rest of one.
const CHARACTER_BYTES: usize = 4;

/// The lines whose end is not there yet, by container and stream.
#[derive(Default)]
pub(super) struct Pieces {
    open: BTreeMap<String, Joined>,
}

/// The pieces of a line so far, and where in its JSON they end: each byte is looked at once, however many pieces come.
#[derive(Default)]
struct Joined {
    bytes: Vec<u8>,
    /// Where its pieces begin: each where that it was split is a guess, else the last one.
    starts: Vec<usize>,
    /// How long a piece is that was split off: less than [`SPLIT_BYTES`] where that is a guess.
    split_bytes: usize,
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
        let mut split_bytes = SPLIT_BYTES;
        if end == End::Unsaid {
            if let Some(old) = open.take_if(|old| old.ends_before(&text)) {
                old.give_up(emit);
            }
            if open.is_none() && text.len() < SPLIT_BYTES {
                if text.len() < LEAST_SPLIT_BYTES || !is_cut_off(&text) {
                    return emit(&text, true);
                }
                split_bytes = text.len();
            }
        }
        let mut joined = open.unwrap_or_else(|| Joined { split_bytes, ..Joined::default() });
        joined.push(&text);
        let too_long = joined.bytes.len() > MAX_LINE_BYTES;
        let is_last = match end {
            End::Whole => true,
            End::MoreFollows => false,
            // A piece that short is the last one.
            End::Unsaid => joined.is_closed() || !joined.is_full,
        };
        if too_long {
            return joined.give_up(emit);
        }
        if !is_last {
            return self.keep(stream, joined, emit);
        }
        let start = joined.starts.last().copied().unwrap_or_default();
        if start > 0 && joined.begun && !objects(from_bracket(&joined.bytes), &mut |_| ()) {
            // What was open never got its end, and this is another line.
            joined.starts.pop();
            joined.bytes.truncate(start);
            joined.give_up(emit);
            return emit(&text, true);
        }
        emit(&joined.bytes, true);
    }

    fn keep(&mut self, stream: String, joined: Joined, emit: &mut impl FnMut(&[u8], bool)) {
        if self.open.len() >= MAX_STREAMS
            && let Some((_, oldest)) = self.open.pop_first()
        {
            oldest.give_up(emit);
        }
        self.open.insert(stream, joined);
    }

    /// Hands out what never got its end.
    pub(super) fn end(self, emit: &mut impl FnMut(&[u8], bool)) {
        self.open.into_values().for_each(|line| line.give_up(emit));
    }
}

impl Joined {
    fn push(&mut self, piece: &[u8]) {
        if !self.is_guess() {
            self.starts.clear();
        }
        self.starts.push(self.bytes.len());
        self.bytes.extend_from_slice(piece);
        self.is_full = piece.len() + CHARACTER_BYTES > self.split_bytes;
        for byte in piece {
            self.step(*byte);
        }
    }

    /// Hands out what never got its end. Where that it was split is a guess, each piece may be a line.
    fn give_up(mut self, emit: &mut impl FnMut(&[u8], bool)) {
        if !self.is_guess() {
            return emit(&self.bytes, false);
        }
        let mut lines = Vec::new();
        while let Some(start) = self.starts.pop() {
            lines.push(self.bytes.split_off(start));
        }
        lines.iter().rev().for_each(|line| emit(line, true));
    }

    fn is_guess(&self) -> bool {
        self.split_bytes < SPLIT_BYTES
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

    /// Whether a piece that says nothing of it is another line.
    fn ends_before(&self, piece: &[u8]) -> bool {
        let is_longer = self.is_guess() && piece.len() >= self.split_bytes + CHARACTER_BYTES;
        is_longer || (piece.trim_ascii_start().starts_with(b"{") && !self.goes_on_with(piece))
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

fn from_bracket(text: &[u8]) -> &[u8] {
    memchr(b'{', text).and_then(|start| text.get(start..)).unwrap_or_default()
}

/// Whether a line is JSON as far as it goes, and ends before that does.
fn is_cut_off(line: &[u8]) -> bool {
    let text = from_bracket(line);
    !text.is_empty() && serde_json::from_slice::<IgnoredAny>(text).is_err_and(|error| error.is_eof())
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
