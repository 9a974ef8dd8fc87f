//! A highly available OpenBao: three nodes with one Raft log. You can kill, pause or seal one of them, cut it off
//! from the others, move it far from them, or leave no room on its disk. The other two are a quorum.
//!
//! ```text
//! node 0 ──▶ link 1 ──▶ node 1        every node reaches every other through that one's link, and a link knows by whom
//!        └─▶ link 2 ──▶ node 2        it was called: a node that is cut off neither hears nor is heard
//! ```
//!
//! [`LoadBalancer`](crate::load_balancer::LoadBalancer) is how callers find a node.

mod link;

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use self::link::{Link, Wires};
use crate::openbao::PATIENCE;
use crate::{OpenBao, Scratch};

pub const NODES: usize = 3;

/// How long a node may take to say how it is.
const HEALTH_LIMIT: Duration = Duration::from_millis(500);

/// The cluster. Nodes are named by their number.
#[derive(Debug)]
pub struct Cluster {
    nodes: Vec<OpenBao>,
    wires: Wires,
    _links: Vec<Link>,
}

impl Cluster {
    /// Starts three nodes, joins them, and waits until each has a vote; about six seconds.
    pub async fn start(scratch: &Scratch) -> Self {
        Self::start_with(PATIENCE, scratch).await
    }

    /// The same with nodes that wait ten times as long before they elect another leader: one that keeps the disk busy stays.
    pub async fn start_patient(scratch: &Scratch) -> Self {
        Self::start_with(10, scratch).await
    }

    async fn start_with(patience: u8, scratch: &Scratch) -> Self {
        let wires = Wires::new(NODES);
        let links: Vec<Link> = (0..NODES).map(|node| Link::start(node, &wires)).collect();
        let mut nodes: Vec<OpenBao> = Vec::new();
        for (index, link) in links.iter().enumerate() {
            let name = format!("node-{index}");
            let mut node = OpenBao::start_member(scratch, &name, link.port(), patience).await;
            wires.attach(index, node.pid(), node.cluster_port());
            match nodes.first() {
                None => {
                    node.initialise().await;
                    give_votes_at_once(&node).await;
                }
                Some(first) => node.join(first).await,
            }
            nodes.push(node);
        }
        let cluster = Self { nodes, wires, _links: links };
        cluster.all_vote().await;
        cluster
    }

    pub fn node(&self, index: usize) -> &OpenBao {
        &self.nodes[index]
    }

    pub fn nodes(&self) -> &[OpenBao] {
        &self.nodes
    }

    /// The node that says that it is active, waited for.
    pub async fn leader(&self) -> usize {
        for _ in 0..600 {
            for (index, node) in self.nodes.iter().enumerate() {
                if node.pid().is_some() && node.health(HEALTH_LIMIT).await == Some(200) {
                    return index;
                }
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the cluster has no leader: {}", self.nodes[0].log());
    }

    pub fn kill(&mut self, index: usize) {
        self.nodes[index].kill();
        self.wires.detach(index);
    }

    /// Starts a killed node on its data, and unseals it.
    pub async fn start_again(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        node.start_sealed().await;
        self.wires.attach(index, node.pid(), node.cluster_port());
        node.unseal().await;
    }

    /// From now on nothing passes between this node and the others, until it is called with `None`. Connections stay open, as
    /// over a broken wire.
    pub fn cut_off(&self, index: Option<usize>) {
        self.wires.cut_off(index);
    }

    /// From now on whatever this node says to the others, and they to it, is heard so much later. The other two are a quorum that
    /// does not wait for it: so it lags behind.
    pub fn move_away(&self, far: Option<(usize, Duration)>) {
        self.wires.move_away(far);
    }

    /// Lets no file of this node grow above this size any more, by the limit that the system has for the size of a process's
    /// files. To the node it is a full disk: each write is short or fails. Root's rights are not needed, `prlimit` of util-linux
    /// is.
    /// The soft limit alone, which its owner may raise again.
    pub fn limit_files(&self, index: usize, soft: &str) {
        let pid = self.nodes[index].pid().expect("the node runs").to_string();
        let status = Command::new("prlimit").args(["--pid", &pid, &format!("--fsize={soft}")]).status();
        assert!(status.expect("prlimit runs: it is part of util-linux").success(), "prlimit --fsize={soft}");
    }

    async fn all_vote(&self) {
        for _ in 0..600 {
            let raft = self.nodes[0].as_root("GET", "sys/storage/raft/configuration", Value::Null).await;
            let servers = raft["data"]["config"]["servers"].as_array().cloned().unwrap_or_default();
            if servers.iter().filter(|server| server["voter"] == true).count() == NODES {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("not all nodes have a vote: {}", self.nodes[0].log());
    }
}

/// A node that was just initialised answers 500 until it is ready to be told.
async fn give_votes_at_once(first: &OpenBao) {
    let (path, at_once) =
        ("sys/storage/raft/autopilot/configuration", json!({"server_stabilization_time": "100ms"}));
    for _ in 0..200 {
        if first.api("POST", path, Some(first.root_token()), at_once.clone()).await.0 < 300 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("the first node does not take its settings: {}", first.log());
}
