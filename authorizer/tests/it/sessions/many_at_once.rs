//! Many requests at once in one process: who gets a token for all, and who waits.

use futures_util::future::join_all;

use super::*;

const AT_ONCE: usize = 64;

impl World {
    async fn mint_at_once(&self) -> Vec<Result<(), MintError>> {
        join_all((0..AT_ONCE).map(|_| self.mint())).await
    }
}

#[tokio::test]
async fn one_refresh_is_under_way_and_the_others_go_on_with_the_token_that_is_good() {
    let world = World::with(FakeLogin::lasting(60), wrapped).await;
    world.mint().await.unwrap();
    world.login.hangs.store(true, SeqCst);
    world.clock.forward_seconds(45);
    let refreshing = world.mint();
    let others = async {
        let began = tokio::time::Instant::now();
        assert!(world.mint_at_once().await.iter().all(Result::is_ok));
        began.elapsed()
    };
    let (refreshing, took) = tokio::join!(refreshing, others);
    assert!(refreshing.is_ok());
    assert!(took < Duration::from_millis(900), "{took:?}: a refresh that hangs is given up after a second");
    assert_eq!(world.attempts(), 2);
}

#[tokio::test]
async fn a_login_that_is_refused_is_refused_to_all_who_waited_for_it() {
    let world = World::with(FakeLogin::lasting(60), wrapped).await;
    world.login.refuses.store(true, SeqCst);
    for error in world.mint_at_once().await.into_iter().map(Result::unwrap_err) {
        assert_matches!(error, MintError::Login(VaultError { kind: VaultErrorKind::TimedOut, .. }));
    }
    assert_eq!(world.attempts(), 1);
    world.login.refuses.store(false, SeqCst);
    world.mint().await.unwrap();
    assert_eq!(world.attempts(), 2, "whoever comes later tries");
}

#[tokio::test]
async fn a_login_given_up_half_way_is_another_calls_turn() {
    let world = World::with(FakeLogin::lasting(60), wrapped).await;
    let given_up = tokio::time::timeout(Duration::from_millis(5), world.mint());
    let (given_up, minted) = tokio::join!(given_up, world.mint_at_once());
    assert!(given_up.is_err() && minted.iter().all(Result::is_ok));
    assert_eq!((world.attempts(), world.logins()), (2, 1));
}

#[tokio::test]
async fn a_login_that_lacked_time_says_nothing_to_others() {
    let world = World::with(FakeLogin::lasting(60), wrapped).await;
    world.login.short_of_time.store(true, SeqCst);
    let minted = world.mint_at_once().await;
    assert_eq!(minted.iter().filter(|minted| minted.is_ok()).count(), AT_ONCE - 1);
    assert_eq!((world.attempts(), world.logins()), (2, 1));
}

#[tokio::test]
async fn a_login_that_a_hurried_call_gave_up_fails_nobody_who_has_more_time() {
    let world = World::with(FakeLogin::lasting(60), wrapped).await;
    world.login.refuses.store(true, SeqCst);
    let hurried = async {
        let error = world.mint_within(2).await.unwrap_err();
        world.login.refuses.store(false, SeqCst);
        error
    };
    let (hurried, minted) = tokio::join!(hurried, world.mint_at_once());
    assert_matches!(hurried, MintError::Login(VaultError { kind: VaultErrorKind::TimedOut, .. }));
    assert!(minted.iter().all(Result::is_ok));
    assert_eq!((world.attempts(), world.logins()), (2, 1));
}

#[tokio::test]
async fn a_token_that_vault_has_forgotten_is_replaced_once_for_all() {
    let world = World::new(forgets(&Arc::new(1.into()))).await;
    assert!(world.mint_at_once().await.iter().all(Result::is_ok));
    assert_eq!(world.logins(), 2);
    let asked = world.vault.asked();
    let with = |token: &str| asked.iter().filter(|line| line.ends_with(token)).count();
    assert_eq!((with("s.login1"), with("s.login2")), (AT_ONCE, AT_ONCE));
}

/// As when a node takes all its connections along.
#[tokio::test]
async fn calls_that_break_together_are_sent_again_and_vault_is_not_left_alone() {
    let left = Arc::new(AtomicUsize::new(AT_ONCE));
    let world = World::new(move |line| {
        let breaks = left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
        if breaks { Reply::new(503, "") } else { wrapped(line) }
    })
    .await;
    assert!(world.mint_at_once().await.iter().all(Result::is_ok));
}
