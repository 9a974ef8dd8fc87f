//! Many requests for one token, in thousands of the orders in which their threads can run. `shuttle` chooses the
//! order at each lock and each wait, and fails when all threads wait for each other. [`Notify`] is the real one.

use std::{
    ops::{Deref, DerefMut},
    sync::Arc,
};

use shuttle::{
    future::{block_on, spawn, yield_now},
    rand::{Rng, thread_rng},
};
use vault_api::VaultErrorKind;

use super::*;
use crate::vault::login::Powers;

const REQUESTS: usize = 5;
const ORDERS: usize = 1_000;
const LIFE_SECONDS: u64 = 30;

/// What the requests share.
struct World {
    flight: SingleFlight,
    clock: SetClock,
    vault: Mutex<FakeVault>,
}

/// `shuttle`'s lets others run before it is locked and before it is free again. This one also does so afterwards, where a thread
/// goes on with what it has seen.
#[derive(Default)]
pub(super) struct Mutex<T>(shuttle::sync::Mutex<T>);

pub(super) struct MutexGuard<'a, T>(Option<shuttle::sync::MutexGuard<'a, T>>);

impl<T> Mutex<T> {
    #[expect(clippy::unnecessary_wraps, reason = "as the one of `std`")]
    pub(super) fn lock(&self) -> Result<MutexGuard<'_, T>, PoisonError<MutexGuard<'_, T>>> {
        Ok(MutexGuard(Some(self.0.lock().unwrap())))
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.0 = None;
        if !std::thread::panicking() {
            shuttle::thread::yield_now();
        }
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().unwrap()
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().unwrap()
    }
}

#[derive(Default)]
struct FakeVault {
    logins: u64,
    /// Those that are under way.
    flights: u64,
    /// The newest that Vault has forgotten.
    forgotten: u64,
}

struct SetClock(Mutex<UnixTime>);

impl Clock for SetClock {
    fn now(&self) -> UnixTime {
        *self.0.lock().unwrap()
    }
}

impl World {
    fn new() -> Arc<Self> {
        let clock = SetClock(Mutex(shuttle::sync::Mutex::new(UnixTime::from_seconds(1_800_000_000))));
        Arc::new(Self { flight: SingleFlight::default(), clock, vault: Mutex::default() })
    }

    /// A new session, unless Vault says no; alone, whatever else is going on.
    async fn log_in(&self, had_all_the_time: bool) -> Result<Session, MintError> {
        let began_at = self.clock.now();
        self.vault().flights += 1;
        assert_eq!(self.vault().flights, 1, "another is under way");
        yield_now().await;
        let mut vault = self.vault();
        vault.flights -= 1;
        if one_in(4) {
            let path = if had_all_the_time { "had all the time" } else { "had little time" };
            return Err(MintError::Login(VaultErrorKind::TimedOut.at(path)));
        }
        vault.logins += 1;
        Ok(session(vault.logins, began_at))
    }

    /// One request: a token that was good when it was taken, the same until Vault refuses it, and another then.
    async fn request(&self) -> Result<(), MintError> {
        let had_all_the_time = !one_in(3);
        let token = self.token(had_all_the_time).await?;
        if self.takes(&token) {
            self.flight.taken(&token);
            return Ok(());
        }
        if self.flight.refuse(&token, self.clock.now()) {
            let other = self.token(had_all_the_time).await?;
            assert_ne!(other.expose(), token.expose(), "refused, and handed out once more");
        }
        Ok(())
    }

    /// Where this call has all the time that a login may take, what it waited for was not cut short by another's lack of time.
    async fn token(&self, had_all_the_time: bool) -> Result<VaultToken, MintError> {
        let turn = self.flight.take(&self.clock).await.inspect_err(|error| {
            let path = error.vault_error().map(|error| &*error.path);
            assert_eq!(path, Some("had all the time"), "another's lack of time");
        })?;
        match turn {
            Turn::Good(token) => Ok(token),
            Turn::Refresh(session, flight) => match self.log_in(had_all_the_time).await {
                Ok(fresh) => Ok(landed(flight, fresh)),
                Err(_) => {
                    flight.not_refreshed();
                    Ok(session.token)
                }
            },
            // Its request runs out of time, during the login or before.
            Turn::LogIn(_) if one_in(4) => Err(MintError::NoTime),
            Turn::LogIn(flight) => match self.log_in(had_all_the_time).await {
                Ok(session) => Ok(landed(flight, session)),
                Err(error) => {
                    if had_all_the_time {
                        flight.failed(&error);
                    }
                    Err(error)
                }
            },
        }
    }

    fn takes(&self, token: &VaultToken) -> bool {
        let number: u64 = token.expose().trim_start_matches("s.login").parse().unwrap();
        number > self.vault().forgotten
    }

    fn vault(&self) -> MutexGuard<'_, FakeVault> {
        self.vault.lock().unwrap()
    }
}

fn session(number: u64, began_at: UnixTime) -> Session {
    let token = VaultToken::parse(format!("s.login{number}")).unwrap();
    let granted =
        Granted { token, ttl_seconds: Some(LIFE_SECONDS), renewable: false, powers: Powers::default() };
    Session::new(granted, None, began_at)
}

fn landed(flight: Flight<'_>, session: Session) -> VaultToken {
    let token = session.token.clone();
    flight.got(session);
    token
}

fn one_in(many: u32) -> bool {
    thread_rng().gen_ratio(1, many)
}

#[test]
fn one_gets_the_token_for_all_and_nobody_waits_for_ever() {
    let requests = || {
        let world = World::new();
        let under_way: Vec<_> = (0..REQUESTS)
            .map(|_| {
                let world = Arc::clone(&world);
                spawn(async move { world.request().await })
            })
            .collect();
        // Meanwhile time passes, and Vault forgets a token. It is due after two thirds of its life.
        for _ in 0..3 {
            let later = world.clock.now().plus_seconds(thread_rng().gen_range(0..LIFE_SECONDS));
            *world.clock.0.lock().unwrap() = later;
            let mut vault = world.vault();
            vault.forgotten = vault.logins;
        }
        for request in under_way {
            let _answer = block_on(request).unwrap();
        }
        assert!(!world.flight.current().under_way, "a turn is left that nobody has");
    };
    shuttle::check_random(requests, ORDERS);
    shuttle::check_pct(requests, ORDERS, 3);
}
