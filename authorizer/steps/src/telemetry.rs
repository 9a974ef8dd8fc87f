//! What an operator sees of a decision: one line for each invocation, with its metrics in the same line.
//!
//! Receives what the steps found out; writes JSON to standard output, which Lambda carries to CloudWatch. A
//! [`Record`] holds names, accessors and times, and has no field for a token.

mod metrics;
mod observer;
mod record;
mod stopwatch;
mod wasted;

use std::io::{self, Write};

pub use self::observer::{Observer, Step};
pub use self::record::{CallerIdInLog, Record};
pub use self::stopwatch::Stopwatch;
pub use self::wasted::{wasted_line, write_wasted};

/// Ends a line and writes it to standard output, in one piece. A log that cannot be written does not stop a decision.
fn write_line(line: &mut Vec<u8>) {
    line.push(b'\n');
    if io::stdout().lock().write_all(line).is_err() {
        tracing::error!("a line could not be written");
    }
}
