//! Many invocations at once: in one process, as Lambda Managed Instances send them, and in as many processes, as
//! Lambda does elsewhere.

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};

use crate::figures::Figures;
use crate::subject::{Running, Subject};
use crate::timing::peak_memory;
use crate::world::World;

const AT_ONCE: [usize; 4] = [1, 4, 16, 64];

/// Allowed requests of each measurement, after as many divided by ten that are not counted.
const CALLS: usize = 3000;

/// Of so many invocations in flight.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct AtOnce {
    pub(crate) at_once: usize,
    pub(crate) processes: usize,
    pub(crate) allowed_per_second: f64,
    pub(crate) latency: Figures,
    /// Of all processes, in KiB.
    pub(crate) peak_memory: u64,
    /// That are open to Vault at the end.
    pub(crate) connections: usize,
}

/// Each number of them, in one process and in as many.
pub(crate) async fn measure(world: &World) -> Vec<AtOnce> {
    let mut all = Vec::new();
    for at_once in AT_ONCE {
        println!("    {at_once} at once");
        all.push(in_processes(1, at_once, world).await);
        if at_once > 1 {
            all.push(in_processes(at_once, 1, world).await);
        }
    }
    all
}

async fn in_processes(processes: usize, each: usize, world: &World) -> AtOnce {
    let subject = Subject::at_once(each, &world.configuration(world.vault()), world);
    let mut running = Vec::new();
    for _ in 0..processes {
        running.push(subject.start().await);
    }
    load(&running, each, &subject, CALLS / 10).await;
    let begun = Instant::now();
    let times = load(&running, each, &subject, CALLS).await;
    let took = begun.elapsed();
    let peaks = running.iter().filter_map(Running::function).map(|function| peak_memory(function.pid()));
    AtOnce {
        at_once: processes * each,
        processes,
        allowed_per_second: times.len() as f64 / took.as_secs_f64(),
        latency: Figures::of(&times),
        peak_memory: peaks.sum(),
        connections: connections(&world.vault().address),
    }
}

/// So many calls in all, `each` of them in flight in each process.
async fn load(running: &[Running], each: usize, subject: &Subject, calls: usize) -> Vec<Duration> {
    let next = Cell::new(0);
    let workers = running.iter().flat_map(|running| (0..each).map(move |_| running));
    join_all(workers.map(|running| work(running, subject, &next, calls))).await.concat()
}

/// One call after the other, as long as there are any.
async fn work(running: &Running, subject: &Subject, next: &Cell<usize>, calls: usize) -> Vec<Duration> {
    let mut times = Vec::new();
    loop {
        let call = next.replace(next.get() + 1);
        if call >= calls {
            return times;
        }
        times.push(running.invoke(&subject.calls[call % subject.calls.len()]).await.took);
    }
}

/// Of the clients' ends in `/proc/net/tcp`: `sl local_address rem_address st …`, addresses as `0100007F:1F90`, established as 01.
fn connections(vault: &str) -> usize {
    let port = format!(":{:04X}", test_bed::http::port(vault));
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux tells its connections");
    let open = |line: &&str| {
        let columns: Vec<&str> = line.split_whitespace().collect();
        columns.get(2).is_some_and(|remote| remote.ends_with(&port)) && columns.get(3) == Some(&"01")
    };
    table.lines().filter(open).count()
}
