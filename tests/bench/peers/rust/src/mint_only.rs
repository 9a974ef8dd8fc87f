//! A function that mints a wrapped token for every caller and checks nothing: the practical floor for an authorizer
//! that does.

use std::env;

use lambda_runtime::{Error, LambdaEvent, run, service_fn};
use reqwest::Client;
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (vault, token) = (env::var("VAULT_ADDR")?, env::var("VAULT_TOKEN")?);
    let url = format!("{vault}/v1/auth/token/create/orders-prod-reader");
    #[expect(
        clippy::disallowed_methods,
        reason = "nothing here ships, and this is how most people build one"
    )]
    let client = Client::new();
    let (client, url, token) = (&client, &url, &token);
    // As long as the authorizer's: what Vault reads and keeps is part of what a mint costs.
    let meta = json!({
        "caller_id": "corp:alice",
        "grant": "orders-prod-reader",
        "request_id": "00000000-0000-4000-8000-000000000001",
        "stage": "prod",
    });
    let body = &json!({"ttl": "120s", "meta": meta});
    run(service_fn(move |event: LambdaEvent<Value>| async move {
        let mint = client.post(url).header("X-Vault-Token", token).header("X-Vault-Wrap-TTL", "30s");
        let answer = mint.json(body).send().await?.error_for_status()?;
        allow(&event.payload, &answer.json().await?)
    }))
    .await
}

fn allow(event: &Value, minted: &Value) -> Result<Value, Error> {
    let arn = event.get("methodArn").ok_or("the event has no methodArn")?;
    let token = minted.pointer("/wrap_info/token").ok_or("the answer has no wrapping token")?;
    let accessor = minted.pointer("/wrap_info/wrapped_accessor").ok_or("the answer has no accessor")?;
    let statement = json!({"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": arn});
    Ok(json!({
        "principalId": "anyone",
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {"vaultWrappingToken": token, "vaultWrappedAccessor": accessor},
    }))
}
