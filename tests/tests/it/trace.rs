//! `vault-authorizer trace` over the logs that the release binary and a real OpenBao have written: every request's chain is
//! exactly what happened to its token, whatever happened beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;

use serde_json::{Value, json};
use test_bed::command::{Command, Ran};
use test_bed::issuer::{Issuer, TokenSpec};
use test_bed::openbao::OpenBao;
use test_bed::parts;
use test_bed::process::Scratch;
use test_bed::runtime_api::{Function, Invocation};
use test_bed::vault_setup::{self, Setup};
use tokio::task::JoinSet;

const SECRET: &str = "secret/data/prod/orders";

/// Instances of one authorizer, as Lambda starts them for calls at the same time.
struct World {
    functions: Vec<Function>,
    openbao: OpenBao,
    issuer: Issuer,
    scratch: Scratch,
}

/// A request that was allowed, and what is in its context.
struct Call {
    request_id: String,
    wrapping_token: String,
    accessor: String,
}

impl World {
    async fn new(name: &str, instances: usize) -> Self {
        let scratch = Scratch::new(name);
        let openbao = OpenBao::start_in_memory(&scratch).await;
        vault_setup::configure(&openbao, &Setup::quickstart()).await;
        let token = vault_setup::authorizer_token(&openbao).await;
        let issuer = Issuer::start();
        let config = config(openbao.address(), &token, &issuer.url());
        let binary = parts::binary("release", "bootstrap");
        let start = |_| Function::start(&binary, [("AUTHORIZER_CONFIG", config.as_str())], &scratch);
        let functions = (0..instances).map(start).collect();
        Self { functions, openbao, issuer, scratch }
    }

    /// The answer to `GET /orders` by a caller with this scope; nothing for an error.
    async fn answer(&self, instance: usize, request_id: &str, scope: &str) -> Value {
        let token = self.issuer.token(&TokenSpec::new().claim("scope", scope));
        let event = json!({
            "type": "REQUEST",
            "methodArn": "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/GET/orders",
            "resource": "/orders",
            "path": "/orders",
            "httpMethod": "GET",
            "headers": {"authorization": format!("Bearer {token}")},
            "requestContext": {"accountId": "123456789012", "apiId": "a1b2c3d4e5", "stage": "prod",
                "requestId": request_id, "extendedRequestId": format!("{request_id}+extended=")},
        });
        let instance = &self.functions[instance % self.functions.len()];
        let Invocation::Response(answer) = instance.invoke(&event).await else { return Value::Null };
        answer
    }

    async fn call(&self, instance: usize, request_id: &str) -> Call {
        let answer = self.answer(instance, request_id, "orders:read").await;
        let text = |name: &str| answer["context"][name].as_str().expect("a context").to_owned();
        Call {
            request_id: request_id.to_owned(),
            wrapping_token: text("vaultWrappingToken"),
            accessor: text("vaultWrappedAccessor"),
        }
    }

    async fn lookup(&self, call: &Call) -> u16 {
        let body = json!({"token": call.wrapping_token});
        self.openbao.api("POST", "sys/wrapping/lookup", None, body).await.0
    }

    /// The token inside, or why there is none.
    async fn unwrap(&self, call: &Call) -> Result<String, u16> {
        let token = Some(call.wrapping_token.as_str());
        let (status, answer) = self.openbao.api("POST", "sys/wrapping/unwrap", token, Value::Null).await;
        answer["auth"]["client_token"].as_str().map(str::to_owned).ok_or(status)
    }

    async fn read(&self, token: &str, path: &str) -> u16 {
        self.openbao.api("GET", path, Some(token), Value::Null).await.0
    }

    async fn revoke(&self, token: &str) -> u16 {
        self.openbao.api("POST", "auth/token/revoke-self", Some(token), Value::Null).await.0
    }

    fn authorizer_log(&self) -> String {
        self.functions.iter().map(Function::log).collect()
    }

    /// A file with this text.
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.scratch.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn command(&self, request_id: &str, options: &[&str]) -> Command {
        let log = self.file("authorizer.txt", &self.authorizer_log());
        let audit_log = self.openbao.audit_log();
        let logs = ["--authorizer-log", &log, "--audit-log", audit_log.to_str().unwrap()];
        Command::new(&[&["trace", "--request-id", request_id], &logs[..], options].concat())
    }

    fn trace(&self, request_id: &str) -> Value {
        told(self.command(request_id, &["--json"]).run(), 0)
    }

    /// In words; nothing in it is a token or an HMAC.
    fn words(&self, request_id: &str) -> String {
        let ran = self.command(request_id, &[]).run();
        assert_eq!(ran.stderr, "");
        assert!(!ran.stdout.contains("hmac-sha256") && !ran.stdout.contains("s."), "{}", ran.stdout);
        ran.stdout
    }
}

fn told(ran: Ran, code: i32) -> Value {
    assert_eq!((ran.code, ran.stderr.as_str()), (code, ""), "{}", ran.stdout);
    assert!(!ran.stdout.contains("hmac-sha256"), "{}", ran.stdout);
    serde_json::from_str(&ran.stdout).unwrap()
}

/// Each step, and whether Vault refused it.
fn steps(trace: &Value) -> Vec<String> {
    let step = |step: &Value| {
        let refused = if step["error"].is_null() { "" } else { " refused" };
        assert_eq!(step["answered"], true, "{step}");
        format!("{} {}{refused}", step["step"].as_str().unwrap(), step["path"].as_str().unwrap())
    };
    trace["steps"].as_array().unwrap().iter().map(step).collect()
}

fn notes(trace: &Value) -> Vec<&str> {
    trace["notes"].as_array().unwrap().iter().map(|note| note.as_str().unwrap()).collect()
}

fn config(vault: &str, token: &str, issuer: &str) -> String {
    format!(
        r#"
vault: {{address: "{vault}", login: {{method: token, token: {token}}}}}
issuers:
  corp: {{kind: jwt, issuer: "{issuer}", audiences: [orders-api], algorithms: [RS256], jwks: discovery}}
limits: {{caller_mints_per_second: 1000}}
stages:
  prod:
    api_ids: [a1b2c3d4e5]
    grants:
      - name: orders-prod-reader
        routes: ["GET /orders"]
        caller: {{issuer: corp, bound_claims: {{scope: ["orders:read"]}}}}
        token: {{role: orders-prod-reader, policies: [orders-prod-read], ttl: 2m, wrap_ttl: 30s}}
"#
    )
}

const MINT: &str = "mint auth/token/create/orders-prod-reader";
const LOOKUP: &str = "lookup sys/wrapping/lookup";
const UNWRAP: &str = "unwrap sys/wrapping/unwrap";
const USE: &str = "use secret/data/prod/orders";
const REVOKE: &str = "revoke auth/token/revoke-self";

/// What the test itself knows of a call, to be found again.
struct Happened {
    call: Call,
    token: String,
    steps: Vec<&'static str>,
}

async fn life(world: Arc<World>, n: usize) -> Happened {
    let call = world.call(n, &format!("request-{n}")).await;
    let mut steps = vec![MINT, LOOKUP, UNWRAP];
    assert_eq!(world.lookup(&call).await, 200);
    let token = world.unwrap(&call).await.unwrap();
    for _ in 0..n % 4 {
        assert_eq!(world.read(&token, SECRET).await, 200);
        steps.push(USE);
    }
    if n.is_multiple_of(5) {
        assert_eq!(world.read(&token, "secret/data/staging/orders").await, 403);
        steps.push("use secret/data/staging/orders refused");
    }
    if !n.is_multiple_of(3) {
        assert_eq!(world.revoke(&token).await, 204);
        steps.push(REVOKE);
    }
    if n % 6 == 1 {
        assert_eq!(world.read(&token, SECRET).await, 403);
        steps.push("use secret/data/prod/orders refused");
    }
    Happened { call, token, steps }
}

#[tokio::test]
async fn a_hundred_requests_at_the_same_time_are_told_apart() {
    let world = Arc::new(World::new("trace-hundred", 5).await);
    let mut lives = JoinSet::new();
    for n in 0..100 {
        lives.spawn(life(Arc::clone(&world), n));
    }
    let lives = lives.join_all().await;

    // What happened, by the tokens that only this test has seen: Vault says what its log writes for each.
    let entries = world.openbao.audit_entries();
    let texts: Vec<(&Value, String)> = entries.iter().map(|entry| (entry, entry.to_string())).collect();
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for Happened { call, token, steps: expected } in &lives {
        let mut own = BTreeSet::new();
        for secret in [token, &call.wrapping_token, &call.accessor] {
            let hash = world.openbao.audit_hash(secret).await;
            let with_it = texts.iter().filter(|(_, text)| text.contains(&hash));
            own.extend(with_it.map(|(entry, _)| entry["request"]["id"].as_str().unwrap().to_owned()));
        }
        let trace = world.trace(&call.request_id);
        assert_eq!(trace["joined_by"], "metadata");
        assert_eq!(trace["decision"]["wrapped_accessor"], call.accessor.as_str());
        assert_eq!(&steps(&trace), expected, "{}", call.request_id);
        let id = |step: &Value| step["vault_request_id"].as_str().unwrap().to_owned();
        let ids: BTreeSet<String> = trace["steps"].as_array().unwrap().iter().map(id).collect();
        assert_eq!(ids, own, "{}", call.request_id);
        for id in ids {
            let other = all.insert(id, call.request_id.clone());
            assert_eq!(other, None, "{} has a step of another's", call.request_id);
        }
    }
    let minted = entries.iter().filter(|entry| entry["response"]["wrap_info"]["token"].is_string());
    assert_eq!(minted.count(), 100);
}

#[tokio::test]
async fn a_request_is_found_by_each_of_its_ids_and_told_in_words() {
    let world = World::new("trace-ids", 1).await;
    let call = world.call(0, "c6af9ac6-7b61-11e6-9a41-93e8deadbeef").await;
    let token = world.unwrap(&call).await.unwrap();
    world.read(&token, SECRET).await;
    world.revoke(&token).await;
    let trace = world.trace(&call.request_id);
    let lambda = trace["decision"]["lambda_request_id"].as_str().unwrap();
    for id in [lambda, "c6af9ac6-7b61-11e6-9a41-93e8deadbeef+extended="] {
        assert_eq!(world.trace(id), trace);
    }
    let words = world.words(lambda);
    assert!(words.starts_with("ALLOWED\n  decided at  "), "{words}");
    for shown in [
        "  minted     update auth/token/create/orders-prod-reader  from 127.0.0.1",
        "  unwrapped ",
        "  used ",
        "  revoked ",
    ] {
        assert!(words.contains(shown), "{words}");
    }
    assert!(words.ends_with("\n  joined by the request id in the token's metadata\n"), "{words}");

    let unknown = world.command("00000000-dead", &[]).run();
    assert_eq!((unknown.code, unknown.stdout.as_str()), (1, ""));
    assert!(unknown.stderr.contains("has the request id `00000000-dead`"), "{}", unknown.stderr);
    // API Gateway's id may be a caller's choice: this one takes another request's.
    world.call(0, &call.request_id).await;
    let ambiguous = world.command(&call.request_id, &[]).run();
    assert_eq!(ambiguous.code, 1);
    assert!(
        ambiguous.stderr.contains("give the `lambda_request_id` of one, such as `"),
        "{}",
        ambiguous.stderr
    );
    assert_eq!(world.trace(lambda)["steps"], trace["steps"]);
}

#[tokio::test]
async fn a_denial_and_a_fault_have_nothing_in_vaults_log() {
    let world = World::new("trace-denied", 1).await;
    world.answer(0, "denied", "none").await;
    world.openbao.seal().await;
    world.answer(0, "sealed", "orders:read").await;
    world.openbao.unseal().await;
    for (request_id, outcome, code) in [("denied", "denied", "no_grant"), ("sealed", "fault", "vault_sealed")]
    {
        let trace = world.trace(request_id);
        assert_eq!(
            (&trace["decision"]["outcome"], &trace["decision"]["code"]),
            (&outcome.into(), &code.into())
        );
        assert_eq!(steps(&trace), [""; 0]);
        assert_eq!(trace["complete"], true);
        assert_eq!(notes(&trace), ["no token was minted, and the audit log has none of this request"]);
    }
    assert!(world.words("denied").starts_with("DENIED no_grant\n  no grant of the stage"));
}

/// Its mint is in the log, and only the server can tell which mint it is.
#[tokio::test]
async fn a_token_that_nobody_unwrapped_is_found_with_the_servers_help_alone() {
    let world = World::new("trace-unopened", 1).await;
    let call = world.call(0, "unopened").await;
    let other = world.call(0, "opened").await;
    world.unwrap(&other).await.unwrap();

    let trace = told(world.command("unopened", &["--json"]).run(), 3);
    assert_eq!((&trace["complete"], &trace["joined_by"]), (&json!(false), &Value::Null));
    let note = notes(&trace)[0];
    assert!(note.contains("either nobody unwrapped it") && note.ends_with("VAULT_ADDR is not set"), "{note}");

    let asked = |token: &str, options: &[&str]| {
        let command = world.command("unopened", &[&["--json"], options].concat());
        command.env("VAULT_ADDR", world.openbao.address()).env("VAULT_TOKEN", token).run()
    };
    let root = world.openbao.root_token();
    for options in [&[][..], &["--audit-device", "main/"]] {
        let trace = told(asked(root, options), 0);
        assert_eq!(trace["joined_by"], "audit_hash");
        assert_eq!(steps(&trace), [MINT]);
        assert_eq!(notes(&trace), ["nobody unwrapped the token"]);
    }
    let trace = told(asked(root, &["--audit-device", "file"]), 3);
    assert!(notes(&trace)[0].contains("sys/audit-hash/file") && notes(&trace)[0].contains("--audit-device"));

    // Exactly the power that the command's help names.
    let policy = json!({"policy": "path \"sys/audit-hash/main\" { capabilities = [\"update\"] }"});
    world.openbao.as_root("PUT", "sys/policies/acl/trace", policy).await;
    let body = json!({"policies": ["trace"], "no_default_policy": true, "ttl": "10m"});
    let token = world.openbao.as_root("POST", "auth/token/create-orphan", body).await;
    let token = token["auth"]["client_token"].as_str().unwrap();
    assert_eq!(steps(&told(asked(token, &["--audit-device", "main"]), 0)), [MINT]);
    let trace = told(asked(token, &[]), 3);
    assert!(notes(&trace)[0].contains("its policies need `update` on `sys/audit-hash/file`"), "{trace}");

    // Revoked by an operator meanwhile, which is of the chain.
    let about = json!({"accessor": call.accessor});
    world.openbao.api("POST", "auth/token/revoke-accessor", Some(root), about).await;
    assert_eq!(steps(&told(asked(root, &[]), 0)), [MINT, "revoke auth/token/revoke-accessor"]);
}

#[tokio::test]
async fn a_thief_is_seen_by_the_unwrap_that_was_refused() {
    let world = World::new("trace-thief", 1).await;
    let call = world.call(0, "stolen").await;
    let stolen = world.unwrap(&call).await.unwrap();
    assert_eq!(world.read(&stolen, SECRET).await, 200);
    assert_eq!(world.unwrap(&call).await, Err(400));
    let trace = world.trace("stolen");
    let refused = format!("{UNWRAP} refused");
    assert_eq!(steps(&trace), [MINT, UNWRAP, USE, refused.as_str()]);
    assert_eq!(trace["steps"][3]["error"], "wrapping token is not valid or does not exist");
    assert!(notes(&trace)[0].contains("somebody else has had the token"), "{trace}");
    assert!(world.words("stolen").contains("  not unwrapped  update sys/wrapping/unwrap"));

    // Somebody who sends the wrapping token itself burns it.
    let call = world.call(0, "burnt").await;
    assert_eq!(world.read(&call.wrapping_token, "auth/token/lookup-self").await, 403);
    assert_eq!(world.unwrap(&call).await, Err(400));
    let trace = world
        .command("burnt", &["--json"])
        .env("VAULT_ADDR", world.openbao.address())
        .env("VAULT_TOKEN", world.openbao.root_token())
        .run();
    let trace = told(trace, 0);
    assert_eq!(steps(&trace), [MINT, "misuse auth/token/lookup-self refused", refused.as_str()]);
}

#[tokio::test]
async fn foreign_and_damaged_lines_rotated_files_and_clear_accessors_change_nothing() {
    let world = World::new("trace-lines", 1).await;
    let call = world.call(0, "odd").await;
    let token = world.unwrap(&call).await.unwrap();
    world.read(&token, SECRET).await;
    world.revoke(&token).await;
    let expected = world.trace("odd");
    let lambda = expected["decision"]["lambda_request_id"].as_str().unwrap();

    // As `aws logs tail` prints it, with what Lambda writes beside it, and a line that was cut.
    let log = world.authorizer_log();
    let line = log.lines().find(|line| line.contains("\"odd\"")).unwrap();
    let tailed = format!(
        "2027-01-15T08:00:00+00:00 2027/01/15/[$LATEST]0f START RequestId: {lambda} Version: $LATEST\n\
         2027-01-15T08:00:00+00:00 2027/01/15/[$LATEST]0f {line}\n\
         2027-01-15T08:00:00+00:00 2027/01/15/[$LATEST]0f REPORT RequestId: {lambda}\tDuration: 2 ms\n{}",
        &line[..line.len() / 2]
    );
    // The audit log in two files, the newer one first, with a prefix, and damaged.
    let audit_log = fs::read_to_string(world.openbao.audit_log()).unwrap();
    let lines: Vec<&str> = audit_log.lines().collect();
    let (older, newer) = lines.split_at(lines.len() - 4);
    let newer: String = newer.iter().map(|line| format!("vault-1 {line}\n")).collect();
    let older = format!(
        "{}\n{{\"type\":\"request\",\"auth\":{{\"metadata\":{{\"request_id\":\"{lambda}\n\u{0}\u{1b}[2J",
        older.join("\n")
    );
    let files = [world.file("newer", &newer), world.file("older", &older)];
    let run = |tailed: &str, files: &[String; 2]| {
        let arguments = ["trace", "--json", "--request-id", "odd", "--authorizer-log", "-"];
        let files = ["--audit-log", &files[0], "--audit-log", &files[1]];
        told(Command::new(&[&arguments[..], &files].concat()).stdin(tailed).run(), 0)
    };
    let trace = run(&tailed, &files);
    assert_eq!(trace["steps"], expected["steps"]);
    let damaged =
        ["the authorizer's log: 1 line of it is damaged", "Vault's audit log: 1 line of it is damaged"];
    assert_eq!(notes(&trace), damaged);

    // With `hmac_accessor=false` the device writes accessors in clear.
    let hash = world.openbao.audit_hash(&call.accessor).await;
    let clear = files.map(|file| {
        let text = fs::read_to_string(&file).unwrap().replace(&hash, &call.accessor);
        world.file(&format!("{}-clear", file.rsplit('/').next().unwrap()), &text)
    });
    let trace = run(&log, &clear);
    assert_eq!((&trace["joined_by"], &trace["steps"]), (&json!("accessor"), &expected["steps"]));
}

/// An operator who looks at tokens and ends them, by themselves and under another token.
#[tokio::test]
async fn what_an_operator_does_with_the_tokens_is_told_as_what_it_is() {
    let world = World::new("trace-operator", 1).await;
    let call = world.call(0, "ended").await;
    let operate = async |path: &str, token: &str| {
        let root = Some(world.openbao.root_token());
        world.openbao.api("POST", path, root, json!({"token": token})).await.0
    };
    assert_eq!(operate("auth/token/lookup", &call.wrapping_token).await, 200);
    let token = world.unwrap(&call).await.unwrap();
    assert_eq!(operate("auth/token/lookup", &token).await, 200);
    assert_eq!(operate("auth/token/revoke", &token).await, 204);
    let trace = world.trace("ended");
    let inquiry = "inquiry auth/token/lookup";
    assert_eq!(steps(&trace), [MINT, inquiry, UNWRAP, inquiry, "revoke auth/token/revoke"]);
    assert_eq!(notes(&trace), [""; 0]);
    assert!(world.words("ended").contains("  revoked      update auth/token/revoke  from 127.0.0.1"));

    let call = world.call(0, "stopped").await;
    assert_eq!(operate("auth/token/revoke", &call.wrapping_token).await, 204);
    let command = world.command("stopped", &["--json"]).env("VAULT_ADDR", world.openbao.address());
    let trace = told(command.env("VAULT_TOKEN", world.openbao.root_token()).run(), 0);
    assert_eq!(steps(&trace), [MINT, "revoke_wrapping auth/token/revoke"]);
    assert_eq!(notes(&trace), ["nobody unwrapped the token"]);
}

/// Whoever may make tokens may write any request id into them.
#[tokio::test]
async fn rejects_a_foreign_token_that_bears_the_request_id() {
    let world = World::new("trace-foreign", 1).await;
    let call = world.call(0, "real").await;
    world.unwrap(&call).await.unwrap();
    let real = world.trace("real");
    let lambda = real["decision"]["lambda_request_id"].as_str().unwrap();
    let body = json!({"ttl": "60s", "meta": {"request_id": lambda}});
    let path = "auth/token/create/orders-staging-reader";
    let wrapped = [("X-Vault-Wrap-TTL", "30s")];
    let root = Some(world.openbao.root_token());
    let (_, foreign) = world.openbao.api_with("POST", path, root, &wrapped, body).await;
    let foreign = foreign["wrap_info"]["token"].as_str().unwrap().to_owned();
    world.openbao.api("POST", "sys/wrapping/unwrap", Some(&foreign), Value::Null).await;

    let trace = told(world.command("real", &["--json"]).run(), 3);
    assert!(notes(&trace)[0].starts_with("more than one token bears this request id"), "{trace}");
    let command = world.command("real", &["--json"]).env("VAULT_ADDR", world.openbao.address());
    let trace = told(command.env("VAULT_TOKEN", world.openbao.root_token()).run(), 0);
    assert_eq!(trace["steps"], real["steps"]);
}

/// The genuine token was not unwrapped, so that the forged one alone bears the id. Neither was minted as the authorizer mints.
#[tokio::test]
async fn rejects_the_only_token_that_bears_the_request_id_where_it_was_made_unwrapped() {
    let world = World::new("trace-unwrapped", 1).await;
    let root = Some(world.openbao.root_token());
    let auth = json!({"type": "approle"});
    world.openbao.as_root("POST", "sys/auth/approle", auth).await;
    world.openbao.as_root("POST", "auth/approle/role/batch", json!({"token_policies": ["p"]})).await;
    let role_id = world.openbao.as_root("GET", "auth/approle/role/batch/role-id", Value::Null).await;

    let (made, logged_in) = ("auth/token/create", "auth/approle/login");
    for path in [made, logged_in] {
        world.call(0, path).await;
        let lambda = told(world.command(path, &["--json"]).run(), 3);
        let lambda = lambda["decision"]["lambda_request_id"].as_str().unwrap().to_owned();
        let body = if path == made {
            json!({"ttl": "60s", "meta": {"request_id": lambda}})
        } else {
            let metadata = json!({"metadata": json!({"request_id": lambda}).to_string()});
            let secret_id =
                world.openbao.as_root("POST", "auth/approle/role/batch/secret-id", metadata).await;
            json!({"role_id": role_id["data"]["role_id"], "secret_id": secret_id["data"]["secret_id"]})
        };
        let (status, forged) = world.openbao.api("POST", path, root.filter(|_| path == made), body).await;
        assert_eq!(status, 200, "{forged}");
        world.read(forged["auth"]["client_token"].as_str().unwrap(), SECRET).await;

        let trace = told(world.command(path, &["--json"]).run(), 3);
        assert_eq!((&trace["complete"], &trace["joined_by"]), (&json!(false), &json!("metadata")));
        let another = format!("this is another's token: it was minted at `{path}`, unwrapped, by somebody");
        assert!(notes(&trace)[0].starts_with(&another), "{trace}");
        assert_eq!(steps(&trace)[0], format!("mint {path}"));
        let command = world.command(path, &["--json"]).env("VAULT_ADDR", world.openbao.address());
        let trace = told(command.env("VAULT_TOKEN", world.openbao.root_token()).run(), 0);
        assert_eq!(steps(&trace), [MINT]);
        assert!(notes(&trace)[0].starts_with("another token bears this request id"), "{trace}");
    }
}
