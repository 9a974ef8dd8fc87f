//! Which STS a request is for.
//!
//! The URL, the `Host` header and the region in the signature's scope must agree. Otherwise STS answers
//! `Credential should be scoped to a valid region`. So all three come from one value, [`StsEndpoint`], and none of
//! them can be set alone.
//!
//! Receives a region, or a loopback URL for development; produces the endpoint. `sign` does the signing.

use crate::partition::Partition;
use std::fmt;
use std::str::FromStr;
use url::{Host, Url};

/// An STS endpoint and the region that a signature for it is scoped to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StsEndpoint {
    url: String,
    host: String,
    region: Region,
}

/// The name of an AWS region, such as `eu-west-1`.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Region(String);

/// The text is not the name of an AWS region.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("an AWS region looks like `eu-west-1`")]
pub struct RegionError;

/// Why a development endpoint was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum StsEndpointError {
    /// It is no absolute `http` or `https` URL.
    #[error("an STS endpoint looks like `http://127.0.0.1:4566/`")]
    NotAUrl,
    /// It is on another machine.
    #[error("an STS endpoint of your own must be on this machine: 127.0.0.0/8, ::1 or localhost")]
    NotLoopback,
    /// It has more than a scheme, a host and a port.
    #[error("an STS endpoint has no user, path, query or fragment")]
    NotARoot,
}

impl StsEndpoint {
    /// The endpoint that AWS runs in a region.
    ///
    /// For `us-east-1` it is the global host, `https://sts.amazonaws.com/`: that is what Vault's AWS auth method expects
    /// unless its mount is configured otherwise, and the global host takes signatures scoped to `us-east-1` only. Every
    /// other region has a host of its own.
    pub fn regional(region: &Region) -> Self {
        match region.as_str() {
            "us-east-1" => Self::at("sts.amazonaws.com".to_owned(), region),
            _ => Self::of_region(region),
        }
    }

    /// The region's own host, for `us-east-1` as well: what the global host does not serve, such as GetWebIdentityToken
    /// (STS API reference: "not available on the STS Global endpoint").
    pub fn of_region(region: &Region) -> Self {
        Self::at(format!("sts.{region}.{}", region.partition().dns_suffix), region)
    }

    /// A host that AWS runs.
    pub(crate) fn at(host: String, region: &Region) -> Self {
        Self { url: format!("https://{host}/"), host, region: region.clone() }
    }

    /// An endpoint on this machine, for development against an emulator.
    ///
    /// Any other host is refused: what answers as STS decides who the signer is.
    pub fn loopback(url: &str, region: &Region) -> Result<Self, StsEndpointError> {
        let url = Url::parse(url).map_err(|_| StsEndpointError::NotAUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(StsEndpointError::NotAUrl);
        }
        let name = loopback_host(&url)?;
        let bare = url.username().is_empty() && url.password().is_none();
        if !bare || url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(StsEndpointError::NotARoot);
        }
        // A scheme's own port is not written in the `Host` header. The parser has already dropped it.
        let host = url.port().map_or_else(|| name.clone(), |port| format!("{name}:{port}"));
        Ok(Self { url: url.into(), host, region: region.clone() })
    }

    /// The URL that the request goes to, path included.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The `Host` header.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The region that the signature is scoped to.
    pub fn region(&self) -> &Region {
        &self.region
    }

    /// The partition that the region lies in, such as `aws`.
    pub fn partition(&self) -> &'static str {
        self.region.partition().name
    }
}

fn loopback_host(url: &Url) -> Result<String, StsEndpointError> {
    let host = url.host().ok_or(StsEndpointError::NotAUrl)?;
    let loopback = match host {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    if loopback { Ok(host.to_string()) } else { Err(StsEndpointError::NotLoopback) }
}

impl Region {
    /// The region's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The partition that the region lies in.
    pub(crate) fn partition(&self) -> &'static Partition {
        Partition::of_region(&self.0)
    }
}

impl FromStr for Region {
    type Err = RegionError;

    /// The name becomes a part of a host name, so its shape is checked: words of lower-case letters and a number, joined
    /// by hyphens. Whether AWS has such a region is not: AWS opens new ones.
    fn from_str(text: &str) -> Result<Self, RegionError> {
        let (words, number) = text.rsplit_once('-').ok_or(RegionError)?;
        let numbered = matches!(number.len(), 1..=2) && number.bytes().all(|byte| byte.is_ascii_digit());
        let words: Vec<&str> = words.split('-').collect();
        let lower_case = |word: &&str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase());
        if text.len() > MAX_REGION_LENGTH || !numbered || words.len() < 2 || !words.iter().all(lower_case) {
            return Err(RegionError);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const MAX_REGION_LENGTH: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    fn region(name: &str) -> Region {
        name.parse().unwrap()
    }

    #[test]
    fn us_east_1_is_the_global_host_unless_its_own_is_asked_for_and_every_other_region_its_own() {
        for (name, host) in [
            ("us-east-1", "sts.us-east-1.amazonaws.com"),
            ("eu-west-1", "sts.eu-west-1.amazonaws.com"),
            ("us-gov-west-1", "sts.us-gov-west-1.amazonaws.com"),
            ("cn-north-1", "sts.cn-north-1.amazonaws.com.cn"),
            ("eusc-de-east-1", "sts.eusc-de-east-1.amazonaws.eu"),
            ("us-iso-east-1", "sts.us-iso-east-1.c2s.ic.gov"),
        ] {
            let global = if name == "us-east-1" { "sts.amazonaws.com" } else { host };
            let region = region(name);
            for (endpoint, host) in
                [(StsEndpoint::regional(&region), global), (StsEndpoint::of_region(&region), host)]
            {
                assert_eq!((endpoint.host(), endpoint.region().as_str()), (host, name));
                assert_eq!(endpoint.url(), format!("https://{host}/"));
            }
        }
    }

    #[test]
    fn rejects_a_region_that_would_name_another_host() {
        let cases = "eu eu-west west-1 EU-WEST-1 eu-west-123 eu--west-1 -eu-west-1 eu-west-1.example.com
            eu-west-1/x-1 evil.example/eu-west-1 user@eu-west-1 eu_west-1 aws-global eu-wést-1
            abcdefghijk-abcdefghijk-abcdefghi-1";
        for name in cases.split_whitespace().chain(["", "eu-west-1 "]) {
            assert_eq!(name.parse::<Region>(), Err(RegionError), "`{name}`");
        }
    }

    #[test]
    fn accepts_a_loopback_endpoint() {
        let cases = [
            ("http://127.0.0.1:4566", "http://127.0.0.1:4566/", "127.0.0.1:4566"),
            ("http://127.9.8.7:4566/", "http://127.9.8.7:4566/", "127.9.8.7:4566"),
            ("http://localhost:4566/", "http://localhost:4566/", "localhost:4566"),
            ("http://[::1]:4566/", "http://[::1]:4566/", "[::1]:4566"),
            ("http://127.0.0.1:80/", "http://127.0.0.1/", "127.0.0.1"),
            ("https://localhost:443/", "https://localhost/", "localhost"),
        ];
        for (given, url, host) in cases {
            let endpoint = StsEndpoint::loopback(given, &region("eu-west-1")).unwrap();
            assert_eq!((endpoint.url(), endpoint.host()), (url, host));
            assert_eq!(endpoint.region().as_str(), "eu-west-1");
        }
    }

    #[test]
    fn rejects_an_endpoint_on_another_machine_and_one_that_is_no_root_url() {
        const ELSEWHERE: &str = "https://sts.example.com/ http://localhost.example.com/ http://localhost./
            http://127.0.0.1.example.com/ http://127.0.0.1@example.com/ http://0.0.0.0/
            http://169.254.169.254/ http://10.0.0.1/ http://[::ffff:10.0.0.1]/ http://[fe80::1]/";
        const NO_URLS: &str = "localhost 127.0.0.1:4566 localhost:4566 ftp://127.0.0.1/ file:///tmp/sts";
        const NO_ROOTS: &str =
            "http://u@127.0.0.1/ http://u:p@127.0.0.1/ http://127.0.0.1/sts http://127.0.0.1/?a
            http://127.0.0.1/#a";
        for (urls, error) in [
            (ELSEWHERE, StsEndpointError::NotLoopback),
            (NO_URLS, StsEndpointError::NotAUrl),
            (NO_ROOTS, StsEndpointError::NotARoot),
        ] {
            for url in urls.split_whitespace() {
                assert_eq!(StsEndpoint::loopback(url, &region("eu-west-1")), Err(error), "`{url}`");
            }
        }
        assert_eq!(StsEndpoint::loopback("", &region("eu-west-1")), Err(StsEndpointError::NotAUrl));
    }
}
