//! What the transport sends, and what it makes of every kind of answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use vault_context::VaultToken;
use vault_context::vault::{
    Call, MAX_ANSWER_BYTES, Vault, VaultAnswer, VaultError, VaultErrorKind, VaultOptions,
};

use crate::fake_vault::{FakeVault, Reply, assert_matches, options, vault_at};

const TOKEN: &str = "hvs.very-secret-token-of-the-test";

fn call() -> Call {
    Call::post("auth/token/create/orders").token(&VaultToken::parse(TOKEN).unwrap())
}

async fn outcome(reply: impl Fn() -> Reply + Send + Sync + 'static) -> Result<VaultAnswer, VaultError> {
    let fake = FakeVault::answering(move |_| reply()).await;
    let outcome = fake.vault().send(call()).await;
    assert_eq!(fake.seen().len(), 1, "whatever comes back, the transport sends once");
    outcome
}

async fn refusal(status: u16, text: &'static str) -> VaultError {
    let error = outcome(move || Reply::errors(status, text)).await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains(TOKEN), "{error}");
    assert_eq!(error.path, "auth/token/create/orders");
    error
}

/// That nobody was reached, and whether it is certain that nothing was sent.
fn unreachable(error: &VaultError, not_sent: bool) {
    assert!(matches!(error.kind, VaultErrorKind::Unreachable { .. }), "{error:?}");
    assert_eq!(error.request_not_sent(), not_sent, "{error:?}");
}

#[tokio::test]
async fn sends_each_header_it_should_and_no_other_credential() {
    let fake = FakeVault::answering(|_| Reply::new(204, "")).await;
    let call = call().wrap_ttl_seconds(30).body(&json!({"ttl": "120s"})).unwrap();
    fake.vault().send(call).await.unwrap();
    let seen = fake.seen().remove(0);
    assert_eq!((seen.method.as_str(), seen.path.as_str()), ("POST", "/v1/auth/token/create/orders"));
    for (name, value) in [
        ("x-vault-request", Some("true")),
        ("x-vault-namespace", Some("platform")),
        ("x-vault-token", Some(TOKEN)),
        ("x-vault-wrap-ttl", Some("30s")),
        ("content-type", Some("application/json")),
        ("authorization", None),
    ] {
        assert_eq!(seen.header(name), value, "{name}");
    }
    assert_eq!(seen.json(), json!({"ttl": "120s"}));
}

#[tokio::test]
async fn a_bare_call_has_no_token_no_wrap_and_no_body() {
    let fake = FakeVault::answering(|_| Reply::json(&json!({"data": {}}))).await;
    fake.vault().send(Call::get("sys/health")).await.unwrap();
    let seen = fake.seen().remove(0);
    assert_eq!((seen.method.as_str(), seen.body.as_str()), ("GET", ""));
    for header in ["x-vault-token", "x-vault-wrap-ttl", "content-type"] {
        assert_eq!(seen.header(header), None);
    }
}

#[tokio::test]
async fn a_204_is_an_empty_answer() {
    let answer = outcome(|| Reply::new(204, "")).await.unwrap();
    assert!(answer.auth.is_none() && answer.wrap_info.is_none());
    assert!(answer.data.is_none() && answer.lease.is_none());
}

#[tokio::test]
async fn a_redirect_is_refused_and_the_token_stays_here() {
    let elsewhere = FakeVault::answering(|_| Reply::new(204, "")).await;
    let redirected = async |status: u16| {
        let location = format!("{}/v1/auth/token/create/orders", elsewhere.address);
        outcome(move || Reply::new(status, "").header("location", location.clone())).await.unwrap_err()
    };
    let error = redirected(307).await;
    assert!(matches!(error.kind, VaultErrorKind::Unavailable { status: 307, .. }), "a standby's: {error:?}");
    for status in [301, 302, 303, 308] {
        let error = redirected(status).await;
        let VaultErrorKind::AnswerInvalid { reason } = error.kind else { panic!("{error:?}") };
        assert!(reason.contains(&status.to_string()), "{reason}");
    }
    assert!(elsewhere.seen().is_empty(), "the token was sent on");
}

#[tokio::test]
async fn an_oversized_body_is_not_held() {
    for status in [200, 400] {
        let error = outcome(move || Reply::new(status, " ".repeat(MAX_ANSWER_BYTES + 1))).await.unwrap_err();
        // Of a refusal the status is still worth telling.
        let expected = if status == 200 { "vault_answer_too_large" } else { "vault_refused" };
        assert_eq!(error.code(), expected);
    }
    let body = format!("{}{{}}", " ".repeat(MAX_ANSWER_BYTES - 2));
    assert!(outcome(move || Reply::new(200, body.clone())).await.is_ok());
}

#[tokio::test]
async fn a_body_without_announced_length_is_capped_as_it_comes() {
    let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let address = raw_server(move |mut stream| {
        let chunk = chunk.clone();
        async move {
            stream.write_all(head.as_bytes()).await.unwrap();
            // Endless, if the other side let it.
            while stream.write_all(chunk.as_bytes()).await.is_ok() {}
        }
    })
    .await
    .0;
    let error = vault_at(&address).send(call()).await.unwrap_err();
    assert_matches!(error.kind, VaultErrorKind::AnswerTooLarge { limit_bytes: MAX_ANSWER_BYTES, .. });
}

#[tokio::test]
async fn a_200_that_is_not_json_is_invalid_and_not_quoted() {
    for body in ["", "<html>hvs.very-secret-token-of-the-test</html>", "[]", "\"x\""] {
        let error = outcome(move || Reply::new(200, body)).await.unwrap_err();
        assert_matches!(error.kind, VaultErrorKind::AnswerInvalid { .. });
        assert!(!format!("{error} {error:?}").contains("secret"), "{error}");
    }
}

/// What each status and text means is tested in `vault-api`.
#[tokio::test]
async fn a_refusal_is_read_by_its_status_its_text_and_the_token_that_was_sent() {
    for (status, text, expected) in [
        (403, "permission denied", "vault_token_not_valid"),
        (403, "1 error occurred:\n\t* permission denied\n\n", "vault_forbidden"),
        (404, "no handler for route", "vault_refused"),
        (500, "internal error hvs.very-secret-token-of-the-test", "vault_unavailable"),
        (503, "Vault is sealed", "vault_sealed"),
    ] {
        assert_eq!(refusal(status, text).await.code(), expected, "{status} {text}");
    }
}

#[tokio::test]
async fn a_rate_limit_tells_when_to_come_back() {
    for (sent, expected) in [("7", Some(7)), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("-1", None)] {
        let error = outcome(move || Reply::errors(429, "").header("retry-after", sent)).await.unwrap_err();
        let VaultErrorKind::Throttled { retry_after_seconds } = error.kind else { panic!("{error:?}") };
        assert_eq!(retry_after_seconds, expected);
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_timed_out() {
    let error = outcome(|| Reply::new(204, "").after(Duration::from_secs(5))).await.unwrap_err();
    assert!(!error.request_not_sent(), "{error:?}");
    assert_matches!(error.kind, VaultErrorKind::TimedOut);
    let fake = FakeVault::answering(|_| Reply::new(204, "").after(Duration::from_millis(200))).await;
    let error = fake.vault().send(call().timeout(Duration::from_millis(20))).await.unwrap_err();
    assert_matches!(error.kind, VaultErrorKind::TimedOut);
}

/// One call after another: one that works, one that gets `reply`, one that works. Gives the second one's error, and whether
/// the last one came by another connection.
async fn connects_anew_after(reply: fn() -> Reply) -> (VaultError, bool) {
    let calls = AtomicUsize::new(0);
    let fake = FakeVault::answering(move |_| match calls.fetch_add(1, Ordering::SeqCst) {
        1 => reply(),
        _ => Reply::new(204, ""),
    })
    .await;
    let vault = fake.vault();
    vault.send(call()).await.unwrap();
    let error = vault.send(call()).await.unwrap_err();
    vault.clone().send(call()).await.unwrap();
    let [first, failed, last] = fake.seen().try_into().unwrap();
    assert_eq!(first.connection, failed.connection, "connections are kept");
    (error, last.connection != failed.connection)
}

/// Behind a load balancer a connection leads to one node. One that cannot write its audit log passes health checks.
#[tokio::test]
async fn a_node_that_fails_does_not_keep_its_callers_and_a_refusal_costs_no_connection() {
    let replies: [(fn() -> Reply, bool); 12] = [
        (|| Reply::errors(500, "internal error"), true),
        (|| Reply::errors(502, ""), true),
        (|| Reply::errors(503, "Vault is sealed"), true),
        (|| Reply::errors(412, "required index state not present"), true),
        (|| Reply::new(429, r#"{"errors":[]}"#), true),
        (|| Reply::new(307, ""), true),
        (|| Reply::new(204, "").after(Duration::from_secs(5)), true),
        (|| Reply::errors(400, "no such role"), false),
        (|| Reply::errors(403, "permission denied"), false),
        (|| Reply::errors(404, ""), false),
        (|| Reply::errors(429, "rate limit quota exceeded").header("retry-after", "1"), false),
        (|| Reply::new(200, "not JSON"), false),
    ];
    for (reply, expected) in replies {
        let (failure, anew) = connects_anew_after(reply).await;
        assert_eq!(anew, expected, "{failure}");
    }
}

#[tokio::test]
async fn a_refused_connection_was_certainly_not_sent() {
    let (listener, address) = listening().await;
    drop(listener);
    let error = vault_at(&address).send(call()).await.unwrap_err();
    unreachable(&error, true);
    assert!(!format!("{error:?}").contains("/v1/"), "the URL is left out: {error:?}");
}

#[tokio::test]
async fn https_at_a_plain_http_vault_is_told_in_words_of_the_address() {
    let fake = FakeVault::answering(|_| Reply::new(200, "{}")).await;
    let error = vault_at(&fake.address.replace("http://", "https://")).send(call()).await.unwrap_err();
    unreachable(&error, true);
    let source = std::error::Error::source(&error).unwrap();
    assert_eq!(
        source.to_string(),
        "the address starts with https://, but the server there does not speak TLS: check the port, or write http:// if the host is this machine"
    );
    assert!(source.source().is_none(), "{error:?}");
}

#[tokio::test]
async fn a_connection_that_takes_too_long_was_certainly_not_sent() {
    // Accepts, and never answers the TLS handshake.
    let (_listener, address) = listening().await;
    let connect_timeout = Duration::from_millis(50);
    let options = VaultOptions { connect_timeout, ..options(&address.replace("http://", "https://")) };
    let error = Vault::new(options).unwrap().send(call()).await.unwrap_err();
    unreachable(&error, true);
}

#[tokio::test]
async fn a_repeatable_call_is_sent_once_more_where_the_connection_broke_and_not_again() {
    let (address, connections) = raw_server(|stream| async move { drop(stream) }).await;
    let error = vault_at(&address).send_repeatable(Call::post("sys/wrapping/lookup")).await.unwrap_err();
    assert_matches!(error.kind, VaultErrorKind::Unreachable { .. });
    assert_eq!(connections.load(Ordering::SeqCst), 2);
}

/// A node that goes down: what the first call did is not known, whatever becomes of the second.
#[tokio::test]
async fn a_repeated_call_that_finds_nobody_may_have_been_done_by_the_first() {
    let (listener, address) = listening().await;
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        drop(listener);
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
    });
    let error = vault_at(&address).send_repeatable(call()).await.unwrap_err();
    unreachable(&error, false);
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_request_may_have_been_sent_and_is_not_repeated() {
    for answer in ["", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"] {
        let (address, requests) = raw_server(move |mut stream| async move {
            stream.write_all(answer.as_bytes()).await.unwrap();
        })
        .await;
        let error = vault_at(&address).send(call()).await.unwrap_err();
        unreachable(&error, false);
        assert_eq!(requests.load(Ordering::SeqCst), 1);
    }
}

async fn listening() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    (listener, address)
}

/// A server below HTTP: reads one request of each connection, lets `answer` write, and closes.
async fn raw_server<F, Fut>(answer: F) -> (String, Arc<AtomicUsize>)
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let (listener, address) = listening().await;
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 4096];
            if stream.read(&mut buffer).await.unwrap() > 0 {
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(answer(stream));
            }
        }
    });
    (address, requests)
}
