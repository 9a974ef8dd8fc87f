//! One request: find the stage, open the authorizer's context, read the secret, give the token back.
//!
//! Receives an event and the time; produces an [`Orders`] or an [`OrdersError`]. Neither holds a token or a value of
//! the secret: a real integration would use the secret here, between the read and the revocation.

use std::time::SystemTime;

use serde::Serialize;
use serde_json::{Value, json};
use vault_context::VaultContext;
use vault_context::unwrap::{Secret, UnwrapError, Unwrapped};

use crate::call::Call;
use crate::config::{Stages, chain};
use crate::error::OrdersError;

/// What the caller gets.
#[derive(Debug, Serialize)]
pub(crate) struct Orders {
    stage: String,
    caller: String,
    grant: String,
    secret_fields: Vec<String>,
    orders: Value,
    vault: TokenFacts,
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
        tracing::error!(code = error.code(), reason = chain(error), "no orders");
    }
    outcome
}

async fn attempt(stages: &Stages, event: Value, now: SystemTime) -> Result<Orders, OrdersError> {
    let Call { stage: name, context } = Call::read(event)?;
    let stage = stages.get(&name).ok_or(OrdersError::StageUnknown)?;
    let context = VaultContext::from_context(&context).map_err(UnwrapError::from)?;
    let token = stage.integration.receive(context, now)?.inspect().await?.unwrap().await?;
    // The accessor joins this line with the authorizer's and with Vault's audit log.
    tracing::info!(
        stage = name.as_str(),
        grant = token.grant(),
        accessor = token.accessor(),
        "the token is open"
    );
    let secret = token.read(&stage.secret_path).await;
    let orders = secret
        .map_err(|error| OrdersError::Read(error.into()))
        .and_then(|secret| orders(&name, &token, &secret));
    // Only now, read or not: what was read with the token would end with it.
    if let Err(error) = token.revoke().await {
        tracing::warn!(code = error.code(), reason = chain(&error), "the token ends by its own TTL");
    }
    orders
}

fn orders(stage: &str, token: &Unwrapped, secret: &Secret) -> Result<Orders, OrdersError> {
    Ok(Orders {
        stage: stage.to_owned(),
        caller: token.caller().id.clone(),
        grant: token.grant().to_owned(),
        secret_fields: field_names(&secret.data).ok_or(OrdersError::NotKv2)?,
        orders: sample_orders(),
        vault: TokenFacts {
            policies: token.policies().to_vec(),
            lease_duration_seconds: token.lease_duration_seconds(),
            creation_path: token.creation_path().to_owned(),
        },
    })
}

/// The names, never the values: KV version 2 keeps the fields in `data.data`.
fn field_names(data: &Value) -> Option<Vec<String>> {
    Some(data.get("data")?.as_object()?.keys().cloned().collect())
}

/// A real integration would ask its database with the secret.
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
