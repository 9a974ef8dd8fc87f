//! The rules of a document, read from one table, and how a document breaks them.
//!
//! Receives a parsed document; produces its problems. The table is data, and the CDK construct and the Terraform
//! module report its problems in the same words. This module knows the meaning of a section only in messages.
//!
//! INVARIANT (one rulebook): each word has one meaning in all three readers; `cases.json` has documents with their exact problems,
//! and all three are tested with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{LazyLock, OnceLock},
};

use regex_lite::Regex;
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value};

use crate::{Problem, Seconds, problem::quoted};

/// The table.
#[derive(Debug, Deserialize)]
struct Table {
    /// Mappings of which there are several kinds, and the key that tells which: a login's `method`.
    kinds: BTreeMap<String, String>,
    /// What may stand where: `stages.*.api_ids[]` is every item of that list in every stage.
    places: BTreeMap<String, Place>,
}

/// What must hold at a place.
#[derive(Debug, Default, Deserialize)]
struct Place {
    /// Of what stands there. The first rule that fails is told, at the place.
    own: Vec<Rule<Own>>,
    /// Between the keys of the mapping that stands there.
    #[serde(default)]
    between: Vec<Rule<Between>>,
}

/// One thing that must hold.
#[derive(Debug, Deserialize)]
struct Rule<W> {
    /// The kinds that it is for; all, where it names none.
    #[serde(default)]
    of: Vec<String>,
    #[serde(flatten)]
    word: W,
    /// What is told where it does not hold. `{other}` is the place that was there first, `{known}` the keys of a section.
    message: String,
}

/// Of one value. Texts are judged by the rules for texts alone, and numbers by those for numbers: the type has a rule of its own.
#[derive(Debug, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
enum Own {
    /// One of these types.
    Type { types: Vec<Type> },
    /// No empty text, list or mapping.
    Filled,
    /// One of these texts, or this boolean.
    OneOf { values: Vec<Value> },
    /// A text that matches.
    Pattern(Matching),
    /// A text that does not match.
    Not(Matching),
    /// Its key in the mapping around it matches.
    Named(Matching),
    /// Its key in the mapping around it does not match.
    NotNamed(Matching),
    /// At most so many characters.
    Length { most: usize },
    /// A whole number in these bounds.
    Range {
        least: Number,
        #[serde(default)]
        most: Option<Number>,
    },
    /// A span of time in these bounds.
    Seconds { least: u64, most: u64 },
    /// May not stand there.
    Never,
    /// Needs this section of the document, but for `false`.
    Needs { section: String },
    /// A key of that section, or an item of it; with a pattern, its first group is. A list that is not there holds everything.
    Among {
        section: String,
        #[serde(default)]
        pattern: Option<Pattern>,
    },
    /// A list with this item has no other.
    Alone { value: String },
}

/// Between the keys of a mapping, of which `a.b` is one further down. `false` counts as not there. What is wrong in itself is not
/// told twice.
#[derive(Debug, Deserialize)]
#[serde(tag = "rule", rename_all = "snake_case")]
enum Between {
    /// No other keys than these. Told at each other one.
    Keys { keys: Vec<String> },
    /// This key, whatever its value. Told there.
    Has { key: String },
    /// At least one of these. Told at the mapping, or where `tell` says.
    Some {
        keys: Vec<String>,
        #[serde(default)]
        tell: String,
    },
    /// At most one of these. Told at the mapping.
    Single { keys: Vec<String> },
    /// This key, where the other one is. Told at the key.
    Beside { key: String, other: String },
    /// Not both. Told at the key.
    NeverWith { key: String, other: String },
    /// A span of time no longer than the other. Told at the key.
    AtMost { key: String, other: String },
    /// A text that matches, where `when` has this value. Told at `when`.
    Fits {
        key: String,
        when: String,
        is: String,
        #[serde(flatten)]
        matching: Matching,
    },
    /// The pattern's first group is the same in both. Told at the key.
    Same {
        key: String,
        other: String,
        #[serde(flatten)]
        matching: Matching,
    },
    /// No mapping of this place has the same text, or one of the same texts, beside the same values of `by`. Told at the key of
    /// each but the first.
    Unique {
        key: String,
        /// With what stands for one that is not there.
        #[serde(default)]
        by: BTreeMap<String, String>,
        #[serde(default)]
        fold: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Type {
    Text,
    /// A number that JSON writes without a fraction.
    Whole,
    Number,
    Boolean,
    List,
    Mapping,
    Null,
}

#[derive(Debug, Deserialize)]
struct Matching {
    pattern: Pattern,
    /// In lower case.
    #[serde(default)]
    fold: bool,
}

/// Compiled at its first use: a document has few of the places, and a start should not wait for the others.
#[derive(Debug)]
struct Pattern {
    text: String,
    compiled: OnceLock<Regex>,
}

static TABLE: LazyLock<Table> = LazyLock::new(read);

#[expect(clippy::expect_used, reason = "the table is part of the binary, and every test reads it")]
fn read() -> Table {
    serde_json::from_str(include_str!("../../../infra/authorizer.rules.json"))
        .expect("the table is well formed")
}

/// What is wrong with a document, in the order of the places.
#[must_use]
pub fn problems(document: &Value) -> Vec<Problem> {
    let root =
        |place| Node { path: String::new(), at: String::new(), place, kind: None, name: "", value: document };
    let mut nodes: Vec<Node<'_>> = TABLE.places.get("").map(root).into_iter().collect();
    // Every node's children come after it.
    let mut next = 0;
    while let Some(node) = nodes.get(next) {
        let children = node.children(document);
        nodes.extend(children);
        next += 1;
    }
    let mut problems: Vec<Problem> = nodes.iter().filter_map(|node| node.own_problem(document)).collect();
    let told: BTreeSet<String> = problems.iter().map(|problem| problem.path.clone()).collect();
    let between = nodes.iter().flat_map(Node::problems_between).chain(repeated(&nodes));
    problems.extend(between.filter(|problem| !told.contains(&problem.path)));
    problems.sort();
    problems.dedup();
    problems
}

/// A value at a place that the table knows.
struct Node<'d> {
    /// As messages have it: `stages.prod.api_ids[0]`.
    path: String,
    /// As the table has it: `stages.*.api_ids[]`.
    at: String,
    place: &'static Place,
    /// That of the nearest mapping that has one.
    kind: Option<&'d str>,
    /// Its key in the mapping around it.
    name: &'d str,
    value: &'d Value,
}

impl<'d> Node<'d> {
    fn children(&self, document: &'d Value) -> Vec<Node<'d>> {
        let child = |path, at: String, name, value| {
            let place = TABLE.places.get(&at)?;
            let kind = TABLE.kinds.get(&at).map_or(self.kind, |key| kind(key, value, document));
            Some(Node { path, at, place, kind, name, value })
        };
        match self.value {
            Value::Object(map) => {
                let any = below(&self.at, "*");
                let keys_are_names = TABLE.places.contains_key(&any);
                let at = |key| if keys_are_names { any.clone() } else { below(&self.at, key) };
                // A key without a name is nobody's place.
                let entries = map.iter().filter(|(key, _)| keys_are_names || !key.is_empty());
                entries
                    .filter_map(|(key, value)| child(below(&self.path, &quoted(key)), at(key), key, value))
                    .collect()
            }
            Value::Array(items) => {
                let items = items.iter().enumerate();
                let path = |index| format!("{}[{index}]", self.path);
                items
                    .filter_map(|(index, value)| child(path(index), format!("{}[]", self.at), "", value))
                    .collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        }
    }

    fn holds<W>(&self, rule: &Rule<W>) -> bool {
        rule.of.is_empty() || self.kind.is_some_and(|kind| rule.of.iter().any(|of| of == kind))
    }

    fn own_problem(&self, document: &Value) -> Option<Problem> {
        let mut rules = self.place.own.iter().filter(|rule| self.holds(rule));
        let broken = rules.find(|rule| self.breaks(&rule.word, document))?;
        let mut message = broken.message.clone();
        if let Own::Among { section, .. } = &broken.word {
            let known = get(document, section).and_then(Value::as_object);
            let known: Vec<_> = known.into_iter().flatten().map(|(key, _)| quoted(key)).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            message = message.replace("{known}", &known);
        }
        Some(Problem { path: self.path.clone(), message })
    }

    fn breaks(&self, rule: &Own, document: &Value) -> bool {
        let text = self.value.as_str().filter(|text| !text.is_empty());
        match rule {
            Own::Type { types } => !types.iter().any(|one| one.is_of(self.value)),
            Own::Filled => match self.value {
                Value::String(text) => text.is_empty(),
                Value::Array(items) => items.is_empty(),
                Value::Object(map) => map.is_empty(),
                Value::Null | Value::Bool(_) | Value::Number(_) => false,
            },
            Own::OneOf { values } => {
                (self.value.is_string() || self.value.is_boolean()) && !values.contains(self.value)
            }
            Own::Pattern(matching) => text.is_some_and(|text| !matching.holds(text)),
            Own::Not(matching) => text.is_some_and(|text| matching.holds(text)),
            Own::Named(matching) => !matching.holds(self.name),
            Own::NotNamed(matching) => matching.holds(self.name),
            Own::Length { most } => text.is_some_and(|text| text.chars().count() > *most),
            Own::Range { least, most } => {
                let Value::Number(number) = self.value else { return false };
                let number = number.as_i128();
                let most = most.as_ref().and_then(Number::as_i128);
                number.is_none() || number < least.as_i128() || most.is_some() && number > most
            }
            Own::Seconds { least, most } => {
                let seconds = text.and_then(Seconds::parse);
                seconds.is_some_and(|Seconds(seconds)| !(*least..=*most).contains(&seconds))
            }
            Own::Never => true,
            Own::Needs { section } => *self.value != Value::Bool(false) && !is_there(document, section),
            Own::Among { section, pattern } => {
                let Some(text) = text else { return false };
                let one = match pattern {
                    None => Some(text),
                    Some(pattern) => group(pattern.regex(), text),
                };
                match (one, get(document, section)) {
                    (None, _) => false,
                    (Some(one), Some(Value::Array(items))) => !items.iter().any(|item| item == one),
                    (Some(one), Some(Value::Object(map))) => !map.contains_key(one),
                    (Some(_), _) => pattern.is_none(),
                }
            }
            Own::Alone { value } => {
                let items = self.value.as_array().map(Vec::as_slice).unwrap_or_default();
                items.len() > 1 && items.iter().any(|item| item == value)
            }
        }
    }

    fn problems_between(&self) -> Vec<Problem> {
        let Value::Object(map) = self.value else { return Vec::new() };
        let mut problems = Vec::new();
        for rule in self.place.between.iter().filter(|rule| self.holds(rule)) {
            let mut tell = |key: &str| {
                problems.push(Problem { path: below(&self.path, key), message: rule.message.clone() });
            };
            if let Between::Keys { keys } = &rule.word {
                map.keys().filter(|key| !keys.contains(key)).for_each(|key| tell(&quoted(key)));
            } else if let Some(key) = self.broken_at(&rule.word) {
                tell(key);
            }
        }
        problems
    }

    /// The key at which a broken rule is told; an empty one is the mapping itself.
    fn broken_at<'r>(&self, rule: &'r Between) -> Option<&'r str> {
        let has = |key: &str| is_there(self.value, key);
        let text = |key: &str| get(self.value, key).and_then(Value::as_str).filter(|text| !text.is_empty());
        let seconds = |key: &str| text(key).and_then(Seconds::parse);
        let (is_broken, at) = match rule {
            Between::Keys { .. } | Between::Unique { .. } => return None,
            Between::Has { key } => (get(self.value, key).is_none(), key),
            Between::Some { keys, tell } => (!keys.iter().any(|key| has(key)), tell),
            Between::Single { keys } => {
                return (keys.iter().filter(|key| has(key)).count() > 1).then_some("");
            }
            Between::Beside { key, other } => (has(other) && !has(key), key),
            Between::NeverWith { key, other } => (has(key) && has(other), key),
            Between::AtMost { key, other } => {
                (matches!((seconds(key), seconds(other)), (Some(one), Some(other)) if one > other), key)
            }
            Between::Fits { key, when, is, matching } => {
                let is_wrong = text(key).is_some_and(|text| !matching.holds(text));
                (text(when) == Some(is) && is_wrong, when)
            }
            Between::Same { key, other, matching } => {
                let group = |key| matching.group(text(key)?);
                (matches!((group(key), group(other)), (Some(one), Some(other)) if one != other), key)
            }
        };
        is_broken.then_some(at)
    }
}

/// What two mappings of one place have in common and may not.
fn repeated(nodes: &[Node<'_>]) -> Vec<Problem> {
    // By its index: two paths may read alike, where they are cut.
    let mut first: BTreeMap<(&str, String), usize> = BTreeMap::new();
    let mut problems = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        for rule in node.place.between.iter().filter(|rule| node.holds(rule)) {
            let Between::Unique { key, by, fold } = &rule.word else { continue };
            let values: Vec<&str> = match get(node.value, key) {
                Some(Value::String(text)) => vec![text],
                Some(Value::Array(items)) => items.iter().filter_map(Value::as_str).collect(),
                Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_)) | None => continue,
            };
            let by: Vec<&str> = by
                .iter()
                .map(|(key, default)| get(node.value, key).and_then(Value::as_str).unwrap_or(default))
                .collect();
            let mut others = values.into_iter().filter_map(|value| {
                let value = if *fold { value.to_ascii_lowercase() } else { value.to_owned() };
                let seen = first.entry((&rule.message, format!("{key} {by:?} {value:?}"))).or_insert(index);
                (*seen != index).then_some(*seen)
            });
            // All are looked at, and the first is told.
            let other = others.by_ref().next().and_then(|other| nodes.get(other));
            others.for_each(drop);
            if let Some(other) = other {
                let message = rule.message.replace("{other}", &below(&other.path, key));
                problems.push(Problem { path: below(&node.path, key), message });
            }
        }
    }
    problems
}

/// A grant is of its callers' kind.
fn kind<'d>(key: &str, value: &'d Value, document: &'d Value) -> Option<&'d str> {
    if key != "caller" {
        return value.get(key)?.as_str();
    }
    let caller = value.get(key)?;
    match caller.get("issuer") {
        Some(issuer) => document.get("issuers")?.get(issuer.as_str()?)?.get("kind")?.as_str(),
        None if caller.get("aws_identity") == Some(&Value::Bool(true)) => Some("aws_identity"),
        None => None,
    }
}

fn below(path: &str, key: &str) -> String {
    match (path, key) {
        ("", key) => key.to_owned(),
        (path, "") => path.to_owned(),
        (path, key) => format!("{path}.{key}"),
    }
}

fn get<'d>(value: &'d Value, keys: &str) -> Option<&'d Value> {
    keys.split('.').try_fold(value, |value, key| value.get(key))
}

fn is_there(value: &Value, keys: &str) -> bool {
    get(value, keys).is_some_and(|value| *value != Value::Bool(false))
}

impl Type {
    fn is_of(self, value: &Value) -> bool {
        match value {
            Value::String(_) => self == Self::Text,
            Value::Number(number) => self == Self::Number || self == Self::Whole && !number.is_f64(),
            Value::Bool(_) => self == Self::Boolean,
            Value::Array(_) => self == Self::List,
            Value::Object(_) => self == Self::Mapping,
            Value::Null => self == Self::Null,
        }
    }
}

impl Matching {
    fn holds(&self, text: &str) -> bool {
        let regex = self.pattern.regex();
        if self.fold { regex.is_match(&text.to_ascii_lowercase()) } else { regex.is_match(text) }
    }

    fn group(&self, text: &str) -> Option<String> {
        let text = if self.fold { text.to_ascii_lowercase() } else { text.to_owned() };
        group(self.pattern.regex(), &text).map(str::to_owned)
    }
}

fn group<'t>(regex: &Regex, text: &'t str) -> Option<&'t str> {
    regex.captures(text)?.get(1).map(|group| group.as_str())
}

impl Pattern {
    #[expect(clippy::expect_used, reason = "a test compiles every pattern of the table")]
    fn regex(&self) -> &Regex {
        self.compiled.get_or_init(|| Regex::new(&self.text).expect("the pattern is well formed"))
    }
}

impl<'de> Deserialize<'de> for Pattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self { text: String::deserialize(deserializer)?, compiled: OnceLock::new() })
    }
}
