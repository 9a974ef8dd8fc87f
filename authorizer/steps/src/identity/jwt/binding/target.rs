//! A URL without its query, normalised so that equivalent spellings compare as equal (RFC 3986, sections 6.2.2 and
//! 6.2.3).
//!
//! Receives `htu`, a configured URL, or the host and path of an event; produces a [`Target`]. It ignores the case of
//! scheme and host, percent-encoding, dot segments and the default port. A slash at the end counts, because only the
//! API knows what it means.

use std::{fmt, fmt::Write as _, str::FromStr};

use fluent_uri::Uri;

use crate::{event::CallerUrl, shown::shown};

/// Scheme, host, port and path of a URL, normalised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    scheme: &'static str,
    host: String,
    port: u16,
    path: String,
}

impl Target {
    /// Reads an `https` URL, or an `http` one of this machine. A WebSocket is opened by an HTTP request, so there `wss` and
    /// `ws` say the same (RFC 6455, section 3).
    pub(super) fn parse(url: &str, is_websocket: bool) -> Option<Self> {
        let url = Uri::parse(url).ok()?.normalize();
        let authority = url.authority().filter(|authority| authority.userinfo().is_none())?;
        let (host, path) = (authority.host(), url.path().as_str());
        let is_loopback = matches!(host, "localhost" | "127.0.0.1" | "[::1]");
        let (scheme, default_port) = match url.scheme().as_str() {
            "https" => ("https", 443),
            "wss" if is_websocket => ("https", 443),
            "http" if is_loopback => ("http", 80),
            "ws" if is_websocket && is_loopback => ("http", 80),
            _ => return None,
        };
        let port = authority.port_to_u16().ok()?.unwrap_or(default_port);
        let path = if path.is_empty() { "/" } else { path };
        Some(Self { scheme, host: (!host.is_empty()).then(|| host.to_owned())?, port, path: path.to_owned() })
    }

    /// The URL without this path at its end.
    pub(super) fn before(&self, path_in_stage: &str) -> Option<Self> {
        let path = self.path.strip_suffix(&encoded(path_in_stage))?.to_owned();
        Some(Self { path, ..self.clone() })
    }

    /// What the event says that the caller used.
    pub(super) fn of_event(CallerUrl { host, path }: &CallerUrl) -> Option<Self> {
        Self::parse(&format!("https://{host}{}", encoded(path)), false)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, port, path } = self;
        match (*scheme, port) {
            ("https", 443) | ("http", 80) => write!(f, "`{scheme}://{host}{}`", shown(path)),
            (_, port) => write!(f, "`{scheme}://{host}:{port}{}`", shown(path)),
        }
    }
}

/// A path with everything encoded that a URL cannot hold as it is: an event may have it decoded.
fn encoded(path: &str) -> String {
    let mut encoded = String::with_capacity(path.len());
    let is_triplet =
        |at: usize| path.get(at + 1..at + 3).is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    for (at, byte) in path.bytes().enumerate() {
        let stays = byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte);
        if stays || (byte == b'%' && is_triplet(at)) {
            encoded.push(byte.into());
        } else {
            // A `String` takes whatever is written.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// A URL under which callers reach the API: the path of a call within its stage follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl(Target);

impl PublicUrl {
    /// Its path, normalised.
    pub fn path(&self) -> &str {
        &self.0.path
    }

    /// The URL of a call with this path; of a WebSocket the URL itself.
    pub(super) fn with(&self, path_in_stage: &str) -> Option<Target> {
        let Self(base) = self;
        if path_in_stage.is_empty() {
            return Some(base.clone());
        }
        let path = format!("{}{}", base.path.trim_end_matches('/'), encoded(path_in_stage));
        Target::parse(&format!("{}://{}:{}{path}", base.scheme, base.host, base.port), false)
    }
}

impl FromStr for PublicUrl {
    type Err = InvalidPublicUrl;

    fn from_str(text: &str) -> Result<Self, InvalidPublicUrl> {
        let plain = !text.contains(['?', '#']);
        Target::parse(text, false).filter(|_| plain).map(Self).ok_or(InvalidPublicUrl)
    }
}

/// The text is no URL that callers could use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an https URL without a user, query or fragment, such as `https://api.example.com/v1`; http only for a \
     loopback host"
)]
pub struct InvalidPublicUrl;
