//! The licences of a binary's packages, with the texts that they require you to pass on.

use super::contents::{Cargo, Id, Rust, licence};
use crate::workspace::Failure;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

/// Each package with its licence, then each text once.
pub(crate) fn of_packages(cargo: &Cargo, used: &BTreeSet<Id>) -> Result<String, Failure> {
    let apache =
        fs::read_to_string(cargo.workspace.root.join("LICENSE")).map_err(Failure::because("LICENSE"))?;
    let mut texts = Texts::default();
    let mut list = String::new();
    for id in used {
        let package = cargo.package(id)?;
        if package.source.is_none() {
            continue;
        }
        let (licence, mut numbers) = (licence(package)?, BTreeSet::new());
        for file in files(package.manifest_path.parent().unwrap_or("".into()).as_std_path())? {
            let text = fs::read(&file).map_err(Failure::because(file.display()))?;
            numbers.insert(texts.number(&String::from_utf8_lossy(&text)));
        }
        if numbers.is_empty() {
            numbers.insert(texts.number(&standard_text(id, &licence, &apache)?));
        }
        let numbers: Vec<String> = numbers.iter().map(|number| format!("[{number}]")).collect();
        let numbers = numbers.join(" ");
        let _ = writeln!(list, "{id}: {licence}  {numbers}");
    }
    Ok(format!("{HEAD}\n{list}{texts}", texts = texts.shown()))
}

const HEAD: &str = "\
The binaries contain these packages, each under the licence named here. The numbers in brackets refer to the licence texts
below, which are copied from the packages. For a package that comes without one, it is the licence's standard text.
The binaries also contain the Rust standard library; its licences are in RUST-STANDARD-LIBRARY.html.
";

/// The notices of the standard library and of what it is made of, which every toolchain of rustup's brings along.
pub(crate) fn of_the_standard_library(rust: &Rust) -> Result<Vec<u8>, Failure> {
    let file = rust.sysroot.join("share/doc/rust/COPYRIGHT-library.html");
    fs::read(&file).map_err(Failure::because(format!(
        "{}: the licences of the standard library, which a toolchain of rustup's has there",
        file.display()
    )))
}

/// Texts by number. Some differ in their line ends alone: those are one.
#[derive(Default)]
struct Texts {
    numbers: BTreeMap<String, usize>,
    shown: Vec<String>,
}

impl Texts {
    fn number(&mut self, text: &str) -> usize {
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        *self.numbers.entry(words).or_insert_with(|| {
            let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
            self.shown.push(lines.join("\n").trim_matches('\n').to_owned());
            self.shown.len()
        })
    }

    fn shown(&self) -> String {
        let line = "=".repeat(80);
        let texts = self.shown.iter().zip(1..);
        texts.map(|(text, number)| format!("\n{line}\n[{number}]\n\n{text}\n")).collect()
    }
}

/// The files of a package that its licences are in, by their names, wherever they lie: some come with code of others.
fn files(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let (mut found, mut open) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder).map_err(Failure::because(folder.display()))? {
            let path = entry.map_err(Failure::because(folder.display()))?.path();
            if path.is_dir() {
                open.push(path);
            } else if path.file_name().is_some_and(|name| is_licence(&name.to_string_lossy())) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn is_licence(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let source = [".rs", ".c", ".h", ".py"].iter().any(|ending| name.ends_with(ending));
    !source
        && ["license", "licence", "unlicense", "copying", "copyright", "notice"]
            .iter()
            .any(|word| name.starts_with(word))
}

/// For a package without a text of its own: of one of the licences that it may be taken under.
fn standard_text(id: &Id, licence: &str, apache: &str) -> Result<String, Failure> {
    let mut choices = licence.split(" OR ");
    if choices.clone().any(|licence| licence == "Apache-2.0") {
        return Ok(apache.to_owned());
    }
    if choices.any(|licence| licence == "MIT") {
        return Ok(format!("MIT License\n\nCopyright (c) the authors of {}\n\n{MIT}", id.name));
    }
    Err(Failure::new(format!(
        "{id} comes without the text of its licence, {licence}: add the standard text here"
    )))
}

const MIT: &str = "\
Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the \"Software\"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED \"AS IS\", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::contents::tests::{cargo, id};

    #[test]
    fn a_text_is_shown_once_however_its_lines_are_broken() {
        let mut texts = Texts::default();
        assert_eq!(texts.number("\nOne text,\r\nin two lines.\n"), 1);
        assert_eq!(texts.number("Another."), 2);
        assert_eq!(texts.number("One text, in two lines."), 1);
        assert!(texts.shown().contains("\n[1]\n\nOne text,\nin two lines.\n\n===="), "{}", texts.shown());
    }

    #[test]
    fn a_licence_is_known_by_its_files_name() {
        for name in
            ["LICENSE", "LICENSE-MIT", "license.md", "UNLICENSE", "COPYING", "NOTICE.txt", "Copyright"]
        {
            assert!(is_licence(name), "{name}");
        }
        for name in ["README.md", "licenses.rs", "notice.c", "lib.rs"] {
            assert!(!is_licence(name), "{name}");
        }
    }

    #[test]
    fn a_package_without_a_text_gets_a_standard_one_of_its_own_licence_or_none() {
        let text = |licence| standard_text(&id("bare", "1.0.0"), licence, "the Apache text");
        assert_eq!(text("MIT OR Apache-2.0").unwrap(), "the Apache text");
        assert!(text("MIT").unwrap().contains("the authors of bare"));
        for licence in ["ISC", "MIT AND ISC", "(MIT OR Apache-2.0) AND ISC"] {
            assert!(text(licence).is_err(), "{licence}");
        }
    }

    #[test]
    fn every_package_of_the_authorizer_has_its_texts() {
        let cargo = cargo();
        let used = cargo.contents("vault-authorizer", "x86_64-unknown-linux-gnu").unwrap().packages;
        let text = of_packages(&cargo, &used).unwrap();
        assert!(text.contains("\nrustls 0.23"));
        assert!(text.contains("the authors of vsimd"));
        // Of code that a package has taken in from others.
        assert!(text.contains("fiat-crypto authors"));
        assert!(!text.contains("vault-context"), "a member is under LICENSE");
        let listed = text.lines().filter(|line| line.ends_with(']') && line.contains("  [")).count();
        // The seven libraries and the function itself.
        let members = 8;
        assert_eq!(listed, used.len() - members);
    }
}
