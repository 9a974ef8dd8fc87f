//! The command to run next, with which `explain` and `doctor` end.
//!
//! Receives the parts of a command, with the options that this one was given. Produces the command as a person types
//! it and programs read it. The parts are names, paths and addresses, and no secret: no option takes one.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::output::{HEADING, plain, styled};

/// A command of this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Next(Vec<String>);

impl Next {
    /// The command, and what is given to it.
    pub(crate) fn new<'a>(command: impl IntoIterator<Item = &'a str>, given: Vec<String>) -> Self {
        Self(command.into_iter().map(str::to_owned).chain(given).collect())
    }

    /// Follows a request, or the one that the reader names.
    pub(crate) fn trace(request_id: Option<&str>) -> Self {
        let id = request_id.unwrap_or("REQUEST_ID");
        let logs = ["--authorizer-log", "authorizer.log", "--audit-log", "audit.log"];
        Self::new(["trace", "--request-id", id].into_iter().chain(logs), Vec::new())
    }

    /// The last line of the text output.
    pub(crate) fn line(&self) -> String {
        format!("{} {}\n", styled(HEADING, "next:"), plain(&self.to_string()))
    }

    /// Ends the test unless the program takes it.
    #[cfg(test)]
    #[track_caller]
    pub(crate) fn must_parse(&self) -> String {
        use clap::Parser as _;
        let words = ["vault-authorizer"].into_iter().chain(self.0.iter().map(String::as_str));
        let parsed = crate::CommandLine::try_parse_from(words);
        assert!(parsed.is_ok(), "{self}: {}", parsed.err().unwrap());
        self.to_string()
    }
}

/// An option and its value.
pub(crate) fn option(name: &str, value: impl fmt::Display) -> [String; 2] {
    [name.to_owned(), value.to_string()]
}

impl fmt::Display for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("vault-authorizer")?;
        self.0.iter().try_for_each(|word| write!(f, " {}", quoted(word)))
    }
}

impl Serialize for Next {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// As a shell takes it for one word.
fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path may have been chosen by whoever wrote the file.
    #[test]
    fn rejects_a_command_of_the_shell_in_a_path() {
        let next = Next::new(["check"], vec!["it's; $(rm -rf ~).yaml".to_owned(), String::new()]);
        assert_eq!(next.to_string(), r"vault-authorizer check 'it'\''s; $(rm -rf ~).yaml' ''");
        assert!(Next::new(["check"], vec!["\u{1b}[2J".to_owned()]).line().ends_with("check '\\u{1b}[2J'\n"));
    }
}
