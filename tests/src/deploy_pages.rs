//! The commands of `docs/deploy` on this machine: a shell whose `aws`, `vault` and `curl` use an [`AwsBed`].

use std::ffi::OsString;
use std::path::Path;

use serde_json::json;

use crate::cloudformation::BUCKET;
use crate::{AwsBed, REGION, parts};

impl AwsBed {
    /// The settings that each page begins with, as they are here.
    pub fn page_settings(&self) -> [(&'static str, String); 8] {
        [
            ("AWS_REGION", REGION.to_owned()),
            ("VAULT_ADDR", self.vault.address()),
            ("VAULT_TOKEN", self.vault.openbao.root_token().to_owned()),
            ("bucket", BUCKET.to_owned()),
            ("issuer", self.issuer.url()),
            ("audience", "orders-api".to_owned()),
            ("stack", "orders".to_owned()),
            ("audit", "main".to_owned()),
        ]
    }

    /// The environment of the shell: a caller's `jwt`, and this STS in place of AWS's. `programs` come before the page's own.
    pub fn page_environment(&self, programs: &[&str]) -> Vec<(&'static str, OsString)> {
        let url = self.emulator.url();
        let real = std::env::var_os("PATH").unwrap_or_default();
        let folders = programs.iter().chain(&["deploy"]).map(|name| parts::client(name));
        // The last ones hide nothing of the user's own.
        let programs = [parts::openbao(), parts::binary("dev", "vault-authorizer")];
        let own = programs.iter().filter_map(|program| program.parent().map(Path::to_owned));
        let folders = folders.chain(std::env::split_paths(&real)).chain(own);
        let path = std::env::join_paths(folders).expect("a folder's name has no colon");
        let context = json!({"stsEndpoint": url, "stsRegion": REGION}).to_string();
        let mut environment = vec![
            ("PATH", path),
            ("REAL_PATH", real),
            ("REAL_AWS", parts::venv().join("bin/aws").into()),
            ("REAL_BAO", parts::openbao().into()),
            ("EMULATOR", url.clone().into()),
            ("NOTES", self.scratch.path().join("aws-auth.log").into()),
            ("REPOSITORY", parts::repository().into()),
            ("jwt", self.good_token().into()),
            ("audit_log", self.vault.openbao.audit_log().into()),
            ("TF_VAR_sts_endpoint", url.into()),
            ("TF_VAR_sts_region", REGION.into()),
            ("CDK_CONTEXT_JSON", context.into()),
            ("AWS_PAGER", "".into()),
        ];
        let aws = self.emulator.aws().client_env();
        environment.extend(aws.into_iter().map(|(name, value)| (name, value.into())));
        environment
    }
}
