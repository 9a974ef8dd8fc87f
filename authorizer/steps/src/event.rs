//! Step 1: from API Gateway's raw event to a [`Request`].
//!
//! Receives the bytes of an event, whose JSON can have several shapes. Produces a [`Request`] with a method ARN,
//! route and headers that are checked and agree with each other, and its [`Credential`], still unverified. Who the
//! caller is follows in [`identity`](crate::identity), and what they may do in [`grant`](crate::grant).
//!
//! Each shape is read field by field, because any field can be absent, null or of another type. The types of
//! `aws_lambda_events` reject the whole event in that case, and keep only one of two spellings of a header. The
//! shapes are documented in the API Gateway developer guide: "Input to an API Gateway Lambda authorizer", "Control
//! access to HTTP APIs with AWS Lambda authorizers", "Control access to WebSocket APIs with AWS Lambda REQUEST
//! authorizers".

mod credential;
mod fields;
mod json;
mod method_arn;
mod route;
mod sender;
mod shape;
mod summary;

use std::{error::Error, fmt};

use credential::Places;

pub use credential::{
    BearerToken, Credential, CredentialError, CredentialSource, EncodedProof, MAX_CREDENTIAL_BYTES,
};
pub use json::Json;
pub use method_arn::{InvalidMethodArn, MethodArn};
pub use route::{InvalidRoute, Resource, Route};
pub use sender::{CallerUrl, DpopHeader, Sender};
pub use shape::Shape;
pub use summary::EventSummary;

/// A call to the API, as far as it can be known before the caller is.
pub struct Request<'e> {
    shape: Shape,
    method_arn: MethodArn,
    resource: Resource,
    places: Places<'e>,
    /// The `authorizationToken` of a `TOKEN` event.
    token: Option<&'e str>,
    caller_url: Option<CallerUrl>,
    /// In PEM.
    certificate: Option<&'e str>,
}

/// Reads the bytes of an event.
///
/// # Errors
///
/// [`EventError::Unreadable`], also for what is nested deeper than 127 levels, and for a duplicate member: API
/// Gateway writes the event from maps, which have none.
pub fn read(bytes: &[u8]) -> Result<Json<'_>, EventError> {
    let unreadable = |error: &dyn Error| EventError::Unreadable(error.to_string());
    // Once for the whole event, and not for each of its texts.
    let text = str::from_utf8(bytes).map_err(|error| unreadable(&error))?;
    // Of any JSON serde's text never quotes the input.
    serde_json::from_str(text).map_err(|error| unreadable(&error))
}

impl<'e> Request<'e> {
    /// Reads an event.
    ///
    /// # Errors
    ///
    /// See [`EventError`].
    pub fn parse(event: &'e Json<'_>) -> Result<Self, EventError> {
        shape::read(event)
    }

    /// The credential, from the one place among `sources` that carries it, and that place.
    ///
    /// # Errors
    ///
    /// See [`CredentialError`]: none, more than one, or not of a known form.
    pub fn credential(
        &self,
        sources: &[CredentialSource],
    ) -> Result<(CredentialSource, Credential), CredentialError> {
        match self.shape {
            // API Gateway took the value from the header that the authorizer names as its token source.
            Shape::RestToken => {
                let source = CredentialSource::Header("authorizationToken".to_owned());
                Ok((source, Credential::of_token_event(self.token.unwrap_or_default(), sources)?))
            }
            Shape::RestRequest | Shape::HttpV1 | Shape::HttpV2 | Shape::WebSocket => {
                credential::find(&self.places, sources)
            }
        }
    }

    /// What the request shows of its sender beside the credential.
    pub fn sender(&self) -> Sender<'_> {
        let method = match self.shape {
            Shape::WebSocket => "GET",
            Shape::RestToken | Shape::RestRequest | Shape::HttpV1 | Shape::HttpV2 => self.method_arn.method(),
        };
        Sender {
            method,
            url: self.caller_url.as_ref(),
            path_in_stage: self.method_arn.path().unwrap_or_default(),
            dpop: self.places.dpop(),
            certificate: self.certificate,
            shape: self.shape,
        }
    }

    /// Which authorizer was called.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The method that is called.
    pub fn method_arn(&self) -> &MethodArn {
        &self.method_arn
    }

    /// What the call was routed to.
    pub fn resource(&self) -> &Resource {
        &self.resource
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("shape", &self.shape)
            .field("method_arn", &self.method_arn)
            .field("resource", &self.resource)
            .finish_non_exhaustive()
    }
}

/// Why an event is not a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// A fault: not JSON, or not of a form that can be held.
    #[error("the event cannot be parsed, so it does not come from API Gateway: {0}")]
    Unreadable(String),
    /// A fault: the function is attached to something it does not serve.
    #[error("this authorizer does not support the event: {0}")]
    Unsupported(&'static str),
    /// A denial, or a fault where the ARN itself is malformed.
    #[error(transparent)]
    MethodArn(#[from] InvalidMethodArn),
    /// A path that could be read in two ways, where the path says what is called.
    #[error(
        "the path is ambiguous: a TOKEN event, which has no route template, has `%`, an empty segment, a dot \
         segment or a trailing slash in its path; or the path looks like a template"
    )]
    PathAmbiguous,
    /// `accountId` and the ARN differ.
    #[error("the event's account id does not match its method ARN")]
    AccountDisagrees,
    /// `apiId` and the ARN differ.
    #[error("the event's API id does not match its method ARN")]
    ApiDisagrees,
    /// `stage` and the ARN differ.
    #[error("the event's stage does not match its method ARN")]
    StageDisagrees,
    /// `httpMethod`, `resourcePath` or `routeKey` differs from the ARN or from `resource`.
    #[error("the event names two different methods or resources")]
    RouteDisagrees,
    /// A header that only the authorizer may set.
    #[error("the request has a header that starts with `x-vault-`, and only this authorizer may set those")]
    HeaderReserved,
}
