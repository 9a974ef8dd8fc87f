//! The section `issuers`: whose JWTs are accepted, and where their keys come from.

use authorizer_adapters::jwks::JwksSource;
use authorizer_document::{
    AWS_ALGORITHMS, DEFAULT_DPOP_ALGORITHMS, DEFAULT_LEEWAY, DEFAULT_TYPES, JwksPlace, Require, Seconds,
    WrittenAudienceClaim, WrittenBinding, WrittenIssuer, WrittenJwks, quoted,
};
use authorizer_steps::{
    error_chain::with_causes,
    identity::jwt::{AudienceClaim, BindingSettings, Issuer, IssuerKind, KeySet, RequiredBinding},
};
use url::Url;
use vault_api::checked_endpoint;

use super::Reader;

impl Reader<'_> {
    pub(super) fn issuer(&self, name: &str, written: WrittenIssuer) -> Option<(Issuer, JwksSource)> {
        let at = format!("issuers.{}", quoted(name));
        let name = self.parsed(&at, name);
        let at = |key: &str| format!("{at}.{key}");
        let (kind, issuer, audiences, claim, algorithms, types, jwks, leeway, max_age, user_claim, binding) =
            match written {
                WrittenIssuer::Jwt {
                    issuer,
                    audiences,
                    audience_claim,
                    algorithms: names,
                    types,
                    jwks,
                    ca_file,
                    leeway,
                    max_age,
                    user_claim,
                    binding,
                } => {
                    // Where it is given, nothing else is trusted.
                    let ca_pem = match ca_file {
                        Some(name) => self.ca_file(&at("ca_file"), &name).map(Some),
                        None => Some(None),
                    };
                    let algorithms = self.each(&at("algorithms"), names.iter().map(|name| name.0.as_str()));
                    let jwks = ca_pem.and_then(|ca_pem| self.jwks(&at("jwks"), jwks, &issuer, ca_pem));
                    (
                        IssuerKind::Jwt,
                        issuer,
                        audiences,
                        audience_claim,
                        algorithms,
                        types,
                        jwks,
                        leeway,
                        max_age,
                        user_claim,
                        binding,
                    )
                }
                // AWS's own issuers have public certificates: a private CA could stand in for AWS.
                WrittenIssuer::AwsIam {
                    issuer,
                    audiences,
                    audience_claim,
                    algorithms: names,
                    types,
                    jwks,
                    leeway,
                    max_age,
                    user_claim,
                    binding,
                } => {
                    let algorithms = match &names {
                        Some(names) => self.each(&at("algorithms"), names.iter().map(|name| name.0.as_str())),
                        None => self.each(&at("algorithms"), AWS_ALGORITHMS),
                    };
                    self.checked(
                        at("issuer"),
                        checked_endpoint(&issuer).map_err(|error| with_causes(&error)),
                    )?;
                    let jwks = jwks.map_or(Some(JwksSource::Discovery { ca_pem: None }), |jwks| {
                        self.jwks(&at("jwks"), jwks, &issuer, None)
                    });
                    (
                        IssuerKind::AwsIam,
                        issuer,
                        audiences,
                        audience_claim,
                        algorithms,
                        types,
                        jwks,
                        leeway,
                        max_age,
                        user_claim,
                        binding,
                    )
                }
            };
        let binding = self.binding(&at("binding"), binding);
        let Seconds(leeway_seconds) = leeway.unwrap_or(DEFAULT_LEEWAY);
        let issuer = Issuer {
            name: name?,
            kind,
            issuer,
            audiences,
            audience_claim: match claim {
                None | Some(WrittenAudienceClaim::Aud) => AudienceClaim::Aud,
                Some(WrittenAudienceClaim::ClientId) => AudienceClaim::ClientId,
                Some(WrittenAudienceClaim::Azp) => AudienceClaim::Azp,
            },
            algorithms: algorithms?,
            types: types.unwrap_or_else(|| DEFAULT_TYPES.map(str::to_owned).to_vec()),
            leeway_seconds,
            max_age_seconds: max_age.map(|Seconds(seconds)| seconds),
            user_claim: user_claim.unwrap_or_else(|| "sub".to_owned()),
            binding: binding?,
        };
        Some((issuer, jwks?))
    }

    fn binding(&self, at: &str, written: Option<WrittenBinding>) -> Option<BindingSettings> {
        let (require, urls, algorithms) = match written {
            Some(WrittenBinding { verify: Some(_), .. }) => return Some(BindingSettings::VerifiedElsewhere),
            Some(WrittenBinding { require, public_urls, dpop_algorithms, verify: None }) => {
                (require, public_urls.unwrap_or_default(), dpop_algorithms)
            }
            None => (None, Vec::new(), None),
        };
        let public_urls = self.each(&format!("{at}.public_urls"), urls.iter().map(String::as_str));
        let at = format!("{at}.dpop_algorithms");
        let dpop_algorithms = match &algorithms {
            Some(names) => self.each(&at, names.iter().map(|name| name.0.as_str())),
            None => self.each(&at, DEFAULT_DPOP_ALGORITHMS),
        };
        let require = require.and_then(|require| match require {
            Require::None => None,
            Require::Any => Some(RequiredBinding::Any),
            Require::Dpop => Some(RequiredBinding::Dpop),
            Require::Mtls => Some(RequiredBinding::Mtls),
        });
        Some(BindingSettings::Verified {
            require,
            public_urls: public_urls?,
            dpop_algorithms: dpop_algorithms?,
        })
    }

    fn jwks(&self, at: &str, jwks: WrittenJwks, issuer: &str, ca_pem: Option<Vec<u8>>) -> Option<JwksSource> {
        match jwks {
            WrittenJwks::Discovery(_) => {
                let callable = checked_endpoint(issuer);
                let callable = callable
                    .map_err(|error| format!("`discovery` needs an `issuer` that can be called: {error}"));
                self.checked(at, callable)?;
                Some(JwksSource::Discovery { ca_pem })
            }
            WrittenJwks::At(JwksPlace { file: Some(name), .. }) => {
                let at = format!("{at}.file");
                let document = self.file(&at, &name)?;
                self.checked(at, KeySet::parse(&document)).map(JwksSource::File)
            }
            WrittenJwks::At(JwksPlace { uri, file: None }) => {
                let uri = self.checked(format!("{at}.uri"), key_uri(&uri?))?;
                Some(JwksSource::Uri { uri, ca_pem })
            }
        }
    }
}

/// A JWK set's URI may have a query, which an endpoint that takes credentials may not.
fn key_uri(text: &str) -> Result<Url, String> {
    let (endpoint, _query) = text.split_once('?').unwrap_or((text, ""));
    checked_endpoint(endpoint).map_err(|error| with_causes(&error))?;
    Url::parse(text).map_err(|error| with_causes(&error))
}
