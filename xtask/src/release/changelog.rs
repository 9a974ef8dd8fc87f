//! The changelog's section of a version, from which the release notes are made.

use crate::workspace::{Failure, Workspace};
use std::fs;

/// What changed in a version.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Section {
    pub(super) text: String,
    /// Whether the heading names the version and its day. If not, the section is still `[Unreleased]`.
    pub(super) is_released: bool,
}

impl Section {
    pub(super) fn read(workspace: &Workspace, version: &str) -> Result<Self, Failure> {
        let file = workspace.root.join(FILE);
        let text = fs::read_to_string(&file).map_err(Failure::because(file.display()))?;
        Self::find(&text, version)
    }

    /// The section of the version; until there is one, what is not released yet.
    fn find(changelog: &str, version: &str) -> Result<Self, Failure> {
        let section = |heading: &str| {
            let (_, after) = changelog.split_once(&format!("\n## [{heading}]"))?;
            let (rest_of_heading, text) = after.split_once('\n')?;
            let text = text.split("\n## ").next().unwrap_or_default().trim();
            Some((rest_of_heading, text.to_owned()))
        };
        let found = match (section(version), section("Unreleased")) {
            (Some((day, text)), _) if is_a_day(day) => Self { text, is_released: true },
            (Some((day, _)), _) => {
                return Err(Failure::new(format!(
                    "{FILE}: the heading of {version} ends in `{day}`. Write: ## [{version}] - YYYY-MM-DD"
                )));
            }
            (None, Some((_, text))) => Self { text, is_released: false },
            (None, None) => {
                return Err(Failure::new(format!(
                    "{FILE}: no section for {version}. Add: ## [{version}] - YYYY-MM-DD"
                )));
            }
        };
        // A heading alone says nothing to a reader.
        if found.text.lines().all(|line| line.is_empty() || line.starts_with('#')) {
            return Err(Failure::new(format!(
                "{FILE}: the section of {version} is empty. Say what changed for a user"
            )));
        }
        Ok(found)
    }
}

const FILE: &str = "CHANGELOG.md";

fn is_a_day(rest_of_heading: &str) -> bool {
    let day = rest_of_heading.strip_prefix(" - ").unwrap_or_default();
    let numbers: Vec<&str> = day.split('-').collect();
    let lengths: Vec<usize> = numbers.iter().map(|number| number.len()).collect();
    lengths == [4, 2, 2] && numbers.iter().all(|number| number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_versions_own_section_and_no_more() {
        let changelog = "# C\n\n## [Unreleased]\n\n## [0.2.0] - 2026-11-30\n\n### Added\n\n- A.\n\n\
                         ## [0.1.0] - 2026-10-01\n\n- B.\n";
        let section = Section::find(changelog, "0.2.0").unwrap();
        assert_eq!(section, Section { text: "### Added\n\n- A.".to_owned(), is_released: true });
        assert_eq!(Section::find(changelog, "0.1.0").unwrap().text, "- B.");
    }

    #[test]
    fn takes_what_is_not_released_yet_and_says_so() {
        let section = Section::find("# C\n\n## [Unreleased]\n\n- A.\n", "0.1.0").unwrap();
        assert_eq!(section, Section { text: "- A.".to_owned(), is_released: false });
    }

    #[test]
    fn rejects_an_empty_section_a_missing_one_and_one_without_a_day() {
        let failure = |changelog| Section::find(changelog, "0.2.0").unwrap_err().to_string();
        assert!(
            failure("\n## [0.2.0] - 2026-11-30\n\n### Added\n\n## [0.1.0] - 2026-10-01\n- A.\n")
                .contains("is empty")
        );
        assert!(failure("\n## [0.1.0] - 2026-10-01\n- A.\n").contains("no section for 0.2.0"));
        assert!(failure("\n## [0.2.0]\n- A.\n").contains("Write: ## [0.2.0] - YYYY-MM-DD"));
        assert!(failure("\n## [0.2.0] - soon\n- A.\n").contains("ends in ` - soon`"));
    }
}
