//! An HTTP request to a container: its headers and its time.

use std::time::SystemTime;

use http::HeaderMap;

use crate::context::{ContextError, VaultContext};

/// The context in a request's headers.
pub(crate) fn context(headers: &HeaderMap) -> Result<VaultContext, ContextError> {
    VaultContext::from_headers(headers.iter().map(|(name, value)| {
        // The authorizer writes visible ASCII. Whatever else came counts as a control character, and is refused.
        (name.as_str(), value.to_str().unwrap_or("\u{0}"))
    }))
}

/// The time that a request came.
#[expect(clippy::disallowed_methods, reason = "here a request begins; the steps take the time as a value")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}
