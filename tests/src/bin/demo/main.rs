//! The demo: one API, two stages, and what each call may do in Vault. `cargo xtask demo [--stay]` builds and runs it.
//!
//! The chapters come in this order, each in its own file. [`world`] starts the parts, configures Vault and deploys
//! the API. [`stages`], [`refusals`], [`single_use`] and [`outage`] call it. [`trail`] reads the logs. [`database`]
//! has a second API, which asks PostgreSQL. [`command`] runs `vault-authorizer` on all of it. [`yourself`] hands the
//! API over. Everything that a chapter says is checked before it is printed. Any mismatch ends the demo with exit
//! code 1, and leaves the logs behind.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "not shipped: it runs the test bed, and a broken one should stop at once"
)]

mod api;
mod command;
mod database;
mod outage;
mod promise;
mod refusals;
mod screen;
mod single_use;
mod stages;
mod trail;
mod world;
mod yourself;

use std::any::Any;
use std::fs;
use std::io::Write as _;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;
use std::process::ExitCode;
use std::thread;

use futures_util::FutureExt as _;
use test_bed::Scratch;
use tokio::signal::unix::{SignalKind, signal};

use crate::api::Answer;
use crate::screen::Screen;
use crate::world::World;

const USAGE: &str = "usage: demo [--stay]

  --stay  keep everything running until Ctrl-C, with lines to paste into another terminal; the logs are kept";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let stay = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => false,
        ["--stay"] => true,
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    let mut scratch = Scratch::new("demo");
    let screen = Screen::new();
    keep_panics_in(scratch.path());
    if stay {
        scratch.keep();
    }
    match run(&screen, &scratch, stay) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(interrupted)) => {
            if stay {
                screen.line(&format!("The logs are kept: {}", scratch.path().display()));
            }
            ExitCode::from(interrupted)
        }
        Err(panic) => {
            scratch.keep();
            let (reason, logs) = (message(panic.as_ref()), scratch.path().display());
            screen.failed(&format!("{reason}\nThe logs of every process: {logs}"));
            ExitCode::FAILURE
        }
    }
}

/// Tells the story, unless a promise is broken or somebody interrupts: then with the exit code that shells expect. All parts have
/// ended when this returns.
fn run(screen: &Screen, scratch: &Scratch, stay: bool) -> thread::Result<Option<u8>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let story = async {
        tokio::select! {
            biased; // Ctrl-C reaches the parts' clients, too: their end is no failure then.
            code = interruption() => {
                screen.interrupted();
                Some(code)
            }
            () = tell(screen, scratch, stay) => None,
        }
    };
    // A promise that is not kept panics, and so does the bed where a part does not start or answer.
    panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(story)))
}

async fn tell(screen: &Screen, scratch: &Scratch, stay: bool) {
    screen.title();
    let mut world = World::start(screen, scratch).await;
    let told = AssertUnwindSafe(chapters(screen, &mut world)).catch_unwind().await;
    if told.is_err() {
        world.save_function_logs(scratch).await;
    }
    let first = told.unwrap_or_else(|panic| panic::resume_unwind(panic));
    let lines = command::checked(screen, &world, scratch, &first).await;
    screen.finished();
    if stay {
        yourself::stay(screen, &world, scratch, &lines).await;
    } else {
        yourself::invite(screen);
    }
}

/// Answers the first call on prod.
async fn chapters(screen: &Screen, world: &mut World) -> Answer {
    let first = stages::tell(screen, world).await;
    refusals::tell(screen, world).await;
    let secrets = single_use::tell(screen, world).await;
    outage::tell(screen, world).await;
    trail::tell(screen, world, &first, &secrets).await;
    database::tell(screen, world).await;
    first
}

/// Waits for Ctrl-C or another request to end, and answers its exit code: 128 and the signal's number.
async fn interruption() -> u8 {
    let listen = |kind| signal(kind).expect("signals can be listened to");
    let mut interrupt = listen(SignalKind::interrupt());
    let mut terminate = listen(SignalKind::terminate());
    let mut hangup = listen(SignalKind::hangup());
    tokio::select! {
        _ = interrupt.recv() => 130,
        _ = terminate.recv() => 143,
        _ = hangup.recv() => 129,
    }
}

/// Panics are told like any other failure; where they happened goes to `panic.log`.
fn keep_panics_in(folder: &Path) {
    let path = folder.join("panic.log");
    panic::set_hook(Box::new(move |panic| {
        let file = fs::File::options().create(true).append(true).open(&path);
        let _ = file.and_then(|mut file| writeln!(file, "{panic}"));
    }));
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
    text.unwrap_or_else(|| "a part of the demo panicked: see panic.log".to_owned())
}
