//! One request: find the stage, open the authorizer's context, get the orders, revoke the token.
//!
//! Receives an event and the time; produces an [`Orders`] or an [`OrdersError`]. Neither holds a token, credentials
//! or a value of a secret.

use std::time::SystemTime;

use serde::Serialize;
use serde_json::{Value, json};
use vault_context::unwrap::{SeenAt, UnwrapError, Unwrapped};
use vault_context::vault::VaultError;
use vault_context::{VaultContext, with_causes};

use crate::call::Call;
use crate::config::{Source, Stage, Stages};
use crate::database::Database;
use crate::error::OrdersError;

/// What the caller gets.
#[derive(Debug, Serialize)]
pub(crate) struct Orders {
    stage: String,
    caller: String,
    grant: String,
    #[serde(flatten)]
    found: Found,
    vault: TokenFacts,
}

/// The orders, and what they were read with.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Found {
    Secret { secret_fields: Vec<String>, orders: Value },
    Database { database: LeaseFacts, orders: Value },
}

/// What may be told of database credentials: neither user nor password.
#[derive(Debug, Serialize)]
struct LeaseFacts {
    role: String,
    lease_duration_seconds: u64,
}

/// What may be told of a token: not the token.
#[derive(Debug, Serialize)]
struct TokenFacts {
    policies: Vec<String>,
    lease_duration_seconds: u64,
    creation_path: String,
}

pub(crate) async fn serve(stages: &Stages, event: Value, now: SystemTime) -> Result<Orders, OrdersError> {
    let outcome = attempt(stages, event, now).await;
    if let Err(error) = &outcome {
        tracing::error!(code = error.code(), reason = with_causes(error), "no orders");
    }
    outcome
}

async fn attempt(stages: &Stages, event: Value, now: SystemTime) -> Result<Orders, OrdersError> {
    let Call { stage: name, context } = Call::read(event)?;
    let stage = stages.get(&name).ok_or(OrdersError::StageUnknown)?;
    let context = VaultContext::from_context(&context).map_err(UnwrapError::from)?;
    let token = stage.integration.open_context(context, now).await?;
    // The accessor joins this line with the authorizer's and with Vault's audit log.
    tracing::info!(
        stage = name.as_str(),
        grant = token.grant(),
        accessor = token.accessor(),
        "the token is open"
    );
    let found = found(stage, &token).await;
    let orders = found.map(|found| Orders {
        stage: name,
        caller: token.caller().id.clone(),
        grant: token.grant().to_owned(),
        found,
        vault: TokenFacts {
            policies: token.policies().to_vec(),
            lease_duration_seconds: token.lease_duration_seconds(),
            creation_path: token.creation_path().to_owned(),
        },
    });
    // Only now, found or not: what was read with the token ends with it, a user of the database too.
    if let Err(error) = token.revoke().await {
        tracing::warn!(code = error.code(), reason = with_causes(&error), "the token ends by its own TTL");
    }
    orders
}

async fn found(stage: &Stage, token: &Unwrapped) -> Result<Found, OrdersError> {
    // `Integration` has let no other creation path through.
    let source = stage.source(token.creation_path());
    match source.ok_or(UnwrapError::CreationPathMismatch { seen_at: SeenAt::Context })? {
        Source::Secret(path) => in_secret(path, token).await,
        Source::Database(database) => in_database(database, token).await,
    }
}

async fn in_secret(path: &str, token: &Unwrapped) -> Result<Found, OrdersError> {
    let secret = token.read(path).await.map_err(not_read)?;
    let secret_fields = field_names(&secret.data).ok_or(OrdersError::NotKv2)?;
    Ok(Found::Secret { secret_fields, orders: sample_orders() })
}

async fn in_database(database: &Database, token: &Unwrapped) -> Result<Found, OrdersError> {
    let credentials = token.database(&database.mount).credentials(&database.role).await.map_err(not_read)?;
    let orders = json!(database.orders(&credentials).await?);
    let lease_duration_seconds = credentials.lease.duration_seconds;
    Ok(Found::Database {
        database: LeaseFacts { role: database.role.clone(), lease_duration_seconds },
        orders,
    })
}

fn not_read(error: VaultError) -> OrdersError {
    OrdersError::Read(error.into())
}

/// The names, never the values: KV version 2 keeps the fields in `data.data`.
fn field_names(data: &Value) -> Option<Vec<String>> {
    Some(data.get("data")?.as_object()?.keys().cloned().collect())
}

/// A real integration would use the secret, as [`Database`] uses its credentials.
fn sample_orders() -> Value {
    json!([{"id": 1001, "item": "tea", "quantity": 3}, {"id": 1002, "item": "cups", "quantity": 6}])
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::call::tests::{http_v2, rest};
    use crate::config::tests::{ADDRESS, read};

    const STAGES: &str = r#"{"prod": {"creation_path": "auth/token/create/orders-prod-reader", "secret_path": "secret/data/prod/orders"}}"#;

    fn context() -> Value {
        json!({
            "vaultWrappingToken": "hvs.secret", "vaultWrappedAccessor": "a", "vaultAddress": ADDRESS,
            "vaultCreationPath": "auth/token/create/orders-prod-reader", "vaultWrapExpiresAt": "30",
            "vaultGrant": "g", "callerKind": "jwt", "callerId": "corp:alice", "contextVersion": "1",
        })
    }

    /// One answer for both kinds of API.
    async fn code(stage: &str, context: Value) -> &'static str {
        let stages = read(STAGES).unwrap();
        let rest = serve(&stages, rest(stage, &context), UNIX_EPOCH).await.unwrap_err().code();
        let http = serve(&stages, http_v2(stage, &context), UNIX_EPOCH).await.unwrap_err().code();
        assert_eq!(rest, http);
        rest
    }

    #[tokio::test]
    async fn refuses_what_is_not_the_authorizers_for_this_stage_and_tells_a_vault_that_is_down_from_it() {
        let mut of_staging = context();
        of_staging["vaultCreationPath"] = json!("auth/token/create/orders-staging-reader");
        for (case, stage, context, expected) in [
            ("another stage", "staging", context(), "stage_unknown"),
            ("another spelling", "PROD", context(), "stage_unknown"),
            ("no stage", "", context(), "stage_unknown"),
            ("around the authorizer", "prod", json!(null), "no_context"),
            ("an empty context", "prod", json!({}), "no_context"),
            ("another authorizer's", "prod", json!({"principalId": "user"}), "no_context"),
            ("a token of another stage's role", "prod", of_staging, "creation_path_mismatch"),
            ("a Vault that is down", "prod", context(), "vault_unreachable"),
        ] {
            assert_eq!(code(stage, context).await, expected, "{case}");
        }
    }

    #[tokio::test]
    async fn refuses_events_it_does_not_serve() {
        let mut without_stage = rest("prod", &context());
        without_stage["requestContext"]["stage"] = json!(null);
        for (event, code) in [(json!({}), "event_unsupported"), (without_stage, "stage_unknown")] {
            assert_eq!(serve(&read(STAGES).unwrap(), event, UNIX_EPOCH).await.unwrap_err().code(), code);
        }
    }

    #[test]
    fn names_the_fields_of_a_kv2_secret_and_not_their_values() {
        let data = json!({"data": {"password": "hunter2", "username": "orders"}, "metadata": {"version": 1}});
        assert_eq!(field_names(&data).unwrap(), ["password", "username"]);
        for data in [json!({"password": "hunter2"}), json!({"data": "hunter2"}), Value::Null] {
            assert!(field_names(&data).is_none(), "{data}");
        }
    }
}
