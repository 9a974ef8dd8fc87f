//! What a provider answers: what is accepted, and for how long.

use super::*;

/// Once for each set that is read, and not for each token.
#[tokio::test]
async fn every_key_that_is_not_used_is_logged_once_a_fetch() {
    let log = Log::default();
    let _guard = log.capture();
    let jwks = jwks_and([
        json!({"kty": "RSA", "kid": "weak\u{202e}", "n": b64(&[0xff; 128]), "e": "AQAB"}),
        changed(&published("ec"), &json!({"kid": "rsa", "alg": null})),
        changed(&published("ed"), &json!({"x": published("ec")["x"]})),
    ]);
    let world = World::new().await;
    world.serve(Served::keys(&jwks));
    for _ in 0..3 {
        world.current().await.unwrap();
    }
    let field = |line: &Value, name: &str| line[name].as_str().unwrap_or("-").to_owned();
    let of = |line: &Value| ["level", "issuer", "kid", "reason"].map(|name| field(line, name)).join(" ");
    let lines: Vec<String> = log.lines().iter().map(of).collect();
    let expected = [
        "WARN corp ed its `kty` `future` is not supported; RSA, EC and OKP are",
        "INFO corp enc its `use` is not `sig`",
        "WARN corp weak\\u{202e} its RSA modulus has 1024 bits; it needs 2048 to 8192, an odd modulus and an odd \
         exponent of 17 to 33 bits",
    ];
    assert_eq!(lines[..3], expected, "{lines:?}");
    // Either no point of the curve, or a second key under one `kid`, by chance of the numbers.
    assert!(lines.len() == 4 && lines[3].starts_with("WARN corp ed "), "{lines:?}");
    world.clock.forward_seconds(3601);
    world.current().await.unwrap();
    assert_eq!(log.lines().len(), 8);
}

#[tokio::test]
async fn what_the_provider_says_of_its_keys_age_is_heeded_within_bounds() {
    for (cache_control, fresh_seconds) in [
        // How it is read is tested beside the reader.
        ("public, max-age=600", 600),
        ("no-store", 300),
        ("private", 3600),
    ] {
        let world = World::with_keys(good().header("cache-control", cache_control)).await;
        world.clock.forward_seconds(fresh_seconds);
        assert_eq!((world.current().await, world.fetches()), (Ok(USABLE), 0), "{cache_control}");
        world.clock.forward_seconds(1);
        assert_eq!((world.current().await, world.fetches()), (Ok(USABLE), 1), "{cache_control}");
    }
}

#[tokio::test]
async fn an_unchanged_set_is_renewed_by_its_entity_tag() {
    let world = World::new().await;
    world.serve(good().tagged("\"1\""));
    assert_eq!((world.current().await, world.provider.asked()), (Ok(USABLE), vec!["/keys -".to_owned()]));
    for _ in 0..30 {
        world.clock.forward_seconds(3601);
        // The body is not read: with 304 there is none.
        assert_eq!(world.current().await, Ok(USABLE));
        assert_eq!(world.provider.asked(), ["/keys \"1\""]);
        assert_eq!((world.current().await, world.fetches()), (Ok(USABLE), 0), "renewed");
    }
    world.serve(one_key().tagged("\"2\""));
    world.clock.forward_seconds(3601);
    assert_eq!((world.current().await, world.provider.asked()), (Ok(1), vec!["/keys \"1\"".to_owned()]));
}

#[tokio::test]
async fn a_304_that_was_not_asked_for_gives_no_keys_and_renews_none() {
    let world = World::new().await;
    world.serve(Served::status(304, ""));
    let reason = world.current().await.unwrap_err();
    assert!(reason.contains("/keys: status 304"), "{reason}");
    // Keys without an entity tag cannot be asked for by one.
    let world = World::then(Served::status(304, "")).await;
    world.clock.forward_seconds(24 * 3600);
    assert_eq!((world.current().await, world.provider.asked()), (Ok(USABLE), vec!["/keys -".to_owned()]));
    world.clock.forward_seconds(2);
    assert!(world.current().await.is_err());
}

#[tokio::test]
async fn an_answer_that_is_no_key_set_never_replaces_good_keys() {
    let world = World::new().await;
    assert_eq!((world.current().await, world.fetches()), (Ok(USABLE), 1));
    for (status, body) in [
        (200, "<html>sign in</html>".to_owned()),
        (200, json!({"keys": []}).to_string()),
        (200, json!({"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}).to_string()),
        (200, keys().jwks().to_string().replacen("\"kid\"", "\"kty\":\"RSA\",\"kid\"", 1)),
        (200, json!({"keys": vec![keys().rsa_public_jwk(); 129]}).to_string()),
        (200, " ".repeat(300_000)),
        (500, keys().jwks().to_string()),
        (204, String::new()),
        (206, keys().jwks().to_string()),
        (302, keys().jwks().to_string()),
        (304, String::new()),
    ] {
        world.serve(Served::status(status, body));
        world.clock.forward_seconds(61);
        assert!(world.refreshed().await.is_err(), "{status}: whether there is a newer key cannot be known");
        assert_eq!((world.current().await, world.fetches()), (Ok(USABLE), 1), "{status}");
    }
}

/// Who can write a redirect into the provider's answers must not choose the keys.
#[tokio::test]
async fn rejects_a_redirect_to_other_keys() {
    let elsewhere = Provider::start().await;
    for status in [301, 302, 303, 307, 308] {
        let world = World::new().await;
        let location = format!("{}/keys", elsewhere.server.url);
        world.serve(Served::status(status, keys().jwks().to_string()).header("location", &location));
        let reason = world.current().await.unwrap_err();
        assert!(reason.contains(&format!("/keys: status {status}")), "{reason}");
    }
    assert!(elsewhere.asked().is_empty());
}

#[tokio::test]
async fn a_query_in_a_uri_is_not_shown() {
    let server = Server::giving(Reply::new(500, "")).await;
    let uri = format!("{}/keys?api_key=secret-of-the-provider", server.url);
    let corp = Corp::of(document().corp(&format!("jwks: {{file: null, uri: \"{uri}\"}}")));
    let reason = corp.current().await.unwrap_err();
    assert!(!reason.contains("secret-of-the-provider") && reason.contains("/keys"), "{reason}");
}

#[tokio::test]
async fn stale_keys_are_not_used_while_the_provider_answers() {
    let world = World::with_keys(good()).await;
    world.clock.forward_seconds(3601);
    world.serve(one_key());
    assert_eq!((world.current().await, world.fetches()), (Ok(1), 1));
}
