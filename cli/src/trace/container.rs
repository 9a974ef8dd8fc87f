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

use memchr::memmem;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::lines::MAX_LINE_BYTES;

/// A file has the lines of so many containers side by side.
const MAX_STREAMS: usize = 64;

/// The lines whose end is not there yet, by container and stream.
#[derive(Default)]
pub(super) struct Pieces {
    open: BTreeMap<String, Vec<u8>>,
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
        let before = self.open.remove(&stream);
        let alone = before.is_none();
        let mut joined = before.unwrap_or_default();
        if end == End::Unsaid && !alone && is_object(&text) {
            let mut both = joined.clone();
            both.extend_from_slice(&text);
            // What was open never got its end.
            if !is_object(&both) {
                emit(&joined, false);
                return emit(&text, true);
            }
        }
        joined.extend_from_slice(&text);
        let whole = match end {
            End::Whole => true,
            End::MoreFollows => false,
            End::Unsaid => is_object(&joined) || (alone && !text.contains(&b'{')),
        };
        if whole || joined.len() > MAX_LINE_BYTES {
            return emit(&joined, whole && joined.len() <= MAX_LINE_BYTES);
        }
        if self.open.len() >= MAX_STREAMS
            && let Some((_, oldest)) = self.open.pop_first()
        {
            emit(&oldest, false);
        }
        self.open.insert(stream, joined);
    }

    /// Hands out what never got its end.
    pub(super) fn end(self, emit: &mut impl FnMut(&[u8], bool)) {
        self.open.values().for_each(|line| emit(line, false));
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

/// Whether an object stands in it, from the first bracket to the end.
fn is_object(text: &[u8]) -> bool {
    let start = memchr::memchr(b'{', text);
    text.trim_ascii_end().ends_with(b"}")
        && start
            .and_then(|start| text.get(start..))
            .is_some_and(|object| serde_json::from_slice::<IgnoredAny>(object).is_ok())
}
