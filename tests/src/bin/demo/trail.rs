//! One call in two logs: the authorizer's line, and what Vault's audit log has on the same token.
//!
//! The audit log writes secrets and accessors as HMACs. `sys/audit-hash` says which HMAC stands for an accessor. So
//! only people who may ask Vault for it can follow a token from the authorizer's line.

use serde_json::Value;

use crate::api::{Answer, shown};
use crate::promise;
use crate::screen::Screen;
use crate::world::World;

/// The fields shown of the authorizer's line, row by row.
const LINE: [&[&str]; 4] = [
    &["outcome", "stage", "caller_id", "grant", "ttl_seconds"],
    &["decision_micros", "mint_micros"],
    &["lambda_request_id"],
    &["wrapped_accessor"],
];

/// The life of one token, as the audit log has it: operation and path, and what that was.
const LIFE: [(&str, &str); 4] = [
    ("update auth/token/create/orders-prod-reader", "minted, wrapped"),
    ("update sys/wrapping/unwrap", "unwrapped"),
    ("read secret/data/prod/orders", "used"),
    ("update auth/token/revoke-self", "revoked"),
];

/// Tells it for `call`, the first one on prod. `secrets` were handled meanwhile, and no log may hold one.
pub(crate) async fn tell(screen: &Screen, world: &World, call: &Answer, secrets: &[String]) {
    screen.chapter("7  The first call on prod, in both logs");
    screen.paragraph(
        "The authorizer writes one JSON line for each decision, to CloudWatch Logs. For this call:",
    );
    for fields in LINE {
        screen.line(&format!("    {}", selected(call, fields)));
    }
    let hash = world.vault.openbao.audit_hash(&call.logged("wrapped_accessor")).await;
    screen.paragraph("Vault's audit log has only hashed accessors. By Vault's sys/audit-hash, this one is");
    screen.line(&format!("    {hash}"));
    screen.paragraph(
        "and these are the audit log's entries with it. (The integration's lookup before the unwrap is not among them: it asks \
         about the wrapping token.)",
    );
    let entries = entries_with(world.vault.openbao.audit_entries(), &hash);
    let seen: Vec<String> = entries.iter().map(operation).collect();
    let what = "Vault's audit log on the first call's token";
    promise::equal(what, promise::list(&LIFE.map(|(operation, _)| operation)), promise::list(&seen));
    for (entry, (_, meaning)) in entries.iter().zip(LIFE) {
        screen.line(&format!("    {}  {:<45}  {meaning}", time(entry), operation(entry)));
    }
    let request_id = shown(&entries[2]["auth"]["metadata"]["request_id"]);
    promise::equal("The token's metadata: request_id", call.logged("lambda_request_id"), request_id);
    no_log_holds(world, secrets).await;
    screen.proved(
        "wrapped_accessor joins the two logs. The token's metadata in Vault has the request id, too. No log, not \
         even the function's, contains Alice's JWT or the tokens of chapter 5.",
    );
}

async fn no_log_holds(world: &World, secrets: &[String]) {
    let audit_log = world.vault.openbao.audit_entries().iter().map(Value::to_string).collect();
    let logs: [(&str, String); 3] = [
        ("The authorizer's log", world.deployment.authorizer_log().await),
        ("The function's log", world.deployment.orders_log().await),
        ("Vault's audit log", audit_log),
    ];
    for (name, log) in logs {
        let held = secrets.iter().chain([&world.jwt]).filter(|secret| log.contains(*secret)).count();
        promise::equal(&format!("{name}: secrets in it"), 0, held);
    }
}

/// `name=value` of the authorizer's line.
fn selected(call: &Answer, fields: &[&str]) -> String {
    fields.iter().map(|field| format!("{field}={}", call.logged(field))).collect::<Vec<_>>().join("  ")
}

/// The entries on the token with that accessor: the answers that gave it out, and the requests made with it.
fn entries_with(entries: Vec<Value>, hash: &str) -> Vec<Value> {
    let given_out = |entry: &Value| {
        let answer = &entry["response"];
        answer["wrap_info"]["wrapped_accessor"] == hash || answer["auth"]["accessor"] == hash
    };
    let made_with = |entry: &Value| entry["type"] == "request" && entry["auth"]["accessor"] == hash;
    entries.into_iter().filter(|entry| given_out(entry) || made_with(entry)).collect()
}

fn operation(entry: &Value) -> String {
    format!("{} {}", shown(&entry["request"]["operation"]), shown(&entry["request"]["path"]))
}

/// `20:01:48.088` of `2026-11-23T20:01:48.088835552Z`.
fn time(entry: &Value) -> String {
    let time = shown(&entry["time"]);
    time.split_once('T').map(|(_, time)| time.chars().take(12).collect()).unwrap_or_default()
}
