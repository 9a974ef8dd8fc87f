//! The transport and the integration's client against a server that answers whatever a test tells it to.
//! What the real Vault answers is proved elsewhere, on a real one; here are the answers no real one gives on demand.

#[cfg(test)]
mod documents;
#[cfg(test)]
mod fake_vault;
#[cfg(test)]
mod transport;
#[cfg(test)]
mod unwrap;
