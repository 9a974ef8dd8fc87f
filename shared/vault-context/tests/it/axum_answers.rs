//! The extractor in a router: what a handler gets, and what a client without a token is answered.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, Request, Response, StatusCode};
use axum::routing::get;
use tower_service::Service;
use vault_context::VaultContext;
use vault_context::axum::RequestToken;
use vault_context::unwrap::{Integration, UnwrapError};

use crate::fake_vault::{FakeVault, Reply};
use crate::unwrap::{LOOKUP, REVOKE, UNWRAP, answering, event_until, fake, integration};

/// A request with a token that lives for a minute from now.
#[expect(clippy::disallowed_methods, reason = "the extractor goes by the time of the request")]
pub(crate) fn request(address: &str) -> Request<Body> {
    let minute = SystemTime::now().duration_since(UNIX_EPOCH).unwrap() + Duration::from_secs(60);
    let context = event_until(address, minute.as_secs())["requestContext"]["authorizer"].take();
    let context = VaultContext::from_context(context.as_object().unwrap()).unwrap();
    let headers = context.to_headers();
    let request =
        headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, value));
    request.uri("/orders").body(Body::empty()).unwrap()
}

async fn orders(RequestToken(token): RequestToken) -> Result<String, UnwrapError> {
    let secret = token.kv("secret").get("orders").await?;
    let caller = token.caller().id.clone();
    token.revoke().await?;
    Ok(format!("{caller} {}", secret.len()))
}

async fn answer(fake: &FakeVault, request: Request<Body>) -> Response<Body> {
    let mut router: Router = Router::new().route("/orders", get(orders)).with_state::<()>(integration(fake));
    router.call(request).await.unwrap()
}

async fn text(response: Response<Body>) -> String {
    String::from_utf8(to_bytes(response.into_body(), 4096).await.unwrap().to_vec()).unwrap()
}

#[tokio::test]
async fn a_handler_gets_the_opened_token() {
    let fake = fake(|_| None).await;
    let response = answer(&fake, request(&fake.address)).await;
    assert_eq!((response.status(), text(response).await.as_str()), (StatusCode::OK, "corp:alice 1"));
    assert_eq!(fake.seen_at(REVOKE).len(), 1);
}

#[tokio::test]
async fn a_refusal_is_403_an_outage_503_and_a_set_up_that_is_wrong_500_with_the_code_alone() {
    const VAULTS_OWN: &str = "the words of Vault";
    for (path, status, expected, code) in [
        (LOOKUP, 503, 503, "vault_unavailable"),
        (LOOKUP, 403, 500, "vault_refused"),
        (UNWRAP, 403, 500, "vault_refused"),
        ("/v1/secret/data/orders", 404, 500, "vault_refused"),
    ] {
        let fake = answering(path, move || Reply::errors(status, VAULTS_OWN)).await;
        let response = answer(&fake, request(&fake.address)).await;
        assert_eq!(response.status().as_u16(), expected, "{path} {status}");
        let header = |name| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(header("retry-after"), (expected == 503).then(|| "1".to_owned()));
        assert_eq!(header("cache-control").as_deref(), Some("no-store"));
        assert_eq!(header("content-type").as_deref(), Some("application/json"));
        assert_eq!(text(response).await, format!(r#"{{"error":"{code}"}}"#));
    }
    let fake = fake(|_| None).await;
    let response = answer(&fake, Request::get("/orders").body(Body::empty()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    assert_eq!(text(response).await, r#"{"error":"no_context"}"#);
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn rejects_an_envelope_that_a_client_added_to() {
    let fake = fake(|_| None).await;
    let smuggled = [("x_vault_context_grant", "admin"), ("x-vault-context-wrapping-token", "hvs.smuggled")];
    for (name, value) in smuggled {
        let mut request = request(&fake.address);
        request.headers_mut().append(name, value.parse().unwrap());
        assert_eq!(text(answer(&fake, request).await).await, r#"{"error":"context_invalid"}"#, "{name}");
    }
    let mut request = request(&fake.address);
    let unreadable = HeaderValue::from_bytes(b"corp:\xe9").unwrap();
    request.headers_mut().insert("x-vault-context-caller-id", unreadable);
    assert_eq!(text(answer(&fake, request).await).await, r#"{"error":"context_invalid"}"#);
    assert!(fake.seen().is_empty());
}

/// The state of a router is mostly more than the integration.
#[tokio::test]
async fn the_integration_is_taken_out_of_any_state() {
    #[derive(Clone)]
    struct State(Integration);

    impl axum::extract::FromRef<State> for Integration {
        fn from_ref(state: &State) -> Self {
            state.0.clone()
        }
    }

    let fake = fake(|_| None).await;
    let router = Router::new().route("/orders", get(orders)).with_state::<()>(State(integration(&fake)));
    let response = router.clone().call(request(&fake.address)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}
