//! Child processes, the folder that they write to, and the promise that none outlives this process.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, ExitStatus, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

use crate::parts;

/// How often a condition is looked at again while the bed waits for it.
const POLL: Duration = Duration::from_millis(5);

/// How long a child may take to end by itself after SIGTERM.
const GRACE: Duration = Duration::from_secs(3);

/// A child process in a process group of its own. All it prints goes to its log file. Dropping it ends the group;
/// should this process end without dropping it (Ctrl-C, SIGKILL), the leash does.
#[derive(Debug)]
pub struct Child {
    name: String,
    process: std::process::Child,
    log_path: PathBuf,
}

impl Child {
    /// Starts `command`, standard output and error appended to `log_path`.
    pub fn spawn(name: &str, mut command: Command, log_path: &Path) -> Self {
        let log = File::options().create(true).append(true).open(log_path).expect("the log file opens");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a second handle")).stderr(log);
        let process = command.process_group(0).spawn();
        let process = process.unwrap_or_else(|error| panic!("{name} does not start: {error}\n{command:?}"));
        leash("hold", process.id());
        Self { name: name.to_owned(), process, log_path: log_path.to_owned() }
    }

    /// The process id, which is also the id of its group.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Everything it has printed so far, also before a restart with the same log file.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log_path).unwrap_or_default()).into_owned()
    }

    pub fn exited(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().expect("the child can be waited for")
    }

    /// Waits until it has ended by itself.
    pub async fn wait(&mut self) -> ExitStatus {
        loop {
            if let Some(status) = self.exited() {
                return status;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until `probe` answers true. The error is for a person: what went wrong, and the end of the log.
    pub async fn ready(
        &mut self,
        limit: Duration,
        mut probe: impl AsyncFnMut() -> bool,
    ) -> Result<(), String> {
        let start = Instant::now();
        while !probe().await {
            if let Some(status) = self.exited() {
                return Err(self.complaint(&format!("ended while it started ({status})")));
            }
            if start.elapsed() > limit {
                return Err(self.complaint(&format!("is not ready after {limit:?}")));
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }

    /// Sends a signal, named as in `kill -s`, to its process group.
    pub fn signal(&self, signal: &str) {
        let group = format!("-{}", self.pid());
        let kill = Command::new("sh")
            .args(["-c", "kill -s \"$0\" -- \"$1\"", signal, &group])
            .stderr(Stdio::null())
            .status();
        // A group that has just ended cannot be signalled, and need not be.
        let _ = kill.expect("sh runs");
    }

    /// Freezes it. The signal takes a moment on a busy machine: this waits until every thread of the process stands still.
    pub fn freeze(&self) {
        self.signal("STOP");
        let start = Instant::now();
        while !self.is_frozen() {
            assert!(start.elapsed() < GRACE, "{}", self.complaint("does not freeze"));
            std::thread::sleep(POLL);
        }
    }

    pub fn thaw(&self) {
        self.signal("CONT");
    }

    /// `T` in `/proc/<pid>/task/<thread>/stat`, after the name in parentheses (proc(5)).
    fn is_frozen(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid()));
        let stopped = |thread: fs::DirEntry| {
            let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            stat.rsplit_once(") ").is_none_or(|(_, state)| state.starts_with('T'))
        };
        threads.is_ok_and(|mut threads| threads.all(|thread| thread.is_ok_and(stopped)))
    }

    /// Asks it to end, and ends it if it does not within 3 seconds.
    pub async fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.signal("CONT"); // A paused process cannot act on SIGTERM.
        match tokio::time::timeout(GRACE, self.wait()).await {
            Ok(status) => status,
            Err(_) => self.kill(),
        }
    }

    /// Ends it and whatever it started, at once.
    pub fn kill(&mut self) -> ExitStatus {
        self.signal("KILL");
        self.process.wait().expect("the child can be waited for")
    }

    fn complaint(&self, what: &str) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines[lines.len().saturating_sub(20)..].join("\n");
        format!("{} {what}. The end of {}:\n{end}", self.name, self.log_path.display())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.exited().is_none() {
            self.signal("TERM");
            self.signal("CONT");
            let start = Instant::now();
            while self.exited().is_none() && start.elapsed() < GRACE {
                std::thread::sleep(POLL);
            }
        }
        self.signal("KILL"); // What the child itself may have left behind.
        let _ = self.process.wait();
        leash("free", self.pid());
    }
}

/// Runs a command to its end, with this on its standard input.
pub fn with_input(command: &mut Command, input: &[u8]) -> Output {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    finished(command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")), input)
}

/// The same with a child that waits for its input already.
pub fn finished(mut child: std::process::Child, input: &[u8]) -> Output {
    let mut stdin = child.stdin.take().expect("a pipe was asked for");
    std::thread::scope(|scope| {
        // Beside the reading: a pipe is full soon. A command that does not read it may be gone already.
        scope.spawn(move || stdin.write_all(input).unwrap_or_default());
        child.wait_with_output().expect("the child can be waited for")
    })
}

/// A port of 127.0.0.1 that was free a moment ago. Where a part can bind port 0 itself, it does.
pub fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound address").port()
}

/// A bed's folder: `<target>/test-bed/runs/<name>-<pid>-<n>`. Removed with the value, unless the test has failed or
/// [`Scratch::keep`] was called.
#[derive(Debug)]
pub struct Scratch {
    path: PathBuf,
    keep: bool,
    /// What it belongs to, and since when.
    test: String,
    since: Instant,
}

impl Scratch {
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = parts::target().join(format!("test-bed/runs/{name}-{}-{next}", std::process::id()));
        fs::create_dir_all(&path).expect("the bed's folder can be made");
        // The test harness calls each test's thread by the test's name.
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        Self { path, keep: false, test, since: Instant::now() }
    }

    /// Leaves the folder where it is, for somebody to look into.
    pub fn keep(&mut self) {
        self.keep = true;
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A new, empty folder in it: `name`, or `name-2` where that is taken, and so on.
    pub fn folder(&self, name: &str) -> PathBuf {
        let names = std::iter::once(name.to_owned()).chain((2..).map(|n| format!("{name}-{n}")));
        let mut paths = names.map(|name| self.path.join(name));
        paths.find(|path| fs::create_dir(path).is_ok()).expect("one name is free")
    }

    /// What every process of this bed has printed: each `*.log` below the folder, with its path.
    pub fn logs(&self) -> Vec<(PathBuf, String)> {
        let mut folders = vec![self.path.clone()];
        let mut logs = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("the bed's folder can be read").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "log") {
                    let text =
                        String::from_utf8_lossy(&fs::read(&path).expect("a log can be read")).into_owned();
                    logs.push((path, text));
                }
            }
        }
        logs
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // For `cargo xtask test`, which says which tests are slow.
        let times = std::env::var_os("TEST_TIMES").map(|path| File::options().append(true).open(path));
        if let Some(Ok(mut times)) = times {
            let line = format!("{:.1} {}\n", self.since.elapsed().as_secs_f64(), self.test);
            let _ = times.write_all(line.as_bytes());
        }
        if std::thread::panicking() {
            eprintln!("the bed's folder is kept: {}", self.path.display());
        } else if !self.keep {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

/// The leash: one `sh` beside this process that reads which process groups are held. When the pipe closes, because
/// this process has ended in whatever way, it ends the groups that are still held.
fn leash(verb: &str, group: u32) {
    static LEASH: OnceLock<Mutex<ChildStdin>> = OnceLock::new();
    #[expect(
        clippy::zombie_processes,
        reason = "it ends after this process, so there is nobody to wait for it"
    )]
    let pipe = LEASH.get_or_init(|| {
        let mut shell = Command::new("sh");
        shell.args(["-c", LEASH_SCRIPT]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut shell = shell.process_group(0).spawn().expect("sh runs");
        Mutex::new(shell.stdin.take().expect("a pipe was asked for"))
    });
    let mut pipe = pipe.lock().expect("the lock is not poisoned");
    // Called from `drop`: without the leash a child may outlive a Ctrl-C, which is no reason to abort.
    let _ = writeln!(pipe, "{verb} {group}");
}

const LEASH_SCRIPT: &str = r#"
trap '' HUP INT TERM
held=' '
while read -r verb group; do
    case $verb in
    hold) held="$held$group " ;;
    free)
        kept=' '
        for each in $held; do [ "$each" = "$group" ] || kept="$kept$each "; done
        held=$kept
        ;;
    esac
done
for each in $held; do kill -s TERM -- "-$each"; kill -s CONT -- "-$each"; done
[ "$held" = ' ' ] || sleep 2
for each in $held; do kill -s KILL -- "-$each"; done
"#;
