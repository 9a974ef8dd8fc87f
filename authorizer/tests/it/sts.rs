//! The call to STS, made to servers that misbehave: what is sent, and what is carried back unread. What an answer proves is
//! tested in `sts-identity`.

use std::{
    sync::{Arc, Mutex, atomic::Ordering},
    time::{Duration, UNIX_EPOCH},
};

use authorizer_adapters::{identity_client, sts::StsClient};
use aws_credential_types::Credentials;
use axum::{extract::Request, response::IntoResponse};
use sts_identity::{
    AnswerError, CallerIdentity, Expected, MAX_ANSWER_BYTES, ServerId, SignedRequest, SigningRequest, Sts,
    StsAnswer, StsEndpoint, StsHosts, StsRequest, StsUnavailable, WebIdentityRequest,
    presign_get_caller_identity, sign_get_web_identity_token,
};

use crate::support::*;

/// A proof for the STS at `url`, read as the authorizer reads it.
fn request(url: &str) -> StsRequest {
    let endpoint = StsEndpoint::loopback(url, &"us-east-1".parse().unwrap()).unwrap();
    let server_id: ServerId = "orders.example.com".parse().unwrap();
    let credentials =
        Credentials::new("ASIAEXAMPLE0EXAMPLE0", "secret", Some("session-token".into()), None, "test");
    let now = UNIX_EPOCH + Duration::from_secs(NOW);
    let signing =
        SigningRequest { credentials: &credentials, endpoint: &endpoint, server_id: Some(&server_id), now };
    let proof = presign_get_caller_identity(signing, Duration::from_secs(60)).unwrap();
    let hosts = StsHosts::loopback(endpoint);
    let expected = Expected { hosts: &hosts, server_id: &server_id, max_age: Duration::from_secs(60), now };
    StsRequest::parse(proof.expose(), &expected).unwrap()
}

async fn call(request: &StsRequest) -> Result<StsAnswer, StsUnavailable> {
    StsClient::new(identity_client().unwrap()).call(request).await
}

fn good_body() -> String {
    String::from_utf8(caller_answer(ROLE_SESSION, "AROAEXAMPLEBATCH:nightly-7").body).unwrap()
}

/// A server that gives this answer, and writes down each request with its headers.
async fn server(
    answer: impl Fn() -> axum::response::Response + Clone + Send + Sync + 'static,
) -> (String, Arc<Mutex<Vec<String>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&asked);
    let handler = move |request: Request| {
        let headers =
            request.headers().iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        let headers: Vec<_> = headers.filter(|line| !line.starts_with("host: ")).collect();
        seen.lock().unwrap().push(format!("{} {} {}", request.method(), request.uri(), headers.join(", ")));
        let answer = answer();
        async move { answer }
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(handler)).await.unwrap() });
    (url, asked)
}

#[tokio::test]
async fn what_was_rebuilt_is_sent_and_nothing_else() {
    let (url, asked) =
        server(|| (([("content-type", "text/xml; charset=utf-8")]), good_body()).into_response()).await;
    let request = request(&url);
    let answer = call(&request).await.unwrap();
    assert_eq!((answer.status, answer.content_type.as_deref()), (200, Some("text/xml; charset=utf-8")));
    assert_eq!(CallerIdentity::verify(&answer, &request).unwrap().account(), "123456789012");
    let target = request.url().strip_prefix(&url).unwrap();
    let agent = format!("user-agent: vault-context/{}", env!("CARGO_PKG_VERSION"));
    let expected =
        format!("GET {target} accept: text/xml, x-vault-aws-iam-server-id: orders.example.com, {agent}");
    assert_eq!(*asked.lock().unwrap(), [expected]);
}

/// Whoever can write a redirect into STS's answers must not be asked who the caller is, nor see the proof.
#[tokio::test]
async fn rejects_a_redirect_to_another_sts() {
    for status in [301, 302, 303, 307, 308] {
        let (elsewhere, asked) =
            server(|| ([("content-type", "text/xml")], good_body()).into_response()).await;
        let location = format!("{elsewhere}/");
        let (url, _) = server(move || {
            let status = axum::http::StatusCode::from_u16(status).unwrap();
            (status, [("location", location.clone()), ("content-type", "text/xml".to_owned())], good_body())
                .into_response()
        })
        .await;
        let request = request(&url);
        let answer = call(&request).await.unwrap();
        assert_eq!(answer.status, status);
        assert!(
            matches!(CallerIdentity::verify(&answer, &request), Err(AnswerError::Unavailable { .. })),
            "{status}"
        );
        assert!(asked.lock().unwrap().is_empty());
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_held() {
    for (bytes, fits) in [(MAX_ANSWER_BYTES, true), (MAX_ANSWER_BYTES + 1, false)] {
        let (url, _) = server(move || "x".repeat(bytes).into_response()).await;
        let answer = call(&request(&url)).await.map(|answer| answer.body.len()).map_err(|error| error.reason);
        let too_large = format!("the answer is longer than {MAX_ANSWER_BYTES} bytes");
        assert_eq!(answer, if fits { Ok(bytes) } else { Err(too_large) });
    }
}

/// The first to use a connection that died while the function was frozen finds out.
#[tokio::test]
async fn a_connection_that_died_costs_no_caller_anything() {
    let (url, connections) = one_answer_for_each_connection(good_body());
    let (request, client) = (request(&url), StsClient::new(identity_client().unwrap()));
    for expected in [1, 2, 3] {
        assert_eq!(client.call(&request).await.unwrap().status, 200);
        assert_eq!(connections.load(Ordering::SeqCst), expected);
    }
}

#[tokio::test]
async fn an_sts_that_drops_every_connection_is_asked_twice_and_its_error_shows_no_proof() {
    let dropping = Dropping::start();
    let request = request(&dropping.url);
    let error = call(&request).await.unwrap_err();
    assert_eq!(dropping.connections.load(Ordering::SeqCst), 2);
    for secret in ["X-Amz-", "session-token", "ASIAEXAMPLE0EXAMPLE0"] {
        assert!(!format!("{error} {error:?}").contains(secret), "{error:?}");
    }
}

/// A question of the authorizer's own, for its login.
fn signed(url: &str) -> SignedRequest {
    let endpoint = StsEndpoint::loopback(url, &"eu-west-1".parse().unwrap()).unwrap();
    let credentials =
        Credentials::new("ASIAEXAMPLE0EXAMPLE0", "secret", Some("session-token".into()), None, "test");
    let audience = "vault.example.com".parse().unwrap();
    let now = UNIX_EPOCH + Duration::from_secs(NOW);
    let request =
        WebIdentityRequest { credentials: &credentials, endpoint: &endpoint, audience: &audience, now };
    sign_get_web_identity_token(request).unwrap()
}

#[tokio::test]
async fn a_question_of_our_own_is_sent_as_it_was_signed_and_follows_no_redirect() {
    let (elsewhere, asked_elsewhere) = server(|| good_body().into_response()).await;
    let (url, asked) = server(move || {
        (axum::http::StatusCode::TEMPORARY_REDIRECT, [("location", elsewhere.clone())]).into_response()
    })
    .await;
    let request = signed(&url);
    let answer = StsClient::new(identity_client().unwrap()).send(&request).await.unwrap();
    assert_eq!(answer.status, 307);
    assert!(asked_elsewhere.lock().unwrap().is_empty());
    let asked = asked.lock().unwrap().concat();
    assert!(asked.starts_with("POST / accept: text/xml, "), "{asked}");
    for (name, value) in request.headers().filter(|(name, _)| *name != "Host") {
        let line = format!("{}: {value}", name.to_ascii_lowercase());
        assert_eq!(asked.matches(&line).count(), 1, "{line}: {asked}");
    }
    assert!(asked.contains(&format!("content-length: {}", request.body().len())), "{asked}");
}

#[tokio::test]
async fn a_question_of_our_own_that_nobody_answers_shows_no_signature() {
    let dropping = Dropping::start();
    let error = StsClient::new(identity_client().unwrap()).send(&signed(&dropping.url)).await.unwrap_err();
    assert_eq!(dropping.connections.load(Ordering::SeqCst), 2);
    for secret in ["Signature", "session-token", "ASIAEXAMPLE0EXAMPLE0"] {
        assert!(!format!("{error} {error:?}").contains(secret), "{error:?}");
    }
}
