//! The version and the public address, which many files state.
//!
//! The root `Cargo.toml` has the two values. The check fails with each place that states another one, and
//! `cargo xtask release --align` writes them to all of these places.

use crate::cargo;
use crate::workspace::{Failure, Workspace};
use std::fs;
use std::path::Path;

/// What the root `Cargo.toml` says.
pub(super) struct Stated {
    pub(super) version: String,
    /// `https://` and what follows, without a slash at the end.
    pub(super) address: String,
}

impl Stated {
    pub(super) fn read(workspace: &Workspace) -> Result<Self, Failure> {
        let manifest: toml::Table = parse(&workspace.root.join("Cargo.toml"))?;
        let value = |key: &str| {
            let value = manifest.get("workspace")?.get("package")?.get(key)?.as_str()?;
            Some(value.to_owned())
        };
        let missing = |key| move || Failure::new(format!("Cargo.toml: [workspace.package] has no `{key}`"));
        let stated = Self {
            version: value("version").ok_or_else(missing("version"))?,
            address: value("repository").ok_or_else(missing("repository"))?,
        };
        if !stated.address.starts_with("https://") || stated.address.ends_with('/') {
            return Err(Failure::new(format!(
                "Cargo.toml: `repository` is `{}`: write `https://`, the host and the path, without a slash at the end",
                stated.address
            )));
        }
        Ok(stated)
    }

    /// Go's name for the address, without the scheme.
    pub(super) fn host_and_path(&self) -> &str {
        self.address.trim_start_matches("https://")
    }

    /// Nobody can fetch from an address that is reserved for examples.
    pub(super) fn address_is_a_placeholder(&self) -> bool {
        let host = self.host_and_path().split('/').next().unwrap_or_default();
        host == "example.com" || host.ends_with(".example.com") || host.ends_with(".invalid")
    }

    fn of(&self, what: What) -> &str {
        match what {
            What::Version => &self.version,
            What::Address => &self.address,
            What::HostAndPath => self.host_and_path(),
        }
    }
}

/// Fails with every place that states another version or address.
pub(super) fn check(workspace: &Workspace) -> Result<(), Failure> {
    let stated = Stated::read(workspace)?;
    let mut found = Vec::new();
    for place in PLACES {
        let text = read(&workspace.root.join(place.file))?;
        found.extend(place.mismatches(&stated, &text));
    }
    for name in workspace.tracked_files()? {
        let Ok(text) = fs::read_to_string(workspace.root.join(&name)) else { continue };
        found.extend(other_addresses(&stated, &name, &text));
    }
    found.extend(lock_files(workspace, &stated)?);
    if !found.is_empty() {
        found.push(
            "Cargo.toml counts. To write its values to the other files: cargo xtask release --align"
                .to_owned(),
        );
        return Err(Failure::new(format!("\n{}", found.join("\n"))));
    }
    println!(
        "release: version {} and address {}: the same in all {} places",
        stated.version,
        stated.address,
        PLACES.len()
    );
    Ok(())
}

/// Writes the version and the address of the root `Cargo.toml` to all other files.
pub(super) fn align(workspace: &Workspace) -> Result<(), Failure> {
    let stated = Stated::read(workspace)?;
    let mut old_addresses = Vec::new();
    for place in PLACES {
        let path = workspace.root.join(place.file);
        let text = read(&path)?;
        let value = stated.of(place.what);
        let others = place.values(&text).into_iter().filter(|found| *found != value);
        if !matches!(place.what, What::Version) {
            old_addresses.extend(others.clone().map(|found| found.trim_start_matches("https://").to_owned()));
        }
        if others.count() > 0 {
            save(&path, &place.with(&text, value))?;
        }
    }
    old_addresses.sort();
    old_addresses.dedup();
    // What imports the Go module, or only mentions the address.
    for name in workspace.tracked_files()? {
        let path = workspace.root.join(&name);
        let Ok(text) = fs::read_to_string(&path) else { continue };
        let new =
            old_addresses.iter().fold(text.clone(), |text, old| text.replace(old, stated.host_and_path()));
        if new != text {
            save(&path, &new)?;
        }
    }
    // Cargo writes the members' new version to its lock file. The fuzzing workspace has the same lock file.
    crate::workspace::said(&mut workspace.cargo(["metadata", "--format-version", "1"]))?;
    let (lock, fuzz) = (workspace.root.join("Cargo.lock"), workspace.root.join("fuzz/Cargo.lock"));
    fs::copy(&lock, &fuzz).map_err(Failure::because(fuzz.display()))?;
    let mut metadata = workspace.cargo(["metadata", "--format-version", "1", "--manifest-path"]);
    crate::workspace::said(metadata.arg(workspace.root.join("fuzz/Cargo.toml")))?;
    check(workspace)
}

fn save(path: &Path, text: &str) -> Result<(), Failure> {
    println!("release: wrote {}", path.display());
    fs::write(path, text).map_err(Failure::because(path.display()))
}

#[derive(Clone, Copy)]
enum What {
    Version,
    Address,
    HostAndPath,
}

/// Text of a file that states one of the values, between two other texts.
struct Place {
    file: &'static str,
    before: &'static str,
    what: What,
    after: &'static str,
}

const fn version(file: &'static str, before: &'static str, after: &'static str) -> Place {
    Place { file, before, what: What::Version, after }
}

const fn address(file: &'static str, before: &'static str, after: &'static str) -> Place {
    Place { file, before, what: What::Address, after }
}

const PLACES: &[Place] = &[
    version("Cargo.toml", "vault-api = { path = \"shared/vault-api\", version = \"", "\""),
    version("Cargo.toml", "vault-transport = { path = \"shared/vault-transport\", version = \"", "\""),
    version("docs/versions.md", "It is at ", ":"),
    version("docs/deploy/README.md", "//infra/terraform?ref=v", "\""),
    version("infra/cdk/package.json", "\"name\": \"vault-authorizer-cdk\",\n  \"version\": \"", "\""),
    version("infra/cdk/package-lock.json", "\"name\": \"vault-authorizer-cdk\",\n  \"version\": \"", "\""),
    version(
        "infra/cdk/package-lock.json",
        "\"name\": \"vault-authorizer-cdk\",\n      \"version\": \"",
        "\"",
    ),
    version("infra/terraform/README.md", "//infra/terraform?ref=v", "\""),
    version("infra/terraform/README.md", "//infra/terraform/modules/container?ref=v", "\""),
    version("integrations/go/README.md", "/integrations/go@v", " "),
    version("integrations/go/integration.go", "const Version = \"", "\""),
    version("integrations/python/README.md", "vault_context-", "-py3-none-any.whl"),
    version("integrations/python/src/vault_context/version.py", "__version__ = \"", "\""),
    version("integrations/typescript/README.md", "/vault-context-", ".tgz"),
    version("integrations/typescript/package.json", "\"name\": \"vault-context\",\n  \"version\": \"", "\""),
    version(
        "integrations/typescript/package-lock.json",
        "\"name\": \"vault-context\",\n  \"version\": \"",
        "\"",
    ),
    version(
        "integrations/typescript/package-lock.json",
        "\"name\": \"vault-context\",\n      \"version\": \"",
        "\"",
    ),
    version("integrations/typescript/src/transport.ts", "const VERSION = \"", "\""),
    version("shared/vault-context/README.md", "tag = \"v", "\""),
    address("docs/deploy/README.md", "\"git::", "//infra/terraform"),
    address("infra/cdk/package.json", "\"url\": \"", "\""),
    address("infra/terraform/README.md", "\"git::", "//infra/terraform"),
    address("integrations/python/pyproject.toml", "Repository = \"", "\""),
    address("integrations/typescript/package.json", "\"url\": \"", "\""),
    address("mkdocs.yml", "repo_url: ", "\n"),
    address("shared/vault-context/README.md", "git = \"", "\""),
    Place {
        file: "integrations/go/go.mod",
        before: "module ",
        what: What::HostAndPath,
        after: "/integrations/go\n",
    },
];

impl Place {
    /// What stands there, each time.
    fn values<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let rest = text.split(self.before).skip(1);
        rest.filter_map(|rest| rest.split_once(self.after).map(|(value, _)| value)).collect()
    }

    /// A value stands in one line: more is something else that happens to be between the two texts.
    fn mismatches(&self, stated: &Stated, text: &str) -> Vec<String> {
        let (values, expected) = (self.values(text), stated.of(self.what));
        if values.is_empty() {
            return vec![format!(
                "{}: expected `{}{expected}{}`, found no such text",
                self.file,
                self.before,
                self.after.trim_end()
            )];
        }
        let others = values.into_iter().filter(|found| *found != expected);
        others.map(|found| format!("{}: `{found}`, expected `{expected}`", self.file)).collect()
    }

    fn with(&self, text: &str, value: &str) -> String {
        let mut parts = text.split(self.before);
        let mut new = parts.next().unwrap_or_default().to_owned();
        for rest in parts {
            new += self.before;
            match rest.split_once(self.after) {
                Some((_, after)) => new.extend([value, self.after, after]),
                None => new += rest,
            }
        }
        new
    }
}

/// Every address of a repository of this name that is not the one in `Cargo.toml`.
fn other_addresses(stated: &Stated, file: &str, text: &str) -> Vec<String> {
    let in_address = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let words = line.split(|c| !in_address(c)).map(|word| word.trim_start_matches('/'));
        for word in words.filter(|word| !word.starts_with('.')) {
            let Some((before, after)) = word.split_once(&format!("/{NAME}")) else { continue };
            let is_host = before.split('/').next().is_some_and(|host| host.contains('.'));
            let ends_here = after.is_empty() || after.starts_with(['/', '.']);
            let address = format!("{before}/{NAME}");
            if is_host && ends_here && address != stated.host_and_path() {
                found.push(format!(
                    "{file}:{}: `{address}`, expected `{}`",
                    index + 1,
                    stated.host_and_path()
                ));
            }
        }
    }
    found
}

const NAME: &str = "vault-authorizer";

/// Cargo's lock files have each member under the version of the workspace.
fn lock_files(workspace: &Workspace, stated: &Stated) -> Result<Vec<String>, Failure> {
    let mut found = Vec::new();
    for file in ["Cargo.lock", "fuzz/Cargo.lock"] {
        let members = cargo::lock_file(workspace, file)?.into_iter();
        let others = members.filter(|package| package.name == NAME && package.version != stated.version);
        found.extend(others.map(|package| {
            format!("{file}: {NAME} is at `{}`, expected `{}`", package.version, stated.version)
        }));
    }
    Ok(found)
}

fn parse(path: &Path) -> Result<toml::Table, Failure> {
    toml::from_str(&read(path)?).map_err(Failure::because(path.display()))
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(Failure::because(path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_another_version_and_a_place_that_states_none() {
        let place = version("a.md", "?ref=v", "\"");
        let mismatches = |text| place.mismatches(&stated(), text);
        assert_eq!(mismatches("x?ref=v0.2.0\"\ny?ref=v0.2.0\""), [""; 0]);
        assert_eq!(mismatches("x?ref=v0.2.0\" y?ref=v0.1.0\""), ["a.md: `0.1.0`, expected `0.2.0`"]);
        assert_eq!(mismatches("x"), ["a.md: expected `?ref=v0.2.0\"`, found no such text"]);
    }

    #[test]
    fn aligns_every_mention_and_leaves_the_rest() {
        let place = version("a.md", "?ref=v", "\"");
        let text = "one?ref=v0.1.0\" two?ref=v0.1.5\" three ?ref=v";
        assert_eq!(place.with(text, "0.2.0"), "one?ref=v0.2.0\" two?ref=v0.2.0\" three ?ref=v");
    }

    #[test]
    fn finds_the_repository_under_another_address() {
        // The check reads this file as well, so no line here holds an address.
        let found = |before: &str, after: &str| {
            other_addresses(&stated(), "a.go", &format!("import \"{before}/{NAME}{after}\"\n"))
        };
        assert_eq!(
            found("git.other.org/team", "/integrations/go"),
            [format!("a.go:1: `git.other.org/team/{NAME}`, expected `git.example.org/{NAME}`")]
        );
        assert_eq!(found("https://git.other.org", ".git").len(), 1);
        for (before, after) in [
            ("git::https://git.example.org", "//infra/terraform?ref=v0.2.0"),
            ("..", "/integrations/go"),
            ("https://git.other.org", "-fork"),
            ("/aws/lambda", ""),
            ("target/release", " check"),
        ] {
            assert_eq!(found(before, after), [""; 0], "{before}");
        }
    }

    #[test]
    fn knows_an_address_that_nobody_can_fetch_from() {
        assert!(
            Stated { address: "https://git.example.com/x".to_owned(), ..stated() }.address_is_a_placeholder()
        );
        assert!(
            !Stated { address: "https://git.example.org.io/x".to_owned(), ..stated() }
                .address_is_a_placeholder()
        );
    }

    fn stated() -> Stated {
        Stated { version: "0.2.0".to_owned(), address: format!("https://git.example.org/{NAME}") }
    }
}
