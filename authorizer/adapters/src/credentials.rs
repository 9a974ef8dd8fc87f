//! The AWS credentials of the function, which it uses to log in where AWS vouches for it.
//!
//! They come from the environment or, for a runtime with SnapStart, from the container endpoint (AWS Lambda developer
//! guide, "Defined runtime environment variables"; SDKs and tools reference guide, "Container credential provider").
//! No other place is searched, and nothing is read before a login asks. The logins do the signing.

use std::env;

use aws_config::{
    ecs::EcsCredentialsProvider, environment::EnvironmentVariableCredentialsProvider,
    provider_config::ProviderConfig,
};
use aws_credential_types::{
    Credentials,
    provider::{ProvideCredentials, error::CredentialsError, future},
};
use aws_smithy_runtime_api::client::{
    http::{HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector},
    orchestrator::{HttpRequest, HttpResponse},
    result::ConnectorError,
    runtime_components::RuntimeComponents,
};
use aws_smithy_types::body::SdkBody;
use vault_transport::http::{self, TransportError};

use crate::client::send_repeatable;

/// A set of credentials has one or two thousand bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

const FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
const RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
const NOWHERE: &str = "neither the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY) nor a container endpoint \
     (AWS_CONTAINER_CREDENTIALS_FULL_URI) has any, and Lambda sets one of them for a function with a role";

/// The credentials that Lambda gives to every function with a role.
#[derive(Debug)]
pub struct FunctionCredentials {
    environment: EnvironmentVariableCredentialsProvider,
    container: EcsCredentialsProvider,
}

impl FunctionCredentials {
    /// Credentials of the environment, else of the container endpoint, which is asked through this client.
    pub fn new(client: reqwest::Client) -> Self {
        let config = ProviderConfig::empty().with_http_client(Client(client));
        Self {
            environment: EnvironmentVariableCredentialsProvider::new(),
            container: EcsCredentialsProvider::builder().configure(&config).build(),
        }
    }

    async fn credentials(&self) -> Result<Credentials, CredentialsError> {
        match self.environment.provide_credentials().await {
            Err(CredentialsError::CredentialsNotLoaded(_)) => {}
            credentials => return credentials,
        }
        // Elsewhere than in Lambda, a relative URI comes before it.
        let is_lambdas = env::var_os(FULL_URI).is_some() && env::var_os(RELATIVE_URI).is_none();
        if !is_lambdas {
            return Err(CredentialsError::not_loaded(NOWHERE));
        }
        self.container.provide_credentials().await
    }
}

impl ProvideCredentials for FunctionCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        future::ProvideCredentials::new(self.credentials())
    }
}

/// The HTTP client of this function, as the AWS crates take one: they bring none along.
#[derive(Debug, Clone)]
struct Client(reqwest::Client);

impl HttpClient for Client {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Client {
    /// A request without a body, as all for credentials are.
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let headers = request.headers().iter();
        let call = headers.fold(self.0.get(request.uri()), |call, (name, value)| call.header(name, value));
        HttpConnectorFuture::new(async move {
            // It may have been kept while the function was frozen.
            let answer = send_repeatable(call).await;
            let answer = answer.map_err(|error| ConnectorError::io(TransportError::from(error).into()))?;
            let status = answer.status().as_u16();
            let body = http::read_capped(answer, MAX_ANSWER_BYTES).await;
            let body = body.map_err(|error| ConnectorError::io(error.into()))?;
            let status =
                status.try_into().map_err(|error: _| ConnectorError::other(Box::new(error), None))?;
            Ok(HttpResponse::new(status, SdkBody::from(body)))
        })
    }
}
