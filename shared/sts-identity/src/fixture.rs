//! Shared test data: AWS's documented example credentials, one time, and the requests that botocore made of them (see
//! `golden/README.md`).

use crate::{
    Region, ServerId, SignedRequest, SigningRequest, StsEndpoint, StsHosts, presign_get_caller_identity,
};
use aws_credential_types::Credentials;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) const ACCESS_KEY_ID: &str = "AKIAIOSFODNN7EXAMPLE";
pub(crate) const SECRET_ACCESS_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
pub(crate) const SESSION_TOKEN: &str = "IQoJb3JpZ2luX2VjEXAMPLE//////////wEaCWV1LXdlc3QtMSJ+example==";

pub(crate) const USER: &str = include_str!("../golden/user.presigned");
pub(crate) const ROLE: &str = include_str!("../golden/role.presigned");
pub(crate) const CHINA: &str = include_str!("../golden/china.presigned");
pub(crate) const EMULATOR: &str = include_str!("../golden/emulator.presigned");

pub(crate) fn user() -> Credentials {
    Credentials::new(ACCESS_KEY_ID, SECRET_ACCESS_KEY, None, None, "test")
}

pub(crate) fn session() -> Credentials {
    Credentials::new("ASIAIOSFODNN7EXAMPLE", SECRET_ACCESS_KEY, Some(SESSION_TOKEN.into()), None, "test")
}

pub(crate) fn region(name: &str) -> Region {
    name.parse().unwrap()
}

pub(crate) fn hosts(regions: &[&str]) -> StsHosts {
    StsHosts::regional(&regions.iter().map(|name| region(name)).collect::<Vec<_>>())
}

pub(crate) fn emulator() -> StsEndpoint {
    StsEndpoint::loopback("http://127.0.0.1:4566", &region("eu-west-1")).unwrap()
}

pub(crate) fn server_id() -> ServerId {
    "orders.example.com".parse().unwrap()
}

/// 2027-01-15T08:00:00Z.
pub(crate) fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

/// As the golden files are signed: for a minute.
pub(crate) fn presigned(credentials: &Credentials, endpoint: &StsEndpoint) -> String {
    let request = SigningRequest { credentials, endpoint, server_id: Some(&server_id()), now: now() };
    presign_get_caller_identity(request, Duration::from_secs(60)).unwrap().expose().to_owned()
}

/// The URL with its parameters in the order that AWS signs them in. Signers write them in any order.
pub(crate) fn sorted(url: &str) -> String {
    let (address, query) = url.trim_end().split_once('?').unwrap();
    let mut parameters: Vec<&str> = query.split('&').collect();
    parameters.sort_unstable();
    format!("{address}?{}", parameters.join("&"))
}

/// The request as the golden files write it: headers by name, `Authorization` last.
pub(crate) fn rendered(signed: &SignedRequest) -> String {
    let mut headers: Vec<(&str, &str)> = signed.headers().collect();
    headers.sort_by_key(|(name, _)| (*name == "Authorization", name.to_ascii_lowercase()));
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    format!("{} {}\n{headers}\n{}\n", signed.method(), signed.url(), signed.body())
}
