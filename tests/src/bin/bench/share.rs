//! A share of a processor, as Lambda gives it to a function with little memory. It is a control group of this
//! machine, if one can be created.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// In which a group's time is dealt out.
const PERIOD_MICROS: u64 = 20_000;

/// The group. It goes with the value, once no process is in it.
pub(crate) struct Share {
    group: PathBuf,
}

impl Share {
    /// So many thousandths of one processor; `None` where this user may make no group.
    pub(crate) fn of(thousandths: u64) -> Option<Self> {
        let quota = PERIOD_MICROS * thousandths / 1000;
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        groups.lines().find_map(|line| Self::beside(line, quota))
    }

    /// In or beside the group that a line of `/proc/self/cgroup` names: `4:cpu:/` of version 1, `0::/user.slice` of version 2
    /// (cgroups(7)). In version 2 only the root has both processes and groups, so elsewhere it is one beside.
    fn beside(line: &str, quota: u64) -> Option<Self> {
        let [_, controllers, own] = line.splitn(3, ':').collect::<Vec<_>>()[..] else { return None };
        let (root, own) = (Path::new("/sys/fs/cgroup"), own.trim_start_matches('/'));
        let name = format!("vault-authorizer-bench-{}-{quota}", std::process::id());
        let (group, limits) = if controllers.is_empty() {
            let above = Path::new(own).parent().unwrap_or(Path::new(""));
            (root.join(above).join(name), vec![("cpu.max", format!("{quota} {PERIOD_MICROS}"))])
        } else if controllers.split(',').any(|controller| controller == "cpu") {
            let period = ("cpu.cfs_period_us", PERIOD_MICROS.to_string());
            let limits = vec![period, ("cpu.cfs_quota_us", quota.to_string())];
            (root.join(controllers).join(own).join(name), limits)
        } else {
            return None;
        };
        fs::create_dir(&group).ok()?;
        // From here on it is removed again.
        let share = Self { group };
        // A file that is not there is not made: where it is no control group, it is a folder like any other.
        let set = |(file, limit): &(&str, String)| {
            let file = File::options().write(true).open(share.group.join(file));
            file.is_ok_and(|mut file| file.write_all(limit.as_bytes()).is_ok())
        };
        (limits.iter().all(set) && share.lets_in()).then_some(share)
    }

    /// Whether a process of ours may join.
    fn lets_in(&self) -> bool {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", r#"echo $$ > "$0""#]).arg(self.group.join("cgroup.procs"));
        shell.status().is_ok_and(|status| status.success())
    }

    /// The command with this share from its first instruction on: a shell joins the group, waits at `gate`, and becomes the
    /// command. To move a process takes the kernel longer than some functions take to start.
    pub(crate) fn gated(&self, command: &Command, gate: &Path) -> Command {
        let made = Command::new("mkfifo").arg(gate).status();
        assert!(made.is_ok_and(|status| status.success()), "mkfifo makes {}", gate.display());
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", r#"echo $$ > "$0" && read -r _ < "$1" && shift && exec "$@""#]);
        shell
            .arg(self.group.join("cgroup.procs"))
            .arg(gate)
            .arg(command.get_program())
            .args(command.get_args());
        shell
    }

    /// Opens the gate once the shell waits there; answers when.
    pub(crate) fn open(gate: &Path) -> Instant {
        let mut opened = File::options().write(true).open(gate).expect("a shell waits at the gate");
        let now = Instant::now();
        opened.write_all(b"\n").expect("the gate opens");
        fs::remove_file(gate).expect("the gate can be removed");
        now
    }

    /// From now on the process has this share and no more.
    pub(crate) fn take(&self, pid: u32) {
        fs::write(self.group.join("cgroup.procs"), pid.to_string())
            .expect("a process can be moved to its group");
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // A process that has just ended may still be in it.
        let _ = fs::remove_dir(&self.group);
    }
}
