//! AWS's partitions, which are separate worlds with their own accounts, regions and domain names.
//!
//! Holds the table that region names, STS hosts and ARNs are checked against. It decides nothing.

/// One partition. Its domain names all belong to AWS.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Partition {
    /// As the second field of an ARN has it.
    pub(crate) name: &'static str,
    /// What the names of its regions begin with; empty for the one that takes all the rest.
    region_prefix: &'static str,
    pub(crate) dns_suffix: &'static str,
    /// The suffix of the hosts that answer over IPv4 and IPv6.
    pub(crate) dual_stack_dns_suffix: &'static str,
}

impl Partition {
    /// The partition that a region lies in.
    pub(crate) fn of_region(region: &str) -> &'static Self {
        let special = SPECIAL.iter().find(|partition| region.starts_with(partition.region_prefix));
        special.unwrap_or(&COMMERCIAL)
    }

    /// The partition of that name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        std::iter::once(&COMMERCIAL).chain(&SPECIAL).find(|partition| partition.name == name)
    }
}

const fn partition(
    name: &'static str,
    region_prefix: &'static str,
    dns_suffix: &'static str,
    dual_stack_dns_suffix: &'static str,
) -> Partition {
    Partition { name, region_prefix, dns_suffix, dual_stack_dns_suffix }
}

// Source of both: `partitions.json` of botocore 1.43.106, AWS's own data for its SDKs.
static COMMERCIAL: Partition = partition("aws", "", "amazonaws.com", "api.aws");
static SPECIAL: [Partition; 7] = [
    partition("aws-us-gov", "us-gov-", "amazonaws.com", "api.aws"),
    partition("aws-cn", "cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"),
    partition("aws-eusc", "eusc-", "amazonaws.eu", "api.amazonwebservices.eu"),
    partition("aws-iso", "us-iso-", "c2s.ic.gov", "api.aws.ic.gov"),
    partition("aws-iso-b", "us-isob-", "sc2s.sgov.gov", "api.aws.scloud"),
    partition("aws-iso-e", "eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"),
    partition("aws-iso-f", "us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_lies_in_one_partition() {
        let cases = [
            ("us-east-1", "aws"),
            ("mx-central-1", "aws"),
            ("us-gov-west-1", "aws-us-gov"),
            ("cn-northwest-1", "aws-cn"),
            ("eusc-de-east-1", "aws-eusc"),
            ("us-iso-east-1", "aws-iso"),
            ("us-isob-west-1", "aws-iso-b"),
            ("eu-isoe-west-1", "aws-iso-e"),
            ("us-isof-south-1", "aws-iso-f"),
        ];
        for (region, name) in cases {
            assert_eq!(Partition::of_region(region).name, name, "{region}");
            assert_eq!(Partition::named(name), Some(Partition::of_region(region)), "{name}");
        }
        for unknown in ["", "AWS", "aws-", "aws-mars"] {
            assert_eq!(Partition::named(unknown), None, "`{unknown}`");
        }
    }
}
