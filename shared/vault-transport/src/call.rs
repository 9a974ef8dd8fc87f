//! One request to Vault, before it is sent: [`Call`].
//!
//! Receives a path, a token and a body; produces the parts of an HTTP request. [`Vault`](crate::Vault) sends it.

use std::fmt;
use std::time::Duration;

use reqwest::Method;
use reqwest::header::HeaderValue;
use serde::Serialize;
use url::Url;
use vault_api::{VaultAddress, VaultError, VaultErrorKind, VaultToken, WrappingToken};
use zeroize::Zeroizing;

/// One request to Vault. `Debug` shows the method and the path alone.
///
/// ```
/// # use {vault_api::{VaultError, VaultToken}, vault_transport::Call};
/// # fn mint(own: &VaultToken) -> Result<Call, VaultError> {
/// Call::post("auth/token/create/orders-prod-reader")
///     .token(own)
///     .wrap_ttl_seconds(30)
///     .body(&serde_json::json!({"ttl": "120s"}))
/// # }
/// ```
#[must_use = "a call does nothing until it is sent"]
#[derive(Clone)]
pub struct Call {
    method: Method,
    path: String,
    token: Option<Token>,
    wrap_ttl_seconds: Option<u64>,
    body: Option<Zeroizing<Vec<u8>>>,
    timeout: Option<Duration>,
    token_is_new: bool,
}

#[derive(Clone)]
enum Token {
    Vault(VaultToken),
    Wrapping(WrappingToken),
}

impl Call {
    /// A read of `path`, written without `/v1/` and without slashes at its ends.
    pub fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path.into())
    }

    /// A write to `path`, written without `/v1/` and without slashes at its ends.
    pub fn post(path: impl Into<String>) -> Self {
        Self::new(Method::POST, path.into())
    }

    /// The names below `path`, written as for [`Call::get`]. Vault takes a method of its own for that.
    ///
    /// # Errors
    /// None in practice: [`VaultErrorKind::CallInvalid`] where the HTTP client had no such method.
    pub fn list(path: impl Into<String>) -> Result<Self, VaultError> {
        let path = path.into();
        match Method::from_bytes(b"LIST") {
            Ok(method) => Ok(Self::new(method, path)),
            Err(_) => Err(VaultErrorKind::CallInvalid { reason: "it cannot be listed" }.at(path)),
        }
    }

    /// Removes what is at `path`, written as for [`Call::get`].
    pub fn delete(path: impl Into<String>) -> Self {
        Self::new(Method::DELETE, path.into())
    }

    fn new(method: Method, path: String) -> Self {
        Self {
            method,
            path,
            token: None,
            wrap_ttl_seconds: None,
            body: None,
            timeout: None,
            token_is_new: false,
        }
    }

    /// Sends `token` as `X-Vault-Token`.
    pub fn token(self, token: &VaultToken) -> Self {
        Self { token: Some(Token::Vault(token.clone())), ..self }
    }

    /// Sends a wrapping token as `X-Vault-Token`. Whatever the call is, it burns the token; only `sys/wrapping/unwrap`
    /// gives something for it (<https://developer.hashicorp.com/vault/api-docs/system/wrapping-unwrap>).
    pub fn wrapping_token(self, token: &WrappingToken) -> Self {
        Self { token: Some(Token::Wrapping(token.clone())), ..self }
    }

    /// Asks for the answer to be wrapped for so many seconds. With 0 Vault would answer in clear, so that is refused
    /// when the call is sent (<https://developer.hashicorp.com/vault/docs/concepts/response-wrapping>).
    pub fn wrap_ttl_seconds(self, seconds: u64) -> Self {
        Self { wrap_ttl_seconds: Some(seconds), ..self }
    }

    /// Sends `body` as JSON.
    ///
    /// # Errors
    /// [`VaultErrorKind::CallInvalid`] for a body that has no JSON form.
    pub fn body(self, body: &(impl Serialize + ?Sized)) -> Result<Self, VaultError> {
        let json = serde_json::to_vec(body).map_err(|_error| self.invalid("its body has no JSON form"))?;
        Ok(Self { body: Some(Zeroizing::new(json)), ..self })
    }

    /// Gives this call its own time limit, from connecting to the last byte of the answer.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout: Some(timeout), ..self }
    }

    /// Says that the token was made a moment ago, so that a node which does not know it may lag behind the others: the call
    /// that follows connects anew.
    pub fn new_token(self) -> Self {
        Self { token_is_new: true, ..self }
    }

    /// The path, as given.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn method(&self) -> Method {
        self.method.clone()
    }

    pub(crate) fn wrap_seconds(&self) -> Option<u64> {
        self.wrap_ttl_seconds
    }

    pub(crate) fn json(&self) -> Option<&[u8]> {
        self.body.as_ref().map(|body| body.as_slice())
    }

    pub(crate) fn own_timeout(&self) -> Option<Duration> {
        self.timeout
    }

    pub(crate) fn token_is_new(&self) -> bool {
        self.token_is_new
    }

    /// The token in clear, to send it and to take it out of error texts.
    pub(crate) fn exposed_token(&self) -> Option<&str> {
        self.token.as_ref().map(|token| match token {
            Token::Vault(token) => token.expose(),
            Token::Wrapping(token) => token.expose(),
        })
    }

    /// Marked sensitive, so that no layer below prints it.
    pub(crate) fn token_header(&self) -> Option<HeaderValue> {
        // INVARIANT (token fits a header): `secret` lets nothing else become a token.
        let mut value = HeaderValue::from_str(self.exposed_token()?).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// The URL, each segment of the path encoded on its own, so that a path can neither climb nor grow a query.
    pub(crate) fn url(&self, address: &VaultAddress) -> Result<Url, VaultError> {
        if self.wrap_ttl_seconds == Some(0) {
            return Err(self.invalid("a wrap TTL of 0 would leave the answer in clear"));
        }
        if !self.path.split('/').all(is_segment) {
            return Err(self.invalid("it is not a path of plain segments"));
        }
        let mut url = address.url().clone();
        match url.path_segments_mut() {
            Ok(mut segments) => segments.pop_if_empty().push("v1").extend(self.path.split('/')),
            Err(()) => return Err(self.invalid("the address takes no path")),
        };
        Ok(url)
    }

    fn invalid(&self, reason: &'static str) -> VaultError {
        VaultErrorKind::CallInvalid { reason }.at(&self.path)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("method", &self.method).field("path", &self.path).finish_non_exhaustive()
    }
}

fn is_segment(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..")
        && !segment.contains(['?', '#', '\\'])
        && !segment.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(address: &str, path: &str) -> Result<String, VaultError> {
        Call::get(path).url(&VaultAddress::parse(address).unwrap()).map(String::from)
    }

    #[test]
    fn the_path_goes_below_v1_and_the_addresss_own_path_with_each_segment_encoded() {
        for (address, path, expected) in [
            ("https://v.example", "sys/health", "https://v.example/v1/sys/health"),
            ("https://v.example/", "a/b", "https://v.example/v1/a/b"),
            ("https://example.com/vault/", "a/b", "https://example.com/vault/v1/a/b"),
            ("https://v.example", "kv/a b/%2e%2e/é", "https://v.example/v1/kv/a%20b/%252e%252e/%C3%A9"),
        ] {
            assert_eq!(url(address, path).unwrap(), expected);
        }
    }

    #[test]
    fn each_kind_of_call_has_its_method() {
        let methods = [Call::get("a"), Call::post("a"), Call::list("a").unwrap(), Call::delete("a")];
        assert_eq!(methods.map(|call| call.method().to_string()), ["GET", "POST", "LIST", "DELETE"]);
    }

    #[test]
    fn rejects_paths_that_climb_or_leave_the_path() {
        for path in
            ["", "/a", "a/", "a//b", "a/../b", "..", "a/./b", "a?list=true", "a#b", "a\\b", "a\nb", "a\0"]
        {
            let error = url("https://v.example", path).unwrap_err();
            assert!(matches!(error.kind, VaultErrorKind::CallInvalid { .. }), "{path:?}: {error:?}");
            assert!(error.request_not_sent());
        }
        let unwrapped = Call::post("auth/token/create/x").wrap_ttl_seconds(0);
        let error = unwrapped.url(&VaultAddress::parse("https://v.example").unwrap()).unwrap_err();
        assert!(matches!(error.kind, VaultErrorKind::CallInvalid { .. }), "it would not wrap: {error:?}");
    }

    #[test]
    fn debug_is_exactly_the_method_and_the_path_and_the_token_header_is_sensitive() {
        let call = Call::post("a/b").token(&VaultToken::parse("s.secret").unwrap());
        let header = call.token_header().unwrap();
        assert!(header.is_sensitive());
        assert_eq!(header.to_str().unwrap(), "s.secret");
        let call = call.body(&serde_json::json!({"password": "secret"})).unwrap();
        assert_eq!(format!("{call:?}"), r#"Call { method: POST, path: "a/b", .. }"#);
    }
}
