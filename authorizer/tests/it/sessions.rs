//! The authorizer's own token: one login shared, renewed in time by the wall clock, replaced when it is dead.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};
use std::time::Duration;

use authorizer_adapters::{
    identity_client,
    sts::StsClient,
    vault::{
        AppRoleLogin, AppRoleLoginSettings, BoxedLogin, Granted, JwtLogin, JwtLoginSettings, JwtSource,
        Login, LoginFuture, LoginSecret, Powers, SecretId, TokenLogin, VaultMinter,
    },
};
use authorizer_steps::{
    clock::{Clock, UnixTime},
    error_chain::with_causes,
    grant::Ttls,
    mint::{MintError, Minter, Order, Undo},
    outcome::{Code, Refusal},
};
use futures_util::FutureExt;
use serde_json::json;
use vault_api::{VaultAddress, VaultError, VaultErrorKind, VaultToken, WrappingToken};
use vault_transport::{Vault, VaultOptions};

use crate::support::*;

/// Grants tokens `s.login1`, `s.login2` and so on, for `ttl_seconds` each; refuses while `refuses` is not zero.
#[derive(Clone, Default)]
struct FakeLogin {
    attempts: Arc<AtomicU64>,
    logins: Arc<AtomicU64>,
    refuses: Arc<AtomicU64>,
    hangs: Arc<AtomicU64>,
    ttl_seconds: u64,
    renewable: bool,
    /// How long a login takes, by the clock.
    takes: Option<(Arc<SetClock>, u64)>,
}

impl Login for FakeLogin {
    fn login<'a>(&'a self, _vault: &'a Vault, _by: UnixTime) -> LoginFuture<'a> {
        Box::pin(async {
            self.attempts.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            if self.hangs.load(Ordering::SeqCst) > 0 {
                std::future::pending::<()>().await;
            }
            if let Some((clock, seconds)) = &self.takes {
                clock.forward_seconds(*seconds);
            }
            if self.refuses.load(Ordering::SeqCst) > 0 {
                return Err(MintError::Login(VaultErrorKind::TimedOut.at("auth/aws/login")));
            }
            let number = self.logins.fetch_add(1, Ordering::SeqCst) + 1;
            let token = VaultToken::parse(format!("s.login{number}")).unwrap();
            Ok(Granted {
                token,
                ttl_seconds: Some(self.ttl_seconds),
                renewable: self.renewable,
                powers: Powers::default(),
            })
        })
    }
}

struct World {
    server: Server,
    clock: Arc<SetClock>,
    login: FakeLogin,
    minter: VaultMinter,
}

const WRAPPED: &str = r#"{"wrap_info": {"token": "s.wrapped", "accessor": "a", "ttl": 30, "creation_path": "auth/token/create/r", "wrapped_accessor": "b"}}"#;
const BARE_403: &str = r#"{"errors": ["permission denied"]}"#;
const ACL_403: &str = r#"{"errors": ["1 error occurred:\n\t* permission denied\n\n"]}"#;

impl World {
    /// Renewals give `renewed_for` seconds; mints are answered by `mint`.
    async fn new(
        renewed_for: u64,
        mint: impl Fn(&str) -> (u16, &'static str) + Clone + Send + Sync + 'static,
    ) -> Self {
        let server = Server::start(move |line| {
            if line.contains("/renew-self ") {
                let token = line.rsplit(' ').next().unwrap();
                let auth = json!({"client_token": token, "accessor": "a", "policies": [], "lease_duration": renewed_for, "renewable": true});
                return (200, json!({"auth": auth}).to_string());
            }
            let (status, body) = mint(line);
            (status, body.to_owned())
        })
        .await;
        let clock = SetClock::at(NOW);
        let login = FakeLogin { ttl_seconds: 3600, renewable: true, ..FakeLogin::default() };
        let boxed: BoxedLogin = Box::new(login.clone());
        let minter = VaultMinter::with_login(vault(&server.url), boxed, clock.clone());
        Self { server, clock, login, minter }
    }

    async fn mint(&self) -> Result<(), MintError> {
        self.minter.mint(&order_at(&self.clock)).await.map(|_| ())
    }
}

fn vault(url: &str) -> Vault {
    Vault::new(VaultOptions::new(VaultAddress::parse(url).unwrap())).unwrap()
}

fn order() -> Order {
    Order {
        entity_alias: None,
        creation_path: "auth/token/create/r".to_owned(),
        ttls: Ttls { token_seconds: 120, wrap_seconds: 30 },
        num_uses: None,
        credential_ends: Some(UnixTime::from_seconds(NOW + 600)),
        meta: Vec::new(),
        deadline: UnixTime::from_seconds(NOW + 8),
    }
}

/// An order that leaves as much time as [`order`] does, from the clock's now.
fn order_at(clock: &SetClock) -> Order {
    Order { deadline: clock.now().plus_seconds(8), ..order() }
}

fn always_wrapped(_line: &str) -> (u16, &'static str) {
    (200, WRAPPED)
}

#[tokio::test]
async fn concurrent_calls_share_one_login() {
    let world = World::new(3600, always_wrapped).await;
    let all = tokio::join!(world.mint(), world.mint(), world.mint(), world.mint());
    assert!(all.0.is_ok() && all.1.is_ok() && all.2.is_ok() && all.3.is_ok());
    assert_eq!(world.login.logins.load(Ordering::SeqCst), 1);
    assert_eq!(world.server.asked(), ["POST /v1/auth/token/create/r s.login1"; 4]);
}

#[tokio::test]
async fn a_session_is_renewed_at_two_thirds_of_its_life_and_not_before() {
    let world = World::new(3600, always_wrapped).await;
    world.mint().await.unwrap();
    world.clock.forward_seconds(2399);
    world.mint().await.unwrap();
    assert_eq!(world.server.asked().len(), 2);
    world.clock.forward_seconds(1);
    world.mint().await.unwrap();
    let renewed = ["POST /v1/auth/token/renew-self s.login1", "POST /v1/auth/token/create/r s.login1"];
    assert_eq!(world.server.asked(), renewed);
    world.clock.forward_seconds(2399);
    world.mint().await.unwrap();
    assert_eq!(world.server.asked().len(), 1, "the renewed life counts from the renewal");
    assert_eq!(world.login.logins.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn near_its_maximum_ttl_a_session_is_replaced_by_a_login() {
    let world = World::new(27, always_wrapped).await;
    world.mint().await.unwrap();
    world.clock.forward_seconds(2400);
    world.mint().await.unwrap();
    assert_eq!(world.server.asked().last().unwrap(), "POST /v1/auth/token/create/r s.login2");
}

#[tokio::test]
async fn a_renewal_that_cannot_be_read_or_says_nothing_of_a_life_is_no_session_without_end() {
    const NO_LIFE: &str = r#"{"auth": {"client_token": "s.login1", "accessor": "a", "policies": []}}"#;
    const ODD_FORM: &str = r#"{"auth": {"client_token": "s.login1", "lease_duration": "an hour"}}"#;
    for renewal in [NO_LIFE, ODD_FORM] {
        let server = Server::start(move |line| {
            let body = if line.contains("/renew-self ") { renewal } else { WRAPPED };
            (200, body.to_owned())
        })
        .await;
        let (clock, login) =
            (SetClock::at(NOW), FakeLogin { ttl_seconds: 3600, renewable: true, ..FakeLogin::default() });
        let minter = VaultMinter::with_login(vault(&server.url), Box::new(login.clone()), clock.clone());
        minter.mint(&order()).await.unwrap();
        clock.forward_seconds(2400);
        minter.mint(&order_at(&clock)).await.unwrap();
        assert_eq!(server.asked().last().unwrap(), "POST /v1/auth/token/create/r s.login2", "{renewal}");
        clock.forward_seconds(2400);
        minter.mint(&order_at(&clock)).await.unwrap();
        assert_eq!(server.asked().last().unwrap(), "POST /v1/auth/token/create/r s.login3", "{renewal}");
    }
}

#[tokio::test]
async fn a_function_that_was_frozen_past_its_tokens_end_logs_in_again() {
    let world = World::new(3600, always_wrapped).await;
    world.mint().await.unwrap();
    world.server.asked();
    world.clock.forward_seconds(3600);
    world.mint().await.unwrap();
    assert_eq!(
        world.server.asked(),
        ["POST /v1/auth/token/create/r s.login2"],
        "a dead token is not even renewed"
    );
}

#[tokio::test]
async fn a_session_is_used_on_while_vault_cannot_refresh_it() {
    let world = World::new(3600, always_wrapped).await;
    let not_renewable = FakeLogin { renewable: false, ..world.login.clone() };
    let minter = VaultMinter::with_login(
        vault(&world.server.url),
        Box::new(not_renewable.clone()),
        world.clock.clone(),
    );
    minter.mint(&order_at(&world.clock)).await.unwrap();
    not_renewable.refuses.store(1, Ordering::SeqCst);
    world.clock.forward_seconds(3000);
    minter.mint(&order_at(&world.clock)).await.unwrap();
    world.clock.forward_seconds(598);
    minter.mint(&order_at(&world.clock)).await.unwrap();
    // Within the time for which a refresh is not tried again, and past the token's end.
    world.clock.forward_seconds(2);
    let over = minter.mint(&order_at(&world.clock)).await.unwrap_err();
    assert!(matches!(over, MintError::Login(VaultError { kind: VaultErrorKind::TimedOut, .. })), "{over:?}");
}

/// Each login that Vault was only slow with leaves a lease there.
#[tokio::test]
async fn a_refresh_that_comes_to_nothing_is_tried_less_and_less() {
    let world = World::new(3600, always_wrapped).await;
    let login = FakeLogin { renewable: false, ttl_seconds: 36_000, ..world.login.clone() };
    let minter =
        VaultMinter::with_login(vault(&world.server.url), Box::new(login.clone()), world.clock.clone());
    minter.mint(&order_at(&world.clock)).await.unwrap();
    login.refuses.store(1, Ordering::SeqCst);
    world.clock.forward_seconds(24_000);
    // After 5, 10, 20, 40, 80 and 160 s, and then always after 160.
    let due = [0, 5, 15, 35, 75, 155, 315, 475, 635];
    let mut passed = 0;
    for (earlier, at) in due.into_iter().enumerate() {
        for (second, attempts) in [(at.max(1) - 1, earlier.max(1)), (at, earlier + 1)] {
            world.clock.forward_seconds(second - passed);
            passed = second;
            minter.mint(&order_at(&world.clock)).await.unwrap();
            assert_eq!(login.attempts.load(Ordering::SeqCst), 1 + attempts as u64, "{second}");
        }
    }
}

#[tokio::test]
async fn a_call_given_up_during_a_refresh_does_not_lose_the_session() {
    let world = World::new(3600, always_wrapped).await;
    world.mint().await.unwrap();
    world.clock.forward_seconds(2400);
    assert!(world.mint().now_or_never().is_none(), "given up while the renewal is under way");
    world.server.asked();
    world.mint().await.unwrap();
    assert!(world.server.asked().contains(&"POST /v1/auth/token/create/r s.login1".to_owned()));
    assert_eq!(world.login.logins.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_token_that_vault_has_forgotten_is_replaced_once() {
    let revoked = |line: &str| if line.ends_with("s.login1") { (403, BARE_403) } else { (200, WRAPPED) };
    let world = World::new(3600, revoked).await;
    world.mint().await.unwrap();
    let asked = ["POST /v1/auth/token/create/r s.login1", "POST /v1/auth/token/create/r s.login2"];
    assert_eq!(world.server.asked(), asked);

    let always = World::new(3600, |_: &str| (403, BARE_403)).await;
    let error = always.mint().await.unwrap_err();
    assert!(
        matches!(error, MintError::NewTokenRefused(VaultError { kind: VaultErrorKind::TokenNotValid, .. })),
        "{error:?}"
    );
    assert_eq!(always.server.asked().len(), 2, "no loop");
}

#[tokio::test]
async fn a_token_that_must_not_be_used_is_revoked_with_itself() {
    const INSIDE: &str = r#"{"auth": {"client_token": "s.inside", "accessor": "a", "policies": []}}"#;
    let unwraps = |line: &str| if line.contains("/unwrap ") { (200, INSIDE) } else { (204, "") };
    let world = World::new(3600, unwraps).await;
    world.minter.undo(Undo::Clear(VaultToken::parse("s.clear").unwrap())).await.unwrap();
    assert_eq!(world.server.asked(), ["POST /v1/auth/token/revoke-self s.clear"]);
    world.minter.undo(Undo::Wrapped(WrappingToken::parse("s.wrapped").unwrap())).await.unwrap();
    let asked = ["POST /v1/sys/wrapping/unwrap s.wrapped", "POST /v1/auth/token/revoke-self s.inside"];
    assert_eq!(world.server.asked(), asked);
}

#[tokio::test]
async fn a_revocation_goes_on_where_its_request_runs_out_of_time() {
    let world = World::new(3600, |_: &str| (204, "")).await;
    let undo = world.minter.undo(Undo::Clear(VaultToken::parse("s.clear").unwrap()));
    assert!(undo.now_or_never().is_none());
    let asked = async {
        loop {
            tokio::time::sleep(Duration::from_millis(5)).await;
            if let [only] = world.server.asked().as_slice() {
                return only.clone();
            }
        }
    };
    let asked = tokio::time::timeout(Duration::from_secs(10), asked).await;
    assert_eq!(asked.unwrap(), "POST /v1/auth/token/revoke-self s.clear");
}

#[tokio::test]
async fn an_acl_denial_is_no_reason_to_log_in_again() {
    let world = World::new(3600, |_: &str| (403, ACL_403)).await;
    let error = world.mint().await.unwrap_err();
    assert!(
        matches!(error, MintError::Vault(VaultError { kind: VaultErrorKind::Forbidden, .. })),
        "{error:?}"
    );
    assert_eq!((world.server.asked().len(), world.login.logins.load(Ordering::SeqCst)), (1, 1));
}

/// Word for word what OpenBao says. It is about the tenant: no reason to log in, to try again or to leave Vault alone.
#[tokio::test]
async fn a_tenant_that_vault_has_disabled_is_a_denial_and_nothing_else() {
    const DISABLED: &str = r#"{"errors": ["entity from given entity alias is disabled"]}"#;
    let world = World::new(3600, |_: &str| (403, DISABLED)).await;
    for _ in 0..8 {
        let order = Order { entity_alias: Some("blue@corp".to_owned()), ..order_at(&world.clock) };
        let error = world.minter.mint(&order).await.unwrap_err();
        // It may be the caller's name, which the log may be told to leave out.
        assert!(!error.to_string().contains("blue"), "{error}");
        assert_eq!(Refusal::from(error).code(), Code::IdentityValueRefused);
    }
    assert_eq!(world.server.asked(), ["POST /v1/auth/token/create/r s.login1"; 8]);
    // Who asked for no alias is not refused for one.
    let error = world.mint().await.unwrap_err();
    assert_eq!(Refusal::from(error).code(), Code::VaultMintRefused);
}

#[tokio::test]
async fn a_login_that_fails_is_tried_again_by_the_next_request() {
    let world = World::new(3600, always_wrapped).await;
    world.login.refuses.store(1, Ordering::SeqCst);
    world.minter.warm(Duration::from_secs(2)).await;
    assert!(world.mint().await.is_err());
    world.login.refuses.store(0, Ordering::SeqCst);
    world.mint().await.unwrap();
    assert_eq!(world.server.asked().len(), 1);
}

#[tokio::test]
async fn a_vault_that_is_down_is_tried_four_times_and_no_more() {
    let dropping = Dropping::start();
    let login = FakeLogin { ttl_seconds: 3600, renewable: true, ..FakeLogin::default() };
    let minter = VaultMinter::with_login(vault(&dropping.url), Box::new(login), SetClock::at(NOW));
    let error = minter.mint(&order()).await.unwrap_err();
    assert!(
        matches!(error, MintError::Vault(VaultError { kind: VaultErrorKind::Unreachable { .. }, .. })),
        "{error:?}"
    );
    assert_eq!(dropping.connections.load(Ordering::SeqCst), 4);
}

/// One answer after the other, the last for all that follow.
#[derive(Clone)]
struct Scripted(&'static [(u16, &'static str, Option<&'static str>)]);

impl Scripted {
    async fn start(self) -> (String, Arc<AtomicU64>) {
        let asked = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&asked);
        let handler = move || {
            let at = usize::try_from(counted.fetch_add(1, Ordering::SeqCst)).unwrap();
            let (status, body, retry_after) = self.0[at.min(self.0.len() - 1)];
            let mut answer = axum::response::Response::new(axum::body::Body::from(body));
            *answer.status_mut() = axum::http::StatusCode::from_u16(status).unwrap();
            if let Some(seconds) = retry_after {
                answer.headers_mut().insert("retry-after", seconds.parse().unwrap());
            }
            async move { answer }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move {
            axum::serve(listener, axum::Router::new().fallback(handler)).await.unwrap();
        });
        (url, asked)
    }

    /// What comes of a mint, and how often Vault was asked.
    async fn mint(self, order: Order) -> (Result<(), MintError>, u64) {
        let (url, asked) = self.start().await;
        let login = FakeLogin { ttl_seconds: 3600, ..FakeLogin::default() };
        let minter = VaultMinter::with_login(vault(&url), Box::new(login), SetClock::at(NOW));
        (minter.mint(&order).await.map(|_| ()), asked.load(Ordering::SeqCst))
    }
}

const LEADER_LOST: &str =
    r#"{"errors": ["failed to persist accessor index entry: leadership lost while committing log"]}"#;
const QUOTA: &str = r#"{"errors": ["request path \"auth/token/create/r\": rate limit quota exceeded"]}"#;

/// What OpenBao and Vault say while they pass from one leader to the next.
#[tokio::test]
async fn a_failure_that_passes_is_no_callers_fault() {
    const ONE_OF_EACH: [&[(u16, &str, Option<&str>)]; 7] = [
        &[
            (500, r#"{"errors": ["local node not active but active cluster node not found"]}"#, None),
            (200, WRAPPED, None),
        ],
        &[(503, r#"{"errors": ["Vault is sealed"]}"#, None), (200, WRAPPED, None)],
        &[(502, "<html>a load balancer</html>", None), (504, "", None), (200, WRAPPED, None)],
        &[(412, r#"{"errors": ["required index state not present"]}"#, None), (200, WRAPPED, None)],
        &[(429, r#"{"errors": []}"#, Some("1")), (200, WRAPPED, None)],
        &[(400, LEADER_LOST, None), (200, WRAPPED, None)],
        &[(473, "", None), (200, WRAPPED, None)],
    ];
    for script in ONE_OF_EACH {
        let (outcome, asked) = Scripted(script).mint(order()).await;
        assert!(outcome.is_ok(), "{script:?}: {outcome:?}");
        assert_eq!(usize::try_from(asked).unwrap(), script.len(), "{script:?}");
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
        let (outcome, asked) = Scripted(script).mint(order()).await;
        assert!(outcome.is_err());
        assert_eq!(asked, 1, "{script:?}");
    }
    // No time is left for another attempt, whose pause is 30 ms at least.
    let clock = SetClock::at(NOW);
    let passes = clock.clone();
    let server = Server::start(move |_| {
        passes.forward_millis(7_900);
        (500, String::new())
    })
    .await;
    let login = FakeLogin { ttl_seconds: 3600, ..FakeLogin::default() };
    let minter = VaultMinter::with_login(vault(&server.url), Box::new(login), clock);
    minter.mint(&order()).await.unwrap_err();
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn a_vault_that_is_down_is_left_alone_and_tried_by_one_call() {
    let (url, asked) = Scripted(&[
        (500, "", None),
        (500, "", None),
        (500, "", None),
        (500, "", None),
        (503, "", None),
        (200, WRAPPED, None),
    ])
    .start()
    .await;
    let login = FakeLogin { ttl_seconds: 3600, ..FakeLogin::default() };
    let clock = SetClock::at(NOW);
    let minter = VaultMinter::with_login(vault(&url), Box::new(login), clock.clone());
    let mint = async || minter.mint(&Order { deadline: UnixTime::from_seconds(NOW + 60), ..order() }).await;
    for _ in 0..2 {
        assert!(matches!(
            mint().await,
            Err(MintError::Vault(VaultError { kind: VaultErrorKind::Unavailable { .. }, .. }))
        ));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 5, "the fifth failure in a row was one too many");
    for _ in 0..10 {
        let refused = mint().await.unwrap_err();
        assert!(matches!(refused, MintError::NotAsked { failures: 5, sealed: false, .. }), "{refused:?}");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 5);
    clock.forward_seconds(1);
    assert!(mint().await.is_ok() && mint().await.is_ok(), "and back, it is asked as before");
    assert_eq!(asked.load(Ordering::SeqCst), 7);
}

/// Vault says no to whoever sends too much: it is there, and others are not turned away for it.
#[tokio::test]
async fn refusals_and_quotas_never_stop_the_asking() {
    for script in [&[(403, ACL_403, None)][..], &[(429, QUOTA, None)], &[(400, "", None)]] {
        let (url, asked) = Scripted(script).start().await;
        let login = FakeLogin { ttl_seconds: 3600, ..FakeLogin::default() };
        let minter = VaultMinter::with_login(vault(&url), Box::new(login), SetClock::at(NOW));
        for _ in 0..20 {
            assert!(minter.mint(&order()).await.is_err());
        }
        assert_eq!(asked.load(Ordering::SeqCst), 20);
    }
}

/// A caller beyond one grant's quota: nobody waits for it, in that grant or another.
#[tokio::test]
async fn one_grants_quota_holds_up_no_other_grant() {
    for refusal in [(429, QUOTA, Some("5")), (429, "<html>a load balancer</html>", Some("5"))] {
        let (url, asked) = Scripted(vec![refusal, (200, WRAPPED, None)].leak()).start().await;
        let login = FakeLogin { ttl_seconds: 3600, ..FakeLogin::default() };
        let clock = SetClock::at(NOW);
        let minter = VaultMinter::with_login(vault(&url), Box::new(login), clock.clone());
        let began = tokio::time::Instant::now();
        let refused = minter.mint(&order()).await.unwrap_err();
        assert!(
            matches!(refused, MintError::Vault(VaultError { kind: VaultErrorKind::Throttled { .. }, .. })),
            "{refused:?}"
        );
        for _ in 0..10 {
            let refused = minter.mint(&order()).await.unwrap_err();
            assert!(matches!(refused, MintError::Throttled { seconds_left: 5, .. }), "{refused:?}");
            assert_eq!(Refusal::from(refused).code(), Code::VaultThrottled);
        }
        assert_eq!(asked.load(Ordering::SeqCst), 1);
        let other = Order { creation_path: "auth/token/create/other".to_owned(), ..order() };
        minter.mint(&other).await.unwrap();
        assert!(began.elapsed() < Duration::from_secs(1), "nothing slept");
        clock.forward_seconds(5);
        minter.mint(&order_at(&clock)).await.unwrap();
        assert_eq!(asked.load(Ordering::SeqCst), 3);
    }
}

/// Refuses each login for a rate limit, and counts them.
struct ThrottledLogin(Arc<AtomicU64>);

impl Login for ThrottledLogin {
    fn login<'a>(&'a self, _vault: &'a Vault, _by: UnixTime) -> LoginFuture<'a> {
        self.0.fetch_add(1, Ordering::SeqCst);
        let path = "auth/aws/login".to_owned();
        let error = MintError::Login(VaultErrorKind::Throttled { retry_after_seconds: Some(3) }.at(path));
        Box::pin(std::future::ready(Err(error)))
    }
}

#[tokio::test]
async fn a_login_beyond_a_quota_is_not_repeated_by_every_request() {
    let (logins, clock) = (Arc::new(AtomicU64::new(0)), SetClock::at(NOW));
    let login = Box::new(ThrottledLogin(Arc::clone(&logins)));
    let minter = VaultMinter::with_login(vault("http://127.0.0.1:9"), login, clock.clone());
    minter.mint(&order()).await.unwrap_err();
    let told = minter.mint(&order()).await.unwrap_err().to_string();
    assert!(told.contains("auth/aws/login") && told.contains("in 3 s"), "{told}");
    assert_eq!(logins.load(Ordering::SeqCst), 1);
    clock.forward_seconds(3);
    minter.mint(&order_at(&clock)).await.unwrap_err();
    assert_eq!(logins.load(Ordering::SeqCst), 2);
}

/// What a login meets after a freeze: a connection that the other side has forgotten.
#[tokio::test]
async fn a_login_whose_connection_breaks_is_sent_again() {
    use authorizer_adapters::vault::{AwsLogin, AwsLoginSettings};
    let dropping = Dropping::start();
    let settings = AwsLoginSettings {
        mount: "aws".parse().unwrap(),
        role: "r".parse().unwrap(),
        server_id: "vault.example.com".parse().unwrap(),
        sts: sts_identity::StsEndpoint::regional(&"eu-west-1".parse().unwrap()),
    };
    let keys = aws_credential_types::Credentials::new("AKIAEXAMPLE", "secret", None, None, "test");
    let login = AwsLogin::new(settings, Box::new(keys), SetClock::at(NOW));
    let minter = VaultMinter::with_login(vault(&dropping.url), Box::new(login), SetClock::at(NOW));
    let error = minter.mint(&order()).await.unwrap_err();
    assert!(
        matches!(error, MintError::Login(VaultError { kind: VaultErrorKind::Unreachable { .. }, .. })),
        "{error:?}"
    );
    assert_eq!(dropping.connections.load(Ordering::SeqCst), 4);
}

#[tokio::test]
async fn concurrent_calls_with_a_dead_token_share_its_replacement() {
    let revoked = |line: &str| if line.ends_with("s.login1") { (403, BARE_403) } else { (200, WRAPPED) };
    let world = World::new(3600, revoked).await;
    let both = tokio::join!(world.mint(), world.mint());
    assert!(both.0.is_ok() && both.1.is_ok());
    assert_eq!(
        world.login.logins.load(Ordering::SeqCst),
        2,
        "the second one does not drop what the first has got"
    );
}

#[tokio::test]
async fn a_sessions_life_counts_from_before_the_login() {
    let (server, clock) = (Server::start(|_| (200, WRAPPED.to_owned())).await, SetClock::at(NOW));
    let login = FakeLogin { ttl_seconds: 60, takes: Some((clock.clone(), 20)), ..FakeLogin::default() };
    let minter = VaultMinter::with_login(vault(&server.url), Box::new(login.clone()), clock.clone());
    let order = || Order { deadline: clock.now().plus_seconds(60), ..order() };
    minter.mint(&order()).await.unwrap();
    clock.forward_seconds(40);
    minter.mint(&order()).await.unwrap();
    assert_eq!(server.asked().last().unwrap(), "POST /v1/auth/token/create/r s.login2");
}

#[tokio::test]
async fn a_refresh_that_hangs_holds_a_request_up_for_a_second_and_the_next_one_not_at_all() {
    let (server, clock) = (Server::start(|_| (200, WRAPPED.to_owned())).await, SetClock::at(NOW));
    let login = FakeLogin { ttl_seconds: 60, ..FakeLogin::default() };
    let minter = VaultMinter::with_login(vault(&server.url), Box::new(login.clone()), clock.clone());
    minter.mint(&order_at(&clock)).await.unwrap();
    login.hangs.store(1, Ordering::SeqCst);
    clock.forward_seconds(45);
    let minted = tokio::time::timeout(Duration::from_secs(10), minter.mint(&order_at(&clock))).await;
    assert!(minted.is_ok_and(|minted| minted.is_ok()), "with the token that is still good");
    assert_eq!(login.attempts.load(Ordering::SeqCst), 2);
    clock.forward_seconds(4);
    minter.mint(&order_at(&clock)).await.unwrap();
    assert_eq!(login.attempts.load(Ordering::SeqCst), 2);
}

/// Takes a question and does not answer it.
async fn hanging() -> Server {
    Server::start_slow(|_| (200, WRAPPED.to_owned(), 60_000)).await
}

/// A function's time can be shorter than what a call may take: a Vault that hangs must count all the same.
#[tokio::test]
async fn a_vault_that_hangs_is_unreachable_and_counts_however_short_the_functions_time_is() {
    let log = Log::default();
    let _guard = log.capture();
    let server = hanging().await;
    let login = FakeLogin { ttl_seconds: 3600, ..FakeLogin::default() };
    let minter = VaultMinter::with_login(vault(&server.url), Box::new(login), SetClock::at(NOW));
    let hurried = Order { deadline: UnixTime::from_seconds(NOW + 2), ..order() };
    let mints = futures_util::future::join_all((0..5).map(|_| minter.mint(&hurried)));
    let outcomes = tokio::time::timeout(Duration::from_secs(4), mints).await.expect("each ends by itself");
    for outcome in outcomes {
        let error = Refusal::from(outcome.unwrap_err());
        assert_eq!(error.code(), Code::VaultUnreachable);
        assert_eq!(
            with_causes(&error),
            "Vault did not mint a token: Vault did not answer `auth/token/create/r` in time"
        );
    }
    let next = minter.mint(&hurried).await.unwrap_err();
    assert!(matches!(next, MintError::NotAsked { failures: 5, .. }), "{next:?}");
    assert_eq!(
        log.text().matches("it is not known whether Vault minted a token").count(),
        5,
        "{}",
        log.text()
    );
}

#[tokio::test]
async fn a_login_that_hangs_ends_before_its_request_and_names_its_path() {
    let server = hanging().await;
    let secret = |text| LoginSecret::parse(text).unwrap();
    let settings = AppRoleLoginSettings {
        mount: "approle".parse().unwrap(),
        role_id: secret("role"),
        secret_id: SecretId::Given(secret("secret")),
    };
    let clock = SetClock::at(NOW);
    let login = AppRoleLogin::new(settings, clock.clone());
    let minter = VaultMinter::with_login(vault(&server.url), Box::new(login), clock);
    let hurried = Order { deadline: UnixTime::from_seconds(NOW + 2), ..order() };
    let minted = tokio::time::timeout(Duration::from_secs(4), minter.mint(&hurried)).await;
    let error = minted.expect("it ends by itself").unwrap_err();
    assert!(
        matches!(&error, MintError::Login(VaultError { path, kind: VaultErrorKind::TimedOut }) if path == "auth/approle/login"),
        "{error:?}"
    );
}

#[tokio::test]
async fn an_sts_that_hangs_during_a_login_ends_before_its_request() {
    let server = hanging().await;
    let settings = JwtLoginSettings {
        mount: "jwt".parse().unwrap(),
        role: "r".parse().unwrap(),
        jwt: JwtSource::WebIdentity {
            audience: "vault.example.com".parse().unwrap(),
            sts: sts_identity::StsEndpoint::loopback(&server.url, &"eu-west-1".parse().unwrap()).unwrap(),
        },
    };
    let keys = aws_credential_types::Credentials::new("AKIAEXAMPLE", "secret", None, None, "test");
    let (sts, clock) = (StsClient::new(identity_client().unwrap()), SetClock::at(NOW));
    let login = JwtLogin::new(settings, sts, Box::new(keys), clock.clone());
    let minter = VaultMinter::with_login(vault(&server.url), Box::new(login), clock);
    // The client for STS would wait for three seconds.
    let hurried = Order { deadline: UnixTime::from_seconds(NOW + 1), ..order() };
    let minted = tokio::time::timeout(Duration::from_millis(2500), minter.mint(&hurried)).await;
    let error = minted.expect("it ends by itself").unwrap_err();
    assert!(matches!(error, MintError::LoginSts { .. }), "{error:?}");
}

#[tokio::test]
async fn a_mint_that_could_not_end_in_time_is_not_sent() {
    let hurried = Order { deadline: UnixTime::from_seconds(NOW), ..order() };
    let (outcome, asked) = Scripted(&[(200, WRAPPED, None)]).mint(hurried).await;
    let error = Refusal::from(outcome.unwrap_err());
    assert_eq!((error.code(), asked), (Code::DeadlineExceeded, 0), "{error}");
}

/// Half a minute of trouble, and then a Vault that is well but slow to renew.
#[tokio::test]
async fn a_renewal_that_is_given_up_leaves_its_turn_to_the_mint_it_was_for() {
    let down = Arc::new(AtomicU64::new(0));
    let is_down = Arc::clone(&down);
    let server = Server::start_slow(move |line| {
        if line.contains("/renew-self ") {
            (200, "{}".to_owned(), 60_000)
        } else if is_down.load(Ordering::SeqCst) > 0 {
            (500, String::new(), 0)
        } else {
            (200, WRAPPED.to_owned(), 0)
        }
    })
    .await;
    let login = FakeLogin { ttl_seconds: 3600, renewable: true, ..FakeLogin::default() };
    let clock = SetClock::at(NOW);
    let minter = VaultMinter::with_login(vault(&server.url), Box::new(login), clock.clone());
    minter.mint(&order()).await.unwrap();
    down.store(1, Ordering::SeqCst);
    for _ in 0..2 {
        minter.mint(&order()).await.unwrap_err();
    }
    assert!(matches!(minter.mint(&order()).await, Err(MintError::NotAsked { .. })));
    down.store(0, Ordering::SeqCst);
    clock.forward_seconds(2400);
    minter.mint(&order_at(&clock)).await.unwrap();
}

#[tokio::test]
async fn a_refresh_that_hangs_holds_a_request_with_little_time_up_for_a_part_of_it() {
    let nobody = Dropping::start();
    let clock = SetClock::at(NOW);
    let login = FakeLogin { ttl_seconds: 60, ..FakeLogin::default() };
    let minter = VaultMinter::with_login(vault(&nobody.url), Box::new(login.clone()), clock.clone());
    minter.warm(Duration::from_secs(8)).await;
    login.hangs.store(1, Ordering::SeqCst);
    clock.forward_seconds(45);
    // A refresh has a second where there is enough time, and then this ends after it.
    let refreshed =
        tokio::time::timeout(Duration::from_millis(900), minter.warm(Duration::from_millis(200))).await;
    assert!(refreshed.is_ok());
    assert_eq!(login.attempts.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_token_that_was_replaced_and_taken_is_replaced_again_without_a_pause() {
    let revoked = Arc::new(AtomicU64::new(1));
    let up_to = Arc::clone(&revoked);
    let mint = move |line: &str| {
        let number: u64 = line.rsplit("s.login").next().unwrap().parse().unwrap();
        if number <= up_to.load(Ordering::SeqCst) { (403, BARE_403) } else { (200, WRAPPED) }
    };
    let world = World::new(3600, mint).await;
    world.mint().await.unwrap();
    revoked.store(2, Ordering::SeqCst);
    world.mint().await.unwrap();
    assert_eq!(world.login.logins.load(Ordering::SeqCst), 3);
}

/// As where the login's role is bound to addresses that the function does not have. Each login is a lease that Vault keeps.
#[tokio::test]
async fn a_new_token_that_is_refused_too_is_no_reason_for_a_login_by_every_request() {
    let refuses = Arc::new(AtomicU64::new(1));
    let refusing = Arc::clone(&refuses);
    let mint = move |_: &str| match refusing.load(Ordering::SeqCst) {
        0 => (200, WRAPPED),
        _ => (403, BARE_403),
    };
    let world = World::new(3600, mint).await;
    let logins = || world.login.logins.load(Ordering::SeqCst);
    for _ in 0..10 {
        let error = Refusal::from(world.mint().await.unwrap_err());
        assert_eq!(error.code(), Code::VaultMintRefused);
        let text = with_causes(&error);
        assert!(text.contains("`auth/token/create/r`") && text.contains("token_bound_cidrs"), "{text}");
    }
    assert_eq!(logins(), 2, "the first, and the one in its place");
    world.clock.forward_seconds(9);
    world.mint().await.unwrap_err();
    assert_eq!(logins(), 2);
    world.clock.forward_seconds(1);
    for _ in 0..10 {
        world.mint().await.unwrap_err();
    }
    assert_eq!(logins(), 3);
    refuses.store(0, Ordering::SeqCst);
    world.mint().await.unwrap();
    assert_eq!(logins(), 3, "a token that is taken after all is used");
}

#[tokio::test]
async fn a_token_of_the_configuration_that_is_refused_is_not_sent_again() {
    let server = Server::start(|_| (403, BARE_403.to_owned())).await;
    let login = TokenLogin::new(VaultToken::parse("s.configured").unwrap());
    let minter = VaultMinter::with_login(vault(&server.url), Box::new(login), SetClock::at(NOW));
    for _ in 0..2 {
        let error = minter.mint(&order()).await.unwrap_err();
        assert!(
            matches!(error, MintError::Vault(VaultError { kind: VaultErrorKind::TokenNotValid, .. })),
            "{error:?}"
        );
    }
    assert_eq!(server.asked(), ["POST /v1/auth/token/create/r s.configured"; 2], "once for each request");
}
