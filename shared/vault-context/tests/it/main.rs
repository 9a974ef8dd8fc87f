//! The transport and the integration's client against a server that answers whatever a test tells it to.
//! What the real Vault answers is proved elsewhere, on a real one; here are the answers no real one gives on demand.

#[cfg(test)]
#[cfg(feature = "axum")]
mod axum_answers;
#[cfg(test)]
mod documents;
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
