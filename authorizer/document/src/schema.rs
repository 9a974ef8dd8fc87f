//! The JSON Schema of the document, for editors and for programs that render a document.
//!
//! It is made from the types. `rules.yaml` says what a schema cannot say.

use schemars::{Schema, generate::SchemaSettings, transform::RecursiveTransform};
use serde_json::{Value, json};

use crate::Document;

/// The schema, in draft 2020-12.
#[must_use]
pub fn schema() -> Value {
    let settings = SchemaSettings::draft2020_12().with_transform(RecursiveTransform(refined));
    let mut schema = settings.into_generator().into_root_schema_for::<Document>();
    schema.insert("title".to_owned(), json!("vault-authorizer"));
    schema.insert("examples".to_owned(), json!([example()]));
    schema.to_value()
}

/// The smallest document with which a caller of an identity provider gets a token of Vault's.
fn example() -> Value {
    json!({
        "vault": {
            "address": "https://vault.example.com:8200",
            "login": {"method": "aws", "role": "api-authorizer", "server_id": "vault.example.com"},
        },
        "issuers": {
            "corp": {
                "kind": "jwt",
                "issuer": "https://login.example.com/",
                "audiences": ["orders-api"],
                "algorithms": ["RS256"],
                "jwks": "discovery",
            },
        },
        "stages": {
            "prod": {
                "api_ids": ["a1b2c3d4e5"],
                "grants": [{
                    "name": "orders-reader",
                    "routes": ["GET /orders", "GET /orders/{id}"],
                    "caller": {"issuer": "corp", "bound_claims": {"scope": ["orders:read"]}},
                    "token": {"role": "orders-prod-reader", "policies": ["orders-read"], "ttl": "2m", "wrap_ttl": "30s"},
                }],
            },
        },
    })
}

/// A key may be left out, but `null` is no value of any. A description is a paragraph, however its comment is set.
fn refined(schema: &mut Schema) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        *text = text.replace('\n', " ");
    }
    let null = json!("null");
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|each| *each != null);
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    let null = json!({"type": "null"});
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|each| *each != null);
        if let [only] = choices.as_slice() {
            let Some(only) = only.as_object().cloned() else { return };
            schema.remove("anyOf");
            for (key, value) in only {
                schema.insert(key, value);
            }
        }
    }
}
