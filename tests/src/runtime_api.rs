//! AWS Lambda for one function: the Runtime API in this process, the function's own binary as its child.
//!
//! ```text
//! GET  /2018-06-01/runtime/invocation/next             waits for an event
//! POST /2018-06-01/runtime/invocation/{id}/response    its answer
//! POST /2018-06-01/runtime/invocation/{id}/error       {"errorType": …, "errorMessage": …}
//! POST /2020-01-01/extension/register                  {"events": ["INVOKE"]}
//! GET  /2020-01-01/extension/event/next                waits for an invocation
//! ```
//!
//! As Lambda does, it gives one event to each client that asks for the next. It tells a registered extension and
//! waits for it before it gives out another event. It does not restart a function that has ended. It freezes nothing
//! by itself (see [`Function::pause`]).

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as Segment, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use futures_util::{Stream, StreamExt as _, stream};
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot, watch};

use crate::{Child, Scratch, Server, parts};

/// How long a function may take for one event unless the caller says otherwise: what HTTP APIs give an authorizer.
const DEADLINE: Duration = Duration::from_secs(10);

/// The identifier of the one extension that a function may have here.
const EXTENSION: &str = "11111111-2222-4333-8444-555555555555";

/// A running function. Dropping it ends the process.
#[derive(Debug)]
pub struct Function {
    child: Mutex<Child>,
    task_root: PathBuf,
    lambda: Arc<Lambda>,
    events: mpsc::UnboundedSender<Event>,
    next_id: AtomicU64,
    started: Instant,
    _server: Server,
}

/// What a REST API gives a `REQUEST` authorizer for `GET <path>` on stage `prod` of the API `a1b2c3d4e5`.
pub fn request_event(path: &str, authorization: &str) -> Value {
    json!({
        "type": "REQUEST",
        "methodArn": format!("arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/prod/GET{path}"),
        "resource": path,
        "path": path,
        "httpMethod": "GET",
        "headers": {"authorization": authorization},
        "requestContext": {"accountId": "123456789012", "apiId": "a1b2c3d4e5", "stage": "prod"},
    })
}

/// What a REST API gives the integration of `GET /orders` on stage `prod`, with this context of the authorizer's.
pub fn proxied_event(context: &Value) -> Value {
    json!({
        "resource": "/orders", "path": "/orders", "httpMethod": "GET", "headers": {}, "multiValueHeaders": {},
        "queryStringParameters": null, "multiValueQueryStringParameters": null, "pathParameters": null, "stageVariables": null,
        "requestContext": {
            "accountId": "123456789012", "apiId": "a1b2c3d4e5", "resourceId": "abc123", "resourcePath": "/orders",
            "httpMethod": "GET", "path": "/prod/orders", "protocol": "HTTP/1.1", "requestId": "request-1",
            "identity": {"sourceIp": "192.0.2.1", "userAgent": null}, "requestTimeEpoch": 1_800_000_000_000_u64,
            "stage": "prod", "authorizer": context,
        },
        "body": null, "isBase64Encoded": false,
    })
}

/// How an invocation ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Invocation {
    /// The function answered.
    Response(Value),
    /// The function reported an error.
    Error {
        /// `errorType`
        error_type: String,
        /// `errorMessage`: what API Gateway compares with `Unauthorized`.
        message: String,
    },
    /// The function did not answer before its deadline.
    TimedOut,
    /// The process ended.
    Exited(ExitStatus),
}

impl Invocation {
    pub fn response(self) -> Value {
        let Self::Response(answer) = self else { panic!("not a response: {self:?}") };
        answer
    }

    /// What the policy in the answer says: `Allow` or `Deny`.
    pub fn effect(self) -> Value {
        self.response()["policyDocument"]["Statement"][0]["Effect"].take()
    }

    pub fn error(self) -> String {
        let Self::Error { message, .. } = self else { panic!("not an error: {self:?}") };
        message
    }
}

impl Function {
    /// The authorizer's release binary with this configuration, and more variables.
    pub fn authorizer(configuration: &str, env: &[(&str, &str)], scratch: &Scratch) -> Self {
        let env = [&[("AUTHORIZER_CONFIG", configuration)], env].concat();
        Self::start(&parts::binary("release", "bootstrap"), &env, scratch)
    }

    /// [`Function::authorizer`] where the Extensions API answers nobody.
    pub fn authorizer_without_extensions(configuration: &str, scratch: &Scratch) -> Self {
        let binary = parts::binary("release", "bootstrap");
        Self::start_with(&binary, &[("AUTHORIZER_CONFIG", configuration)], scratch, Extension::Refused)
    }

    /// Starts `binary` with Lambda's environment and `env`, and nothing else of this process's environment. Its output
    /// goes to `function.log` in [`Function::task_root`].
    pub fn start(binary: &Path, env: &[(&str, &str)], scratch: &Scratch) -> Self {
        Self::start_with(binary, env, scratch, Extension::None)
    }

    fn start_with(binary: &Path, env: &[(&str, &str)], scratch: &Scratch, extension: Extension) -> Self {
        let (events, queue) = mpsc::unbounded_channel();
        let lambda = Arc::new(Lambda {
            queue: AsyncMutex::new(queue),
            waiting: Mutex::default(),
            first_poll: Mutex::default(),
            extensions: watch::Sender::new(extension),
        });
        let server = Server::start(0, routes(&lambda));
        let task_root = scratch.folder("function");
        let mut command = Command::new(binary);
        command.current_dir(&task_root).env_clear().envs(ENVIRONMENT);
        command.env("AWS_LAMBDA_RUNTIME_API", server.url().trim_start_matches("http://"));
        command.env("LAMBDA_TASK_ROOT", &task_root).envs(env.iter().copied());
        let name = binary.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let started = Instant::now();
        let child = Mutex::new(Child::spawn(&name, command, &task_root.join("function.log")));
        Self { child, task_root, lambda, events, next_id: AtomicU64::new(1), started, _server: server }
    }

    /// The function's own folder in the bed's.
    pub fn task_root(&self) -> &Path {
        &self.task_root
    }

    pub fn pid(&self) -> u32 {
        self.child.lock().expect("not poisoned").pid()
    }

    /// Invokes it with an event. Invocations at the same time wait for each other, unless the function asks for several.
    pub async fn invoke(&self, event: &Value) -> Invocation {
        self.invoke_raw(event.to_string().into(), DEADLINE).await
    }

    /// Invokes it with the event of `GET <path>` by the bearer of this JWT.
    pub async fn get(&self, path: &str, jwt: &str) -> Invocation {
        self.invoke(&request_event(path, &format!("Bearer {jwt}"))).await
    }

    /// Invokes it with any bytes, and a deadline counted from now.
    pub async fn invoke_raw(&self, event: Vec<u8>, deadline: Duration) -> Invocation {
        let id = self.next_request_id();
        let (answer, mut answered) = oneshot::channel();
        let end = Instant::now() + deadline;
        let deadline_ms =
            (SystemTime::now() + deadline).duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
        self.lambda.waiting.lock().expect("not poisoned").insert(id.clone(), answer);
        self.events.send(Event { id, deadline_ms, body: event }).expect("the Runtime API runs");
        loop {
            let left = end.saturating_duration_since(Instant::now());
            // The answer wakes us; the process's end does not, so it is looked for now and then.
            match tokio::time::timeout(left.min(Duration::from_millis(20)), &mut answered).await {
                Ok(invocation) => return invocation.expect("an answer is sent before its sender is dropped"),
                Err(_) if left.is_zero() => return Invocation::TimedOut,
                Err(_) => {}
            }
            if let Some(status) = self.child.lock().expect("not poisoned").exited() {
                // It may have answered and then ended.
                return answered.try_recv().unwrap_or(Invocation::Exited(status));
            }
        }
    }

    /// Invokes it with all of these events, so many at once, and answers each with its number in the order of their ends.
    pub fn invoke_at_once(
        &self,
        at_once: usize,
        events: impl Iterator<Item = Vec<u8>>,
    ) -> impl Stream<Item = (usize, Invocation)> {
        let invoke = async move |(number, event)| (number, self.invoke_raw(event, DEADLINE).await);
        stream::iter(events.enumerate()).map(invoke).buffer_unordered(at_once)
    }

    /// Of no other invocation of any function in the bed.
    fn next_request_id(&self) -> String {
        let folder = self.task_root.file_name().unwrap_or_default().to_string_lossy();
        let nth: u64 = folder.rsplit('-').next().and_then(|nth| nth.parse().ok()).unwrap_or(1);
        let series = 0x8000 + nth - 1;
        format!("00000000-0000-4000-{series:04x}-{:012}", self.next_id.fetch_add(1, Ordering::SeqCst))
    }

    /// Waits until it asks for its first event, and answers how long that took from its start; `None` if it ended
    /// instead.
    pub async fn first_poll(&self) -> Option<Duration> {
        loop {
            let polled = *self.lambda.first_poll.lock().expect("not poisoned");
            if let Some(at) = polled {
                return Some(at.duration_since(self.started));
            }
            if self.child.lock().expect("not poisoned").exited().is_some() {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Waits until its extension has done what it does between answers. `false` where it has none, or not within five seconds.
    pub async fn rested(&self) -> bool {
        let mut extensions = self.lambda.extensions.subscribe();
        let rested = extensions.wait_for(|extension| matches!(extension, Extension::Waiting(_)));
        tokio::time::timeout(Duration::from_secs(5), rested).await.is_ok()
    }

    /// Whether the Extensions API answers. While it does not, Lambda waits for no extension.
    pub fn serve_extensions(&self, serves: bool) {
        self.lambda.extensions.send_modify(|extension| {
            *extension = if serves { Extension::None } else { Extension::Refused };
        });
    }

    pub async fn exited(&self) -> ExitStatus {
        loop {
            if let Some(status) = self.child.lock().expect("not poisoned").exited() {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn log(&self) -> String {
        self.child.lock().expect("not poisoned").log()
    }

    /// The lines of its log that are JSON objects.
    pub fn log_lines(&self) -> Vec<Value> {
        let log = self.log();
        log.lines().filter_map(|line| serde_json::from_str(line).ok()).filter(Value::is_object).collect()
    }

    /// The decisions in its log, oldest first.
    pub fn decisions(&self) -> Vec<Value> {
        self.log_lines().into_iter().filter(|line| line["outcome"].is_string()).collect()
    }

    /// The codes of its decisions, oldest first.
    pub fn codes(&self) -> Vec<String> {
        self.decisions().iter().map(|line| line["Code"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Freezes it, as Lambda does between invocations.
    pub fn pause(&self) {
        self.child.lock().expect("not poisoned").freeze();
    }

    pub fn resume(&self) {
        self.child.lock().expect("not poisoned").thaw();
    }

    pub fn stop(self) {
        self.child.into_inner().expect("not poisoned").kill();
    }
}

/// What Lambda sets in a function's environment, beside the places.
pub const ENVIRONMENT: [(&str, &str); 10] = [
    ("AWS_LAMBDA_FUNCTION_NAME", "authorizer"),
    ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
    ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128"),
    ("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/authorizer"),
    ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/01/01/[$LATEST]0"),
    ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand"),
    ("AWS_REGION", "us-east-1"),
    ("AWS_EXECUTION_ENV", "AWS_Lambda_provided.al2023"),
    ("_HANDLER", "bootstrap"),
    ("TZ", ":UTC"),
];

#[derive(Debug)]
struct Event {
    id: String,
    deadline_ms: u128,
    body: Vec<u8>,
}

#[derive(Debug)]
struct Lambda {
    queue: AsyncMutex<mpsc::UnboundedReceiver<Event>>,
    waiting: Mutex<HashMap<String, oneshot::Sender<Invocation>>>,
    first_poll: Mutex<Option<Instant>>,
    extensions: watch::Sender<Extension>,
}

/// The function's extension, if any.
#[derive(Debug, Default)]
enum Extension {
    #[default]
    None,
    /// It has not asked for its next event.
    Busy,
    Waiting(oneshot::Sender<Value>),
    /// The API is away.
    Refused,
}

fn routes(lambda: &Arc<Lambda>) -> Router {
    let runtime = Router::new()
        .route("/invocation/next", get(next))
        .route("/invocation/{id}/response", post(response))
        .route("/invocation/{id}/error", post(error))
        .with_state(Arc::clone(lambda));
    let extension = Router::new()
        .route("/register", post(register))
        .route("/event/next", get(next_of_extension))
        .with_state(Arc::clone(lambda));
    Router::new().nest("/2018-06-01/runtime", runtime).nest("/2020-01-01/extension", extension)
}

async fn register(State(lambda): State<Arc<Lambda>>, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let is_taken = lambda.extensions.send_if_modified(|extension| {
        // An internal extension cannot register for more.
        let is_taken = body["events"] == json!(["INVOKE"]) && !matches!(extension, Extension::Refused);
        if is_taken {
            *extension = Extension::Busy;
        }
        is_taken
    });
    if !is_taken {
        return StatusCode::FORBIDDEN.into_response();
    }
    let function =
        json!({"functionName": "authorizer", "functionVersion": "$LATEST", "handler": "bootstrap"});
    ([("lambda-extension-identifier", EXTENSION)], axum::Json(function)).into_response()
}

async fn next_of_extension(State(lambda): State<Arc<Lambda>>, headers: HeaderMap) -> Response {
    if headers.get("lambda-extension-identifier").is_none_or(|identifier| identifier != EXTENSION) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let (sender, event) = oneshot::channel();
    let is_served = lambda.extensions.send_if_modified(|extension| {
        let is_served = !matches!(extension, Extension::Refused);
        if is_served {
            *extension = Extension::Waiting(sender);
        }
        is_served
    });
    match event.await {
        Ok(event) if is_served => axum::Json(event).into_response(),
        _ => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

async fn next(State(lambda): State<Arc<Lambda>>) -> Response {
    lambda.first_poll.lock().expect("not poisoned").get_or_insert_with(Instant::now);
    let Some(event) = lambda.queue.lock().await.recv().await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    lambda.tell_extension(&event).await;
    let function = "arn:aws:lambda:us-east-1:123456789012:function:authorizer";
    let (epoch, rest) = event.id.split_once('-').expect("an id has five parts");
    let trace = format!("Root=1-{epoch}-{};Parent=0000000000000000;Sampled=0", rest.replace('-', ""));
    let headers = [
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-deadline-ms", event.deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", function.to_owned()),
        ("lambda-runtime-trace-id", trace),
        ("lambda-runtime-aws-request-id", event.id),
    ];
    (headers, event.body).into_response()
}

async fn response(
    State(lambda): State<Arc<Lambda>>,
    Segment(id): Segment<String>,
    body: Bytes,
) -> StatusCode {
    // An answer that is not JSON is what the client of Lambda would see: a string.
    let answer = serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into());
    lambda.complete(&id, Invocation::Response(answer))
}

async fn error(State(lambda): State<Arc<Lambda>>, Segment(id): Segment<String>, body: Bytes) -> StatusCode {
    let report: Value = serde_json::from_slice(&body).unwrap_or_default();
    let text = |name: &str| report[name].as_str().unwrap_or_default().to_owned();
    lambda.complete(&id, Invocation::Error { error_type: text("errorType"), message: text("errorMessage") })
}

impl Lambda {
    /// Waits for it, where it is busy.
    async fn tell_extension(&self, event: &Event) {
        let mut extensions = self.extensions.subscribe();
        let is_free = |extension: &Extension| !matches!(extension, Extension::Busy);
        let _ = extensions.wait_for(is_free).await;
        let deadline_ms = u64::try_from(event.deadline_ms).unwrap_or(u64::MAX);
        let invoked = json!({"eventType": "INVOKE", "requestId": event.id, "deadlineMs": deadline_ms});
        self.extensions.send_if_modified(|extension| {
            let is_waiting = matches!(extension, Extension::Waiting(_));
            if is_waiting && let Extension::Waiting(waiting) = std::mem::replace(extension, Extension::Busy) {
                let _ = waiting.send(invoked);
            }
            is_waiting
        });
    }

    fn complete(&self, id: &str, invocation: Invocation) -> StatusCode {
        let Some(waiting) = self.waiting.lock().expect("not poisoned").remove(id) else {
            return StatusCode::BAD_REQUEST;
        };
        // Whoever invoked it may have stopped waiting.
        let _ = waiting.send(invocation);
        StatusCode::ACCEPTED
    }
}
