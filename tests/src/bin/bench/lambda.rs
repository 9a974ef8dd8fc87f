//! AWS Lambda for one function, on one thread and without a web framework, so that it measures little but the
//! function.
//!
//! Receives a program and its environment. Produces two times: from the start until the program asks for its first
//! event, and from each event to its answer. The caller decides whether the answer is right.
//!
//! ```text
//! GET  /2018-06-01/runtime/invocation/next             waits for an event
//! POST /2018-06-01/runtime/invocation/{id}/response    its answer
//! POST /2018-06-01/runtime/invocation/{id}/error       {"errorType": …, "errorMessage": …}
//! POST /2020-01-01/extension/register                  {"events": ["INVOKE"]}
//! GET  /2020-01-01/extension/event/next                waits for an invocation
//! ```
//!
//! It accepts any number of connections. Each connection that waits at `next` gets its own event, so a function may
//! ask for several events at once, and you may call [`Function::invoke`] as often at the same time. A registered
//! extension is told of each event, and the next event waits until the extension has asked for it, too.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;
use test_bed::{Child, ENVIRONMENT};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex as AsyncMutex, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::share::Share;

/// How long it may take to start and, under callgrind, to answer.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running function. Dropping it ends the process.
pub(crate) struct Function {
    child: RefCell<Child>,
    api: Arc<Api>,
    events: mpsc::UnboundedSender<Event>,
    server: JoinHandle<()>,
    next_id: Cell<u64>,
    /// From its start to its first poll.
    pub(crate) init: Duration,
}

/// What came of an event.
pub(crate) struct Answer {
    /// From just before the event is written, in one system call, to the last byte of its answer.
    pub(crate) took: Duration,
    pub(crate) is_error: bool,
    pub(crate) body: Vec<u8>,
}

impl Function {
    /// Starts the program in its folder, with Lambda's environment and its own, and with a share of a processor if one is given.
    /// Waits until it asks for its first event.
    pub(crate) async fn start(
        mut command: Command,
        environment: &[(String, String)],
        folder: &Path,
        share: Option<&Share>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address").to_string();
        let gate = folder.join("gate");
        if let Some(share) = share {
            command = share.gated(&command, &gate);
        }
        command.current_dir(folder).env_clear().envs(ENVIRONMENT).env("LAMBDA_TASK_ROOT", folder);
        command.env("AWS_LAMBDA_RUNTIME_API", address).envs(environment.iter().map(|(n, v)| (n, v)));

        let (events, queue) = mpsc::unbounded_channel();
        let (polled, first_poll) = oneshot::channel();
        let api = Arc::new(Api {
            queue: AsyncMutex::new(queue),
            first_poll: Mutex::new(Some(polled)),
            invocations: Mutex::default(),
            extension: Extension::new(),
        });
        let server = tokio::spawn(accept(listener, Arc::clone(&api)));
        let mut started = Instant::now();
        let mut child = Child::spawn("the function", command, &folder.join("function.log"));
        if share.is_some() {
            started = Share::open(&gate);
        }
        let first_poll = tokio::select! {
            first_poll = tokio::time::timeout(PATIENCE, first_poll) => first_poll,
            status = child.wait() => panic!("it ended while it started, {status}: {}", child.log()),
        };
        let first_poll = first_poll.unwrap_or_else(|_| panic!("it does not start: {}", child.log()));
        let init = first_poll.expect("sent before it is dropped").duration_since(started);
        Self { child: child.into(), api, events, server, next_id: Cell::new(1), init }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.borrow().pid()
    }

    /// Everything that it has printed.
    pub(crate) fn log(&self) -> String {
        self.child.borrow().log()
    }

    /// Hands it an event, as soon as it asks for one.
    pub(crate) async fn invoke(&self, event: &[u8]) -> Answer {
        let id = format!("00000000-0000-4000-8000-{:012}", self.next_id.replace(self.next_id.get() + 1));
        let (answer, mut answered) = oneshot::channel();
        self.api.invocations().insert(id.clone(), Invocation { written: None, answer });
        let extension = &self.api.extension;
        let told = extension.registered.load(Ordering::Relaxed).then(|| id.clone());
        if told.is_some() {
            let rested = tokio::time::timeout(PATIENCE, extension.waits.acquire()).await;
            rested.expect("it rests after each answer").expect("never closed").forget();
        }
        self.events.send(Event::of(id, event)).expect("the Runtime API runs");
        if let Some(id) = told {
            extension.events.send(id).expect("the Extensions API runs");
        }
        let begun = Instant::now();
        loop {
            // The answer wakes us; the process's end does not, so it is looked for now and then.
            if let Ok(answer) = tokio::time::timeout(Duration::from_millis(50), &mut answered).await {
                return answer.expect("sent before it is dropped");
            }
            let exited = self.child.borrow_mut().exited();
            assert!(exited.is_none(), "it ended, {exited:?}: {}", self.log());
            assert!(begun.elapsed() < PATIENCE, "no answer: {}", self.log());
        }
    }

    /// Asks it to end and waits until it has. Callgrind writes its figures then.
    pub(crate) async fn stop(mut self) {
        self.child.get_mut().stop().await;
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// The Runtime API. Everything in it happens on one thread, so a lock is never waited for.
struct Api {
    queue: AsyncMutex<mpsc::UnboundedReceiver<Event>>,
    first_poll: Mutex<Option<oneshot::Sender<Instant>>>,
    invocations: Mutex<HashMap<String, Invocation>>,
    extension: Extension,
}

/// The function's extension, if it registers one.
struct Extension {
    registered: AtomicBool,
    /// A permit for each time that it asked for an event.
    waits: Semaphore,
    /// The ids of the invocations that it is told of.
    events: mpsc::UnboundedSender<String>,
    queue: AsyncMutex<mpsc::UnboundedReceiver<String>>,
}

impl Extension {
    fn new() -> Self {
        let (events, queue) = mpsc::unbounded_channel();
        let queue = AsyncMutex::new(queue);
        Self { registered: AtomicBool::new(false), waits: Semaphore::new(0), events, queue }
    }

    /// The whole answer to its `next`.
    async fn next(&self) -> Option<String> {
        self.waits.add_permits(1);
        let id = self.queue.lock().await.recv().await?;
        let event =
            json!({"eventType": "INVOKE", "requestId": id, "deadlineMs": deadline_millis()}).to_string();
        let length = event.len();
        Some(format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{event}"
        ))
    }
}

fn deadline_millis() -> u64 {
    let deadline = (SystemTime::now() + PATIENCE).duration_since(UNIX_EPOCH).expect("after 1970");
    u64::try_from(deadline.as_millis()).expect("not so soon")
}

/// The whole answer to `next`, made before it is asked for.
struct Event {
    id: String,
    bytes: Vec<u8>,
}

struct Invocation {
    written: Option<Instant>,
    answer: oneshot::Sender<Answer>,
}

impl Api {
    fn invocations(&self) -> std::sync::MutexGuard<'_, HashMap<String, Invocation>> {
        self.invocations.lock().expect("not poisoned")
    }
}

impl Event {
    fn of(id: String, body: &[u8]) -> Self {
        let deadline = deadline_millis();
        let head = format!(
            "HTTP/1.1 200 OK\r\n\
             content-type: application/json\r\n\
             lambda-runtime-deadline-ms: {}\r\n\
             lambda-runtime-invoked-function-arn: arn:aws:lambda:us-east-1:123456789012:function:authorizer\r\n\
             lambda-runtime-trace-id: Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0\r\n\
             lambda-runtime-aws-request-id: {id}\r\n\
             content-length: {}\r\n\r\n",
            deadline,
            body.len()
        );
        Self { id, bytes: [head.as_bytes(), body].concat() }
    }
}

async fn accept(listener: TcpListener, api: Arc<Api>) {
    loop {
        let (connection, _) = listener.accept().await.expect("a connection");
        connection.set_nodelay(true).expect("TCP without delay");
        // It ends with its connection; what is wrong on it shows as an event without an answer.
        tokio::spawn(serve(connection, Arc::clone(&api)));
    }
}

/// `None` once the function has closed the connection.
async fn serve(mut connection: TcpStream, api: Arc<Api>) -> Option<()> {
    let mut buffer = Vec::with_capacity(64 << 10);
    loop {
        let request = Message::read(&mut connection, &mut buffer).await?;
        let read = Instant::now();
        let reply = match request.word.split('/').skip(1).collect::<Vec<_>>()[..] {
            ["2018-06-01", "runtime", "invocation", "next"] => {
                if let Some(polled) = api.first_poll.lock().expect("not poisoned").take() {
                    polled.send(read).expect("the start is waited for");
                }
                let event = api.queue.lock().await.recv().await?;
                // Before the one system call: it may wake the function on this very processor, and come back after the answer.
                api.invocations().get_mut(&event.id)?.written = Some(Instant::now());
                connection.write_all(&event.bytes).await.ok()?;
                continue;
            }
            ["2018-06-01", "runtime", "invocation", id, end @ ("response" | "error")] => {
                let invocation = api.invocations().remove(id).expect("one answer to each event");
                let took = read - invocation.written.expect("an answer comes after its event");
                let answer = Answer { took, is_error: end == "error", body: request.body };
                // Whoever invoked it may have given up.
                let _ = invocation.answer.send(answer);
                "202 Accepted"
            }
            ["2020-01-01", "extension", "register"] => {
                api.extension.registered.store(true, Ordering::Relaxed);
                "200 OK\r\nLambda-Extension-Identifier: bench"
            }
            ["2020-01-01", "extension", "event", "next"] => {
                connection.write_all(api.extension.next().await?.as_bytes()).await.ok()?;
                continue;
            }
            _ => "404 Not Found",
        };
        let reply =
            format!("HTTP/1.1 {reply}\r\ncontent-type: application/json\r\ncontent-length: 0\r\n\r\n");
        connection.write_all(reply.as_bytes()).await.ok()?;
    }
}

/// An HTTP message, in whichever direction.
#[derive(Debug, PartialEq)]
pub(crate) struct Message {
    /// The second word of its first line: a request's target, an answer's status.
    pub(crate) word: String,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// The next one on the connection; `None` once it is closed. `buffer` keeps what was read beyond it.
    pub(crate) async fn read(connection: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Self> {
        loop {
            if let Some((message, length)) = Self::parse(buffer) {
                buffer.drain(..length);
                return Some(message);
            }
            if connection.read_buf(buffer).await.ok()? == 0 {
                return None;
            }
        }
    }

    /// The message that `bytes` begin with and its length; `None` where its end is not there yet.
    fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let head_end = position(bytes, b"\r\n\r\n")? + 4;
        let head = std::str::from_utf8(&bytes[..head_end]).expect("a head is ASCII");
        let mut lines = head.split("\r\n");
        let word = lines.next()?.split(' ').nth(1).expect("a first line has two words").to_owned();
        let mut length = 0;
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse().expect("a length is a number");
            }
            if name.eq_ignore_ascii_case("transfer-encoding") {
                let (body, end) = chunks(bytes, head_end)?;
                return Some((Self { word, body }, end));
            }
        }
        let body = bytes.get(head_end..head_end + length)?.to_vec();
        Some((Self { word, body }, head_end + length))
    }
}

/// A chunked body that begins at `at`, and where it ends: `5\r\nhello\r\n0\r\n\r\n`. No client here sends trailers.
fn chunks(bytes: &[u8], mut at: usize) -> Option<(Vec<u8>, usize)> {
    let mut body = Vec::new();
    loop {
        let line_end = at + position(bytes.get(at..)?, b"\r\n")?;
        let size = std::str::from_utf8(&bytes[at..line_end]).expect("a size is ASCII");
        let size = usize::from_str_radix(size, 16).expect("a size is a number");
        let chunk = bytes.get(line_end + 2..line_end + 2 + size)?;
        at = line_end + 2 + size + 2;
        bytes.get(..at)?;
        if size == 0 {
            return Some((body, at));
        }
        body.extend_from_slice(chunk);
    }
}

fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_read_once_it_is_whole_and_what_follows_is_left() {
        let whole = b"POST /a HTTP/1.1\r\nContent-Length: 5\r\n\r\nhelloGET";
        for end in 0..whole.len() - 3 {
            assert_eq!(Message::parse(&whole[..end]), None, "{end}");
        }
        let request = Message { word: "/a".to_owned(), body: b"hello".to_vec() };
        assert_eq!(Message::parse(whole), Some((request, whole.len() - 3)));
    }

    #[test]
    fn a_chunked_request_is_read_once_it_is_whole_and_what_follows_is_left() {
        let whole =
            b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\n\r\nGET";
        for end in 0..whole.len() - 3 {
            assert_eq!(Message::parse(&whole[..end]), None, "{end}");
        }
        let request = Message { word: "/a".to_owned(), body: b"hello".to_vec() };
        assert_eq!(Message::parse(whole), Some((request, whole.len() - 3)));
    }
}
