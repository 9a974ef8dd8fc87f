//! `vault`: where it is, and how the authorizer logs in.

use std::str::FromStr;

use sts_identity::{Region, ServerId, StsEndpoint};
use vault_context::{
    VaultToken,
    http::{self, HttpOptions},
    vault::{Namespace, VaultAddress},
};

use super::{Node, Reader};
use crate::{
    adapters::vault::{AwsLoginSettings, LoginSettings, VaultSettings},
    causes::with_causes,
    config::node::Table,
};

impl Reader<'_> {
    pub(super) fn vault(&self, node: &Node<'_>) -> Option<VaultSettings> {
        let mut table = node.table()?;
        let address = table.required("address", |node| {
            node.parsed(|text| VaultAddress::parse(text).map_err(|error| with_causes(&error)))
        });
        let namespace = table.optional("namespace", |node| node.parsed(Namespace::parse));
        let ca_pem = table.optional("ca_file", |node| self.ca_file(node));
        let login = table.required("login", login);
        table.finish();
        Some(VaultSettings { address: address?, namespace, ca_pem, login: login? })
    }

    /// A bundle that trusts nobody would show at the first call only.
    fn ca_file(&self, node: &Node<'_>) -> Option<Vec<u8>> {
        let pem = self.file(node)?;
        let options = HttpOptions { ca_pem: Some(pem.clone()), ..HttpOptions::default() };
        match http::client(&options) {
            Ok(_) => Some(pem),
            Err(error) => node.refuse(with_causes(&error)),
        }
    }
}

fn login(node: &Node<'_>) -> Option<LoginSettings> {
    let mut table = node.table()?;
    let method = table.required("method", |node| match node.text()? {
        method @ ("aws" | "token") => Some(method.to_owned()),
        "jwt" | "approle" => {
            node.refuse("`jwt` and `approle` are not available in this version; use `aws` or `token`")
        }
        _ => node.refuse("must be `aws` or `token`"),
    });
    let settings = match method.as_deref() {
        Some("aws") => aws_login(&mut table).map(LoginSettings::Aws),
        Some(_) => table
            .required("token", |node| node.parsed(|text| VaultToken::parse(text)))
            .map(LoginSettings::Token),
        None => return None,
    };
    table.finish();
    settings
}

fn aws_login(table: &mut Table<'_>) -> Option<AwsLoginSettings> {
    let mount = table.optional("mount", |node| node.parsed(str::parse));
    let role = table.required("role", |node| node.parsed(str::parse));
    let server_id = table.required("server_id", |node| node.parsed(ServerId::from_str));
    let default_region = || Region::from_str("us-east-1").ok();
    let region = table.optional("sts_region", |node| node.parsed(Region::from_str)).or_else(default_region);
    let development = table.has("sts_endpoint");
    let loopback = table.optional("sts_endpoint", |node| {
        let region = region.clone()?;
        node.parsed(|text| StsEndpoint::loopback(text, &region))
    });
    let sts = if development { loopback } else { region.as_ref().map(StsEndpoint::regional) };
    let mount = mount.or_else(|| "aws".parse().ok());
    Some(AwsLoginSettings { mount: mount?, role: role?, server_id: server_id?, sts: sts? })
}
