//! A Vault that refuses, is down, or limits the rate: which calls are repeated, and which are no longer made.

use authorizer_adapters::vault::{AwsLogin, AwsLoginSettings};

use super::*;

const LEADER_LOST: &str =
    r#"{"errors": ["failed to persist accessor index entry: leadership lost while committing log"]}"#;
const QUOTA: &str = r#"{"errors": ["request path \"auth/token/create/r\": rate limit quota exceeded"]}"#;

#[tokio::test]
async fn an_acl_denial_is_no_reason_to_log_in_again() {
    let world = World::new(|_| Reply::new(403, ACL_403)).await;
    let error = world.mint().await.unwrap_err();
    assert_matches!(error, MintError::Vault(VaultError { kind: VaultErrorKind::Forbidden, .. }));
    assert_eq!((world.vault.asked().len(), world.logins()), (1, 1));
}

/// Word for word what OpenBao says. It is about the tenant: no reason to log in, to try again or to leave Vault alone.
#[tokio::test]
async fn a_tenant_that_vault_has_disabled_is_a_denial_and_nothing_else() {
    const DISABLED: &str = r#"{"errors": ["entity from given entity alias is disabled"]}"#;
    let world = World::new(|_| Reply::new(403, DISABLED)).await;
    for _ in 0..8 {
        let order = Order { entity_alias: Some("blue@corp".to_owned()), ..order() };
        let error = world.minter.mint(&order).await.unwrap_err();
        // It may be the caller's name, which the log may be told to leave out.
        assert!(!error.to_string().contains("blue"), "{error}");
        assert_eq!(Refusal::from(error).code(), Code::IdentityValueRefused);
    }
    assert_eq!(world.vault.asked(), ["POST /v1/auth/token/create/r s.login1"; 8]);
    // Who asked for no alias is not refused for one.
    let error = world.mint().await.unwrap_err();
    assert_eq!(Refusal::from(error).code(), Code::VaultMintRefused);
}

#[tokio::test]
async fn a_vault_that_is_down_is_tried_four_times_and_no_more() {
    let dropping = RawServer::dropping();
    let minter = minter(&dropping.url(), FakeLogin::renewable(), SetClock::at(NOW));
    let error = minter.mint(&order()).await.unwrap_err();
    assert_matches!(error, MintError::Vault(VaultError { kind: VaultErrorKind::Unreachable { .. }, .. }));
    assert_eq!(dropping.connections(), 4);
}

/// What a login meets after a freeze: a connection that the other side has forgotten.
#[tokio::test]
async fn a_login_whose_connection_breaks_is_sent_again() {
    let dropping = RawServer::dropping();
    let settings = AwsLoginSettings {
        mount: "aws".parse().unwrap(),
        role: "r".parse().unwrap(),
        server_id: "vault.example.com".parse().unwrap(),
        sts: sts_identity::StsEndpoint::regional(&"eu-west-1".parse().unwrap()),
    };
    let keys = aws_credential_types::Credentials::new("AKIAEXAMPLE", "secret", None, None, "test");
    let login = AwsLogin::new(settings, Box::new(keys), SetClock::at(NOW));
    let error = minter(&dropping.url(), login, SetClock::at(NOW)).mint(&order()).await.unwrap_err();
    assert_matches!(error, MintError::Login(VaultError { kind: VaultErrorKind::Unreachable { .. }, .. }));
    assert_eq!(dropping.connections(), 4);
}

/// What OpenBao and Vault say while they pass from one leader to the next.
#[tokio::test]
async fn a_failure_that_passes_is_no_callers_fault() {
    const NO_LEADER: &str = r#"{"errors": ["local node not active but active cluster node not found"]}"#;
    const ONE_OF_EACH: [&[(u16, &str, Option<&str>)]; 7] = [
        &[(500, NO_LEADER, None), (200, WRAPPED, None)],
        &[(503, r#"{"errors": ["Vault is sealed"]}"#, None), (200, WRAPPED, None)],
        &[(502, "<html>a load balancer</html>", None), (504, "", None), (200, WRAPPED, None)],
        &[(412, r#"{"errors": ["required index state not present"]}"#, None), (200, WRAPPED, None)],
        &[(429, r#"{"errors": []}"#, Some("1")), (200, WRAPPED, None)],
        &[(400, LEADER_LOST, None), (200, WRAPPED, None)],
        &[(473, "", None), (200, WRAPPED, None)],
    ];
    for script in ONE_OF_EACH {
        let world = World::scripted(script).await;
        world.mint().await.unwrap_or_else(|error| panic!("{script:?}: {error}"));
        assert_eq!(world.vault.count(), script.len(), "{script:?}");
    }
}

#[tokio::test]
async fn a_refusal_is_final_and_so_is_a_wait_that_does_not_fit() {
    const REFUSALS: [&[(u16, &str, Option<&str>)]; 6] = [
        &[(403, ACL_403, None)],
        &[(400, r#"{"errors": ["unknown role r"]}"#, None)],
        &[(404, r#"{"errors": []}"#, None)],
        &[(429, QUOTA, None)],
        &[(429, QUOTA, Some("0"))],
        &[(429, QUOTA, Some("1"))],
    ];
    for script in REFUSALS {
        let world = World::scripted(script).await;
        assert!(world.mint().await.is_err());
        assert_eq!(world.vault.count(), 1, "{script:?}");
    }
    // No time is left for another attempt, whose pause is 30 ms at least.
    let clock = SetClock::at(NOW);
    let passes = clock.clone();
    let server = Server::start(move |_| {
        passes.forward_millis(7_900);
        Reply::new(500, "")
    })
    .await;
    minter(&server.url, FakeLogin::lasting(3600), clock).mint(&order()).await.unwrap_err();
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a_vault_that_is_down_is_left_alone_and_tried_by_one_call() {
    const DOWN: (u16, &str, Option<&str>) = (500, "", None);
    let world = World::scripted(&[DOWN, DOWN, DOWN, DOWN, (503, "", None), (200, WRAPPED, None)]).await;
    let mint = async || world.mint_within(60).await;
    for _ in 0..2 {
        let error = mint().await.unwrap_err();
        assert_matches!(error, MintError::Vault(VaultError { kind: VaultErrorKind::Unavailable { .. }, .. }));
    }
    assert_eq!(world.vault.count(), 5, "the fifth failure in a row was one too many");
    for _ in 0..10 {
        assert_matches!(mint().await, Err(MintError::NotAsked { failures: 5, sealed: false, .. }));
    }
    assert_eq!(world.vault.count(), 5);
    world.clock.forward_seconds(1);
    assert!(mint().await.is_ok() && mint().await.is_ok(), "and back, it is asked as before");
    assert_eq!(world.vault.count(), 7);
}

/// Vault says no to whoever sends too much: it is there, and others are not turned away for it.
#[tokio::test]
async fn refusals_and_quotas_never_stop_the_asking() {
    const SCRIPTS: [&[(u16, &str, Option<&str>)]; 3] =
        [&[(403, ACL_403, None)], &[(429, QUOTA, None)], &[(400, "", None)]];
    for script in SCRIPTS {
        let world = World::scripted(script).await;
        for _ in 0..20 {
            assert!(world.mint().await.is_err());
        }
        assert_eq!(world.vault.count(), 20);
    }
}

/// A caller beyond one grant's quota: nobody waits for it, in that grant or another.
#[tokio::test]
async fn one_grants_quota_holds_up_no_other_grant() {
    for refusal in [(429, QUOTA, Some("5")), (429, "<html>a load balancer</html>", Some("5"))] {
        let world = World::scripted(vec![refusal, (200, WRAPPED, None)].leak()).await;
        let began = tokio::time::Instant::now();
        let refused = world.mint().await.unwrap_err();
        assert_matches!(refused, MintError::Vault(VaultError { kind: VaultErrorKind::Throttled { .. }, .. }));
        for _ in 0..10 {
            let refused = world.mint().await.unwrap_err();
            assert!(matches!(refused, MintError::Throttled { seconds_left: 5, .. }), "{refused:?}");
            assert_eq!(Refusal::from(refused).code(), Code::VaultThrottled);
        }
        assert_eq!(world.vault.count(), 1);
        let other = Order { creation_path: "auth/token/create/other".to_owned(), ..order() };
        world.minter.mint(&other).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(1), "nothing slept");
        world.mint_after(5).await.unwrap();
        assert_eq!(world.vault.count(), 3);
    }
}

/// Refuses each login for a rate limit, and counts them.
struct ThrottledLogin(Arc<AtomicU64>);

impl Login for ThrottledLogin {
    fn login<'a>(&'a self, _vault: &'a Vault, _by: UnixTime) -> LoginFuture<'a> {
        self.0.fetch_add(1, SeqCst);
        let throttled = VaultErrorKind::Throttled { retry_after_seconds: Some(3) };
        Box::pin(std::future::ready(Err(MintError::Login(throttled.at("auth/aws/login")))))
    }
}

#[tokio::test]
async fn a_login_beyond_a_quota_is_not_repeated_by_every_request() {
    let (logins, clock) = (Arc::new(AtomicU64::new(0)), SetClock::at(NOW));
    let minter = minter("http://127.0.0.1:9", ThrottledLogin(Arc::clone(&logins)), clock.clone());
    minter.mint(&order()).await.unwrap_err();
    let told = minter.mint(&order()).await.unwrap_err().to_string();
    assert!(told.contains("auth/aws/login") && told.contains("in 3 s"), "{told}");
    assert_eq!(logins.load(SeqCst), 1);
    clock.forward_seconds(3);
    minter.mint(&Order { deadline: clock.now().plus_seconds(8), ..order() }).await.unwrap_err();
    assert_eq!(logins.load(SeqCst), 2);
}
