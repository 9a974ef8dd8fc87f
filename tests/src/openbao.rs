//! OpenBao, the real server: initialised, unsealed, with a file audit device, on loopback without TLS.
//!
//! [`OpenBao::start`] keeps its data on disk (raft, one node) over [`OpenBao::stop`] and [`OpenBao::start_again`],
//! and takes about two seconds. [`OpenBao::start_in_memory`] takes a quarter of a second, mints eight times as fast,
//! and forgets. A [`Cluster`](crate::cluster::Cluster) is three of them that act as one.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::process::free_port;
use crate::{Child, Scratch, http, parts};

/// Of the election that OpenBao's documentation recommends for production.
pub(crate) const PATIENCE: u8 = 1;

/// A running OpenBao, or a stopped one that can be started again.
#[derive(Debug)]
pub struct OpenBao {
    folder: PathBuf,
    address: String,
    cluster_port: u16,
    tls: Option<Tls>,
    storage: Storage,
    server: Option<Child>,
    unseal_key: String,
    root_token: String,
    http: reqwest::Client,
}

/// A place in the audit log, from [`OpenBao::audit_mark`].
#[derive(Debug, Clone, Copy)]
pub struct AuditMark(usize);

/// A wrapped token, as the authorizer's answer describes it.
#[derive(Debug, Clone)]
pub struct Minted {
    /// What opens once.
    pub wrapping_token: String,
    /// Of the token inside.
    pub accessor: String,
}

impl Minted {
    /// From two members of an answer or a context.
    pub fn of(wrapping_token: &Value, accessor: &Value) -> Self {
        let text =
            |value: &Value| value.as_str().unwrap_or_else(|| panic!("not wrapped: {value}")).to_owned();
        Self { wrapping_token: text(wrapping_token), accessor: text(accessor) }
    }

    /// As the authorizer hands it over to Alice's integration, a moment after it was made for 30 s.
    pub fn context(&self, role: &str, address: &str) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        json!({
            "contextVersion": "1",
            "vaultGrant": "orders-reader",
            "callerKind": "jwt",
            "callerIssuer": "corp",
            "callerId": "corp:alice",
            "callerBinding": "none",
            "vaultWrappingToken": self.wrapping_token,
            "vaultWrappedAccessor": self.accessor,
            "vaultCreationPath": format!("auth/token/create/{role}"),
            "vaultAddress": address,
            "vaultWrapExpiresAt": (now + 30).to_string(),
        })
    }

    /// From the context of an answer.
    pub fn of_context(context: &Value) -> Self {
        Self::of(&context["vaultWrappingToken"], &context["vaultWrappedAccessor"])
    }
}

/// A second listener.
#[derive(Debug)]
struct Tls {
    port: u16,
    certificate: PathBuf,
    key: PathBuf,
}

#[derive(Debug, Clone)]
enum Storage {
    Memory,
    Raft {
        name: String,
        /// The port of 127.0.0.1 where the other nodes reach it; `None` where there are none.
        advertised_port: Option<u16>,
        /// How patient it is with the leader: 1 to 10 times the shortest timeouts.
        patience: u8,
    },
}

impl OpenBao {
    /// Starts a server that keeps its data when it is stopped.
    pub async fn start(scratch: &Scratch) -> Self {
        let storage = Storage::Raft { name: "bed".to_owned(), advertised_port: None, patience: PATIENCE };
        Self::initialised(scratch, storage, None).await
    }

    /// Starts a server whose data ends with it.
    pub async fn start_in_memory(scratch: &Scratch) -> Self {
        Self::initialised(scratch, Storage::Memory, None).await
    }

    /// The same, which also listens at [`OpenBao::tls_address`], with this certificate and its key in PEM.
    pub async fn start_in_memory_with_tls(scratch: &Scratch, certificate: PathBuf, key: PathBuf) -> Self {
        let tls = Tls { port: 0, certificate, key };
        Self::initialised(scratch, Storage::Memory, Some(tls)).await
    }

    /// Starts one node of a cluster, which the others reach at `advertised_port`. It has no data: [`OpenBao::initialise`] or
    /// [`OpenBao::join`] is next.
    pub(crate) async fn start_member(
        scratch: &Scratch,
        name: &str,
        advertised_port: u16,
        patience: u8,
    ) -> Self {
        let storage =
            Storage::Raft { name: name.to_owned(), advertised_port: Some(advertised_port), patience };
        Self::launched(scratch, storage, None).await
    }

    /// Joins the cluster of `first`, which is initialised, and shares its keys.
    pub(crate) async fn join(&mut self, first: &Self) {
        self.unseal_key.clone_from(&first.unseal_key);
        self.root_token.clone_from(&first.root_token);
        let leader = json!({"leader_api_addr": first.address});
        let (status, answer) = self.api("POST", "sys/storage/raft/join", None, leader).await;
        assert!(status == 200 && answer["joined"] == true, "joining the cluster: {status} {answer}");
        self.unseal().await;
    }

    /// `http://127.0.0.1:<port>`, the same after a restart.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// `https://127.0.0.1:<port>`, where it was started with a certificate.
    pub fn tls_address(&self) -> String {
        format!("https://127.0.0.1:{}", self.tls.as_ref().expect("it has a certificate").port)
    }

    /// The token that may do everything.
    pub fn root_token(&self) -> &str {
        &self.root_token
    }

    /// The port where it listens for other nodes itself.
    pub(crate) fn cluster_port(&self) -> u16 {
        self.cluster_port
    }

    /// The server's process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.server.as_ref().map(Child::pid)
    }

    /// Stops the server: from now on connections are refused.
    pub async fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.stop().await;
        }
    }

    /// Ends the server at once, as a crash would.
    pub fn kill(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill();
        }
    }

    /// Starts the server on the same port and data, and unseals it.
    pub async fn start_again(&mut self) {
        self.start_sealed().await;
        self.unseal().await;
    }

    /// Starts the server on the same port and data, and leaves it sealed.
    pub(crate) async fn start_sealed(&mut self) {
        self.stop().await;
        self.launch().await.unwrap_or_else(|complaint| panic!("{complaint}"));
    }

    /// Freezes the server: connections are accepted and nothing is answered, until [`OpenBao::resume`].
    pub fn pause(&self) {
        self.server.as_ref().expect("the server runs").freeze();
    }

    pub fn resume(&self) {
        self.server.as_ref().expect("the server runs").thaw();
    }

    /// Seals it: it answers 503 until [`OpenBao::unseal`].
    pub async fn seal(&self) {
        self.as_root("PUT", "sys/seal", Value::Null).await;
    }

    /// Unseals it and waits until it serves.
    pub async fn unseal(&self) {
        let (status, answer) = self.api("PUT", "sys/unseal", None, json!({"key": self.unseal_key})).await;
        assert_eq!(status, 200, "unseal: {answer}");
        for _ in 0..6000 {
            if self.serves(self.api("GET", "sys/health", None, Value::Null).await.0) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        panic!("OpenBao is unsealed but does not serve: {}", self.log());
    }

    /// What `sys/health` answers (200 active, 429 standby, 503 sealed), if it does `within` that time.
    pub async fn health(&self, within: Duration) -> Option<u16> {
        let answer = self.http.get(format!("{}/v1/sys/health", self.address)).timeout(within).send().await;
        answer.ok().map(|answer| answer.status().as_u16())
    }

    /// A node of a cluster serves as a standby, too: it asks the active one.
    fn serves(&self, health: u16) -> bool {
        let of_cluster = matches!(self.storage, Storage::Raft { advertised_port: Some(_), .. });
        health == 200 || (health == 429 && of_cluster)
    }

    /// One API call. `path` is what follows `/v1/`; `Null` is no body. Answers the status and the body, `Null` if it
    /// is empty.
    pub async fn api(&self, method: &str, path: &str, token: Option<&str>, body: Value) -> (u16, Value) {
        self.api_with(method, path, token, &[], body).await
    }

    /// [`OpenBao::api`] with more headers, such as `("X-Vault-Wrap-TTL", "30s")`.
    pub async fn api_with(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        headers: &[(&str, &str)],
        body: Value,
    ) -> (u16, Value) {
        let method = method.parse().expect("an HTTP method");
        let mut request = self.http.request(method, format!("{}/v1/{path}", self.address));
        if let Some(token) = token {
            request = request.header("X-Vault-Token", token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await.unwrap_or_else(|error| panic!("OpenBao, {path}: {error:?}"));
        let status = answer.status().as_u16();
        let text = answer.text().await.unwrap_or_else(|error| panic!("OpenBao, {path}: {error:?}"));
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// An API call with the root token that must succeed.
    pub async fn as_root(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.api(method, path, Some(&self.root_token), body).await;
        assert!((200..300).contains(&status), "OpenBao, {method} {path}: {status} {answer}");
        answer
    }

    /// What is at a path, as root: its `data`.
    pub async fn read(&self, path: &str) -> Value {
        self.as_root("GET", path, Value::Null).await["data"].take()
    }

    pub async fn write(&self, path: &str, body: Value) -> Value {
        self.as_root("POST", path, body).await
    }

    pub async fn delete(&self, path: &str) {
        self.as_root("DELETE", path, Value::Null).await;
    }

    /// The status of reading a path as root.
    pub async fn status(&self, path: &str) -> u16 {
        self.api("GET", path, Some(&self.root_token), Value::Null).await.0
    }

    pub async fn policy(&self, name: &str, hcl: &str) {
        self.as_root("PUT", &format!("sys/policies/acl/{name}"), json!({"policy": hcl})).await;
    }

    /// A new token, as `auth/token/create` takes it.
    pub async fn token(&self, definition: Value) -> String {
        let made = self.as_root("POST", "auth/token/create", definition).await;
        made["auth"]["client_token"].as_str().expect("a token").to_owned()
    }

    /// A token with this policy and no other.
    pub async fn token_with(&self, hcl: &str) -> String {
        self.policy("operator", hcl).await;
        self.token(
            json!({"policies": ["operator"], "no_default_policy": true, "no_parent": true, "ttl": "10m"}),
        )
        .await
    }

    /// A wrapped token of a role, made with this token of the authorizer's.
    pub async fn mint(&self, token: &str, role: &str) -> Minted {
        let (path, wrapped) = (format!("auth/token/create/{role}"), [("X-Vault-Wrap-TTL", "30s")]);
        let (status, answer) =
            self.api_with("POST", &path, Some(token), &wrapped, json!({"ttl": "60s"})).await;
        assert_eq!(status, 200, "{answer}");
        Minted::of(&answer["wrap_info"]["token"], &answer["wrap_info"]["wrapped_accessor"])
    }

    /// The context of a call whose token nobody has opened yet, for an integration that calls Vault at this address.
    pub async fn context(&self, address: &str) -> Value {
        let role = "orders-prod-reader";
        self.mint(&self.root_token, role).await.context(role, address)
    }

    /// Unwraps: the status, and what was inside.
    pub async fn unwrap(&self, wrapping_token: &str) -> (u16, Value) {
        self.api("POST", "sys/wrapping/unwrap", Some(wrapping_token), Value::Null).await
    }

    pub async fn lives(&self, accessor: &str) -> bool {
        let (root, about) = (Some(self.root_token()), json!({"accessor": accessor}));
        self.api("POST", "auth/token/lookup-accessor", root, about).await.0 == 200
    }

    /// What the server says of each token that it holds.
    pub async fn tokens(&self) -> Vec<Value> {
        let accessors = self.as_root("LIST", "auth/token/accessors", Value::Null).await;
        let mut tokens = Vec::new();
        for accessor in accessors["data"]["keys"].as_array().into_iter().flatten() {
            let (root, about) = (Some(self.root_token()), json!({"accessor": accessor}));
            // One that ends in between is none.
            let (status, answer) = self.api("POST", "auth/token/lookup-accessor", root, about).await;
            if status == 200 {
                tokens.push(answer["data"].clone());
            }
        }
        tokens
    }

    pub fn audit_log(&self) -> PathBuf {
        self.folder.join("audit.json")
    }

    /// Every entry of the audit log, oldest first.
    pub fn audit_entries(&self) -> Vec<Value> {
        let log = fs::read_to_string(self.audit_log()).expect("the audit log can be read");
        log.lines().map(|line| serde_json::from_str(line).expect("an audit entry")).collect()
    }

    /// The audit log's present end.
    pub fn audit_mark(&self) -> AuditMark {
        AuditMark(self.audit_entries().len())
    }

    /// The audited requests since `mark`, in order, as `<operation> <path>`: `update auth/token/create/orders-reader`.
    /// Requests to seal, unseal and ask for health are not audited; a login at the AWS stand-in shows as the
    /// `update auth/token/create` that it is here, one at the plugin as `update auth/aws/login`.
    pub fn requests_since(&self, mark: AuditMark) -> Vec<String> {
        let entries =
            self.audit_entries().into_iter().skip(mark.0).filter(|entry| entry["type"] == "request");
        let line = |entry: Value| {
            ["operation", "path"].map(|name| entry["request"][name].as_str().unwrap_or_default()).join(" ")
        };
        entries.map(line).collect()
    }

    /// What the audit log writes in place of `secret`: `hmac-sha256:…`.
    pub async fn audit_hash(&self, secret: &str) -> String {
        let answer = self.as_root("PUT", "sys/audit-hash/main", json!({"input": secret})).await;
        answer["data"]["hash"].as_str().expect("a hash").to_owned()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.join("openbao.log")).unwrap_or_default()
    }

    async fn initialised(scratch: &Scratch, storage: Storage, tls: Option<Tls>) -> Self {
        let mut bao = Self::launched(scratch, storage, tls).await;
        bao.initialise().await;
        bao
    }

    /// Starts a server without data, on free ports.
    async fn launched(scratch: &Scratch, storage: Storage, tls: Option<Tls>) -> Self {
        let mut bao = Self {
            folder: scratch.folder("openbao"),
            address: String::new(),
            cluster_port: 0,
            tls,
            storage,
            server: None,
            unseal_key: String::new(),
            root_token: String::new(),
            http: http::client(),
        };
        // Another process may take a port between the moment it is found free and the server's own bind.
        let mut complaint = String::new();
        for _ in 0..3 {
            bao.configure();
            match bao.launch().await {
                Ok(()) => return bao,
                Err(reason) => complaint = reason,
            }
        }
        panic!("{complaint}");
    }

    /// Writes the server's configuration, on two free ports. The audit file is named relative to the server's folder: the
    /// nodes of a cluster must all declare the same, or the next leader does not start.
    fn configure(&mut self) {
        let (port, cluster_port) = (free_port(), free_port());
        self.address = format!("http://127.0.0.1:{port}");
        self.cluster_port = cluster_port;
        let folder = self.folder.display();
        let (storage, advertised_port) = match &self.storage {
            Storage::Memory => (r#"storage "inmem" {}"#.to_owned(), cluster_port),
            // New nodes get their vote at once instead of after ten seconds.
            Storage::Raft { name, advertised_port, patience } => {
                let storage = format!(
                    r#"storage "raft" {{
  path                         = "{folder}"
  node_id                      = "{name}"
  performance_multiplier       = {patience}
  autopilot_reconcile_interval = "500ms"
  autopilot_update_interval    = "500ms"
}}"#
                );
                (storage, advertised_port.unwrap_or(cluster_port))
            }
        };
        let plugin_directory = parts::aws_auth_plugin().map_or_else(String::new, |plugin| {
            let folder = plugin.parent().expect("a file lies in a folder");
            format!("plugin_directory = {:?}\n", folder.display().to_string())
        });
        let tls = self.tls.as_mut().map_or_else(String::new, |tls| {
            tls.port = free_port();
            let Tls { port, certificate, key } = &*tls;
            format!(
                r#"listener "tcp" {{
  address       = "127.0.0.1:{port}"
  tls_cert_file = "{}"
  tls_key_file  = "{}"
}}
"#,
                certificate.display(),
                key.display()
            )
        });
        let configuration = format!(
            r#"{storage}
{plugin_directory}{tls}listener "tcp" {{
  address         = "127.0.0.1:{port}"
  cluster_address = "127.0.0.1:{cluster_port}"
  tls_disable     = true
}}
api_addr     = "http://127.0.0.1:{port}"
cluster_addr = "http://127.0.0.1:{advertised_port}"
audit "file" "main" {{
  options {{ file_path = "audit.json" }}
}}
"#
        );
        fs::write(self.folder.join("openbao.hcl"), configuration).expect("the configuration can be written");
    }

    /// Starts the process and waits until it answers, sealed.
    async fn launch(&mut self) -> Result<(), String> {
        let mut command = Command::new(parts::openbao());
        command.arg("server").arg("-config=openbao.hcl").current_dir(&self.folder);
        let mut server = Child::spawn("OpenBao", command, &self.folder.join("openbao.log"));
        let url = format!("{}/v1/sys/seal-status", self.address);
        let answers = async || self.http.get(&url).send().await.is_ok_and(|answer| answer.status() == 200);
        server.ready(Duration::from_secs(20), answers).await?;
        self.server = Some(server);
        Ok(())
    }

    /// Makes its data, with one unseal key, and unseals it.
    pub(crate) async fn initialise(&mut self) {
        let shares = json!({"secret_shares": 1, "secret_threshold": 1});
        let (status, answer) = self.api("PUT", "sys/init", None, shares).await;
        assert_eq!(status, 200, "initialising OpenBao: {answer}");
        self.unseal_key = answer["keys"][0].as_str().expect("an unseal key").to_owned();
        self.root_token = answer["root_token"].as_str().expect("a root token").to_owned();
        self.unseal().await;
    }
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        // Nobody reads the data any more: no need for the half second of an orderly end.
        if let Some(mut server) = self.server.take() {
            server.kill();
        }
    }
}
