//! The Runtime API, with a function that is a few lines of Python.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use test_bed::parts;
use test_bed::process::Scratch;
use test_bed::runtime_api::{Function, Invocation};

#[tokio::test]
async fn hands_out_events_and_takes_answers_and_errors() {
    let scratch = Scratch::new("runtime-api");
    let function = Function::start(&echo(&scratch), [("GREETING", "hello")], &scratch);
    assert!(function.first_poll().await.is_some());

    let answer = function.invoke(&json!({"say": "hi"})).await;
    let expected = json!({"event": {"say": "hi"}, "greeting": "hello", "seconds_left": 9});
    assert_eq!(answer, Invocation::Response(expected));

    let refused = Invocation::Error { error_type: "Refused".to_owned(), message: "Unauthorized".to_owned() };
    assert_eq!(function.invoke(&json!({"fail": "Unauthorized"})).await, refused);
    assert_eq!(function.log_lines(), [json!({"outcome": "allow"}), json!({"outcome": "denial"})]);

    let (first, second) = (json!({"say": 1}), json!({"say": 2}));
    let both = tokio::join!(function.invoke(&first), function.invoke(&second));
    assert_eq!(both.0.response()["event"]["say"], 1);
    assert_eq!(both.1.response()["event"]["say"], 2);
}

#[tokio::test]
async fn tells_a_late_answer_and_an_end_from_an_answer() {
    let scratch = Scratch::new("runtime-api-ends");
    let function = Function::start(&echo(&scratch), [("GREETING", "hello")], &scratch);
    function.first_poll().await;

    function.pause();
    let late = function.invoke_raw(b"{}".to_vec(), Duration::from_millis(200)).await;
    assert_eq!(late, Invocation::TimedOut);
    function.resume();
    assert_eq!(function.invoke(&json!({"say": "awake"})).await.response()["event"]["say"], "awake");

    let Invocation::Exited(status) = function.invoke_raw(b"not JSON".to_vec(), Duration::from_secs(5)).await
    else {
        panic!("the function does not end");
    };
    assert_eq!(status.code(), Some(1));
    assert!(function.log().contains("JSONDecodeError"));
}

#[tokio::test]
async fn keeps_the_error_of_an_init_that_fails() {
    let scratch = Scratch::new("runtime-api-init");
    let function = Function::start(&echo(&scratch), [("UNUSED", "")], &scratch);
    assert_eq!(function.first_poll().await, None);
    assert_eq!(function.exited().await.code(), Some(3));
    let report = json!({"errorType": "Config", "errorMessage": "GREETING is not set"});
    assert_eq!(function.init_error(), Some(report));
}

/// A function that answers with the event, fails when told to, and does not start without `GREETING`.
fn echo(scratch: &Scratch) -> PathBuf {
    let binary = scratch.path().join("echo");
    let script = format!("#!{}\n{ECHO}", parts::python().display());
    fs::write(&binary, script).unwrap();
    fs::set_permissions(&binary, fs::Permissions::from_mode(0o755)).unwrap();
    binary
}

const ECHO: &str = r#"
import json, os, sys, time, urllib.request

base = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/"
def call(path, body=None):
    return urllib.request.urlopen(base + path, data=None if body is None else json.dumps(body).encode())
def log(outcome):
    print(json.dumps({"outcome": outcome}), flush=True)

if "GREETING" not in os.environ:
    call("init/error", {"errorType": "Config", "errorMessage": "GREETING is not set"})
    sys.exit(3)
while True:
    request = call("invocation/next")
    id = request.headers["lambda-runtime-aws-request-id"]
    left = int(request.headers["lambda-runtime-deadline-ms"]) / 1000 - time.time()
    event = json.load(request)
    if "fail" in event:
        log("denial")
        call(f"invocation/{id}/error", {"errorType": "Refused", "errorMessage": event["fail"]})
    else:
        log("allow")
        answer = {"event": event, "greeting": os.environ["GREETING"], "seconds_left": int(left)}
        call(f"invocation/{id}/response", answer)
"#;
