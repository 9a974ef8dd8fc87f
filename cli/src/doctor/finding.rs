//! What a check found, and how it is shown.
//!
//! Receives findings; produces text for people or JSON for programs. A finding names its check, so that people can
//! talk about it and a pipeline can look for it.

use serde::Serialize;

use crate::{
    next::Next,
    output::{self, BAD, CAUTION, GOOD, plain, styled},
};

/// What came of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) check: &'static str,
    #[serde(flatten)]
    verdict: Verdict,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
enum Verdict {
    /// As it should be.
    Good { found: String },
    /// Not as it should be, and what to do about it.
    Wrong { found: String, remedy: String },
    /// The check could not be made.
    Unseen { reason: String },
}

impl Finding {
    pub(super) fn good(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Good { found: found.into() } }
    }

    pub(super) fn wrong(check: &'static str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Wrong { found: found.into(), remedy: remedy.into() } }
    }

    pub(super) fn unseen(check: &'static str, reason: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Unseen { reason: reason.into() } }
    }

    /// The same, of another check that came to it.
    pub(super) fn of(self, check: &'static str) -> Self {
        Self { check, ..self }
    }

    pub(super) fn is_wrong(&self) -> bool {
        matches!(self.verdict, Verdict::Wrong { .. })
    }

    pub(super) fn is_unseen(&self) -> bool {
        matches!(self.verdict, Verdict::Unseen { .. })
    }

    fn text(&self) -> String {
        let check = self.check;
        let (word, found, remedy) = match &self.verdict {
            Verdict::Good { found } => (styled(GOOD, "good  "), found, None),
            Verdict::Wrong { found, remedy } => (styled(BAD, "wrong "), found, Some(remedy)),
            Verdict::Unseen { reason } => (styled(CAUTION, "unseen"), reason, None),
        };
        let remedy = remedy.map(|remedy| format!("        do: {}\n", plain(remedy)));
        format!("{word}  {check}: {}\n{}", plain(found), remedy.unwrap_or_default())
    }
}

/// All findings. For people also their sum, and the command to run next.
pub(super) fn report(findings: &[Finding], next: &Next, json: bool) -> String {
    if json {
        return output::json(findings) + "\n";
    }
    let lines: String = findings.iter().map(Finding::text).collect();
    let wrong = findings.iter().filter(|finding| finding.is_wrong()).count();
    let unseen = findings.iter().filter(|finding| finding.is_unseen()).count();
    let verdict = match (wrong, unseen) {
        (0, 0) => styled(GOOD, "no problem found"),
        (0, _) => styled(CAUTION, "no problem found in what could be checked"),
        (1, _) => styled(BAD, "1 problem found"),
        (more, _) => styled(BAD, format_args!("{more} problems found")),
    };
    let not_made = if unseen == 0 { String::new() } else { format!(", {unseen} could not be made") };
    format!("{lines}{verdict}: {} checks{not_made}\n{}", findings.len(), next.line())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::HEADING;

    /// A provider's answer, or the name of an API.
    #[test]
    fn rejects_what_a_terminal_obeys_in_what_others_wrote() {
        let hostile = "kid `\u{1b}[2J\u{9b}31m\u{202e}\u{200b}\r` of `\u{2066}\u{61c}`";
        let findings = [
            Finding::good("jwks", hostile),
            Finding::wrong("jwks", hostile, hostile),
            Finding::unseen("jwks", hostile),
        ];
        let next = Next::new(["doctor"], vec![hostile.to_owned()]);
        for json in [false, true] {
            let text = report(&findings, &next, json).replace(['\n'], "");
            let own = [GOOD, BAD, CAUTION, HEADING].map(|style| style.render().to_string());
            let text = own.iter().fold(text, |text, style| text.replace(style, "")).replace("\u{1b}[0m", "");
            assert!(text.contains("[2J"), "{text}");
            assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{text:?}");
        }
        assert!(serde_json::from_str::<serde_json::Value>(&report(&findings, &next, true)).is_ok());
    }
}
