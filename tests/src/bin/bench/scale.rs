//! Measures how much one OpenBao, and three nodes with one Raft log, can take: from functions, from an integration's
//! calls, and from tokens that end.
//!
//! A slow run never fails, but a wrong answer ends the run. [`scale_document`](crate::scale_document) writes what the
//! times mean.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use test_bed::{Cluster, OpenBao};

use crate::figures::Figures;
use crate::raw_mint::MINT;
use crate::scale_site::{Caller, LONG, Reading, Site, pid};
use crate::subject::{Running, Subject};
use crate::timing::{cpu_of, peak_memory};
use crate::world::{Vault, World};

const AT_ONCE: [usize; 5] = [1, 2, 4, 8, 16];

/// Of each measurement of throughput, after a third of it that is not counted.
const SPAN: Duration = Duration::from_millis(2500);

/// Calls of each kind, by so many callers at once.
const CALLS: usize = 200;
const CALLERS: usize = 16;

/// The TTL of tokens whose end is waited for.
const SHORT: Duration = Duration::from_secs(15);

const QUOTA: &str = "sys/quotas/rate-limit/scale";

/// All of it.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Scale {
    pub(crate) throughput: Vec<Throughput>,
    pub(crate) operations: Vec<Operation>,
    pub(crate) ends: Vec<End>,
    /// Mints a second in one namespace, and spread over four.
    pub(crate) namespaces: [f64; 2],
}

/// Of so many at once, one request each always in flight.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Throughput {
    pub(crate) storage: String,
    /// Functions; otherwise connections that mint and do nothing else.
    pub(crate) functions: bool,
    pub(crate) at_once: usize,
    pub(crate) latency: Figures,
    pub(crate) rate: Rate,
    /// Of the functions, in microseconds a request.
    pub(crate) function_cpu: f64,
}

/// What Vault did in a span of time. Its CPU is in microseconds a request.
#[derive(Debug, Clone, Copy, Deserialize, Serialize)]
pub(crate) struct Rate {
    pub(crate) per_second: f64,
    pub(crate) leader_cpu: f64,
    pub(crate) nodes_cpu: f64,
}

/// Of one call to three nodes, without what they do when they are idle.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Operation {
    pub(crate) name: String,
    /// Of the Raft log.
    pub(crate) entries: f64,
    /// That the leader has written to its disk.
    pub(crate) bytes: f64,
    /// In microseconds.
    pub(crate) leader_cpu: f64,
    pub(crate) nodes_cpu: f64,
}

/// Tokens that are used and end, in a steady load.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct End {
    pub(crate) storage: String,
    pub(crate) how: How,
    pub(crate) ttl_seconds: u64,
    /// Before the first one ends by its TTL.
    pub(crate) before: Rate,
    /// While as many end as are minted.
    pub(crate) during: Rate,
    /// At the end, wrapping tokens among them.
    pub(crate) held: usize,
    /// Of the leader, in KiB.
    pub(crate) peak_memory: u64,
}

/// How a token ends.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize, Serialize)]
pub(crate) enum How {
    /// Minted and never opened: it and its wrapping token end by their TTL.
    Unopened,
    /// Opened and used; it ends by its TTL.
    Ttl,
    /// The same, revoked at once.
    Revoke,
    /// The same with `num_uses: 2`, and two reads.
    Uses,
}

/// Everything, in about five minutes.
pub(crate) async fn measure() -> Scale {
    let world = World::start().await;
    let mut throughput = Vec::new();
    {
        let openbao = OpenBao::start_in_memory(&world.scratch).await;
        let site = Site::of("in memory", std::slice::from_ref(&openbao), 0).await;
        for at_once in AT_ONCE {
            println!("    {at_once} at once, in memory");
            throughput.extend(at_once_at(&site, at_once, &world).await);
        }
    }
    let mut ends = Vec::new();
    for (how, ttl) in [(How::Unopened, 8), (How::Ttl, 8), (How::Ttl, 4), (How::Revoke, 4), (How::Uses, 4)] {
        println!("    {how:?}, {ttl} s, in memory");
        let openbao = OpenBao::start_in_memory(&world.scratch).await;
        let site = Site::of("in memory", std::slice::from_ref(&openbao), 0).await;
        ends.push(end(&site, how, ttl).await);
    }
    let cluster = Cluster::start_patient(&world.scratch).await;
    let site = Site::of("three nodes", cluster.nodes(), cluster.leader().await).await;
    println!("    each operation, three nodes");
    let operations = operations(&site).await;
    for at_once in AT_ONCE {
        println!("    {at_once} at once, three nodes");
        throughput.extend(at_once_at(&site, at_once, &world).await);
    }
    println!("    namespaces");
    let namespaces = [namespaces(&site, 1).await, namespaces(&site, 4).await];
    for (how, ttl) in [(How::Revoke, 4), (How::Ttl, 8)] {
        println!("    {how:?}, {ttl} s, three nodes");
        ends.push(end(&site, how, ttl).await);
    }
    Scale { throughput, operations, ends, namespaces }
}

/// So many functions, and so many connections that only mint.
async fn at_once_at(site: &Site<'_>, at_once: usize, world: &World) -> [Throughput; 2] {
    let configuration = world.configuration(&site.vault).set("stages.prod.grants.0.token.ttl", LONG);
    let configuration = configuration.set("stages.prod.grants.0.token.wrap_ttl", LONG);
    let subject = Subject::at_once(1, &configuration, world);
    let mut functions: Vec<Running> = join_all((0..at_once).map(|_| subject.start())).await;
    let allowed = async |running: &mut Running| running.invoke(&subject.calls[0]).await.took;
    site.load(&mut functions, SPAN / 3, allowed).await;
    let cpu = |functions: &[Running]| -> Duration {
        functions.iter().filter_map(Running::function).map(|function| cpu_of(function.pid())).sum()
    };
    let before = cpu(&functions);
    let load = site.load(&mut functions, SPAN, allowed).await;
    let function_cpu = (cpu(&functions) - before).as_secs_f64() * 1e6 / load.times.len() as f64;
    drop(functions);

    let mut callers = site.callers(at_once).await;
    let mint =
        async |caller: &mut Caller<'_>| timed(async || drop(caller.mint(LONG, LONG, json!({})).await)).await;
    site.load(&mut callers, SPAN / 3, mint).await;
    let raw = site.load(&mut callers, SPAN, mint).await;
    [(true, load, function_cpu), (false, raw, 0.0)].map(|(functions, load, function_cpu)| Throughput {
        storage: site.storage.to_owned(),
        functions,
        at_once,
        latency: Figures::of(&load.times),
        rate: load.rate,
        function_cpu,
    })
}

/// Each call that the authorizer and an integration make, and each end of a token.
async fn operations(site: &Site<'_>) -> Vec<Operation> {
    let mut callers = site.callers(CALLERS).await;
    let before = site.reading().await;
    tokio::time::sleep(SPAN).await;
    let idle = (before, site.reading().await);
    let mut all = Vec::new();
    let mut count =
        |name: &str, before: Reading, after: Reading| all.push(operation(name, idle, before, after));
    let minted = async |callers: &mut [Caller<'_>], ttl: &str, wrap_ttl: &str| {
        each(callers, vec![(); CALLS], async |caller, ()| caller.mint(ttl, wrap_ttl, json!({})).await).await
    };
    // Each at once, so that none ends before.
    let opened = async |callers: &mut [Caller<'_>], ttl: &str, body: Value| {
        let work = async |caller: &mut Caller<'_>, body| {
            let wrapped = caller.mint(ttl, LONG, body).await;
            caller.open(wrapped).await
        };
        each(callers, vec![body; CALLS], work).await
    };
    let read = async |callers: &mut [Caller<'_>], tokens| {
        each(callers, tokens, async |caller, token| caller.read(token).await).await
    };

    let start = site.reading().await;
    let wrapped = minted(&mut callers, LONG, LONG).await;
    let mints = site.reading().await;
    let wrapped = each(&mut callers, wrapped, async |caller, wrapped| caller.look_up(wrapped).await).await;
    let lookups = site.reading().await;
    let tokens = each(&mut callers, wrapped, async |caller, wrapped| caller.open(wrapped).await).await;
    let unwraps = settled(site).await;
    let tokens = read(&mut callers, tokens).await;
    let reads = site.reading().await;
    each(&mut callers, tokens, async |caller, token| caller.revoke(&token).await).await;
    let revokes = settled(site).await;
    count("mint, wrapped", start, mints);
    count("lookup", mints, lookups);
    count("unwrap", lookups, unwraps);
    count("read", unwraps, reads);
    count("revoke", reads, revokes);

    let tokens = opened(&mut callers, LONG, json!({"num_uses": 2})).await;
    let start = settled(site).await;
    let tokens = read(&mut callers, tokens).await;
    let counted = settled(site).await;
    read(&mut callers, tokens).await;
    count("read, counted", start, counted);
    count("read, the last of `num_uses`", counted, settled(site).await);

    let short = format!("{}s", SHORT.as_secs());
    opened(&mut callers, &short, json!({})).await;
    let start = settled(site).await;
    tokio::time::sleep(SHORT).await;
    count("end by TTL", start, settled(site).await);

    minted(&mut callers, &short, &short).await;
    let start = site.reading().await;
    tokio::time::sleep(SHORT).await;
    count("end by TTL, never opened", start, settled(site).await);

    site.leader.write(QUOTA, json!({"path": MINT, "rate": 1})).await;
    let start = site.reading().await;
    let refused = each(&mut callers, vec![(); CALLS], async |caller, ()| caller.is_refused().await).await;
    count("mint, refused by a quota", start, site.reading().await);
    assert!(refused.iter().filter(|refused| **refused).count() > CALLS * 9 / 10, "the quota refuses");
    site.leader.delete(QUOTA).await;
    all
}

/// Once nothing is left to be done.
async fn settled(site: &Site<'_>) -> Reading {
    tokio::time::sleep(Duration::from_secs(1)).await;
    site.reading().await
}

/// One of [`CALLS`], between two readings, less what is idle in that time.
fn operation(name: &str, idle: (Reading, Reading), before: Reading, after: Reading) -> Operation {
    let share = (after.at - before.at).as_secs_f64() / (idle.1.at - idle.0.at).as_secs_f64();
    let of = |value: fn(Reading) -> f64| {
        let own = value(after) - value(before) - (value(idle.1) - value(idle.0)) * share;
        (own / CALLS as f64).max(0.0)
    };
    Operation {
        name: name.to_owned(),
        entries: of(|reading| reading.entries as f64),
        bytes: of(|reading| reading.bytes as f64),
        leader_cpu: of(|reading| reading.leader_cpu.as_secs_f64() * 1e6),
        nodes_cpu: of(|reading| reading.nodes_cpu.as_secs_f64() * 1e6),
    }
}

/// All of these, each by the first caller that is free.
async fn each<I, O>(
    callers: &mut [Caller<'_>],
    of: Vec<I>,
    call: impl AsyncFn(&mut Caller<'_>, I) -> O,
) -> Vec<O> {
    let queue = RefCell::new(of);
    let next = || queue.borrow_mut().pop();
    let work = async |caller: &mut Caller<'_>| {
        let mut answers = Vec::new();
        while let Some(item) = next() {
            answers.push(call(&mut *caller, item).await);
        }
        answers
    };
    join_all(callers.iter_mut().map(work)).await.into_iter().flatten().collect()
}

/// A steady load of requests, each with its mint and what an integration does then.
async fn end(site: &Site<'_>, how: How, ttl_seconds: u64) -> End {
    let ttl = format!("{ttl_seconds}s");
    let work = async |caller: &mut Caller<'_>| timed(async || caller.request(how, &ttl).await).await;
    let mut callers = site.callers(CALLERS).await;
    let others = site.tokens().await;
    // In tenths of the TTL: it begins, is measured, waits for the first ends to come, and is measured again.
    let tenths = |tenths: u32| Duration::from_secs(ttl_seconds) * tenths / 10;
    site.load(&mut callers, tenths(2), work).await;
    let before = site.load(&mut callers, tenths(7), work).await.rate;
    site.load(&mut callers, tenths(4), work).await;
    let during = site.load(&mut callers, tenths(10), work).await.rate;
    End {
        storage: site.storage.to_owned(),
        how,
        ttl_seconds,
        before,
        during,
        held: site.tokens().await.saturating_sub(others),
        peak_memory: peak_memory(pid(site.leader)),
    }
}

/// Mints a second, by callers that take so many namespaces in turn.
async fn namespaces(site: &Site<'_>, count: usize) -> f64 {
    let root = Vault { token: site.leader.root_token().to_owned(), ..site.vault.clone() };
    let mut callers = site.callers(CALLERS).await;
    for number in 0..count {
        let name = format!("{count}-{number}");
        site.leader.write(&format!("sys/namespaces/{name}"), json!({})).await;
        let role = json!({"orphan": true, "token_type": "service", "allowed_policies": ["default"]});
        site.leader.write(&format!("{name}/auth/token/roles/orders-prod-reader"), role).await;
        for caller in callers.iter_mut().skip(number).step_by(count) {
            (caller.vault, caller.namespace) = (&root, format!("{name}/"));
        }
    }
    let mint =
        async |caller: &mut Caller<'_>| timed(async || drop(caller.mint(LONG, LONG, json!({})).await)).await;
    site.load(&mut callers, SPAN / 3, mint).await;
    site.load(&mut callers, SPAN, mint).await.rate.per_second
}

async fn timed(work: impl AsyncFnOnce()) -> Duration {
    let begun = Instant::now();
    work().await;
    begun.elapsed()
}
