//! What a binary contains, as a CycloneDX document: <https://cyclonedx.org/docs/1.5/json/>.
//!
//! The standard library is a component as well. The C library is not, because it comes with the runtime and is not in
//! the package.

use super::contents::{Cargo, Contents, Id, licence};
use super::{Program, Source, sha256};
use crate::workspace::Failure;
use cargo_metadata::Package;
use serde_json::{Map, Value, json};

/// Who supplies what is written here.
const OURSELVES: &str = "The vault-authorizer authors";

pub(crate) fn cyclonedx(
    cargo: &Cargo,
    contents: &Contents,
    program: &Program,
    sha256: &str,
    source: &Source,
) -> Result<String, Failure> {
    let mut own = component(cargo, contents, &contents.own)?;
    own.insert("type".to_owned(), "application".into());
    own.insert("hashes".to_owned(), json!([{"alg": "SHA-256", "content": sha256}]));
    let mut properties = vec![json!({"name": "target", "value": program.architecture.triple})];
    if !source.commit.is_empty() {
        properties.push(json!({"name": "commit", "value": source.commit}));
    }
    own.insert("properties".to_owned(), properties.into());

    let standard_library = format!("pkg:github/rust-lang/rust@{}", cargo.rust.version);
    let mut components = vec![json!({
        "type": "library",
        "bom-ref": standard_library,
        "supplier": {"name": "The Rust Project", "url": ["https://www.rust-lang.org"]},
        "name": "std",
        "version": cargo.rust.version,
        "description": "The Rust standard library, with the crates that it is made of",
        "licenses": [{"expression": "MIT OR Apache-2.0"}],
        "purl": standard_library,
    })];
    let mut dependencies = Vec::new();
    for id in &contents.packages {
        if *id != contents.own {
            components.push(component(cargo, contents, id)?.into());
        }
        let used = contents.dependencies.get(id).into_iter().flatten();
        let mut used = used.map(|used| reference(cargo, used)).collect::<Result<Vec<_>, _>>()?;
        used.push(standard_library.clone());
        dependencies.push(json!({"ref": reference(cargo, id)?, "dependsOn": used}));
    }
    dependencies.push(json!({"ref": standard_library}));
    let mut document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": source.time,
            "tools": {"components": [
                {"type": "application", "name": "cargo xtask package"},
                {"type": "application", "name": "rustc", "version": cargo.rust.version},
            ]},
            "component": own,
            "supplier": {"name": OURSELVES},
        },
        "components": components,
        "dependencies": dependencies,
    });
    let serial_number = serial_number(&text(&document)?)?;
    if let Some(document) = document.as_object_mut() {
        document.insert("serialNumber".to_owned(), serial_number.into());
    }
    text(&document)
}

fn text(document: &Value) -> Result<String, Failure> {
    serde_json::to_string_pretty(document).map(|text| text + "\n").map_err(Failure::because("the SBOM"))
}

/// INVARIANT (same bytes): a UUID of the document itself, where a random one would differ with each build. Version 8 of RFC 9562
/// is for whoever makes theirs in another way than the others.
fn serial_number(document: &str) -> Result<String, Failure> {
    let sum = sha256(document.as_bytes())?;
    let sum = sum.get(..32).and_then(|half| u128::from_str_radix(half, 16).ok());
    let sum = sum.ok_or_else(|| Failure::new("sha256sum printed unexpected output"))?;
    let uuid = (sum & !(0xf << 76 | 0b11 << 62)) | 8 << 76 | 0b10 << 62;
    let part = |shift: u32| (uuid >> shift) & 0xffff;
    let (first, last) = (uuid >> 96, uuid & 0xffff_ffff_ffff);
    Ok(format!("urn:uuid:{first:08x}-{:04x}-{:04x}-{:04x}-{last:012x}", part(80), part(64), part(48)))
}

fn component(cargo: &Cargo, contents: &Contents, id: &Id) -> Result<Map<String, Value>, Failure> {
    let package = cargo.package(id)?;
    let mut component = Map::new();
    let mut field = |name: &str, value: Value| component.insert(name.to_owned(), value);
    field("type", "library".into());
    field("bom-ref", reference(cargo, id)?.into());
    field("name", id.name.as_str().into());
    field("version", id.version.as_str().into());
    field("supplier", supplier(id, package)?);
    if let Some(description) = &package.description {
        field("description", description.split_whitespace().collect::<Vec<_>>().join(" ").into());
    }
    field("licenses", json!([{"expression": licence(package)?}]));
    if let Some(checksum) = cargo.checksum(id) {
        field("hashes", json!([{"alg": "SHA-256", "content": checksum}]));
        field("purl", reference(cargo, id)?.into());
    }
    if let Some(repository) = &package.repository {
        field("externalReferences", json!([{"type": "vcs", "url": repository}]));
    }
    let features = contents.features.get(id).filter(|features| !features.is_empty());
    if let Some(features) = features {
        field("properties", json!([{"name": "features", "value": features}]));
    }
    Ok(component)
}

/// Whom the package names as its authors, else the owner of its repository.
fn supplier(id: &Id, package: &Package) -> Result<Value, Failure> {
    if package.source.is_none() {
        return Ok(json!({"name": OURSELVES}));
    }
    let authors = package.authors.iter().map(|author| author.split('<').next().unwrap_or_default().trim());
    let authors: Vec<&str> = authors.filter(|author| !author.is_empty()).collect();
    let owner = package.repository.as_deref().and_then(|repository| {
        repository.split_once("://")?.1.split('/').nth(1).filter(|owner| !owner.is_empty())
    });
    let name = if authors.is_empty() { owner.map(str::to_owned) } else { Some(authors.join(", ")) };
    let name = name.ok_or_else(|| {
        Failure::new(format!("{id} names neither authors nor a repository: who supplies it?"))
    })?;
    let url = package.repository.as_ref().map(|repository| json!([repository]));
    Ok(url.map_or_else(|| json!({"name": name}), |url| json!({"name": name, "url": url})))
}

/// A member is published nowhere. A purl of its would name whatever stands under its name in the registry one day.
fn reference(cargo: &Cargo, id: &Id) -> Result<String, Failure> {
    let Id { name, version } = id;
    let member = cargo.package(id)?.source.is_none();
    Ok(if member { format!("{name}@{version}") } else { format!("pkg:cargo/{name}@{version}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::ARCHITECTURES;
    use crate::package::contents::tests::{cargo, id};
    use std::collections::BTreeSet;

    #[test]
    fn holds_every_package_with_its_hash_and_every_reference_leads_somewhere() {
        let cargo = cargo();
        let [architecture, _] = &ARCHITECTURES;
        let function = Program { package: "vault-authorizer", architecture, file: "/bootstrap".into() };
        let contents = cargo.contents(function.package, architecture.triple).unwrap();
        let of_commit = |commit: &str| {
            let source = Source { time: "2026-01-02T03:04:05Z".to_owned(), commit: commit.to_owned() };
            cyclonedx(&cargo, &contents, &function, "00ff", &source).unwrap()
        };
        let write = || of_commit("abc");
        assert_eq!(write(), write());
        let document: Value = serde_json::from_str(&write()).unwrap();
        assert_eq!(document["metadata"]["timestamp"], "2026-01-02T03:04:05Z");
        let own = &document["metadata"]["component"];
        assert_eq!(own["hashes"][0]["content"], "00ff");
        assert_eq!(own["bom-ref"], "vault-authorizer@0.1.0");
        assert_eq!(own["purl"], Value::Null);

        let number =
            |commit: &str| serde_json::from_str::<Value>(&of_commit(commit)).unwrap()["serialNumber"].clone();
        assert_eq!(number("abc"), document["serialNumber"]);
        assert_ne!(number("def"), document["serialNumber"], "another document has another number");

        let components = document["components"].as_array().unwrap();
        for component in components.iter().chain([own, &document["metadata"]]) {
            assert!(
                component["supplier"]["name"].as_str().is_some_and(|name| !name.is_empty()),
                "{component}"
            );
        }
        assert_eq!(components.len(), contents.packages.len(), "its own left out, the standard library added");
        let registry = components.iter().filter(|component| component["purl"].is_string()).count();
        // The seven libraries.
        let members = 7;
        assert_eq!(registry, components.len() - members);
        let hashed = components.iter().filter(|component| component["hashes"].is_array()).count();
        assert_eq!(hashed, registry - 1, "the standard library has none");

        let known = components.iter().chain([own]).map(|component| component["bom-ref"].as_str().unwrap());
        let known: BTreeSet<&str> = known.collect();
        assert_eq!(known.len(), components.len() + 1, "no reference stands twice");
        let dependencies = document["dependencies"].as_array().unwrap();
        assert_eq!(dependencies.len(), known.len());
        for dependency in dependencies {
            assert!(known.contains(dependency["ref"].as_str().unwrap()));
            for used in dependency["dependsOn"].as_array().into_iter().flatten() {
                assert!(known.contains(used.as_str().unwrap()), "{used}");
            }
        }
    }

    #[test]
    fn a_serial_number_is_a_uuid_of_the_bytes() {
        // FIPS 180-2, appendix B.1: the SHA-256 of `abc` begins with ba7816bf8f01cfea414140de5dae2223.
        assert_eq!(serial_number("abc").unwrap(), "urn:uuid:ba7816bf-8f01-8fea-8141-40de5dae2223");
    }

    #[test]
    fn a_supplier_is_whom_the_package_names() {
        let cargo = cargo();
        let of = |name: &str| {
            let id = cargo.contents("vault-authorizer", "x86_64-unknown-linux-gnu").unwrap();
            let id = id.packages.into_iter().find(|id| id.name == name).unwrap();
            supplier(&id, cargo.package(&id).unwrap()).unwrap()
        };
        assert_eq!(of("serde")["name"], "Erick Tryzelaar, David Tolnay", "without their addresses");
        assert_eq!(of("rustls"), json!({"name": "rustls", "url": ["https://github.com/rustls/rustls"]}));
        assert_eq!(of("vault-context"), json!({"name": OURSELVES}));
    }

    #[test]
    fn a_member_has_no_purl_that_could_be_taken_for_a_stranger() {
        let cargo = cargo();
        assert_eq!(reference(&cargo, &id("vault-context", "0.1.0")).unwrap(), "vault-context@0.1.0");
        assert!(reference(&cargo, &id("no-such", "0.1.0")).is_err());
    }
}
