//! Vault's AWS auth method for one login, as Vault documents it. It checks the request that the client signed, asks
//! STS, and creates a token.
//!
//! ```text
//! {"role": "api-authorizer", "iam_http_request_method": "POST",
//!  "iam_request_url":     base64 "https://sts.amazonaws.com/",
//!  "iam_request_body":    base64 "Action=GetCallerIdentity&Version=2011-06-15",
//!  "iam_request_headers": base64 {"Authorization": "AWS4-HMAC-SHA256 …", …} or that object; values: a string or a list}
//! ```
//!
//! The stand-in does not support unique ids (`resolve_aws_unique_ids=false`), wildcards in principals, EC2, or
//! wrapped logins.

use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, StatusCode};
use serde_json::{Map, Value, json};
use url::Url;

use super::{Proxy, TOKEN_MAX_TTL_SECONDS};
use crate::http::{Backend, end_to_end};

const SERVER_ID_HEADER: &str = "X-Vault-AWS-IAM-Server-ID";

/// The `X-Amz-` headers that a login may carry; Vault's default list.
const ALLOWED_AMZ_HEADERS: [&str; 7] = [
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
];

impl Proxy {
    /// What Vault answers to a login.
    pub(super) async fn log_in(&self, login: &[u8]) -> Response {
        match self.verified(login).await {
            Ok((caller, policy)) => self.token(&caller, policy).await,
            Err(reason) => (StatusCode::BAD_REQUEST, axum::Json(json!({"errors": [reason]}))).into_response(),
        }
    }

    /// Vault's checks, in Vault's order, with Vault's words.
    async fn verified(&self, login: &[u8]) -> Result<(CallerIdentity, &str), String> {
        let login: Map<String, Value> =
            serde_json::from_slice(login).map_err(|_| "failed to parse JSON input")?;
        let signed = SignedRequest::parse(&login)?;
        validate_server_id(&signed, &self.config.server_id)
            .map_err(|reason| format!("error validating {SERVER_ID_HEADER} header: {reason}"))?;
        validate_amz_headers(&signed)?;
        let caller = self
            .ask_sts(&signed)
            .await
            .map_err(|reason| format!("error making upstream request: {reason}"))?;
        let name = login.get("role").and_then(Value::as_str).unwrap_or_default();
        let role = self.config.roles.iter().find(|role| role.name == name);
        let role = role.ok_or_else(|| format!("entry for role {name} not found"))?;
        if caller.canonical_arn != role.bound_iam_principal_arn {
            return Err(format!("IAM Principal {:?} does not belong to the role {name:?}", caller.arn));
        }
        Ok((caller, &role.policy))
    }

    /// Sends the signed request to STS. The URL names only the `Host`: where it goes is configured.
    async fn ask_sts(&self, signed: &SignedRequest) -> Result<CallerIdentity, String> {
        let mut headers = HeaderMap::new();
        for (name, value) in &signed.headers {
            let name: http::HeaderName =
                name.parse().map_err(|_| "error making request: invalid header name")?;
            let value =
                HeaderValue::from_str(value).map_err(|_| "error making request: invalid header value")?;
            headers.append(name, value);
        }
        let mut headers = end_to_end(headers);
        let authority = &signed.url[url::Position::BeforeHost..url::Position::AfterPort];
        headers.insert(HOST, HeaderValue::from_str(authority).expect("a URL's authority is a header value"));
        let request = self.sts.post(signed.url.path()).headers(headers);
        let answer = request.body(signed.body.clone()).send().await;
        let answer = answer.map_err(|error| format!("error making request: {error}"))?;
        if answer.headers().get(CONTENT_TYPE).is_none_or(|kind| kind != "text/xml") {
            return Err("body of GetCallerIdentity is invalid".to_owned());
        }
        let status = answer.status();
        let body = answer.text().await.map_err(|error| error.to_string())?;
        if status != StatusCode::OK {
            return Err(format!("received error code {} from STS: {body}", status.as_u16()));
        }
        CallerIdentity::parse(&body)
    }

    /// Creates the token on the OpenBao behind, and answers as a login does.
    async fn token(&self, caller: &CallerIdentity, policy: &str) -> Response {
        let create = json!({
            "policies": [policy],
            "no_default_policy": true,
            "no_parent": true,
            "renewable": true,
            "ttl": format!("{}s", self.config.token_ttl_seconds),
            "explicit_max_ttl": format!("{TOKEN_MAX_TTL_SECONDS}s"),
            "display_name": caller.display_name,
            "meta": {"account_id": caller.account, "auth_type": "iam"},
        });
        let request = self.upstream.post("/v1/auth/token/create").header("X-Vault-Token", &self.root_token);
        Backend::pass_back(request.json(&create)).await
    }
}

/// The request that the client signed, as the login carries it.
struct SignedRequest {
    url: Url,
    body: Vec<u8>,
    headers: Vec<(String, String)>,
}

impl SignedRequest {
    fn parse(login: &Map<String, Value>) -> Result<Self, String> {
        let fields =
            ["iam_http_request_method", "iam_request_url", "iam_request_body", "iam_request_headers"];
        if !fields.iter().all(|field| login.contains_key(*field)) {
            return Err("didn't supply required authentication values".to_owned());
        }
        match login["iam_http_request_method"].as_str().unwrap_or_default() {
            "POST" => {}
            "" => return Err("missing iam_http_request_method".to_owned()),
            _ => return Err("invalid iam_http_request_method; currently only 'POST' is supported".to_owned()),
        }
        let url = String::from_utf8_lossy(&base64_field(login, "iam_request_url")?).into_owned();
        let url = Url::parse(&url).map_err(|_| "error parsing iam_request_url")?;
        if url.query().is_some_and(|query| !query.is_empty()) {
            return Err("invalid request".to_owned());
        }
        let body = base64_field(login, "iam_request_body")?;
        validate_body(&body)?;
        let headers = header_field(&login["iam_request_headers"])?;
        Ok(Self { url, body, headers })
    }

    fn header(&self, name: &str) -> Option<String> {
        let values = self.headers.iter().filter(|(each, _)| each.eq_ignore_ascii_case(name));
        let values: Vec<&str> = values.map(|(_, value)| value.as_str()).collect();
        (!values.is_empty()).then(|| values.join(","))
    }
}

/// A field in standard base64; the URL-safe alphabet is an error, as it is in Vault.
fn base64_field(login: &Map<String, Value>, name: &str) -> Result<Vec<u8>, String> {
    let encoded = login[name].as_str().unwrap_or_default();
    if encoded.is_empty() {
        return Err(format!("missing {name}"));
    }
    STANDARD.decode(encoded).map_err(|_| format!("failed to base64 decode {name}"))
}

/// The body may say one thing only.
fn validate_body(body: &[u8]) -> Result<(), String> {
    let pairs: Vec<_> = url::form_urlencoded::parse(body).collect();
    let actions = pairs.iter().filter(|(name, _)| name == "Action").count();
    let allowed =
        |(name, value): &(_, _)| name == "Version" || (name == "Action" && value == "GetCallerIdentity");
    if actions > 1 || !pairs.iter().all(allowed) {
        return Err("iam request body is invalid".to_owned());
    }
    Ok(())
}

fn header_field(field: &Value) -> Result<Vec<(String, String)>, String> {
    let mut decoded = field.clone();
    if let Some(encoded) = field.as_str() {
        let json = STANDARD.decode(encoded).map_err(|_| "failed to base64 decode iam_request_headers")?;
        decoded = serde_json::from_slice(&json).map_err(|_| "failed to JSON decode iam_request_headers")?;
    }
    let mut headers = Vec::new();
    for (name, value) in decoded.as_object().ok_or("missing iam_request_headers")? {
        for value in value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice) {
            let value = value.as_str().ok_or_else(|| format!("header {name} is not a string"))?.to_owned();
            headers.push((name.clone(), value));
        }
    }
    if headers.is_empty() {
        return Err("missing iam_request_headers".to_owned());
    }
    Ok(headers)
}

/// The server id must be the configured one, and signed: else a signature made for another server would do.
fn validate_server_id(signed: &SignedRequest, server_id: &str) -> Result<(), String> {
    let provided = signed.header(SERVER_ID_HEADER).filter(|value| !value.is_empty());
    let provided = provided.ok_or_else(|| format!("missing header {SERVER_ID_HEADER:?}"))?;
    if provided != server_id {
        return Err(format!("expected {server_id:?} but got {provided:?}"));
    }
    let authorization = signed.header("Authorization").ok_or("missing Authorization header")?;
    let (_, names) = authorization.rsplit_once("SignedHeaders=").ok_or("vault header wasn't signed")?;
    let names = names.split(',').next().unwrap_or_default();
    if !names.split(';').any(|name| name == SERVER_ID_HEADER.to_ascii_lowercase()) {
        return Err("vault header wasn't signed".to_owned());
    }
    Ok(())
}

fn validate_amz_headers(signed: &SignedRequest) -> Result<(), String> {
    for (name, _) in &signed.headers {
        let lower = name.to_ascii_lowercase();
        if lower.starts_with("x-amz-") && !ALLOWED_AMZ_HEADERS.contains(&lower.as_str()) {
            return Err(format!("invalid request header: {name}"));
        }
    }
    Ok(())
}

/// What STS says about the signer, and what Vault makes of it.
struct CallerIdentity {
    arn: String,
    account: String,
    canonical_arn: String,
    display_name: String,
}

impl CallerIdentity {
    fn parse(body: &str) -> Result<Self, String> {
        let body = body.trim();
        if !body.starts_with("<GetCallerIdentityResponse") && !body.starts_with("<?xml") {
            return Err("body of GetCallerIdentity is invalid".to_owned());
        }
        let element = |name: &str| {
            let (_, rest) = body.split_once(&format!("<{name}>"))?;
            Some(rest.split_once(&format!("</{name}>"))?.0.to_owned())
        };
        let (Some(arn), Some(account)) = (element("Arn"), element("Account")) else {
            return Err("error parsing STS response".to_owned());
        };
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", partition, "iam" | "sts", _, owner, principal] = parts[..] else {
            return Err(format!("error parsing arn {arn:?}: unrecognized arn"));
        };
        let principal: Vec<&str> = principal.split('/').collect();
        let (canonical, display_name) = match principal[..] {
            ["assumed-role", role, session, ..] => (format!("role/{role}"), format!("{role}/{session}")),
            ["user", .., user] => (format!("user/{user}"), user.to_owned()),
            _ => return Err(format!("error parsing arn {arn:?}: unrecognized principal type")),
        };
        Ok(Self {
            canonical_arn: format!("arn:{partition}:iam::{owner}:{canonical}"),
            display_name,
            account,
            arn,
        })
    }
}
