//! From the outcome to API Gateway's proxy response (`statusCode`, `headers`, `body`), the same for REST and HTTP APIs.
//!
//! A failure's answer holds its code alone; what Vault said is for the log.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use vault_context::unwrap::UnwrapError;

use crate::error::OrdersError;
use crate::orders::Orders;

/// `allow_origin` is the origin whose pages may read the answer in a browser, if any.
pub(crate) fn to(outcome: &Result<Orders, OrdersError>, allow_origin: Option<&str>) -> Value {
    match outcome {
        Ok(orders) => response(200, &json!(orders), allow_origin),
        Err(error) => response(status(error), &json!({ "error": error.code() }), allow_origin),
    }
}

/// 503 where waiting helps, 403 where the request is refused, 500 where this integration or Vault is set up wrong.
fn status(error: &OrdersError) -> u16 {
    match error {
        OrdersError::Unwrap(error) if error.is_outage() => 503,
        OrdersError::Read(error) if error.is_outage() => 503,
        OrdersError::EventUnsupported
        | OrdersError::Unwrap(UnwrapError::Vault(_))
        | OrdersError::Read(_)
        | OrdersError::NotKv2 => 500,
        OrdersError::StageUnknown | OrdersError::Unwrap(_) => 403,
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
    use vault_context::ContextError;
    use vault_context::unwrap::SeenAt;
    use vault_context::vault::VaultErrorKind;

    use super::*;

    fn answer(error: impl Into<OrdersError>) -> (u64, String) {
        let answer = to(&Err(error.into()), None);
        (answer["statusCode"].as_u64().unwrap(), answer["body"].as_str().unwrap().to_owned())
    }

    fn path() -> String {
        "sys/wrapping/unwrap".to_owned()
    }

    #[test]
    fn a_refusal_is_403_with_its_code_alone() {
        let incomplete = ContextError::Incomplete { key: "vaultAddress" };
        for (error, code) in [
            (UnwrapError::NoContext, "no_context"),
            (UnwrapError::Context(incomplete), "context_invalid"),
            (UnwrapError::NoToken, "no_token"),
            (UnwrapError::Expired, "wrapping_token_expired"),
            (UnwrapError::CreationPathMismatch { seen_at: SeenAt::Lookup }, "creation_path_mismatch"),
            (UnwrapError::NotValidAnyMore, "not_valid_any_more"),
            (UnwrapError::AccessorMismatch, "accessor_mismatch"),
        ] {
            assert_eq!(answer(error), (403, format!(r#"{{"error":"{code}"}}"#)));
        }
        assert_eq!(answer(OrdersError::StageUnknown), (403, r#"{"error":"stage_unknown"}"#.to_owned()));
    }

    #[test]
    fn a_page_of_the_allowed_origin_may_read_any_answer() {
        let answer = to(&Err(OrdersError::StageUnknown), Some("https://shop.example.com"));
        assert_eq!(answer["headers"]["access-control-allow-origin"], "https://shop.example.com");
        assert!(
            to(&Err(OrdersError::StageUnknown), None)["headers"].get("access-control-allow-origin").is_none()
        );
    }

    #[test]
    fn an_outage_is_503_and_says_when_to_come_back() {
        for error in [
            OrdersError::from(UnwrapError::Vault(VaultErrorKind::Sealed.at(path()))),
            OrdersError::from(UnwrapError::NotKnown),
            OrdersError::from(VaultErrorKind::TimedOut.at(path())),
        ] {
            let answer = to(&Err(error), None);
            assert_eq!(
                (&answer["statusCode"], &answer["headers"]["retry-after"]),
                (&json!(503), &json!("1"))
            );
        }
    }

    #[test]
    fn a_set_up_that_is_wrong_is_500_and_vaults_words_stay_inside() {
        let message = "role orders does not exist".to_owned();
        let (status, body) = answer(VaultErrorKind::Refused { status: 400, message }.at(path()));
        assert_eq!((status, body.as_str()), (500, r#"{"error":"vault_refused"}"#));
        assert_eq!(answer(VaultErrorKind::Forbidden.at(path())).0, 500);
        assert_eq!(answer(UnwrapError::Vault(VaultErrorKind::Forbidden.at(path()))).0, 500);
        assert_eq!(answer(OrdersError::NotKv2).0, 500);
        assert_eq!(answer(OrdersError::EventUnsupported).0, 500);
    }
}
