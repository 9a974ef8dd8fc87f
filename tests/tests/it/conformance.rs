//! Runs the conformance suite of the integrations. It is `integrations/conformance/cases.json`: each case in each
//! language, on a real OpenBao behind a [`FaultProxy`]. `integrations/conformance/README.md` says what a case may
//! hold, and what a runner is.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use test_bed::fault_proxy::{Fault, Seen};
use test_bed::{
    Cluster, FaultProxy, LoadBalancer, LocalBed, Minted, NODES, OpenBao, Scratch, parts, vault_setup,
};
use vault_context::unwrap::{CreationPath, Integration, UnwrapError, Unwrapped};
use vault_context::vault::{Namespace, Vault, VaultAddress, VaultError, VaultOptions};

/// Beside Rust: those whose runner is a process.
pub(crate) const LANGUAGES: [&str; 3] = ["python", "go", "typescript"];

const ROLE: &str = "orders-prod-reader";
/// No answer takes so long: a step is patient for two seconds, and no case has more than three.
const LIMIT: Duration = Duration::from_secs(60);

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    #[serde(default)]
    form: Form,
    /// Of header names.
    spelling: Option<String>,
    #[serde(default)]
    context: Map<String, Value>,
    event: Option<Value>,
    headers: Option<Vec<(String, String)>>,
    #[serde(default)]
    more_headers: Vec<(String, String)>,
    #[serde(default)]
    integration: Map<String, Value>,
    role: Option<String>,
    num_uses: Option<u64>,
    namespace: Option<String>,
    before: Option<Before>,
    #[serde(default)]
    faults: Vec<Fault>,
    #[serde(default, rename = "use")]
    uses: Vec<Value>,

    token: Option<Value>,
    values: Option<Vec<Value>>,
    error: Option<String>,
    code: Option<String>,
    status: Option<u16>,
    outage: Option<bool>,
    #[serde(default)]
    says: Vec<String>,
    #[serde(default)]
    hides: Vec<String>,
    calls: Option<Vec<String>>,
    sends_namespace: Option<String>,
    inner: Option<Inner>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
enum Form {
    #[default]
    #[serde(rename = "rest")]
    Rest,
    #[serde(rename = "http-1.0")]
    Http1,
    #[serde(rename = "http-2.0")]
    Http2,
    #[serde(rename = "headers")]
    Headers,
}

/// What became of the wrapping token on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Before {
    Unwrapped,
    Revoked,
    Rewrapped,
    Swapped,
}

/// What is left of the token inside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Inner {
    Lives,
    Gone,
}

/// One language.
pub(crate) trait Runner {
    async fn answer(&mut self, request: &Value) -> Value;
}

struct Bed {
    // Dropped in this order: the proxy before the server.
    proxy: FaultProxy,
    local: LocalBed,
}

impl Bed {
    async fn new(name: &str) -> Self {
        let local = LocalBed::new(name).await;
        let openbao = &local.openbao;
        let role = json!({
            "allowed_policies": ["orders-prod-read", "vault-authorizer-self"], "orphan": true, "renewable": false,
            "token_no_default_policy": true, "token_type": "service", "token_explicit_max_ttl": "5m",
        });
        let with = |change: Value| {
            let mut role = role.clone();
            role.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            role
        };
        openbao.write("auth/token/roles/conformance-other", role.clone()).await;
        let batch = with(json!({"token_type": "batch", "token_explicit_max_ttl": 0}));
        openbao.write("auth/token/roles/conformance-batch", batch).await;
        let entity = with(json!({"allowed_entity_aliases": ["acme"]}));
        openbao.write("auth/token/roles/conformance-entity", entity).await;
        entity_with_a_policy(openbao, "acme").await;
        namespace_with(openbao, "team", role).await;
        Self { proxy: FaultProxy::start(openbao.address()), local }
    }

    fn openbao(&self) -> &OpenBao {
        &self.local.openbao
    }

    /// The cases, with what only this bed knows in the place of their placeholders.
    fn cases() -> Vec<Value> {
        parts::json("integrations/conformance/cases.json").as_array().unwrap().clone()
    }

    /// The case, its token, and the context of that.
    async fn prepared(&self, case: &Value) -> (Case, Minted, Map<String, Value>) {
        let template: Case =
            serde_json::from_value(case.clone()).unwrap_or_else(|error| panic!("{error}: {case}"));
        let mut minted = self.mint(&template).await;
        let accessor = minted.accessor.clone();
        self.happen(template.before, &mut minted).await;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let text = case.to_string().replace("{address}", &self.proxy.address());
        let text = text.replace("{port}", &self.proxy.port().to_string());
        let text = text.replace("{wrapping_token}", &minted.wrapping_token);
        let text = text.replace("{now + 2}", &(now + 2).to_string());
        let text =
            text.replace("{2049 letters}", &"a".repeat(2049)).replace("{2048 letters}", &"a".repeat(2048));
        let case: Case = serde_json::from_str(&text).unwrap();
        let role = case.role.as_deref().unwrap_or(ROLE);
        let on_its_way = Minted { accessor, ..minted.clone() };
        let mut context = on_its_way.context(role, &self.proxy.address()).as_object().unwrap().clone();
        context.extend(case.namespace.iter().map(|name| ("vaultNamespace".to_owned(), json!(name))));
        context.extend(case.context.clone());
        (case, minted, context)
    }

    async fn mint(&self, case: &Case) -> Minted {
        let role = case.role.as_deref().unwrap_or(ROLE);
        let mut body = json!({"ttl": "60s"});
        if let Some(uses) = case.num_uses {
            body["num_uses"] = json!(uses);
        }
        if role == "conformance-entity" {
            body["entity_alias"] = json!("acme");
        }
        let mut headers = vec![("X-Vault-Wrap-TTL", "30s")];
        headers.extend(case.namespace.iter().map(|name| ("X-Vault-Namespace", name.as_str())));
        let (path, root) = (format!("auth/token/create/{role}"), Some(self.openbao().root_token()));
        let (status, answer) = self.openbao().api_with("POST", &path, root, &headers, body).await;
        assert_eq!(status, 200, "{}: {answer}", case.name);
        let accessor = answer["wrap_info"].get("wrapped_accessor").cloned().unwrap_or(json!(""));
        Minted::of(&answer["wrap_info"]["token"], &accessor)
    }

    async fn happen(&self, before: Option<Before>, minted: &mut Minted) {
        let openbao = self.openbao();
        match before {
            None => {}
            Some(Before::Unwrapped) => assert_eq!(openbao.unwrap(&minted.wrapping_token).await.0, 200),
            Some(Before::Revoked) => {
                openbao.write("auth/token/revoke", json!({"token": minted.wrapping_token})).await;
            }
            Some(Before::Rewrapped) => {
                let (_, opened) = openbao.unwrap(&minted.wrapping_token).await;
                let (root, wrapped) = (Some(openbao.root_token()), [("X-Vault-Wrap-TTL", "30s")]);
                let again = openbao
                    .api_with("POST", "sys/wrapping/wrap", root, &wrapped, opened["auth"].clone())
                    .await;
                minted.wrapping_token = again.1["wrap_info"]["token"].as_str().unwrap().to_owned();
            }
            Some(Before::Swapped) => {
                minted.wrapping_token = openbao.mint(openbao.root_token(), ROLE).await.wrapping_token;
            }
        }
    }

    /// Runs a case; answers what is wrong.
    async fn run(&self, runner: &mut impl Runner, case: &Value) -> Vec<String> {
        let (case, minted, context) = self.prepared(case).await;
        self.proxy.set(case.faults.clone());
        self.proxy.take_calls();
        let answer = runner.answer(&request(&case, &context, &self.proxy.address())).await;
        let calls = self.proxy.take_calls();
        let mut wrong = judged(&case, &answer, &calls);
        wrong.extend(misused(&case, &calls, &minted.wrapping_token));
        for secret in
            [minted.wrapping_token.as_str()].into_iter().chain(case.hides.iter().map(String::as_str))
        {
            if answer.to_string().contains(secret) {
                wrong.push(format!("it tells a secret: {answer}"));
            }
        }
        if let Some(inner) = case.inner {
            let lives = self.openbao().lives(&minted.accessor).await;
            if lives != (inner == Inner::Lives) {
                wrong.push(format!("the token inside {}", if lives { "lives" } else { "is gone" }));
            }
        }
        wrong.iter().map(|wrong| format!("{}: {wrong}", case.name)).collect()
    }

    async fn all(&self, runner: &mut impl Runner) {
        let mut wrong = Vec::new();
        for case in Self::cases() {
            wrong.extend(self.run(runner, &case).await);
        }
        assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    }
}

/// What the runner is asked.
fn request(case: &Case, context: &Map<String, Value>, address: &str) -> Value {
    let mut integration = json!({"address": address, "creation_paths": [format!("auth/token/create/{}", case.role.as_deref().unwrap_or(ROLE))]});
    integration.as_object_mut().unwrap().extend(case.integration.clone());
    let mut request = json!({"integration": integration, "use": case.uses});
    let event = |authorizer: Value| json!({"requestContext": {"stage": "prod", "authorizer": authorizer}});
    let (member, value) = match (&case.event, &case.headers, case.form) {
        (Some(event), ..) => ("event", event.clone()),
        (_, Some(headers), _) => ("headers", json!(headers)),
        (.., Form::Rest) => ("event", event(json!(context))),
        (.., Form::Http1) => ("event", {
            let mut event = event(json!(context));
            event["version"] = json!("1.0");
            event
        }),
        (.., Form::Http2) => ("event", {
            let mut event = event(json!({ "lambda": context }));
            event["version"] = json!("2.0");
            event
        }),
        (.., Form::Headers) => ("headers", json!(headers(case, context))),
    };
    request[member] = value;
    request
}

/// As an HTTP integration's mapping writes them, after what every request has.
fn headers(case: &Case, context: &Map<String, Value>) -> Vec<(String, String)> {
    let fields = vault_context::context::FIELDS;
    let mut headers = vec![("host".to_owned(), "orders.example.com".to_owned())];
    for field in fields {
        let value = context.get(field.key).and_then(Value::as_str);
        let name = match case.spelling.as_deref() {
            None => field.header.to_owned(),
            Some(_) => field.header.to_lowercase().replace('-', "_"),
        };
        headers.extend(value.map(|value| (name, value.to_owned())));
    }
    headers.extend(case.more_headers.clone());
    headers
}

fn judged(case: &Case, answer: &Value, calls: &[Seen]) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut compare = |what: &str, expected: Value, actual: &Value| {
        if !holds(&expected, actual) {
            wrong.push(format!("{what} is {actual}, not {expected}"));
        }
    };
    match &case.error {
        Some(error) => {
            compare("the error", json!(error), &answer["error"]);
            for (name, expected) in
                [("code", json!(case.code)), ("status", json!(case.status)), ("outage", json!(case.outage))]
            {
                if !expected.is_null() {
                    compare(name, expected, &answer[name]);
                }
            }
        }
        None => {
            compare("the error", json!(null), &answer["error"]);
            compare("the token", case.token.clone().unwrap_or(json!({})), &answer["token"]);
            compare("what was read", json!(case.values.clone().unwrap_or_default()), &answer["values"]);
        }
    }
    let message = answer["message"].as_str().unwrap_or_default();
    let unsaid = case.says.iter().filter(|words| !message.contains(*words));
    let mut wrong: Vec<String> = wrong
        .into_iter()
        .chain(unsaid.map(|words| format!("it does not say `{words}`: {message}")))
        .collect();
    let names: Vec<String> = calls.iter().map(Seen::name).collect();
    if case.calls.as_ref().is_some_and(|expected| *expected != names) {
        wrong.push(format!("the calls are {names:?}, not {:?}", case.calls));
    }
    if !wrong.is_empty() {
        wrong.push(format!("    it answered {answer}"));
    }
    wrong
}

/// Every member that is expected is there; what else is there does not matter.
fn holds(expected: &Value, actual: &Value) -> bool {
    match (expected, actual) {
        (Value::Object(expected), Value::Object(actual)) => {
            expected.iter().all(|(name, value)| holds(value, actual.get(name).unwrap_or(&Value::Null)))
        }
        (Value::Array(expected), Value::Array(actual)) => {
            expected.len() == actual.len()
                && expected.iter().zip(actual).all(|(expected, actual)| holds(expected, actual))
        }
        (expected, actual) => expected == actual,
    }
}

/// What holds for every call of every case.
fn misused(case: &Case, calls: &[Seen], wrapping_token: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for call in calls {
        let mut hold = |holds: bool, what: &str| {
            if !holds {
                wrong.push(format!("`{}` {what}", call.name()));
            }
        };
        let in_headers = call.headers.iter().filter(|(_, value)| value.contains(wrapping_token)).count();
        match call.name().as_str() {
            "lookup" => {
                hold(call.header("x-vault-token").is_none_or(str::is_empty), "carries a token in its header");
                let body: Value = serde_json::from_str(&call.body).unwrap_or_default();
                let asked = body.as_object().is_some_and(|body| body.len() == 1);
                hold(
                    in_headers == 0 && asked && body["token"] == wrapping_token,
                    "has not the wrapping token alone in its body",
                );
            }
            "unwrap" => {
                hold(
                    call.header("x-vault-token").is_some() && call.body.is_empty(),
                    "has no token in its header alone",
                );
                hold(in_headers == 1, "carries another token");
            }
            name => {
                hold(call.header("x-vault-token").is_some(), "carries no token");
                hold(in_headers == 0 && !call.body.contains(wrapping_token), "carries the wrapping token");
                hold(!name.contains("elsewhere"), "follows a redirect");
            }
        }
        hold(call.header("x-vault-request") == Some("true"), "has no `X-Vault-Request: true`");
        let namespace = call.header("x-vault-namespace").filter(|name| !name.is_empty());
        hold(namespace == case.sends_namespace.as_deref(), "has another namespace than the configured one");
        hold(
            call.header("user-agent").is_some_and(|agent| agent.contains("vault-context")),
            "does not say who sent it",
        );
    }
    for (call, next) in calls.iter().zip(calls.iter().skip(1)) {
        let again = call.name() == next.name() || call.name() == "unwrap";
        if call.refused && again && call.connection == next.connection {
            wrong.push(format!("`{}` goes to the node that has just refused `{}`", next.name(), call.name()));
        }
    }
    wrong
}

async fn entity_with_a_policy(openbao: &OpenBao, alias: &str) {
    let entity =
        openbao.write("identity/entity", json!({"name": alias, "policies": ["orders-prod-read"]})).await;
    let mount = openbao.read("sys/auth").await["token/"]["accessor"].take();
    let alias = json!({"name": alias, "canonical_id": entity["data"]["id"], "mount_accessor": mount});
    openbao.write("identity/entity-alias", alias).await;
}

async fn namespace_with(openbao: &OpenBao, name: &str, role: Value) {
    openbao.write(&format!("sys/namespaces/{name}"), json!({})).await;
    let policy = vault_setup::policy_file("vault-authorizer-self");
    let writes = [
        ("sys/policies/acl/vault-authorizer-self".to_owned(), json!({ "policy": policy })),
        (format!("auth/token/roles/{ROLE}"), role),
    ];
    for (path, body) in writes {
        let (root, headers) = (Some(openbao.root_token()), [("X-Vault-Namespace", name)]);
        let (status, answer) = openbao.api_with("POST", &path, root, &headers, body).await;
        assert!(status < 300, "{path}: {status} {answer}");
    }
}

/// The crate, in this process.
struct Rust;

impl Runner for Rust {
    async fn answer(&mut self, request: &Value) -> Value {
        let integration = match configured(&request["integration"]) {
            Ok(integration) => integration,
            Err(message) => return json!({"error": "Configuration", "message": message}),
        };
        let now = SystemTime::now();
        let opened = match request.get("headers") {
            None => integration.open(&request["event"], now).await,
            Some(headers) => {
                let headers: Vec<(String, String)> = serde_json::from_value(headers.clone()).unwrap();
                let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
                integration.open_headers(headers, now).await
            }
        };
        let token = match opened {
            Ok(token) => token,
            Err(error) => return told(&error),
        };
        let about = json!({
            "grant": token.grant(), "accessor": token.accessor(), "creation_path": token.creation_path(),
            "caller": {
                "kind": token.caller().kind.as_str(), "issuer": token.caller().issuer, "id": token.caller().id,
                "binding": token.caller().binding.as_str(),
            },
        });
        let mut values = Vec::new();
        let mut failed = None;
        for step in request["use"].as_array().unwrap() {
            match used(&token, step).await {
                Ok(value) => values.push(value),
                Err(error) => {
                    failed = Some(UnwrapError::from(error));
                    break;
                }
            }
        }
        // What becomes of the revocation is not the request's business.
        let _ = token.revoke().await;
        match failed {
            Some(error) => told(&error),
            None => json!({"token": about, "values": values}),
        }
    }
}

async fn used(token: &Unwrapped, step: &Value) -> Result<Value, VaultError> {
    let (kind, arguments) = step.as_object().unwrap().iter().next().unwrap();
    let text = |index: usize| arguments[index].as_str().unwrap();
    match kind.as_str() {
        "read" => Ok(token.read(arguments.as_str().unwrap()).await?.data),
        "write" => Ok(token.write(text(0), &arguments[1]).await?.data),
        "kv" => Ok(Value::Object(token.kv(text(0)).get(text(1)).await?)),
        "database" => {
            let credentials = token.database(text(0)).credentials(text(1)).await?;
            Ok(json!({"username": credentials.username, "password": credentials.password()}))
        }
        other => panic!("no such use: {other}"),
    }
}

fn told(error: &UnwrapError) -> Value {
    let reason = std::error::Error::source(error).map(|source| format!(": {source}")).unwrap_or_default();
    json!({
        "error": error.class().as_str(), "code": error.code(), "status": error.status(), "outage": error.is_outage(),
        "message": format!("{error}{reason}"),
    })
}

fn configured(values: &Value) -> Result<Integration, String> {
    let text = |name: &str| values.get(name).and_then(Value::as_str);
    let said = |error: &dyn std::error::Error| error.to_string();
    let mut options =
        VaultOptions::new(VaultAddress::parse(text("address").unwrap()).map_err(|error| said(&error))?);
    options.namespace = text("namespace").map(Namespace::parse).transpose().map_err(|error| said(&error))?;
    options.ca_pem = text("ca_file").map(std::fs::read).transpose().map_err(|error| said(&error))?;
    if let Some(timeout) = values.get("timeout_ms").and_then(Value::as_u64) {
        options.timeout = Duration::from_millis(timeout);
    }
    let vault = Vault::new(options).map_err(|error| said(&error))?;
    let paths = values["creation_paths"].as_array().unwrap().iter().map(|path| path.as_str().unwrap());
    let paths: Result<Vec<CreationPath>, String> =
        paths.map(|path| CreationPath::parse(path).map_err(|error| said(&error))).collect();
    let mut paths = paths?.into_iter();
    let first = paths.next().ok_or("no creation path")?;
    let mut integration = paths.fold(Integration::new(vault, first), Integration::also_accept);
    if let Some(limit) = values.get("max_lease_seconds").and_then(Value::as_u64) {
        integration = integration.max_lease_seconds(limit);
    }
    let allowed = values.get("allow_identity_policies") == Some(&json!(true));
    Ok(if allowed { integration.allow_identity_policies() } else { integration })
}

/// Another language: a process that answers each line of its standard input with one of its standard output.
pub(crate) struct Process {
    child: Child,
    requests: ChildStdin,
    answers: Receiver<String>,
}

impl Process {
    /// With an environment that would lead another client astray.
    pub(crate) fn start(mut command: Command, scratch: &Scratch) -> Self {
        let home = scratch.folder("home");
        std::fs::write(home.join(".vault-token"), "s.TokenOfTheHomeFolder").unwrap();
        for prefix in ["VAULT", "BAO"] {
            for (name, value) in [
                ("ADDR", "http://127.0.0.1:9"),
                ("AGENT_ADDR", "http://127.0.0.1:9"),
                ("TOKEN", "s.TokenOfTheEnvironment"),
                ("NAMESPACE", "namespace-of-the-environment"),
                ("MAX_RETRIES", "7"),
                ("CACERT", "/nowhere/ca.pem"),
                ("CLIENT_TIMEOUT", "0.001"),
                ("HTTP_PROXY", "http://127.0.0.1:9"),
                ("PROXY_ADDR", "http://127.0.0.1:9"),
                ("RATE_LIMIT", "0.0001:1"),
                ("WRAP_TTL", "60s"),
            ] {
                command.env(format!("{prefix}_{name}"), value);
            }
        }
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"] {
            command.env(name, "http://127.0.0.1:9");
        }
        command.env("HOME", home).env("NODE_USE_ENV_PROXY", "1").env("PYTHONDONTWRITEBYTECODE", "1");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (requests, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let (sender, answers) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, requests, answers }
    }
}

impl Runner for Process {
    async fn answer(&mut self, request: &Value) -> Value {
        writeln!(self.requests, "{request}")
            .unwrap_or_else(|error| panic!("the runner takes no request: {error}"));
        let line = self
            .answers
            .recv_timeout(LIMIT)
            .unwrap_or_else(|_| panic!("the runner gives no answer to {request}"));
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A case whose members have no effect would prove nothing.
#[test]
fn every_case_says_what_is_expected() {
    let mut names = BTreeMap::new();
    for case in Bed::cases() {
        let case: Case =
            serde_json::from_value(case.clone()).unwrap_or_else(|error| panic!("{error}: {case}"));
        *names.entry(case.name.clone()).or_insert(0) += 1;
        assert!(case.error.is_some() || case.calls.is_some(), "{}", case.name);
        assert_eq!(
            case.error.as_deref().is_some_and(|error| error != "Configuration"),
            case.code.is_some(),
            "{}",
            case.name
        );
    }
    assert!(names.values().all(|count| *count == 1), "{names:?}");
}

#[tokio::test]
async fn rust_conforms() {
    Bed::new("conformance-rust").await.all(&mut Rust).await;
}

#[tokio::test]
async fn python_conforms() {
    conforms("python").await;
}

#[tokio::test]
async fn go_conforms() {
    conforms("go").await;
}

#[tokio::test]
async fn typescript_conforms() {
    conforms("typescript").await;
}

async fn conforms(language: &str) {
    let bed = Bed::new(&format!("conformance-{language}")).await;
    let mut runner = Process::start(parts::integration(language), &bed.local.scratch);
    bed.all(&mut runner).await;
}

/// Three healthy nodes behind one address, one of them 20 ms away from the others: it does not know a token yet that the others
/// know, and says so in the words for a spent one.
#[tokio::test]
async fn no_call_is_refused_behind_three_nodes_of_which_one_lags() {
    let scratch = Scratch::new("conformance-lag");
    let cluster = Cluster::start(&scratch).await;
    let leader = cluster.leader().await;
    let active = cluster.node(leader);
    vault_setup::quickstart(active).await;
    cluster.move_away(Some(((leader + 1) % NODES, Duration::from_millis(20))));
    let balancer = LoadBalancer::before(&cluster);
    let mut runners: Vec<(&str, Process)> =
        LANGUAGES.map(|language| (language, Process::start(parts::integration(language), &scratch))).into();
    let address = balancer.address();
    for _ in 0..15 {
        refused_nobody("rust", &mut Rust, active, &address).await;
        for (language, runner) in &mut runners {
            refused_nobody(language, runner, active, &address).await;
        }
    }
}

async fn refused_nobody(language: &str, runner: &mut impl Runner, active: &OpenBao, address: &str) {
    let context = active.context(address).await;
    let integration = json!({"address": address, "creation_paths": [format!("auth/token/create/{ROLE}")]});
    let event = json!({"requestContext": {"authorizer": context}});
    let uses = json!([{"kv": ["secret", "prod/orders"]}]);
    let answer = runner.answer(&json!({"integration": integration, "event": event, "use": uses})).await;
    assert_eq!(answer["values"][0]["username"], "orders-prod", "{language}: {answer}");
}
