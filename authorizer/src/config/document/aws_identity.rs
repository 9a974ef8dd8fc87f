//! `aws_identity`: which IAM proofs are accepted.

use std::{collections::BTreeSet, str::FromStr};

use sts_identity::{Region, ServerId, StsEndpoint, StsHosts};

use super::{Node, seconds};
use crate::identity::aws_identity::AwsIdentitySettings;

pub(in crate::config) const DEFAULT_MAX_AGE_SECONDS: u64 = 60;
/// STS takes a signature no longer.
const MAX_MAX_AGE_SECONDS: u64 = 900;

pub(super) fn read(node: &Node<'_>) -> Option<AwsIdentitySettings> {
    let mut table = node.table()?;
    let server_id = table.required("server_id", |node| node.parsed(ServerId::from_str));
    let accounts = table.required("accounts", |node| node.list(|node| node.parsed(account)));
    let regions = table.optional("sts_regions", |node| node.list(|node| node.parsed(Region::from_str)));
    let loopback = table.optional("sts_endpoint", |node| {
        // An emulator has no regions of its own; a signature for it is scoped to this one.
        let region = Region::from_str("us-east-1").ok()?;
        node.parsed(|text| StsEndpoint::loopback(text, &region))
    });
    table.exactly_one(("sts_regions", "`sts_regions`"), ("sts_endpoint", "`sts_endpoint` (for development)"));
    let max_age_seconds = table.optional("max_age", |node| seconds(node, 1, MAX_MAX_AGE_SECONDS));
    let single_use = table.optional("single_use", Node::boolean);
    table.finish();
    let hosts = regions.map(|regions| StsHosts::regional(&regions)).or(loopback.map(StsHosts::loopback));
    Some(AwsIdentitySettings {
        server_id: server_id?,
        accounts: BTreeSet::from_iter(accounts?),
        hosts: hosts?,
        max_age_seconds: max_age_seconds.unwrap_or(DEFAULT_MAX_AGE_SECONDS),
        single_use: single_use.unwrap_or(false),
    })
}

fn account(text: &str) -> Result<String, &'static str> {
    let digits = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
    if digits { Ok(text.to_owned()) } else { Err("must be an account id: 12 digits, in quotes") }
}
