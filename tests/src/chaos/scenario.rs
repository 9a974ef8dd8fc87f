//! The list of the scenarios: what is broken, how, and what may follow from it.

use std::time::Duration;

use serde_json::json;
use tokio::sync::OwnedRwLockWriteGuard;

use super::bed::Bed;
use super::load::Load;
use super::watch::Watch;
use crate::NODES;

/// One thing that goes wrong.
#[derive(Debug)]
pub struct Scenario {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What is done, for the document.
    pub injected: &'static str,
    /// When callers may get faults.
    pub faults: FaultsAllowed,
    /// How long the authorizer's own Vault tokens live.
    pub login_ttl: Duration,
    /// Whether each good caller's token goes to the sample integration, which opens it, reads a secret and revokes it.
    pub integration: bool,
    pub(super) injection: Injection,
}

/// When callers may get faults: nowhere else more than [`MOST_FAULTS_PERCENT`](super::MOST_FAULTS_PERCENT).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultsAllowed {
    /// While the cluster elects a leader, if it does. There is a quorum all the time.
    DuringElections,
    /// While it is broken: no quorum helps.
    WhileBroken,
}

pub fn scenario(name: &str) -> Option<&'static Scenario> {
    SCENARIOS.iter().find(|scenario| scenario.name == name)
}

/// All of them, in the document's order.
pub const SCENARIOS: &[Scenario] = &[
    quorum(
        "leader-killed",
        "SIGKILL to the active node; started again and unsealed after 10 s",
        Injection::LeaderKilled,
    ),
    quorum("leader-paused", "SIGSTOP to the active node for 10 s", Injection::LeaderPaused),
    quorum(
        "leader-cut-off",
        "for 10 s nothing passes between the active node and the other two, nor between it and the load balancer; connections stay open",
        Injection::LeaderCutOff,
    ),
    quorum("leader-sealed", "`sys/seal` at the active node; unsealed after 10 s", Injection::LeaderSealed),
    quorum(
        "token-revoked",
        "every token of the authorizer's own is revoked, and once more 10 s later",
        Injection::TokenRevoked,
    ),
    quorum("delay-50ms", "the load balancer holds back each answer for 50 ms, for 10 s", delay(50)),
    quorum("delay-1s", "the same, 1 s", delay(1_000)),
    broken("delay-5s", "the same, 5 s: as long as the authorizer waits for one call", delay(5_000)),
    broken("delay-20s", "the same, 20 s", delay(20_000)),
    quorum(
        "resets",
        "the load balancer resets the connection at 10 % of the requests for 10 s, half of these after Vault has answered",
        Injection::Resets { percent: 10 },
    ),
    broken(
        "quota",
        "a rate limit quota of 1 request a second on `auth/token/create/*`, for 10 s",
        Injection::Quota,
    ),
    quorum(
        "disk-full-standby",
        "no file of one standby can grow for 10 s (`prlimit --fsize`)",
        Injection::DiskFull { of_leader: false },
    ),
    broken(
        "disk-full-leader",
        "the same of the active node, which refuses what it cannot audit, and stays active",
        Injection::DiskFull { of_leader: true },
    ),
    lag("lag-0ms", "nothing: a healthy cluster, for comparison with the next three", 0),
    lag("lag-2ms", "for 10 s one standby is 2 ms away from the other two nodes, so it lags behind them", 2),
    lag("lag-5ms", "the same, 5 ms", 5),
    lag("lag-20ms", "the same, 20 ms", 20),
    Scenario {
        name: "function-stopped",
        injected: "SIGSTOP to every function between two requests for 10 s, as Lambda freezes them; their Vault tokens live 5 s",
        faults: FaultsAllowed::DuringElections,
        login_ttl: Duration::from_secs(5),
        integration: false,
        injection: Injection::FunctionStopped,
    },
];

/// Long enough to be renewed within a run, and short enough to end in an outage.
const LOGIN_TTL: Duration = Duration::from_secs(20);

const fn quorum(name: &'static str, injected: &'static str, injection: Injection) -> Scenario {
    let faults = FaultsAllowed::DuringElections;
    Scenario { name, injected, faults, login_ttl: LOGIN_TTL, integration: false, injection }
}

const fn broken(name: &'static str, injected: &'static str, injection: Injection) -> Scenario {
    let faults = FaultsAllowed::WhileBroken;
    Scenario { name, injected, faults, login_ttl: LOGIN_TTL, integration: false, injection }
}

/// A healthy cluster, whose standbys serve reads.
const fn lag(name: &'static str, injected: &'static str, millis: u64) -> Scenario {
    let injection = Injection::Lag(Duration::from_millis(millis));
    Scenario { integration: true, ..quorum(name, injected, injection) }
}

const fn delay(millis: u64) -> Injection {
    Injection::Delay(Duration::from_millis(millis))
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Injection {
    LeaderKilled,
    LeaderPaused,
    LeaderCutOff,
    LeaderSealed,
    TokenRevoked,
    Delay(Duration),
    Resets { percent: u32 },
    Quota,
    DiskFull { of_leader: bool },
    Lag(Duration),
    FunctionStopped,
}

const QUOTA: &str = "sys/quotas/rate-limit/mints";

/// A scenario's injection while it lasts.
pub(super) struct Injected {
    injection: Injection,
    /// The node that it is about.
    node: usize,
    _no_requests: Option<OwnedRwLockWriteGuard<()>>,
}

impl Injected {
    pub(super) async fn new(injection: Injection, bed: &mut Bed, load: &Load, watch: &Watch) -> Self {
        let leader = bed.cluster.leader().await;
        let of_standby = matches!(injection, Injection::Lag(_) | Injection::DiskFull { of_leader: false });
        let node = if of_standby { (leader + 1) % NODES } else { leader };
        let stopped = matches!(injection, Injection::FunctionStopped);
        let _no_requests = if stopped { Some(load.hold().await) } else { None };
        let injected = Self { injection, node, _no_requests };
        injected.set(true, bed, watch).await;
        injected
    }

    pub(super) async fn mend(self, bed: &mut Bed, watch: &Watch) {
        self.set(false, bed, watch).await;
    }

    async fn set(&self, broken: bool, bed: &mut Bed, watch: &Watch) {
        let node = self.node;
        match (self.injection, broken) {
            (Injection::LeaderKilled, true) => bed.cluster.kill(node),
            (Injection::LeaderKilled, false) => bed.cluster.start_again(node).await,
            (Injection::LeaderPaused, true) => bed.cluster.node(node).pause(),
            (Injection::LeaderPaused, false) => bed.cluster.node(node).resume(),
            (Injection::LeaderCutOff, _) => {
                watch.leave_out(broken.then_some(node));
                bed.cluster.cut_off(broken.then_some(node));
                bed.load_balancer.cut_off(node, broken);
            }
            (Injection::LeaderSealed, true) => bed.cluster.node(node).seal().await,
            (Injection::LeaderSealed, false) => bed.cluster.node(node).unseal().await,
            (Injection::TokenRevoked, _) => bed.revoke_logins().await,
            (Injection::Delay(delay), _) => {
                bed.load_balancer.delay(if broken { delay } else { Duration::ZERO });
            }
            (Injection::Resets { percent }, _) => {
                bed.load_balancer.reset_some(if broken { percent } else { 0 });
            }
            (Injection::Quota, true) => {
                let quota = json!({"path": "auth/token/create/*", "rate": 1, "interval": "1s"});
                bed.cluster.node(node).write(QUOTA, quota).await;
            }
            (Injection::Quota, false) => {
                let leader = bed.cluster.leader().await;
                bed.cluster.node(leader).delete(QUOTA).await;
            }
            // Smaller than any of its files is by now.
            (Injection::DiskFull { .. }, _) => {
                bed.cluster.limit_files(node, if broken { "4096:" } else { "unlimited:" });
            }
            (Injection::Lag(delay), _) => bed.cluster.move_away(broken.then_some((node, delay))),
            (Injection::FunctionStopped, true) => bed.functions.iter().for_each(|one| one.pause()),
            (Injection::FunctionStopped, false) => bed.functions.iter().for_each(|one| one.resume()),
        }
    }
}
