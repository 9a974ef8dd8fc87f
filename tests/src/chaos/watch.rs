//! Records ten times a second which node is active, so that elections are measured and not assumed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::{OpenBao, http};

const INTERVAL: Duration = Duration::from_millis(100);
/// How long a node may take to say that it is active.
const LIMIT: Duration = Duration::from_millis(400);

/// A time in which no node was active, or in which another one became it.
#[derive(Debug, Clone, Copy)]
pub struct Election {
    /// When a node was active for the last time.
    pub began: Instant,
    /// When one said so again.
    pub ended: Instant,
}

/// The watch, until [`Watch::finish`].
pub(super) struct Watch {
    seen: Arc<Seen>,
    task: JoinHandle<Vec<Election>>,
}

#[derive(Default)]
struct Seen {
    /// A node that nobody can reach may believe that it is active.
    left_out: Mutex<Option<usize>>,
    over: AtomicBool,
}

impl Watch {
    pub(super) fn start(nodes: &[OpenBao]) -> Self {
        let seen = Arc::new(Seen::default());
        let urls = nodes.iter().map(|node| format!("{}/v1/sys/health", node.address())).collect();
        let task = tokio::spawn(watch(Arc::clone(&seen), urls));
        Self { seen, task }
    }

    /// Does not believe this node, until it is called with `None`.
    pub(super) fn leave_out(&self, node: Option<usize>) {
        *self.seen.left_out.lock().expect("not poisoned") = node;
    }

    pub(super) async fn finish(self) -> Vec<Election> {
        self.seen.over.store(true, Ordering::SeqCst);
        self.task.await.expect("the watch does not panic")
    }
}

async fn watch(seen: Arc<Seen>, urls: Vec<String>) -> Vec<Election> {
    let client = http::client();
    let mut elections = Vec::new();
    let mut last: Option<(usize, Instant)> = None;
    let mut without = false;
    loop {
        let asked = Instant::now();
        let active = active(&client, &urls).await;
        let left_out = *seen.left_out.lock().expect("not poisoned");
        let mut active = active.into_iter().filter(|node| Some(*node) != left_out);
        // Two may claim it for a moment: the one that was it before is it until it says otherwise.
        let before = last.map(|(node, _)| node);
        let first = active.next();
        let now = if first == before || active.any(|node| Some(node) == before) { before } else { first };
        match (now, last) {
            (Some(node), Some((previous, at))) if without || node != previous => {
                elections.push(Election { began: at, ended: Instant::now() });
            }
            _ => {}
        }
        without = now.is_none();
        if let Some(node) = now {
            last = Some((node, asked));
        }
        if seen.over.load(Ordering::SeqCst) {
            if let (true, Some((_, at))) = (without, last) {
                elections.push(Election { began: at, ended: Instant::now() });
            }
            return elections;
        }
        tokio::time::sleep(INTERVAL).await;
    }
}

async fn active(client: &reqwest::Client, urls: &[String]) -> Vec<usize> {
    let ask = |url: &String| {
        let request = client.get(url).timeout(LIMIT).send();
        tokio::spawn(async { request.await.is_ok_and(|answer| answer.status() == 200) })
    };
    let asked: Vec<_> = urls.iter().map(ask).collect();
    let mut active = Vec::new();
    for (node, answer) in asked.into_iter().enumerate() {
        if answer.await.unwrap_or_default() {
            active.push(node);
        }
    }
    active
}
