//! A minter that does not ask Vault.
//!
//! Receives an order, and answers it like a Vault that does as it is told, with placeholders for what only Vault can
//! say. So the code that makes the real answer also makes the answer that is shown. Only the command line has this
//! minter. The function mints at Vault or not at all.

use authorizer_steps::mint::{MintError, Minter, Order, Undo};
use serde_json::{Value, json};
use vault_api::{VaultAnswer, VaultError};

/// What stands for a value of Vault's where it is shown.
const SHOWN: &str = "(minted at run time)";
/// The same where it has to have a token's form.
const PLACEHOLDER: &str = "minted-at-run-time";

/// Mints nothing.
#[derive(Debug)]
pub(super) struct DryRun;

impl Minter for DryRun {
    async fn mint(&self, order: &Order) -> Result<VaultAnswer, MintError> {
        let wrap_info = json!({
            "token": PLACEHOLDER,
            "accessor": PLACEHOLDER,
            "wrapped_accessor": PLACEHOLDER,
            "ttl": order.ttls.wrap_seconds,
            "creation_time": "",
            "creation_path": order.creation_path,
        });
        // An answer that this does not fit is refused by the step that called, and shows in the tests.
        Ok(VaultAnswer { wrap_info: serde_json::from_value(wrap_info).ok(), ..VaultAnswer::default() })
    }

    async fn undo(&self, _token: Undo) -> Result<(), VaultError> {
        Ok(())
    }
}

/// The answer with its placeholders as people should see them.
pub(super) fn shown(answer: &str) -> Value {
    let mut answer: Value = serde_json::from_str(answer).unwrap_or_default();
    let context = answer.get_mut("context").and_then(Value::as_object_mut);
    for value in context.into_iter().flat_map(|context| context.values_mut()) {
        if value == PLACEHOLDER {
            *value = SHOWN.into();
        }
    }
    answer
}
