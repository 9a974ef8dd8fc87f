//! Vault's AWS auth method: a signed GetCallerIdentity proves the function's role. No secret is stored.
//!
//! Receives the settings and, at each login, credentials; produces what Vault granted. `sts-identity` makes the
//! signature, and the session keeps the token.
//!
//! Vault documentation, "AWS auth method (API)", `POST /auth/aws/login` with the `iam_*` parameters.

use std::sync::Arc;

use authorizer_steps::{
    clock::{Clock, UnixTime},
    mint::MintError,
    names::{MountPath, RoleName},
};
use aws_credential_types::provider::ProvideCredentials;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value};
use sts_identity::{ServerId, SignedRequest, SigningRequest, StsEndpoint, sign_get_caller_identity};
use vault_transport::Vault;
use zeroize::Zeroizing;

use super::{Granted, Login, LoginFuture, post, unusable};
use crate::vault::repeat::time_for_a_call;

/// How to log in with the function's role.
#[derive(Debug)]
pub struct AwsLoginSettings {
    /// Where the auth method is mounted.
    pub mount: MountPath,
    /// Its role.
    pub role: RoleName,
    /// `X-Vault-AWS-IAM-Server-ID`, signed: it makes the proof worthless to any other Vault.
    pub server_id: ServerId,
    /// The STS that Vault asks. URL, Host and signature scope all come from this one value.
    pub sts: StsEndpoint,
}

/// The login with the function's role.
pub struct AwsLogin {
    settings: AwsLoginSettings,
    credentials: Box<dyn ProvideCredentials>,
    clock: Arc<dyn Clock>,
}

impl AwsLogin {
    /// A login that asks `credentials` each time: temporary credentials end.
    pub fn new(
        settings: AwsLoginSettings,
        credentials: Box<dyn ProvideCredentials>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { settings, credentials, clock }
    }

    /// The errors are about the credentials' absence or shape; none quotes a value.
    async fn signed(&self) -> Result<SignedRequest, MintError> {
        let credentials = self.credentials.provide_credentials().await.map_err(|error| unusable(&error))?;
        let request = SigningRequest {
            credentials: &credentials,
            endpoint: &self.settings.sts,
            server_id: Some(&self.settings.server_id),
            now: self.clock.now().to_system_time(),
        };
        sign_get_caller_identity(request).map_err(|error| unusable(&error))
    }

    async fn log_in(&self, vault: &Vault, deadline: UnixTime) -> Result<Granted, MintError> {
        // Fresh for each login: STS takes a signature for 15 minutes only.
        let signed = self.signed().await?;
        let AwsLoginSettings { mount, role, .. } = &self.settings;
        let time = time_for_a_call(deadline, self.clock.now())?;
        post(vault, mount, &Body::new(role.as_str(), &signed), time).await
    }
}

impl Login for AwsLogin {
    fn login<'a>(&'a self, vault: &'a Vault, deadline: UnixTime) -> LoginFuture<'a> {
        Box::pin(self.log_in(vault, deadline))
    }
}

/// Vault takes the signed request apart, each part in base64.
#[derive(Serialize)]
struct Body<'a> {
    role: &'a str,
    iam_http_request_method: &'static str,
    iam_request_url: String,
    iam_request_body: String,
    #[serde(serialize_with = "exposed")]
    iam_request_headers: Zeroizing<String>,
}

fn exposed<S: Serializer>(secret: &Zeroizing<String>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret)
}

impl<'a> Body<'a> {
    fn new(role: &'a str, signed: &SignedRequest) -> Self {
        let headers: Map<_, _> =
            signed.headers().map(|(name, value)| (name.to_owned(), value.into())).collect();
        let headers = Zeroizing::new(Value::from(headers).to_string());
        Self {
            role,
            iam_http_request_method: signed.method(),
            iam_request_url: STANDARD.encode(signed.url()),
            iam_request_body: STANDARD.encode(signed.body()),
            iam_request_headers: Zeroizing::new(STANDARD.encode(headers.as_bytes())),
        }
    }
}
