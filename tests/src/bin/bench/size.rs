//! The size of each function's zip file, which you upload.

use std::collections::BTreeMap;
use std::io::{Cursor, Write as _};
use std::path::PathBuf;

use test_bed::parts;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// In bytes, by subject.
pub(crate) fn sizes() -> BTreeMap<String, u64> {
    let peers = parts::repository().join("tests/bench/peers");
    let file =
        |path: PathBuf| vec![("function".to_owned(), std::fs::read(path).expect("a function can be read"))];
    let binary = |name: &str| file(parts::binary("release", name));

    let mut node = file(peers.join("node/authorizer.cjs"));
    node.extend(parts::files(&parts::target().join("test-bed/bench-node/node_modules")));
    let mut python = file(peers.join("python/authorizer.py"));
    python.extend(packages());

    [
        ("empty", binary("empty")),
        ("mint-only", binary("mint-only")),
        ("authorizer", binary("bootstrap")),
        ("node", node),
        ("python", python),
    ]
    .map(|(name, files)| (name.to_owned(), zipped(&files)))
    .into()
}

/// What a zip file for Python brings: not pip, and not what Lambda's runtime has.
fn packages() -> Vec<(String, Vec<u8>)> {
    let runtime = [
        "awslambdaric",
        "runtime_client",
        "simplejson",
        "snapshot_restore_py",
        "pip",
        "setuptools",
        "_distutils",
    ];
    let versions =
        std::fs::read_dir(parts::target().join("test-bed/bench-python/lib")).expect("the peer is installed");
    let packages = versions.flatten().map(|version| version.path().join("site-packages"));
    let files = packages.flat_map(|packages| parts::files(&packages));
    files.filter(|(name, _)| !runtime.iter().any(|own| name.starts_with(own))).collect()
}

fn zipped(files: &[(String, Vec<u8>)]) -> u64 {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9));
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        zip.start_file(name, options).expect("a file can be added");
        zip.write_all(bytes).expect("a file can be added");
    }
    zip.finish().expect("the archive can be finished").position()
}
