//! Writes archives that have the same bytes for the same content: no clock, no owner, entries in the order of the
//! calls.

use crate::workspace::Failure;
use flate2::{Compression, GzBuilder};
use std::io::{Cursor, Write};
use tar::{Builder, Header};
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

/// An archive for `tar -xzf`, with all files in one folder: a name, a mode and the content of each.
pub(crate) fn tar_gz(folder: &str, files: &[(&str, u32, &[u8])]) -> Result<Vec<u8>, Failure> {
    // Without a time or a name, which gzip would put into its header.
    let gzip = GzBuilder::new().write(Vec::new(), Compression::best());
    let mut archive = Builder::new(gzip);
    for (name, mode, content) in files {
        let mut header = Header::new_ustar();
        header.set_size(content.len().try_into().map_err(Failure::because(name))?);
        header.set_mode(*mode);
        header.set_uid(0);
        header.set_gid(0);
        // 1980, as in a zip file.
        header.set_mtime(315_532_800);
        archive
            .append_data(&mut header, format!("{folder}/{name}"), *content)
            .map_err(Failure::because(name))?;
    }
    let gzip = archive.into_inner().map_err(Failure::because(folder))?;
    gzip.finish().map_err(Failure::because(folder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::read::GzDecoder;
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

    #[test]
    fn a_tar_file_holds_nothing_of_the_machine_or_the_moment() {
        let files: [(&str, u32, &[u8]); 2] = [("program", PROGRAM, &[7; 10_000]), ("LICENSE", TEXT, b"text")];
        let bytes = tar_gz("a-folder", &files).unwrap();
        assert_eq!(bytes, tar_gz("a-folder", &files).unwrap());
        assert!(bytes.len() < 1_000, "{} bytes: it is not compressed", bytes.len());
        // RFC 1952: no flags, and so no name; no time.
        assert_eq!(bytes[3..8], [0; 5]);

        let mut archive = tar::Archive::new(GzDecoder::new(bytes.as_slice()));
        let mut found = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let mut content = Vec::new();
            entry.read_to_end(&mut content).unwrap();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap()), (0, 0));
            assert_eq!(header.mtime().unwrap(), 315_532_800);
            found.push((entry.path().unwrap().display().to_string(), header.mode().unwrap(), content));
        }
        let program = ("a-folder/program".to_owned(), 0o755, vec![7; 10_000]);
        assert_eq!(found, [program, ("a-folder/LICENSE".to_owned(), 0o644, b"text".to_vec())]);
    }
}
