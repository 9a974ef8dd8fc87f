//! Why there are no orders: [`OrdersError`].

use vault_context::unwrap::UnwrapError;

use crate::database::DatabaseError;

/// Why there are no orders.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrdersError {
    #[error("the event is neither from a REST API nor from an HTTP API with payload 2.0")]
    EventUnsupported,
    #[error("this integration does not serve the request's stage: add it to ORDERS_STAGES")]
    StageUnknown,
    #[error("the request has no usable Vault token")]
    Unwrap(#[from] UnwrapError),
    #[error("Vault returned neither the secret nor the credentials")]
    Read(#[source] UnwrapError),
    #[error("the orders cannot be queried")]
    Database(#[from] DatabaseError),
    #[error("the secret is not in a KV version 2 mount: secret_path must be `<mount>/data/<name>`")]
    NotKv2,
}

impl OrdersError {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::EventUnsupported => "event_unsupported",
            Self::StageUnknown => "stage_unknown",
            Self::Unwrap(error) | Self::Read(error) => error.code(),
            Self::Database(error) => error.code(),
            Self::NotKv2 => "secret_not_kv2",
        }
    }
}
