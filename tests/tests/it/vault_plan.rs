//! `vault-authorizer vault plan` and `vault apply` on a real OpenBao: what they create, what they leave alone, what
//! they say.

mod changes;
mod logins;
mod namespaces;
mod power;
mod scripts;
mod stages;

use std::collections::BTreeMap;
use std::process::Command as Process;
use std::sync::{Arc, Mutex};

use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::IntoResponse as _;
use axum::{Json, Router};
use serde_json::{Value, json};
use test_bed::http::{Backend, read};
use test_bed::process::with_input;
use test_bed::{AuditMark, Command, Configuration, Grant, OpenBao, Ran, Scratch, Server, parts};

const READER: &str = "auth/token/roles/orders-prod-reader";
const TENANT: &str = "auth/token/roles/tenant";
const POLICY: &str = "sys/policies/acl/vault-authorizer";
const TENANTS_QUOTA: &str = "sys/quotas/rate-limit/vault-authorizer-tenant";

async fn started(name: &str) -> (Scratch, OpenBao) {
    let scratch = Scratch::new(name);
    let openbao = OpenBao::start_in_memory(&scratch).await;
    (scratch, openbao)
}

/// A configuration without grants.
fn bare(vault: &str) -> Configuration {
    let configuration = Configuration::new(vault).issuer("corp", "https://login.example.com/");
    configuration.set("limits.grant_mints_per_second", 200)
}

fn one_grant(vault: &str) -> Configuration {
    bare(vault).grant(Grant::reader().set("name", "orders-reader"))
}

/// Two grants on `prod`, one of them with an entity alias, and one grant without a token.
fn two_grants(vault: &str) -> Configuration {
    one_grant(vault).grant(tenants()).grant(Grant::without_token("status", "GET /status"))
}

fn tenants() -> Grant {
    let token = json!({"role": "tenant", "policies": ["tenant-read"], "ttl": "45s", "wrap_ttl": "20s",
        "entity_alias": {"claim": "tenant"}});
    Grant::new("tenants", "GET /tenants").set("token", token)
}

/// The quickstart's grants, of which each has its token role in the script.
fn of_quickstart(vault: &str) -> Configuration {
    Configuration::quickstart(vault).set("limits.grant_mints_per_second", 200)
}

/// Who runs the command, with which configuration.
#[derive(Clone)]
struct Operator {
    configuration: String,
    env: Vec<(&'static str, String)>,
    /// Given with each run, such as `--aws-principal <arn>`.
    options: Vec<String>,
}

impl Operator {
    /// With the root token.
    fn root(openbao: &OpenBao, configuration: &Configuration) -> Self {
        Self::nobody(configuration).env("VAULT_TOKEN", openbao.root_token())
    }

    /// Without a token.
    fn nobody(configuration: &Configuration) -> Self {
        Self { configuration: configuration.to_string(), env: Vec::new(), options: Vec::new() }
    }

    fn env(mut self, name: &'static str, value: &str) -> Self {
        self.env.push((name, value.to_owned()));
        self
    }

    fn in_namespace(self, namespace: &str) -> Self {
        self.env("VAULT_NAMESPACE", namespace)
    }

    fn with(mut self, options: &[&str]) -> Self {
        self.options.extend(options.iter().map(|option| (*option).to_owned()));
        self
    }

    /// The configuration is on standard input, which is trusted.
    fn run(&self, command: &str, options: &[&str]) -> Ran {
        let own = self.options.iter().map(String::as_str);
        let all = ["vault", command, "--config", "-", "--trust-config-address"].into_iter();
        let all: Vec<&str> = all.chain(own).chain(options.iter().copied()).collect();
        let command = Command::new(&all).stdin(&self.configuration);
        self.env.iter().fold(command, |command, (name, value)| command.env(name, value)).run()
    }

    #[track_caller]
    fn plan(&self, options: &[&str]) -> String {
        self.run("plan", options).printed(0)
    }

    /// A plan that says that something is to be done.
    #[track_caller]
    fn plans(&self, options: &[&str]) -> String {
        self.run("plan", &[&["--detailed-exitcode"], options].concat()).printed(5)
    }

    #[track_caller]
    fn apply(&self, options: &[&str]) -> String {
        self.run("apply", options).printed(0)
    }

    /// An `apply` that fails: what it complains of.
    #[track_caller]
    fn fails(&self, options: &[&str]) -> String {
        self.run("apply", options).complained(1)
    }

    /// An `apply` that changes nothing, because of this.
    #[track_caller]
    fn refuses(&self, options: &[&str], why: &str) {
        let ran = self.run("apply", options);
        assert!(ran.stdout.contains(why), "{}", ran.stdout);
        ran.complained(1);
    }

    /// Answers what the plan says.
    #[track_caller]
    fn nothing_to_do(&self) -> String {
        let plan = self.plan(&["--detailed-exitcode"]);
        assert!(plan.contains("\nnothing to do: "), "{plan}");
        plan
    }

    /// The plan as commands.
    #[track_caller]
    fn script(&self, options: &[&str]) -> String {
        self.plan(&[&["--format", "shell"], options].concat())
    }
}

/// Runs a script of `vault plan --format shell`, through the real command line, as root of the server at this address.
fn run_script(openbao: &OpenBao, address: &str, script: &str) -> Ran {
    let mut shell = Process::new("sh");
    shell.arg("-s").env("VAULT_CLI", parts::openbao()).env("VAULT_ADDR", address);
    with_input(shell.env("VAULT_TOKEN", openbao.root_token()), script.as_bytes()).into()
}

fn writes_since(openbao: &OpenBao, mark: AuditMark) -> Vec<String> {
    let is_read = |request: &String| request.starts_with("read ") || request.starts_with("list ");
    openbao.requests_since(mark).into_iter().filter(|request| !is_read(request)).collect()
}

async fn policy(openbao: &OpenBao) -> String {
    openbao.read(POLICY).await["policy"].as_str().unwrap().to_owned()
}

/// What a login answered, with the policies of its token.
async fn logged_in(openbao: &OpenBao, path: &str, body: Value) -> (u16, Value) {
    let (status, mut answer) = openbao.api("POST", path, None, body).await;
    (status, answer["auth"]["token_policies"].take())
}

async fn mint(openbao: &OpenBao, token: &str, role: &str, wrap_ttl: Option<&str>, body: Value) -> u16 {
    let headers: Vec<_> = wrap_ttl.map(|wrap_ttl| ("X-Vault-Wrap-TTL", wrap_ttl)).into_iter().collect();
    openbao.api_with("POST", &format!("auth/token/create/{role}"), Some(token), &headers, body).await.0
}

type Stored = Arc<Mutex<BTreeMap<String, Value>>>;

/// OpenBao has the AWS auth method only as a plugin: its two places are kept here, merged field by field as Vault does; all else
/// is OpenBao's. What the plugin makes of them, `logins` shows.
fn with_aws_auth(openbao: &OpenBao, stored: &Stored) -> Server {
    let (upstream, stored) = (Backend::new(openbao.address()), Arc::clone(stored));
    let serve = async move |request: Request| {
        let path = request.uri().path().to_owned();
        if !path.starts_with("/v1/auth/aws/") {
            return upstream.forward(request).await;
        }
        let (method, body) = (request.method().clone(), read(request.into_body()).await);
        let mut stored = stored.lock().unwrap();
        if method == Method::GET {
            return match stored.get(&path) {
                Some(data) => Json(json!({"data": data})).into_response(),
                None => (StatusCode::NOT_FOUND, Json(json!({"errors": []}))).into_response(),
            };
        }
        if method == Method::DELETE {
            stored.remove(&path);
        } else {
            let written: Value = serde_json::from_slice(&body).unwrap();
            let data = stored.entry(path).or_insert_with(|| json!({"bound_account_id": []}));
            for (name, value) in written.as_object().unwrap() {
                let seconds = value.as_str().and_then(|text| text.strip_suffix('s')?.parse::<u64>().ok());
                data[name] = seconds.map_or_else(|| value.clone(), Value::from);
            }
        }
        StatusCode::NO_CONTENT.into_response()
    };
    Server::start(0, Router::new().fallback(serve))
}

/// HCP Vault: nobody has power in the root namespace, and quotas are kept by `admin`, under their full paths.
fn with_administrative_namespace(openbao: &OpenBao) -> Server {
    let upstream = Backend::new(openbao.address());
    let refused = |status: StatusCode, why: &str| (status, Json(json!({"errors": [why]}))).into_response();
    let serve = async move |mut request: Request| {
        let namespace = request.headers().get("x-vault-namespace").and_then(|value| value.to_str().ok());
        let namespace = namespace.unwrap_or_default().trim_matches('/').to_owned();
        if namespace.is_empty() {
            return refused(StatusCode::FORBIDDEN, "permission denied");
        }
        if request.uri().path().starts_with("/v1/sys/quotas/") {
            if namespace != "admin" {
                return refused(StatusCode::NOT_FOUND, "unsupported path");
            }
            request.headers_mut().remove("x-vault-namespace");
        }
        upstream.forward(request).await
    };
    Server::start(0, Router::new().fallback(serve))
}
