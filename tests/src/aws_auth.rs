//! Vault's AWS auth method in front of an OpenBao, which has this method only as a plugin.
//!
//! [`AwsAuth`] is a reverse proxy that counts logins. It answers `POST /v1/auth/<mount>/login` in one of two ways:
//!
//! - as a stand-in: it checks the login as Vault documents it, has the configured STS check the signature, and creates the
//!   token on the OpenBao behind it;
//! - by the real plugin, where `VAULT_AUTH_AWS_PLUGIN` names it: OpenBao runs it, and logins pass through unchanged.
//!
//! Every other request goes through unchanged. [`VaultWithAwsAuth`] is OpenBao and the proxy together, so that they
//! stop and come back as one.

mod stand_in;

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use serde_json::json;

use crate::http::{Backend, read};
use crate::web_identity::sha256;
use crate::{AUTHORIZER_POLICY, AUTHORIZER_ROLE, OpenBao, Scratch, Server, parts};

/// Where the method is mounted.
const MOUNT: &str = "aws";

/// `auth/aws/config/client`, and the roles of `auth/aws/role/`.
#[derive(Debug, Clone)]
pub struct AwsAuthConfig {
    /// `iam_server_id_header_value`
    pub server_id: String,
    pub roles: Vec<LoginRole>,
    pub token_ttl_seconds: u64,
}

/// Who logs in with a role, and with which policy.
#[derive(Debug, Clone)]
pub struct LoginRole {
    pub name: String,
    /// A canonical ARN: `arn:aws:iam::123456789012:role/api-authorizer`, without a path.
    pub bound_iam_principal_arn: String,
    pub policy: String,
}

impl AwsAuthConfig {
    /// What `quickstart.sh --aws-principal <arn> --server-id <server_id>` configures.
    pub fn quickstart(bound_iam_principal_arn: &str, server_id: &str) -> Self {
        let none = Self { server_id: server_id.to_owned(), roles: Vec::new(), token_ttl_seconds: 3600 };
        none.role(AUTHORIZER_ROLE, bound_iam_principal_arn, AUTHORIZER_POLICY)
    }

    /// With one more role, of another configuration.
    pub fn role(mut self, name: &str, bound_iam_principal_arn: &str, policy: &str) -> Self {
        let [name, bound_iam_principal_arn, policy] =
            [name, bound_iam_principal_arn, policy].map(str::to_owned);
        self.roles.push(LoginRole { name, bound_iam_principal_arn, policy });
        self
    }
}

/// How long a token of a login lives at most.
const TOKEN_MAX_TTL_SECONDS: u64 = 24 * 3600;

/// The proxy. It stops when it is dropped.
#[derive(Debug)]
pub struct AwsAuth {
    server: Option<Server>,
    port: u16,
    state: Arc<Proxy>,
    /// What Vault takes for STS.
    sts: Server,
}

impl AwsAuth {
    /// The stand-in, in front of `openbao`; signatures are checked by the STS at `sts_url`.
    pub fn start(openbao: &OpenBao, sts_url: &str, config: AwsAuthConfig) -> Self {
        Self::in_front(openbao, sts_url, config, false)
    }

    /// The plugin where there is one, registered and set up in `openbao`; else the stand-in.
    pub async fn over(openbao: &OpenBao, sts_url: &str, config: AwsAuthConfig) -> Self {
        say_once();
        let plugin = parts::aws_auth_plugin();
        let auth = Self::in_front(openbao, sts_url, config, plugin.is_some());
        if let Some(plugin) = plugin {
            set_up_plugin(openbao, &auth.sts.url(), &auth.state.config, &plugin).await;
        }
        auth
    }

    fn in_front(openbao: &OpenBao, sts_url: &str, config: AwsAuthConfig, is_plugin: bool) -> Self {
        let sts = regional_sts(sts_url);
        let state = Arc::new(Proxy {
            upstream: Backend::new(openbao.address()),
            root_token: openbao.root_token().to_owned(),
            sts: Backend::new(&sts.url()),
            is_plugin,
            config,
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
        self.state.is_plugin
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
            None => "a stand-in for OpenBao's plugin, which VAULT_AUTH_AWS_PLUGIN could name".to_owned(),
        };
        let _unwritable = writeln!(std::io::stderr(), "AWS logins run on {on}");
    });
}

/// As `docs/openbao-aws-auth.md` has it, and then what `config` says.
async fn set_up_plugin(openbao: &OpenBao, sts_url: &str, config: &AwsAuthConfig, plugin: &Path) {
    let binary = std::fs::read(plugin).expect("VAULT_AUTH_AWS_PLUGIN can be read");
    let command = plugin.file_name().and_then(|name| name.to_str()).expect("the plugin's name is UTF-8");
    let entry = json!({"sha256": sha256(&binary), "command": command});
    openbao.as_root("PUT", "sys/plugins/catalog/auth/aws", entry).await;
    openbao.write(&format!("sys/auth/{MOUNT}"), json!({"type": "aws"})).await;
    let client = json!({
        "iam_server_id_header_value": config.server_id,
        "sts_endpoint": sts_url,
        "sts_region": "us-east-1",
    });
    openbao.write(&format!("auth/{MOUNT}/config/client"), client).await;
    for LoginRole { name, bound_iam_principal_arn, policy } in &config.roles {
        let role = json!({
            "auth_type": "iam",
            "bound_iam_principal_arn": bound_iam_principal_arn,
            "resolve_aws_unique_ids": false,
            "token_policies": [policy],
            "token_no_default_policy": true,
            "token_type": "service",
            "token_ttl": config.token_ttl_seconds,
            "token_explicit_max_ttl": TOKEN_MAX_TTL_SECONDS,
        });
        openbao.write(&format!("auth/{MOUNT}/role/{name}"), role).await;
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

/// The emulator's STS as one region's: the emulator takes every region's signature.
fn regional_sts(sts_url: &str) -> Server {
    let sts = Backend::new(sts_url);
    let serve = async move |request: Request| {
        let scope = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        if scope.is_some_and(|scope| scope.contains(STS_SCOPE)) {
            return sts.forward(request).await;
        }
        (StatusCode::FORBIDDEN, [(CONTENT_TYPE, "text/xml")], WRONG_REGION).into_response()
    };
    Server::start(0, Router::new().fallback(serve))
}

#[derive(Debug)]
struct Proxy {
    upstream: Backend,
    root_token: String,
    sts: Backend,
    is_plugin: bool,
    config: AwsAuthConfig,
    accepted: AtomicUsize,
    refused: AtomicUsize,
}

async fn serve(State(proxy): State<Arc<Proxy>>, request: Request) -> Response {
    let login = request.uri().path() == format!("/v1/auth/{MOUNT}/login")
        && [Method::POST, Method::PUT].contains(request.method());
    let answer = if login && !proxy.is_plugin {
        proxy.log_in(&read(request.into_body()).await).await
    } else {
        proxy.upstream.forward(request).await
    };
    if login {
        let count = if answer.status().is_success() { &proxy.accepted } else { &proxy.refused };
        count.fetch_add(1, Ordering::SeqCst);
    }
    answer
}
