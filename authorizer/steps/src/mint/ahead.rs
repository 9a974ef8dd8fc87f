//! Mints the next token of a grant before a request needs it (`mint_ahead`).
//!
//! Keeps at most one token for each grant that allows it. [`Ahead::take`] hands a token out if it fits the caller and
//! the time. [`Ahead::renew`] runs after an answer: it mints what the next request is likely to need, and revokes
//! what is too old.
//!
//! A grant gets a token ahead only after two requests within the time for which such a token is good. So an instance
//! with few requests wastes no token, and an instance that goes idle wastes one for each grant that was busy.
//!
//! INVARIANT (never in clear, never twice): a kept token is a [`Minted`], checked against its order when it came. Whoever takes
//! it removes it under the lock.
//!
//! INVARIANT (a token never outlives the credential; wall clock): taking it compares its end, counted from Vault's answer, and
//! its age with this caller's credential and the wall clock.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::{MintError, Minted, Minter, Order, Times, Undo, creation_path, minted};
use crate::{
    clock::{Clock, UnixTime},
    error_chain::with_causes,
    grant::{Grant, MintGrant, Mode, Rule, Stages, TokenRule, Ttls},
    names::{GrantName, RoleName, StageName},
};

/// In the metadata of a token that was minted ahead. It has no request id and no caller: there is none yet.
pub const MINTED_AHEAD: &str = "minted_ahead";
/// What one instance keeps at most, whatever the number of grants.
const MAX_KEPT: usize = 32;
/// A token is handed out while at most one part of so many of its `wrap_ttl` is over.
const AGE_PARTS: u32 = 3;
/// What a mint ahead may take. Lambda sends no other event meanwhile.
const LONGEST_MINT: Duration = Duration::from_secs(2);
/// With less time nothing is begun: a mint would fail, and a token that is given back would be lost half-way.
const SHORTEST_MINT: Duration = Duration::from_millis(100);
/// After the first failure in a row; twice as long after each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The tokens that were minted ahead, and which are wanted. By default, no grant allows any.
#[derive(Debug, Default)]
pub struct Ahead {
    /// A lock that no `await` is ever under.
    grants: Mutex<BTreeMap<GrantName, Slot>>,
}

/// One grant that allows it.
#[derive(Debug)]
struct Slot {
    offer: Offer,
    asked_at: Option<UnixTime>,
    /// The last two requests that such a token would have fitted came shortly after each other.
    wanted: bool,
    token: Token,
    failures: Failures,
}

/// What is ordered ahead, whoever will get it.
#[derive(Debug, Clone)]
struct Offer {
    grant: GrantName,
    stage: StageName,
    role: RoleName,
    ttls: Ttls,
    num_uses: Option<u64>,
}

#[derive(Debug)]
enum Token {
    None,
    UnderWay,
    Kept(Kept),
}

#[derive(Debug)]
struct Kept {
    minted: Minted,
    times: Times,
}

/// In a row, and when the last one was.
#[derive(Debug, Default)]
struct Failures {
    count: u32,
    last: Option<UnixTime>,
}

/// A token that was minted ahead and that nobody got.
#[derive(Debug)]
pub struct Wasted {
    /// The stage of its grant.
    pub stage: StageName,
    /// Its grant.
    pub grant: GrantName,
    /// The token's accessor, which joins Vault's audit log.
    pub wrapped_accessor: String,
    /// What became of it.
    pub fate: Fate,
}

/// What became of a token that nobody got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// It was unwrapped and revoked.
    Undone,
    /// It ends with its TTL, unread: its wrapping token had ended before, as after a freeze.
    Left,
    /// It ends with its TTL, since Vault did not revoke it.
    NotUndone {
        /// Vault's answer, or the lack of one.
        reason: String,
    },
}

impl Ahead {
    /// Nothing is kept yet, for the grants that allow it.
    pub fn of(stages: &Stages) -> Self {
        let rules = stages.values().flat_map(|stage| stage.rules.iter().map(|rule| (&stage.name, rule)));
        let slots = rules.filter_map(|(stage, rule)| Some((rule.name.clone(), Slot::of(stage, rule)?)));
        Self { grants: Mutex::new(slots.collect()) }
    }

    /// Whether no grant allows it, so that there is nothing to do after an answer.
    pub fn is_empty(&self) -> bool {
        self.grants().is_empty()
    }

    /// The grant's token, where one is kept that fits this caller now. Notes that the grant was asked for, unless it was by a
    /// caller whose credential ends too soon for such a token.
    pub(super) fn take(&self, grant: &Grant<'_>, now: UnixTime) -> Option<Minted> {
        let to_mint = grant.to_mint().filter(|to_mint| to_mint.mints_ahead())?;
        let mut grants = self.grants();
        let slot = grants.get_mut(grant.name()).filter(|slot| slot.offer.fits(to_mint))?;
        slot.asked(now);
        match std::mem::replace(&mut slot.token, Token::None) {
            Token::Kept(kept) if kept.fits(slot.offer.ttls, to_mint.credential_ends(), now) => {
                Some(Minted { ahead: true, ..kept.minted })
            }
            other @ (Token::None | Token::UnderWay | Token::Kept(_)) => {
                slot.token = other;
                None
            }
        }
    }

    /// Whether [`Ahead::renew`] has something to do.
    pub fn is_due(&self, now: UnixTime) -> bool {
        self.grants().values().any(|slot| slot.is_wanted(now) || slot.is_stale(now))
    }

    /// Mints what is wanted and gives back what is too old, before the deadline or not at all. Reports each token that nobody
    /// got as soon as it is known what became of it. A mint that fails is logged, and the next request mints for itself.
    pub async fn renew<M: Minter>(
        &self,
        deadline: UnixTime,
        minter: &M,
        clock: &dyn Clock,
        report: impl Fn(Wasted),
    ) {
        let now = clock.now();
        let deadline = deadline.min(now.plus(LONGEST_MINT));
        if deadline.duration_after(now) < SHORTEST_MINT {
            return;
        }
        let (stale, flights) = self.due(now);
        let give_back = async {
            for (offer, kept) in stale {
                report(give_back(offer, kept, deadline, minter, clock).await);
            }
        };
        let mint = async {
            for flight in flights {
                flight.mint(deadline, minter, clock).await;
            }
        };
        tokio::join!(give_back, mint);
    }

    /// What is too old, and a flight for each grant that wants a token and has none. A flight that is dropped is over.
    fn due(&self, now: UnixTime) -> (Vec<(Offer, Kept)>, Vec<Flight<'_>>) {
        let mut grants = self.grants();
        let stale = grants.values_mut().filter_map(|slot| Some((slot.offer.clone(), slot.take_stale(now)?)));
        let stale = stale.collect();
        let held = grants.values().filter(|slot| !matches!(slot.token, Token::None)).count();
        let wanted = grants.values_mut().filter(|slot| slot.is_wanted(now));
        let flights = wanted.take(MAX_KEPT.saturating_sub(held)).map(|slot| {
            slot.wanted = false;
            slot.token = Token::UnderWay;
            Flight { of: self, offer: slot.offer.clone(), landed: None }
        });
        (stale, flights.collect())
    }

    // Each change of a slot is whole before its lock is left.
    fn grants(&self) -> MutexGuard<'_, BTreeMap<GrantName, Slot>> {
        self.grants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    fn of(stage: &StageName, rule: &Rule) -> Option<Self> {
        let Mode::Token(token @ TokenRule { mint_ahead: true, alias_claim: None, .. }) = &rule.mode else {
            return None;
        };
        let offer = Offer {
            grant: rule.name.clone(),
            stage: stage.clone(),
            role: token.role.clone(),
            ttls: token.longest_ttls(&rule.callers),
            num_uses: token.num_uses,
        };
        Some(Self { offer, asked_at: None, wanted: false, token: Token::None, failures: Failures::default() })
    }

    fn asked(&mut self, now: UnixTime) {
        let age = longest_age(self.offer.ttls);
        self.wanted = self.asked_at.is_some_and(|last| within(last, age, now));
        self.asked_at = Some(now);
    }

    fn is_wanted(&self, now: UnixTime) -> bool {
        self.wanted
            && self.asked_at.is_some_and(|asked_at| within(asked_at, longest_age(self.offer.ttls), now))
            && matches!(self.token, Token::None)
            && !self.failures.pause(now)
    }

    fn is_stale(&self, now: UnixTime) -> bool {
        matches!(&self.token, Token::Kept(kept) if !kept.is_fresh(self.offer.ttls, now))
    }

    fn take_stale(&mut self, now: UnixTime) -> Option<Kept> {
        if !self.is_stale(now) {
            return None;
        }
        match std::mem::replace(&mut self.token, Token::None) {
            Token::Kept(kept) => Some(kept),
            Token::None | Token::UnderWay => None,
        }
    }
}

impl Offer {
    /// It is what a mint for this caller would ask for.
    fn fits(&self, to_mint: &MintGrant<'_>) -> bool {
        self.ttls == to_mint.ttls() && to_mint.entity_alias().is_none()
    }

    fn order(&self, deadline: UnixTime) -> Order {
        let meta = [
            ("grant", self.grant.to_string()),
            ("stage", self.stage.to_string()),
            (MINTED_AHEAD, "true".to_owned()),
        ];
        Order {
            creation_path: creation_path(&self.role),
            ttls: self.ttls,
            num_uses: self.num_uses,
            credential_ends: None,
            entity_alias: None,
            meta: meta.into(),
            deadline,
        }
    }

    fn wasted(self, kept: &Minted, fate: Fate) -> Wasted {
        let wrapped_accessor = kept.wrapped_accessor().to_owned();
        Wasted { stage: self.stage, grant: self.grant, wrapped_accessor, fate }
    }
}

impl Kept {
    /// It is fresh, and ends no later than the caller's credential.
    fn fits(&self, ttls: Ttls, credential_ends: Option<UnixTime>, now: UnixTime) -> bool {
        let ends = self.times.answered_at.plus_seconds(ttls.token_seconds);
        self.is_fresh(ttls, now) && credential_ends.is_none_or(|credential_ends| ends <= credential_ends)
    }

    /// The integration has enough time left to unwrap it, also where the clock was set back during the mint or since.
    fn is_fresh(&self, ttls: Ttls, now: UnixTime) -> bool {
        let age = longest_age(ttls);
        let needed = Duration::from_secs(ttls.wrap_seconds).saturating_sub(age);
        within(self.times.answered_at, age, now) && self.minted.wrap_expires_at.duration_after(now) >= needed
    }
}

impl Failures {
    fn pause(&self, now: UnixTime) -> bool {
        let doubled = FIRST_PAUSE.saturating_mul(1 << self.count.saturating_sub(1).min(6));
        self.last.is_some_and(|last| within(last, doubled.min(LONGEST_PAUSE), now))
    }
}

fn longest_age(ttls: Ttls) -> Duration {
    Duration::from_secs(ttls.wrap_seconds) / AGE_PARTS
}

/// A clock that was set back is beyond it.
fn within(since: UnixTime, span: Duration, now: UnixTime) -> bool {
    since <= now && now.duration_after(since) <= span
}

async fn give_back<M: Minter>(
    offer: Offer,
    kept: Kept,
    deadline: UnixTime,
    minter: &M,
    clock: &dyn Clock,
) -> Wasted {
    let now = clock.now();
    if kept.minted.wrap_expires_at <= now {
        return offer.wasted(&kept.minted, Fate::Left);
    }
    // Of many, those that a slow Vault leaves no time for.
    let time = deadline.duration_after(now);
    if time < SHORTEST_MINT {
        return offer.wasted(&kept.minted, Fate::NotUndone { reason: "no time was left".to_owned() });
    }
    let undone = tokio::time::timeout(time, minter.undo(Undo::Wrapped(kept.minted.token.clone()))).await;
    let fate = match undone {
        Ok(Ok(())) => Fate::Undone,
        Ok(Err(error)) => Fate::NotUndone { reason: with_causes(&error) },
        Err(_elapsed) => Fate::NotUndone { reason: "no answer in time".to_owned() },
    };
    offer.wasted(&kept.minted, fate)
}

/// The one mint ahead of a grant that is under way.
struct Flight<'a> {
    of: &'a Ahead,
    offer: Offer,
    landed: Option<Landed>,
}

enum Landed {
    Kept(Kept),
    Failed { at: UnixTime },
}

impl Flight<'_> {
    async fn mint<M: Minter>(mut self, deadline: UnixTime, minter: &M, clock: &dyn Clock) {
        let order = self.offer.order(deadline);
        let time = deadline.duration_after(clock.now());
        let minted = tokio::time::timeout(time, minted(&order, minter, clock)).await;
        self.landed = Some(match minted.unwrap_or(Err(MintError::NoTime)) {
            Ok((minted, times)) => Landed::Kept(Kept { minted, times }),
            Err(error) => {
                tracing::warn!(
                    grant = self.offer.grant.as_str(),
                    reason = with_causes(&error),
                    "a token could not be minted ahead; requests mint their own, and the next attempt follows after \
                     a pause"
                );
                Landed::Failed { at: clock.now() }
            }
        });
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut grants = self.of.grants();
        let Some(slot) = grants.get_mut(&self.offer.grant) else { return };
        slot.token = match self.landed.take() {
            Some(Landed::Kept(kept)) => {
                slot.failures = Failures::default();
                Token::Kept(kept)
            }
            Some(Landed::Failed { at }) => {
                let count = slot.failures.count.saturating_add(1);
                slot.failures = Failures { count, last: Some(at) };
                Token::None
            }
            None => Token::None,
        };
    }
}
