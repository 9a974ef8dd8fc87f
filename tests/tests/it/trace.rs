//! `vault-authorizer trace` over the logs that the release binary and a real OpenBao wrote. Each request's chain is
//! exactly what happened to its token, whatever else happened at the same time.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::Arc;

use serde_json::{Value, json};
use test_bed::{
    Command, Function, Grant, Invocation, LocalBed, Minted, OpenBao, Ran, TokenSpec, request_event,
};
use tokio::task::JoinSet;

const SECRET: &str = "secret/data/prod/orders";

/// Instances of one authorizer, as Lambda starts them for calls at the same time.
struct World {
    functions: Vec<Function>,
    bed: LocalBed,
}

impl World {
    async fn new(name: &str, instances: usize) -> Self {
        let bed = LocalBed::new(name).await;
        let configuration = bed.configuration().set("limits.caller_mints_per_second", 1000);
        let configuration = configuration.grant(Grant::reader());
        let functions = (0..instances).map(|_| bed.function(&configuration)).collect();
        Self { functions, bed }
    }

    fn openbao(&self) -> &OpenBao {
        &self.bed.openbao
    }

    /// The answer to `GET /orders` by a caller with this scope; nothing for an error.
    async fn answer(&self, instance: usize, request_id: &str, scope: &str) -> Value {
        let token = self.bed.issuer.token(&TokenSpec::new().claim("scope", scope));
        let mut event = request_event("/orders", &format!("Bearer {token}"));
        event["requestContext"]["requestId"] = json!(request_id);
        event["requestContext"]["extendedRequestId"] = json!(format!("{request_id}+extended="));
        let instance = &self.functions[instance % self.functions.len()];
        let Invocation::Response(answer) = instance.invoke(&event).await else { return Value::Null };
        answer
    }

    /// A request that is allowed: what is in its context.
    async fn call(&self, instance: usize, request_id: &str) -> Minted {
        Minted::of_context(&self.answer(instance, request_id, "orders:read").await["context"])
    }

    /// The token inside, or why there is none.
    async fn unwrap(&self, call: &Minted) -> Result<String, u16> {
        let (status, answer) = self.openbao().unwrap(&call.wrapping_token).await;
        answer["auth"]["client_token"].as_str().map(str::to_owned).ok_or(status)
    }

    async fn read(&self, token: &str, path: &str) -> u16 {
        self.openbao().api("GET", path, Some(token), Value::Null).await.0
    }

    async fn revoke(&self, token: &str) -> u16 {
        self.openbao().api("POST", "auth/token/revoke-self", Some(token), Value::Null).await.0
    }

    fn authorizer_log(&self) -> String {
        self.functions.iter().map(Function::log).collect()
    }

    fn command(&self, request_id: &str, options: &[&str]) -> Command {
        let log = self.bed.file("authorizer.txt", &self.authorizer_log());
        let audit_log = self.openbao().audit_log();
        let logs = ["--authorizer-log", &log, "--audit-log", audit_log.to_str().unwrap()];
        Command::new(&[&["trace", "--request-id", request_id], &logs[..], options].concat())
    }

    fn trace(&self, request_id: &str) -> Value {
        told(self.command(request_id, &["--json"]).run(), 0)
    }

    /// With the server's help, as root.
    fn trace_with_server(&self, request_id: &str) -> Value {
        let command = self.command(request_id, &["--json"]).env("VAULT_ADDR", self.openbao().address());
        told(command.env("VAULT_TOKEN", self.openbao().root_token()).run(), 0)
    }

    /// As a page, with the server's help.
    fn page(&self, request_id: &str) -> String {
        let path = self.bed.file(&format!("{request_id}.html"), "");
        fs::remove_file(&path).unwrap();
        let command =
            self.command(request_id, &["--html", &path]).env("VAULT_ADDR", self.openbao().address());
        command.env("VAULT_TOKEN", self.openbao().root_token()).run().printed(0);
        fs::read_to_string(&path).unwrap()
    }

    /// In words; nothing in it is a token or an HMAC.
    fn words(&self, request_id: &str) -> String {
        let printed = self.command(request_id, &[]).run().printed(0);
        assert!(!printed.contains("hmac-sha256") && !printed.contains("s."), "{printed}");
        printed
    }
}

fn told(ran: Ran, code: i32) -> Value {
    let printed = ran.printed(code);
    assert!(!printed.contains("hmac-sha256"), "{printed}");
    serde_json::from_str(&printed).unwrap()
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

const MINT: &str = "mint auth/token/create/orders-prod-reader";
const LOOKUP: &str = "lookup sys/wrapping/lookup";
const UNWRAP: &str = "unwrap sys/wrapping/unwrap";
const USE: &str = "use secret/data/prod/orders";
const REVOKE: &str = "revoke auth/token/revoke-self";

/// What the test itself knows of a call, to be found again.
struct Happened {
    request_id: String,
    call: Minted,
    token: String,
    steps: Vec<&'static str>,
}

async fn life(world: Arc<World>, n: usize) -> Happened {
    let request_id = format!("request-{n}");
    let call = world.call(n, &request_id).await;
    let mut steps = vec![MINT, LOOKUP, UNWRAP];
    let about = json!({"token": call.wrapping_token});
    assert_eq!(world.openbao().api("POST", "sys/wrapping/lookup", None, about).await.0, 200);
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
    Happened { request_id, call, token, steps }
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
    let entries = world.openbao().audit_entries();
    let texts: Vec<(&Value, String)> = entries.iter().map(|entry| (entry, entry.to_string())).collect();
    let mut all: BTreeMap<String, String> = BTreeMap::new();
    for Happened { request_id, call, token, steps: expected } in &lives {
        let mut own = BTreeSet::new();
        for secret in [token, &call.wrapping_token, &call.accessor] {
            let hash = world.openbao().audit_hash(secret).await;
            let with_it = texts.iter().filter(|(_, text)| text.contains(&hash));
            own.extend(with_it.map(|(entry, _)| entry["request"]["id"].as_str().unwrap().to_owned()));
        }
        let trace = world.trace(request_id);
        assert_eq!(trace["joined_by"], "metadata");
        assert_eq!(trace["decision"]["wrapped_accessor"], call.accessor.as_str());
        assert_eq!(&steps(&trace), expected, "{request_id}");
        let id = |step: &Value| step["vault_request_id"].as_str().unwrap().to_owned();
        let ids: BTreeSet<String> = trace["steps"].as_array().unwrap().iter().map(id).collect();
        assert_eq!(ids, own, "{request_id}");
        for id in ids {
            let other = all.insert(id, request_id.clone());
            assert_eq!(other, None, "{request_id} has a step of another's");
        }
    }
    let minted = entries.iter().filter(|entry| entry["response"]["wrap_info"]["token"].is_string());
    assert_eq!(minted.count(), 100);
}

#[tokio::test]
async fn a_request_is_found_by_each_of_its_ids_and_told_in_words() {
    let world = World::new("trace-ids", 1).await;
    let request_id = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef";
    let call = world.call(0, request_id).await;
    let token = world.unwrap(&call).await.unwrap();
    world.read(&token, SECRET).await;
    world.revoke(&token).await;
    let trace = world.trace(request_id);
    let lambda = trace["decision"]["lambda_request_id"].as_str().unwrap();
    for id in [lambda, &format!("{request_id}+extended=")] {
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
    assert_eq!(unknown.stdout, "");
    let unknown = unknown.complained(1);
    assert!(unknown.contains("has the request id `00000000-dead`"), "{unknown}");
    // API Gateway's id may be a caller's choice: this one takes another request's.
    world.call(0, request_id).await;
    let ambiguous = world.command(request_id, &[]).run().complained(1);
    assert!(ambiguous.contains("pass the `lambda_request_id` of one, such as `"), "{ambiguous}");
    assert_eq!(world.trace(lambda)["steps"], trace["steps"]);
}

#[tokio::test]
async fn a_denial_and_a_fault_have_nothing_in_vaults_log() {
    let world = World::new("trace-denied", 1).await;
    world.answer(0, "denied", "none").await;
    world.openbao().seal().await;
    world.answer(0, "sealed", "orders:read").await;
    world.openbao().unseal().await;
    for (request_id, outcome, code) in [("denied", "denied", "no_grant"), ("sealed", "fault", "vault_sealed")]
    {
        let trace = world.trace(request_id);
        assert_eq!(
            (&trace["decision"]["outcome"], &trace["decision"]["code"]),
            (&outcome.into(), &code.into())
        );
        assert_eq!(steps(&trace), [""; 0]);
        assert_eq!(trace["complete"], true);
        assert_eq!(notes(&trace), ["no token was minted, and the audit log has none for this request"]);
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
    assert!(
        note.contains("either nobody unwrapped the token") && note.ends_with("VAULT_ADDR is not set"),
        "{note}"
    );

    let asked = |token: &str, options: &[&str]| {
        let command = world.command("unopened", &[&["--json"], options].concat());
        command.env("VAULT_ADDR", world.openbao().address()).env("VAULT_TOKEN", token).run()
    };
    let root = world.openbao().root_token();
    for options in [&[][..], &["--audit-device", "main/"]] {
        let trace = told(asked(root, options), 0);
        assert_eq!(trace["joined_by"], "audit_hash");
        assert_eq!(steps(&trace), [MINT]);
        assert_eq!(notes(&trace), ["nobody unwrapped the token"]);
    }
    let trace = told(asked(root, &["--audit-device", "file"]), 3);
    assert!(notes(&trace)[0].contains("sys/audit-hash/file") && notes(&trace)[0].contains("--audit-device"));

    // Exactly the power that the command's help names.
    let policy = r#"path "sys/audit-hash/main" { capabilities = ["update"] }"#;
    let token = &world.openbao().token_with(policy).await;
    assert_eq!(steps(&told(asked(token, &["--audit-device", "main"]), 0)), [MINT]);
    let trace = told(asked(token, &[]), 3);
    assert!(notes(&trace)[0].contains("its policies need `update` on `sys/audit-hash/file`"), "{trace}");

    // Revoked by an operator meanwhile, which is of the chain.
    let about = json!({"accessor": call.accessor});
    world.openbao().api("POST", "auth/token/revoke-accessor", Some(root), about).await;
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
    assert!(notes(&trace)[0].contains("somebody else had the token"), "{trace}");
    assert!(world.words("stolen").contains("  not unwrapped  update sys/wrapping/unwrap"));

    // Somebody who sends the wrapping token itself burns it.
    let call = world.call(0, "burnt").await;
    assert_eq!(world.read(&call.wrapping_token, "auth/token/lookup-self").await, 403);
    assert_eq!(world.unwrap(&call).await, Err(400));
    let trace = world.trace_with_server("burnt");
    assert_eq!(steps(&trace), [MINT, "misuse auth/token/lookup-self refused", refused.as_str()]);
}

/// The integration looks the wrapping token up before it unwraps it, and stops there.
#[tokio::test]
async fn a_thief_is_seen_by_the_lookup_that_was_refused() {
    let world = World::new("trace-late-lookup", 1).await;
    let call = world.call(0, "stolen").await;
    let stolen = world.unwrap(&call).await.unwrap();
    assert_eq!(world.read(&stolen, SECRET).await, 200);
    let about = json!({"token": call.wrapping_token});
    assert_eq!(world.openbao().api("POST", "sys/wrapping/lookup", None, about).await.0, 400);
    let trace = world.trace("stolen");
    assert_eq!(steps(&trace), [MINT, UNWRAP, USE, &format!("{LOOKUP} refused")]);
    assert!(notes(&trace)[0].contains("somebody else may have had the token"), "{trace}");
    let page = world.page("stolen");
    assert!(page.contains("Possible interception") && page.contains("could not look up"), "{page}");
}

/// The page goes into tickets, so that a secret in it would be everybody's.
#[tokio::test]
async fn rejects_a_secret_in_the_page_which_holds_each_chain() {
    let world = Arc::new(World::new("trace-page", 1).await);
    let mut secrets = vec![world.openbao().root_token().to_owned()];
    let mut expected = Vec::new();
    for n in 0..6 {
        let Happened { request_id, call, token, steps } = life(Arc::clone(&world), n).await;
        secrets.extend([call.wrapping_token, token]);
        expected.push((request_id, steps));
    }
    let call = world.call(0, "unopened").await;
    secrets.push(call.wrapping_token);
    expected.push(("unopened".to_owned(), vec![MINT]));
    let call = world.call(0, "burnt").await;
    world.read(&call.wrapping_token, "auth/token/lookup-self").await;
    secrets.push(call.wrapping_token);
    expected.push(("burnt".to_owned(), vec![MINT, "misuse auth/token/lookup-self refused"]));
    for (request_id, steps) in expected {
        let page = world.page(&request_id);
        let items: Vec<&str> = page.split("<li><p><b class=").skip(1).collect();
        // The decision beside the steps, each with its path and in their order.
        let paths = items.iter().filter(|item| !item.contains(">authorizer</span>"));
        let paths = paths.map(|item| item.split_once("<code>").unwrap().1.split(' ').nth(1).unwrap());
        let expected = steps.iter().map(|step| step.split(' ').nth(1).unwrap());
        assert_eq!(paths.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "{request_id}: {page}");
        assert_eq!(items.len(), steps.len() + 1, "{request_id}: {page}");
        let refused = steps.iter().filter(|step| step.ends_with(" refused")).count();
        assert_eq!(page.matches("<p class=\"why\">").count(), refused, "{page}");
        let intercepted = page.contains("Possible interception");
        assert_eq!(intercepted, request_id == "burnt", "{page}");
        assert_eq!(page.contains("<dt>Token</dt>"), steps.contains(&UNWRAP), "{page}");
        let shown = secrets.iter().find(|secret| page.contains(&***secret));
        assert!(shown.is_none() && !page.contains("hmac-sha256"), "{page}");
    }
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
    let audit_log = fs::read_to_string(world.openbao().audit_log()).unwrap();
    let lines: Vec<&str> = audit_log.lines().collect();
    let (older, newer) = lines.split_at(lines.len() - 4);
    let newer: String = newer.iter().map(|line| format!("vault-1 {line}\n")).collect();
    let older = format!(
        "{}\n{{\"type\":\"request\",\"auth\":{{\"metadata\":{{\"request_id\":\"{lambda}\n\u{0}\u{1b}[2J",
        older.join("\n")
    );
    let files = [world.bed.file("newer", &newer), world.bed.file("older", &older)];
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
    let hash = world.openbao().audit_hash(&call.accessor).await;
    let clear = files.map(|file| {
        let text = fs::read_to_string(&file).unwrap().replace(&hash, &call.accessor);
        world.bed.file(&format!("{}-clear", file.rsplit('/').next().unwrap()), &text)
    });
    let trace = run(&log, &clear);
    assert_eq!((&trace["joined_by"], &trace["steps"]), (&json!("accessor"), &expected["steps"]));
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
    let root = Some(world.openbao().root_token());
    let (_, foreign) = world.openbao().api_with("POST", path, root, &wrapped, body).await;
    let foreign = foreign["wrap_info"]["token"].as_str().unwrap().to_owned();
    world.openbao().api("POST", "sys/wrapping/unwrap", Some(&foreign), Value::Null).await;

    let trace = told(world.command("real", &["--json"]).run(), 3);
    assert!(notes(&trace)[0].starts_with("more than one token has this request id"), "{trace}");
    let trace = world.trace_with_server("real");
    assert_eq!(trace["steps"], real["steps"]);
}
