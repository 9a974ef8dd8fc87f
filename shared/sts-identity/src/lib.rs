//! Proves an AWS IAM identity with a signed `sts:GetCallerIdentity` request, and verifies such a proof.
//!
//! The holder of AWS credentials signs a request to STS and hands it over unsent. The receiver sends it to STS, which
//! checks the signature and answers with the signer's ARN. The secret key never leaves its owner, and AWS itself
//! vouches for the identity.
//!
//! Everything here is pure: credentials, texts and `now` come in as values, and nothing is sent. The network is
//! behind one trait, [`Sts`]. The crate knows neither API Gateway nor Vault's API, and its user decides what carries
//! a proof.
//!
//! # The signer's half
//!
//! 1. [`StsEndpoint`]: which STS the request is for. URL, `Host` header and signature scope all come from it.
//! 2. [`ServerId`]: whom the request is meant for, so that no one else can use it.
//! 3. [`sign_get_caller_identity`]: a `POST` with an `Authorization` header, as Vault's AWS auth method takes it.
//! 4. [`presign_get_caller_identity`]: the same as one URL.
//!
//! ```
//! use aws_credential_types::Credentials;
//! use sts_identity::{ServerId, SigningRequest, StsEndpoint, sign_get_caller_identity};
//! use std::time::{Duration, UNIX_EPOCH};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let credentials = Credentials::new("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, None, "example");
//! let endpoint = StsEndpoint::regional(&"eu-west-1".parse()?);
//! let server_id: ServerId = "vault.example.com".parse()?;
//!
//! let signed = sign_get_caller_identity(SigningRequest {
//!     credentials: &credentials,
//!     endpoint: &endpoint,
//!     server_id: Some(&server_id),
//!     now: UNIX_EPOCH + Duration::from_secs(1_800_000_000),
//! })?;
//!
//! assert_eq!(signed.url(), "https://sts.eu-west-1.amazonaws.com/");
//! assert_eq!(signed.body(), "Action=GetCallerIdentity&Version=2011-06-15");
//! assert!(signed.headers().any(|(name, _)| name == "X-Vault-AWS-IAM-Server-ID"));
//! # Ok(())
//! # }
//! ```
//!
//! # A JWT in place of a proof
//!
//! A receiver that verifies JWTs and does not ask STS can take a JWT instead. [`sign_get_web_identity_token`] signs
//! the request for it, the crate's user sends that request, and [`WebIdentityToken::read`] takes the JWT from the
//! answer. The receiver verifies the JWT.
//!
//! # The verifier's half
//!
//! ```text
//! presigned URL ─parse─▶ StsRequest ─Sts::call─▶ StsAnswer ─verify─▶ CallerIdentity
//! ```
//!
//! 1. [`StsHosts`]: which hosts a proof may be for. Who answers as STS decides who the caller is.
//! 2. [`StsRequest`]: a caller's URL, checked against [`Expected`] and rebuilt. Nothing of the caller's is forwarded.
//! 3. [`Sts`]: sends it. The adapter is its user's.
//! 4. [`CallerIdentity`]: what STS answered, read strictly. A refused credential and an outage are never mixed up.
//! 5. [`PrincipalArn`]: the identity's name, as it was written and as it is compared.
//!
//! A proof is a bearer credential until it ends. To accept each proof once, remember [`StsRequest::url`] (hashed,
//! because it is a secret) with the server id until [`StsRequest::ends_at`]. Each proof has exactly one spelling
//! there.
//!
//! ```
//! # use aws_credential_types::Credentials;
//! # use sts_identity::{SigningRequest, presign_get_caller_identity};
//! use sts_identity::{CallerIdentity, Expected, ServerId, StsAnswer, StsEndpoint, StsHosts, StsRequest};
//! use std::time::{Duration, UNIX_EPOCH};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let credentials =
//! #     Credentials::new("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None, None, "example");
//! # let endpoint = StsEndpoint::regional(&"eu-west-1".parse()?);
//! # let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
//! let hosts = StsHosts::regional(&["eu-west-1".parse()?]);
//! let server_id: ServerId = "orders.example.com".parse()?;
//! # let signing = SigningRequest { credentials: &credentials, endpoint: &endpoint, server_id: Some(&server_id), now };
//! # let presigned = presign_get_caller_identity(signing, Duration::from_secs(60))?;
//! # let url = presigned.expose();
//!
//! let expected = Expected { hosts: &hosts, server_id: &server_id, max_age: Duration::from_secs(60), now };
//! let request = StsRequest::parse(url, &expected)?;
//!
//! // Here the request is sent, and this is what comes back.
//! let answer = StsAnswer {
//!     status: 200,
//!     content_type: Some("text/xml".to_owned()),
//!     body: br#"<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
//!       <GetCallerIdentityResult>
//!         <Arn>arn:aws:sts::123456789012:assumed-role/batch/nightly</Arn>
//!         <UserId>AROACLKWSDQRAOEXAMPLE:nightly</UserId>
//!         <Account>123456789012</Account>
//!       </GetCallerIdentityResult>
//!       <ResponseMetadata><RequestId>01234567-89ab-cdef-0123-456789abcdef</RequestId></ResponseMetadata>
//!     </GetCallerIdentityResponse>"#
//!         .to_vec(),
//! };
//!
//! let caller = CallerIdentity::verify(&answer, &request)?;
//! assert_eq!(caller.arn().canonical(), "arn:aws:iam::123456789012:role/batch");
//! assert_eq!(caller.account(), "123456789012");
//! assert_eq!(caller.unique_id(), "AROACLKWSDQRAOEXAMPLE");
//! # Ok(())
//! # }
//! ```

mod arn;
mod caller;
mod date;
mod endpoint;
#[cfg(test)]
mod fixture;
mod hosts;
mod partition;
mod presign;
mod proof;
mod query;
mod server_id;
mod sign;
mod sts;
mod web_identity;
mod xml;

pub use arn::{PrincipalArn, PrincipalArnError};
pub use caller::{AnswerError, CallerIdentity};
pub use endpoint::{Region, RegionError, StsEndpoint, StsEndpointError};
pub use hosts::StsHosts;
pub use presign::{PresignedUrl, presign_get_caller_identity};
pub use proof::{CLOCK_SKEW, Expected, ProofDefect, ProofError, StsRequest};
pub use query::UnknownName;
pub use server_id::{ServerId, ServerIdError};
pub use sign::{SignError, SignedRequest, SigningRequest, sign_get_caller_identity};
pub use sts::{MAX_ANSWER_BYTES, Sts, StsAnswer, StsUnavailable};
pub use web_identity::{
    Audience, AudienceError, WebIdentityError, WebIdentityRequest, WebIdentityToken,
    sign_get_web_identity_token,
};
