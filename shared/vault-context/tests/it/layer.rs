//! The layer: one token for each request, opened when it is needed, and revoked whatever happens to the request.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Extension;
use axum::http::{Request, Response, StatusCode};
use axum::routing::get;
use axum::{Router, serve};
use futures_util::{StreamExt, future, stream};
use http_body::Body as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tower_layer::Layer;
use tower_service::Service;
use vault_context::tower::{LazyToken, OpenError, VaultLayer};

use crate::axum_answers::request;
use crate::fake_vault::{FakeVault, Reply};
use crate::unwrap::{LOOKUP, REVOKE, UNWRAP, answering, fake, integration};

fn router(fake: &FakeVault) -> Router {
    let routes = Router::new()
        .route("/orders", get(orders))
        .route("/unasked", get(async || "nothing"))
        .route("/panics", get(panics))
        .route("/hangs", get(hangs));
    routes.layer(VaultLayer::new(integration(fake)))
}

async fn orders(Extension(token): Extension<LazyToken>) -> Result<String, OpenError> {
    // Whoever asks gets the same one.
    let (one, other) = future::join(token.open(), token.open()).await;
    assert_eq!(one?.accessor(), other?.accessor());
    let token = token.open().await?;
    Ok(token.kv("secret").get("orders").await?.len().to_string())
}

async fn panics(Extension(token): Extension<LazyToken>) -> String {
    token.open().await.unwrap().accessor().parse::<u8>().unwrap().to_string()
}

async fn hangs(Extension(token): Extension<LazyToken>) -> String {
    let _token = token.open().await;
    std::future::pending().await
}

fn to(path: &'static str, fake: &FakeVault) -> Request<Body> {
    let mut request = request(&fake.address);
    *request.uri_mut() = path.parse().unwrap();
    request
}

async fn answer(path: &'static str, fake: &FakeVault) -> (StatusCode, String) {
    let response = router(fake).call(to(path, fake)).await.unwrap();
    let status = response.status();
    let body = to_bytes(response.into_body(), 4096).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// Far longer than it takes.
async fn seen(fake: &FakeVault, path: &str) {
    let seen = async {
        while fake.seen_at(path).is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), seen).await.unwrap_or_else(|_| panic!("nothing came to {path}"));
}

#[tokio::test]
async fn a_token_is_opened_once_and_revoked_before_the_answer_has_ended() {
    let fake = fake(|_| None).await;
    assert_eq!(answer("/orders", &fake).await, (StatusCode::OK, "1".to_owned()));
    assert_eq!(
        (fake.seen_at(LOOKUP).len(), fake.seen_at(UNWRAP).len(), fake.seen_at(REVOKE).len()),
        (1, 1, 1)
    );
}

#[tokio::test]
async fn a_token_that_nobody_wants_stays_closed() {
    let fake = fake(|_| None).await;
    assert_eq!(answer("/unasked", &fake).await, (StatusCode::OK, "nothing".to_owned()));
    assert!(fake.seen().is_empty());
}

/// By a task that the request left behind: nobody would revoke it.
#[tokio::test]
async fn a_token_that_somebody_wants_after_the_request_is_not_opened() {
    let fake = fake(|_| None).await;
    let (give, mut kept) = mpsc::channel(1);
    let keep = async move |Extension(token): Extension<LazyToken>| give.try_send(token).unwrap();
    let mut router = Router::new().route("/kept", get(keep)).layer(VaultLayer::new(integration(&fake)));
    let response = router.call(to("/kept", &fake)).await.unwrap();
    to_bytes(response.into_body(), 4096).await.unwrap();
    let error = kept.recv().await.unwrap().open().await.unwrap_err();
    assert_eq!(error.code(), "vault_call_invalid");
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn a_failure_is_the_same_for_each_that_asks_and_vault_is_asked_once() {
    let fake = answering(LOOKUP, || Reply::errors(503, "Vault is sealed")).await;
    let expected = (StatusCode::SERVICE_UNAVAILABLE, r#"{"error":"vault_sealed"}"#.to_owned());
    assert_eq!(answer("/orders", &fake).await, expected);
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn a_revocation_that_fails_leaves_the_answer_alone() {
    let fake = answering(REVOKE, || Reply::errors(500, "no")).await;
    assert_eq!(answer("/orders", &fake).await, (StatusCode::OK, "1".to_owned()));
    assert_eq!(fake.seen_at(REVOKE).len(), 1);
}

#[tokio::test]
async fn the_token_of_a_handler_that_panics_is_revoked() {
    let fake = fake(|_| None).await;
    let (mut router, request) = (router(&fake), to("/panics", &fake));
    tokio::spawn(async move { router.call(request).await }).await.unwrap_err();
    seen(&fake, REVOKE).await;
}

/// A client that hangs up, and a time limit, drop a request like this.
#[tokio::test]
async fn the_token_of_a_request_that_is_dropped_is_revoked() {
    let fake = fake(|_| None).await;
    let dropped = timeout(Duration::from_secs(1), router(&fake).call(to("/hangs", &fake))).await;
    assert!(dropped.is_err() && fake.seen_at(UNWRAP).len() == 1);
    seen(&fake, REVOKE).await;
}

/// Else a token would live that nobody has.
#[tokio::test]
async fn a_request_that_is_dropped_in_the_middle_of_the_unwrap_is_unwrapped_to_the_end_and_revoked() {
    let fake = slow(UNWRAP).await;
    {
        let mut router = router(&fake);
        let mut call = pin!(router.call(to("/hangs", &fake)));
        let opened = async { seen(&fake, UNWRAP).await };
        future::select(&mut call, pin!(opened)).await;
    }
    assert_eq!(fake.seen_at(REVOKE).len(), 0, "not opened yet");
    seen(&fake, REVOKE).await;
    assert_eq!(fake.seen_at(UNWRAP).len(), 1);
}

/// Answers at one path only after a while.
async fn slow(path: &'static str) -> FakeVault {
    fake(move |seen| (seen.path == path).then(|| crate::unwrap::good(seen).after(Duration::from_millis(200))))
        .await
}

#[derive(Clone)]
struct Failing;

impl Service<Request<Body>> for Failing {
    type Response = Response<Body>;
    type Error = &'static str;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, &'static str>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), &'static str>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(async move {
            let token = request.extensions().get::<LazyToken>().unwrap();
            token.open().await.unwrap();
            Err("the database is away")
        })
    }
}

#[tokio::test]
async fn the_token_of_a_service_that_fails_is_revoked_before_the_error_goes_on() {
    let fake = fake(|_| None).await;
    let mut service = VaultLayer::new(integration(&fake)).layer(Failing);
    let error = service.call(request(&fake.address)).await.err();
    assert_eq!((error, fake.seen_at(REVOKE).len()), (Some("the database is away"), 1));
}

/// Rows that come by a leased password end with its token.
#[tokio::test]
async fn a_token_lives_as_long_as_the_answer_is_streamed() {
    let fake = fake(|_| None).await;
    let (rows, coming) = mpsc::channel::<&'static str>(1);
    let coming = stream::unfold(coming, async |mut coming| Some((coming.recv().await?, coming)));
    let body = std::sync::Mutex::new(Some(Body::from_stream(coming.map(Ok::<_, Infallible>))));
    let handler = async move |Extension(token): Extension<LazyToken>| {
        token.open().await.unwrap();
        body.lock().unwrap().take().unwrap()
    };
    let handler = std::sync::Arc::new(handler);
    let route = get(move |token| {
        let handler = std::sync::Arc::clone(&handler);
        async move { handler(token).await }
    });
    let mut router: Router = Router::new().route("/rows", route).layer(VaultLayer::new(integration(&fake)));
    let mut body = router.call(to("/rows", &fake)).await.unwrap().into_body();
    for row in ["one", "two"] {
        rows.send(row).await.unwrap();
        let frame = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), row);
        assert!(fake.seen_at(REVOKE).is_empty());
    }
    drop(rows);
    assert!(poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await.is_none());
    assert_eq!(fake.seen_at(REVOKE).len(), 1);
}

/// A server need not ask for the end of an answer whose length it knows.
#[tokio::test]
async fn over_http_every_token_is_revoked_whatever_the_server_reads_of_the_body() {
    for method in ["GET", "HEAD"] {
        let fake = fake(|_| None).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let router = router(&fake);
        let server = tokio::spawn(async move { serve(listener, router).await });
        let mut connection = TcpStream::connect(address).await.unwrap();
        let mut text = format!("{method} /orders HTTP/1.1\r\nhost: orders\r\nconnection: close\r\n");
        for (name, value) in request(&fake.address).headers() {
            text += &format!("{name}: {}\r\n", value.to_str().unwrap());
        }
        connection.write_all(format!("{text}\r\n").as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        seen(&fake, REVOKE).await;
        server.abort();
    }
}
