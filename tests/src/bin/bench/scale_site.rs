//! A measured Vault and its clients, which ask what the authorizer and an integration ask. Each answer is checked.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use serde_json::{Value, json};
use test_bed::OpenBao;

use crate::raw_mint::{self, Connection, MINT};
use crate::scale::{How, Rate};
use crate::timing::cpu_of;
use crate::world::{self, Vault};

/// The TTL of what shall not end: as long as the role allows here.
pub(crate) const LONG: &str = "600s";

/// One OpenBao or several as one, with the quickstart's role for tokens that live longer.
pub(crate) struct Site<'o> {
    pub(crate) storage: &'static str,
    pub(crate) nodes: &'o [OpenBao],
    pub(crate) leader: &'o OpenBao,
    pub(crate) vault: Vault,
}

impl<'o> Site<'o> {
    pub(crate) async fn of(storage: &'static str, nodes: &'o [OpenBao], leader: usize) -> Self {
        let leader = &nodes[leader];
        let vault = world::set_up(leader).await;
        let role = "auth/token/roles/orders-prod-reader";
        leader.write(role, json!({"token_explicit_max_ttl": LONG})).await;
        // The peers' token may ask for any TTL.
        let vault = Vault { token: vault.peer_token.clone(), ..vault };
        Self { storage, nodes, leader, vault }
    }

    pub(crate) async fn callers(&self, count: usize) -> Vec<Caller<'_>> {
        let connect = async |_| Caller {
            connection: Connection::open(&self.vault.address).await,
            vault: &self.vault,
            namespace: String::new(),
        };
        join_all((0..count).map(connect)).await
    }

    pub(crate) async fn tokens(&self) -> usize {
        let tokens = self.leader.as_root("LIST", "auth/token/accessors", Value::Null).await;
        tokens["data"]["keys"].as_array().map_or(0, Vec::len)
    }

    pub(crate) async fn reading(&self) -> Reading {
        let raft = self.leader.as_root("GET", "sys/leader", Value::Null).await;
        let cpu = |node: &OpenBao| cpu_of(pid(node));
        Reading {
            at: Instant::now(),
            entries: raft["raft_committed_index"].as_u64().unwrap_or(0),
            bytes: written(pid(self.leader)),
            leader_cpu: cpu(self.leader),
            nodes_cpu: self.nodes.iter().map(cpu).sum(),
        }
    }

    /// Work of each caller, one after the other until the time is up: how long each took, and what Vault did meanwhile.
    pub(crate) async fn load<C>(
        &self,
        callers: &mut [C],
        span: Duration,
        work: impl AsyncFn(&mut C) -> Duration,
    ) -> Load {
        let before = self.reading().await;
        let begun = Instant::now();
        let repeat = async |caller: &mut C| {
            let mut times = Vec::new();
            while begun.elapsed() < span {
                times.push(work(&mut *caller).await);
            }
            times
        };
        let times = join_all(callers.iter_mut().map(repeat)).await.concat();
        let took = begun.elapsed();
        let after = self.reading().await;
        let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / times.len() as f64;
        let rate = Rate {
            per_second: times.len() as f64 / took.as_secs_f64(),
            leader_cpu: each(after.leader_cpu - before.leader_cpu),
            nodes_cpu: each(after.nodes_cpu - before.nodes_cpu),
        };
        Load { times, rate }
    }
}

pub(crate) struct Load {
    pub(crate) times: Vec<Duration>,
    pub(crate) rate: Rate,
}

#[derive(Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) at: Instant,
    pub(crate) entries: u64,
    pub(crate) bytes: u64,
    pub(crate) leader_cpu: Duration,
    pub(crate) nodes_cpu: Duration,
}

pub(crate) fn pid(node: &OpenBao) -> u32 {
    node.pid().expect("it runs")
}

/// `write_bytes: 1234` in `/proc/<pid>/io`: what the process has made the disk write, in whole pages.
fn written(pid: u32) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).expect("it runs");
    let bytes = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    bytes.and_then(|bytes| bytes.parse().ok()).expect("Linux counts them")
}

/// Who asks Vault, as the authorizer and an integration do.
pub(crate) struct Caller<'v> {
    connection: Connection,
    pub(crate) vault: &'v Vault,
    /// With a slash at its end; empty for the root's.
    pub(crate) namespace: String,
}

impl Caller<'_> {
    /// All that follows an allowed request.
    pub(crate) async fn request(&mut self, how: How, ttl: &str) {
        let body = if how == How::Uses { json!({"num_uses": 2}) } else { json!({}) };
        let wrap_ttl = if how == How::Unopened { ttl } else { LONG };
        let wrapped = self.mint(ttl, wrap_ttl, body).await;
        if how == How::Unopened {
            return;
        }
        let wrapped = self.look_up(wrapped).await;
        let token = self.open(wrapped).await;
        let token = self.read(token).await;
        match how {
            How::Revoke => self.revoke(&token).await,
            How::Uses => drop(self.read(token).await),
            How::Unopened | How::Ttl => {}
        }
    }

    /// The wrapping token.
    pub(crate) async fn mint(&mut self, ttl: &str, wrap_ttl: &str, mut body: Value) -> String {
        body["ttl"] = ttl.into();
        body["meta"] = raw_mint::meta();
        let path = format!("{}{MINT}", self.namespace);
        let headers = [("x-vault-token", self.vault.token.as_str()), ("x-vault-wrap-ttl", wrap_ttl)];
        let answer = self.ask("POST", &path, &headers, &body).await;
        text(&answer["wrap_info"]["token"])
    }

    pub(crate) async fn look_up(&mut self, wrapped: String) -> String {
        let answer = self.ask("POST", "sys/wrapping/lookup", &[], &json!({"token": wrapped})).await;
        assert_eq!(answer["data"]["creation_path"], MINT, "{answer}");
        wrapped
    }

    pub(crate) async fn open(&mut self, wrapped: String) -> String {
        let answer =
            self.ask("POST", "sys/wrapping/unwrap", &[("x-vault-token", &wrapped)], &Value::Null).await;
        text(&answer["auth"]["client_token"])
    }

    pub(crate) async fn read(&mut self, token: String) -> String {
        let answer =
            self.ask("GET", "secret/data/prod/orders", &[("x-vault-token", &token)], &Value::Null).await;
        assert_eq!(answer["data"]["data"]["username"], "orders-prod", "{answer}");
        token
    }

    pub(crate) async fn revoke(&mut self, token: &str) {
        self.ask("POST", "auth/token/revoke-self", &[("x-vault-token", token)], &Value::Null).await;
    }

    /// A mint that a quota may refuse.
    pub(crate) async fn is_refused(&mut self) -> bool {
        let headers = [("x-vault-token", self.vault.token.as_str()), ("x-vault-wrap-ttl", LONG)];
        let request = raw_mint::request(&self.vault.address, "POST", MINT, &headers, &json!({"ttl": LONG}));
        self.connection.ask(&request).await.word == "429"
    }

    async fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: &Value) -> Value {
        let request = raw_mint::request(&self.vault.address, method, path, headers, body);
        let answer = self.connection.ask(&request).await;
        let text = String::from_utf8_lossy(&answer.body);
        assert!(answer.word.starts_with('2'), "{method} {path}: {} {text}", answer.word);
        serde_json::from_str(&text).unwrap_or_default()
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("no token: {value}")).to_owned()
}
