//! What the person at the terminal sees: at most 100 columns, and colour only on a terminal that wants it.

use std::cell::RefCell;
use std::io::{self, IsTerminal as _, Write as _};
use std::time::Instant;

pub(crate) struct Screen {
    colour: bool,
    live: bool,
    utf8: bool,
    started: Instant,
    running: RefCell<Vec<String>>,
}

/// How wide a paragraph is.
const WIDTH: usize = 96;

impl Screen {
    pub(crate) fn new() -> Self {
        let variable = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
        let live = io::stdout().is_terminal() && variable("TERM").is_some_and(|term| term != "dumb");
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable).unwrap_or_default();
        let locale = locale.to_ascii_lowercase();
        Self {
            colour: live && variable("NO_COLOR").is_none(),
            live,
            utf8: locale.contains("utf-8") || locale.contains("utf8"),
            started: Instant::now(),
            running: RefCell::default(),
        }
    }

    pub(crate) fn title(&self) {
        self.line(
            &self.paint(BOLD, "vault-authorizer: each API call gets a short-lived Vault token of its own"),
        );
        self.line("");
        self.paragraph(
            "All of this runs on your machine, with real parts: both functions, OpenBao, PostgreSQL, and the \
             CloudFormation template and Vault policies of the project. AWS is an emulator, and the identity provider \
             is a small one that belongs to the demo.",
        );
    }

    /// Begins a chapter.
    pub(crate) fn chapter(&self, title: &str) {
        self.line("");
        self.line(&self.paint(BOLD, title));
    }

    /// Shows that `what` is going on, and that it is done when `work` is.
    pub(crate) async fn doing<T>(&self, what: &str, note: &str, work: impl Future<Output = T>) -> T {
        let start = Instant::now();
        self.running.borrow_mut().push(what.to_owned());
        self.show_running();
        let outcome = work.await;
        self.running.borrow_mut().retain(|running| running != what);
        let time = self.paint(DIM, &format!("{:>6.1} s", start.elapsed().as_secs_f64()));
        self.line(&format!("  {} {what:<20}{note:<66}{time}", self.good()));
        self.show_running();
        outcome
    }

    /// Text of any length.
    pub(crate) fn paragraph(&self, text: &str) {
        for line in wrapped(text, WIDTH) {
            self.line(&format!("  {line}"));
        }
    }

    /// What was called, the status that came, and what is worth knowing of it.
    pub(crate) fn row(&self, what: &str, status: u16, rest: &str) {
        let status = self.paint(if status < 400 { GREEN } else { YELLOW }, &status.to_string());
        self.line(format!("  {what:<32}{status}   {rest}").trim_end());
    }

    /// A name and what it stands for.
    pub(crate) fn field(&self, name: &str, value: &str) {
        self.line(&format!("  {}{value}", self.paint(DIM, &format!("{name:<16}"))));
    }

    /// The same for two things side by side.
    pub(crate) fn pair(&self, name: &str, left: &str, right: &str) {
        self.field(name, &format!("{left:<40}{right}"));
    }

    /// What the chapter has shown.
    pub(crate) fn proved(&self, text: &str) {
        let mut mark = self.good();
        for line in wrapped(text, WIDTH - 2) {
            self.line(&format!("  {mark} {line}"));
            mark = " ".to_owned();
        }
    }

    /// A line as it is.
    pub(crate) fn line(&self, line: &str) {
        let clear = if self.live { CLEAR_LINE } else { "" };
        // Whoever reads may have gone (`| head`): the checks go on, and the exit code says how they went.
        let _ = writeln!(io::stdout(), "{clear}{line}");
    }

    /// All promises are kept.
    pub(crate) fn finished(&self) {
        self.line("");
        let text =
            format!("Everything worked as promised, in {:.1} s.", self.started.elapsed().as_secs_f64());
        self.line(&format!("{} {}", self.good(), self.paint(BOLD, &text)));
        self.paragraph("What only an AWS account can prove is listed in docs/not-verified-on-aws.md.");
    }

    /// One is not.
    pub(crate) fn failed(&self, reason: &str) {
        let mark = self.paint(RED, if self.utf8 { "\u{2717}" } else { "FAILED" });
        self.line("");
        self.line(&format!("{mark} {reason}"));
    }

    pub(crate) fn interrupted(&self) {
        self.line("");
        self.line("Stopping every part.");
    }

    /// On a terminal, the last line says what is being waited for.
    fn show_running(&self) {
        let running = self.running.borrow().join(", ");
        if self.live && !running.is_empty() {
            let mut out = io::stdout();
            let _ = write!(out, "{CLEAR_LINE}  {}", self.paint(DIM, &format!("... {running}")));
            let _ = out.flush();
        }
    }

    fn good(&self) -> String {
        self.paint(GREEN, if self.utf8 { "\u{2713}" } else { "ok" })
    }

    fn paint(&self, colour: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("one line at least");
        if line.is_empty() {
            line.push_str(word);
        } else if line.len() + 1 + word.len() <= width {
            line.push(' ');
            line.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines
}

const BOLD: &str = "1";
const DIM: &str = "2";
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CLEAR_LINE: &str = "\r\x1b[2K";
