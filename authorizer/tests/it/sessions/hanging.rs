//! A Vault or an STS that accepts a request and does not answer it, and a function whose time is short.

use authorizer_adapters::{
    identity_client,
    sts::StsClient,
    vault::{
        AppRoleLogin, AppRoleLoginSettings, JwtLogin, JwtLoginSettings, JwtSource, LoginSecret, SecretId,
    },
};
use vault_transport::http::Protocol;

use super::*;

fn never() -> Reply {
    Reply::new(200, WRAPPED).after_millis(60_000)
}

/// What comes of an order with this login that must end within some seconds of the clock, and by itself a moment later.
async fn hurried(minter: &VaultMinter, seconds: u64, at_the_latest: Duration) -> MintError {
    let order = Order { deadline: UnixTime::from_seconds(NOW + seconds), ..order() };
    let minted = tokio::time::timeout(at_the_latest, minter.mint(&order)).await;
    minted.expect("it ends by itself").unwrap_err()
}

#[tokio::test]
async fn a_revocation_goes_on_where_its_request_runs_out_of_time() {
    let world = World::new(|_| Reply::new(204, "")).await;
    let undo = world.minter.undo(Undo::Clear(VaultToken::parse("s.clear").unwrap()));
    assert!(undo.now_or_never().is_none());
    let asked = async {
        while world.vault.count() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), asked).await.unwrap();
    assert_eq!(world.vault.asked(), ["POST /v1/auth/token/revoke-self s.clear"]);
}

#[tokio::test]
async fn a_refresh_that_hangs_holds_a_request_up_for_a_second_and_the_next_one_not_at_all() {
    let world = World::with(FakeLogin::lasting(60), wrapped).await;
    world.mint().await.unwrap();
    world.login.hangs.store(true, SeqCst);
    world.clock.forward_seconds(45);
    let minted = tokio::time::timeout(Duration::from_secs(10), world.mint()).await;
    assert!(minted.is_ok_and(|minted| minted.is_ok()), "with the token that is still good");
    assert_eq!(world.attempts(), 2);
    world.mint_after(4).await.unwrap();
    assert_eq!(world.attempts(), 2);
}

#[tokio::test]
async fn a_refresh_that_hangs_holds_a_request_with_little_time_up_for_a_part_of_it() {
    let world = World::with(FakeLogin::lasting(60), wrapped).await;
    world.minter.warm(Duration::from_secs(8)).await;
    world.login.hangs.store(true, SeqCst);
    world.clock.forward_seconds(45);
    // A refresh has a second where there is enough time, and then this ends after it.
    let warm = world.minter.warm(Duration::from_millis(200));
    assert!(tokio::time::timeout(Duration::from_millis(900), warm).await.is_ok());
    assert_eq!(world.attempts(), 2);
}

/// A function's time can be shorter than what a call may take: a Vault that hangs must count all the same.
#[tokio::test]
async fn a_vault_that_hangs_is_unreachable_and_counts_however_short_the_functions_time_is() {
    let log = Log::default();
    let _guard = log.capture();
    let world = World::with(FakeLogin::lasting(3600), |_| never()).await;
    let hurry = || hurried(&world.minter, 2, Duration::from_secs(4));
    for error in futures_util::future::join_all((0..5).map(|_| hurry())).await {
        let error = Refusal::from(error);
        assert_eq!(error.code(), Code::VaultUnreachable);
        assert_eq!(
            with_causes(&error),
            "the mint did not succeed: Vault did not answer `auth/token/create/r` in time"
        );
    }
    assert_matches!(hurry().await, MintError::NotAsked { failures: 5, .. });
    let text = log.text();
    assert_eq!(text.matches("Vault may have minted a token").count(), 5, "{text}");
}

#[tokio::test]
async fn a_login_that_hangs_ends_before_its_request_and_names_its_path() {
    let server = Server::giving(never()).await;
    let secret = |text| LoginSecret::parse(text).unwrap();
    let settings = AppRoleLoginSettings {
        mount: "approle".parse().unwrap(),
        role_id: secret("role"),
        secret_id: SecretId::Given(secret("secret")),
    };
    let clock = SetClock::at(NOW);
    let minter = minter(&server.url, AppRoleLogin::new(settings, clock.clone()), clock);
    let error = hurried(&minter, 2, Duration::from_secs(4)).await;
    assert_matches!(error, MintError::Login(VaultError { ref path, kind: VaultErrorKind::TimedOut }) if path == "auth/approle/login");
}

#[tokio::test]
async fn an_sts_that_hangs_during_a_login_ends_before_its_request() {
    let server = Server::giving(never()).await;
    let settings = JwtLoginSettings {
        mount: "jwt".parse().unwrap(),
        role: "r".parse().unwrap(),
        jwt: JwtSource::WebIdentity {
            audience: "vault.example.com".parse().unwrap(),
            sts: sts_identity::StsEndpoint::loopback(&server.url, &"eu-west-1".parse().unwrap()).unwrap(),
        },
    };
    let keys = aws_credential_types::Credentials::new("AKIAEXAMPLE", "secret", None, None, "test");
    let (sts, clock) = (StsClient::new(identity_client(Protocol::Http).unwrap()), SetClock::at(NOW));
    let login = JwtLogin::new(settings, sts, Box::new(keys), clock.clone());
    // The client for STS would wait for three seconds.
    let error = hurried(&minter(&server.url, login, clock), 1, Duration::from_millis(2500)).await;
    assert_matches!(error, MintError::LoginSts { .. });
}

#[tokio::test]
async fn a_mint_that_could_not_end_in_time_is_not_sent() {
    let world = World::with(FakeLogin::lasting(3600), wrapped).await;
    let error = Refusal::from(world.mint_within(0).await.unwrap_err());
    assert_eq!((error.code(), world.vault.count()), (Code::DeadlineExceeded, 0), "{error}");
}

/// Half a minute of trouble, and then a Vault that is well but slow to renew.
#[tokio::test]
async fn a_renewal_that_is_given_up_leaves_its_turn_to_the_mint_it_was_for() {
    let down = Arc::new(AtomicBool::new(false));
    let is_down = Arc::clone(&down);
    let world = World::with(FakeLogin::renewable(), move |line| match renewed_for(0, line) {
        Some(_) => Reply::new(200, "{}").after_millis(60_000),
        None if is_down.load(SeqCst) => Reply::new(500, ""),
        None => wrapped(line),
    })
    .await;
    world.mint().await.unwrap();
    down.store(true, SeqCst);
    for _ in 0..2 {
        world.mint().await.unwrap_err();
    }
    assert_matches!(world.mint().await, Err(MintError::NotAsked { .. }));
    down.store(false, SeqCst);
    world.mint_after(2400).await.unwrap();
}
