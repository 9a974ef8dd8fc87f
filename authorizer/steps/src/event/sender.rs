//! What a request shows of its sender, apart from the credential.
//!
//! Receives the parts of a [`Request`](super::Request). Produces what the proofs of a sender-constrained token are
//! compared with: the method and URL of the call, the `DPoP` header, and the client certificate that API Gateway
//! verified. [`identity`](crate::identity) makes the comparison.
//!
//! A certificate is never read from a header, because anybody can write a header.

use std::fmt;

use super::Shape;

/// What a request shows of its sender.
#[derive(Clone, Copy)]
pub struct Sender<'a> {
    /// The request's method. A WebSocket is opened with a `GET` (RFC 6455, section 4.1).
    pub(crate) method: &'a str,
    /// The URL that the caller used, where the event tells it.
    pub(crate) url: Option<&'a CallerUrl>,
    /// The path below the stage, which is what follows a public URL; empty where a WebSocket is opened.
    pub(crate) path_in_stage: &'a str,
    /// The `DPoP` headers.
    pub(crate) dpop: DpopHeader<'a>,
    /// The certificate of mutual TLS, in PEM.
    pub(crate) certificate: Option<&'a str>,
    /// The kind of event.
    pub(crate) shape: Shape,
}

/// The URL of a call, without its query: `https://` and these two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallerUrl {
    /// `requestContext.domainName`.
    pub(crate) host: String,
    /// The path as the caller used it, with the stage or base path. Whether API Gateway decodes it is not documented.
    pub(crate) path: String,
}

/// The headers with the name `DPoP`, in whatever case.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum DpopHeader<'a> {
    /// None, or an empty one.
    Absent,
    /// One value.
    One(&'a str),
    /// More than one, which RFC 9449 section 4.3 forbids.
    Several,
}

impl fmt::Debug for Sender<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("method", &self.method).field("url", &self.url).finish_non_exhaustive()
    }
}

impl fmt::Debug for DpopHeader<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "Absent",
            Self::One(_) => "One(** redacted **)",
            Self::Several => "Several",
        })
    }
}
