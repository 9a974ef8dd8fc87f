//! What a binary contains, as a CycloneDX document: <https://cyclonedx.org/docs/1.5/json/>.
//!
//! The standard library is a component as well. The C library, which the runtime brings, is not in the package.

use crate::contents::{Cargo, Contents, Id};
use crate::{Failure, Function, Source};
use serde_json::{Map, Value, json};

pub(crate) fn cyclonedx(
    cargo: &Cargo,
    contents: &Contents,
    function: &Function,
    source: &Source,
) -> Result<String, Failure> {
    let mut own = component(cargo, contents, &contents.own)?;
    own.insert("type".to_owned(), "application".into());
    own.insert("hashes".to_owned(), json!([{"alg": "SHA-256", "content": function.sha256}]));
    let mut properties = vec![json!({"name": "target", "value": function.triple})];
    if !source.commit.is_empty() {
        properties.push(json!({"name": "commit", "value": source.commit}));
    }
    own.insert("properties".to_owned(), properties.into());

    let standard_library = format!("pkg:github/rust-lang/rust@{}", cargo.rust.version);
    let mut components = vec![json!({
        "type": "library",
        "bom-ref": standard_library,
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
    let document = json!({
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
        },
        "components": components,
        "dependencies": dependencies,
    });
    serde_json::to_string_pretty(&document).map(|text| text + "\n").map_err(Failure::because("the SBOM"))
}

fn component(cargo: &Cargo, contents: &Contents, id: &Id) -> Result<Map<String, Value>, Failure> {
    let package = cargo.package(id)?;
    let mut component = Map::new();
    let mut field = |name: &str, value: Value| component.insert(name.to_owned(), value);
    field("type", "library".into());
    field("bom-ref", reference(cargo, id)?.into());
    field("name", id.name.as_str().into());
    field("version", id.version.as_str().into());
    if let Some(description) = &package.description {
        field("description", description.split_whitespace().collect::<Vec<_>>().join(" ").into());
    }
    field("licenses", json!([{"expression": package.licence}]));
    if let Some(checksum) = &package.checksum {
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

/// A member is published nowhere. A purl of its would name whatever stands under its name in the registry one day.
fn reference(cargo: &Cargo, id: &Id) -> Result<String, Failure> {
    let Id { name, version } = id;
    let member = cargo.package(id)?.is_member();
    Ok(if member { format!("{name}@{version}") } else { format!("pkg:cargo/{name}@{version}") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::tests::id;
    use std::collections::BTreeSet;

    #[test]
    fn holds_every_package_with_its_hash_and_every_reference_leads_somewhere() {
        let cargo = Cargo::read().unwrap();
        let function = Function::parse("vault-authorizer,x86_64-unknown-linux-gnu,00ff,/bootstrap").unwrap();
        let source = Source::parse("2026-01-02T03:04:05Z,abc").unwrap();
        let contents = cargo.contents(&function.package, function.triple).unwrap();
        let write = || cyclonedx(&cargo, &contents, &function, &source).unwrap();
        assert_eq!(write(), write());
        let document: Value = serde_json::from_str(&write()).unwrap();
        assert_eq!(document["metadata"]["timestamp"], "2026-01-02T03:04:05Z");
        let own = &document["metadata"]["component"];
        assert_eq!(own["hashes"][0]["content"], "00ff");
        assert_eq!(own["bom-ref"], "vault-authorizer@0.1.0");
        assert_eq!(own["purl"], Value::Null);

        let components = document["components"].as_array().unwrap();
        assert_eq!(components.len(), contents.packages.len(), "its own left out, the standard library added");
        let registry = components.iter().filter(|component| component["purl"].is_string()).count();
        let members = ["sts-identity", "vault-context"].len();
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
    fn a_member_has_no_purl_that_could_be_taken_for_a_stranger() {
        let cargo = Cargo::read().unwrap();
        assert_eq!(reference(&cargo, &id("vault-context", "0.1.0")).unwrap(), "vault-context@0.1.0");
        assert!(reference(&cargo, &id("no-such", "0.1.0")).is_err());
    }
}
