//! Joins the two logs: the decision, and what Vault did for it.
//!
//! Receives the decision and the audit log; produces the [`Trace`], with conclusions that the reader should not have
//! to draw alone.
//!
//! ```text
//! authorizer's log   lambda_request_id   wrapped_accessor
//!                           │                   │ sys/audit-hash/<device>: needs power at the server
//! audit log          metadata.request_id        ▼
//!                    in clear, from the  ──▶ HMAC of the accessor ──▶ every entry of the token, its mint included
//!                    unwrap on
//! ```
//!
//! The left path needs no power. It is taken if it leads to one token that was minted as the decision says. A token
//! that nobody unwrapped shows no metadata, and a token that was minted ahead has no request id. For these, and if
//! another token bears the id, the command asks the server.

use authorizer_steps::error_chain::with_causes;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{
    chain::{AuditLog, Chain, Kind, Step},
    decision::{Decision, unread},
};
use crate::{
    connection::{self, AddressArguments},
    input::InputError,
    operator::{Needs, Operator, OperatorError},
};

/// What is told.
#[derive(Serialize)]
pub(super) struct Trace {
    /// Whether what Vault did is known, as far as the decision asked for it.
    pub(super) complete: bool,
    /// What joined the logs.
    pub(super) joined_by: Option<JoinedBy>,
    pub(super) decision: Decision,
    pub(super) steps: Vec<Step>,
    pub(super) notes: Vec<String>,
    /// Whether the steps may be of a token that somebody else gave this request id.
    #[serde(skip)]
    pub(super) is_anothers: bool,
}

/// What stands in both logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum JoinedBy {
    /// `request_id` in the token's metadata.
    Metadata,
    /// The accessor, which this device writes in clear.
    Accessor,
    /// The accessor's HMAC, which Vault computed.
    AuditHash,
}

/// Follows the decision into Vault's audit log.
pub(super) async fn follow(
    decision: Decision,
    unreadable: u64,
    audit_log: &AuditLog<'_>,
    audit_device: Option<&str>,
) -> Result<Trace, InputError> {
    let seen = audit_log.accessors_of(decision.id_in_metadata(), decision.wrapped_accessor())?;
    let (mut chain, mut joined_by) = match seen.accessors.as_slice() {
        [only] => {
            let joined_by = if seen.in_clear { JoinedBy::Accessor } else { JoinedBy::Metadata };
            (audit_log.chain(only)?, Some(joined_by))
        }
        _ => (Chain::default(), None),
    };
    let mut doubt = Doubt::of(&decision, joined_by, &chain.steps, !seen.accessors.is_empty());
    let mut unread = seen.unreadable > 0 || !seen.foreign.is_empty();
    let mut notes = Vec::new();
    if let (Some(why), Some(clear)) = (&doubt, decision.wrapped_accessor()) {
        match hashed(clear, audit_device).await {
            Ok(hash) => {
                let own = audit_log.chain(&hash)?;
                if own.steps.is_empty() {
                    let why = joined_by.map(|_| format!("{why}; ")).unwrap_or_default();
                    let nothing =
                        if unread || own.unreadable > 0 { NOT_IN_WHAT_WAS_READ } else { NOT_IN_THIS_LOG };
                    notes.push(format!("{why}{nothing}"));
                } else {
                    (chain, joined_by) = (own, Some(JoinedBy::AuditHash));
                    doubt = Doubt::of(&decision, joined_by, &chain.steps, true);
                    notes.extend(doubt.iter().map(ToString::to_string));
                    if seen.accessors.iter().any(|accessor| *accessor != hash) {
                        notes.push(ANOTHER_LEFT_OUT.to_owned());
                    }
                }
            }
            Err(reason) => notes.push(format!("{why}; {reason}")),
        }
    }
    if chain.left_out > 0 {
        notes.push(format!("{} more uses are not shown", chain.left_out));
    }
    unread |= chain.unreadable > 0;
    let Remarks { seen: remarks, missing } = remarks(&decision, &chain.steps, doubt.as_ref());
    // What is missing from a log proves nothing where a part of it was not read.
    let withheld = unread && !missing.is_empty();
    let missing = if withheld { vec![WITHHELD] } else { missing };
    notes.extend(remarks.into_iter().chain(missing).map(str::to_owned));
    notes.extend(damage("the authorizer's log", unreadable));
    notes.extend(damage("Vault's audit log", seen.unreadable.max(chain.unreadable)));
    notes.extend(seen.foreign.iter().map(|file| {
        format!("{file} was not read, because no line of it is an audit entry. Pass the log of a device with `format=json`, as text or gzip")
    }));
    Ok(Trace {
        is_anothers: matches!(doubt, Some(Doubt::Anothers { .. } | Doubt::MintUnseen)),
        complete: doubt.is_none() && !withheld,
        joined_by,
        decision,
        steps: std::mem::take(&mut chain.steps),
        notes,
    })
}

/// Why what was found is not known to be all, or to be the request's. The metadata alone proves nothing: whoever may make
/// tokens writes into it, and some auth methods take it from whoever logs in.
#[derive(Debug, thiserror::Error)]
enum Doubt {
    /// No token can bear the id, and the accessor is hashed.
    #[error(
        "the token was minted ahead, before this request, so the audit log names it only by its accessor"
    )]
    Ahead,
    /// No token bears the id.
    #[error(
        "the audit log does not have this request id, which appears there from the unwrap on: either nobody unwrapped the token, or the unwrap is not in this log"
    )]
    Unseen,
    /// More than one does.
    #[error(
        "more than one token has this request id in its metadata, which anyone who may create tokens can write"
    )]
    Ambiguous,
    /// One does, and was not made as the decision says.
    #[error("this is somebody else's token: it was minted at `{path}`{}, by somebody who gave it this request id", if *.wrapped { "" } else { ", not wrapped" })]
    Anothers {
        /// Where.
        path: String,
        /// As every token of the authorizer's is.
        wrapped: bool,
    },
    /// One does, and nothing says who made it.
    #[error(
        "the mint is not in this audit log, so it is unclear whose token this is: anyone who may create tokens can write a request id into one; an older file may have the mint"
    )]
    MintUnseen,
}

impl Doubt {
    fn of(decision: &Decision, joined_by: Option<JoinedBy>, steps: &[Step], borne: bool) -> Option<Self> {
        // A decision without an accessor gave nobody a token.
        decision.wrapped_accessor()?;
        let Some(joined_by) = joined_by else {
            return Some(match borne {
                true => Self::Ambiguous,
                false if decision.is_minted_ahead() => Self::Ahead,
                false => Self::Unseen,
            });
        };
        if steps.is_empty() {
            return Some(Self::Unseen);
        }
        let mints = || steps.iter().filter(|step| step.kind == Kind::Mint);
        let is_own =
            |mint: &&Step| mint.wrapped && decision.creation_path().is_none_or(|path| path == mint.path);
        if let Some(mint) = mints().find(|mint| !is_own(mint)) {
            return Some(Self::Anothers { path: mint.path.clone(), wrapped: mint.wrapped });
        }
        (joined_by == JoinedBy::Metadata && mints().next().is_none()).then_some(Self::MintUnseen)
    }
}

const ANOTHER_LEFT_OUT: &str = "another token has this request id in its metadata, which anyone who may create tokens can write; it is not shown";
const NOT_IN_THIS_LOG: &str = "the audit log has nothing about the request's own token: the log is from another time, another server or another audit device";

const NOT_IN_WHAT_WAS_READ: &str =
    "nothing about the request's own token is in the part of the audit log that was read";
const WITHHELD: &str = "part of the audit log was not read: a mint, an unwrap or a revocation that is not shown may be in that part";

/// The accessor as the audit device writes it.
async fn hashed(accessor: &str, audit_device: Option<&str>) -> Result<String, String> {
    // Audit devices lie in the root namespace, whatever namespace the token was minted in.
    let in_root = |name: &str| connection::variable(name).filter(|_| name != "VAULT_NAMESPACE");
    let operator = Operator::new(&AddressArguments::TRUSTED, None, in_root)
        .map_err(|error| format!("Vault could answer this, but was not asked: {}", with_causes(&error)))?;
    let is_namespaced = connection::variable("VAULT_NAMESPACE").is_some();
    let failed = |error: OperatorError| {
        let powerless =
            matches!(error, OperatorError::Forbidden { .. } | OperatorError::TokenNotValid { .. });
        let advice = if powerless && is_namespaced { ROOT_ADVICE } else { "" };
        format!("Vault could answer this, but the call failed: {}{advice}", with_causes(&error))
    };
    let device = match audit_device {
        Some(device) => device.trim_matches('/').to_owned(),
        None => the_device(&operator).await.map_err(failed)?,
    };
    let answer = operator
        .write(&format!("sys/audit-hash/{device}"), &json!({"input": accessor}), Needs("`update`"))
        .await
        .map_err(|error| format!("{} (for another device: --audit-device)", failed(error)))?;
    let hash = answer.data.as_ref().and_then(|data| data.get("hash")).and_then(Value::as_str);
    hash.map(str::to_owned).ok_or_else(|| "Vault returned no hash".to_owned())
}

const ROOT_ADVICE: &str = " (audit devices are in the root namespace, so VAULT_NAMESPACE is not used: your token must belong to the root namespace)";

/// The only device, if the devices may be looked at. Vault's own documents call it `file`.
async fn the_device(operator: &Operator) -> Result<String, OperatorError> {
    let devices = match operator.read("sys/audit", Needs("`read` and `sudo`")).await {
        Err(OperatorError::Forbidden { .. }) => Value::Null,
        answer => answer?.data.unwrap_or_default(),
    };
    let mut paths = devices.as_object().into_iter().flat_map(Map::keys);
    let only = paths.next().filter(|_| paths.next().is_none());
    Ok(only.map_or("file", |path| path.trim_end_matches('/')).to_owned())
}

/// What whoever reads the chain should not have to find out alone.
struct Remarks {
    /// From what is in the log.
    seen: Vec<&'static str>,
    /// From what is not.
    missing: Vec<&'static str>,
}

fn remarks(decision: &Decision, steps: &[Step], doubt: Option<&Doubt>) -> Remarks {
    let (mut seen, mut missing) = (Vec::new(), Vec::new());
    let of = |kind: Kind| steps.iter().filter(move |step| step.kind == kind);
    let went_well = |kind: Kind| of(kind).any(Step::succeeded);
    if decision.wrapped_accessor().is_none() {
        match steps {
            [] => missing.push(NOTHING_MINTED),
            _ => seen.push(GIVEN_BACK),
        }
    } else if !steps.is_empty() && !matches!(doubt, Some(Doubt::Anothers { .. })) {
        // What another's token was used for says nothing of this request.
        if doubt.is_none() && !went_well(Kind::Mint) {
            missing.push("the mint is not in this audit log: it is in an older file");
        }
        if !went_well(Kind::Unwrap) {
            let is_used = of(Kind::Use).next().is_some();
            missing.push(if is_used {
                "the unwrap is not in this audit log"
            } else {
                "nobody unwrapped the token"
            });
        } else if of(Kind::Unwrap).skip_while(|step| step.error.is_some()).any(|step| step.error.is_some()) {
            seen.push(UNWRAPPED_TWICE);
        } else if of(Kind::Unwrap).any(|step| step.error.is_some()) {
            seen.push(REFUSED_BEFORE);
        }
        let mut from_unwrap = steps.iter().skip_while(|step| step.kind != Kind::Unwrap || !step.succeeded());
        if from_unwrap.any(|step| step.kind == Kind::Lookup && step.error.is_some()) {
            seen.push(LOOKED_UP_TOO_LATE);
        }
        if of(Kind::Misuse).next().is_some() {
            seen.push("the wrapping token was used for something other than an unwrap, which burns it");
        }
        if went_well(Kind::Unwrap) && !went_well(Kind::Revoke) {
            missing.push(
                "it was not revoked explicitly: it expires with its ttl, or is revoked with its grant's other tokens",
            );
        }
    }
    Remarks { seen, missing }
}

const NOTHING_MINTED: &str = "no token was minted, and the audit log has none for this request";
const GIVEN_BACK: &str = "the decision gave nobody a token, but Vault minted one: the authorizer revoked it, or somebody else created one with this request id";
const UNWRAPPED_TWICE: &str = "one unwrap succeeded and another was refused: either a client retried its own, or somebody else had the token. Compare the addresses";
const REFUSED_BEFORE: &str = "an unwrap was refused before one succeeded: a Vault node that does not know the token yet also does that. If the addresses differ, somebody else had the token";
/// The integration does not unwrap what it cannot look up, so a theft may show only here.
const LOOKED_UP_TOO_LATE: &str = "a lookup was refused after the unwrap. An integration looks the token up before it unwraps it, so somebody else may have had the token. Compare the addresses";

fn damage(log: &str, lines: u64) -> Option<String> {
    (lines > 0).then(|| format!("{log}{}", unread(lines).replacen(';', ":", 1)))
}
