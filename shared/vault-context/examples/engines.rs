//! Reads from five secrets engines with the token of one request. `docs/integrations/rust.md` shows it.
//!
//! Takes the event on its standard input.

use std::error::Error;
use std::io;
use std::time::SystemTime;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::{Value, json};
use vault_context::unwrap::{CreationPath, Credentials, Integration, Unwrapped};
use vault_context::vault::{Namespace, Vault, VaultAddress, VaultError, VaultOptions};

pub(crate) async fn secrets_for(token: &Unwrapped, order: &[u8]) -> Result<Value, VaultError> {
    // KV version 2
    let tables = token.kv("secret").get("prod/tables").await?;

    // KV version 1
    let supplier = token.read("kv/prod/supplier").await?.data;

    // PKI
    let names = json!({ "common_name": "orders.example.com", "ttl": "5m" });
    let issued = token.write("pki/issue/orders", &names).await?.data;

    // Transit
    let plaintext = json!({ "plaintext": BASE64_STANDARD.encode(order) });
    let encrypted = token.write("transit/encrypt/orders", &plaintext).await?.data;

    Ok(json!({
        "table": tables.get("orders"),
        "supplier_key": supplier.get("api_key"),
        "certificate": issued.get("certificate"),
        "private_key": issued.get("private_key"),
        "ciphertext": encrypted.get("ciphertext"),
    }))
}

pub(crate) async fn database_user(token: &Unwrapped) -> Result<Credentials, VaultError> {
    token.database("database").credentials("orders-reader").await
}

/// Two grants lead here, and Vault has a namespace.
pub(crate) fn integration(address: &str) -> Result<Integration, Box<dyn Error>> {
    let namespace = Some(Namespace::parse("platform")?);
    let options = VaultOptions { namespace, ..VaultOptions::new(VaultAddress::parse(address)?) };
    let reader = CreationPath::parse("auth/token/create/orders-prod-reader")?;
    let clerk = CreationPath::parse("auth/token/create/orders-prod-clerk")?;
    Ok(Integration::new(Vault::new(options)?, reader).also_accept(clerk))
}

#[tokio::main(flavor = "current_thread")]
#[expect(clippy::disallowed_methods, reason = "here a request begins; the steps take the time as a value")]
async fn main() -> Result<(), Box<dyn Error>> {
    let event: Value = serde_json::from_reader(io::stdin())?;
    let token = integration("https://vault.example.com:8200")?.open(&event, SystemTime::now()).await?;
    let outcome = answer(&token).await; // no `?` before the token is revoked
    token.revoke().await?;
    Ok(outcome?)
}

/// The integration's own work would be here.
async fn answer(token: &Unwrapped) -> Result<(), VaultError> {
    let _secrets = secrets_for(token, b"two chairs").await?;
    let _user = database_user(token).await?;
    Ok(())
}
