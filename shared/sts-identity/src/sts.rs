//! The only place where the network begins: the request to STS, and its answer.
//!
//! An implementation of [`Sts`] sends a [`StsRequest`] and returns the [`StsAnswer`] as it came, unproven.
//! [`CallerIdentity::verify`](crate::CallerIdentity::verify) decides what the answer means.

use crate::StsRequest;
use std::fmt;

/// Sends a proof to STS.
///
/// An implementation sends the request's method, URL and headers as they are, over TLS that it verifies (a loopback
/// endpoint may have none), follows no redirect, and gives up after a time of its own. A response of any status is an
/// answer; only where none came is STS unavailable.
pub trait Sts: Send + Sync {
    /// STS's answer, or why there was none.
    fn call(&self, request: &StsRequest) -> impl Future<Output = Result<StsAnswer, StsUnavailable>> + Send;
}

/// What STS answered. Unproven: nothing of it was read yet.
#[derive(Clone)]
pub struct StsAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The header `Content-Type`, if there was one.
    pub content_type: Option<String>,
    /// The body. One longer than [`MAX_ANSWER_BYTES`] is not read, so no more than a byte beyond it need be kept.
    pub body: Vec<u8>,
}

impl fmt::Debug for StsAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StsAnswer")
            .field("status", &self.status)
            .field("content_type", &self.content_type)
            .finish_non_exhaustive()
    }
}

/// STS did not answer.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("STS did not answer: {reason}")]
pub struct StsUnavailable {
    /// Why, in the transport's words. It must not hold the URL, which is a secret.
    pub reason: String,
}

/// The longest body that is read. A real one has about 500 bytes.
pub const MAX_ANSWER_BYTES: usize = 16 * 1024;
