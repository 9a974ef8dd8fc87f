//! Proves an AWS IAM identity with a signed `sts:GetCallerIdentity` request.
//!
//! Whoever holds AWS credentials signs a request to STS and hands it over unsent. Whoever receives it sends it to STS,
//! which checks the signature and answers with the signer's ARN. The secret key never leaves its owner, and AWS itself
//! vouches for the identity.
//!
//! This crate holds the signer's half. It is pure: credentials and `now` come in as values, a [`SignedRequest`] goes
//! out, nothing is sent. It knows neither API Gateway nor Vault; what carries the request is its user's business.
//!
//! Reading order:
//!
//! 1. [`StsEndpoint`]: which STS the request is for. URL, `Host` header and signature scope all come from it.
//! 2. [`ServerId`]: whom the request is meant for, so that no one else can use it.
//! 3. [`sign_get_caller_identity`]: the one function.
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

mod arn;
mod caller;
mod date;
mod endpoint;
mod hosts;
mod partition;
mod presign;
mod proof;
mod query;
mod server_id;
mod sign;
mod sts;

pub use arn::{PrincipalArn, PrincipalArnError};
pub use caller::{AnswerError, CallerIdentity};
pub use endpoint::{EndpointError, Region, RegionError, StsEndpoint};
pub use hosts::StsHosts;
pub use presign::{PresignedUrl, presign_get_caller_identity};
pub use proof::{CLOCK_SKEW, Expected, ProofDefect, ProofError, StsRequest};
pub use server_id::{ServerId, ServerIdError};
pub use sign::{SignError, SignedRequest, SigningRequest, sign_get_caller_identity};
pub use sts::{MAX_ANSWER_BYTES, Sts, StsAnswer, StsUnavailable};
