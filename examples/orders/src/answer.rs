//! Turns the outcome into API Gateway's proxy response (`statusCode`, `headers`, `body`), the same for REST and HTTP
//! APIs.
//!
//! The answer to a failure holds only its code. Vault's message goes to the log.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::error::OrdersError;
use crate::orders::Orders;

/// `allow_origin` is the origin whose pages may read the answer in a browser, if any.
pub(crate) fn to(outcome: &Result<Orders, OrdersError>, allow_origin: Option<&str>) -> Value {
    match outcome {
        Ok(orders) => response(200, &json!(orders), allow_origin),
        Err(error) => response(status(error), &json!({ "error": error.code() }), allow_origin),
    }
}

fn status(error: &OrdersError) -> u16 {
    match error {
        OrdersError::Unwrap(error) | OrdersError::Read(error) => error.status(),
        OrdersError::Database(error) => error.status(),
        OrdersError::EventUnsupported | OrdersError::NotKv2 => 500,
        OrdersError::StageUnknown => 403,
    }
}

fn response(status: u16, body: &Value, allow_origin: Option<&str>) -> Value {
    let mut headers = BTreeMap::from([("content-type", "application/json"), ("cache-control", "no-store")]);
    headers.extend((status == 503).then_some(("retry-after", "1")));
    headers.extend(allow_origin.map(|origin| ("access-control-allow-origin", origin)));
    json!({"statusCode": status, "headers": headers, "body": body.to_string()})
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use vault_context::ContextError;
    use vault_context::unwrap::{SeenAt, UnwrapError};
    use vault_context::vault::VaultErrorKind;

    use super::*;
    use crate::database::DatabaseError;

    fn path() -> String {
        "sys/wrapping/unwrap".to_owned()
    }

    fn read(kind: VaultErrorKind) -> OrdersError {
        OrdersError::Read(kind.at(path()).into())
    }

    /// The code alone: Vault's words stay inside.
    #[test]
    fn a_refusal_is_403_an_outage_503_and_a_set_up_that_is_wrong_500() {
        let incomplete = ContextError::Incomplete { key: "vaultAddress" };
        let at_lookup = UnwrapError::CreationPathMismatch { seen_at: SeenAt::Lookup };
        let message = "role orders does not exist".to_owned();
        let refused = VaultErrorKind::Refused { status: 400, message };
        for (error, status, code) in [
            (OrdersError::from(UnwrapError::NoContext), 403, "no_context"),
            (UnwrapError::Context(incomplete).into(), 403, "context_invalid"),
            (UnwrapError::NoToken.into(), 403, "no_token"),
            (UnwrapError::Expired.into(), 403, "wrapping_token_expired"),
            (at_lookup.into(), 403, "creation_path_mismatch"),
            (UnwrapError::NotValidAnyMore.into(), 403, "not_valid_any_more"),
            (UnwrapError::AccessorMismatch.into(), 403, "accessor_mismatch"),
            (OrdersError::StageUnknown, 403, "stage_unknown"),
            (UnwrapError::Vault(VaultErrorKind::Sealed.at(path())).into(), 503, "vault_sealed"),
            (UnwrapError::NotKnown.into(), 503, "wrapping_token_not_known"),
            (read(VaultErrorKind::TimedOut), 503, "vault_timed_out"),
            (read(refused), 500, "vault_refused"),
            (read(VaultErrorKind::Forbidden), 500, "vault_forbidden"),
            (UnwrapError::Vault(VaultErrorKind::Forbidden.at(path())).into(), 500, "vault_forbidden"),
            (DatabaseError::Unreachable(ErrorKind::ConnectionRefused).into(), 503, "database_unreachable"),
            (DatabaseError::TimedOut.into(), 503, "database_timed_out"),
            (DatabaseError::Unavailable("57P03".to_owned()).into(), 503, "database_unavailable"),
            (DatabaseError::Broken.into(), 503, "database_unreachable"),
            (DatabaseError::Refused("42501".to_owned()).into(), 500, "database_refused"),
            (OrdersError::NotKv2, 500, "secret_not_kv2"),
            (OrdersError::EventUnsupported, 500, "event_unsupported"),
        ] {
            let answer = to(&Err(error), None);
            assert_eq!(answer["statusCode"], status, "{code}");
            assert_eq!(answer["body"], format!(r#"{{"error":"{code}"}}"#));
            let retry_after = answer["headers"].get("retry-after");
            assert_eq!(retry_after, (status == 503).then_some(&json!("1")), "{code}: when to come back");
        }
    }

    #[test]
    fn a_page_of_the_allowed_origin_may_read_any_answer() {
        let answer = to(&Err(OrdersError::StageUnknown), Some("https://shop.example.com"));
        assert_eq!(answer["headers"]["access-control-allow-origin"], "https://shop.example.com");
        assert!(
            to(&Err(OrdersError::StageUnknown), None)["headers"].get("access-control-allow-origin").is_none()
        );
    }
}
