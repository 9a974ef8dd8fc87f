//! PostgreSQL, the real server, on loopback without TLS. Each start makes a new server and takes three seconds.
//!
//! The server refuses to run as root. If the tests run as root, it runs as `nobody`, who must be able to reach the
//! target folder.

use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::Command;

use crate::issuer::random_id;
use crate::process::free_port;
use crate::{Child, Scratch, parts};

/// A running server, with a database `orders` in which there is nothing yet.
#[derive(Debug)]
pub struct Postgres {
    server: Child,
    port: u16,
    /// Of `postgres`, who may do everything.
    password: String,
}

/// A table that nobody else can read: queries of it wait until this is dropped.
#[derive(Debug)]
pub struct Held(tokio::process::Child);

/// The database of [`Postgres`].
pub(crate) const DATABASE: &str = "orders";

/// How long the server may take to start, and a query to be answered.
const LIMIT: Duration = Duration::from_secs(30);

impl Postgres {
    pub async fn start(scratch: &Scratch) -> Self {
        let folder = scratch.folder("postgres");
        let password = random_id();
        let data = initialised(folder.clone(), &password).await;
        // Another process may take the port between the moment it is found free and the server's own bind.
        let mut complaint = String::new();
        for _ in 0..3 {
            let port = free_port();
            let mut command = as_server("postgres");
            command.arg("-D").arg(&data).args(["-p", &port.to_string()]);
            // A run's data need not outlive a crash of the machine.
            for setting in ["listen_addresses=127.0.0.1", "unix_socket_directories=", "fsync=off"] {
                command.args(["-c", setting]);
            }
            let server = Child::spawn("PostgreSQL", command, &folder.join("postgres.log"));
            let mut postgres = Self { server, port, password: password.clone() };
            match postgres.ready().await {
                Ok(()) => {
                    postgres.execute("postgres", &format!("CREATE DATABASE {DATABASE}")).await;
                    return postgres;
                }
                Err(reason) => complaint = reason,
            }
        }
        panic!("{complaint}");
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL, or a script of psql's with these variables.
    pub async fn script(&self, file: &str, variables: &[(&str, &str)]) {
        let mut psql = self.psql(DATABASE);
        for (name, value) in variables {
            psql.args(["-v", &format!("{name}={value}")]);
        }
        finished(psql.arg("-f").arg(parts::repository().join(file))).await;
    }

    /// The rows of a query in [`DATABASE`], the columns of each parted by `|`.
    pub async fn query(&self, sql: &str) -> Vec<String> {
        let output = self.execute(DATABASE, sql).await;
        output.lines().map(str::to_owned).collect()
    }

    /// The same as soon as it has an answer for which `wanted` is true.
    pub async fn query_until(&self, sql: &str, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        let start = Instant::now();
        loop {
            let rows = self.query(sql).await;
            if wanted(&rows) {
                return rows;
            }
            assert!(start.elapsed() < LIMIT, "{sql}: after {LIMIT:?} still {rows:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Runs SQL as another user: what it printed, or what the server complained of.
    pub async fn run_as(&self, user: &str, password: &str, sql: &str) -> Result<String, String> {
        let mut psql = self.psql(DATABASE);
        // The last one counts.
        psql.env("PGPASSWORD", password).args(["-U", user, "-c", sql]);
        tried(&mut psql).await
    }

    /// Holds a table, so that whoever reads it now can be looked at meanwhile.
    pub async fn hold(&self, table: &str) -> Held {
        let mut psql = self.psql(DATABASE);
        psql.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut psql = psql.spawn().expect("psql runs");
        let mut input = psql.stdin.take().expect("a pipe was asked for");
        let locked = format!("BEGIN; LOCK TABLE {table};\n\\echo held\n");
        input.write_all(locked.as_bytes()).await.expect("psql reads");
        let mut lines = BufReader::new(psql.stdout.take().expect("a pipe was asked for")).lines();
        let line = tokio::time::timeout(LIMIT, lines.next_line()).await.expect("the table is free in time");
        assert_eq!(line.expect("psql writes").as_deref(), Some("held"));
        psql.stdin = Some(input);
        Held(psql)
    }

    /// Stops the server: connections are refused.
    pub async fn stop(&mut self) {
        // With its children: a session of theirs would wait for its client.
        self.server.signal("INT");
        self.server.wait().await;
    }

    async fn ready(&mut self) -> Result<(), String> {
        let mut probe = self.psql("postgres");
        probe.args(["-c", "SELECT 1"]);
        let answers = async || probe.output().await.is_ok_and(|output| output.status.success());
        self.server.ready(LIMIT, answers).await
    }

    async fn execute(&self, database: &str, sql: &str) -> String {
        finished(self.psql(database).args(["-c", sql])).await
    }

    /// As `postgres`. Rows come without headings and alignment, and the first error ends it.
    fn psql(&self, database: &str) -> Command {
        let mut psql = Command::new(parts::postgres("psql"));
        psql.env_clear().env("PGPASSWORD", &self.password).args([
            "-X",
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
        ]);
        psql.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres", "-d", database]);
        psql
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Asked to end by itself, it would wait for its clients, and Vault keeps connections open.
        self.server.signal("QUIT");
    }
}

impl Held {
    /// Lets the others go on.
    pub async fn release(mut self) {
        self.0.kill().await.expect("psql can be ended");
    }
}

/// Makes the folder of the server's data.
async fn initialised(folder: PathBuf, password: &str) -> PathBuf {
    let (data, file) = (folder.join("data"), folder.join("password"));
    fs::write(&file, password).expect("the password can be written");
    fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("for one alone");
    if let Some(nobody) = server_user() {
        for path in [&folder, &file] {
            chown(path, Some(nobody), None).expect("root may give it away");
        }
    }
    let mut initdb = as_server("initdb");
    initdb.arg("-D").arg(&data).arg("--pwfile").arg(&file).args(["-U", "postgres", "-A", "scram-sha-256"]);
    initdb.args(["--no-locale", "-E", "UTF8", "--no-sync"]);
    let output = Command::from(initdb).output().await.expect("initdb starts");
    assert!(
        output.status.success(),
        "PostgreSQL cannot make its data; as root it runs as `nobody`, who must be able to reach {} (CARGO_TARGET_DIR):\n{}",
        folder.display(),
        String::from_utf8_lossy(&output.stderr)
    );
    fs::remove_file(&file).expect("the password can be removed");
    data
}

/// A program of the server's, as a user that it accepts.
fn as_server(program: &str) -> std::process::Command {
    let program = parts::postgres(program);
    let Some(nobody) = server_user() else {
        return std::process::Command::new(program);
    };
    let mut command = std::process::Command::new("setpriv");
    let nobody = nobody.to_string();
    command.args(["--reuid", &nobody, "--regid", &nobody, "--clear-groups"]).arg(program);
    command
}

/// `nobody`, if this process is root's.
fn server_user() -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let own = fs::metadata("/proc/self").expect("Linux has /proc").uid();
    (own == 0).then_some(65534)
}

async fn finished(psql: &mut Command) -> String {
    tried(psql).await.unwrap_or_else(|complaint| panic!("psql: {complaint}"))
}

async fn tried(psql: &mut Command) -> Result<String, String> {
    let output = tokio::time::timeout(LIMIT, psql.kill_on_drop(true).output()).await;
    let Output { status, stdout, stderr } = output.expect("psql ends in time").expect("psql runs");
    let text = |bytes| String::from_utf8(bytes).expect("psql prints UTF-8");
    if status.success() { Ok(text(stdout)) } else { Err(text(stderr)) }
}
