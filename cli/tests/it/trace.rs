//! `trace` over recorded logs: `trace/authorizer.log` is from the release binary, `trace/audit.json` from OpenBao
//! 2.7.2.

use std::{fs, io::Write as _, path::PathBuf};

use flate2::{Compression, write::GzEncoder};
use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::support::{Ran, Server, file, has, run};

/// Unwrapped, used, refused once, revoked.
pub const LIVED: &str = "c6af9ac6-7b61-11e6-9a41-93e8deadbeef";
/// The second unwrap was refused.
pub const UNWRAPPED_TWICE: &str = "d7b00bd7-7b61-11e6-9a41-93e8deadbeef";
/// No token.
const DENIED: &str = "e8c11ce8-7b61-11e6-9a41-93e8deadbeef";
/// Minted, and nobody unwrapped it.
const NEVER_UNWRAPPED: &str = "f9d22df9-7b61-11e6-9a41-93e8deadbeef";

pub fn trace(id: &str, options: &[&str]) -> Ran {
    trace_in(id, &recorded("audit.json"), options)
}

/// With the recorded log of the authorizer.
fn trace_in(id: &str, audit_log: &str, options: &[&str]) -> Ran {
    trace_of(id, &recorded("authorizer.log"), audit_log, options)
}

fn trace_of(id: &str, authorizer_log: &str, audit_log: &str, options: &[&str]) -> Ran {
    trace_at(&[("RUST_LOG", "trace")], id, [authorizer_log, audit_log], options)
}

/// With these variables.
fn trace_at(env: &[(&str, &str)], id: &str, [log, audit]: [&str; 2], options: &[&str]) -> Ran {
    let logs = ["--request-id", id, "--authorizer-log", log, "--audit-log", audit];
    run(&[&["trace"], &logs[..], options].concat(), "", env)
}

/// Where the operator's Vault is.
fn operator(vault: &Server) -> [(&str, &str); 2] {
    [("VAULT_ADDR", &vault.url), ("VAULT_TOKEN", "s.OperatorTokenOfTheTest")]
}

fn recorded(name: &str) -> String {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/trace");
    folder.join(name).to_str().unwrap().to_owned()
}

fn text_of(name: &str) -> String {
    fs::read_to_string(recorded(name)).unwrap()
}

#[test]
fn a_denial_has_no_steps() {
    assert_snapshot!(trace(DENIED, &[]).printed(0));
}

#[test]
fn a_token_that_nobody_unwrapped_is_told_as_what_the_logs_alone_can_say() {
    let printed = trace(NEVER_UNWRAPPED, &[]).printed(3);
    let (_, vault) = printed.split_once("\nVault\n").unwrap();
    assert_snapshot!(vault, @r"
    nothing found
    note: the audit log does not have this request id, which appears there from the unwrap on: either nobody unwrapped the token, or the unwrap is not in this log; Vault could answer this, but was not asked: cannot connect to Vault: VAULT_ADDR is not set
    ");
}

#[test]
fn json_holds_every_step_with_its_time_and_address() {
    let json = trace(UNWRAPPED_TWICE, &["--json"]).json(0);
    assert_snapshot!(serde_json::to_string_pretty(&json["steps"][2]).unwrap());
    let members: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
    assert_eq!(members, ["complete", "decision", "joined_by", "notes", "steps"]);
    assert_eq!(json["decision"]["time"], "2026-11-24T19:45:47.33Z");
}

/// An integration asks again where a standby that lags behind does not know the token yet.
#[test]
fn an_unwrap_that_was_refused_before_the_one_that_succeeded_is_no_second_unwrap() {
    let audit = text_of("audit.json");
    assert!(audit.contains("19:45:47.332997012Z"));
    let audit = file("audit", &audit.replace("19:45:47.332997012Z", "19:45:47.331000000Z"));
    let notes = trace_in(UNWRAPPED_TWICE, &audit, &["--json"]).json(0)["notes"].to_string();
    assert!(notes.contains("an unwrap was refused before one succeeded"), "{notes}");
    assert!(!notes.contains("one unwrap succeeded and another was refused"), "{notes}");
}

/// The recorded logs with the authorizer's line changed.
fn retold(from: &str, to: &str, code: i32) -> Value {
    let log = text_of("authorizer.log");
    assert!(log.contains(from), "{log}");
    let log = file("log", &log.replace(from, to));
    trace_of(LIVED, &log, &recorded("audit.json"), &["--json"]).json(code)
}

/// What was not as ordered is unwrapped and revoked by the authorizer: the decision is a fault, and Vault has the token.
#[test]
fn a_token_that_the_authorizer_gave_back_is_shown() {
    let trace =
        retold("\"wrapped_accessor\":\"vG9R06yF0tcJ5Q9G3h76MPUI\"", "\"code\":\"vault_answer_invalid\"", 0);
    assert_eq!(trace["steps"].as_array().unwrap().len(), 6);
    let note = trace["notes"][0].as_str().unwrap();
    assert!(note.starts_with("the decision gave nobody a token, but Vault minted one"), "{note}");
}

/// Whoever may make tokens may write any request id into them.
#[test]
fn rejects_a_token_of_another_path_as_the_requests() {
    let (own, other) = ("auth/token/create/orders-prod-reader", "auth/token/create/orders-prod-writer");
    let trace = retold(own, other, 3);
    assert_eq!(trace["complete"], false);
    let note = trace["notes"][0].as_str().unwrap();
    assert!(note.starts_with(&format!("this is somebody else's token: it was minted at `{own}`")), "{note}");
}

#[test]
fn what_cannot_be_traced_is_said_in_one_line() {
    let log = file("log", &format!("{}{{\"request_id\":\"zzz\n", text_of("authorizer.log")));
    let told = |id: &str| trace_of(id, &log, &recorded("audit.json"), &[]).complained(1).replace(&log, "LOG");
    assert_snapshot!(told("zzz"), @"error: no decision in `LOG` has the request id `zzz`; 1 line of it is damaged");
    let empty = trace("", &[]).complained(2);
    assert_snapshot!(empty, @"error: `--request-id` is empty");
    // A client may take another request's id.
    let twice = text_of("authorizer.log").replace(DENIED, LIVED);
    let log = file("log", &twice);
    let told = trace_of(LIVED, &log, &recorded("audit.json"), &[]).complained(1).replace(&log, "LOG");
    assert_snapshot!(told, @"error: more than one decision in `LOG` has the request id `c6af9ac6-7b61-11e6-9a41-93e8deadbeef`: pass the `lambda_request_id` of one, such as `00000000-0000-4000-8000-000000000001`, `00000000-0000-4000-8000-000000000003`");
    let missing = trace_in(LIVED, "/nonexistent", &[]).complained(1);
    assert_snapshot!(missing, @"error: `/nonexistent` cannot be read: No such file or directory (os error 2)");
    trace_in(LIVED, &recorded("audit.json"), &["--token", "s.x"]).complained(2);
}

/// A terminal obeys escape sequences, and an error in Vault's log may quote anything.
#[test]
fn rejects_escape_sequences_and_secrets_from_the_logs() {
    let token = "hvs.CAESIJ0mlWcdwLPLXy3cPoCbMLBJm3oqfcDcJ9cGdSkvqYQ7Gh4KHGh2cy5GSmVsZ";
    let audit_log = text_of("audit.json")
        .replace(
            "\"error\":\"1 error occurred:\\n\\t* permission denied",
            &format!("\"error\":\"\\u001b[2J{token} denied"),
        )
        .replace("secret/data/prod/orders", &format!("auth/token/lookup/{token}/\\u001b[31m"));
    let authorizer_log =
        text_of("authorizer.log").replace("corp:alice", "corp:\\u001b[2J\u{9b}31m\u{202e}alice");
    let (log, audit_log) = (file("log", &authorizer_log), file("json", &audit_log));
    for options in [&[][..], &["--json"]] {
        let printed = trace_of(LIVED, &log, &audit_log, options).printed(0);
        assert!(
            !printed.contains(['\u{1b}', '\u{9b}', '\u{202e}']) && !printed.contains("CAESIJ"),
            "{printed}"
        );
        assert!(!printed.contains("hmac-sha256"), "{printed}");
    }
}

/// The page that `--html` writes, and what it looks like without its style.
fn page_of(id: &str, authorizer_log: &str, audit_log: &str, code: i32) -> String {
    let path = file("html", "");
    fs::remove_file(&path).unwrap();
    let printed = trace_of(id, authorizer_log, audit_log, &["--html", &path]).printed(code);
    assert_eq!(printed, trace_of(id, authorizer_log, audit_log, &[]).printed(code));
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once("<style>").unwrap();
    let (_, after) = rest.split_once("</style>").unwrap();
    format!("{before}{after}").replace("><", ">\n<")
}

#[test]
fn a_page_shows_both_logs_on_one_axis_and_who_held_what() {
    for (name, id) in [("lived", LIVED), ("unwrapped_twice", UNWRAPPED_TWICE), ("denied", DENIED)] {
        assert_snapshot!(
            format!("page_of_{name}"),
            page_of(id, &recorded("authorizer.log"), &recorded("audit.json"), 0)
        );
    }
}

/// Whoever intercepted the wrapping token unwraps it from elsewhere.
#[test]
fn a_page_names_the_address_of_an_interception() {
    let audit = text_of("audit.json");
    let (before, line, after) = {
        let at = audit.find("19:45:47.332997012Z").unwrap();
        let (start, end) = (audit[..at].rfind('\n').unwrap(), at + audit[at..].find('\n').unwrap());
        (&audit[..start], &audit[start..end], &audit[end..])
    };
    let audit = format!("{before}{}{after}", line.replace("127.0.0.1", "10.0.0.66"));
    let page = page_of(UNWRAPPED_TWICE, &recorded("authorizer.log"), &file("json", &audit), 0);
    let told = "10.0.0.66 could not unwrap the token (not the address that unwrapped it)";
    has(&page, &["Possible interception", told, "one unwrap succeeded and another was refused"]);
    let lived = page_of(LIVED, &recorded("authorizer.log"), &recorded("audit.json"), 0);
    assert!(!lived.contains("interception"), "{lived}");
}

/// What is not known to be the request's is shown with its doubt, and nothing is concluded from it.
#[test]
fn a_page_of_an_incomplete_trace_says_so_and_names_no_holder() {
    let page = page_of(NEVER_UNWRAPPED, &recorded("authorizer.log"), &recorded("audit.json"), 3);
    has(&page, &["The trace is incomplete", "the audit log does not have this request id"]);
    assert!(!page.contains("Who held what"), "{page}");
}

/// The page goes to colleagues and into tickets, where a browser would run what a log smuggles in.
#[test]
fn rejects_a_script_and_a_secret_from_the_logs_in_the_page() {
    let attack = r#"\"'></script></title></style><img src=x onerror=alert(1)>&lt;"#;
    let token = "hvs.CAESIJ0mlWcdwLPLXy3cPoCbMLBJm3oqfcDcJ9cGdSkvqYQ7Gh4KHGh2cy5GSmVsZ";
    let replaced = |log: &str, values: &[&str], attack: &str| {
        values.iter().fold(text_of(log), |log, value| {
            assert!(log.contains(value), "{value}");
            log.replace(value, &format!("{value}{attack}"))
        })
    };
    let decided =
        ["corp:alice", "GET", "\"/orders", "\"grant\":\"orders-prod-reader", "3h76MPUI", "\"allowed"];
    let authorizer_log = replaced("authorizer.log", &decided, attack);
    let called = ["secret/data/prod/orders", "\"127.0.0.1", "permission denied", "\"read"];
    let audit_log = replaced("audit.json", &called, &format!("{attack}/\\u001b[2J\\u202e"));
    let audit_log = audit_log.replace("permission denied", &format!("permission {token} denied"));
    let audit_log =
        audit_log.replace("secret/data/prod/orders", &format!("auth/token/lookup/{token}/orders"));
    let page = page_of(LIVED, &file("log", &authorizer_log), &file("json", &audit_log), 0);
    // Every tag is one of the page's own, with nothing in it that loads or runs.
    let (head, shown) = page.split_once("<title>").unwrap();
    let policy =
        "content=\"default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'\"";
    has(head, &[policy]);
    let known =
        "title head html body main header section h1 h2 p dl dt dd svg line text ol ul li time span code b";
    for tag in shown.split('<').skip(1) {
        let (inside, _) = tag.split_once('>').unwrap();
        let name = inside.trim_start_matches('/').split(' ').next().unwrap();
        assert!(known.split(' ').any(|known| known == name), "<{tag}");
        let names: String = inside.split('"').step_by(2).collect();
        assert!(![" on", "src", "href", "style", "http"].iter().any(|acts| names.contains(acts)), "<{tag}");
    }
    has(&page, &["&lt;img src=x onerror=alert(1)&gt;&amp;lt;", "&quot;&#39;&gt;&lt;/script&gt;"]);
    let acting = ['\u{1b}', '\u{9b}', '\u{202e}'];
    assert!(!page.contains(acting) && !page.contains("hmac-sha256"), "{page}");
    // As in the text: an error may quote anything, and an old call has a token in its path.
    assert_eq!(page.matches("CAESIJ").count(), 0, "{page}");
}

#[test]
fn a_page_overwrites_no_file() {
    let there = file("html", "mine");
    let logs =
        |authorizer_log: &str| trace_of(LIVED, authorizer_log, &recorded("audit.json"), &["--html", &there]);
    let told = logs(&recorded("authorizer.log")).complained(1).replace(&there, "PAGE");
    assert_snapshot!(told, @"error: `PAGE` already exists and is not overwritten: remove it, or pass `--html` another name");
    assert_eq!(fs::read_to_string(&there).unwrap(), "mine");
    // Before the logs are read, which may take its time.
    assert_eq!(logs("/nonexistent").complained(1).replace(&there, "PAGE"), told);
    let nowhere = ["--html", "/nonexistent/page.html"];
    let told = trace_of(LIVED, &recorded("authorizer.log"), &recorded("audit.json"), &nowhere).complained(1);
    assert_snapshot!(told, @"error: `/nonexistent/page.html` cannot be written (pass `--html` a new file in a folder that exists): No such file or directory (os error 2)");
}

/// The `lambda_request_id` of [`NEVER_UNWRAPPED`].
const NEVER_UNWRAPPED_LAMBDA: &str = "00000000-0000-4000-8000-000000000004";

/// Both entries of a call that succeeded, as an audit device writes them: `auth` is who called, and `auth` in the response what
/// was made.
fn entries(path: &str, auth: &Value, data: &Value, response: &Value) -> String {
    let id = format!("{path} {auth} {data} {response}");
    let request = json!({"id": id, "operation": "update", "path": path, "data": data,
        "client_token": auth["client_token"], "remote_address": "10.0.0.7"});
    let mut entry =
        json!({"time": "2026-11-24T20:00:00Z", "type": "request", "auth": auth, "request": request});
    let before = entry.to_string();
    entry["type"] = "response".into();
    entry["response"] = response.clone();
    format!("{before}\n{entry}\n")
}

fn bearer(accessor: &str, token: &str, request_id: &str) -> Value {
    let hmac = |text: &str| format!("hmac-sha256:{text}");
    json!({"accessor": hmac(accessor), "client_token": hmac(token), "metadata": {"request_id": request_id}})
}

/// One that bears the id of the request whose genuine token was never unwrapped.
fn forged() -> Value {
    bearer("forged", "forged-token", NEVER_UNWRAPPED_LAMBDA)
}

/// What is done with it.
fn used() -> String {
    entries("secret/data/prod/orders", &forged(), &Value::Null, &json!({}))
}

/// That it was made at this path.
fn made(path: &str) -> String {
    entries(path, &mallory(), &json!({"meta": {}}), &json!({"auth": forged()}))
}

fn mallory() -> Value {
    json!({"accessor": "hmac-sha256:mallorys", "client_token": "hmac-sha256:mallorys-token"})
}

/// The recorded audit log, and then this.
fn trace_with(id: &str, entries: &str, code: i32) -> Value {
    let audit_log = file("json", &format!("{}{entries}", text_of("audit.json")));
    trace_in(id, &audit_log, &["--json"]).json(code)
}

fn steps_of(trace: &Value) -> Vec<String> {
    let step =
        |step: &Value| format!("{} {}", step["step"].as_str().unwrap(), step["path"].as_str().unwrap());
    trace["steps"].as_array().unwrap().iter().map(step).collect()
}

#[track_caller]
fn is_anothers(trace: &Value, told: &str) {
    assert_eq!(trace["complete"], false, "{trace}");
    let note = trace["notes"][0].as_str().unwrap();
    assert!(note.starts_with(&format!("this is somebody else's token: {told}")), "{note}");
}

/// The genuine token was never unwrapped, so that the forged one alone bears the id.
#[test]
fn rejects_a_token_that_was_made_unwrapped_as_the_requests() {
    for path in ["auth/token/create", "auth/token/create-orphan", "auth/token/create/orders-staging-reader"] {
        let trace = trace_with(NEVER_UNWRAPPED, &(made(path) + &used()), 3);
        is_anothers(&trace, &format!("it was minted at `{path}`"));
        assert_eq!(steps_of(&trace), [&format!("mint {path}"), "use secret/data/prod/orders"]);
    }
    // The request's own is wrapped.
    let trace = trace_with(NEVER_UNWRAPPED, &(made(OWN) + &used()), 3);
    is_anothers(&trace, &format!("it was minted at `{OWN}`, not wrapped"));
}

/// Some auth methods write into the metadata what a caller says: AppRole a secret id's, JWT a claim.
#[test]
fn rejects_a_login_that_bears_the_request_id_as_the_requests() {
    // Who calls is known with the answer alone, and is then the token that was made.
    let login = entries("auth/approle/login", &forged(), &json!({}), &json!({"auth": forged()}));
    let entries = format!("{}\n{}", login.lines().nth(1).unwrap(), used());
    is_anothers(&trace_with(NEVER_UNWRAPPED, &entries, 3), "it was minted at `auth/approle/login`");
}

/// A use whose mint is not in the log may be anybody's.
#[test]
fn rejects_metadata_without_a_mint_as_proof() {
    let (forged, used) = (forged(), used());
    // A renewal answers with the token, and makes none.
    let renewed = entries("auth/token/renew-self", &forged, &Value::Null, &json!({"auth": forged}));
    let wrapped = json!({"wrap_info": {"wrapped_accessor": forged["accessor"], "token": "hmac-sha256:w"}});
    let wrapped = entries("auth/token/renew-self", &forged, &Value::Null, &wrapped);
    let trace = trace_with(NEVER_UNWRAPPED, &format!("{used}{renewed}{wrapped}"), 3);
    assert_eq!((&trace["complete"], &trace["joined_by"]), (&json!(false), &json!("metadata")));
    let renewal = "use auth/token/renew-self";
    assert_eq!(steps_of(&trace), ["use secret/data/prod/orders", renewal, renewal]);
    let note = trace["notes"][0].as_str().unwrap();
    has(note, &["the mint is not in this audit log, so it is unclear whose token this is"]);
    has(
        note,
        &["Vault could answer this, but was not asked: cannot connect to Vault: VAULT_ADDR is not set"],
    );
}

/// Whatever program wrote it among the entries, and an entry's like is in anybody's reach.
#[test]
fn rejects_an_object_that_is_no_audit_entry_as_one_of_the_requests() {
    let other = json!({"type": "note", "auth": forged(), "request": {"id": "x", "path": "secret/x"}});
    let trace = trace_with(NEVER_UNWRAPPED, &format!("{other}\n"), 3);
    assert_eq!((&trace["steps"], &trace["joined_by"]), (&json!([]), &Value::Null));
    has(trace["notes"][0].as_str().unwrap(), &["the audit log does not have this request id"]);
}

/// The server tells the request's own token from one that bears its id.
#[test]
fn a_token_that_nobody_unwrapped_is_found_behind_a_foreign_one() {
    let hash = hash_of_the_last();
    let vault = Server::start(move |path| match path {
        "/v1/sys/audit-hash/file" => (200, json!({"data": {"hash": hash}})),
        _ => (403, json!({"errors": ["1 error occurred:\n\t* permission denied\n\n"]})),
    });
    let audit_log = file("json", &format!("{}{}", text_of("audit.json"), made("auth/token/create")));
    let logs = [&*recorded("authorizer.log"), &audit_log];
    let trace = trace_at(&operator(&vault), NEVER_UNWRAPPED, logs, &["--json"]).json(0);
    assert_eq!((&trace["complete"], &trace["joined_by"]), (&json!(true), &json!("audit_hash")));
    assert_eq!(steps_of(&trace), ["mint auth/token/create/orders-prod-reader"]);
    let foreign = "another token has this request id in its metadata, which anyone who may create tokens can write; it is not shown";
    assert_eq!(trace["notes"], json!([foreign, "nobody unwrapped the token"]));
}

/// The recorded logs as they are where the token was minted ahead: its metadata has no request id.
fn minted_ahead() -> [String; 2] {
    let own = "\"wrapped_accessor\":\"vG9R06yF0tcJ5Q9G3h76MPUI\"";
    let log = text_of("authorizer.log").replace(own, &format!("{own},\"minted_ahead\":true"));
    let id = "\"request_id\":\"00000000-0000-4000-8000-000000000001\"";
    let audit = text_of("audit.json");
    assert!(log.contains("minted_ahead") && audit.contains(id));
    [file("log", &log), file("json", &audit.replace(id, "\"minted_ahead\":\"true\""))]
}

/// The server tells what the audit log writes for its accessor.
#[test]
fn a_token_that_was_minted_ahead_is_found_by_its_accessor() {
    let [log, audit] = minted_ahead();
    let audit_text = fs::read_to_string(&audit).unwrap();
    let entries = audit_text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let wrapped =
        |entry: Value| entry["response"]["wrap_info"]["wrapped_accessor"].as_str().map(str::to_owned);
    let hash = entries.filter_map(wrapped).next().unwrap();
    let vault = Server::start(move |path| match path {
        "/v1/sys/audit-hash/file" => (200, json!({"data": {"hash": hash}})),
        _ => (403, json!({"errors": ["1 error occurred:\n\t* permission denied\n\n"]})),
    });
    let traced = trace_at(&operator(&vault), LIVED, [&log, &audit], &["--json"]).json(0);
    assert_eq!((&traced["complete"], &traced["joined_by"]), (&json!(true), &json!("audit_hash")));
    assert_eq!(traced["decision"]["minted_ahead"], true);
    assert_eq!(traced["notes"], json!([]));
    let steps = ["mint", "lookup", "unwrap"].map(|step| traced["steps"].to_string().contains(step));
    assert_eq!(steps, [true; 3]);
    let text = trace_at(&operator(&vault), LIVED, [&log, &audit], &[]).printed(0);
    has(&text, &["minted      ahead, before this request", "joined by the accessor's HMAC"]);
}

#[test]
fn what_cannot_be_told_of_a_token_that_was_minted_ahead_is_said() {
    let [log, audit] = minted_ahead();
    let told = trace_of(LIVED, &log, &audit, &["--json"]).json(3);
    assert_eq!((&told["steps"], &told["joined_by"]), (&json!([]), &Value::Null));
    has(
        told["notes"][0].as_str().unwrap(),
        &[
            "the token was minted ahead, before this request, so the audit log names it only by its accessor",
            "VAULT_ADDR",
        ],
    );
}

/// A token that was minted ahead has no request id, so one that bears it is somebody else's, however it was made.
#[test]
fn rejects_a_token_that_bears_the_request_id_where_the_own_was_minted_ahead() {
    let [log, _] = minted_ahead();
    let told = trace_of(LIVED, &log, &recorded("audit.json"), &["--json"]).json(3);
    assert_eq!((&told["complete"], &told["steps"]), (&json!(false), &json!([])));
}

/// What the audit log writes for the accessor of the token that nobody unwrapped.
fn hash_of_the_last() -> Value {
    let entry: Value = serde_json::from_str(text_of("audit.json").lines().last().unwrap()).unwrap();
    entry["response"]["wrap_info"]["wrapped_accessor"].clone()
}

/// The last step of a request with a call by this caller, who has a token in its body.
fn last_step(path: &str, caller: &Value, token: &Value) -> (String, Value) {
    let entries = entries(path, caller, &json!({"token": token}), &json!({}));
    let trace = trace_with(UNWRAPPED_TWICE, &entries, 0);
    (steps_of(&trace).pop().unwrap(), trace)
}

/// What the audit log writes for the token and the wrapping token of a recorded request.
fn marks_of(path: &str, n: usize) -> (Value, Value) {
    let log = text_of("audit.json");
    let of = |path: &str, member: &str| {
        let entries = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let made: Vec<Value> = entries.filter(|entry| entry["request"]["path"] == path).collect();
        made.iter().map(|entry| entry["response"][member].clone()).filter(Value::is_object).nth(n).unwrap()
    };
    (of("sys/wrapping/unwrap", "auth")["client_token"].clone(), of(path, "wrap_info")["token"].clone())
}

const OWN: &str = "auth/token/create/orders-prod-reader";

/// An operator who has the token, and not its accessor.
#[test]
fn a_revocation_by_the_token_itself_is_one() {
    for path in ["auth/token/revoke", "auth/token/revoke-orphan"] {
        let (token, _) = marks_of(OWN, 1);
        let (last, trace) = last_step(path, &mallory(), &token);
        assert_eq!(last, format!("revoke {path}"));
        assert!(!trace["notes"].to_string().contains("not revoked explicitly"), "{trace}");
    }
}

/// A token in the body of a call is spoken of, and not sent: only its own calls burn a wrapping token.
#[test]
fn a_call_about_the_wrapping_token_is_not_told_as_one_that_burns_it() {
    let (token, wrapping_token) = marks_of(OWN, 1);
    for (path, mark, step) in [
        ("auth/token/lookup", &wrapping_token, "inquiry"),
        ("auth/token/lookup", &token, "inquiry"),
        ("auth/token/renew", &token, "inquiry"),
        ("auth/token/revoke", &wrapping_token, "revoke_wrapping"),
        ("auth/token/revoke-orphan", &wrapping_token, "revoke_wrapping"),
        // It gives another wrapping token for this one.
        ("sys/wrapping/rewrap", &wrapping_token, "misuse"),
        ("sys/wrapping/lookup", &wrapping_token, "lookup"),
        ("sys/wrapping/unwrap", &wrapping_token, "unwrap"),
    ] {
        let (last, trace) = last_step(path, &mallory(), mark);
        assert_eq!(last, format!("{step} {path}"));
        assert_eq!(trace["notes"].to_string().contains("burns it"), step == "misuse", "{trace}");
    }
    // With the wrapping token itself as the caller's, each of them burns it.
    let caller = json!({"accessor": "", "client_token": wrapping_token});
    for path in ["auth/token/lookup", "auth/token/revoke", "auth/token/lookup-self", "secret/data/x"] {
        assert_eq!(last_step(path, &caller, &token).0, format!("misuse {path}"));
    }
    // Whatever else has a token in its body.
    let (_, trace) = last_step("secret/x", &mallory(), &wrapping_token);
    assert!(!trace.to_string().contains("secret/x"), "{trace}");
}

/// A file with these bytes as gzip.
fn packed(bytes: &str) -> String {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes.as_bytes()).unwrap();
    let path = file("gz", "");
    fs::write(&path, gzip.finish().unwrap()).unwrap();
    path
}

/// Every line as a log shipper stores it; split after `most_bytes`, as a container's runtime does.
fn shipped(log: &str, most_bytes: usize, record: impl Fn(&str, bool) -> String) -> String {
    let mut shipped = String::new();
    for line in log.lines() {
        let (mut rest, mut pieces) = (line, Vec::new());
        while rest.len() > most_bytes {
            let (piece, end) = rest.split_at(most_bytes);
            pieces.push(piece);
            rest = end;
        }
        pieces.iter().for_each(|piece| shipped += &record(piece, true));
        shipped += &record(rest, false);
    }
    shipped
}

#[test]
fn logs_are_read_however_they_were_shipped() {
    let expected = trace(LIVED, &["--json"]).printed(0);
    let docker = |piece: &str, more: bool| {
        let log = if more { piece.to_owned() } else { format!("{piece}\n") };
        json!({"log": log, "stream": "stdout", "time": "2026-11-24T20:00:00Z"}).to_string() + "\n"
    };
    let fluent_bit =
        |piece: &str, _: bool| json!({"date": 1.5, "log": piece, "stream": "stdout"}).to_string() + "\n";
    let containerd = |piece: &str, more: bool| {
        format!("2026-11-24T20:00:00Z stdout {} {piece}\n", if more { "P" } else { "F" })
    };
    let cloudwatch = |piece: &str, _: bool| format!("2026-11-24T20:00:00.000Z {piece}\n");
    let (log, audit) = (text_of("authorizer.log"), text_of("audit.json"));
    let shipped_by = |most_bytes, record: &dyn Fn(&str, bool) -> String| {
        [&log, &audit].map(|log| file("log", &shipped(log, most_bytes, record)))
    };
    for [log, audit] in [
        [packed(&log), packed(&audit)],
        shipped_by(1 << 14, &docker),
        shipped_by(1 << 14, &fluent_bit),
        shipped_by(300, &fluent_bit),
        shipped_by(300, &containerd),
        [packed(&shipped(&log, 1 << 20, cloudwatch)), packed(&shipped(&audit, 1 << 14, docker))],
    ] {
        assert_eq!(trace_of(LIVED, &log, &audit, &["--json"]).printed(0), expected);
    }
}

/// A log in a form that is not read shows nothing, which proves nothing.
#[test]
fn rejects_a_conclusion_from_an_audit_log_that_was_not_read() {
    for unread in ["<json:object name=\"auth\">\n", "\u{28}\u{b5}/zstd\n", "{\"level\":\"info\"}\n"] {
        let audit_log = file("json", unread);
        let trace = trace_in(DENIED, &audit_log, &["--json"]).json(3);
        assert_eq!(trace["complete"], false);
        let notes = trace["notes"].to_string();
        assert!(notes.contains("was not read, because no line of it is an audit entry"), "{notes}");
        assert!(!notes.contains("no token was minted"), "{notes}");
    }
    let cut_off = file("json", &format!("{}{{\"type\":\"request\",\"auth", text_of("audit.json")));
    let trace = trace_in(UNWRAPPED_TWICE, &cut_off, &["--json"]).printed(3);
    assert!(!trace.contains("not revoked") && trace.contains("may be in that part"), "{trace}");
    // What is there is told, and nothing is missing from it.
    trace_in(LIVED, &cut_off, &["--json"]).printed(0);
    let not_a_log = file("log", "\u{28}\u{b5}/zstd\n");
    let told =
        trace_of(LIVED, &not_a_log, &recorded("audit.json"), &[]).complained(1).replace(&not_a_log, "LOG");
    assert_snapshot!(told, @"error: no line of `LOG` could be read as an authorizer decision: pass the authorizer's own log, as text or gzip");
}

#[test]
fn rejects_gzip_that_is_cut_off() {
    let whole = packed(&text_of("audit.json"));
    let bytes = fs::read(&whole).unwrap();
    fs::write(&whole, &bytes[..bytes.len() / 2]).unwrap();
    has(&trace_in(LIVED, &whole, &[]).complained(1), &["cannot be read"]);
}

/// Vault answers `unsupported path` to `sys/audit` in any other namespace.
#[test]
fn audit_devices_are_looked_for_in_the_root_namespace() {
    let hash = hash_of_the_last();
    let vault = Server::start(move |path| match path {
        "/v1/sys/audit" => (200, json!({"data": {"main/": {"type": "file"}}})),
        "/v1/sys/audit-hash/main" => (200, json!({"data": {"hash": hash}})),
        _ => (404, json!({"errors": []})),
    });
    let of = |vault: &Server| {
        let env = [&operator(vault)[..], &[("VAULT_NAMESPACE", "team1")]].concat();
        trace_at(&env, NEVER_UNWRAPPED, [&recorded("authorizer.log"), &recorded("audit.json")], &[])
    };
    of(&vault).printed(0);
    let heads = vault.asked.lock().unwrap().join("\n").to_lowercase();
    assert!(heads.contains("sys/audit-hash/main") && !heads.contains("x-vault-namespace"), "{heads}");
    let refusing = Server::start(|_| (403, json!({"errors": ["permission denied"]})));
    has(&of(&refusing).printed(3), &["your token must belong to the root namespace"]);
}
