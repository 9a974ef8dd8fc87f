//! The single address of a cluster: a TCP load balancer, and what goes wrong on the way to Vault.
//!
//! Receives connections, and gives each to a healthy node in turn. It checks each node every half second, and resets
//! the connections of a node that is no longer healthy. It repeats nothing. The test bed adds the faults:
//! [`LoadBalancer::delay`], [`LoadBalancer::reset_some`], [`LoadBalancer::cut_off`], [`LoadBalancer::lose_answer`].
//!
//! It knows where a request begins, because a client that waits for each answer speaks first. So it can delay an
//! answer or lose it. It can also send a login to the stand-in beside that node (see
//! [`AwsAuth`](crate::aws_auth::AwsAuth)), so that the stand-in shares the node's fate.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::tcp::{self, Listener};
use crate::{Cluster, OpenBao, http};

/// How often it looks at each node.
pub(crate) const CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// How long a node may take to say that it is healthy.
pub(crate) const CHECK_LIMIT: Duration = Duration::from_secs(1);

const LOGIN: &str = "POST /v1/auth/aws/login ";

/// Where a node is.
#[derive(Debug, Clone, Copy)]
pub struct Upstream {
    pub node: u16,
    /// The port of the stand-in for its AWS auth method.
    pub login: u16,
}

/// The address. It stops when it is dropped.
#[derive(Debug)]
pub struct LoadBalancer {
    listener: Listener,
    state: Arc<State>,
}

impl LoadBalancer {
    /// Starts before these nodes, all of them taken for healthy at first.
    pub fn start(upstreams: &[Upstream]) -> Self {
        let state = Arc::new(State::new(upstreams, None));
        Self { listener: Self::listen(&state, look(Arc::clone(&state))), state }
    }

    /// Starts before all nodes of a cluster, without stand-ins.
    pub fn before(cluster: &Cluster) -> Self {
        let upstream = |node: &OpenBao| {
            let node = http::port(node.address());
            Upstream { node, login: node }
        };
        Self::start(&cluster.nodes().iter().map(upstream).collect::<Vec<_>>())
    }

    /// Starts before one server, whose health it does not look at, and keeps every request as it came over the wire.
    pub fn tap(server: u16) -> Self {
        let state = Arc::new(State::new(&[Upstream { node: server, login: server }], Some(Vec::new())));
        Self { listener: Self::listen(&state, std::future::pending()), state }
    }

    fn listen(state: &Arc<State>, beside: impl Future<Output = ()> + Send + 'static) -> Listener {
        let state = Arc::clone(state);
        Listener::start(move |client| serve(Arc::clone(&state), client), beside)
    }

    pub fn address(&self) -> String {
        format!("http://127.0.0.1:{}", self.listener.port())
    }

    pub fn delay(&self, delay: Duration) {
        let millis = u64::try_from(delay.as_millis()).expect("a short time");
        self.state.delay_millis.store(millis, Ordering::SeqCst);
    }

    /// Resets the connection at so many of a hundred requests: half of these before the node has the request, half when it
    /// has answered. Which ones is the same in each run.
    pub fn reset_some(&self, percent: u32) {
        self.state.resets_percent.store(percent, Ordering::SeqCst);
    }

    /// Loses the next answer to a request whose path begins so: what was asked is done, and the client sees a broken connection.
    pub fn lose_answer(&self, path: &str) {
        *self.state.lost.lock().expect("not poisoned") = Some(path.to_owned());
    }

    /// Every request that a tap has seen since this was asked last, oldest first: its head as it came, and its body.
    pub fn take_requests(&self) -> Vec<String> {
        self.state.requests.lock().expect("not poisoned").as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// From now on nothing passes to or from this node, and whoever waits for it is not told; or it is connected again.
    pub fn cut_off(&self, node: usize, cut_off: bool) {
        self.state.nodes[node].1.send_modify(|condition| condition.cut_off = cut_off);
    }
}

#[derive(Debug)]
struct State {
    nodes: Vec<(Upstream, watch::Sender<Condition>)>,
    turn: AtomicUsize,
    delay_millis: AtomicU64,
    resets_percent: AtomicU32,
    chance: AtomicU64,
    /// The path of an answer that is to be lost.
    lost: Mutex<Option<String>>,
    /// Of a tap.
    requests: Mutex<Option<Vec<String>>>,
}

#[derive(Debug, Clone, Copy)]
struct Condition {
    healthy: bool,
    cut_off: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Reset {
    BeforeTheRequest,
    AfterTheAnswer,
}

impl State {
    fn new(upstreams: &[Upstream], requests: Option<Vec<String>>) -> Self {
        let condition = || watch::Sender::new(Condition { healthy: true, cut_off: false });
        Self {
            nodes: upstreams.iter().map(|upstream| (*upstream, condition())).collect(),
            turn: AtomicUsize::new(0),
            delay_millis: AtomicU64::new(0),
            resets_percent: AtomicU32::new(0),
            chance: AtomicU64::new(0),
            lost: Mutex::default(),
            requests: Mutex::new(requests),
        }
    }

    /// Keeps a part of a request; answers which one that is.
    fn keep(&self, request: Option<usize>, part: &str) -> Option<usize> {
        let mut requests = self.requests.lock().expect("not poisoned");
        let requests = requests.as_mut()?;
        let request = request.unwrap_or(requests.len());
        requests.resize(requests.len().max(request + 1), String::new());
        requests[request].push_str(part);
        Some(request)
    }

    fn next_node(&self) -> Option<(Upstream, watch::Receiver<Condition>)> {
        let turn = self.turn.fetch_add(1, Ordering::SeqCst);
        let healthy: Vec<_> = self.nodes.iter().filter(|(_, condition)| condition.borrow().healthy).collect();
        let (upstream, condition) = healthy.get(turn % healthy.len().max(1))?;
        Some((*upstream, condition.subscribe()))
    }

    /// What becomes of this request, of which this is the beginning.
    fn reset(&self, request: &str) -> Option<Reset> {
        let path = request.split(' ').nth(1).unwrap_or_default();
        let mut lost = self.lost.lock().expect("not poisoned");
        if lost.take_if(|lost| path.starts_with(lost.as_str())).is_some() {
            return Some(Reset::AfterTheAnswer);
        }
        let percent = u64::from(self.resets_percent.load(Ordering::SeqCst));
        if percent == 0 {
            return None;
        }
        // A linear congruential generator (Knuth, MMIX): any sequence that looks like chance will do.
        let step = |state: u64| {
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407)
        };
        let state = self.chance.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |state| Some(step(state)));
        let drawn = step(state.unwrap_or_default()) >> 33;
        let kind = if drawn / 100 % 2 == 0 { Reset::BeforeTheRequest } else { Reset::AfterTheAnswer };
        (drawn % 100 < percent).then_some(kind)
    }
}

/// Looks at every node, forever.
async fn look(state: Arc<State>) {
    let client = http::client();
    let checks = state.nodes.iter().enumerate().map(|(index, (upstream, _))| {
        let (state, client) = (Arc::clone(&state), client.clone());
        let url = format!("http://127.0.0.1:{}/v1/sys/health?standbyok=true", upstream.node);
        async move {
            let condition = &state.nodes[index].1;
            loop {
                let answer = client.get(&url).timeout(CHECK_LIMIT).send().await;
                let healthy =
                    answer.is_ok_and(|answer| answer.status() == 200) && !condition.borrow().cut_off;
                condition.send_if_modified(|condition| {
                    std::mem::replace(&mut condition.healthy, healthy) != healthy
                });
                tokio::time::sleep(CHECK_INTERVAL).await;
            }
        }
    });
    for check in checks {
        tokio::spawn(check);
    }
}

/// One connection, until either side ends it or its node is not healthy any more.
async fn serve(state: Arc<State>, client: TcpStream) {
    let Some((upstream, condition)) = state.next_node() else {
        return tcp::reset(client);
    };
    let mut connection = Connection { client, node: None, login: None, condition };
    // However it ended: a client with a request on its way must not take the end for an answer.
    let _ = connection.carry(&state, upstream).await;
    tcp::reset(connection.client);
}

struct Connection {
    client: TcpStream,
    node: Option<TcpStream>,
    login: Option<TcpStream>,
    condition: watch::Receiver<Condition>,
}

impl Connection {
    async fn carry(&mut self, state: &State, upstream: Upstream) -> std::io::Result<()> {
        let (mut asked, mut answer) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
        let mut reset = None;
        let (mut is_login, mut answered, mut kept) = (false, true, None);
        loop {
            let Condition { healthy, cut_off } = *self.condition.borrow_and_update();
            if !healthy {
                return Ok(());
            }
            let current = if is_login { self.login.as_mut() } else { self.node.as_mut() };
            tokio::select! {
                changed = self.condition.changed() => if changed.is_err() { return Ok(()) },
                read = self.client.read(&mut asked), if !cut_off => {
                    let request = &asked[..read?];
                    if request.is_empty() {
                        return Ok(());
                    }
                    let text = String::from_utf8_lossy(request);
                    if answered {
                        (is_login, answered, reset) = (text.starts_with(LOGIN), false, state.reset(&text));
                        kept = None;
                    }
                    kept = state.keep(kept, &text);
                    if reset == Some(Reset::BeforeTheRequest) {
                        return Ok(());
                    }
                    let (stream, port) =
                        if is_login { (&mut self.login, upstream.login) } else { (&mut self.node, upstream.node) };
                    if stream.is_none() {
                        *stream = Some(tcp::connect(port).await?);
                    }
                    if let Some(stream) = stream {
                        stream.write_all(request).await?;
                    }
                }
                read = read_some(current, &mut answer), if !cut_off => {
                    let part = &answer[..read?];
                    if part.is_empty() || reset == Some(Reset::AfterTheAnswer) {
                        return Ok(());
                    }
                    if !answered {
                        answered = true;
                        tokio::time::sleep(Duration::from_millis(state.delay_millis.load(Ordering::SeqCst))).await;
                    }
                    self.client.write_all(part).await?;
                }
            }
        }
    }
}

/// Waits forever where there is nobody to read from.
async fn read_some(stream: Option<&mut TcpStream>, into: &mut [u8]) -> std::io::Result<usize> {
    match stream {
        Some(stream) => stream.read(into).await,
        None => std::future::pending().await,
    }
}
