//! The authorizer's line for one request.
//!
//! Receives its log and an id; produces the one [`Decision`] with that id. The chain knows what Vault did.

use aws_smithy_types::{DateTime, date_time::Format};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};

use super::lines;
use crate::input::{InputError, Source};

/// The fields that hold an id, as a client, a support ticket or API Gateway's own log may name it.
const IDS: [&str; 3] = ["lambda_request_id", "request_id", "extended_request_id"];

/// What is told of the line: nothing that another program may have put beside it.
const FIELDS: &str = "\
    outcome code message lambda_request_id request_id extended_request_id trace_id api_id stage \
    route method caller_kind caller_issuer caller_id grant token_role \
    wrapped_accessor creation_path minted_ahead ttl_seconds wrap_ttl_seconds decision_micros mint_micros";

/// So many are kept where an id is not one request's.
const MAX_DECISIONS: usize = 20;

/// Why there is no decision to tell of.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FindError {
    /// An empty text would be found everywhere.
    #[error("`--request-id` is empty")]
    IdEmpty,
    /// Not in the log.
    #[error("no decision in {log} has the request id `{id}`{}", unread(*.unreadable))]
    Unknown {
        /// The file.
        log: String,
        /// As given.
        id: String,
        /// Lines that it may have stood in.
        unreadable: u64,
    },
    /// Of no known form, so that it proves nothing.
    #[error(
        "no line of {log} could be read as an authorizer decision: pass the authorizer's own log, as text or gzip"
    )]
    NotRead {
        /// The file.
        log: String,
    },
    /// A client chooses API Gateway's request id.
    #[error("more than one decision in {log} has the request id `{id}`: pass the `lambda_request_id` of one, such as `{}`", .lambda_request_ids.join("`, `"))]
    Ambiguous {
        /// The file.
        log: String,
        /// As given.
        id: String,
        /// Of the decisions.
        lambda_request_ids: Vec<String>,
    },
    /// The log itself.
    #[error(transparent)]
    Input(#[from] InputError),
}

pub(super) fn unread(lines: u64) -> String {
    match lines {
        0 => String::new(),
        1 => "; 1 line of it is damaged".to_owned(),
        lines => format!("; {lines} lines of it are damaged"),
    }
}

/// One line of the authorizer's log.
pub(super) struct Decision {
    fields: Map<String, Value>,
    /// When it was made, if the line says.
    pub(super) time: Option<String>,
}

/// Finds it, and counts the lines that could not be read.
pub(super) fn find(log: &Source, id: &str) -> Result<(Decision, u64), FindError> {
    if id.is_empty() {
        return Err(FindError::IdEmpty);
    }
    let mut decisions: Vec<Decision> = Vec::new();
    let keep = |line: &Value| {
        let has_it = |name: &&str| line.get(*name).and_then(Value::as_str) == Some(id);
        let is_decision = line.get("outcome").is_some_and(Value::is_string);
        if !is_decision || !IDS.iter().any(has_it) || decisions.len() > MAX_DECISIONS {
            return;
        }
        let decision = Decision::of(line);
        // A log that was put together of two exports may have a line twice.
        if !decisions.iter().any(|known| known.fields == decision.fields) {
            decisions.push(decision);
        }
    };
    let is_decision = |line: &Value| {
        ["outcome", "lambda_request_id"].iter().all(|name| line.get(*name).is_some_and(Value::is_string))
    };
    let read = lines::scan(log.open()?, &[id.to_owned()], is_decision, keep)
        .map_err(|error| log.unreadable(error))?;
    let of_lambda = |decision: &Decision| decision.lambda_request_id() == id;
    // Lambda makes its ids; a client can choose API Gateway's, that of another request too.
    if decisions.iter().any(of_lambda) {
        decisions.retain(of_lambda);
    }
    if decisions.len() > 1 {
        let lambda_request_ids = decisions.iter().map(|one| one.lambda_request_id().to_owned()).collect();
        return Err(FindError::Ambiguous { log: log.to_string(), id: id.to_owned(), lambda_request_ids });
    }
    let log = log.to_string();
    match decisions.pop() {
        Some(decision) => Ok((decision, read.damaged)),
        None if read.foreign => Err(FindError::NotRead { log }),
        None => Err(FindError::Unknown { log, id: id.to_owned(), unreadable: read.damaged }),
    }
}

impl Decision {
    fn of(line: &Value) -> Self {
        let field = |name: &str| Some((name.to_owned(), line.get(name)?.clone()));
        let millis = line.pointer("/_aws/Timestamp").and_then(Value::as_i64);
        let time = millis.and_then(|millis| DateTime::from_millis(millis).fmt(Format::DateTime).ok());
        Self { fields: FIELDS.split(' ').filter_map(field).collect(), time }
    }

    /// A field in words; empty where it is absent.
    pub(super) fn text(&self, name: &str) -> String {
        match self.fields.get(name) {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(value) => value.to_string(),
        }
    }

    /// The id that the token's metadata has too, unless the token was minted ahead.
    pub(super) fn lambda_request_id(&self) -> &str {
        self.fields.get("lambda_request_id").and_then(Value::as_str).unwrap_or_default()
    }

    /// The id in the metadata of the decision's token. One that was minted ahead has none, so whoever's token bears this
    /// request's id, it is not the request's.
    pub(super) fn id_in_metadata(&self) -> Option<&str> {
        (!self.is_minted_ahead()).then(|| self.lambda_request_id())
    }

    /// Whether the token was minted before the request.
    pub(super) fn is_minted_ahead(&self) -> bool {
        self.fields.get("minted_ahead") == Some(&Value::Bool(true))
    }

    /// The accessor of the token that was given to the integration.
    pub(super) fn wrapped_accessor(&self) -> Option<&str> {
        self.fields.get("wrapped_accessor").and_then(Value::as_str).filter(|accessor| !accessor.is_empty())
    }

    /// Where it was minted.
    pub(super) fn creation_path(&self) -> Option<&str> {
        self.fields.get("creation_path").and_then(Value::as_str)
    }
}

impl Serialize for Decision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = self.fields.clone();
        fields.insert("time".to_owned(), self.time.clone().into());
        fields.serialize(serializer)
    }
}
