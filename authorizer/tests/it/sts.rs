//! The call to STS, made to servers that misbehave: what is sent, and what is passed on unread. `sts-identity` tests
//! what an answer proves.

use std::time::{Duration, UNIX_EPOCH};

use authorizer_adapters::{identity_client, sts::StsClient};
use aws_credential_types::Credentials;
use sts_identity::{
    AnswerError, CallerIdentity, Expected, MAX_ANSWER_BYTES, ServerId, SignedRequest, SigningRequest, Sts,
    StsAnswer, StsEndpoint, StsHosts, StsRequest, StsUnavailable, WebIdentityRequest,
    presign_get_caller_identity, sign_get_web_identity_token,
};

use vault_transport::http::Protocol;

use crate::support::*;

/// A proof for the STS at `url`, read as the authorizer reads it.
fn request(url: &str) -> StsRequest {
    let endpoint = StsEndpoint::loopback(url, &"us-east-1".parse().unwrap()).unwrap();
    let server_id: ServerId = "orders.example.com".parse().unwrap();
    let credentials = credentials();
    let now = UNIX_EPOCH + Duration::from_secs(NOW);
    let signing =
        SigningRequest { credentials: &credentials, endpoint: &endpoint, server_id: Some(&server_id), now };
    let proof = presign_get_caller_identity(signing, Duration::from_secs(60)).unwrap();
    let hosts = StsHosts::loopback(endpoint);
    let expected = Expected { hosts: &hosts, server_id: &server_id, max_age: Duration::from_secs(60), now };
    StsRequest::parse(proof.expose(), &expected).unwrap()
}

async fn call(request: &StsRequest) -> Result<StsAnswer, StsUnavailable> {
    StsClient::new(identity_client(Protocol::Http).unwrap()).call(request).await
}

fn good_body() -> String {
    String::from_utf8(caller_answer(ROLE_SESSION, "AROAEXAMPLEBATCH:nightly-7").body).unwrap()
}

/// Each request with its headers, but for `host`.
fn asked(server: &Server) -> Vec<String> {
    let line = |asked: &Asked| {
        let headers = asked.headers.iter().filter(|(name, _)| *name != "host");
        let headers: Vec<_> =
            headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
        format!("{} {} {}", asked.method, asked.uri, headers.join(", "))
    };
    server.requests().iter().map(line).collect()
}

fn credentials() -> Credentials {
    Credentials::new("ASIAEXAMPLE0EXAMPLE0", "secret", Some("session-token".into()), None, "test")
}

#[tokio::test]
async fn what_was_rebuilt_is_sent_and_nothing_else() {
    let server =
        Server::giving(Reply::new(200, good_body()).header("content-type", "text/xml; charset=utf-8")).await;
    let request = request(&server.url);
    let answer = call(&request).await.unwrap();
    assert_eq!((answer.status, answer.content_type.as_deref()), (200, Some("text/xml; charset=utf-8")));
    assert_eq!(CallerIdentity::verify(&answer, &request).unwrap().account(), "123456789012");
    let target = request.url().strip_prefix(&server.url).unwrap();
    let agent = format!("user-agent: vault-context/{}", env!("CARGO_PKG_VERSION"));
    let expected =
        format!("GET {target} accept: text/xml, x-vault-aws-iam-server-id: orders.example.com, {agent}");
    assert_eq!(asked(&server), [expected]);
}

/// Whoever can write a redirect into STS's answers must not be asked who the caller is, nor see the proof.
#[tokio::test]
async fn rejects_a_redirect_to_another_sts() {
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = Server::giving(Reply::new(200, good_body()).header("content-type", "text/xml")).await;
        let redirect = Reply::new(status, good_body()).header("location", format!("{}/", elsewhere.url));
        let server = Server::giving(redirect.header("content-type", "text/xml")).await;
        let request = request(&server.url);
        let answer = call(&request).await.unwrap();
        assert_eq!(answer.status, status);
        assert_matches!(CallerIdentity::verify(&answer, &request), Err(AnswerError::Unavailable { .. }));
        assert_eq!(elsewhere.count(), 0);
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_held() {
    let too_large = format!("the answer is longer than {MAX_ANSWER_BYTES} bytes");
    for (bytes, expected) in
        [(MAX_ANSWER_BYTES, Ok(MAX_ANSWER_BYTES)), (MAX_ANSWER_BYTES + 1, Err(too_large))]
    {
        let server = Server::giving(Reply::new(200, "x".repeat(bytes))).await;
        let answer = call(&request(&server.url)).await;
        assert_eq!(answer.map(|answer| answer.body.len()).map_err(|error| error.reason), expected);
    }
}

/// The first to use a connection that died while the function was frozen finds out.
#[tokio::test]
async fn a_connection_that_died_costs_no_caller_anything() {
    let server = RawServer::one_answer_for_each_connection(good_body());
    let (request, client) =
        (request(&server.url()), StsClient::new(identity_client(Protocol::Http).unwrap()));
    for expected in [1, 2, 3] {
        assert_eq!(client.call(&request).await.unwrap().status, 200);
        assert_eq!(server.connections(), expected);
    }
}

#[tokio::test]
async fn an_sts_that_drops_every_connection_is_asked_twice_and_its_error_shows_neither_proof_nor_signature() {
    let dropping = RawServer::dropping();
    let errors = [
        call(&request(&dropping.url())).await.unwrap_err(),
        StsClient::new(identity_client(Protocol::Http).unwrap())
            .send(&signed(&dropping.url()))
            .await
            .unwrap_err(),
    ];
    assert_eq!(dropping.connections(), 4);
    for error in errors {
        for secret in ["X-Amz-", "Signature", "session-token", "ASIAEXAMPLE0EXAMPLE0"] {
            assert!(!format!("{error} {error:?}").contains(secret), "{error:?}");
        }
    }
}

/// A question of the authorizer's own, for its login.
fn signed(url: &str) -> SignedRequest {
    let endpoint = StsEndpoint::loopback(url, &"eu-west-1".parse().unwrap()).unwrap();
    let credentials = credentials();
    let audience = "vault.example.com".parse().unwrap();
    let now = UNIX_EPOCH + Duration::from_secs(NOW);
    let request =
        WebIdentityRequest { credentials: &credentials, endpoint: &endpoint, audience: &audience, now };
    sign_get_web_identity_token(request).unwrap()
}

#[tokio::test]
async fn a_question_of_our_own_is_sent_as_it_was_signed_and_follows_no_redirect() {
    let elsewhere = Server::giving(Reply::new(200, good_body())).await;
    let server = Server::giving(Reply::new(307, "").header("location", elsewhere.url.as_str())).await;
    let request = signed(&server.url);
    let answer = StsClient::new(identity_client(Protocol::Http).unwrap()).send(&request).await.unwrap();
    assert_eq!((answer.status, elsewhere.count()), (307, 0));
    let asked = asked(&server).concat();
    assert!(asked.starts_with("POST / accept: text/xml, "), "{asked}");
    for (name, value) in request.headers().filter(|(name, _)| *name != "Host") {
        let line = format!("{}: {value}", name.to_ascii_lowercase());
        assert_eq!(asked.matches(&line).count(), 1, "{line}: {asked}");
    }
    assert!(asked.contains(&format!("content-length: {}", request.body().len())), "{asked}");
}
