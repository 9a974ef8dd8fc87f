//! The issuer, judged by a verifier that neither it nor the authorizer is built on: OpenBao's JWT auth method.

use serde_json::{Value, json};
use test_bed::http;
use test_bed::issuer::{Failure, Issuer, Signing, TokenSpec};
use test_bed::openbao::OpenBao;
use test_bed::process::Scratch;
use test_bed::vault_setup::{self, AUTHORIZER_ROLE};

#[tokio::test]
async fn signs_tokens_that_openbao_accepts_and_forges_ones_that_it_refuses() {
    let scratch = Scratch::new("issuer");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    let issuer = Issuer::start();
    vault_setup::jwt_login(&openbao, &issuer, "orders-api").await;
    let login = async |jwt: String| {
        openbao.api("POST", "auth/jwt/login", None, json!({"role": AUTHORIZER_ROLE, "jwt": jwt})).await
    };

    for signing in [Signing::Rs256, Signing::Es256, Signing::EdDsa] {
        let spec = TokenSpec::new().signing(signing);
        let (status, answer) = login(issuer.token(&spec)).await;
        assert_eq!(status, 200, "{signing:?}: {answer}");
        let (status, answer) = login(issuer.forged(&spec)).await;
        assert_eq!(status, 400, "forged {signing:?}: {answer}");
    }
    let malformed = [
        TokenSpec::new().signing(Signing::None),
        TokenSpec::new().signing(Signing::Hs256PublicKey),
        TokenSpec::new().expires_in(-600),
        TokenSpec::new().claim("aud", json!(["other"])),
        TokenSpec::new().claim("iss", "https://login.example.com/"),
        TokenSpec::new().without("sub"),
    ];
    for spec in malformed {
        let (status, answer) = login(issuer.token(&spec)).await;
        assert_eq!(status, 400, "{spec:?}: {answer}");
    }

    let old = issuer.token(&TokenSpec::new());
    issuer.rotate();
    assert_eq!(login(issuer.token(&TokenSpec::new())).await.0, 200, "the new key is fetched");
    assert_eq!(login(old).await.0, 400, "the old key is gone");
}

#[tokio::test]
async fn counts_what_is_fetched_and_breaks_on_request() {
    let issuer = Issuer::start();
    let client = http::client();
    let fetch = async || client.get(issuer.jwks_url()).send().await.unwrap();

    let jwks: Value = fetch().await.json().await.unwrap();
    let kids: Vec<_> = jwks["keys"].as_array().unwrap().iter().map(|key| key["kid"].clone()).collect();
    assert_eq!(kids, ["rs256-1", "es256-1", "eddsa-1"]);
    assert_eq!((issuer.discovery_fetches(), issuer.jwks_fetches()), (0, 1));

    issuer.fail(Failure::Status(503));
    assert_eq!(fetch().await.status(), 503);
    issuer.fail(Failure::Garbage);
    assert!(fetch().await.json::<Value>().await.is_err());
    issuer.fail(Failure::Huge);
    assert!(fetch().await.bytes().await.unwrap().len() > 8 << 20);
    issuer.heal();
    issuer.serve_jwks(json!({"keys": []}));
    assert_eq!(fetch().await.json::<Value>().await.unwrap(), json!({"keys": []}));
    assert_eq!(issuer.jwks_fetches(), 5);
}

#[tokio::test]
async fn plays_an_aws_accounts_issuer_that_openbao_accepts() {
    let scratch = Scratch::new("aws-issuer");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    let issuer = Issuer::start_as_aws_account();
    let keys = issuer.jwks()["keys"].take();
    let members: Vec<_> = keys.as_array().unwrap().iter().map(|key| (&key["kid"], &key["alg"])).collect();
    assert_eq!(members, [(&json!("RSA_0"), &Value::Null), (&json!("EC384_0"), &json!("ES384"))]);

    vault_setup::jwt_login(&openbao, &issuer, "orders-api").await;
    let login = async |jwt: String| {
        openbao.api("POST", "auth/jwt/login", None, json!({"role": AUTHORIZER_ROLE, "jwt": jwt})).await
    };
    let spec = TokenSpec::aws_iam("arn:aws:iam::123456789012:role/jobs/batch");
    for signing in [Signing::Rs256, Signing::Es384] {
        let (status, answer) = login(issuer.token(&spec.clone().signing(signing))).await;
        assert_eq!(status, 200, "{signing:?}: {answer}");
        let (status, answer) = login(issuer.forged(&spec.clone().signing(signing))).await;
        assert_eq!(status, 400, "forged {signing:?}: {answer}");
    }
    assert_eq!(
        login(issuer.token(&spec.signing(Signing::Es256))).await.0,
        400,
        "a key that is not published"
    );
}
