//! The log of everything except decisions, as JSON on standard output. [`telemetry`](authorizer_steps::telemetry)
//! writes the lines of the decisions.

use std::io;

use tracing::{Level, level_filters::LevelFilter};
use tracing_subscriber::{filter::Targets, layer::SubscriberExt, util::SubscriberInitExt};

/// Sends the log to standard output as JSON, at the level of `RUST_LOG`, `info` where it is absent.
///
/// INVARIANT (no secret in a log): never below `info`, whatever `RUST_LOG` says, since the Lambda runtime prints whole
/// events at `trace`. Release builds do not even hold such events.
pub fn start(rust_log: Option<&str>) {
    let lines = tracing_subscriber::fmt::layer()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_ansi(false)
        .with_writer(io::stdout);
    tracing_subscriber::registry().with(LevelFilter::INFO).with(levels(rust_log)).with(lines).init();
}

/// For every error that we return, which a 401 is, the runtime would log one of its own beside the record: callers could
/// raise an alarm on errors. A panic, its other line there, is on standard error in any case. So only `RUST_LOG` that names
/// this target gets it.
fn levels(rust_log: Option<&str>) -> Targets {
    const RUNTIMES_OWN: &str = "lambda_runtime::layers::panic";
    let wanted = rust_log.and_then(|levels| levels.parse::<Targets>().ok());
    let levels = wanted.unwrap_or_else(|| Targets::new().with_default(Level::INFO));
    if rust_log.is_some_and(|levels| levels.contains(RUNTIMES_OWN)) {
        return levels;
    }
    levels.with_target(RUNTIMES_OWN, LevelFilter::OFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn callers_cannot_raise_the_runtimes_errors_whatever_level_is_wanted() {
        let shown = |levels: Option<&str>, target| super::levels(levels).would_enable(target, &Level::ERROR);
        for wanted in [None, Some("info"), Some("warn,authorizer_steps=info"), Some("mint=loud")] {
            assert!(!shown(wanted, "lambda_runtime::layers::panic"), "{wanted:?}");
            assert!(shown(wanted, "authorizer_steps::mint"), "{wanted:?}");
        }
        assert!(shown(Some("error,lambda_runtime::layers::panic=error"), "lambda_runtime::layers::panic"));
    }
}
