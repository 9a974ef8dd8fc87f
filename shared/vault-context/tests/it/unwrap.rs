//! The steps of the integration on the wire: what each sends, how often, and how it handles a wrong answer.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tokio::time::Instant;
use tracing_subscriber::fmt::MakeWriter;
use vault_context::VaultContext;
use vault_context::unwrap::{CreationPath, Integration, SeenAt, UnwrapError, Unwrapped};
use vault_context::vault::{Call, Vault, VaultError, VaultErrorKind};

use crate::fake_vault::{FakeVault, Reply, Seen, assert_matches, options, vault_at};

pub(crate) const WRAPPING: &str = "hvs.the-wrapping-token-of-the-test";
const INNER: &str = "hvs.the-unwrapped-token-of-the-test";
pub(crate) const ROLE_PATH: &str = "auth/token/create/orders-prod-reader";
const SPENT: &str = "wrapping token is not valid or does not exist";
pub(crate) const LOOKUP: &str = "/v1/sys/wrapping/lookup";
pub(crate) const UNWRAP: &str = "/v1/sys/wrapping/unwrap";
pub(crate) const SECRET: &str = "/v1/secret/data/orders";
pub(crate) const REVOKE: &str = "/v1/auth/token/revoke-self";
const LEASE_ID: &str = "database/creds/orders/2f6a614c";

pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

fn event(address: &str) -> Value {
    event_until(address, 1_800_000_030)
}

pub(crate) fn event_until(address: &str, expires_at: u64) -> Value {
    json!({"requestContext": {"stage": "prod", "authorizer": {
        "vaultWrappingToken": WRAPPING,
        "vaultWrappedAccessor": "accessor-1",
        "vaultCreationPath": ROLE_PATH,
        "vaultAddress": address,
        "vaultNamespace": "platform",
        "vaultWrapExpiresAt": expires_at.to_string(),
        "vaultGrant": "orders-reader",
        "callerKind": "jwt",
        "callerIssuer": "corp",
        "callerId": "corp:alice",
        "contextVersion": "1",
        "principalId": "corp:alice",
    }}})
}

fn unwrapped_auth() -> Value {
    json!({
        "client_token": INNER, "accessor": "accessor-1", "policies": ["orders-read"], "token_policies": ["orders-read"],
        "identity_policies": null, "lease_duration": 120, "renewable": false, "token_type": "service", "num_uses": 5,
    })
}

/// What a good Vault answers.
pub(crate) fn good(seen: &Seen) -> Reply {
    match seen.path.as_str() {
        LOOKUP => Reply::json(&json!({"data": {"creation_path": ROLE_PATH, "creation_ttl": 30}})),
        UNWRAP => Reply::json(&json!({"data": null, "auth": unwrapped_auth()})),
        "/v1/database/creds/orders" => Reply::json(
            &json!({"lease_id": LEASE_ID, "lease_duration": 60, "renewable": true, "data": {"password": "hunter2"}}),
        ),
        SECRET => Reply::json(&json!({"data": {"data": {"key": "hunter2"}}})),
        REVOKE => Reply::new(204, ""),
        _ => Reply::errors(404, ""),
    }
}

/// Status and text of nodes that lag behind: OpenBao's, Vault Enterprise's, and OpenBao's where it was asked for an index.
const LAGGING: [(u16, &str); 3] = [(400, SPENT), (412, "required index state not present"), (429, "")];

/// A Vault whose first answers at `path` come from such a node.
async fn lagging(path: &'static str, times: usize, (status, text): (u16, &'static str)) -> FakeVault {
    let count = AtomicUsize::new(0);
    fake(move |seen| {
        let lags = seen.path == path && count.fetch_add(1, Ordering::SeqCst) < times;
        let refusal = if text.is_empty() { json!({"errors": []}) } else { json!({"errors": [text]}) };
        lags.then(|| Reply::new(status, refusal.to_string()))
    })
    .await
}

/// A Vault that answers this at one path, and is good at all others.
pub(crate) async fn answering(
    path: &'static str,
    reply: impl Fn() -> Reply + Send + Sync + 'static,
) -> FakeVault {
    fake(move |seen| (seen.path == path).then(&reply)).await
}

pub(crate) async fn fake(answer: impl Fn(&Seen) -> Option<Reply> + Send + Sync + 'static) -> FakeVault {
    FakeVault::answering(move |seen| answer(seen).unwrap_or_else(|| good(seen))).await
}

fn path(path: &str) -> CreationPath {
    CreationPath::parse(path).unwrap()
}

pub(crate) fn integration(fake: &FakeVault) -> Integration {
    Integration::new(fake.vault(), path(ROLE_PATH))
}

async fn open(fake: &FakeVault) -> Result<Unwrapped, UnwrapError> {
    let outcome = integration(fake).open(&event(&fake.address), now()).await;
    let paths: Vec<_> = fake.seen().into_iter().map(|seen| seen.path).collect();
    for (before, path) in paths.iter().zip(paths.iter().skip(1)) {
        assert!(path != UNWRAP || before == LOOKUP, "an unwrap that no lookup allowed: {paths:?}");
    }
    if let Err(error) = &outcome {
        assert_hides_tokens(&format!("{error} {error:?}"));
    }
    outcome
}

/// A good answer's `auth`, changed.
fn auth_with(change: Value) -> Reply {
    let mut auth = unwrapped_auth();
    auth.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    Reply::json(&json!({ "auth": auth }))
}

fn assert_hides_tokens(text: &str) {
    for secret in [WRAPPING, INNER, "hunter2", "the-wrapping-token", "the-unwrapped-token"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn opens_reads_and_revokes_with_each_token_in_its_place() {
    let fake = fake(|_| None).await;
    let token = open(&fake).await.unwrap();
    assert_eq!((token.grant(), token.caller().id.as_str()), ("orders-reader", "corp:alice"));
    assert_eq!((token.accessor(), token.creation_path()), ("accessor-1", ROLE_PATH));
    assert_eq!((token.policies(), token.lease_duration_seconds()), (&["orders-read".to_owned()][..], 120));
    let secret = token.read("secret/data/orders").await.unwrap();
    assert_eq!(secret.data, json!({"data": {"key": "hunter2"}}));
    assert!(secret.lease.is_none());
    token.revoke().await.unwrap();

    let seen = fake.seen();
    let sent: Vec<_> = seen.iter().map(|seen| (seen.method.as_str(), seen.path.as_str())).collect();
    let expected = [("POST", LOOKUP), ("POST", UNWRAP), ("GET", SECRET), ("POST", REVOKE)];
    assert_eq!(sent, expected);
    let tokens: Vec<_> = seen.iter().map(|seen| seen.header("x-vault-token")).collect();
    assert_eq!(tokens, [None, Some(WRAPPING), Some(INNER), Some(INNER)]);
    assert!(seen.iter().all(|seen| seen.header("x-vault-namespace") == Some("platform")));
}

/// What a container behind an HTTP integration gets, with the names as some servers write them.
#[tokio::test]
async fn opens_from_headers_and_rejects_an_envelope_that_somebody_added_to() {
    let fake = fake(|_| None).await;
    let context = event(&fake.address)["requestContext"]["authorizer"].take();
    let context = VaultContext::from_context(context.as_object().unwrap()).unwrap();
    let headers: Vec<_> =
        context.to_headers().into_iter().map(|(name, value)| (name.to_lowercase(), value)).collect();
    let sent = || headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let token = integration(&fake).open_headers(sent(), now()).await.unwrap();
    assert_eq!(token.accessor(), "accessor-1");

    let calls = fake.seen().len();
    let smuggled = [("X_Vault_Context_Wrapping_Token", "hvs.smuggled")];
    let error = integration(&fake).open_headers(sent().chain(smuggled), now()).await.unwrap_err();
    assert_eq!((error.code(), fake.seen().len()), ("context_invalid", calls));
}

#[tokio::test]
async fn lookup_carries_the_token_in_its_body_alone_and_unwrap_in_its_header_alone() {
    let fake = fake(|_| None).await;
    let _token = open(&fake).await.unwrap();
    let (lookup, unwrap) = (fake.seen_at(LOOKUP).remove(0), fake.seen_at(UNWRAP).remove(0));
    assert_eq!(lookup.json(), json!({ "token": WRAPPING }));
    let bearing = |seen: &Seen| {
        seen.headers.values().filter(|value| value.to_str().unwrap().contains(WRAPPING)).count()
    };
    assert_eq!((bearing(&lookup), bearing(&unwrap)), (0, 1));
    assert_eq!(unwrap.body, "");
}

#[tokio::test]
async fn a_foreign_envelope_sends_nothing_anywhere() {
    let fake = fake(|_| None).await;
    let other = FakeVault::answering(good).await;
    let error = integration(&fake).open(&event(&other.address), now()).await.unwrap_err();
    assert_matches!(error, UnwrapError::AddressMismatch);
    assert!(fake.seen().is_empty() && other.seen().is_empty(), "an address of the envelope was dialled");
}

#[tokio::test]
async fn a_request_without_context_is_told_apart_from_a_broken_one() {
    let fake = fake(|_| None).await;
    let error = integration(&fake).open(&json!({"requestContext": {}}), now()).await.unwrap_err();
    assert_matches!(error, UnwrapError::NoContext);
    let mut broken = event(&fake.address);
    broken["requestContext"]["authorizer"]["vaultCreationPath"] = json!(null);
    let error = integration(&fake).open(&broken, now()).await.unwrap_err();
    assert_matches!(error, UnwrapError::Context(_));
}

#[tokio::test]
async fn a_token_that_was_wrapped_again_or_whose_path_is_not_told_is_not_unwrapped() {
    let another = ["sys/wrapping/wrap", "cubbyhole/response", "auth/token/create/orders-prod-reader2", ""];
    let another = another.map(|path| (json!({"data": {"creation_path": path}}), "creation_path_mismatch"));
    let untold = [json!({"data": {}}), json!({"data": {"creation_path": 1}})];
    let untold = untold.map(|answer| (answer, "vault_answer_invalid"));
    // As OpenBao answers while somebody else unwraps it.
    let nothing = [(json!({}), "wrapping_token_not_known")];
    for (answer, code) in another.into_iter().chain(untold).chain(nothing) {
        let given = answer.clone();
        let fake = answering(LOOKUP, move || Reply::json(&given)).await;
        assert_eq!(open(&fake).await.unwrap_err().code(), code, "{answer}");
        assert!(fake.seen_at(UNWRAP).is_empty());
    }
}

#[tokio::test]
async fn of_two_expected_paths_the_envelopes_own_must_come_back() {
    const OTHER: &str = "auth/token/create/other";
    let fake = answering(LOOKUP, || Reply::json(&json!({"data": {"creation_path": OTHER}}))).await;
    let integration = integration(&fake).also_accept(path(OTHER));
    let error = integration.open(&event(&fake.address), now()).await.unwrap_err();
    assert_matches!(error, UnwrapError::CreationPathMismatch { seen_at: SeenAt::Lookup });
}

/// A standby that serves reads hears of a token after the node that made it. OpenBao's says 400, Vault's 412.
#[tokio::test]
async fn a_node_that_lags_behind_is_asked_again_over_a_new_connection() {
    for refusal in LAGGING {
        let fake = lagging(LOOKUP, 2, refusal).await;
        let _token = open(&fake).await.unwrap();
        let lookups = fake.seen_at(LOOKUP);
        assert_eq!(lookups.len(), 3, "{refusal:?}");
        assert_ne!(lookups[0].connection, lookups[1].connection, "{refusal:?}");
        assert_ne!(lookups[1].connection, lookups[2].connection, "{refusal:?}");
        let unwrap = fake.seen_at(UNWRAP).remove(0);
        assert_eq!(unwrap.connection, lookups[2].connection, "the node that knows the token");
    }
}

#[tokio::test]
async fn an_unwrap_refused_by_a_lagging_node_is_sent_again_once_a_lookup_shows_the_token() {
    for refusal in LAGGING {
        let fake = lagging(UNWRAP, 2, refusal).await;
        let _token = open(&fake).await.unwrap();
        let paths: Vec<_> = fake.seen().into_iter().map(|seen| seen.path).collect();
        assert_eq!(paths, [LOOKUP, UNWRAP, LOOKUP, UNWRAP, LOOKUP, UNWRAP], "{refusal:?}");
    }
}

/// A lookup that hits the lagging node right after a good one must not raise the alarm.
#[tokio::test]
async fn lookups_that_hit_good_and_lagging_nodes_in_turn_raise_no_alarm() {
    let count = AtomicUsize::new(0);
    let fake = fake(move |seen| {
        let lags = matches!(seen.path.as_str(), LOOKUP | UNWRAP)
            && !count.fetch_add(1, Ordering::SeqCst).is_multiple_of(3);
        (lags && count.load(Ordering::SeqCst) < 8).then(|| Reply::errors(400, SPENT))
    })
    .await;
    assert!(open(&fake).await.is_ok());
}

#[tokio::test]
async fn rejects_a_token_that_was_opened_by_somebody_else_after_the_lookup() {
    let opened = AtomicBool::new(false);
    let fake = fake(move |seen| {
        let opened = opened.fetch_or(seen.path == UNWRAP, Ordering::SeqCst) || seen.path == UNWRAP;
        opened.then(|| Reply::errors(400, SPENT))
    })
    .await;
    let error = open(&fake).await.unwrap_err();
    assert!(!error.is_outage(), "{error:?}");
    assert_matches!(error, UnwrapError::NotValidAnyMore);
    assert_eq!(fake.seen_at(UNWRAP).len(), 1, "no lookup showed it again");
    assert!(fake.seen_at(LOOKUP).len() > 3);
}

/// Slower than any lag: the lookups after it are made all the same.
#[tokio::test]
async fn rejects_a_token_that_was_opened_by_somebody_else_while_vault_was_slow() {
    let opened = AtomicBool::new(false);
    let fake = fake(move |seen| {
        let unwrap = seen.path == UNWRAP;
        let delay = Duration::from_millis(if unwrap { 2_100 } else { 0 });
        let opened = opened.fetch_or(unwrap, Ordering::SeqCst) || unwrap;
        opened.then(|| Reply::errors(400, SPENT).after(delay))
    })
    .await;
    let patient = Vault::new(options(&fake.address)).unwrap();
    let error =
        Integration::new(patient, path(ROLE_PATH)).open(&event(&fake.address), now()).await.unwrap_err();
    assert_matches!(error, UnwrapError::NotValidAnyMore);
}

#[tokio::test]
async fn nodes_that_never_show_or_open_a_token_are_an_outage_and_raise_no_alarm() {
    for path in [LOOKUP, UNWRAP] {
        let fake = lagging(path, usize::MAX, LAGGING[0]).await;
        let error = open(&fake).await.unwrap_err();
        assert_eq!((error.code(), error.is_outage()), ("wrapping_token_not_known", true), "{error:?}");
        assert!((4..=16).contains(&fake.seen_at(path).len()), "{}", fake.seen_at(path).len());
        assert!(path == UNWRAP || fake.seen_at(UNWRAP).is_empty(), "no lookup showed it");

        let fake = lagging(path, usize::MAX, LAGGING[1]).await;
        let error = open(&fake).await.unwrap_err();
        assert_eq!((error.code(), error.is_outage()), ("vault_unavailable", true), "they say so: {error:?}");
    }
}

#[tokio::test]
async fn a_token_that_expires_while_nodes_are_asked_is_expired_and_raises_no_alarm() {
    for path in [LOOKUP, UNWRAP] {
        let fake = lagging(path, usize::MAX, LAGGING[0]).await;
        let almost = now() + Duration::from_millis(29_800);
        let began = Instant::now();
        let error = integration(&fake).open(&event(&fake.address), almost).await.unwrap_err();
        assert_matches!(error, UnwrapError::Expired);
        assert!(began.elapsed() < Duration::from_secs(1), "nobody is asked beyond the token's life");
    }
}

#[tokio::test]
async fn an_unwrap_whose_effect_is_not_known_is_never_sent_again() {
    for status in [429, 500, 502, 503, 307] {
        let fake = answering(UNWRAP, move || Reply::errors(status, "again?")).await;
        assert!(matches!(open(&fake).await.unwrap_err(), UnwrapError::Vault(_)));
        assert_eq!(fake.seen_at(UNWRAP).len(), 1, "{status}");
    }
    let fake = answering(UNWRAP, || Reply::json(&json!({})).after(Duration::from_secs(5))).await;
    let error = open(&fake).await.unwrap_err();
    assert!(error.is_outage());
    assert_matches!(error, UnwrapError::Vault(VaultError { kind: VaultErrorKind::TimedOut, .. }));
    assert_eq!(fake.seen_at(UNWRAP).len(), 1);
}

#[tokio::test]
async fn a_call_is_sent_again_where_a_node_does_not_know_the_new_token() {
    for refusal in [(403, "permission denied"), LAGGING[1], LAGGING[2]] {
        for path in [SECRET, REVOKE] {
            let fake = lagging(path, 2, refusal).await;
            let token = open(&fake).await.unwrap();
            token.read("secret/data/orders").await.unwrap();
            token.revoke().await.unwrap();
            assert_eq!(fake.seen_at(path).len(), 3, "{path} {refusal:?}");
        }
        let fake = lagging(SECRET, 2, refusal).await;
        let write = Call::post("secret/data/orders").body(&json!({"data": {}})).unwrap();
        open(&fake).await.unwrap().send(write).await.unwrap();
        assert_eq!(fake.seen_at(SECRET).len(), 3, "{refusal:?}");
    }
}

/// As one is for a moment while its cluster elects a leader. A lookup changes nothing, nor does a read that nothing counts.
#[tokio::test]
async fn what_changes_nothing_is_sent_again_where_a_node_cannot_answer() {
    let fails = |path: &'static str, num_uses: u64| async move {
        let count = AtomicUsize::new(0);
        fake(move |seen| match seen.path.as_str() {
            UNWRAP => Some(auth_with(json!({ "num_uses": num_uses }))),
            _ if seen.path == path && count.fetch_add(1, Ordering::SeqCst) < 2 => {
                Some(Reply::errors(500, "local node not active but active cluster node not found"))
            }
            _ => None,
        })
        .await
    };
    let fake = fails(LOOKUP, 5).await;
    let _token = open(&fake).await.unwrap();
    assert_eq!(fake.seen_at(LOOKUP).len(), 3);

    let fake = fails(SECRET, 0).await;
    open(&fake).await.unwrap().read("secret/data/orders").await.unwrap();
    assert_eq!(fake.seen_at(SECRET).len(), 3);

    for (path, num_uses) in [(SECRET, 5), (REVOKE, 0)] {
        let fake = fails(path, num_uses).await;
        let token = open(&fake).await.unwrap();
        let error = match path {
            SECRET => token.read("secret/data/orders").await.unwrap_err(),
            _ => token.revoke().await.unwrap_err(),
        };
        assert_matches!(error.kind, VaultErrorKind::Unavailable { status: 500, .. });
        assert_eq!(fake.seen_at(path).len(), 1, "{path}: it may have been done");
    }
}

#[tokio::test]
async fn engines_are_read_at_their_own_paths_and_hide_what_they_gave() {
    let fake = fake(|seen| {
        let creds = json!({"username": "v-orders", "password": "hunter2"});
        (seen.path == "/v1/db/creds/orders").then(|| {
            Reply::json(
                &json!({"lease_id": LEASE_ID, "lease_duration": 60, "renewable": true, "data": creds}),
            )
        })
    })
    .await;
    let token = open(&fake).await.unwrap();
    assert_eq!(token.kv("secret").get("orders").await.unwrap()["key"], "hunter2");
    let credentials = token.database("db").credentials("orders").await.unwrap();
    assert_eq!((credentials.username.as_str(), credentials.password()), ("v-orders", "hunter2"));
    assert_eq!(credentials.lease.duration_seconds, 60);
    assert_hides_tokens(&format!("{credentials:?}"));
    token.write("secret/data/orders", &json!({"data": {}})).await.unwrap();
    let written = fake.seen_at(SECRET).pop().unwrap();
    assert_eq!((written.method.as_str(), written.json()), ("POST", json!({"data": {}})));
}

#[tokio::test]
async fn rejects_an_answer_that_is_not_the_engines() {
    let answer = |seen: &Seen| {
        seen.path.starts_with("/v1/db/").then(|| Reply::json(&json!({"data": {"key": "hunter2"}})))
    };
    let fake = fake(answer).await;
    let token = open(&fake).await.unwrap();
    let flat = token.kv("db").get("orders").await.unwrap_err();
    let unleased = token.database("db").credentials("orders").await.unwrap_err();
    for (error, path) in [(flat, "db/data/orders"), (unleased, "db/creds/orders")] {
        assert_matches!(error.kind, VaultErrorKind::AnswerInvalid { .. });
        assert_eq!(error.path, path);
        assert_hides_tokens(&error.to_string());
    }
    let climbing = token.kv("secret").get("../sys/health").await.unwrap_err();
    assert_matches!(climbing.kind, VaultErrorKind::CallInvalid { .. });
}

/// Such a refusal counts as a use of the token.
#[tokio::test]
async fn a_call_that_the_policies_do_not_allow_is_sent_once() {
    let denied = (403, "1 error occurred:\n\t* permission denied\n\n");
    let fake = lagging(SECRET, usize::MAX, denied).await;
    let error = open(&fake).await.unwrap().read("secret/data/orders").await.unwrap_err();
    assert_matches!(error.kind, VaultErrorKind::Forbidden);
    assert_eq!(fake.seen_at(SECRET).len(), 1);
}

/// With `num_uses` the last use ends the token: nobody waits for a node to hear of it.
#[tokio::test]
async fn a_token_that_is_used_up_is_not_asked_for_again() {
    let used_up = |seen: &Seen| match seen.path.as_str() {
        UNWRAP => Some(auth_with(json!({"num_uses": 1}))),
        REVOKE => Some(Reply::errors(403, "permission denied")),
        _ => None,
    };
    let fake = fake(used_up).await;
    let token = open(&fake).await.unwrap();
    token.read("secret/data/orders").await.unwrap();
    let error = token.revoke().await.unwrap_err();
    assert_matches!(error.kind, VaultErrorKind::TokenNotValid);
    assert_eq!(fake.seen_at(REVOKE).len(), 1);
}

#[tokio::test]
async fn a_token_that_fails_a_check_is_revoked_before_the_error_returns() {
    for (change, code) in [
        (json!({"accessor": "accessor-2"}), "accessor_mismatch"),
        (json!({"identity_policies": ["tenant"]}), "identity_policies"),
        (json!({"lease_duration": 901}), "lease_too_long"),
        (json!({"lease_duration": 0}), "lease_too_long"),
        (json!({"lease_duration": u64::MAX}), "lease_too_long"),
        (json!({"token_type": "batch"}), "not_a_service_token"),
    ] {
        let fake = answering(UNWRAP, move || auth_with(change.clone())).await;
        assert_eq!(open(&fake).await.unwrap_err().code(), code);
        let revoked = fake.seen_at(REVOKE);
        let revoked: Vec<_> = revoked.iter().map(|seen| seen.header("x-vault-token")).collect();
        assert_eq!(revoked, [Some(INNER)], "{code}");
    }
}

#[tokio::test]
async fn neither_a_revocation_that_fails_nor_something_else_inside_hides_the_reason() {
    let fake = fake(|seen| match seen.path.as_str() {
        UNWRAP => Some(auth_with(json!({"accessor": "x"}))),
        REVOKE => Some(Reply::errors(503, "Vault is sealed")),
        _ => None,
    })
    .await;
    assert_matches!(open(&fake).await.unwrap_err(), UnwrapError::AccessorMismatch);
    let forged =
        answering(UNWRAP, || Reply::json(&json!({"data": {"forged": "by sys/wrapping/wrap"}}))).await;
    assert_matches!(open(&forged).await.unwrap_err(), UnwrapError::NotAServiceToken);
}

#[tokio::test]
async fn a_read_without_data_is_an_error_and_a_write_without_data_is_not() {
    let fake = fake(|seen| seen.path.starts_with("/v1/secret/").then(|| Reply::new(204, ""))).await;
    let token = open(&fake).await.unwrap();
    let error = token.read("secret/data/orders").await.unwrap_err();
    assert_matches!(error.kind, VaultErrorKind::AnswerInvalid { .. });
    let write = Call::post("secret/data/orders").body(&json!({"data": {}})).unwrap();
    assert!(token.send(write).await.unwrap().data.is_null());
    let error = token.read("secret/../sys/health").await.unwrap_err();
    assert_matches!(error.kind, VaultErrorKind::CallInvalid { .. });
}

#[tokio::test]
async fn a_vault_that_is_down_is_an_outage() {
    let nobody = "http://127.0.0.1:9";
    let integration = Integration::new(vault_at(nobody), path(ROLE_PATH));
    let error = integration.open(&event(nobody), now()).await.unwrap_err();
    assert!(error.is_outage());
    assert_matches!(error, UnwrapError::Vault(VaultError { kind: VaultErrorKind::Unreachable { .. }, .. }));
}

#[tokio::test]
async fn a_lease_is_logged_by_hash_and_no_level_logs_a_secret() {
    static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());
    let log = tracing_subscriber::fmt().json().with_max_level(tracing::Level::TRACE);
    let _guard = tracing::subscriber::set_default(log.with_writer(|| LOG.make_writer()).finish());
    let fake = fake(|_| None).await;
    let token = open(&fake).await.unwrap();
    let secret = token.read("database/creds/orders").await.unwrap();
    assert_hides_tokens(&format!("{token:?} {secret:?}"));
    token.revoke().await.unwrap();
    let text = String::from_utf8(LOG.lock().unwrap().clone()).unwrap();
    let line = text.lines().find(|line| line.contains("lease_id_sha256")).unwrap();
    let event: Value = serde_json::from_str(line).unwrap();
    let fields = &event["fields"];
    assert_eq!(event["level"], "INFO");
    assert_eq!((&fields["accessor"], &fields["lease_seconds"]), (&json!("accessor-1"), &json!(60)));
    assert_eq!(fields["lease_id_sha256"].as_str().unwrap().len(), 64);
    assert!(!text.contains(LEASE_ID));
    assert_hides_tokens(&text);
}
