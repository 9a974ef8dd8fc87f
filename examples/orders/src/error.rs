//! Why there are no orders: [`OrdersError`].

use vault_context::unwrap::UnwrapError;

use crate::database::DatabaseError;

/// Why there are no orders.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OrdersError {
    #[error("the event is neither a REST API's nor an HTTP API's with payload 2.0")]
    EventUnsupported,
    #[error("the request's stage is not one this integration serves: add it to ORDERS_STAGES")]
    StageUnknown,
    #[error("the request brings no usable Vault token")]
    Unwrap(#[from] UnwrapError),
    #[error("Vault gives neither the secret nor the credentials")]
    Read(#[source] UnwrapError),
    #[error("the orders cannot be queried")]
    Database(#[from] DatabaseError),
    #[error("the secret is not of a KV version 2 mount: secret_path is `<mount>/data/<name>`")]
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
