//! `cargo xtask schema`: writes the files again that are generated from the configuration's types and rules. These
//! are its schema, the table of rules, and the cases that keep its three readers in agreement.
//!
//! The document's own tests write them, and fail if one is stale.

use crate::workspace::{self, Failure, Workspace};

pub(crate) fn run(workspace: &Workspace) -> Result<(), Failure> {
    // The table is part of the crate, and the cases' problems are found by it: they are right once it is.
    for _ in 0..2 {
        let tests = ["test", "--quiet", "--locked", "--package", "authorizer-document", "--test", "it"];
        workspace::run(workspace.cargo(tests).env("WRITE", "1"))?;
    }
    println!("written: infra/authorizer.schema.json, authorizer.rules.json and authorizer.cases.json");
    Ok(())
}
