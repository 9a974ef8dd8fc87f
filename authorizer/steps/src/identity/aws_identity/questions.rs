//! Limits how many questions one instance asks STS, and how much time it spends on them.
//!
//! Receives the access key id that a new proof names; says whether STS may be asked about it now. The scheme makes
//! the call, and decides what a refusal means.
//!
//! Anybody can write proofs that only STS can tell from good ones. A flood of them must not become a flood of calls
//! to STS. It must also not keep the instance, which usually serves one request at a time, from callers with JWTs. So
//! both the number of questions and their time are bounded, and slow answers leave room for fewer questions.
//!
//! Each access key that STS has confirmed lately has its own allowance, which a flood under other names does not
//! touch. The name is not verified when it selects the allowance, and it need not be. It decides whether STS is
//! asked, and never what STS answers. Whoever writes the name of somebody else's key uses up that key's allowance,
//! and gains nothing by it.
//!
//! INVARIANT (wall clock): time that the function spent frozen counts, and a clock that was set back makes every key a new one.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    clock::{Clock, UnixTime},
    token_bucket::TokenBucket,
};

/// For all keys together that were not confirmed lately: 20 questions at once, and 10 in a second.
const NEWCOMERS: Allowance = Allowance::new(TokenBucket::full(20, Duration::from_millis(100)));
/// For each key that was: 10 questions at once, and 5 in a second. A caller signs once a minute, or, where a proof is good once,
/// once a call; whoever needs more has the newcomers' allowance as well.
const CONFIRMED: Allowance = Allowance::new(TokenBucket::full(10, Duration::from_millis(200)));
/// How long a key counts as confirmed. The sessions of IAM roles last an hour by default.
const CONFIRMED_FOR: Duration = Duration::from_secs(60 * 60);
/// About 300 KB. The key that was confirmed longest ago makes room.
const MAX_CONFIRMED: usize = 1024;
/// Each second of a question costs this many, so an allowance has at most a quarter of the instance's time.
const TIMES_ITS_LENGTH: u32 = 4;
/// 10 s at once, which are 2.5 s of questions: an instance's first ones open connections, and are slow.
const SAVED_TIME: TokenBucket = TokenBucket::full(10, Duration::from_secs(1));
/// A question over which the function was frozen is not counted as longer than this: about what a walk may take.
const LONGEST_QUESTION: Duration = Duration::from_secs(10);

/// The questions that may still be asked.
pub(super) struct Questions {
    clock: Arc<dyn Clock>,
    left: Mutex<Left>,
}

struct Left {
    newcomers: Allowance,
    confirmed: BTreeMap<String, Confirmed>,
}

struct Confirmed {
    at: UnixTime,
    allowance: Allowance,
}

/// So many questions, and so much time.
struct Allowance {
    count: TokenBucket,
    time: TokenBucket,
    /// Questions that are under way. Those that run at the same time cost that time once.
    under_way: u32,
    charged_until: UnixTime,
}

/// A question to STS. Its time is counted until it is dropped, also where its request is dropped over it.
pub(super) struct Question<'a> {
    of: &'a Questions,
    unverified_access_key_id: &'a str,
    /// Whether the key's own allowance pays.
    own: bool,
}

impl Questions {
    /// Nothing was asked yet.
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let left = Left { newcomers: NEWCOMERS, confirmed: BTreeMap::new() };
        Self { clock, left: Mutex::new(left) }
    }

    /// Allows one question about a proof that names this access key; `None` if no allowance has one now.
    pub(super) fn begin<'a>(&'a self, unverified_access_key_id: &'a str) -> Option<Question<'a>> {
        let now = self.clock.now();
        let mut left = self.left();
        let own = left.confirmed.get_mut(unverified_access_key_id).filter(|key| key.is_recent(now));
        let own = own.is_some_and(|key| key.allowance.begin(now));
        if !own && !left.newcomers.begin(now) {
            return None;
        }
        Some(Question { of: self, unverified_access_key_id, own })
    }

    fn left(&self) -> MutexGuard<'_, Left> {
        // What a panic elsewhere could leave half done is a count.
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Question<'_> {
    /// STS has named the caller whose key this is, and it is one that may call: nobody else's may fill the memory.
    pub(super) fn confirmed(self) {
        let now = self.of.clock.now();
        let mut left = self.of.left();
        if let Some(key) = left.confirmed.get_mut(self.unverified_access_key_id) {
            key.at = now;
            return;
        }
        left.make_room(now);
        let key = Confirmed { at: now, allowance: CONFIRMED };
        left.confirmed.insert(self.unverified_access_key_id.to_owned(), key);
    }
}

impl Drop for Question<'_> {
    fn drop(&mut self) {
        let now = self.of.clock.now();
        let mut left = self.of.left();
        if !self.own {
            left.newcomers.end(now);
        } else if let Some(key) = left.confirmed.get_mut(self.unverified_access_key_id) {
            key.allowance.end(now);
        }
    }
}

impl Left {
    fn make_room(&mut self, now: UnixTime) {
        if self.confirmed.len() < MAX_CONFIRMED {
            return;
        }
        self.confirmed.retain(|_, key| key.is_recent(now));
        let oldest = self.confirmed.iter().min_by_key(|(_, key)| key.at).map(|(id, _)| id.clone());
        if let Some(oldest) = oldest.filter(|_| self.confirmed.len() >= MAX_CONFIRMED) {
            self.confirmed.remove(&oldest);
        }
    }
}

impl Confirmed {
    fn is_recent(&self, now: UnixTime) -> bool {
        self.at <= now && now.duration_after(self.at) < CONFIRMED_FOR
    }
}

impl Allowance {
    const fn new(count: TokenBucket) -> Self {
        Self { count, time: SAVED_TIME, under_way: 0, charged_until: UnixTime::from_seconds(0) }
    }

    fn begin(&mut self, now: UnixTime) -> bool {
        self.charge_time(now);
        let has_leave = self.time.has_one(now) && self.count.take(now);
        self.under_way += u32::from(has_leave);
        has_leave
    }

    fn end(&mut self, now: UnixTime) {
        self.charge_time(now);
        self.under_way = self.under_way.saturating_sub(1);
    }

    /// Up to now, if a question is under way.
    fn charge_time(&mut self, now: UnixTime) {
        if self.under_way > 0 {
            let took = now.duration_after(self.charged_until).min(LONGEST_QUESTION);
            self.time.charge(took * TIMES_ITS_LENGTH, now);
        }
        self.charged_until = now;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    struct Millis(AtomicU64);

    impl Clock for Millis {
        fn now(&self) -> UnixTime {
            UnixTime::from_millis(1_800_000_000_000 + self.0.load(Ordering::SeqCst))
        }
    }

    impl Millis {
        fn pass(&self, millis: u64) {
            self.0.fetch_add(millis, Ordering::SeqCst);
        }
    }

    fn questions() -> (Arc<Millis>, Questions) {
        let clock = Arc::new(Millis(AtomicU64::new(0)));
        (Arc::clone(&clock), Questions::new(clock))
    }

    fn confirm(questions: &Questions, access_key_id: &str) {
        questions.begin(access_key_id).unwrap().confirmed();
    }

    /// How many questions about this key there are leave for at once.
    fn at_once(questions: &Questions, access_key_id: &str) -> usize {
        (0..1000).filter(|_| questions.begin(access_key_id).is_some()).count()
    }

    #[test]
    fn a_flood_of_made_up_keys_leaves_a_confirmed_one_its_place() {
        let (clock, questions) = questions();
        confirm(&questions, "HONEST");
        assert_eq!((0..1000).filter(|n| questions.begin(&format!("MADE-UP-{n}")).is_some()).count(), 19);
        assert_eq!(at_once(&questions, "HONEST"), 10);
        clock.pass(200);
        assert_eq!(at_once(&questions, "MADE-UP"), 2);
        assert_eq!(at_once(&questions, "HONEST"), 1);
    }

    #[test]
    fn a_stranger_who_writes_a_confirmed_key_uses_up_that_one_alone() {
        let (_, questions) = questions();
        confirm(&questions, "KNOWN-TO-THE-STRANGER");
        confirm(&questions, "HONEST");
        // The key's own, and what the two left of the newcomers'.
        assert_eq!(at_once(&questions, "KNOWN-TO-THE-STRANGER"), 10 + 18);
        assert_eq!(at_once(&questions, "HONEST"), 10);
    }

    #[test]
    fn a_slow_sts_takes_at_most_a_quarter_of_the_instances_time() {
        let (clock, questions) = questions();
        let (mut asking, mut passed) = (0, 0);
        while passed < 600_000 {
            if let Some(question) = questions.begin("MADE-UP") {
                clock.pass(3_000);
                asking += 3_000;
                passed += 3_000;
                drop(question);
            }
            clock.pass(100);
            passed += 100;
        }
        assert!((150_000..165_000).contains(&asking), "{asking}");
    }

    /// With many requests at once in one process.
    #[test]
    fn a_burst_of_made_up_proofs_shuts_newcomers_out_no_longer_than_one_of_them_would() {
        let (clock, questions) = questions();
        let burst: Vec<_> = (0..20).map(|_| questions.begin("MADE-UP").unwrap()).collect();
        clock.pass(3_000);
        drop(burst);
        assert!(questions.begin("HONEST").is_none(), "four times three seconds are owed");
        clock.pass(3_000);
        assert!(questions.begin("HONEST").is_some());
    }

    #[test]
    fn a_slow_sts_takes_a_quarter_of_the_time_from_many_at_once_too() {
        let (clock, questions) = questions();
        let mut asked = 0;
        for _ in 0..600 {
            let burst: Vec<_> = (0..5).map_while(|_| questions.begin("MADE-UP")).collect();
            let seconds = if burst.is_empty() { 0 } else { 3 };
            asked += seconds;
            clock.pass(1_000.max(seconds * 1_000));
        }
        let passed = clock.0.load(Ordering::SeqCst) / 1_000;
        assert!((passed / 4..passed * 28 / 100).contains(&asked), "{asked} of {passed}");
    }

    #[test]
    fn a_fast_sts_is_bounded_by_the_number_of_questions() {
        let (clock, questions) = questions();
        let asked = (0..1000).filter(|_| {
            let asked = questions.begin("MADE-UP").is_some();
            clock.pass(20);
            asked
        });
        assert_eq!(asked.count(), 20 + 199);
    }

    #[test]
    fn a_freeze_over_a_question_is_no_hour_without_one() {
        let (clock, questions) = questions();
        let question = questions.begin("HONEST");
        clock.pass(3_600_000);
        drop(question);
        assert_eq!(at_once(&questions, "HONEST"), 0);
        clock.pass(31_000);
        assert!(questions.begin("HONEST").is_some());
    }

    #[test]
    fn a_key_counts_as_confirmed_for_an_hour_by_the_wall_clock() {
        let (clock, questions) = questions();
        confirm(&questions, "HONEST");
        clock.pass(3_599_999);
        assert_eq!(at_once(&questions, "HONEST"), 30);
        clock.pass(10_000);
        assert_eq!(at_once(&questions, "HONEST"), 20, "as a newcomer");
    }

    #[test]
    fn the_key_confirmed_longest_ago_makes_room() {
        let (clock, questions) = questions();
        for n in 0..=MAX_CONFIRMED {
            clock.pass(100);
            confirm(&questions, &format!("KEY-{n}"));
        }
        let left = questions.left();
        assert_eq!(left.confirmed.len(), MAX_CONFIRMED);
        assert!(!left.confirmed.contains_key("KEY-0") && left.confirmed.contains_key("KEY-1"));
    }
}
