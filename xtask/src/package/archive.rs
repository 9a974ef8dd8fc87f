//! Writes a zip file that has the same bytes for the same content: no clock, no owner, entries in the order of the
//! calls.

use crate::workspace::Failure;
use std::io::{Cursor, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// The mode of what Lambda runs, and of what it does not.
pub(crate) const PROGRAM: u32 = 0o755;
pub(crate) const TEXT: u32 = 0o644;

pub(crate) struct Archive(ZipWriter<Cursor<Vec<u8>>>);

impl Archive {
    pub(crate) fn new() -> Self {
        Self(ZipWriter::new(Cursor::new(Vec::new())))
    }

    pub(crate) fn add(&mut self, name: &str, mode: u32, content: &[u8]) -> Result<(), Failure> {
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Deflated)
            .compression_level(Some(9))
            // 1980, where a zip file's time begins.
            .last_modified_time(DateTime::default())
            .unix_permissions(mode);
        self.0.start_file(name, options).map_err(Failure::because(name))?;
        self.0.write_all(content).map_err(Failure::because(name))
    }

    pub(crate) fn finish(self) -> Result<Vec<u8>, Failure> {
        self.0.finish().map(Cursor::into_inner).map_err(Failure::because("the zip file"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use zip::ZipArchive;

    fn archive() -> Vec<u8> {
        let mut archive = Archive::new();
        archive.add("bootstrap", PROGRAM, &[7; 10_000]).unwrap();
        archive.add("LICENSE", TEXT, b"text").unwrap();
        archive.finish().unwrap()
    }

    #[test]
    fn lambda_can_run_what_it_unpacks() {
        let bytes = archive();
        assert!(bytes.len() < 1_000, "{} bytes: it is not compressed", bytes.len());
        let mut zip = ZipArchive::new(Cursor::new(bytes)).unwrap();
        let modes = ["bootstrap", "LICENSE"].map(|name| zip.by_name(name).unwrap().unix_mode());
        assert_eq!(modes, [Some(0o100_755), Some(0o100_644)]);
        let mut content = Vec::new();
        zip.by_name("bootstrap").unwrap().read_to_end(&mut content).unwrap();
        assert_eq!(content, [7; 10_000]);
    }

    /// Of this library in this version, which `Cargo.lock` names: with another, a package of an old commit gets other bytes.
    #[test]
    fn the_same_content_is_the_same_bytes() {
        assert_eq!(archive(), archive());
        let mut zip = ZipArchive::new(Cursor::new(archive())).unwrap();
        let time = zip.by_index(0).unwrap().last_modified().unwrap();
        assert_eq!((time.year(), time.month(), time.day(), time.hour()), (1980, 1, 1, 0));
    }
}
