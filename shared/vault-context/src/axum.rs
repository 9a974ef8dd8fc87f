//! A request's Vault token in an axum handler: [`RequestToken`], and [`UnwrapError`] as an answer.
//!
//! A request without a usable token is answered with [`UnwrapError::status`] and the error's code as JSON. A 503 asks
//! the client to come back in a second. The log says what happened.

use axum_core::extract::{FromRef, FromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde_json::json;
use vault_api::error_chain::with_causes;

use crate::request;
use crate::unwrap::{Integration, UnwrapError, Unwrapped};

/// The token of this request, opened before the handler runs. The state of the router has the [`Integration`].
///
/// Call [`Unwrapped::revoke`] when the secret is no longer in use. [`tower`](crate::tower) has a layer that does, also where the
/// client hangs up while the token is being opened; here such a token is left to its TTL.
#[derive(Debug)]
pub struct RequestToken(pub Unwrapped);

impl<S> FromRequestParts<S> for RequestToken
where
    S: Send + Sync,
    Integration: FromRef<S>,
{
    type Rejection = UnwrapError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, UnwrapError> {
        let context = request::context(&parts.headers)?;
        Integration::from_ref(state).open_context(context, request::now()).await.map(Self)
    }
}

impl IntoResponse for UnwrapError {
    fn into_response(self) -> Response {
        answer(&self)
    }
}

/// The code for the client, and the rest for the log.
pub(crate) fn answer(error: &UnwrapError) -> Response {
    let (status, code) = (error.status(), error.code());
    let reason = with_causes(error);
    tracing::error!(code, status, reason, "the request has no usable Vault token");
    let mut response = json!({ "error": code }).to_string().into_response();
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == 503 {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
    }
    response
}
