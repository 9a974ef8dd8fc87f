//! The demo: one API, two stages, and what each call is worth in Vault. `cargo xtask demo [--stay]` builds and runs it.
//!
//! The chapters are told in this order, each in its own file: [`world`] starts the parts, configures Vault and deploys
//! the API; [`stages`], [`refusals`], [`single_use`] and [`outage`] call it; [`trail`] reads the logs; [`command`] runs
//! `vault-authorizer` on all of it; [`yourself`] hands the API over. Whatever a chapter says has been checked before it is printed:
//! one thing that is not as promised ends the demo, with exit code 1 and the logs left behind.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "not shipped: it runs the test bed, and a broken one should stop at once"
)]

mod api;
mod command;
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

use test_bed::Scratch;
use tokio::signal::unix::{SignalKind, signal};

use crate::api::Answer;
use crate::promise::Broken;
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
        Ending::Told => ExitCode::SUCCESS,
        Ending::Interrupted(code) => {
            if stay {
                screen.line(&format!("The logs are kept: {}", scratch.path().display()));
            }
            ExitCode::from(code)
        }
        Ending::Broken(reason) => {
            scratch.keep();
            screen.failed(&format!("{reason}\nThe logs of every process: {}", scratch.path().display()));
            ExitCode::FAILURE
        }
    }
}

enum Ending {
    Told,
    /// By a signal; the exit code that shells expect then.
    Interrupted(u8),
    Broken(String),
}

/// Tells the story, unless it breaks or is interrupted. All parts have ended when this returns.
fn run(screen: &Screen, scratch: &Scratch, stay: bool) -> Ending {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let story = async {
        tokio::select! {
            biased; // Ctrl-C reaches the parts' clients, too: their end is no failure then.
            code = interruption() => {
                screen.interrupted();
                Ending::Interrupted(code)
            }
            told = tell(screen, scratch, stay) => {
                told.map_or_else(|broken| Ending::Broken(broken.to_string()), |()| Ending::Told)
            }
        }
    };
    // The bed panics where a part does not start or answer.
    panic::catch_unwind(AssertUnwindSafe(|| runtime.block_on(story)))
        .unwrap_or_else(|payload| Ending::Broken(message(payload.as_ref())))
}

async fn tell(screen: &Screen, scratch: &Scratch, stay: bool) -> Result<(), Broken> {
    screen.title();
    let mut world = World::start(screen, scratch).await?;
    let told = chapters(screen, &mut world).await;
    if told.is_err() {
        world.save_function_logs(scratch).await;
    }
    let lines = command::checked(screen, &world, scratch, &told?).await?;
    screen.finished();
    if stay {
        return yourself::stay(screen, &world, scratch, &lines).await;
    }
    yourself::invite(screen);
    Ok(())
}

async fn chapters(screen: &Screen, world: &mut World) -> Result<Answer, Broken> {
    let first = stages::tell(screen, world).await?;
    refusals::tell(screen, world).await?;
    let secrets = single_use::tell(screen, world).await?;
    outage::tell(screen, world).await?;
    trail::tell(screen, world, &first, &secrets).await?;
    Ok(first)
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
