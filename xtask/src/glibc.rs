//! Finds out which GLIBC a binary needs, from its ELF version requirements.
//!
//! Lambda's `provided.al2023` runtime has GLIBC 2.34. A binary that needs a newer one builds here and fails to start
//! there.

use crate::workspace::Failure;
use object::LittleEndian;
use object::elf::FileHeader64;
use object::read::elf::FileHeader;
use std::error::Error;
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
fn newest_needed(elf: &[u8]) -> Result<Option<Glibc>, Box<dyn Error>> {
    let mut newest = None;
    for name in version_needs(elf)? {
        if let Some(version) = name.strip_prefix("GLIBC_") {
            let version = Glibc::parse(version);
            let incomparable = || format!("needs `{name}`, which is not a version that can be compared");
            newest = newest.max(Some(version.ok_or_else(incomparable)?));
        }
    }
    Ok(newest)
}

/// The names of all symbol versions that the binary needs of its libraries.
fn version_needs(elf: &[u8]) -> Result<Vec<String>, Box<dyn Error>> {
    let header = FileHeader64::<LittleEndian>::parse(elf)?;
    let endian = header.endian()?;
    let sections = header.sections(endian, elf)?;
    // A stripped binary keeps its sections. One without them would pass as one that needs nothing.
    if sections.is_empty() {
        return Err("the ELF file has no sections".into());
    }
    let mut names = Vec::new();
    if let Some((mut libraries, strings)) = sections.gnu_verneed(endian, elf)? {
        let strings = sections.strings(endian, elf, strings)?;
        while let Some((_, mut versions)) = libraries.next()? {
            while let Some(version) = versions.next()? {
                names.push(String::from_utf8_lossy(version.name(endian, strings)?).into_owned());
            }
        }
    }
    Ok(names)
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

#[cfg(test)]
mod tests {
    use super::*;
    use object::elf::{SHT_GNU_VERNEED, SHT_PROGBITS, SHT_STRTAB, SectionType};

    #[test]
    fn finds_the_newest_of_all_libraries() {
        let elf = elf(&[
            ("libm.so.6", &["GLIBC_2.29"]),
            ("libc.so.6", &["GLIBC_2.2.5", "GLIBC_2.34", "GLIBC_2.4"]),
        ]);
        assert_eq!(newest_needed(&elf).unwrap(), Some(Glibc { major: 2, minor: 34 }));
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
        assert_eq!(newest_needed(&elf(&[])).unwrap(), None);
    }

    #[test]
    fn rejects_a_requirement_that_is_no_number() {
        for name in ["GLIBC_PRIVATE", "GLIBC_ABI_DT_RELR"] {
            let elf = elf(&[("libc.so.6", &["GLIBC_2.17", name])]);
            let error = newest_needed(&elf).unwrap_err().to_string();
            assert_eq!(error, format!("needs `{name}`, which is not a version that can be compared"));
        }
    }

    #[test]
    fn rejects_what_is_no_elf_file_or_only_a_part_of_one() {
        assert!(newest_needed(b"#!/bin/sh\n").is_err());
        let elf = elf(&[("libc.so.6", &["GLIBC_2.34"])]);
        for length in 0..elf.len() {
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
        let verneed = if libraries.is_empty() { SHT_PROGBITS } else { SHT_GNU_VERNEED };
        let headers = [
            section_header(SectionType(0), 0, 0, 0, 0),
            section_header(SHT_STRTAB, strings_at, strings.len(), 0, 0),
            section_header(verneed, needs_at, needs.len(), 1, libraries.len()),
        ];

        let mut header = b"\x7fELF\x02\x01\x01".to_vec();
        header.resize(0x40, 0);
        header[0x28..0x30].copy_from_slice(&(table as u64).to_le_bytes());
        header[0x3a..0x3c].copy_from_slice(&64_u16.to_le_bytes());
        header[0x3c..0x3e].copy_from_slice(&3_u16.to_le_bytes());
        header[0x3e..0x40].copy_from_slice(&1_u16.to_le_bytes());
        [header, strings, needs, headers.concat()].concat()
    }

    fn section_header(kind: SectionType, offset: usize, size: usize, link: u32, info: usize) -> Vec<u8> {
        let mut header = vec![0; 64];
        header[4..8].copy_from_slice(&kind.0.to_le_bytes());
        header[0x18..0x20].copy_from_slice(&(offset as u64).to_le_bytes());
        header[0x20..0x28].copy_from_slice(&(size as u64).to_le_bytes());
        header[0x28..0x2c].copy_from_slice(&link.to_le_bytes());
        header[0x2c..0x30].copy_from_slice(&u32::try_from(info).unwrap().to_le_bytes());
        header
    }
}
