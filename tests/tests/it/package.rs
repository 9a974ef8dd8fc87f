//! The packages of `cargo xtask package`: they hold the same binaries that all other tests run, and say what is in
//! them.

use std::fs;
use std::io::{Cursor, Read as _};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use test_bed::parts;
use test_bed::process::with_input;
use zip::ZipArchive;

#[test]
fn a_package_is_the_binary_that_is_tested() {
    for (package, binary) in [("vault-authorizer", "bootstrap"), ("orders", "orders")] {
        let zip = fs::read(folder().join(format!("{package}-{ARCHITECTURE}.zip"))).unwrap();
        let mut zip = ZipArchive::new(Cursor::new(zip)).unwrap();
        let names: Vec<String> = zip.file_names().map(|name| name.unwrap().into_owned()).collect();
        let texts = ["LICENSE", "RUST-STANDARD-LIBRARY.html", "THIRD-PARTY-LICENSES.txt"];
        assert_eq!(names, [&["bootstrap"], &texts[..]].concat(), "{package}");

        let mut bootstrap = zip.by_name("bootstrap").unwrap();
        assert_eq!(bootstrap.unix_mode(), Some(0o100_755), "{package}");
        let mut packed = Vec::new();
        bootstrap.read_to_end(&mut packed).unwrap();
        let built = fs::read(parts::binary("release", binary)).unwrap();
        assert!(packed == built, "{package}: {binary} was built again since: cargo xtask package");
    }
}

#[test]
fn what_a_package_contains_is_told_in_valid_cyclonedx() {
    for package in ["vault-authorizer", "orders"] {
        let sbom = fs::read_to_string(folder().join(format!("{package}-{ARCHITECTURE}.cdx.json"))).unwrap();
        assert_eq!(problems(&sbom), "", "{package}");
        // What judges it does find something.
        let mut broken: Value = serde_json::from_str(&sbom).unwrap();
        broken["components"][0]["hashes"] = serde_json::json!([{"alg": "SHA-256", "content": "none"}]);
        assert!(problems(&broken.to_string()).contains("none"), "{package}");
    }
}

/// What CycloneDX's own library has against a document.
fn problems(sbom: &str) -> String {
    let mut python = Command::new(parts::python());
    let output = with_input(python.arg(parts::client("validate_sbom.py")), sbom.as_bytes());
    assert!(output.status.success(), "the validator itself failed: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn folder() -> PathBuf {
    let folder = parts::target().join("package");
    assert!(folder.is_dir(), "{} is missing: cargo xtask package", folder.display());
    folder
}

/// This machine's, as Lambda calls it.
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
