//! The JSON objects in one line of a log.
//!
//! Receives a line; returns its objects without what CloudWatch or a log shipper put around them. The callers know
//! which line and which object they want.

use std::borrow::Cow;

use memchr::{memchr, memrchr};
use serde_json::{Deserializer, Value};

/// The line from its first bracket on; or what CloudWatch Logs has printed over several lines as `"message": "{…}\n",`.
pub(super) fn json_in(line: &[u8]) -> Option<Cow<'_, [u8]>> {
    let start = line.trim_ascii_start();
    let names: [&[u8]; 2] = [b"\"message\":", b"\"@message\":"];
    if let Some(message) = names.iter().find_map(|name| start.strip_prefix(*name)) {
        let message = message.trim_ascii_start();
        if message.starts_with(b"\"") {
            let message = Deserializer::from_slice(message).into_iter::<String>().next()?.ok()?;
            return message.starts_with('{').then(|| Cow::Owned(message.into_bytes()));
        }
    }
    let start = memchr(b'{', line)?;
    let text = line.get(start..)?;
    let is_csv =
        line.get(..start).is_some_and(|before| before.ends_with(b"\"")) && text.starts_with(b"{\"\"");
    if !is_csv {
        return Some(Cow::Borrowed(text));
    }
    // CSV writes a quote as two.
    let text = memrchr(b'}', text).and_then(|end| text.get(..=end)).unwrap_or(text);
    let mut single = Vec::with_capacity(text.len());
    let mut bytes = text.iter().peekable();
    while let Some(byte) = bytes.next() {
        single.push(*byte);
        if *byte == b'"' {
            bytes.next_if_eq(&&b'"');
        }
    }
    Some(Cow::Owned(single))
}

/// Hands out every object of the text, which begins with one. `aws logs filter-log-events --output text` puts several into
/// a line. `false` where one is damaged.
pub(super) fn objects(mut text: &[u8], found: &mut impl FnMut(&Value)) -> bool {
    loop {
        let mut values = Deserializer::from_slice(text).into_iter::<Value>();
        let Some(Ok(value)) = values.next() else {
            // A bracket of the prefix: before the next one stands no quote, as an object would have.
            let inside = text.get(1..).unwrap_or_default();
            let (before, after) = inside.split_at(memchr(b'{', inside).unwrap_or(inside.len()));
            if after.is_empty() || memchr(b'"', before).is_some() {
                return false;
            }
            text = after;
            continue;
        };
        let end = values.byte_offset();
        hand_out(&value, found);
        let rest = text.get(end..).unwrap_or_default();
        let Some(start) = memchr(b'{', rest) else { return true };
        text = rest.get(start..).unwrap_or_default();
    }
}

/// What CloudWatch Logs or a log shipper has put around a line: `{"timestamp": …, "message": "{…}\n"}`, or a list of these.
fn hand_out(value: &Value, found: &mut impl FnMut(&Value)) {
    let lists = ["events", "logEvents"].iter().find_map(|name| value.get(*name)?.as_array());
    match lists {
        Some(events) => events.iter().for_each(|event| one(event, found)),
        None => one(value, found),
    }
}

fn one(value: &Value, found: &mut impl FnMut(&Value)) {
    let as_text = ["message", "@message", "MESSAGE"].iter().find_map(|name| {
        let text = value.get(*name)?.as_str()?;
        serde_json::from_str::<Value>(text.trim()).ok().filter(Value::is_object)
    });
    let as_object =
        || ["@message", "log"].iter().find_map(|name| value.get(*name).filter(|it| it.is_object()));
    match as_text {
        Some(inner) => found(&inner),
        None => found(as_object().unwrap_or(value)),
    }
}
