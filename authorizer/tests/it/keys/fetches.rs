//! When a provider is asked, and who waits for it.

use super::*;

#[tokio::test]
async fn keys_are_fetched_once_for_concurrent_callers_and_kept() {
    let world = World::new().await;
    assert_eq!(tokio::join!(world.current(), world.current()), (Ok(USABLE), Ok(USABLE)));
    assert_eq!(world.fetches(), 1);
    world.clock.forward_seconds(3600);
    assert_eq!((world.current().await, world.fetches()), (Ok(USABLE), 0));
    world.clock.forward_seconds(1);
    assert_eq!((world.current().await, world.fetches()), (Ok(USABLE), 1));
}

/// What a caller can make of a `kid` that he chooses: a handful of fetches, and no wait for anybody else's new key.
#[tokio::test]
async fn a_flood_of_unknown_kids_costs_a_handful_of_fetches_and_holds_up_no_rotation() {
    const MOST_FETCHES: usize = 12;
    let provider = Provider::start().await;
    let bed = Bed::of(document().keys_at(&provider.server.url));
    assert_eq!(bed.code_of(&event(&good_token())).await, "allowed");

    let rotated = Keys::generate();
    let new_token = event(&rotated.ed25519(&header("EdDSA", "ed-2"), &claims()));
    let (mut rotated_at, mut accepted_after, mut looked_up) = (None, None, 0);
    for millis in 0..10_000 {
        let forged = header("EdDSA", &format!("kid-{millis}"));
        match bed.code_of(&event(&rotated.ed25519(&forged, &claims()))).await.as_str() {
            "key_unknown" => looked_up += 1,
            code => assert_eq!(code, "jwks_unavailable", "after {millis} ms"),
        }
        if millis == 5_100 {
            provider.serve(Served::keys(&renamed(rotated.jwks(), "-2")));
            rotated_at = Some(millis);
        }
        if let (Some(at), None) = (rotated_at, accepted_after) {
            match bed.code_of(&new_token).await.as_str() {
                "allowed" => accepted_after = Some(millis - at),
                // A good caller is never told that the key is unknown.
                code => assert_eq!(code, "jwks_unavailable"),
            }
        }
        bed.clock.forward_millis(1);
    }
    assert!(accepted_after.is_some_and(|millis| millis <= 2_000), "{accepted_after:?}");
    let fetches = provider.asked().len();
    assert!((2..=MOST_FETCHES).contains(&fetches), "{fetches} fetches");
    // Who is told so has had the provider asked.
    assert!((2..=MOST_FETCHES).contains(&looked_up), "{looked_up}");
    bed.clock.forward_millis(1500);
    assert_eq!(bed.code_of(&event(&good_token())).await, "key_unknown", "the old keys are gone");
}

/// The same set under other ids.
fn renamed(mut jwks: Value, suffix: &str) -> Value {
    for jwk in jwks["keys"].as_array_mut().unwrap() {
        jwk["kid"] = format!("{}{suffix}", jwk["kid"].as_str().unwrap()).into();
    }
    jwks
}

#[tokio::test]
async fn an_unknown_key_is_asked_for_at_once_where_nobody_asked_lately() {
    const TOO_OFTEN: &str = "too many recent fetches were for unknown keys";
    let world = World::with_keys(good()).await;
    let mut answers = Vec::new();
    for _ in 0..1000 {
        answers.push(world.refreshed().await);
    }
    assert_eq!(answers[..4], vec![Ok(USABLE); 4]);
    for withheld in &answers[4..] {
        let reason = withheld.as_ref().unwrap_err();
        assert!(reason.ends_with(TOO_OFTEN), "{reason}");
    }
    assert_eq!(world.fetches(), 4);
    world.clock.forward_millis(1499);
    assert_eq!((world.refreshed().await.is_err(), world.fetches()), (true, 0));
    world.clock.forward_millis(1);
    assert_eq!((world.refreshed().await, world.fetches()), (Ok(USABLE), 1));
}

/// The fetch may have asked the provider before the key was published.
#[tokio::test]
async fn a_fetch_that_began_before_the_key_was_named_denies_nobody() {
    let gate = Arc::new(Semaphore::new(0));
    let world = World::then(good().behind(&gate)).await;
    let (first, second, _) =
        tokio::join!(world.refreshed(), world.refreshed(), async { gate.add_permits(1) });
    assert_eq!(first, Ok(USABLE), "it is in no set that was fetched for it");
    let reason = second.unwrap_err();
    assert!(reason.ends_with("and a fetch that may find it began before this request"), "{reason}");
    assert_eq!(world.fetches(), 1);
}

/// A fetch that found it serves everybody who waited.
#[tokio::test]
async fn a_new_key_is_found_by_anothers_fetch() {
    let gate = Arc::new(Semaphore::new(0));
    let world = World::then(one_key().behind(&gate)).await;
    let found = tokio::join!(world.asked(is_new), world.asked(is_new), async { gate.add_permits(1) });
    assert_eq!((found.0, found.1, world.fetches()), (Ok(1), Ok(1), 1));
}

/// A stranger's unknown `kid`s and a provider that hangs: the fetch is never driven on, so that only patience ends a wait.
#[tokio::test]
async fn a_known_key_never_waits_for_anothers_fetch() {
    let world = World::then(good().never()).await;
    let mut refresh = pin!(world.refreshed());
    assert!(refresh.as_mut().now_or_never().is_none(), "the fetch is under way");
    assert_eq!(world.current().now_or_never(), Some(Ok(USABLE)));
    world.clock.forward_seconds(3601);
    let current = world.current().now_or_never();
    assert_eq!(current, Some(Ok(USABLE)), "old keys are good while the provider is slow");
}

#[tokio::test]
async fn unknown_keys_hold_an_instance_for_a_second_a_fetch() {
    let world = World::then(good().never()).await;
    let reason = world.refreshed().await.unwrap_err();
    assert!(reason.ends_with("/keys: no answer yet; the fetch goes on"), "{reason}");
    world.clock.forward_seconds(1);
    let others = join_all((0..20).map(async |_| world.refreshed().await.unwrap_err()));
    let at_once = tokio::time::timeout(Duration::from_millis(500), others).await;
    assert!(at_once.is_ok(), "the second of this fetch is used up");
    assert_eq!(world.fetches(), 1);
}

/// It takes longer than a caller whose keys are old waits for it, and than one whose time is up. Were the fetch dropped
/// with its caller, such a provider would not be heard until its keys are a day old, nor would any new key of it.
#[tokio::test]
async fn a_slow_provider_is_heard_although_nobody_waits_for_it() {
    let gate = Arc::new(Semaphore::new(0));
    let world = World::then(one_key().behind(&gate)).await;
    world.clock.forward_seconds(3601);
    assert_eq!(world.current().await, Ok(USABLE), "the old ones serve meanwhile");
    assert!(world.asked(is_new).now_or_never().is_none(), "its caller's time is up");
    gate.add_permits(1);
    assert_eq!((world.asked(is_new).await, world.fetches()), (Ok(1), 1));
    assert_eq!((world.current().await, world.fetches()), (Ok(1), 0));
}

/// Frozen for a minute, it finds the answer that has waited for it.
#[tokio::test]
async fn an_answer_that_came_while_the_function_was_frozen_is_taken() {
    let gate = Arc::new(Semaphore::new(0));
    let world = World::then(one_key().behind(&gate)).await;
    assert!(world.asked(is_new).now_or_never().is_none());
    world.clock.forward_seconds(60);
    gate.add_permits(1);
    assert_eq!((world.asked(is_new).await, world.fetches()), (Ok(1), 1));
}

/// The first to use a connection that died while the function was frozen finds out.
#[tokio::test]
async fn a_connection_that_died_costs_no_caller_anything() {
    let server = RawServer::one_answer_for_each_connection(keys().jwks().to_string());
    let corp = Corp::of(document().keys_at(&server.url()));
    for expected in [1, 2, 3] {
        assert_eq!(corp.refreshed().await, Ok(USABLE));
        assert_eq!(server.connections(), expected);
    }
}

/// Without keys there is nothing to serve meanwhile: the caller waits for some seconds, and learns why. A fetch ends after
/// ten, of the test's own time.
#[tokio::test]
async fn without_keys_a_provider_that_hangs_is_an_outage_and_its_fetch_ends() {
    let world = World::new().await;
    world.serve(good().never());
    let reason = world.current().await.unwrap_err();
    assert!(reason.ends_with("/keys: no answer yet; the fetch goes on"), "{reason}");
    let reason = world.current().await.unwrap_err();
    // Two timers of one length run for this, and the fetch may end a moment after the wait.
    let ended = reason.ends_with("/keys: no answer within 10 s");
    assert!(ended || reason.ends_with("/keys: no answer yet; the fetch goes on"), "{reason}");
    world.serve(good());
    tokio::time::sleep(Duration::from_millis(200)).await;
    world.clock.forward_seconds(1);
    assert_eq!((world.current().await, world.fetches()), (Ok(USABLE), 2));
}

#[tokio::test]
async fn without_keys_a_slow_provider_serves_the_first_caller() {
    let world = World::new().await;
    let gate = Arc::new(Semaphore::new(0));
    world.serve(good().behind(&gate));
    let late = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        gate.add_permits(1);
    };
    assert_eq!(tokio::join!(world.current(), late).0, Ok(USABLE));
}

#[tokio::test]
async fn while_the_provider_is_down_keys_are_used_for_a_day_and_no_longer() {
    let world = World::new().await;
    world.current().await.unwrap();
    world.serve(Served::status(503, ""));
    world.clock.forward_seconds(24 * 3600);
    assert_eq!(world.current().await, Ok(USABLE));
    world.clock.forward_seconds(11);
    let reason = world.current().await.unwrap_err();
    assert!(reason.contains("/keys: status 503"), "{reason}");
    world.serve(good());
    world.clock.forward_seconds(11);
    assert_eq!(world.current().await, Ok(USABLE));
}

#[tokio::test]
async fn without_any_keys_a_provider_is_asked_again_after_a_second() {
    let world = World::new().await;
    world.serve(Served::status(503, ""));
    assert!(world.current().await.is_err() && world.current().await.is_err());
    assert_eq!(world.fetches(), 1);
    world.serve(good());
    assert!(world.current().await.is_err());
    world.clock.forward_seconds(1);
    assert_eq!(world.current().await, Ok(USABLE));
}

#[tokio::test]
async fn a_fetch_that_init_did_not_wait_for_is_the_first_requests() {
    let world = World::new().await;
    assert!(world.current().now_or_never().is_none(), "given up while the fetch is under way");
    assert_eq!((world.current().await, world.fetches()), (Ok(USABLE), 1));
}
