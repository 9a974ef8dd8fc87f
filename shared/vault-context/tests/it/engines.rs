//! The example of the documentation: what it asks Vault for, and what it does with the answers.

use serde_json::{Value, json};
use vault_context::unwrap::Unwrapped;

use crate::example;
use crate::fake_vault::{FakeVault, Reply, Seen};
use crate::unwrap::{event_until, fake, now};

/// As Vault answers, with the fields that the example reads.
fn engines(seen: &Seen) -> Option<Reply> {
    let data = match seen.path.as_str() {
        "/v1/secret/data/prod/tables" => json!({"data": {"orders": "orders_2026"}}),
        "/v1/kv/prod/supplier" => json!({"api_key": "of the supplier"}),
        "/v1/pki/issue/orders" => json!({"certificate": "a certificate", "private_key": "its key"}),
        "/v1/transit/encrypt/orders" => json!({"ciphertext": "vault:v1:abc"}),
        "/v1/database/creds/orders-reader" => json!({"username": "v-orders", "password": "x"}),
        _ => return None,
    };
    Some(Reply::json(&json!({"lease_id": "a/lease", "lease_duration": 60, "data": data})))
}

async fn token(fake: &FakeVault) -> Unwrapped {
    let event = event_until(&fake.address, 1_800_000_030);
    example::integration(&fake.address).unwrap().open(&event, now()).await.unwrap()
}

fn calls(fake: &FakeVault) -> Vec<(String, String, Value)> {
    let call = |seen: Seen| {
        let body = if seen.body.is_empty() { Value::Null } else { seen.json() };
        (seen.method, seen.path, body)
    };
    fake.seen().into_iter().skip(2).map(call).collect()
}

#[tokio::test]
async fn reads_from_the_engines() {
    let fake = fake(engines).await;
    let found = example::secrets_for(&token(&fake).await, b"two chairs").await.unwrap();
    let expected = json!({
        "table": "orders_2026",
        "supplier_key": "of the supplier",
        "certificate": "a certificate",
        "private_key": "its key",
        "ciphertext": "vault:v1:abc",
    });
    assert_eq!(found, expected);
    let call = |method: &str, path: &str, body| (method.to_owned(), path.to_owned(), body);
    let names = json!({"common_name": "orders.example.com", "ttl": "5m"});
    let expected = [
        call("GET", "/v1/secret/data/prod/tables", Value::Null),
        call("GET", "/v1/kv/prod/supplier", Value::Null),
        call("POST", "/v1/pki/issue/orders", names),
        call("POST", "/v1/transit/encrypt/orders", json!({"plaintext": "dHdvIGNoYWlycw=="})),
    ];
    assert_eq!(calls(&fake), expected);
}

#[tokio::test]
async fn makes_a_database_user() {
    let fake = fake(engines).await;
    let user = example::database_user(&token(&fake).await).await.unwrap();
    assert_eq!((user.username.as_str(), user.password()), ("v-orders", "x"));
}
