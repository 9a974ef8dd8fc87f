//! The Runtime API, with a function of a few lines of Python.

use std::time::Duration;

use serde_json::json;
use test_bed::{Function, Invocation, Scratch, parts};

fn echo(scratch: &Scratch, variable: (&str, &str)) -> Function {
    Function::start(&parts::executable(scratch, "echo_function.py"), &[variable], scratch)
}

#[tokio::test]
async fn hands_out_events_and_takes_answers_and_errors() {
    let scratch = Scratch::new("runtime-api");
    let function = echo(&scratch, ("GREETING", "hello"));
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
    let function = echo(&scratch, ("GREETING", "hello"));
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
async fn tells_that_a_function_ended_before_its_first_event() {
    let scratch = Scratch::new("runtime-api-init");
    let function = echo(&scratch, ("UNUSED", ""));
    assert_eq!(function.first_poll().await, None);
    assert_eq!(function.exited().await.code(), Some(3));
}
