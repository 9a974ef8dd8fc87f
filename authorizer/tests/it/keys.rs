//! The issuers' keys: when they are fetched, and what never replaces them.

use std::sync::{Arc, Mutex};

use futures_util::FutureExt;
use serde_json::json;
use vault_authorizer::{adapters::jwks::Jwks, config::Config, identity::KeySource, names::IssuerName};

use crate::support::*;

struct World {
    server: Server,
    serves: Arc<Mutex<(u16, String)>>,
    clock: Arc<SetClock>,
    keys: Jwks,
    corp: IssuerName,
}

impl World {
    async fn new() -> Self {
        let serves = Arc::new(Mutex::new((200, keys().jwks().to_string())));
        let served = Arc::clone(&serves);
        let server = Server::start(move |_| served.lock().unwrap().clone()).await;
        let source = format!("{{uri: \"{}/keys\"}}", server.url);
        let config = Config::parse(&CONFIG.replacen("{file: jwks.json}", &source, 1), &task_root()).unwrap();
        let clock = SetClock::at(NOW);
        let (_, keys) = Jwks::new(config.issuers, clock.clone()).unwrap();
        Self { server, serves, clock, keys, corp: "corp".parse().unwrap() }
    }

    fn serve(&self, status: u16, body: impl Into<String>) {
        *self.serves.lock().unwrap() = (status, body.into());
    }

    async fn current(&self) -> Result<usize, String> {
        self.keys.current(&self.corp).await.map(|keys| keys.len()).map_err(|error| error.reason)
    }

    async fn refreshed(&self) -> Result<usize, String> {
        self.keys.refreshed(&self.corp).await.map(|keys| keys.len()).map_err(|error| error.reason)
    }

    fn fetches(&self) -> usize {
        self.server.asked().len()
    }
}

#[tokio::test]
async fn keys_are_fetched_once_for_concurrent_callers_and_kept() {
    let world = World::new().await;
    let all = tokio::join!(world.current(), world.current(), world.refreshed());
    assert_eq!(all, (Ok(3), Ok(3), Ok(3)));
    assert_eq!(world.fetches(), 1);
    world.clock.forward_seconds(3600);
    assert_eq!((world.current().await, world.fetches()), (Ok(3), 0));
    world.clock.forward_seconds(1);
    assert_eq!((world.current().await, world.fetches()), (Ok(3), 1));
}

#[tokio::test]
async fn a_flood_of_unknown_kids_costs_one_fetch() {
    let world = World::new().await;
    world.current().await.unwrap();
    world.clock.forward_seconds(10);
    world.fetches();
    for _ in 0..1000 {
        world.refreshed().await.unwrap();
    }
    assert_eq!(world.fetches(), 1);
    world.clock.forward_seconds(10);
    world.refreshed().await.unwrap();
    assert_eq!(world.fetches(), 1);
}

#[tokio::test]
async fn an_answer_that_is_no_key_set_never_replaces_good_keys() {
    let world = World::new().await;
    assert_eq!((world.current().await, world.fetches()), (Ok(3), 1));
    for (status, body) in [
        (200, "<html>sign in</html>".to_owned()),
        (200, json!({"keys": []}).to_string()),
        (200, json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}).to_string()),
        (200, " ".repeat(300_000)),
        (500, keys().jwks().to_string()),
        (204, String::new()),
        (302, keys().jwks().to_string()),
    ] {
        world.serve(status, body);
        world.clock.forward_seconds(11);
        assert!(world.refreshed().await.is_err(), "{status}: whether there is a newer key cannot be known");
        assert_eq!((world.current().await, world.fetches()), (Ok(3), 1), "{status}");
    }
}

#[tokio::test]
async fn while_the_provider_is_down_keys_are_used_for_a_day_and_no_longer() {
    let world = World::new().await;
    world.current().await.unwrap();
    world.serve(503, "");
    world.clock.forward_seconds(24 * 3600);
    assert_eq!(world.current().await, Ok(3));
    world.clock.forward_seconds(11);
    let reason = world.current().await.unwrap_err();
    assert!(reason.contains("/keys: status 503"), "{reason}");
    world.serve(200, keys().jwks().to_string());
    world.clock.forward_seconds(11);
    assert_eq!(world.current().await, Ok(3));
}

#[tokio::test]
async fn without_any_keys_a_provider_is_asked_again_after_a_second() {
    let world = World::new().await;
    world.serve(503, "");
    assert!(world.current().await.is_err() && world.current().await.is_err());
    assert_eq!(world.fetches(), 1);
    world.serve(200, keys().jwks().to_string());
    assert!(world.current().await.is_err());
    world.clock.forward_seconds(1);
    assert_eq!(world.current().await, Ok(3));
}

#[tokio::test]
async fn a_clock_set_back_does_not_stop_the_fetching() {
    let world = World::new().await;
    world.current().await.unwrap();
    world.clock.back_seconds(86_400);
    world.fetches();
    world.refreshed().await.unwrap();
    assert_eq!(world.fetches(), 1);
}

#[tokio::test]
async fn a_fetch_given_up_at_init_is_tried_again_by_the_first_request() {
    let world = World::new().await;
    assert!(world.current().now_or_never().is_none(), "given up while the fetch is under way");
    assert_eq!(world.current().await, Ok(3));
}

#[tokio::test]
async fn a_query_in_a_uri_is_not_shown() {
    let server = Server::start(|_| (500, String::new())).await;
    let source = format!("{{uri: \"{}/keys?api_key=secret-of-the-provider\"}}", server.url);
    let config = Config::parse(&CONFIG.replacen("{file: jwks.json}", &source, 1), &task_root()).unwrap();
    let (_, keys) = Jwks::new(config.issuers, SetClock::at(NOW)).unwrap();
    let reason = keys.current(&"corp".parse().unwrap()).await.unwrap_err().reason;
    assert!(!reason.contains("secret-of-the-provider") && reason.contains("/keys"), "{reason}");
}
