//! Finds the document, and unpacks it if it is packed.
//!
//! Receives the environment, or a document as it was found; produces the document's text, bounded.
//! `authorizer-document` reads it.

use std::{fs, io::Read, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use flate2::read::GzDecoder;

use super::InvalidConfig;

/// The largest document read, unpacked, in bytes.
pub const MAX_DOCUMENT_BYTES: u64 = 256 * 1024;

const INLINE: &str = "AUTHORIZER_CONFIG";
const FILE: &str = "AUTHORIZER_CONFIG_FILE";
const DEFAULT_FILE: &str = "authorizer.yaml";

/// What Terraform's `base64gzip()` makes begins so: a gzip header in base64. No YAML document of ours does.
const GZIP_IN_BASE64: &str = "H4sI";

pub(super) fn read(env: impl Fn(&str) -> Option<String>, task_root: &Path) -> Result<String, InvalidConfig> {
    if let Some(document) = env(INLINE).filter(|document| !document.trim().is_empty()) {
        return unpack(&document).map_err(|reason| InvalidConfig::one(format!("{INLINE} {reason}")));
    }
    let path = env(FILE).map_or_else(|| task_root.join(DEFAULT_FILE), |file| task_root.join(file));
    let document = file(&path).map_err(|reason| {
        InvalidConfig::one(format!("neither {INLINE} nor a readable {}: {reason}", path.display()))
    })?;
    unpack(&document).map_err(|reason| InvalidConfig::one(format!("{} {reason}", path.display())))
}

pub(super) fn unpack(document: &str) -> Result<String, String> {
    let trimmed = document.trim();
    let packed = trimmed
        .strip_prefix("base64gzip:")
        .or_else(|| Some(trimmed).filter(|d| d.starts_with(GZIP_IN_BASE64)));
    let Some(packed) = packed else {
        let fits = u64::try_from(document.len()).is_ok_and(|bytes| bytes <= MAX_DOCUMENT_BYTES);
        return if fits { Ok(document.to_owned()) } else { Err(too_large()) };
    };
    let packed = STANDARD.decode(packed.trim()).map_err(|error| format!("is not base64: {error}"))?;
    bounded(GzDecoder::new(packed.as_slice())).map_err(|reason| format!("cannot be unpacked: {reason}"))
}

fn file(path: &Path) -> Result<String, String> {
    bounded(fs::File::open(path).map_err(|error| error.to_string())?)
}

/// A few kilobytes of gzip can unpack to gigabytes: reading stops at the limit.
fn bounded(source: impl Read) -> Result<String, String> {
    let mut text = String::new();
    source.take(MAX_DOCUMENT_BYTES + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    let fits = u64::try_from(text.len()).is_ok_and(|bytes| bytes <= MAX_DOCUMENT_BYTES);
    if fits { Ok(text) } else { Err(too_large()) }
}

fn too_large() -> String {
    format!("is larger than {MAX_DOCUMENT_BYTES} bytes")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::GzEncoder};

    use super::*;

    fn gzip(text: &[u8]) -> String {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(text).unwrap();
        STANDARD.encode(encoder.finish().unwrap())
    }

    fn inline(value: &str) -> Result<String, InvalidConfig> {
        read(|name| (name == INLINE).then(|| value.to_owned()), Path::new("/nowhere"))
    }

    #[test]
    fn a_document_is_taken_as_it_is_or_unpacked() {
        let packed = gzip(b"vault: {}");
        assert_eq!(inline("vault: {}").unwrap(), "vault: {}");
        assert_eq!(inline(&format!("base64gzip:{packed}")).unwrap(), "vault: {}");
        assert_eq!(inline(&packed).unwrap(), "vault: {}");
    }

    #[test]
    fn rejects_a_decompression_bomb() {
        let bomb = gzip(&vec![b' '; 64 * 1024 * 1024]);
        assert!(inline(&bomb).unwrap_err().to_string().contains("larger than 262144 bytes"));
        let document = "#".repeat(262_145);
        assert!(inline(&document).unwrap_err().to_string().contains("larger than"));
    }

    #[test]
    fn what_cannot_be_read_says_what_was_looked_for() {
        let error = read(|_| None, Path::new("/nowhere")).unwrap_err().to_string();
        assert!(error.contains("AUTHORIZER_CONFIG") && error.contains("/nowhere/authorizer.yaml"), "{error}");
        assert!(inline("base64gzip:!").unwrap_err().to_string().contains("not base64"));
        assert!(inline("base64gzip:aGVsbG8=").unwrap_err().to_string().contains("cannot be unpacked"));
    }
}
