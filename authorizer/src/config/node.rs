//! Reading a document so that no problem hides another.
//!
//! Receives the parsed document as JSON values; hands the readers of the sections one [`Node`] or [`Table`] at a time and
//! collects what they object to, each with its path. A reader returns `None` once it has said why, so one pass finds
//! wrong shapes, unknown keys and impossible values together.

use std::{cell::RefCell, fmt};

use serde_json::{Map, Value};

/// One thing wrong with the configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: `stages.prod.grants[2].token.ttl`. Empty for the document as a whole.
    pub path: String,
    /// What is wrong and what would be right. Never quotes a secret.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            f.write_str(&self.message)
        } else {
            write!(f, "{}: {}", self.path, self.message)
        }
    }
}

/// Everything found so far.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<Problem>>);

impl Problems {
    pub(super) fn report(&self, path: &str, message: impl Into<String>) {
        self.0.borrow_mut().push(Problem { path: path.to_owned(), message: message.into() });
    }

    pub(super) fn into_vec(self) -> Vec<Problem> {
        self.0.into_inner()
    }
}

/// One value of the document and its path.
#[derive(Clone)]
pub(super) struct Node<'a> {
    value: &'a Value,
    path: String,
    problems: &'a Problems,
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Value, problems: &'a Problems) -> Self {
        Self { value, path: String::new(), problems }
    }

    pub(super) fn path(&self) -> &str {
        &self.path
    }

    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    /// Records what is wrong here; returns `None` so that a reader can end with it.
    pub(super) fn refuse<T>(&self, message: impl Into<String>) -> Option<T> {
        self.problems.report(&self.path, message);
        None
    }

    pub(super) fn table(&self) -> Option<Table<'a>> {
        let Value::Object(map) = self.value else { return self.refuse("must be a mapping") };
        Some(Table { map, path: self.path.clone(), problems: self.problems, known: Vec::new() })
    }

    /// A mapping of at least one entry, whose keys the user chooses. Every entry is read, so every problem is found.
    pub(super) fn entries<T, C: FromIterator<T>>(
        &self,
        read: impl Fn(&'a str, &Node<'a>) -> Option<T>,
    ) -> Option<C> {
        let Value::Object(map) = self.value else { return self.refuse("must be a mapping") };
        if map.is_empty() {
            return self.refuse("must not be empty");
        }
        let read_entries: Vec<Option<T>> = map
            .iter()
            .map(|(key, value)| read(key, &self.child(&format!(".{}", quoted(key)), value)))
            .collect();
        read_entries.into_iter().collect()
    }

    /// A list of at least one item. Every item is read, so every problem is found.
    pub(super) fn list<T>(&self, read: impl Fn(&Node<'a>) -> Option<T>) -> Option<Vec<T>> {
        let Value::Array(items) = self.value else { return self.refuse("must be a list") };
        if items.is_empty() {
            return self.refuse("must not be empty");
        }
        let read_items: Vec<Option<T>> = items
            .iter()
            .enumerate()
            .map(|(index, value)| read(&self.child(&format!("[{index}]"), value)))
            .collect();
        read_items.into_iter().collect()
    }

    pub(super) fn text(&self) -> Option<&'a str> {
        match self.value {
            Value::String(text) if text.is_empty() => self.refuse("must not be empty"),
            Value::String(text) => Some(text),
            Value::Number(_) | Value::Bool(_) => self.refuse("must be text: put it in quotes"),
            Value::Null | Value::Array(_) | Value::Object(_) => self.refuse("must be text"),
        }
    }

    pub(super) fn boolean(&self) -> Option<bool> {
        self.value.as_bool().or_else(|| self.refuse("must be true or false"))
    }

    pub(super) fn integer(&self) -> Option<u64> {
        self.value.as_u64().or_else(|| self.refuse("must be a whole number"))
    }

    /// Text that `parse` accepts; its error becomes the message.
    pub(super) fn parsed<T, E: fmt::Display>(&self, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        parse(self.text()?).map_err(|error| self.problems.report(&self.path, error.to_string())).ok()
    }

    /// One of the named values.
    pub(super) fn one_of<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let found = choices.iter().find(|(name, _)| *name == text);
        let Some((_, value)) = found else {
            let names: Vec<_> = choices.iter().map(|(name, _)| format!("`{name}`")).collect();
            return self.refuse(format!("must be one of {}", names.join(", ")));
        };
        Some(*value)
    }

    /// A span of time with its unit, in seconds: `90s`, `2m`, `1h`.
    pub(super) fn seconds(&self) -> Option<u64> {
        let seconds = self.value.as_str().and_then(parse_seconds);
        seconds.or_else(|| self.refuse("must be a whole number with a unit: `30s`, `2m` or `1h`"))
    }

    fn child(&self, step: &str, value: &'a Value) -> Node<'a> {
        let path = format!("{}{step}", self.path).trim_start_matches('.').to_owned();
        Node { value, path, problems: self.problems }
    }
}

/// A mapping whose keys we name. [`Table::finish`] reports the ones nobody asked for.
pub(super) struct Table<'a> {
    map: &'a Map<String, Value>,
    path: String,
    problems: &'a Problems,
    known: Vec<&'static str>,
}

impl<'a> Table<'a> {
    pub(super) fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Node<'a>) -> Option<T>,
    ) -> Option<T> {
        let Some(node) = self.node(key) else {
            self.problems.report(&self.path_of(key), "is missing");
            return None;
        };
        read(&node)
    }

    /// `None` both when the key is absent and when its value was refused: in the second case the whole document is.
    pub(super) fn optional<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Node<'a>) -> Option<T>,
    ) -> Option<T> {
        read(&self.node(key)?)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.map.contains_key(key)
    }

    pub(super) fn refuse(&self, message: impl Into<String>) {
        self.problems.report(&self.path, message);
    }

    /// Whether exactly one of two keys is there. Each comes with how a message shows it.
    pub(super) fn exactly_one(&self, (one, shown): (&str, &str), (other, other_shown): (&str, &str)) -> bool {
        match (self.has(one), self.has(other)) {
            (true, false) | (false, true) => return true,
            (false, false) => self.refuse(format!("needs {shown} or {other_shown}")),
            (true, true) => self.refuse(format!("has both {shown} and {other_shown}: remove one of them")),
        }
        false
    }

    pub(super) fn refuse_key(&self, key: &str, message: impl Into<String>) {
        self.refuse_at(&self.path_of(key), message);
    }

    /// Of another place in the document, where two places do not fit together.
    pub(super) fn refuse_at(&self, path: &str, message: impl Into<String>) {
        self.problems.report(path, message);
    }

    pub(super) fn finish(self) {
        for key in self.map.keys().filter(|key| !self.known.contains(&key.as_str())) {
            let known = self.known.join(", ");
            self.problems
                .report(&self.path_of(&quoted(key)), format!("is not a known key; known are: {known}"));
        }
    }

    fn node(&mut self, key: &'static str) -> Option<Node<'a>> {
        self.known.push(key);
        let value = self.map.get(key)?;
        Some(Node { value, path: self.path_of(key), problems: self.problems })
    }

    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

/// A key as it may stand in a path: one that could be mistaken for a longer path is quoted, an endless one is cut.
pub fn quoted(key: &str) -> String {
    let short: String = key.chars().take(64).collect();
    let plain = !short.is_empty()
        && short.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$' | '/' | ':'));
    if plain { short } else { format!("{short:?}") }
}

fn parse_seconds(text: &str) -> Option<u64> {
    let (digits, unit_seconds) = [("s", 1), ("m", 60), ("h", 3600)]
        .into_iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(unit_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_of_time_needs_its_unit() {
        assert_eq!(parse_seconds("30s"), Some(30));
        assert_eq!(parse_seconds("2m"), Some(120));
        assert_eq!(parse_seconds("1h"), Some(3600));
        for refused in [
            "30",
            "",
            "s",
            "-1s",
            "+1s",
            "1.5s",
            "1d",
            " 1s",
            "99999999999999999999s",
            "9999999999999999999h",
        ] {
            assert_eq!(parse_seconds(refused), None, "{refused}");
        }
    }

    #[test]
    fn a_key_that_looks_like_a_path_is_quoted() {
        assert_eq!(quoted("prod"), "prod");
        assert_eq!(quoted("a.b"), "\"a.b\"");
        assert_eq!(quoted("a\nb"), "\"a\\nb\"");
    }
}
