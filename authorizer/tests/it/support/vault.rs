//! A fake Vault behind the trait, and its answers.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
};

use authorizer_steps::mint::{MintError, Minter, Order, Undo};
use serde_json::{Value, json};
use vault_api::{VaultAnswer, VaultError};

use super::*;

pub const WRAPPING_TOKEN: &str = "s.WrappingTokenOfTheTest00";
pub const CLEAR_TOKEN: &str = "s.ClearTokenOfTheTest00000";
pub const ACCESSOR: &str = "BJ2J7fl2ksKbSCQaYIgIx3cU";

/// Gives the answers it was told to give, else the good one, and writes down what it was asked.
pub struct FakeVault {
    pub answers: Mutex<VecDeque<Result<VaultAnswer, MintError>>>,
    pub orders: Mutex<Vec<Order>>,
    pub undone: Mutex<Vec<String>>,
    /// How long each mint and each revocation takes.
    pub takes_millis: AtomicU64,
    /// How many seconds the clock is set back while it mints.
    pub sets_back: AtomicU64,
    /// Whether it takes an order and does not answer.
    pub hangs: AtomicBool,
    clock: Arc<SetClock>,
}

impl FakeVault {
    pub fn new(clock: Arc<SetClock>) -> Self {
        Self {
            answers: Mutex::default(),
            orders: Mutex::default(),
            undone: Mutex::default(),
            takes_millis: AtomicU64::default(),
            sets_back: AtomicU64::default(),
            hangs: AtomicBool::default(),
            clock,
        }
    }
}

impl Minter for FakeVault {
    async fn mint(&self, order: &Order) -> Result<VaultAnswer, MintError> {
        self.orders.lock().unwrap().push(order.clone());
        self.clock.forward_millis(self.takes_millis.load(SeqCst));
        self.clock.back_seconds(self.sets_back.load(SeqCst));
        // Others come in between, as they do where there is a network.
        tokio::task::yield_now().await;
        if self.hangs.load(SeqCst) {
            std::future::pending::<()>().await;
        }
        self.answers.lock().unwrap().pop_front().unwrap_or_else(|| Ok(good_answer(order)))
    }

    async fn undo(&self, token: Undo) -> Result<(), VaultError> {
        self.undone.lock().unwrap().push(match token {
            Undo::Clear(token) => format!("revoke {}", token.expose()),
            Undo::Wrapped(token) => format!("unwrap and revoke {}", token.expose()),
        });
        self.clock.forward_millis(self.takes_millis.load(SeqCst));
        Ok(())
    }
}

pub fn good_answer(order: &Order) -> VaultAnswer {
    answer(json!({"wrap_info": wrap_info(&order.creation_path, order.ttls.wrap_seconds)}))
}

pub fn wrap_info(creation_path: &str, ttl: u64) -> Value {
    json!({"token": WRAPPING_TOKEN, "accessor": "AKUe", "ttl": ttl, "creation_path": creation_path,
        "creation_time": "2027-01-15T08:00:00Z", "wrapped_accessor": ACCESSOR})
}

pub fn auth() -> Value {
    json!({"client_token": CLEAR_TOKEN, "accessor": ACCESSOR, "policies": ["orders-read"], "lease_duration": 120,
        "renewable": false, "token_type": "service", "orphan": true, "num_uses": 0, "entity_id": ""})
}

/// What the transport would make of Vault's JSON.
pub fn answer(body: Value) -> VaultAnswer {
    let field = |name: &str| body.get(name).cloned().filter(|value| !value.is_null());
    VaultAnswer {
        auth: field("auth").map(|auth| serde_json::from_value(auth).unwrap()),
        wrap_info: field("wrap_info").map(|wrap| serde_json::from_value(wrap).unwrap()),
        ..VaultAnswer::default()
    }
}
