//! Which GLIBC a binary needs, read from its ELF version requirements.
//!
//! Lambda's `provided.al2023` runtime has GLIBC 2.34; a binary that needs a newer one builds here and fails to start
//! there.
//!
//! ```text
//! section .gnu.version_r (type SHT_GNU_verneed), one entry a library, chained by vn_next:
//!   Elf64_Verneed { vn_version u16, vn_cnt u16, vn_file u32, vn_aux u32, vn_next u32 }
//! vn_aux bytes after each, vn_cnt requirements, chained by vna_next:
//!   Elf64_Vernaux { vna_hash u32, vna_flags u16, vna_other u16, vna_name u32, vna_next u32 }
//! vna_name: offset in the string table that the section links to, such as `GLIBC_2.34`
//! ```

use crate::workspace::Failure;
use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;

/// Fails if the binary needs more than [`NEWEST`]; prints what it needs.
pub(crate) fn check(binary: &Path) -> Result<(), Failure> {
    let bytes = std::fs::read(binary).map_err(Failure::because(binary.display()))?;
    let newest = newest_needed(&bytes).map_err(Failure::because(binary.display()))?;
    match newest {
        Some(needed) if needed > NEWEST => {
            Err(Failure::new(format!("{} needs {needed}, the runtime has {NEWEST}", binary.display())))
        }
        Some(needed) => {
            println!("{} needs {needed}; allowed: {NEWEST}", binary.display());
            Ok(())
        }
        None => {
            println!("{} needs no GLIBC", binary.display());
            Ok(())
        }
    }
}

/// What `provided.al2023` has.
const NEWEST: Glibc = Glibc { major: 2, minor: 34 };

/// The newest version of GLIBC that an ELF binary asks for; `None` for one that asks for none (statically linked).
fn newest_needed(elf: &[u8]) -> Result<Option<Glibc>, ElfError> {
    let mut newest = None;
    for name in version_needs(elf)? {
        if let Some(version) = name.strip_prefix("GLIBC_") {
            newest = newest.max(Some(Glibc::parse(version).ok_or(ElfError::UnknownVersion(name))?));
        }
    }
    Ok(newest)
}

/// A version of GLIBC.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Glibc {
    major: u32,
    minor: u32,
}

impl Glibc {
    /// `2.34`, `2.2.5`. Not a number is `PRIVATE` or an `ABI_…` of newer ones: both tie the binary to a GLIBC that
    /// nothing here can compare.
    fn parse(version: &str) -> Option<Self> {
        let mut numbers = version.split('.').map(str::parse);
        Some(Self { major: numbers.next()?.ok()?, minor: numbers.next()?.ok()? })
    }
}

impl fmt::Display for Glibc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GLIBC_{}.{}", self.major, self.minor)
    }
}

#[derive(Debug, Eq, PartialEq)]
enum ElfError {
    NotElf64,
    Truncated,
    UnknownVersion(String),
}

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotElf64 => f.write_str("not a 64-bit little-endian ELF file with sections"),
            Self::Truncated => f.write_str("the ELF file points beyond its end"),
            Self::UnknownVersion(name) => {
                write!(f, "needs `{name}`, which is no version that can be compared")
            }
        }
    }
}

/// The names of all symbol versions that the binary needs of its libraries.
fn version_needs(elf: &[u8]) -> Result<BTreeSet<String>, ElfError> {
    if !elf.starts_with(ELF64_LITTLE_ENDIAN) {
        return Err(ElfError::NotElf64);
    }
    let sections = sections(elf)?;
    // A stripped binary keeps its sections. One without them would pass as one that needs nothing.
    if sections.is_empty() {
        return Err(ElfError::NotElf64);
    }
    let mut names = BTreeSet::new();
    for section in sections.iter().filter(|section| section.kind == SHT_GNU_VERNEED) {
        let strings = sections.get(section.link).ok_or(ElfError::Truncated)?;
        let (needs, strings) = (section.content(elf)?, strings.content(elf)?);
        for need in chain(needs, 0, |need| u32_at(needs, need + 12))? {
            let first = need + u32_at(needs, need + 8)?;
            for requirement in chain(needs, first, |requirement| u32_at(needs, requirement + 12))? {
                names.insert(string_at(strings, u32_at(needs, requirement + 8)?)?);
            }
        }
    }
    Ok(names)
}

struct Section {
    kind: usize,
    offset: usize,
    size: usize,
    link: usize,
}

impl Section {
    fn content<'a>(&self, elf: &'a [u8]) -> Result<&'a [u8], ElfError> {
        let end = self.offset.checked_add(self.size).ok_or(ElfError::Truncated)?;
        elf.get(self.offset..end).ok_or(ElfError::Truncated)
    }
}

/// The section headers: `e_shoff`, `e_shentsize` and `e_shnum` of the file header say where they are.
fn sections(elf: &[u8]) -> Result<Vec<Section>, ElfError> {
    let (table, size, count) = (u64_at(elf, 0x28)?, u16_at(elf, 0x3a)?, u16_at(elf, 0x3c)?);
    let headers = (0..count).map(|index| {
        let header = elf.get(table..).and_then(|rest| rest.chunks_exact(size.max(1)).nth(index));
        let header = header.ok_or(ElfError::Truncated)?;
        Ok(Section {
            kind: u32_at(header, 4)?,
            offset: u64_at(header, 0x18)?,
            size: u64_at(header, 0x20)?,
            link: u32_at(header, 0x28)?,
        })
    });
    headers.collect()
}

/// The offsets of a chain whose links are relative and end at 0. Links only point forward, so a chain ends with the bytes.
fn chain(
    bytes: &[u8],
    first: usize,
    next: impl Fn(usize) -> Result<usize, ElfError>,
) -> Result<Vec<usize>, ElfError> {
    let mut offsets = Vec::new();
    let mut offset = first;
    while offset < bytes.len() {
        offsets.push(offset);
        match next(offset)? {
            0 => return Ok(offsets),
            step => offset += step,
        }
    }
    Err(ElfError::Truncated)
}

fn string_at(strings: &[u8], offset: usize) -> Result<String, ElfError> {
    let rest = strings.get(offset..).ok_or(ElfError::Truncated)?;
    let end = rest.iter().position(|byte| *byte == 0).ok_or(ElfError::Truncated)?;
    Ok(String::from_utf8_lossy(rest.get(..end).unwrap_or_default()).into_owned())
}

fn u16_at(bytes: &[u8], offset: usize) -> Result<usize, ElfError> {
    Ok(usize::from(u16::from_le_bytes(array_at(bytes, offset)?)))
}

fn u32_at(bytes: &[u8], offset: usize) -> Result<usize, ElfError> {
    usize::try_from(u32::from_le_bytes(array_at(bytes, offset)?)).map_err(|_| ElfError::Truncated)
}

fn u64_at(bytes: &[u8], offset: usize) -> Result<usize, ElfError> {
    usize::try_from(u64::from_le_bytes(array_at(bytes, offset)?)).map_err(|_| ElfError::Truncated)
}

fn array_at<const N: usize>(bytes: &[u8], offset: usize) -> Result<[u8; N], ElfError> {
    bytes.get(offset..).and_then(|rest| rest.first_chunk()).copied().ok_or(ElfError::Truncated)
}

/// Magic, `ELFCLASS64`, `ELFDATA2LSB`.
const ELF64_LITTLE_ENDIAN: &[u8] = b"\x7fELF\x02\x01";
const SHT_GNU_VERNEED: usize = 0x6fff_fffe;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_newest_of_all_libraries() {
        let elf = elf(&[
            ("libm.so.6", &["GLIBC_2.29"]),
            ("libc.so.6", &["GLIBC_2.2.5", "GLIBC_2.34", "GLIBC_2.4"]),
        ]);
        assert_eq!(newest_needed(&elf), Ok(Some(Glibc { major: 2, minor: 34 })));
    }

    #[test]
    fn compares_numbers_and_not_text() {
        let elf =
            elf(&[("libc.so.6", &["GLIBC_2.4", "GLIBC_2.36"]), ("libgcc_s.so.1", &["GCC_3.0", "GCC_4.2.0"])]);
        assert!(newest_needed(&elf).unwrap().unwrap() > NEWEST);
        assert!(Glibc::parse("2.4") < Glibc::parse("2.34"));
    }

    #[test]
    fn a_static_binary_needs_none() {
        assert_eq!(newest_needed(&elf(&[])), Ok(None));
    }

    #[test]
    fn rejects_a_requirement_that_is_no_number() {
        for name in ["GLIBC_PRIVATE", "GLIBC_ABI_DT_RELR"] {
            let elf = elf(&[("libc.so.6", &["GLIBC_2.17", name])]);
            assert_eq!(newest_needed(&elf), Err(ElfError::UnknownVersion(name.to_owned())));
        }
    }

    #[test]
    fn rejects_what_is_no_elf_file_or_only_a_part_of_one() {
        assert_eq!(newest_needed(b""), Err(ElfError::NotElf64));
        assert_eq!(newest_needed(b"#!/bin/sh\n"), Err(ElfError::NotElf64));
        let elf = elf(&[("libc.so.6", &["GLIBC_2.34"])]);
        for length in 6..elf.len() {
            assert!(newest_needed(&elf[..length]).is_err(), "{length} of {} bytes", elf.len());
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn reads_a_real_binary() {
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let needed = newest_needed(&this).unwrap().expect("the tests are linked to glibc");
        assert!(needed >= Glibc { major: 2, minor: 17 }, "{needed}");
    }

    /// A minimal ELF file: header, strings, version requirements, and last the three section headers.
    fn elf(libraries: &[(&str, &[&str])]) -> Vec<u8> {
        let mut strings = vec![0];
        let mut string = |text: &str| {
            let offset = u32::try_from(strings.len()).unwrap();
            strings.extend_from_slice(text.as_bytes());
            strings.push(0);
            offset
        };
        let mut needs = Vec::new();
        for (index, (library, versions)) in libraries.iter().enumerate() {
            let count = u16::try_from(versions.len()).unwrap();
            let next = if index + 1 == libraries.len() { 0 } else { 16 + 16 * u32::from(count) };
            needs.extend([1_u16.to_le_bytes(), count.to_le_bytes()].concat());
            needs.extend([string(library), 16, next].map(u32::to_le_bytes).concat());
            for (index, version) in versions.iter().enumerate() {
                let next = if index + 1 == versions.len() { 0 } else { 16 };
                needs.extend([0, 0, string(version), next].map(u32::to_le_bytes).concat());
            }
        }

        let strings_at = 0x40;
        let needs_at = strings_at + strings.len();
        let table = needs_at + needs.len();
        let verneed = if libraries.is_empty() { 1 } else { SHT_GNU_VERNEED };
        let headers = [
            section_header(0, 0, 0, 0),
            section_header(3, strings_at, strings.len(), 0),
            section_header(verneed, needs_at, needs.len(), 1),
        ];

        let mut header = ELF64_LITTLE_ENDIAN.to_vec();
        header.resize(0x40, 0);
        header[0x28..0x30].copy_from_slice(&(table as u64).to_le_bytes());
        header[0x3a..0x3c].copy_from_slice(&64_u16.to_le_bytes());
        header[0x3c..0x3e].copy_from_slice(&3_u16.to_le_bytes());
        [header, strings, needs, headers.concat()].concat()
    }

    fn section_header(kind: usize, offset: usize, size: usize, link: usize) -> Vec<u8> {
        let mut header = vec![0; 64];
        header[4..8].copy_from_slice(&u32::try_from(kind).unwrap().to_le_bytes());
        header[0x18..0x20].copy_from_slice(&(offset as u64).to_le_bytes());
        header[0x20..0x28].copy_from_slice(&(size as u64).to_le_bytes());
        header[0x28..0x2c].copy_from_slice(&u32::try_from(link).unwrap().to_le_bytes());
        header
    }
}
