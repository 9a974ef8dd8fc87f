//! What a test's thread logs.

use std::sync::{Mutex, OnceLock};

use serde_json::Value;
use tracing::{Dispatch, subscriber::NoSubscriber};
use tracing_subscriber::fmt::MakeWriter;

/// A line of JSON each.
#[derive(Clone, Copy)]
pub struct Log(&'static Mutex<Vec<u8>>);

impl Default for Log {
    fn default() -> Self {
        Self(Box::leak(Box::default()))
    }
}

impl Log {
    pub fn capture(&self) -> tracing::subscriber::DefaultGuard {
        // While there is but one subscriber, tracing asks that of the thread which comes to a line first whether anybody
        // wants to hear it, and keeps the answer for all threads.
        static ANOTHER: OnceLock<Dispatch> = OnceLock::new();
        ANOTHER.get_or_init(|| Dispatch::new(NoSubscriber::new()));
        let Self(lines) = *self;
        let subscriber = tracing_subscriber::fmt().json().with_writer(|| lines.make_writer()).finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    /// The fields of each line, with its `level`.
    pub fn lines(&self) -> Vec<Value> {
        let line = |line: &str| {
            let mut line: Value = serde_json::from_str(line).unwrap();
            line["fields"]["level"] = line["level"].take();
            line["fields"].take()
        };
        self.text().lines().map(line).collect()
    }
}
