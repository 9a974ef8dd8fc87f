//! Which STS hosts a proof may be for.
//!
//! Receives the operator's regions; produces every host that AWS's own clients use there. Whoever answers as STS
//! decides who the caller is, so the list holds whole host names, and a proof's host must be one of them.

use crate::{Region, StsEndpoint};

/// The hosts that a proof may be for, each with the region that its signature must be scoped to.
///
/// An empty list accepts no proof.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StsHosts(Vec<StsEndpoint>);

impl StsHosts {
    /// The hosts of these regions.
    ///
    /// A region has its regional host; where AWS has them, a host for FIPS and the two for IPv4 and IPv6. The global
    /// host, `sts.amazonaws.com`, takes signatures scoped to `us-east-1` only, so it is there if `us-east-1` is.
    pub fn regional(regions: &[Region]) -> Self {
        let mut hosts: Vec<StsEndpoint> = Vec::new();
        for endpoint in regions.iter().flat_map(hosts_of) {
            if !hosts.contains(&endpoint) {
                hosts.push(endpoint);
            }
        }
        Self(hosts)
    }

    /// One endpoint on this machine, for development against an emulator.
    pub fn loopback(endpoint: StsEndpoint) -> Self {
        Self(vec![endpoint])
    }

    /// Every host, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = &StsEndpoint> {
        self.0.iter()
    }
}

/// The hosts of one region. Source: botocore 1.43.106, AWS's own data for its SDKs: the endpoint rules of STS
/// (`sts/2011-06-15/endpoint-rule-set-1.json`), and `endpoints.json` for which regions have a FIPS host at all.
fn hosts_of(region: &Region) -> Vec<StsEndpoint> {
    let (name, partition) = (region.as_str(), region.partition());
    let (ipv4, dual_stack) = (partition.dns_suffix, partition.dual_stack_dns_suffix);
    let mut hosts = vec![format!("sts.{name}.{ipv4}"), format!("sts.{name}.{dual_stack}")];
    if FIPS_REGIONS.contains(&name) {
        hosts.push(format!("sts-fips.{name}.{ipv4}"));
    }
    if FIPS_REGIONS.contains(&name) || partition.name == GOVCLOUD {
        hosts.push(format!("sts-fips.{name}.{dual_stack}"));
    }
    if name == GLOBAL_REGION {
        hosts.push(GLOBAL_HOST.to_owned());
    }
    hosts.into_iter().map(|host| StsEndpoint::at(host, region)).collect()
}

const GLOBAL_REGION: &str = "us-east-1";
const GLOBAL_HOST: &str = "sts.amazonaws.com";
/// The regions with a FIPS host of its own.
const FIPS_REGIONS: [&str; 4] = ["us-east-1", "us-east-2", "us-west-1", "us-west-2"];
/// Here the regional host is the FIPS host.
const GOVCLOUD: &str = "aws-us-gov";

#[cfg(test)]
mod tests {
    use crate::fixture::hosts;

    fn names(regions: &[&str]) -> Vec<String> {
        hosts(regions).iter().map(|endpoint| endpoint.host().to_owned()).collect()
    }

    #[test]
    fn lists_every_host_of_a_region() {
        for (region, expected) in [
            ("eu-west-1", "sts.R.amazonaws.com sts.R.api.aws"),
            ("us-west-2", "sts.R.amazonaws.com sts.R.api.aws sts-fips.R.amazonaws.com sts-fips.R.api.aws"),
            (
                "us-east-1",
                "sts.R.amazonaws.com sts.R.api.aws sts-fips.R.amazonaws.com sts-fips.R.api.aws sts.amazonaws.com",
            ),
            ("us-gov-west-1", "sts.R.amazonaws.com sts.R.api.aws sts-fips.R.api.aws"),
            ("cn-north-1", "sts.R.amazonaws.com.cn sts.R.api.amazonwebservices.com.cn"),
            ("eusc-de-east-1", "sts.R.amazonaws.eu sts.R.api.amazonwebservices.eu"),
            ("us-iso-east-1", "sts.R.c2s.ic.gov sts.R.api.aws.ic.gov"),
            ("us-isob-east-1", "sts.R.sc2s.sgov.gov sts.R.api.aws.scloud"),
        ] {
            assert_eq!(names(&[region]).join(" "), expected.replace('R', region), "{region}");
        }
    }

    #[test]
    fn lists_a_region_once_and_nothing_for_none() {
        assert_eq!(names(&["eu-west-1", "eu-west-1"]), names(&["eu-west-1"]));
        assert_eq!(names(&[]), Vec::<String>::new());
    }

    #[test]
    fn a_host_is_scoped_to_its_region() {
        for endpoint in hosts(&["us-east-1", "cn-north-1"]).iter() {
            let china = endpoint.host().ends_with(".cn");
            let expected = if china { ("cn-north-1", "aws-cn") } else { ("us-east-1", "aws") };
            assert_eq!((endpoint.region().as_str(), endpoint.partition()), expected, "{}", endpoint.host());
            assert_eq!(endpoint.url(), format!("https://{}/", endpoint.host()));
        }
    }
}
