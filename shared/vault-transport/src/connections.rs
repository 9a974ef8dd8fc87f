//! The HTTP client of one Vault, with the connections that it keeps between calls.
//!
//! Receives the options of the client; produces the client to send with. The transport decides which failure makes
//! kept connections useless.

use std::sync::{Mutex, MutexGuard, PoisonError};

use reqwest::Client;

use crate::http::{self, HttpOptions, HttpSetupError};

/// Behind a load balancer a kept connection leads to one node, whatever becomes of that node: as long as it passes its
/// health check it keeps its callers. So they can be forgotten.
#[derive(Debug)]
pub(crate) struct Connections {
    options: HttpOptions,
    current: Mutex<Generation>,
}

#[derive(Debug, Clone)]
pub(crate) struct Generation {
    number: u64,
    pub(crate) client: Client,
}

impl Connections {
    pub(crate) fn new(options: HttpOptions) -> Result<Self, HttpSetupError> {
        let client = http::client(&options)?;
        Ok(Self { options, current: Mutex::new(Generation { number: 0, client }) })
    }

    pub(crate) fn current(&self) -> Generation {
        self.lock().clone()
    }

    /// Has calls from now on connect anew. Calls under way keep their connections; of those that fail together, the first
    /// is enough. The HTTP client cannot drop what it keeps, so it is built again.
    pub(crate) fn forget(&self, failed: &Generation) {
        let mut current = self.lock();
        if current.number != failed.number {
            return;
        }
        match http::client(&self.options) {
            Ok(client) => *current = Generation { number: current.number.wrapping_add(1), client },
            // It was built before from the same options. The old one still works, if not as well.
            Err(error) => tracing::warn!(%error, "connections to Vault could not be renewed"),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Generation> {
        // Each change is one assignment: a panic elsewhere leaves it whole.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::Protocol;

    #[test]
    fn calls_that_fail_together_renew_the_connections_once() {
        let options = HttpOptions { protocol: Protocol::Http, ..HttpOptions::default() };
        let connections = Connections::new(options).unwrap();
        let (one, other) = (connections.current(), connections.current());
        connections.forget(&one);
        connections.forget(&other);
        assert_eq!(connections.current().number, 1);
        connections.forget(&connections.current());
        assert_eq!(connections.current().number, 2);
    }
}
