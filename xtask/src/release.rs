//! `cargo xtask release`: makes and checks everything that a release consists of. It publishes nothing.
//!
//! ```text
//! <target>/release-<version>/*.zip, *.cdx.json, …         as `cargo xtask package` makes them
//! <target>/release-<version>/vault-authorizer-cli-<architecture>.tar.gz, .cdx.json   the command line
//! <target>/release-<version>/*.whl, *.tar.gz, *.tgz, *.crate   the packages for integrations, and the CDK construct
//! <target>/release-<version>/provenance.intoto.json       what they were built from
//! <target>/release-<version>/SHA256SUMS                   of all of these
//! <target>/release-<version>/NOTES.md                     the text of the release
//! ```
//!
//! `.github/workflows/release.yml` runs it, signs the checksums and publishes the folder. A dry run signs with a key that
//! it makes and forgets, in a folder of its own.

mod changelog;
mod files;
mod installed;
mod provenance;
mod stated;
#[cfg(test)]
mod workflow;

use crate::package::{self, SUMS, Source};
use crate::workspace::{Failure, Stopwatch, Workspace, said};
use crate::{machine, parts};
use changelog::Section;
use stated::Stated;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// `cargo xtask release`.
pub(crate) fn run(workspace: &Workspace, arguments: &[&str]) -> Result<(), Failure> {
    match Task::parse(arguments)? {
        Task::Explain => explain(workspace),
        Task::Align => stated::align(workspace),
        Task::DryRun => {
            let stopwatch = Stopwatch::start();
            let release = Release::build(workspace, Strictness::DryRun)?;
            release.sign_for_nobody()?;
            release.list()?;
            println!("release: dry run done in {:.0} s. Nothing was published.", stopwatch.seconds());
            warn(&release.warnings);
            Ok(())
        }
        Task::Build => Release::build(workspace, Strictness::Release)?.list(),
    }
}

/// What is cheap to check of a release, as one of the checks.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    stated::check(workspace)?;
    Section::read(workspace, &Stated::read(workspace)?.version)?;
    Ok(())
}

#[derive(Debug, Eq, PartialEq)]
enum Task {
    Explain,
    Align,
    DryRun,
    Build,
}

impl Task {
    fn parse(arguments: &[&str]) -> Result<Self, Failure> {
        match arguments {
            [] => Ok(Self::Explain),
            ["--align"] => Ok(Self::Align),
            ["--dry-run"] => Ok(Self::DryRun),
            ["--build"] => Ok(Self::Build),
            _ => Err(Failure::new(format!(
                "release takes `--dry-run`, `--build` or `--align`, not `{}`",
                arguments.join(" ")
            ))),
        }
    }
}

/// Says what a release needs and which commands make it.
fn explain(workspace: &Workspace) -> Result<(), Failure> {
    let stated = Stated::read(workspace)?;
    let Stated { version, .. } = &stated;
    println!(
        "To see what a release of {version} would consist of:\n\n  cargo xtask release --dry-run\n\n\
         To release it, push the tags of a commit that `cargo xtask test` passes. The workflow does the rest:\n\n  \
         git tag v{version} && git tag integrations/go/v{version}\n  \
         git push origin v{version} integrations/go/v{version}\n\n\
         By hand, without the workflow:\n\n  cargo xtask release --build\n  cd {}\n  \
         minisign -S -s /path/to/the/secret/key -m {SUMS} -t '{}'\n  \
         minisign -V -p {} -m {SUMS}\n\n\
         Then upload every file of that folder but NOTES.md, which is the text of the release.\n",
        folder(workspace, version, Strictness::Release).display(),
        trusted_comment(version, &said(&mut workspace.git(&["rev-parse", "HEAD"]))?),
        workspace.root.join(PUBLIC_KEY).display(),
    );
    check(workspace)?;
    let warnings = warnings(workspace, &stated, &Section::read(workspace, version)?)?;
    if warnings.is_empty() { Ok(()) } else { Err(not_ready(&warnings)) }
}

/// Whether what keeps this from being a release is an error.
#[derive(Clone, Copy, Eq, PartialEq)]
enum Strictness {
    DryRun,
    Release,
}

/// A release in its folder.
struct Release<'w> {
    workspace: &'w Workspace,
    stated: Stated,
    commit: String,
    folder: PathBuf,
    /// What is built and installed on the way.
    work: PathBuf,
    /// Why it is only a dry run.
    warnings: Vec<String>,
}

impl<'w> Release<'w> {
    /// Builds everything but the signature, and tries it out.
    fn build(workspace: &'w Workspace, strictness: Strictness) -> Result<Self, Failure> {
        let signs = (strictness == Strictness::DryRun).then_some(&machine::MINISIGN);
        machine::require(NEEDS.iter().chain(signs))?;
        check(workspace)?;
        let stated = Stated::read(workspace)?;
        let section = Section::read(workspace, &stated.version)?;
        println!("release: changelog: {} lines for {}", section.text.lines().count(), stated.version);
        let warnings = warnings(workspace, &stated, &section)?;
        if strictness == Strictness::Release && !warnings.is_empty() {
            return Err(not_ready(&warnings));
        }
        warn(&warnings);
        let source = Source::find(workspace)?;
        let folder = folder(workspace, &stated.version, strictness);
        let work = workspace.target.join("release-work");
        let release = Self { workspace, stated, commit: source.commit.clone(), folder, work, warnings };
        package::renew(&release.folder)?;
        package::renew(&release.work)?;
        release.files()?;
        let statement =
            provenance::statement(workspace, &release.stated, &source, &release.sums()?, &release.warnings)?;
        package::write(&release.folder.join("provenance.intoto.json"), statement.as_bytes())?;
        println!("release: provenance: of {}", release.commit);
        let sums = lines(&release.sums()?);
        package::write(&release.folder.join(SUMS), sums.as_bytes())?;
        let notes = notes(&release.stated, &section, &release.warnings, &sums);
        package::write(&release.folder.join(NOTES), notes.as_bytes())?;
        // From here on the code of dependencies runs that are no part of the release.
        release.try_out()?;
        release.verify(&sums)?;
        Ok(release)
    }

    fn files(&self) -> Result<(), Failure> {
        let Self { workspace, folder, work, .. } = self;
        step("packages for Lambda", || {
            package::package(workspace)?;
            let packed = workspace.target.join("package");
            for name in package::files(&packed)?.iter().filter(|name| *name != SUMS) {
                let file = packed.join(name);
                fs::copy(&file, folder.join(name)).map_err(Failure::because(file.display()))?;
            }
            Ok(())
        })?;
        step("command line", || package::command(workspace, folder))?;
        step("packages for integrations", || {
            parts::for_release(workspace)?;
            files::pack(workspace, work, folder)?;
            files::pack_again(workspace, work, folder)
        })
    }

    fn try_out(&self) -> Result<(), Failure> {
        let Self { workspace, folder, work, .. } = self;
        step("command line, as a user gets it", || installed::command(work, folder))?;
        step("packages, as a user gets them", || installed::packages(workspace, work, folder))
    }

    /// Whether every file is still the one that was summed up, and so are the sums.
    fn verify(&self, sums: &str) -> Result<(), Failure> {
        if package::read(&self.folder.join(SUMS))? == sums.as_bytes() && lines(&self.sums()?) == sums {
            return Ok(());
        }
        Err(Failure::new(format!(
            "{}: a file is not the one in {SUMS}. Build the release again",
            self.folder.display()
        )))
    }

    /// Signs the checksums with a new key, and verifies the signature and the checksums as a user does. Nobody trusts that key.
    fn sign_for_nobody(&self) -> Result<(), Failure> {
        let (public, secret) = (self.work.join(PUBLIC_KEY), self.work.join("minisign.key"));
        let sums = self.folder.join(SUMS);
        let minisign = || Command::new("minisign");
        files::quietly(minisign().args(["-G", "-W", "-s"]).arg(&secret).arg("-p").arg(&public))?;
        let comment = format!("dry run of {}", trusted_comment(&self.stated.version, &self.commit));
        files::quietly(minisign().args(["-S", "-t", &comment, "-s"]).arg(&secret).arg("-m").arg(&sums))?;
        files::quietly(minisign().args(["-V", "-p"]).arg(&public).arg("-m").arg(&sums))?;
        let mut check = Command::new("sha256sum");
        files::quietly(check.args(["--check", "--strict", SUMS]).current_dir(&self.folder))?;
        fs::remove_file(&secret).map_err(Failure::because(secret.display()))?;
        println!("release: signed and verified: {SIGNATURE}. The public key is {}", public.display());
        Ok(())
    }

    /// The name and the SHA-256 of each file that is downloaded.
    fn sums(&self) -> Result<Vec<(String, String)>, Failure> {
        let names = package::files(&self.folder)?.into_iter();
        let names = names.filter(|name| ![SUMS, SIGNATURE, NOTES].contains(&name.as_str()));
        let sum = |name: String| {
            let sum = package::sha256(&package::read(&self.folder.join(&name))?)?;
            Ok((name, sum))
        };
        names.map(sum).collect()
    }

    fn list(&self) -> Result<(), Failure> {
        println!("release: in {}", self.folder.display());
        for name in package::files(&self.folder)? {
            let size = package::read(&self.folder.join(&name))?.len();
            println!("{size:>10}  {name}");
        }
        Ok(())
    }
}

const NEEDS: &[machine::Tool] =
    &[machine::PYTHON, machine::NODE, machine::NPM, machine::GIT, machine::COREUTILS];
const SIGNATURE: &str = "SHA256SUMS.minisig";
const NOTES: &str = "NOTES.md";

/// In the repository's root: what users verify with.
const PUBLIC_KEY: &str = "minisign.pub";

/// A dry run has one of its own, so that nobody takes it for a release.
fn folder(workspace: &Workspace, version: &str, strictness: Strictness) -> PathBuf {
    let dry_run = if strictness == Strictness::DryRun { "-dry-run" } else { "" };
    workspace.target.join(format!("release-{version}{dry_run}"))
}

/// What the signature says of the checksums.
fn trusted_comment(version: &str, commit: &str) -> String {
    format!("vault-authorizer {version}, commit {}", commit.trim_end())
}

fn step(name: &str, work: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    let stopwatch = Stopwatch::start();
    work().map_err(Failure::because(name))?;
    println!("release: {name}: done in {:.0} s", stopwatch.seconds());
    Ok(())
}

/// What keeps the tree from being released.
fn warnings(workspace: &Workspace, stated: &Stated, section: &Section) -> Result<Vec<String>, Failure> {
    let Stated { version, address } = stated;
    let mut warnings = Vec::new();
    if !package::changes(workspace)?.is_empty() {
        warnings.push("the tree has uncommitted changes: commit them, or remove them".to_owned());
    }
    if !section.is_released {
        warnings.push(format!(
            "CHANGELOG.md: {version} is still [Unreleased]: write `## [{version}] - YYYY-MM-DD` below that heading"
        ));
    }
    if stated.address_is_a_placeholder() {
        warnings.push(format!("{address} is a placeholder: docs/versions.md says how to change it"));
    }
    if !workspace.root.join(PUBLIC_KEY).is_file() {
        warnings.push(format!(
            "no {PUBLIC_KEY}: make a key with `minisign -G -W -p {PUBLIC_KEY} -s /path/to/the/secret/key`, and commit {PUBLIC_KEY}"
        ));
    }
    let commit_of = |name: &str| {
        said(&mut workspace.git(&["rev-parse", "--quiet", "--verify", &format!("{name}^{{commit}}")])).ok()
    };
    let head = commit_of("HEAD");
    // Go finds the version of a module in a folder by a tag with the folder's name.
    for tag in [format!("v{version}"), format!("integrations/go/v{version}")] {
        if head.is_none() || commit_of(&format!("refs/tags/{tag}")) != head {
            warnings.push(format!("the tag {tag} is not on this commit: git tag {tag}"));
        }
    }
    Ok(warnings)
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        println!("release: NOT READY: {warning}");
    }
}

fn not_ready(warnings: &[String]) -> Failure {
    Failure::new(format!("not ready for a release:\n  {}", warnings.join("\n  ")))
}

/// As `sha256sum` writes and reads them.
fn lines(sums: &[(String, String)]) -> String {
    sums.iter().map(|(name, sum)| format!("{sum}  {name}\n")).collect()
}

/// The text of the release: what changed, and how to verify a download.
fn notes(stated: &Stated, section: &Section, warnings: &[String], sums: &str) -> String {
    let Stated { version, address } = stated;
    let dry_run = if warnings.is_empty() { "" } else { "\n**This is a dry run, and no release.**\n" };
    format!(
        "# vault-authorizer {version}\n{dry_run}\n{changes}\n\n## Verify a download\n\n\
         Take `{PUBLIC_KEY}` from [the repository]({address}), and not from where you downloaded the files:\n\n\
         ```sh\nminisign -Vm {SUMS} -p {PUBLIC_KEY} &&\n    sha256sum --check --ignore-missing {SUMS}\n```\n\n\
         `docs/packages.md` says what each file is, and how to build the same bytes.\n\n\
         ## Checksums\n\n```\n{sums}```\n",
        changes = section.text
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_only_whole_tasks() {
        let parse = |arguments: &[&str]| Task::parse(arguments).ok();
        assert_eq!(parse(&[]), Some(Task::Explain));
        assert_eq!(parse(&["--dry-run"]), Some(Task::DryRun));
        assert_eq!(parse(&["--build"]), Some(Task::Build));
        for wrong in [&["--sign"][..], &["--build", "--key", "k"], &["--dryrun"], &["--dry-run", "--build"]] {
            assert_eq!(parse(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn rejects_a_file_that_is_changed_or_added_after_the_sums() {
        let workspace = Workspace { root: "/".into(), target: scratch("flipped") };
        let release = release(&workspace);
        let file = release.folder.join("a.zip");
        package::write(&file, b"content").unwrap();
        package::write(&release.folder.join(NOTES), b"text").unwrap();
        let sums = lines(&release.sums().unwrap());
        package::write(&release.folder.join(SUMS), sums.as_bytes()).unwrap();
        release.verify(&sums).unwrap();

        package::write(&file, b"cOntent").unwrap();
        assert!(release.verify(&sums).unwrap_err().to_string().contains("Build the release again"));
        package::write(&file, b"content").unwrap();
        package::write(&release.folder.join("added"), b"").unwrap();
        assert!(release.verify(&sums).is_err());
        package::write(&release.folder.join(SUMS), lines(&release.sums().unwrap()).as_bytes()).unwrap();
        assert!(release.verify(&sums).is_err(), "the sums were changed with it");
        fs::remove_dir_all(&workspace.target).unwrap();
    }

    #[test]
    fn the_notes_say_what_changed_how_to_verify_and_whether_it_is_a_release() {
        let section = Section { text: "- A.".to_owned(), is_released: true };
        let sums = lines(&[("a.zip".to_owned(), "00ff".to_owned())]);
        let text = |warnings: &[String]| notes(&stated(), &section, warnings, &sums);
        assert!(text(&[]).starts_with("# vault-authorizer 0.2.0\n\n- A.\n\n## Verify a download\n"));
        assert!(text(&[]).contains("minisign -Vm SHA256SUMS -p minisign.pub &&\n    sha256sum --check"));
        assert!(text(&[]).ends_with("```\n00ff  a.zip\n```\n"));
        assert!(text(&["dirty".to_owned()]).contains("dry run, and no release"));
    }

    fn release(workspace: &Workspace) -> Release<'_> {
        let folder = folder(workspace, "0.2.0", Strictness::Release);
        package::renew(&folder).unwrap();
        Release {
            workspace,
            stated: stated(),
            commit: "abc".to_owned(),
            folder,
            work: PathBuf::new(),
            warnings: Vec::new(),
        }
    }

    fn stated() -> Stated {
        Stated { version: "0.2.0".to_owned(), address: "https://git.example.org/x".to_owned() }
    }

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("xtask-release-{}-{name}", std::process::id()))
    }
}
