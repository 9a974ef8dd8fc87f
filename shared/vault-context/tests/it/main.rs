//! The transport and the integration's client, against a server that answers whatever a test tells it to. The
//! end-to-end tests use a real Vault. These tests cover the answers that no real Vault gives on demand.

#[cfg(test)]
#[cfg(feature = "axum")]
mod axum_answers;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod engines;
#[cfg(test)]
#[path = "../../examples/engines.rs"]
#[expect(dead_code, reason = "`main` is the example's own")]
mod example;
#[cfg(test)]
mod fake_vault;
#[cfg(test)]
#[cfg(feature = "lambda")]
mod lambda;
#[cfg(test)]
#[cfg(all(feature = "axum", feature = "tower"))]
mod layer;
#[cfg(test)]
mod transport;
#[cfg(test)]
mod unwrap;
