//! The authorizer's own token: one login for all requests, renewed in time by the wall clock, replaced when it is
//! dead.

mod hanging;
mod many_at_once;
mod trouble;

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst},
};
use std::time::Duration;

use authorizer_adapters::vault::{Granted, Login, LoginFuture, Powers, TokenLogin, VaultMinter};
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

const WRAPPED: &str = r#"{"wrap_info": {"token": "s.wrapped", "accessor": "a", "ttl": 30, "creation_path": "auth/token/create/r", "wrapped_accessor": "b"}}"#;
const BARE_403: &str = r#"{"errors": ["permission denied"]}"#;
const ACL_403: &str = r#"{"errors": ["1 error occurred:\n\t* permission denied\n\n"]}"#;

/// Grants tokens `s.login1`, `s.login2` and so on, unless it refuses or hangs.
#[derive(Clone, Default)]
struct FakeLogin {
    attempts: Arc<AtomicU64>,
    logins: Arc<AtomicU64>,
    refuses: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
    /// For one attempt.
    short_of_time: Arc<AtomicBool>,
    ttl_seconds: u64,
    renewable: bool,
    /// How long a login takes, by the clock.
    takes: Option<(Arc<SetClock>, u64)>,
}

impl FakeLogin {
    fn lasting(ttl_seconds: u64) -> Self {
        Self { ttl_seconds, ..Self::default() }
    }

    fn renewable() -> Self {
        Self { renewable: true, ..Self::lasting(3600) }
    }
}

impl Login for FakeLogin {
    fn login<'a>(&'a self, _vault: &'a Vault, _by: UnixTime) -> LoginFuture<'a> {
        Box::pin(async {
            self.attempts.fetch_add(1, SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            if self.hangs.load(SeqCst) {
                std::future::pending::<()>().await;
            }
            if self.short_of_time.swap(false, SeqCst) {
                return Err(MintError::NoTime);
            }
            if let Some((clock, seconds)) = &self.takes {
                clock.forward_seconds(*seconds);
            }
            if self.refuses.load(SeqCst) {
                return Err(MintError::Login(VaultErrorKind::TimedOut.at("auth/aws/login")));
            }
            let token = format!("s.login{}", self.logins.fetch_add(1, SeqCst) + 1);
            Ok(Granted {
                token: VaultToken::parse(token).unwrap(),
                ttl_seconds: Some(self.ttl_seconds),
                renewable: self.renewable,
                powers: Powers::default(),
            })
        })
    }
}

/// A Vault, and a minter with a login there.
struct World {
    vault: Server,
    clock: Arc<SetClock>,
    login: FakeLogin,
    minter: VaultMinter,
}

impl World {
    /// Each answer takes a moment, so that concurrent callers meet.
    async fn with(login: FakeLogin, answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let vault = Server::start(move |asked| {
            let reply = answer(&asked.line());
            let after = reply.after_millis.max(20);
            reply.after_millis(after)
        });
        let (vault, clock) = (vault.await, SetClock::at(NOW));
        let minter = minter(&vault.url, login.clone(), clock.clone());
        Self { vault, clock, login, minter }
    }

    /// With a login that can be renewed, and is when it should be.
    async fn new(mint: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let renews = move |line: &str| renewed_for(3600, line).unwrap_or_else(|| mint(line));
        Self::with(FakeLogin::renewable(), renews).await
    }

    /// One answer after the other, the last for all that follow.
    async fn scripted(script: &'static [(u16, &'static str, Option<&'static str>)]) -> Self {
        let at = AtomicUsize::new(0);
        Self::with(FakeLogin::lasting(3600), move |_| {
            let (status, body, retry_after) = script[at.fetch_add(1, SeqCst).min(script.len() - 1)];
            let reply = Reply::new(status, body);
            retry_after.map_or(reply.clone(), |seconds| reply.header("retry-after", seconds))
        })
        .await
    }

    /// With the usual time left.
    async fn mint(&self) -> Result<(), MintError> {
        self.mint_within(8).await
    }

    /// So many seconds later.
    async fn mint_after(&self, seconds: u64) -> Result<(), MintError> {
        self.clock.forward_seconds(seconds);
        self.mint().await
    }

    async fn mint_within(&self, seconds: u64) -> Result<(), MintError> {
        let order = Order { deadline: self.clock.now().plus_seconds(seconds), ..order() };
        self.minter.mint(&order).await.map(|_| ())
    }

    fn logins(&self) -> u64 {
        self.login.logins.load(SeqCst)
    }

    fn attempts(&self) -> u64 {
        self.login.attempts.load(SeqCst)
    }

    /// The last that was asked.
    fn last(&self) -> String {
        self.vault.asked().pop().unwrap()
    }
}

fn minter(url: &str, login: impl Login + 'static, clock: Arc<SetClock>) -> VaultMinter {
    let vault = Vault::new(VaultOptions::new(VaultAddress::parse(url).unwrap())).unwrap();
    VaultMinter::with_login(vault, Box::new(login), clock)
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

fn wrapped(_line: &str) -> Reply {
    Reply::new(200, WRAPPED)
}

/// The answer to a renewal.
fn renewed_for(seconds: u64, line: &str) -> Option<Reply> {
    let token = line.strip_prefix("POST /v1/auth/token/renew-self ")?;
    let auth = json!({"client_token": token, "accessor": "a", "policies": [], "lease_duration": seconds, "renewable": true});
    Some(Reply::new(200, json!({"auth": auth}).to_string()))
}

#[tokio::test]
async fn concurrent_calls_share_one_login() {
    let world = World::new(wrapped).await;
    let all = tokio::join!(world.mint(), world.mint(), world.mint(), world.mint());
    assert!(all.0.is_ok() && all.1.is_ok() && all.2.is_ok() && all.3.is_ok());
    assert_eq!(world.logins(), 1);
    assert_eq!(world.vault.asked(), ["POST /v1/auth/token/create/r s.login1"; 4]);
}

#[tokio::test]
async fn a_session_is_renewed_at_two_thirds_of_its_life_and_not_before() {
    let world = World::new(wrapped).await;
    world.mint().await.unwrap();
    world.mint_after(2399).await.unwrap();
    assert_eq!(world.vault.asked().len(), 2);
    world.mint_after(1).await.unwrap();
    let renewed = ["POST /v1/auth/token/renew-self s.login1", "POST /v1/auth/token/create/r s.login1"];
    assert_eq!(world.vault.asked(), renewed);
    world.mint_after(2399).await.unwrap();
    assert_eq!(world.vault.asked().len(), 1, "the renewed life counts from the renewal");
    assert_eq!(world.logins(), 1);
}

#[tokio::test]
async fn near_its_maximum_ttl_a_session_is_replaced_by_a_login() {
    let renews = |line: &str| renewed_for(27, line).unwrap_or_else(|| wrapped(line));
    let world = World::with(FakeLogin::renewable(), renews).await;
    world.mint().await.unwrap();
    world.mint_after(2400).await.unwrap();
    assert_eq!(world.last(), "POST /v1/auth/token/create/r s.login2");
}

#[tokio::test]
async fn a_renewal_that_cannot_be_read_or_says_nothing_of_a_life_is_no_session_without_end() {
    const NO_LIFE: &str = r#"{"auth": {"client_token": "s.login1", "accessor": "a", "policies": []}}"#;
    const ODD_FORM: &str = r#"{"auth": {"client_token": "s.login1", "lease_duration": "an hour"}}"#;
    for renewal in [NO_LIFE, ODD_FORM] {
        let renews =
            move |line: &str| renewed_for(0, line).map_or(wrapped(line), |_| Reply::new(200, renewal));
        let world = World::with(FakeLogin::renewable(), renews).await;
        world.mint().await.unwrap();
        for login in ["s.login2", "s.login3"] {
            world.mint_after(2400).await.unwrap();
            assert_eq!(world.last(), format!("POST /v1/auth/token/create/r {login}"), "{renewal}");
        }
    }
}

#[tokio::test]
async fn a_function_that_was_frozen_past_its_tokens_end_logs_in_again() {
    let world = World::new(wrapped).await;
    world.mint().await.unwrap();
    world.vault.asked();
    world.mint_after(3600).await.unwrap();
    let asked = world.vault.asked();
    assert_eq!(asked, ["POST /v1/auth/token/create/r s.login2"], "a dead token is not even renewed");
}

#[tokio::test]
async fn a_session_is_used_on_while_vault_cannot_refresh_it() {
    let world = World::with(FakeLogin::lasting(3600), wrapped).await;
    world.mint().await.unwrap();
    world.login.refuses.store(true, SeqCst);
    world.mint_after(3000).await.unwrap();
    world.mint_after(598).await.unwrap();
    // Within the time for which a refresh is not tried again, and past the token's end.
    world.clock.forward_seconds(2);
    let over = world.mint().await.unwrap_err();
    assert_matches!(over, MintError::Login(VaultError { kind: VaultErrorKind::TimedOut, .. }));
}

/// Each login that Vault was only slow with leaves a lease there.
#[tokio::test]
async fn a_refresh_that_comes_to_nothing_is_tried_less_and_less() {
    let world = World::with(FakeLogin::lasting(36_000), wrapped).await;
    world.mint().await.unwrap();
    world.login.refuses.store(true, SeqCst);
    world.clock.forward_seconds(24_000);
    // After 5, 10, 20, 40, 80 and 160 s, and then always after 160.
    let due = [0, 5, 15, 35, 75, 155, 315, 475, 635];
    let mut passed = 0;
    for (earlier, at) in due.into_iter().enumerate() {
        for (second, attempts) in [(at.max(1) - 1, earlier.max(1)), (at, earlier + 1)] {
            world.clock.forward_seconds(second - passed);
            passed = second;
            world.mint().await.unwrap();
            assert_eq!(world.attempts(), 1 + attempts as u64, "{second}");
        }
    }
}

#[tokio::test]
async fn a_call_given_up_during_a_refresh_does_not_lose_the_session() {
    let world = World::new(wrapped).await;
    world.mint().await.unwrap();
    world.clock.forward_seconds(2400);
    assert!(world.mint().now_or_never().is_none(), "given up while the renewal is under way");
    world.vault.asked();
    world.mint().await.unwrap();
    assert!(world.vault.asked().contains(&"POST /v1/auth/token/create/r s.login1".to_owned()));
    assert_eq!(world.logins(), 1);
}

#[tokio::test]
async fn a_sessions_life_counts_from_before_the_login() {
    let clock = SetClock::at(NOW);
    let login = FakeLogin { takes: Some((clock.clone(), 20)), ..FakeLogin::lasting(60) };
    let mut world = World::with(login.clone(), wrapped).await;
    (world.minter, world.clock) = (minter(&world.vault.url, login, clock.clone()), clock);
    world.mint_within(60).await.unwrap();
    world.clock.forward_seconds(40);
    world.mint_within(60).await.unwrap();
    assert_eq!(world.last(), "POST /v1/auth/token/create/r s.login2");
}

/// A Vault that has forgotten the first so many tokens.
fn forgets(up_to: &Arc<AtomicU64>) -> impl Fn(&str) -> Reply + Send + Sync + 'static {
    let up_to = Arc::clone(up_to);
    move |line| {
        let number: u64 = line.rsplit("s.login").next().unwrap().parse().unwrap();
        if number <= up_to.load(SeqCst) { Reply::new(403, BARE_403) } else { wrapped(line) }
    }
}

#[tokio::test]
async fn a_token_that_vault_has_forgotten_is_replaced_once() {
    let world = World::new(forgets(&Arc::new(1.into()))).await;
    world.mint().await.unwrap();
    let asked = ["POST /v1/auth/token/create/r s.login1", "POST /v1/auth/token/create/r s.login2"];
    assert_eq!(world.vault.asked(), asked);

    let always = World::new(|_| Reply::new(403, BARE_403)).await;
    let error = always.mint().await.unwrap_err();
    assert_matches!(
        error,
        MintError::NewTokenRefused(VaultError { kind: VaultErrorKind::TokenNotValid, .. })
    );
    assert_eq!(always.vault.asked().len(), 2, "no loop");
}

#[tokio::test]
async fn concurrent_calls_with_a_dead_token_share_its_replacement() {
    let world = World::new(forgets(&Arc::new(1.into()))).await;
    let both = tokio::join!(world.mint(), world.mint());
    assert!(both.0.is_ok() && both.1.is_ok());
    assert_eq!(world.logins(), 2, "the second one does not drop what the first has got");
}

#[tokio::test]
async fn a_token_that_was_replaced_and_taken_is_replaced_again_without_a_pause() {
    let forgotten = Arc::new(AtomicU64::new(1));
    let world = World::new(forgets(&forgotten)).await;
    world.mint().await.unwrap();
    forgotten.store(2, SeqCst);
    world.mint().await.unwrap();
    assert_eq!(world.logins(), 3);
}

/// As where the login's role is bound to addresses that the function does not have. Each login is a lease that Vault keeps.
#[tokio::test]
async fn a_new_token_that_is_refused_too_is_no_reason_for_a_login_by_every_request() {
    let forgotten = Arc::new(AtomicU64::new(u64::MAX));
    let world = World::new(forgets(&forgotten)).await;
    for _ in 0..10 {
        let error = Refusal::from(world.mint().await.unwrap_err());
        assert_eq!(error.code(), Code::VaultMintRefused);
        let text = with_causes(&error);
        assert!(text.contains("`auth/token/create/r`") && text.contains("token_bound_cidrs"), "{text}");
    }
    assert_eq!(world.logins(), 2, "the first, and the one in its place");
    world.mint_after(9).await.unwrap_err();
    assert_eq!(world.logins(), 2);
    world.clock.forward_seconds(1);
    for _ in 0..10 {
        world.mint().await.unwrap_err();
    }
    assert_eq!(world.logins(), 3);
    forgotten.store(0, SeqCst);
    world.mint().await.unwrap();
    assert_eq!(world.logins(), 3, "a token that is taken after all is used");
}

#[tokio::test]
async fn a_token_of_the_configuration_that_is_refused_is_not_sent_again() {
    let server = Server::giving(Reply::new(403, BARE_403)).await;
    let login = TokenLogin::new(VaultToken::parse("s.configured").unwrap());
    let minter = minter(&server.url, login, SetClock::at(NOW));
    for _ in 0..2 {
        let error = minter.mint(&order()).await.unwrap_err();
        assert_matches!(error, MintError::Vault(VaultError { kind: VaultErrorKind::TokenNotValid, .. }));
    }
    assert_eq!(server.asked(), ["POST /v1/auth/token/create/r s.configured"; 2], "once for each request");
}

#[tokio::test]
async fn a_token_that_must_not_be_used_is_revoked_with_itself() {
    const INSIDE: &str = r#"{"auth": {"client_token": "s.inside", "accessor": "a", "policies": []}}"#;
    let unwraps =
        |line: &str| if line.contains("/unwrap ") { Reply::new(200, INSIDE) } else { Reply::new(204, "") };
    let world = World::new(unwraps).await;
    world.minter.undo(Undo::Clear(VaultToken::parse("s.clear").unwrap())).await.unwrap();
    assert_eq!(world.vault.asked(), ["POST /v1/auth/token/revoke-self s.clear"]);
    world.minter.undo(Undo::Wrapped(WrappingToken::parse("s.wrapped").unwrap())).await.unwrap();
    let asked = ["POST /v1/sys/wrapping/unwrap s.wrapped", "POST /v1/auth/token/revoke-self s.inside"];
    assert_eq!(world.vault.asked(), asked);
}

#[tokio::test]
async fn a_login_that_fails_is_tried_again_by_the_next_request() {
    let world = World::new(wrapped).await;
    world.login.refuses.store(true, SeqCst);
    world.minter.warm(Duration::from_secs(2)).await;
    assert!(world.mint().await.is_err());
    world.login.refuses.store(false, SeqCst);
    world.mint().await.unwrap();
    assert_eq!(world.vault.asked().len(), 1);
}
