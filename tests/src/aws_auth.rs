//! Vault's AWS auth method in front of an OpenBao, which has it only as a plugin.
//!
//! [`AwsAuth`] is a reverse proxy that counts logins. It answers `POST /v1/auth/<mount>/login` in one of two ways:
//!
//! - as a stand-in: it checks the login as Vault documents it, has the configured STS check the signature, and creates the
//!   token on the OpenBao behind it;
//! - by the real plugin, where `VAULT_AUTH_AWS_PLUGIN` names it: OpenBao runs it, and logins pass through unchanged.
//!
//! Every other request goes through unchanged. [`VaultWithAwsAuth`] is OpenBao and the proxy together, so that they go down and come
//! back as one.
//!
//! ```text
//! {"role": "api-authorizer", "iam_http_request_method": "POST",
//!  "iam_request_url":     base64 "https://sts.amazonaws.com/",
//!  "iam_request_body":    base64 "Action=GetCallerIdentity&Version=2011-06-15",
//!  "iam_request_headers": base64 {"Authorization": "AWS4-HMAC-SHA256 …", …} or that object; values: a string or a list}
//! ```
//!
//! The stand-in leaves out: unique ids (`resolve_aws_unique_ids=false`), wildcards in principals, EC2, wrapped logins.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde_json::{Map, Value, json};
use url::Url;

use crate::{AUTHORIZER_POLICY, AUTHORIZER_ROLE, OpenBao, Scratch, Server, parts};

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

/// `auth/<mount>/config/client` and `auth/<mount>/role/…`.
#[derive(Debug, Clone)]
pub struct AwsAuthConfig {
    /// Where the method is mounted: `aws`.
    pub mount: String,
    /// `iam_server_id_header_value`
    pub server_id: String,
    pub roles: Vec<AwsRole>,
}

impl AwsAuthConfig {
    /// What `quickstart.sh --aws-principal <arn> --server-id <server_id>` configures.
    pub fn quickstart(bound_iam_principal_arn: &str, server_id: &str) -> Self {
        let role = AwsRole {
            name: AUTHORIZER_ROLE.to_owned(),
            bound_iam_principal_arns: vec![bound_iam_principal_arn.to_owned()],
            token_policies: vec![AUTHORIZER_POLICY.to_owned()],
            token_ttl_seconds: 3600,
            token_explicit_max_ttl_seconds: 24 * 3600,
        };
        Self { mount: "aws".to_owned(), server_id: server_id.to_owned(), roles: vec![role] }
    }
}

/// A role of the AWS auth method.
#[derive(Debug, Clone)]
pub struct AwsRole {
    pub name: String,
    /// Canonical ARNs: `arn:aws:iam::123456789012:role/api-authorizer`, without a path.
    pub bound_iam_principal_arns: Vec<String>,
    /// What its tokens may do.
    pub token_policies: Vec<String>,
    pub token_ttl_seconds: u64,
    pub token_explicit_max_ttl_seconds: u64,
}

/// The proxy. It stops when it is dropped.
#[derive(Debug)]
pub struct AwsAuth {
    server: Option<Server>,
    port: u16,
    state: Arc<Proxy>,
    /// What the plugin takes for STS.
    sts: Option<Server>,
}

impl AwsAuth {
    /// The stand-in, in front of `openbao`; signatures are checked by the STS at `sts_url`.
    pub fn start(openbao: &OpenBao, sts_url: &str, config: AwsAuthConfig) -> Self {
        Self::in_front(openbao, sts_url, config, None)
    }

    /// The plugin where there is one, else the stand-in.
    pub async fn over(openbao: &OpenBao, sts_url: &str, config: AwsAuthConfig) -> Self {
        say_once();
        match parts::aws_auth_plugin() {
            Some(plugin) => Self::start_plugin(openbao, sts_url, config, &plugin).await,
            None => Self::start(openbao, sts_url, config),
        }
    }

    /// The plugin, registered and set up in `openbao`; signatures are checked by the STS at `sts_url`.
    async fn start_plugin(openbao: &OpenBao, sts_url: &str, config: AwsAuthConfig, plugin: &Path) -> Self {
        let sts = regional_sts(sts_url);
        set_up_plugin(openbao, &sts.url(), &config, plugin).await;
        Self::in_front(openbao, sts_url, config, Some(sts))
    }

    fn in_front(openbao: &OpenBao, sts_url: &str, config: AwsAuthConfig, sts: Option<Server>) -> Self {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        let state = Arc::new(Proxy {
            upstream: openbao.address().to_owned(),
            root_token: openbao.root_token().to_owned(),
            sts_url: sts_url.trim_end_matches('/').to_owned(),
            login_path: format!("/v1/auth/{}/login", config.mount),
            is_plugin: sts.is_some(),
            config,
            http: client.build().expect("the client is valid"),
            accepted: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
        });
        let mut auth = Self { server: None, port: 0, state, sts };
        auth.start_again();
        auth
    }

    /// `http://127.0.0.1:<port>`: what the authorizer takes for Vault. The same after a restart.
    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub fn stop(&mut self) {
        self.server = None;
    }

    pub fn start_again(&mut self) {
        self.stop();
        let server =
            Server::start(self.port, Router::new().fallback(serve).with_state(Arc::clone(&self.state)));
        self.port = server.port();
        self.server = Some(server);
    }

    /// Whether the real plugin answers logins.
    pub fn is_plugin(&self) -> bool {
        self.sts.is_some()
    }

    pub fn login_count(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }

    pub fn refused_login_count(&self) -> usize {
        self.state.refused.load(Ordering::SeqCst)
    }
}

/// OpenBao with the AWS auth method: what the authorizer takes for one Vault.
#[derive(Debug)]
pub struct VaultWithAwsAuth {
    /// The proxy, at [`VaultWithAwsAuth::address`].
    pub aws_auth: AwsAuth,
    /// The server behind it; set-up and assertions go here.
    pub openbao: OpenBao,
}

impl VaultWithAwsAuth {
    /// Starts OpenBao with storage on disk, and the AWS auth method.
    pub async fn start(scratch: &Scratch, sts_url: &str, config: AwsAuthConfig) -> Self {
        Self::over(OpenBao::start(scratch).await, sts_url, config).await
    }

    /// Starts OpenBao in memory, and the AWS auth method.
    pub async fn start_in_memory(scratch: &Scratch, sts_url: &str, config: AwsAuthConfig) -> Self {
        Self::over(OpenBao::start_in_memory(scratch).await, sts_url, config).await
    }

    /// Gives a running OpenBao the AWS auth method.
    pub async fn over(openbao: OpenBao, sts_url: &str, config: AwsAuthConfig) -> Self {
        let aws_auth = AwsAuth::over(&openbao, sts_url, config).await;
        Self { aws_auth, openbao }
    }

    pub fn address(&self) -> String {
        self.aws_auth.address()
    }

    /// Stops both: an outage.
    pub async fn stop(&mut self) {
        self.aws_auth.stop();
        self.openbao.stop().await;
    }

    /// Starts both, on the same ports.
    pub async fn start_again(&mut self) {
        self.openbao.start_again().await;
        self.aws_auth.start_again();
    }
}

/// Says once in each run on which of the two the logins are tested; past the test harness, which would keep it to itself.
fn say_once() {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        let on = match parts::aws_auth_plugin() {
            Some(plugin) => format!("OpenBao's plugin {}", plugin.display()),
            None => "the stand-in of tests/src/aws_auth.rs (VAULT_AUTH_AWS_PLUGIN is not set)".to_owned(),
        };
        let _unwritable = writeln!(std::io::stderr(), "AWS logins are tested on {on}");
    });
}

/// As `docs/openbao-aws-auth.md` has it, and then what `config` says.
async fn set_up_plugin(openbao: &OpenBao, sts_url: &str, config: &AwsAuthConfig, plugin: &Path) {
    let binary = std::fs::read(plugin).expect("VAULT_AUTH_AWS_PLUGIN can be read");
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &binary);
    let sha256 = digest.as_ref().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").expect("a string takes all");
        hex
    });
    let command = plugin.file_name().and_then(|name| name.to_str()).expect("the plugin's name is UTF-8");
    let entry = json!({"sha256": sha256, "command": command});
    openbao.as_root("PUT", "sys/plugins/catalog/auth/aws", entry).await;
    openbao.as_root("POST", &format!("sys/auth/{}", config.mount), json!({"type": "aws"})).await;
    let client = json!({
        "iam_server_id_header_value": config.server_id,
        "sts_endpoint": sts_url,
        "sts_region": "us-east-1",
    });
    openbao.as_root("POST", &format!("auth/{}/config/client", config.mount), client).await;
    for role in &config.roles {
        let definition = json!({
            "auth_type": "iam",
            "bound_iam_principal_arn": role.bound_iam_principal_arns,
            "resolve_aws_unique_ids": false,
            "token_policies": role.token_policies,
            "token_no_default_policy": true,
            "token_type": "service",
            "token_ttl": role.token_ttl_seconds,
            "token_explicit_max_ttl": role.token_explicit_max_ttl_seconds,
        });
        openbao.as_root("POST", &format!("auth/{}/role/{}", config.mount, role.name), definition).await;
    }
}

/// The emulator's STS as one region's: the emulator takes every region's signature.
fn regional_sts(sts_url: &str) -> Server {
    let sts_url = sts_url.trim_end_matches('/').to_owned();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
    let client = client.build().expect("the client is valid");
    let serve = move |request: Request| {
        let (sts_url, client) = (sts_url.clone(), client.clone());
        async move {
            let (head, body) = request.into_parts();
            let scope = head.headers.get("authorization").and_then(|value| value.to_str().ok());
            if !scope.is_some_and(|scope| scope.contains(STS_SCOPE)) {
                return (StatusCode::FORBIDDEN, [(CONTENT_TYPE, "text/xml")], WRONG_REGION).into_response();
            }
            let host = head.headers.get(HOST).cloned();
            let mut headers = end_to_end(head.headers);
            // The host is signed.
            headers.extend(host.map(|host| (HOST, host)));
            let path = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
            let body = to_bytes(body, 32 << 20).await.unwrap_or_default();
            let request = client.request(head.method, format!("{sts_url}{path}")).headers(headers);
            match request.body(body).send().await {
                Ok(answer) => pass_back(answer).await,
                Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:?}")).into_response(),
            }
        }
    };
    Server::start(0, Router::new().fallback(serve))
}

#[derive(Debug)]
struct Proxy {
    upstream: String,
    root_token: String,
    sts_url: String,
    login_path: String,
    is_plugin: bool,
    config: AwsAuthConfig,
    http: reqwest::Client,
    accepted: AtomicUsize,
    refused: AtomicUsize,
}

async fn serve(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let login =
        request.uri().path() == proxy.login_path && [Method::POST, Method::PUT].contains(request.method());
    let (head, body) = request.into_parts();
    let Ok(body) = to_bytes(body, 32 << 20).await else {
        return refusal("the request body cannot be read");
    };
    if !login {
        return proxy.forward(head, body).await;
    }
    let answer = if proxy.is_plugin {
        proxy.forward(head, body).await
    } else {
        match proxy.verified(&body).await {
            Ok((role, caller)) => proxy.token(role, &caller).await,
            Err(reason) => refusal(&reason),
        }
    };
    let count = if answer.status().is_success() { &proxy.accepted } else { &proxy.refused };
    count.fetch_add(1, Ordering::SeqCst);
    answer
}

impl Proxy {
    /// Passes a request on and its answer back.
    async fn forward(&self, head: http::request::Parts, body: Bytes) -> Response {
        let path = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        let request = self.http.request(head.method, format!("{}{path}", self.upstream));
        let answer = request.headers(end_to_end(head.headers)).body(body).send().await;
        match answer {
            Ok(answer) => pass_back(answer).await,
            Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:?}")).into_response(),
        }
    }

    /// Vault's checks, in Vault's order, with Vault's words.
    async fn verified(&self, login: &[u8]) -> Result<(&AwsRole, CallerIdentity), String> {
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
        let name = login.get("role").and_then(Value::as_str).filter(|role| !role.is_empty());
        let name = name.unwrap_or(&caller.friendly_name);
        let role = self.config.roles.iter().find(|role| role.name == name);
        let role = role.ok_or_else(|| format!("entry for role {name} not found"))?;
        if !role.bound_iam_principal_arns.contains(&caller.canonical_arn) {
            return Err(format!("IAM Principal {:?} does not belong to the role {name:?}", caller.arn));
        }
        Ok((role, caller))
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
        let request = self.http.post(format!("{}{}", self.sts_url, signed.url.path())).headers(headers);
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
        // The emulator takes every region's signature. The STS of a mount without `sts_region` takes this one's.
        if !signed.header("authorization").is_some_and(|value| value.contains(STS_SCOPE)) {
            return Err(format!("received error code 403 from STS: {WRONG_REGION}"));
        }
        CallerIdentity::parse(&body)
    }

    /// Creates the token on the OpenBao behind, and answers as a login does.
    async fn token(&self, role: &AwsRole, caller: &CallerIdentity) -> Response {
        let create = json!({
            "policies": role.token_policies,
            "no_default_policy": true,
            "no_parent": true,
            "renewable": true,
            "ttl": format!("{}s", role.token_ttl_seconds),
            "explicit_max_ttl": format!("{}s", role.token_explicit_max_ttl_seconds),
            "display_name": caller.display_name,
            "meta": {"account_id": caller.account, "auth_type": "iam"},
        });
        let request = self.http.post(format!("{}/v1/auth/token/create", self.upstream));
        match request.header("X-Vault-Token", &self.root_token).json(&create).send().await {
            Ok(answer) => pass_back(answer).await,
            Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:?}")).into_response(),
        }
    }
}

/// In a signature for the global STS.
const STS_SCOPE: &str = "/us-east-1/sts/aws4_request";

/// What STS answers to one for another region.
const WRONG_REGION: &str = r#"<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error>
    <Type>Sender</Type>
    <Code>SignatureDoesNotMatch</Code>
    <Message>Credential should be scoped to a valid region. </Message>
  </Error>
  <RequestId>1f2e3d4c-0000-4000-8000-000000000000</RequestId>
</ErrorResponse>"#;

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
        let name = name.to_ascii_lowercase();
        if name.starts_with("x-amz-") && !ALLOWED_AMZ_HEADERS.contains(&name.as_str()) {
            return Err(format!("invalid request header: {}", canonical(&name)));
        }
    }
    Ok(())
}

/// As Go writes a header's name: `X-Amz-Target`.
fn canonical(name: &str) -> String {
    let capital =
        |part: &str| part.get(..1).unwrap_or_default().to_uppercase() + part.get(1..).unwrap_or_default();
    name.split('-').map(capital).collect::<Vec<_>>().join("-")
}

/// What STS says about the signer, and what Vault makes of it.
struct CallerIdentity {
    arn: String,
    account: String,
    canonical_arn: String,
    friendly_name: String,
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
        let (canonical, friendly_name, display_name) = match principal[..] {
            ["assumed-role", role, session, ..] => {
                (format!("role/{role}"), role, format!("{role}/{session}"))
            }
            ["user", .., user] => (format!("user/{user}"), user, user.to_owned()),
            _ => return Err(format!("error parsing arn {arn:?}: unrecognized principal type")),
        };
        Ok(Self {
            canonical_arn: format!("arn:{partition}:iam::{owner}:{canonical}"),
            friendly_name: friendly_name.to_owned(),
            display_name,
            account,
            arn,
        })
    }
}

fn refusal(reason: &str) -> Response {
    (StatusCode::BAD_REQUEST, axum::Json(json!({"errors": [reason]}))).into_response()
}

/// Without the headers that belong to one connection or that the client writes itself.
fn end_to_end(mut headers: HeaderMap) -> HeaderMap {
    for name in [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    headers
}

async fn pass_back(answer: reqwest::Response) -> Response {
    let (status, headers) = (answer.status(), end_to_end(answer.headers().clone()));
    match answer.bytes().await {
        Ok(body) => (status, headers, Body::from(body)).into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, format!("{error:?}")).into_response(),
    }
}
