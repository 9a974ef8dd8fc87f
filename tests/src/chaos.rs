//! What goes wrong around the authorizer, and what must not follow from it.
//!
//! Receives a [`Scenario`] and a [`Pace`]; produces [`Figures`], judged. Some functions answer callers at a steady
//! rate, as Lambda's instances do. Some callers are genuine and some are forged. Something breaks in the middle and
//! is repaired later. The binary `chaos` writes the document, and `tests/it/chaos.rs` says which scenarios CI runs.
//!
//! ```text
//! load ─▶ functions ─▶ load balancer ─▶ node 0 ─┐
//! (callers)  (release       │       node 1 ─┼ one Raft log
//!             binary)       │       node 2 ─┘
//!                           └─▶ login: the stand-in beside the same node, and the emulator's STS
//! ```

mod bed;
mod figures;
mod load;
mod scenario;
mod watch;

use std::time::{Duration, Instant};

pub use self::figures::{Figures, MARGIN, MOST_FAULTS_PERCENT, Observed};
pub use self::load::{Outcome, Sample};
pub use self::scenario::{FaultsAllowed, SCENARIOS, Scenario, scenario};

pub use self::watch::Election;

use self::bed::Bed;
use self::load::Load;
use self::scenario::Injected;
use self::watch::Watch;
use crate::Scratch;

/// How long a caller's token lives, and its wrapping: the shortest that there is.
pub const TOKEN_TTL: Duration = Duration::from_secs(15);
/// How many functions, each with one request at a time.
pub const FUNCTIONS: usize = 4;
/// Between a function's answer and its next request.
pub const PAUSE: Duration = Duration::from_millis(200);
/// Of so many requests, one is forged.
pub const ONE_FORGED_IN: u32 = 6;
/// How long each function may take to be served again, when all is mended.
const RECOVERY_LIMIT: Duration = Duration::from_secs(60);

/// How long each part of a run takes.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Before anything is broken.
    pub before: Duration,
    /// While it is broken.
    pub during: Duration,
    /// After it is mended.
    pub after: Duration,
    /// How long Vault may take to remove tokens whose TTL has passed; `None` where nobody waits for that.
    pub removal: Option<Duration>,
    /// Whether there are requests enough to speak of a share of faults. Where there are not, the bar is the rest of it.
    pub counts_faults: bool,
}

impl Pace {
    /// For the figures.
    pub const FULL: Self = Self {
        before: Duration::from_secs(4),
        during: Duration::from_secs(10),
        after: Duration::from_secs(16),
        removal: Some(Duration::from_secs(4)),
        counts_faults: true,
    };
    /// For CI: it ends when every function is served again, and says nothing that depends on the machine's speed.
    pub const SHORT: Self = Self {
        before: Duration::from_secs(1),
        during: Duration::from_secs(6),
        after: Duration::from_secs(1),
        removal: Some(Duration::from_secs(60)),
        counts_faults: false,
    };
}

/// Where the functions' tokens come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tokens {
    /// Each request mints its own.
    Asked,
    /// The grant says `mint_ahead`.
    Ahead,
}

/// Runs one scenario on a bed of its own.
pub async fn run(scenario: &Scenario, pace: Pace, tokens: Tokens, scratch: &Scratch) -> Figures {
    let mut bed = Bed::start(scenario, tokens, scratch).await;
    let watch = Watch::start(bed.cluster.nodes());
    let load = Load::start(&bed.functions, &bed.integrations, &bed.issuer);
    load.served_since(Instant::now(), RECOVERY_LIMIT).await;

    tokio::time::sleep(pace.before).await;
    let broken = Instant::now();
    let injected = Injected::new(scenario.injection, &mut bed, &load, &watch).await;
    tokio::time::sleep(pace.during).await;
    injected.mend(&mut bed, &watch).await;
    let mended = Instant::now();
    tokio::time::sleep(pace.after).await;
    let served_again = load.served_since(mended, RECOVERY_LIMIT).await;

    let samples = load.finish().await;
    assert_eq!(bed.minted_ahead(), tokens == Tokens::Ahead, "where the tokens came from");
    let leaders = watch.finish().await;
    let tokens_left = match pace.removal {
        Some(limit) => Some(bed.tokens_left(limit).await),
        None => None,
    };
    let observed = Observed {
        samples,
        leaders,
        broken,
        mended,
        served_again,
        tokens_left,
        exits: bed.ended_functions().await,
        panics: bed.panics(),
    };
    observed.judged(scenario, pace)
}
