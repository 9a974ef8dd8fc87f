//! The wires between the nodes. Each node is reached through a proxy that knows which node calls, and that can be
//! silent or slow.
//!
//! The system says who calls: `/proc/net/tcp` names the socket of a port, `/proc/<pid>/fd` its owner (proc(5)).

use std::fs;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep_until};

use crate::tcp::{self, Listener};

/// What the links share.
#[derive(Debug, Clone)]
pub(super) struct Wires {
    ends: Arc<Mutex<Vec<End>>>,
    /// The node that is cut off.
    cut_off: Arc<watch::Sender<Option<usize>>>,
    /// The node that is far from the others, and how far.
    far: Arc<Mutex<Option<(usize, Duration)>>>,
}

/// How many parts may be on their way at once.
const PARTS: usize = 1024;

/// A node's process and the port where it listens.
#[derive(Debug, Clone, Copy, Default)]
struct End {
    pid: Option<u32>,
    port: u16,
}

impl Wires {
    pub(super) fn new(nodes: usize) -> Self {
        let (cut_off, _) = watch::channel(None);
        Self {
            ends: Arc::new(Mutex::new(vec![End::default(); nodes])),
            cut_off: Arc::new(cut_off),
            far: Arc::default(),
        }
    }

    pub(super) fn attach(&self, node: usize, pid: Option<u32>, port: u16) {
        self.ends.lock().expect("not poisoned")[node] = End { pid, port };
    }

    pub(super) fn detach(&self, node: usize) {
        self.ends.lock().expect("not poisoned")[node].pid = None;
    }

    pub(super) fn cut_off(&self, node: Option<usize>) {
        self.cut_off.send_replace(node);
    }

    pub(super) fn move_away(&self, far: Option<(usize, Duration)>) {
        *self.far.lock().expect("not poisoned") = far;
    }

    fn delay(&self, from: usize, to: usize) -> Duration {
        let far = *self.far.lock().expect("not poisoned");
        far.filter(|(node, _)| [from, to].contains(node)).map_or(Duration::ZERO, |(_, delay)| delay)
    }

    fn port(&self, node: usize) -> u16 {
        self.ends.lock().expect("not poisoned")[node].port
    }

    /// The node whose process has this end of a connection.
    fn caller(&self, port: u16) -> Option<usize> {
        let socket = format!("socket:[{}]", inode(port)?);
        let ends = self.ends.lock().expect("not poisoned").clone();
        ends.iter().position(|end| end.pid.is_some_and(|pid| owns(pid, &socket)))
    }
}

/// The way to one node.
#[derive(Debug)]
pub(super) struct Link {
    listener: Listener,
}

impl Link {
    pub(super) fn start(to: usize, wires: &Wires) -> Self {
        let wires = wires.clone();
        let serve = move |caller| carry(caller, to, wires.clone());
        Self { listener: Listener::start(serve, async {}) }
    }

    pub(super) fn port(&self) -> u16 {
        self.listener.port()
    }
}

async fn carry(mut caller: TcpStream, to: usize, wires: Wires) {
    let Some(from) = caller.peer_addr().ok().and_then(|peer| wires.caller(peer.port())) else {
        return;
    };
    let mut cut_off = wires.cut_off.subscribe();
    let concerns = |node: &Option<usize>| node.is_some_and(|node| node == from || node == to);
    if !concerns(&cut_off.borrow()) {
        let Ok(mut node) = tcp::connect(wires.port(to)).await else { return };
        tokio::select! {
            () = copy_both_ways(&mut caller, &mut node, || wires.delay(from, to)) => return,
            // The sender is as old as the link: this waits.
            _ = cut_off.wait_for(concerns) => {}
        }
        // Silent, with both ends open.
        let _ = cut_off.wait_for(|node| !concerns(node)).await;
        drop(node);
    } else {
        let _ = cut_off.wait_for(|node| !concerns(node)).await;
    }
}

/// Until both ends have nothing more to say, or one of them breaks off.
async fn copy_both_ways(one: &mut TcpStream, other: &mut TcpStream, delay: impl Fn() -> Duration) {
    let ((one_says, one_hears), (other_says, other_hears)) = (one.split(), other.split());
    let _ = tokio::try_join!(copy(one_says, other_hears, &delay), copy(other_says, one_hears, &delay));
}

/// Each part is heard so long after it was said, and the next does not wait for that.
async fn copy(
    mut says: ReadHalf<'_>,
    mut hears: WriteHalf<'_>,
    delay: impl Fn() -> Duration,
) -> io::Result<()> {
    let (sender, mut on_its_way) = mpsc::channel(PARTS);
    let listen = async move {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = says.read(&mut buffer).await?;
            if read == 0 || sender.send((Instant::now() + delay(), buffer[..read].to_vec())).await.is_err() {
                return Ok(());
            }
        }
    };
    let tell = async {
        while let Some((due, part)) = on_its_way.recv().await {
            sleep_until(due).await;
            hears.write_all(&part).await?;
        }
        hears.shutdown().await
    };
    tokio::try_join!(listen, tell).map(|((), ())| ())
}

/// `  sl  local_address rem_address st tx_queue:rx_queue tr:when retrnsmt uid timeout inode`, the address as `0100007F:<port>`.
fn inode(port: u16) -> Option<String> {
    let table = fs::read_to_string("/proc/net/tcp").ok()?;
    let local = format!("0100007F:{port:04X}");
    let mut rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let row = rows.find(|row| row.get(1) == Some(&local.as_str()))?;
    row.get(9).map(|inode| (*inode).to_owned())
}

fn owns(pid: u32, socket: &str) -> bool {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let mut targets = descriptors.filter_map(|descriptor| fs::read_link(descriptor.path()).ok());
    targets.any(|target| target.as_os_str() == socket)
}
