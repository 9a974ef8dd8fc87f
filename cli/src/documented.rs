//! Every command that the documentation shows is one that this program takes.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Parser, error::ErrorKind};

use crate::CommandLine;

#[test]
fn every_documented_command_parses() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let (mut seen, mut wrong) = (0, Vec::new());
    for page in pages(root) {
        for words in commands(&fs::read_to_string(&page).unwrap()) {
            seen += 1;
            let Err(error) = CommandLine::try_parse_from(&words) else { continue };
            // A value that stands for the reader's own is none that can be checked.
            let is_placeholder = |kind| kind == ErrorKind::ValueValidation || kind == ErrorKind::InvalidValue;
            if !(is_placeholder(error.kind()) && error.to_string().contains(['$', '…'])) {
                wrong.push(format!("{}: {}\n{error}", page.display(), words.join(" ")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 35, "only {seen} commands were found");
}

/// The Markdown files of the repository.
fn pages(root: &Path) -> Vec<PathBuf> {
    let (mut folders, mut pages) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let skipped = ["target", "node_modules"].iter().any(|skipped| name == *skipped);
            if entry.file_type().unwrap().is_dir() && !skipped && !name.as_encoded_bytes().starts_with(b".") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// The calls of this program in the blocks for a shell, each as its words.
fn commands(page: &str) -> Vec<Vec<String>> {
    let blocks = page.split("\n```").skip(1).step_by(2);
    let scripts = blocks.filter_map(|block| block.split_once('\n').filter(|(language, _)| *language == "sh"));
    let scripts = scripts.map(|(_, script)| script.replace("\\\n", " "));
    let calls = |script: String| {
        let places = script.match_indices("vault-authorizer ");
        let places = places.filter(|(at, _)| is_a_command_after(script.get(..*at).unwrap()));
        places.map(|(at, _)| words(script.get(at..).unwrap())).collect::<Vec<_>>()
    };
    scripts.flat_map(calls).collect()
}

/// Whether a command begins here: on a line of its own, in a pipe, in `$(…)`, or after a variable's assignment.
fn is_a_command_after(before: &str) -> bool {
    let line = before.lines().last().filter(|_| !before.ends_with('\n')).unwrap_or_default();
    let is_comment = line.trim_start().starts_with('#');
    let last = line.split(' ').rev().find(|word| !word.is_empty()).unwrap_or_default();
    let begins = last.is_empty() || last.ends_with(['|', '&', ';', '(', '!']) || last.contains('=');
    begins && !is_comment && (line.is_empty() || line.ends_with([' ', '(']))
}

/// The words of one command, up to its end.
fn words(script: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for letter in script.chars() {
        match (quote, letter) {
            (None, '#') if word.is_none() => break,
            (None, '|' | ';' | '&' | ')' | '<' | '>' | '\n') => break,
            (None, ' ') => words.extend(word.take()),
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (Some(open), _) if open == letter => quote = None,
            (None | Some(_), _) => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[test]
fn a_command_is_found_wherever_a_shell_has_one() {
    let page = "`vault-authorizer none`\n```sh\nX=1 vault-authorizer a 'b c' \\\n  --d \"$e\" > f   # vault-authorizer no\n\
        curl -H \"$(vault-authorizer sign --x)\" vault-authorizer no\n# vault-authorizer no\n\
        printf %s x | vault-authorizer y -\n```\n\n```\nvault-authorizer no\n```\n";
    let found: Vec<String> = commands(page).iter().map(|words| words.join("·")).collect();
    assert_eq!(found, ["vault-authorizer·a·b c·--d·$e", "vault-authorizer·sign·--x", "vault-authorizer·y·-"]);
}
