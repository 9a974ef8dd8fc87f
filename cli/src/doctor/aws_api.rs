//! Reads AWS's APIs with signed requests, without an SDK for each service.
//!
//! Receives a service and a path; produces the JSON of the answer, or nothing if AWS does not know the resource. The
//! checks know what the JSON means.

use std::time::Duration;

use authorizer_steps::{
    clock::{Clock, SystemClock},
    error_chain::with_causes,
};
use aws_credential_types::Credentials;
use aws_sigv4::{
    http_request::{SignableBody, SignableRequest, SigningSettings, sign},
    sign::v4,
};
use serde_json::Value;
use sts_identity::{Region, StsHosts};
use vault_api::{checked_endpoint, is_loopback};
use vault_transport::http::{self, TransportError};

use super::finding::Finding;
use crate::aws_credentials::credentials;

/// The longest answer that is read: a page of an account's authorizers or stages.
const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;
const TIMEOUT: Duration = Duration::from_secs(10);

/// One account's APIs in one region.
pub(super) struct AwsApi {
    client: reqwest::Client,
    credentials: Credentials,
    region: Region,
    /// An emulator's, for every service.
    endpoint: Option<String>,
}

/// Whose API.
#[derive(Debug, Clone, Copy)]
pub(super) enum Service {
    Lambda,
    ApiGateway,
}

impl Service {
    fn name(self) -> &'static str {
        match self {
            Self::Lambda => "lambda",
            Self::ApiGateway => "apigateway",
        }
    }
}

impl AwsApi {
    /// With the credentials that every AWS tool would find. The error is for the operator.
    pub(super) async fn new(
        client: reqwest::Client,
        region: Region,
        endpoint: Option<&str>,
    ) -> Result<Self, String> {
        let endpoint = endpoint.map(loopback).transpose()?;
        let credentials = credentials(&region).await.map_err(|error| with_causes(&error))?;
        Ok(Self { client, credentials, region, endpoint })
    }

    /// What is at `path`; `None` where nothing is. The error is what `check` finds then.
    pub(super) async fn get(
        &self,
        check: &'static str,
        service: Service,
        path: &str,
    ) -> Result<Option<Value>, Finding> {
        self.called(service, path).await.map_err(|reason| Finding::unseen(check, reason))
    }

    async fn called(&self, service: Service, path: &str) -> Result<Option<Value>, String> {
        let url = format!("{}/{path}", self.base(service));
        let mut request = self.client.get(&url).timeout(TIMEOUT);
        for (name, value) in self.signature(service, &url)? {
            request = request.header(name, value);
        }
        let answer = request.send().await.map_err(|error| with_causes(&TransportError::from(error)))?;
        let status = answer.status().as_u16();
        let body = http::read_capped(answer, MAX_ANSWER_BYTES).await.map_err(|error| with_causes(&error))?;
        let json: Option<Value> = serde_json::from_slice(&body).ok();
        match (status, json) {
            (200, Some(json)) => Ok(Some(json)),
            (404, _) => Ok(None),
            (status, json) => Err(format!("GET {path}: status {status}{}", said(json.as_ref()))),
        }
    }

    fn base(&self, service: Service) -> String {
        if let Some(endpoint) = &self.endpoint {
            return endpoint.clone();
        }
        // AWS's services share the name behind their own, such as `eu-west-1.amazonaws.com` or `cn-north-1.amazonaws.com.cn`.
        let hosts = StsHosts::regional(std::slice::from_ref(&self.region));
        let sts = hosts.iter().next().map(|sts| sts.host().to_owned()).unwrap_or_default();
        let behind = sts.strip_prefix("sts.").unwrap_or_default();
        format!("https://{}.{behind}", service.name())
    }

    fn signature(&self, service: Service, url: &str) -> Result<Vec<(String, String)>, String> {
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region.as_str())
            .name(service.name())
            .time(SystemClock.now().to_system_time())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| with_causes(&error))?
            .into();
        let host = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
        let headers = [("host", host)];
        let unsigned = SignableRequest::new("GET", url, headers.into_iter(), SignableBody::empty())
            .map_err(|error| with_causes(&error))?;
        let (instructions, _) = sign(unsigned, &params).map_err(|error| with_causes(&error))?.into_parts();
        Ok(instructions.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }
}

/// AWS's own words, of which each service has another form.
fn said(json: Option<&Value>) -> String {
    let word = |name: &str| json.and_then(|json| json.get(name)).and_then(Value::as_str);
    let message = word("message").or_else(|| word("Message")).unwrap_or_default();
    if message.is_empty() { String::new() } else { format!(", `{message}`") }
}

fn loopback(endpoint: &str) -> Result<String, String> {
    let url = checked_endpoint(endpoint).map_err(|error| with_causes(&error))?;
    if is_loopback(&url) {
        return Ok(endpoint.trim_end_matches('/').to_owned());
    }
    Err("`--aws-endpoint` must be on this machine".to_owned())
}
