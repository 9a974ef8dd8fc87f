//! The AWS credentials of the person who runs the command.
//!
//! Receives a region; produces the credentials that every AWS tool on this machine would find. The commands sign with
//! them.

use aws_config::BehaviorVersion;
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError},
};
use sts_identity::Region;

/// The chain of the AWS SDKs. The region is where a profile's role is assumed; it is named so that nobody asks an instance
/// for its own.
pub(crate) async fn credentials(region: &Region) -> Result<Credentials, CredentialsError> {
    let region = aws_config::Region::new(region.as_str().to_owned());
    let config = aws_config::defaults(BehaviorVersion::latest()).region(region).load().await;
    let provider = config.credentials_provider().ok_or_else(CredentialsError::not_loaded_no_source)?;
    provider.provide_credentials().await
}
