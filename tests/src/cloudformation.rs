//! Deploys templates of `infra/cloudformation/`, or any other, into the emulator as CloudFormation does.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::deployed_stack::zipped;
use crate::emulator::ROOT_KEY;
use crate::web_identity::sha256;
use crate::{Aws, parts};

/// The bucket that [`upload`](Code) goes to: a template's `CodeBucket`.
pub const BUCKET: &str = "code";

/// A function's zip file, to be uploaded before a stack is made.
#[derive(Debug, Clone)]
pub struct Code {
    key: String,
    file: PathBuf,
}

impl Code {
    /// Puts a binary into a zip file as `bootstrap`. The key holds the content's hash: CloudFormation replaces a
    /// function's code only where its key is another.
    pub fn of(name: &str, binary: &Path, aws: &Aws) -> Self {
        let code = fs::read(binary).unwrap_or_else(|error| panic!("{}: {error}", binary.display()));
        Self::of_files(name, &[("bootstrap".to_owned(), code)], aws)
    }

    /// Puts files into a zip file, by their places in it.
    pub fn of_files(name: &str, files: &[(String, Vec<u8>)], aws: &Aws) -> Self {
        let zip = zipped(files);
        let key = format!("{name}-{}.zip", &sha256(&zip)[..16]);
        let file = aws.folder().join(&key);
        fs::write(&file, zip).expect("the zip file can be written");
        Self { key, file }
    }

    /// Where it lies in [`BUCKET`].
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The zip file on this machine.
    pub fn file(&self) -> &Path {
        &self.file
    }
}

/// Uploads the code and creates the stack, or updates the one of that name; about a second. Answers its outputs, or why
/// there is no stack.
pub async fn deploy(
    aws: &Aws,
    stack: &str,
    template: &Path,
    parameters: &Value,
    code: &[Code],
) -> Result<BTreeMap<String, String>, String> {
    let parameters = parameters.to_string();
    let template = template.to_str().expect("the template's path is UTF-8");
    let files: Vec<_> = code.iter().map(|code| format!("{}={}", code.key, code.file.display())).collect();
    let mut arguments = vec![stack, template, parameters.as_str(), BUCKET];
    arguments.extend(files.iter().map(String::as_str));
    let outputs = aws.try_client_script(ROOT_KEY, "deploy.py", &arguments).await?;
    Ok(serde_json::from_str(&outputs).expect("the script prints the stack's outputs"))
}

/// An API that is there before the authorizer: `GET /<path>`, open, on stage `prod`, with the sample integration behind it as
/// function `existing-orders`. `kind` is `REST` or `HTTP`. Answers its id.
pub async fn existing_api(aws: &Aws, kind: &str, path: &str, orders: &Path, vault_address: &str) -> String {
    let stage = json!({
        "creation_path": "auth/token/create/orders-prod-reader",
        "secret_path": "secret/data/prod/orders",
    });
    let variables = json!({
        "VAULT_ADDR": vault_address,
        "ALLOW_ORIGIN": "*",
        "ORDERS_STAGES": json!({"prod": stage}).to_string(),
    });
    let orders = Code::of("orders", orders, aws);
    let file = orders.file().to_str().expect("the bed's path is UTF-8");
    let made = ["make", kind, path, file, &variables.to_string()];
    aws.client_script("existing_api.py", &made).await.trim().to_owned()
}

/// Deletes a stack and all that it made.
pub async fn delete(aws: &Aws, stack: &str) {
    aws.client_script("delete_stack.py", &[stack]).await;
}

/// The file of a template of `infra/cloudformation/`: `file("quickstart.yaml")`.
pub fn file(name: &str) -> PathBuf {
    parts::repository().join("infra/cloudformation").join(name)
}

/// A template of `infra/cloudformation/` as data, its tags in their long form: `{"Ref": "Api"}`,
/// `{"Fn::GetAtt": ["Api", "RootResourceId"]}`.
pub fn template(name: &str) -> Value {
    let output = Command::new(parts::python())
        .arg(parts::client("template.py"))
        .arg(file(name))
        .output()
        .expect("Python runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("the script prints JSON")
}
