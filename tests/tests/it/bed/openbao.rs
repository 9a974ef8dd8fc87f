//! OpenBao: storage, sealing, the audit log.

use std::time::Duration;

use serde_json::{Value, json};
use test_bed::openbao::OpenBao;
use test_bed::process::Scratch;
use test_bed::vault_setup::{self, Setup};

#[tokio::test]
async fn keeps_its_data_and_its_address_over_a_restart() {
    let scratch = Scratch::new("restart");
    let mut openbao = OpenBao::start(&scratch).await;
    let address = openbao.address().to_owned();
    vault_setup::configure(&openbao, &Setup::quickstart()).await;

    openbao.stop().await;
    assert!(reqwest::get(&address).await.unwrap_err().is_connect());
    openbao.start_again().await;

    assert_eq!(openbao.address(), address);
    let secret = openbao.as_root("GET", "secret/data/prod/orders", Value::Null).await;
    assert_eq!(secret["data"]["data"]["username"], "orders-prod");
}

#[tokio::test]
async fn answers_503_while_it_is_sealed() {
    let scratch = Scratch::new("sealed");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    let token = Some(openbao.root_token());

    openbao.seal().await;
    let (status, answer) = openbao.api("GET", "auth/token/lookup-self", token, Value::Null).await;
    assert_eq!((status, answer), (503, json!({"errors": ["Vault is sealed"]})));

    openbao.unseal().await;
    assert_eq!(openbao.api("GET", "auth/token/lookup-self", token, Value::Null).await.0, 200);
}

#[tokio::test]
async fn is_silent_while_it_is_paused() {
    let scratch = Scratch::new("paused");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    openbao.pause();
    let health = openbao.api("GET", "sys/health", None, Value::Null);
    assert!(tokio::time::timeout(Duration::from_millis(300), health).await.is_err());
    openbao.resume();
    assert_eq!(openbao.api("GET", "sys/health", None, Value::Null).await.0, 200);
}

#[tokio::test]
async fn audits_each_request_once_and_hashes_what_is_secret() {
    let scratch = Scratch::new("audit");
    let openbao = OpenBao::start_in_memory(&scratch).await;
    vault_setup::configure(&openbao, &Setup::quickstart()).await;
    let token = vault_setup::authorizer_token(&openbao).await;

    let mark = openbao.audit_mark();
    let wrap = [("X-Vault-Wrap-TTL", "30s")];
    let path = "auth/token/create/orders-prod-reader";
    let (status, minted) = openbao.api_with("POST", path, Some(&token), &wrap, json!({"ttl": "60s"})).await;
    assert_eq!(status, 200, "{minted}");
    openbao.api("GET", "secret/data/prod/orders", Some(&token), Value::Null).await;

    let requests = openbao.requests_since(mark);
    assert_eq!(requests, ["update auth/token/create/orders-prod-reader", "read secret/data/prod/orders"]);

    let audited = openbao.audit_entries().into_iter().rfind(|entry| {
        entry["type"] == "response" && entry["response"]["wrap_info"]["creation_path"] == path
    });
    let wrap_info = audited.expect("the mint is audited")["response"]["wrap_info"].clone();
    for field in ["token", "accessor", "wrapped_accessor"] {
        let clear = minted["wrap_info"][field].as_str().unwrap();
        assert_eq!(wrap_info[field], openbao.audit_hash(clear).await, "{field}");
    }
}
