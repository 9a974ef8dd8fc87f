//! The document's sections, read top-down into the steps' own settings.
//!
//! Receives the document's text; produces a [`Config`], or every problem in it. Leaves where the text comes from to
//! [`source`](super::source), and what the settings mean to the steps. The larger sections have a file each.

pub(super) mod aws_identity;
mod callers;
pub(super) mod issuers;
mod stages;
mod vault;

use std::{cell::RefCell, collections::BTreeMap, fs, num::NonZeroU32, path::Path, str::FromStr};

use serde_json::Value;

use super::{
    Config, InvalidConfig, Limits,
    node::{Node, Problems, Table},
};
use crate::{
    event::CredentialSource,
    response::{AnswerSettings, ResponseAs, UnauthorizedAs},
    telemetry::CallerIdInLog,
};

const MAX_FILE_BYTES: u64 = 256 * 1024;

const ONE_PLACE: &str =
    "must be one of {header: …}, {header: …, scheme: none}, {cookie: …}, {query: …}, {websocket_protocol: …}";

/// One caller, by all instances, may have half of what a grant has: the fronts reserve 20 instances, and 20 × 5 are 100 of 200.
/// The other half is for everybody else, so a loop or a stolen credential stops nobody. The burst, of twice as many, is for
/// somebody's page that makes its calls together. A service that sends more through one warm instance needs a higher limit,
/// and with it a higher quota or fewer instances; `check` and `doctor` do the sum.
pub(in crate::config) const DEFAULT_CALLER_MINTS_PER_SECOND: u32 = 5;
/// About what one Vault on an ordinary disk can mint.
pub(in crate::config) const DEFAULT_GRANT_MINTS_PER_SECOND: u32 = 200;
pub(in crate::config) const MAX_MINTS_PER_SECOND: u32 = 100_000;

pub(super) fn read(document: &str, task_root: &Path) -> Result<Config, InvalidConfig> {
    let value: Value = serde_saphyr::from_str_with_options(document, yaml_options()).map_err(|error| {
        InvalidConfig::one(format!("not a YAML document: {}", reason(&error.to_string())))
    })?;
    let problems = Problems::default();
    let reader = Reader { task_root, document: &value, seen: RefCell::default() };
    let config = reader.config(&Node::root(&value, &problems));
    let problems = problems.into_vec();
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        Some(_) | None => Err(InvalidConfig { problems }),
    }
}

/// The parser's own text quotes the document around the error, and a document can hold a development token.
fn reason(message: &str) -> &str {
    let line = message.lines().next().unwrap_or_default();
    // Advice to whoever calls the parser, not to whoever writes the document.
    line.split(", set DuplicateKeyPolicy").next().unwrap_or_default()
}

/// YAML 1.2: `yes`, `no`, `on`, `off` and `2024_01` are text, so that a claim bound to one of them means what it says.
fn yaml_options() -> serde_saphyr::Options {
    serde_saphyr::options! { strict_booleans: true, underscored_numbers_as_strings: true }
}

struct Reader<'r> {
    task_root: &'r Path,
    /// The document itself, where one section asks what another says.
    document: &'r Value,
    /// What must be unique in the document: by which rule, its value, and where it was seen last.
    seen: RefCell<BTreeMap<(&'static str, String), String>>,
}

impl Reader<'_> {
    fn config(&self, root: &Node<'_>) -> Option<Config> {
        let mut table = root.table()?;
        let vault = table.required("vault", |node| self.vault(node));
        let aws_identity = table.optional("aws_identity", aws_identity::read);
        let issuers = if table.has("aws_identity") {
            // Where IAM callers are all there are, no issuer is needed.
            table.optional("issuers", |node| self.issuers(node)).or_else(|| Some(Vec::new()))
        } else {
            table.required("issuers", |node| self.issuers(node))
        };
        let credentials =
            table.optional("credentials", |node| node.list(|node| self.credential_source(node)));
        let answer = table.optional("answer", answer).unwrap_or_default();
        let caller_id_in_log = table.optional("log", log).unwrap_or_default();
        let limits = limits(&mut table);
        let stages = table.required("stages", |node| self.stages(node));
        if let (Some(issuers), Some(stages)) = (&issuers, &stages) {
            stages::refuse_audiences_that_no_token_names(&table, issuers, stages);
        }
        table.finish();
        let credentials = credentials.unwrap_or_else(CredentialSource::default_list);
        Some(Config {
            vault: vault?,
            issuers: issuers?,
            aws_identity,
            credentials,
            answer,
            caller_id_in_log,
            limits: limits?,
            stages: stages?,
        })
    }

    /// One place, by the one key that says of which kind it is.
    fn credential_source(&self, node: &Node<'_>) -> Option<CredentialSource> {
        if !node.value().is_object() {
            return node.refuse(ONE_PLACE);
        }
        let mut table = node.table()?;
        let header = table.optional("header", |node| self.source(node, "header", header_name));
        let bare = table.optional("scheme", no_scheme).is_some();
        let header = header.map(if bare { CredentialSource::BareHeader } else { CredentialSource::Header });
        let places = [
            header,
            table.optional("cookie", |node| self.source(node, "cookie", token).map(CredentialSource::Cookie)),
            table.optional("query", |node| self.source(node, "query", token).map(CredentialSource::Query)),
            table.optional("websocket_protocol", |node| {
                self.source(node, "websocket_protocol", token).map(CredentialSource::WebSocketProtocol)
            }),
        ];
        if ["header", "cookie", "query", "websocket_protocol"].iter().filter(|key| table.has(key)).count()
            != 1
        {
            table.refuse(ONE_PLACE);
        } else if table.has("scheme") && !table.has("header") {
            table.refuse("`scheme` belongs to a `header`: everywhere else the JWT stands alone");
        }
        table.finish();
        places.into_iter().flatten().next()
    }

    /// Named twice, every credential would be found twice, and refused.
    fn source(
        &self,
        node: &Node<'_>,
        kind: &'static str,
        parse: fn(&str) -> Result<String, &'static str>,
    ) -> Option<String> {
        let name = node.parsed(parse)?;
        self.unique_value(node, &format!("{kind} {}", name.to_ascii_lowercase()), "one place twice");
        Some(name)
    }

    /// Reports the second place that uses a value of which `rule` allows one in the document.
    fn unique(&self, node: &Node<'_>, rule: &'static str) {
        if let Some(value) = node.value().as_str() {
            self.unique_value(node, value, rule);
        }
    }

    fn unique_value(&self, node: &Node<'_>, value: &str, rule: &'static str) {
        let first = self.seen.borrow_mut().insert((rule, value.to_owned()), node.path().to_owned());
        if let Some(first) = first {
            node.refuse::<()>(format!("{rule}; the other is {first}"));
        }
    }

    fn file(&self, node: &Node<'_>) -> Option<Vec<u8>> {
        let path = self.task_root.join(node.text()?);
        let too_large = fs::metadata(&path).is_ok_and(|file| file.len() > MAX_FILE_BYTES);
        if too_large {
            return node.refuse(format!("{} is larger than {MAX_FILE_BYTES} bytes", path.display()));
        }
        fs::read(&path)
            .map_err(|error| node.refuse::<()>(format!("{} cannot be read: {error}", path.display())))
            .ok()
    }
}

/// Header names have no case, and lower case is how HTTP APIs hand them over.
fn header_name(text: &str) -> Result<String, &'static str> {
    let name = text.to_ascii_lowercase();
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if !plain || vault_context::is_reserved_header(&name) {
        return Err("must be a header's name that does not start with `x-vault-`");
    }
    Ok(name)
}

fn no_scheme(node: &Node<'_>) -> Option<()> {
    match node.text()? {
        "none" => Some(()),
        _ => node.refuse(
            "must be `none` where it is written: without it, the value begins with `Bearer` or `AWS-Identity`",
        ),
    }
}

/// A token of RFC 9110, section 5.6.2: what a cookie's name and a subprotocol are made of, and a sane parameter's.
fn token(text: &str) -> Result<String, &'static str> {
    let plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
    if plain { Ok(text.to_owned()) } else { Err("must be letters, digits and `!#$%&'*+-.^_`|~`") }
}

fn answer(node: &Node<'_>) -> Option<AnswerSettings> {
    let mut table = node.table()?;
    let responses = [("policy", ResponseAs::Policy), ("simple", ResponseAs::Simple)];
    let response = table.optional("response", |node| node.one_of(&responses));
    let choices = [("throw", UnauthorizedAs::Thrown), ("deny", UnauthorizedAs::Denied)];
    let unauthorized = table.optional("unauthorized", |node| node.one_of(&choices));
    table.finish();
    let default = AnswerSettings::default();
    Some(AnswerSettings {
        response: response.unwrap_or(default.response),
        unauthorized: unauthorized.unwrap_or(default.unauthorized),
    })
}

/// What is absent has its default; `None` where something was refused.
fn limits(table: &mut Table<'_>) -> Option<Limits> {
    let read = |node: &Node<'_>| {
        let mut table = node.table()?;
        let caller = table.optional("caller_mints_per_second", per_second);
        let grant = table.optional("grant_mints_per_second", per_second);
        table.finish();
        Some((caller, grant))
    };
    let (caller, grant) = table.optional("limits", read).unwrap_or_default();
    Some(Limits {
        caller_mints_per_second: caller.or(NonZeroU32::new(DEFAULT_CALLER_MINTS_PER_SECOND))?,
        grant_mints_per_second: grant.or(NonZeroU32::new(DEFAULT_GRANT_MINTS_PER_SECOND))?,
    })
}

fn per_second(node: &Node<'_>) -> Option<NonZeroU32> {
    let rate = u32::try_from(node.integer()?).ok().and_then(NonZeroU32::new);
    let rate = rate.filter(|rate| rate.get() <= MAX_MINTS_PER_SECOND);
    rate.or_else(|| node.refuse(format!("must be from 1 to {MAX_MINTS_PER_SECOND}")))
}

fn log(node: &Node<'_>) -> Option<CallerIdInLog> {
    let mut table = node.table()?;
    let choices =
        [("plain", CallerIdInLog::Plain), ("hash", CallerIdInLog::Hashed), ("omit", CallerIdInLog::Omitted)];
    let caller_id = table.optional("caller_id", |node| node.one_of(&choices));
    table.finish();
    caller_id
}

fn key<T: FromStr<Err: std::fmt::Display>>(name: &str, node: &Node<'_>) -> Option<T> {
    name.parse().map_err(|error: T::Err| node.refuse::<()>(format!("its name {error}"))).ok()
}

fn texts(node: &Node<'_>) -> Option<Vec<String>> {
    node.list(|node| node.text().map(str::to_owned))
}

fn seconds(node: &Node<'_>, least: u64, most: u64) -> Option<u64> {
    let seconds = node.seconds()?;
    if (least..=most).contains(&seconds) {
        return Some(seconds);
    }
    node.refuse(format!("must be from {least}s to {most}s"))
}
