//! Text that no file of the repository may contain, whatever tool would read it.

use crate::workspace::{Failure, Workspace};
use std::fs;
use std::path::{Path, PathBuf};

/// Fails with every place where a tracked file breaks a rule.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    let rules = rules(workspace);
    let mut found = Vec::new();
    let mut files = 0;
    for name in workspace.tracked_files()? {
        // Deleted and not yet committed, or not text: no reader is misled.
        let Ok(text) = fs::read_to_string(workspace.root.join(&name)) else { continue };
        files += 1;
        found.extend(broken(&rules, &name, &text));
    }
    println!("read {files} files");
    if found.is_empty() { Ok(()) } else { Err(Failure::new(format!("\n{}", found.join("\n")))) }
}

struct Rule {
    /// The files it holds for, by the end of their names.
    files: &'static str,
    /// What they may not contain.
    text: String,
    reason: &'static str,
}

fn rules(workspace: &Workspace) -> Vec<Rule> {
    let mut rules = vec![
        Rule {
            files: ".rs",
            text: ["#[", "ignore"].concat(),
            reason: "a test that does not run proves nothing",
        },
        Rule {
            files: "package-lock.json",
            text: "\"resolved\"".to_owned(),
            reason: "the lock must not name a registry: npm install --omit-lockfile-registry-resolved",
        },
    ];
    let home = std::env::var_os("HOME").map(PathBuf::from);
    for folder in home.iter().chain([&workspace.root]).filter(|folder| is_of_this_machine(folder)) {
        let text = format!("{}/", folder.display());
        rules.push(Rule { files: "", text, reason: "a path of this machine, which no reader has" });
    }
    rules
}

/// `/home/me/authorizer` is; a container's `/src` is a word that any file may hold.
fn is_of_this_machine(folder: &Path) -> bool {
    folder.is_absolute() && folder.components().count() > 2
}

fn broken(rules: &[Rule], name: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for rule in rules.iter().filter(|rule| name.ends_with(rule.files)) {
        for (index, line) in text.lines().enumerate() {
            if line.contains(&rule.text) {
                found.push(format!("{name}:{}: `{}`: {}", index + 1, rule.text, rule.reason));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_one_word_is_not_of_this_machine() {
        assert!(is_of_this_machine(Path::new("/home/me")));
        assert!(!is_of_this_machine(Path::new("/src")));
        assert!(!is_of_this_machine(Path::new("/")));
        assert!(!is_of_this_machine(Path::new("")));
    }

    #[test]
    fn names_the_place_and_the_reason() {
        let rules = [
            Rule { files: ".rs", text: "forbidden".to_owned(), reason: "because" },
            Rule { files: "", text: "/home/me/".to_owned(), reason: "mine" },
        ];
        assert_eq!(broken(&rules, "a.rs", "one\nforbidden\n"), ["a.rs:2: `forbidden`: because"]);
        assert_eq!(broken(&rules, "a.md", "forbidden\n/home/me/x"), ["a.md:2: `/home/me/`: mine"]);
    }
}
