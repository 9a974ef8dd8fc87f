//! The entries of one token in Vault's audit log.
//!
//! Receives the log's files and what the authorizer's line says of the token; produces its [`Chain`], in which each
//! call to Vault is one [`Step`]. It reads the files three times and keeps only what it found. The first pass finds
//! who bears the request id, the second what stands for the token and its wrapping, and the third every entry with
//! one of these.
//!
//! ```text
//! mint    response.wrap_info   token, accessor: the wrapping's own     wrapped_accessor: the token's
//!         response.auth        accessor: the token's, which was made in clear and so is no caller's
//! lookup  request.data.token   the wrapping token
//! unwrap  auth.accessor        the wrapping's      response.auth       accessor, client_token, metadata: the token's
//! use     auth.accessor        the token's         auth.metadata       request_id, in clear
//! dead    request.client_token the token, or the wrapping token, alone
//! other's request.data         token, accessor: of either, where somebody else revokes it or looks at it
//! ```
//!
//! The device writes all of these as HMACs, or in clear if it is configured to, so none of them leaves this module.

use std::collections::{BTreeMap, BTreeSet};

use aws_smithy_types::{DateTime, date_time::Format};
use serde::Serialize;
use serde_json::Value;
use vault_api::harmless;

use super::lines;
use crate::input::{InputError, Source};

/// So many calls of one token are told.
const MAX_STEPS: usize = 1000;
/// So many tokens with one request id are enough to know that it is not one token's.
const MAX_ACCESSORS: usize = 8;

/// What a call to Vault was to the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    /// It was made.
    Mint,
    /// The wrapping token was looked at.
    Lookup,
    /// The wrapping token was exchanged for it.
    Unwrap,
    /// It was sent with a call.
    Use,
    /// It was ended.
    Revoke,
    /// Its wrapping was ended.
    RevokeWrapping,
    /// Its wrapping token was sent with a call, which burns it, or given for another one.
    Misuse,
    /// Somebody else asked Vault about it or its wrapping, or to renew it.
    Inquiry,
}

/// One call to Vault.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Step {
    #[serde(rename = "step")]
    pub(super) kind: Kind,
    /// As Vault wrote it, UTC.
    pub(super) time: String,
    pub(super) operation: String,
    pub(super) path: String,
    /// Why Vault refused.
    pub(super) error: Option<String>,
    /// Whether the log has Vault's answer, or its refusal.
    pub(super) answered: bool,
    pub(super) remote_address: Option<String>,
    /// Vault's own id of the call.
    pub(super) vault_request_id: String,
    /// Of a mint: whether nobody saw the token yet.
    #[serde(skip)]
    pub(super) wrapped: bool,
}

/// Every step of one token, in the order of time.
#[derive(Default)]
pub(super) struct Chain {
    pub(super) steps: Vec<Step>,
    /// Steps that are not kept.
    pub(super) left_out: u64,
    /// Lines that could not be read.
    pub(super) unreadable: u64,
}

/// Which tokens bear a request id.
#[derive(Default)]
pub(super) struct Bearers {
    /// As the log writes them.
    pub(super) accessors: Vec<String>,
    /// The log writes accessors in clear.
    pub(super) in_clear: bool,
    pub(super) unreadable: u64,
    /// Files with lines none of which is an audit entry.
    pub(super) foreign: Vec<String>,
}

/// The files of one audit log.
pub(super) struct AuditLog<'a> {
    files: &'a [String],
}

/// What stands for one token, as the log writes it. Without `Debug`: a device may be told to write tokens in clear.
#[derive(Default)]
struct Marks {
    accessor: String,
    /// More than one where a server knows a token by another text than it gives out.
    tokens: BTreeSet<String>,
    wrapping_accessor: Option<String>,
    wrapping_token: Option<String>,
}

impl<'a> AuditLog<'a> {
    pub(super) fn new(files: &'a [String]) -> Self {
        Self { files }
    }

    /// The tokens whose metadata has the request id, where one is given; or the one with this accessor, where the log writes it in clear.
    pub(super) fn accessors_of(
        &self,
        request_id: Option<&str>,
        wrapped_accessor: Option<&str>,
    ) -> Result<Bearers, InputError> {
        let mut accessors = BTreeSet::new();
        let mut in_clear = false;
        let needles: Vec<String> =
            [request_id, wrapped_accessor].into_iter().flatten().map(str::to_owned).collect();
        let (unreadable, foreign) = self.scan(&needles, |entry| {
            let made = text(entry, "/response/wrap_info/wrapped_accessor");
            in_clear |= made.is_some() && made == wrapped_accessor;
            // A login may give its token the id as well: AppRole has it of a secret id, JWT of a claim.
            for auth in ["/auth", "/response/auth"] {
                let borne = text(entry, &format!("{auth}/metadata/request_id"));
                let bears_it = borne.is_some() && borne == request_id;
                let accessor = text(entry, &format!("{auth}/accessor"));
                in_clear |= accessor.is_some() && accessor == wrapped_accessor;
                let accessor = accessor.filter(|_| bears_it);
                if let Some(accessor) = accessor.filter(|_| accessors.len() < MAX_ACCESSORS) {
                    accessors.insert(accessor.to_owned());
                }
            }
        })?;
        let clear = wrapped_accessor.filter(|_| in_clear).map(|accessor| vec![accessor.to_owned()]);
        let accessors = clear.unwrap_or_else(|| accessors.into_iter().collect());
        Ok(Bearers { accessors, in_clear, unreadable, foreign })
    }

    /// Everything that happened to the token with this accessor, as the log writes it.
    pub(super) fn chain(&self, accessor: &str) -> Result<Chain, InputError> {
        let marks = self.marks(accessor)?;
        let mut chain = Chain::default();
        let mut places: BTreeMap<String, usize> = BTreeMap::new();
        (chain.unreadable, _) = self.scan(&marks.needles(), |entry| {
            let Some(kind) = marks.kind(entry) else { return };
            let id = text(entry, "/request/id").unwrap_or_default();
            if let Some(step) = places.get(id).and_then(|place| chain.steps.get_mut(*place)) {
                step.add(entry);
            } else if chain.steps.len() < MAX_STEPS || kind == Kind::Mint {
                places.insert(id.to_owned(), chain.steps.len());
                chain.steps.push(Step::of(kind, entry));
            } else {
                chain.left_out += u64::from(text(entry, "/type") == Some("request"));
            }
        })?;
        // Files may be given in any order, and a cluster's servers each write one.
        chain.steps.sort_by_cached_key(|step| instant(&step.time));
        Ok(chain)
    }

    fn marks(&self, accessor: &str) -> Result<Marks, InputError> {
        let mut marks = Marks { accessor: accessor.to_owned(), ..Marks::default() };
        self.scan(&[accessor.to_owned()], |entry| {
            let owned = |pointer: &str| text(entry, pointer).map(str::to_owned);
            if text(entry, "/response/wrap_info/wrapped_accessor") == Some(accessor) {
                marks.wrapping_accessor = owned("/response/wrap_info/accessor");
                marks.wrapping_token = owned("/response/wrap_info/token");
            }
            for auth in ["/auth", "/response/auth"] {
                if text(entry, &format!("{auth}/accessor")) == Some(accessor) {
                    marks.tokens.extend(owned(&format!("{auth}/client_token")));
                }
            }
        })?;
        Ok(marks)
    }

    /// Hands out audit entries alone, counts the damaged lines, and names the files that are no audit log.
    fn scan(
        &self,
        needles: &[String],
        mut found: impl FnMut(&Value),
    ) -> Result<(u64, Vec<String>), InputError> {
        let (mut unreadable, mut foreign): (u64, _) = (0, Vec::new());
        let mut found = |object: &Value| {
            if is_entry(object) {
                found(object);
            }
        };
        for file in self.files {
            let source = Source::File(file.into());
            let read = lines::scan(source.open()?, needles, is_entry, &mut found)
                .map_err(|error| source.unreadable(error))?;
            unreadable = unreadable.saturating_add(read.damaged);
            if read.foreign {
                foreign.push(source.to_string());
            }
        }
        Ok((unreadable, foreign))
    }
}

fn is_entry(object: &Value) -> bool {
    matches!(text(object, "/type"), Some("request" | "response"))
        && object.get("request").is_some_and(Value::is_object)
}

impl Marks {
    fn needles(&self) -> Vec<String> {
        let wrapping = self.wrapping_accessor.iter().chain(&self.wrapping_token);
        [&self.accessor].into_iter().chain(&self.tokens).chain(wrapping).cloned().collect()
    }

    /// What an entry is to the token, if anything.
    fn kind(&self, entry: &Value) -> Option<Kind> {
        let is = |pointer: &str, mark: Option<&String>| {
            text(entry, pointer).is_some_and(|value| mark.is_some_and(|mark| mark == value))
        };
        let is_token = |pointer: &str| text(entry, pointer).is_some_and(|value| self.tokens.contains(value));
        let accessor = Some(&self.accessor);
        let (wrapping_accessor, wrapping_token) =
            (self.wrapping_accessor.as_ref(), self.wrapping_token.as_ref());
        let path = text(entry, "/request/path").unwrap_or_default();
        // A renewal answers with the token as its making does, and an unwrap too.
        let gives_back = path == "sys/wrapping/unwrap" || path.starts_with("auth/token/renew");
        let gives = ["/response/wrap_info/wrapped_accessor", "/response/auth/accessor"];
        if !gives_back && gives.iter().any(|pointer| is(pointer, accessor)) {
            return Some(Kind::Mint);
        }
        // Who calls, and whom the call is about. The second alone burns nothing.
        let by_wrapping =
            is("/auth/accessor", wrapping_accessor) || is("/request/client_token", wrapping_token);
        let by_token = is("/auth/accessor", accessor) || is_token("/request/client_token");
        let of_wrapping =
            is("/request/data/token", wrapping_token) || is("/request/data/accessor", wrapping_accessor);
        let of_token = is_token("/request/data/token") || is("/request/data/accessor", accessor);
        let call = path.strip_prefix("auth/token/").unwrap_or_default();
        let ends = ["revoke", "revoke-orphan", "revoke-accessor"].contains(&call);
        let asks = ["lookup", "lookup-accessor", "renew", "renew-accessor"].contains(&call);
        Some(match path {
            "sys/wrapping/lookup" if by_wrapping || of_wrapping => Kind::Lookup,
            "sys/wrapping/unwrap"
                if by_wrapping || of_wrapping || is("/response/auth/accessor", accessor) =>
            {
                Kind::Unwrap
            }
            _ if by_wrapping => Kind::Misuse,
            // Whoever has it rewrapped holds another wrapping token of the same token.
            "sys/wrapping/rewrap" if of_wrapping => Kind::Misuse,
            "auth/token/revoke-self" if by_token => Kind::Revoke,
            _ if of_token && ends => Kind::Revoke,
            _ if of_wrapping && ends => Kind::RevokeWrapping,
            _ if by_token => Kind::Use,
            _ if (of_token || of_wrapping) && asks => Kind::Inquiry,
            _ => return None,
        })
    }
}

impl Step {
    fn of(kind: Kind, entry: &Value) -> Self {
        let owned = |pointer: &str| text(entry, pointer).map(str::to_owned);
        let mut step = Self {
            kind,
            time: owned("/time").unwrap_or_default(),
            operation: owned("/request/operation").unwrap_or_default(),
            path: without_tokens(text(entry, "/request/path").unwrap_or_default()),
            error: None,
            answered: false,
            remote_address: owned("/request/remote_address"),
            vault_request_id: owned("/request/id").unwrap_or_default(),
            wrapped: text(entry, "/response/wrap_info/wrapped_accessor").is_some(),
        };
        step.add(entry);
        step
    }

    /// Whether Vault did it. Without an answer in the log, nobody knows.
    pub(super) fn succeeded(&self) -> bool {
        self.answered && self.error.is_none()
    }

    /// Whether the wrapping token was exchanged for another one, whose holder the log does not show.
    pub(super) fn is_rewrap(&self) -> bool {
        self.path == "sys/wrapping/rewrap"
    }

    /// Takes the other entry of the same call.
    fn add(&mut self, entry: &Value) {
        // What a plugin answered may quote anything.
        self.error = self.error.take().or_else(|| text(entry, "/error").map(harmless));
        self.answered |= self.error.is_some() || text(entry, "/type") == Some("response");
    }
}

fn text<'v>(entry: &'v Value, pointer: &str) -> Option<&'v str> {
    entry.pointer(pointer)?.as_str().filter(|text| !text.is_empty())
}

/// Vault's old calls have a token in the path, which the audit log has in clear.
fn without_tokens(path: &str) -> String {
    let is_token = |segment: &str| {
        ["s.", "b.", "r.", "hvs.", "hvb.", "hvr."]
            .iter()
            .any(|prefix| segment.strip_prefix(prefix).is_some_and(|rest| rest.len() >= 16))
    };
    let segments = path.split('/').map(|segment| if is_token(segment) { "…" } else { segment });
    segments.collect::<Vec<_>>().join("/")
}

/// In nanoseconds. In an order, what is no time comes first.
pub(super) fn instant(time: &str) -> Option<i128> {
    DateTime::from_str(time, Format::DateTimeWithOffset).ok().map(|time| time.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_any_precision_are_in_order() {
        let times =
            ["2026-11-24T19:19:25.94159989Z", "2026-11-24T19:19:25.941894126Z", "2026-11-24T19:19:26Z"];
        assert!(times.map(instant).is_sorted() && instant(times[0]).is_some());
    }

    #[test]
    fn rejects_a_token_in_a_path() {
        assert_eq!(without_tokens("auth/token/lookup/s.KGXDu8CLc1DnGKEU4KBqXzzW"), "auth/token/lookup/…");
        assert_eq!(without_tokens("secret/data/b.txt"), "secret/data/b.txt");
    }
}
