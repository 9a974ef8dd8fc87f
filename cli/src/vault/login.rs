//! The authorizer's own login at Vault: the role of the auth method that the configuration names.
//!
//! Receives the configuration's login and whom the operator [trusts](Trusted) with it, which no configuration says;
//! produces the [`Login`]. Leaves to the user what a mount itself trusts: the issuer of a JWT auth method, for one.

use std::{collections::BTreeSet, fmt};

use sts_identity::PrincipalArn;
use vault_authorizer::{
    adapters::vault::{JwtSource, LoginSettings},
    names::{PolicyName, RoleName},
};

use super::{
    object::Object,
    place::Place,
    setting::{Field, Setting},
};

const AWS_PRINCIPAL: &str = "--aws-principal";
const JWT_SUBJECT: &str = "--jwt-subject";
const APPROLE: &str = "--approle";

/// Who may log in as the authorizer.
#[derive(Debug, Clone)]
pub(crate) enum Trusted {
    /// The function's execution role.
    AwsPrincipal(PrincipalArn),
    /// Whoever writes JWTs for the function.
    Jwt {
        /// Their `sub`.
        subject: String,
        /// Their `aud`.
        audience: String,
    },
    /// Who has a secret id of this AppRole.
    AppRole(RoleName),
}

/// The login, as far as it can be written.
#[derive(Debug, Clone)]
pub(crate) enum Login {
    /// What the server must hold for it.
    Objects {
        /// The auth method's type, as `vault auth enable` calls it.
        method: &'static str,
        /// In the order in which they are written.
        objects: Vec<Object>,
    },
    /// Nobody said who may log in.
    LeftAlone(LeftAlone),
    /// A token that was made by hand, for development.
    Token,
}

/// A login that is neither compared nor removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LeftAlone {
    mount: String,
    /// Its role, where the configuration names it.
    role: Option<String>,
    /// What would say who may log in.
    pub(crate) option: &'static str,
}

/// An option that says who may log in by another method than the configuration's.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is not for this login: {}", .wanted.map_or_else(
    || "a token needs none".to_owned(),
    |option| format!("by `vault.login`, `{option}` says who may log in"),
))]
pub(crate) struct UnsuitedOption {
    given: &'static str,
    wanted: Option<&'static str>,
}

impl Trusted {
    fn option(&self) -> &'static str {
        match self {
            Self::AwsPrincipal(_) => AWS_PRINCIPAL,
            Self::Jwt { .. } => JWT_SUBJECT,
            Self::AppRole(_) => APPROLE,
        }
    }
}

impl LeftAlone {
    fn new(mount: &str, role: Option<&RoleName>, option: &'static str) -> Self {
        Self { mount: mount.to_owned(), role: role.map(ToString::to_string), option }
    }

    /// What the server must hold where somebody is trusted; this where nobody is. `objects` gives nothing for whom another
    /// method trusts.
    fn unless(
        self,
        trusted: Option<&Trusted>,
        method: &'static str,
        objects: impl FnOnce(&Trusted) -> Option<Vec<Object>>,
    ) -> Result<Login, UnsuitedOption> {
        let Some(trusted) = trusted else { return Ok(Login::LeftAlone(self)) };
        let unsuited = || UnsuitedOption { given: trusted.option(), wanted: Some(self.option) };
        objects(trusted).map(|objects| Login::Objects { method, objects }).ok_or_else(unsuited)
    }

    /// Whether something at the server is a part of it. A role of its mount that the configuration does not name may be
    /// one that it named before, or AppRole's, which it never names.
    pub(crate) fn covers(&self, place: &Place) -> bool {
        place.mount() == Some(&self.mount)
    }
}

impl fmt::Display for LeftAlone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mount, role, .. } = self;
        match role {
            Some(role) => write!(f, "login role `{role}` of `auth/{mount}`"),
            None => write!(f, "login role of `auth/{mount}`"),
        }
    }
}

/// Derives it. One arm for each method that the authorizer can log in with.
///
/// # Errors
///
/// Where `trusted` is of another method.
pub(crate) fn login(
    settings: &LoginSettings,
    trusted: Option<&Trusted>,
    policy: &PolicyName,
) -> Result<Login, UnsuitedOption> {
    match settings {
        LoginSettings::Aws(aws) => {
            let mount = aws.mount.to_string();
            let alone = LeftAlone::new(&mount, Some(&aws.role), AWS_PRINCIPAL);
            alone.unless(trusted, "aws", |trusted| {
                let Trusted::AwsPrincipal(principal) = trusted else { return None };
                let server_id = Setting::Text(aws.server_id.to_string());
                let client = Object {
                    place: Place::AwsClient { mount: mount.clone() },
                    fields: vec![Field::exactly("iam_server_id_header_value", server_id)],
                };
                Some(vec![client, login_role(mount, &aws.role, aws_fields(principal), policy)])
            })
        }
        LoginSettings::Jwt(jwt) => {
            let mount = jwt.mount.to_string();
            let option = match jwt.jwt {
                JwtSource::WebIdentity { .. } => AWS_PRINCIPAL,
                JwtSource::File(_) => JWT_SUBJECT,
            };
            LeftAlone::new(&mount, Some(&jwt.role), option).unless(trusted, "jwt", |trusted| {
                let (subject, audience) = match (&jwt.jwt, trusted) {
                    // With its path: so AWS writes `sub`.
                    (JwtSource::WebIdentity { audience, .. }, Trusted::AwsPrincipal(principal)) => {
                        (principal.canonical(), audience.as_str())
                    }
                    (JwtSource::File(_), Trusted::Jwt { subject, audience }) => {
                        (subject.as_str(), audience.as_str())
                    }
                    (JwtSource::WebIdentity { .. } | JwtSource::File(_), _) => return None,
                };
                Some(vec![login_role(mount, &jwt.role, jwt_fields(subject, audience), policy)])
            })
        }
        LoginSettings::AppRole(approle) => {
            let mount = approle.mount.to_string();
            LeftAlone::new(&mount, None, APPROLE).unless(trusted, "approle", |trusted| {
                let Trusted::AppRole(role) = trusted else { return None };
                // How long secret ids live is for whoever issues them.
                let fields = vec![Field::exactly("bind_secret_id", Setting::Flag(true))];
                Some(vec![login_role(mount, role, fields, policy)])
            })
        }
        LoginSettings::Token(_) => match trusted {
            Some(trusted) => Err(UnsuitedOption { given: trusted.option(), wanted: None }),
            None => Ok(Login::Token),
        },
    }
}

fn login_role(mount: String, role: &RoleName, who: Vec<Field>, policy: &PolicyName) -> Object {
    let token = [
        Field::exactly("token_policies", Setting::Set(BTreeSet::from([policy.to_string()]))),
        Field::exactly("token_no_default_policy", Setting::Flag(true)),
        // Neither a batch token nor one of limited use can make others.
        Field::exactly("token_type", Setting::Text("service".to_owned())),
        Field::exactly("token_num_uses", Setting::Number(0)),
        // With one, a token could be renewed for ever.
        Field::exactly("token_period", Setting::Seconds(0)),
        Field::exactly("token_ttl", Setting::Seconds(3600)),
        Field::exactly("token_max_ttl", Setting::Seconds(86_400)),
    ];
    let fields = who.into_iter().chain(token).collect();
    Object { place: Place::LoginRole { mount, role: role.to_string() }, fields }
}

fn aws_fields(principal: &PrincipalArn) -> Vec<Field> {
    vec![
        Field::exactly("auth_type", Setting::Text("iam".to_owned())),
        Field::exactly("bound_iam_principal_arn", Setting::Set(BTreeSet::from([without_path(principal)]))),
        // Vault then needs no IAM permissions, and a role that is made anew logs in as before.
        Field::exactly("resolve_aws_unique_ids", Setting::Flag(false)),
    ]
}

fn jwt_fields(subject: &str, audience: &str) -> Vec<Field> {
    let text = |text: &str| Setting::Text(text.to_owned());
    vec![
        Field::exactly("role_type", text("jwt")),
        Field::exactly("user_claim", text("sub")),
        Field::exactly("bound_subject", text(subject)),
        Field::exactly("bound_audiences", Setting::Set(BTreeSet::from([audience.to_owned()]))),
        // A claim could otherwise bring the policies of groups along.
        Field::exactly("groups_claim", text("")),
    ]
}

/// As GetCallerIdentity writes it, and so as Vault compares it: a role without its path.
fn without_path(principal: &PrincipalArn) -> String {
    let arn = principal.canonical();
    match (arn.split_once(":role/"), arn.rsplit_once('/')) {
        (Some((account, _)), Some((_, name))) => format!("{account}:role/{name}"),
        (None, _) | (_, None) => arn.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};
    use vault_authorizer::config::Config;

    use super::*;

    const AWS: &str = "{method: aws, role: api, server_id: vault.example.com}";
    const WEB_IDENTITY: &str =
        "{method: jwt, role: api, web_identity_audience: vault.example.com, sts_region: eu-west-1}";
    const JWT_FILE: &str = "{method: jwt, role: api, jwt_file: /tmp/vault.jwt, mount: team/jwt}";
    const APPROLE_LOGIN: &str = "{method: approle, role_id: r, secret_id_file: /tmp/secret-id}";
    const TOKEN: &str = "{method: token, token: s.TokenOfTheTest}";

    fn derived(settings: &str, trusted: Option<&Trusted>) -> Result<Login, UnsuitedOption> {
        let document = format!(
            r#"
vault: {{address: "http://127.0.0.1:8200", login: {settings}}}
issuers: {{corp: {{kind: jwt, issuer: "https://login.example.com/", audiences: [a], algorithms: [RS256], jwks: discovery}}}}
stages:
  prod:
    api_ids: [a1b2c3d4e5]
    grants:
      - {{name: status, mode: none, routes: ["GET /status"], caller: {{issuer: corp, any: true}}}}"#
        );
        let config = Config::parse(&document, Path::new(".")).unwrap();
        login(&config.vault.login, trusted, &"vault-authorizer".parse().unwrap())
    }

    fn principal() -> Trusted {
        let arn = "arn:aws:iam::123456789012:role/service/api-authorizer";
        Trusted::AwsPrincipal(PrincipalArn::parse(arn).unwrap())
    }

    fn jwt() -> Trusted {
        Trusted::Jwt { subject: "api-authorizer".to_owned(), audience: "vault".to_owned() }
    }

    fn approle() -> Trusted {
        Trusted::AppRole("gateway".parse().unwrap())
    }

    fn written(settings: &str, trusted: &Trusted) -> Vec<(String, Value)> {
        let Login::Objects { objects, .. } = derived(settings, Some(trusted)).unwrap() else {
            panic!("nothing is written");
        };
        objects.iter().map(|object| (object.place.path(), object.body(None))).collect()
    }

    #[test]
    fn each_method_binds_its_role_to_whom_the_operator_trusts() {
        let [(client, _), (aws, role)] = written(AWS, &principal()).try_into().unwrap();
        assert_eq!((client.as_str(), aws.as_str()), ("auth/aws/config/client", "auth/aws/role/api"));
        assert_eq!(role["bound_iam_principal_arn"], json!(["arn:aws:iam::123456789012:role/api-authorizer"]));

        let [(path, role)] = written(WEB_IDENTITY, &principal()).try_into().unwrap();
        assert_eq!(path, "auth/jwt/role/api");
        assert_eq!(role["bound_subject"], "arn:aws:iam::123456789012:role/service/api-authorizer");
        assert_eq!(role["bound_audiences"], json!(["vault.example.com"]));

        let [(path, role)] = written(JWT_FILE, &jwt()).try_into().unwrap();
        assert_eq!(path, "auth/team/jwt/role/api");
        assert_eq!(role["bound_subject"], "api-authorizer");
        assert_eq!(role["bound_audiences"], json!(["vault"]));

        let [(path, role)] = written(APPROLE_LOGIN, &approle()).try_into().unwrap();
        assert_eq!((path.as_str(), &role["bind_secret_id"]), ("auth/approle/role/gateway", &json!(true)));
        assert!(matches!(derived(TOKEN, None), Ok(Login::Token)));
    }

    #[test]
    fn rejects_an_option_of_another_login() {
        for (settings, suited) in [
            (AWS, Some(AWS_PRINCIPAL)),
            (WEB_IDENTITY, Some(AWS_PRINCIPAL)),
            (JWT_FILE, Some(JWT_SUBJECT)),
            (APPROLE_LOGIN, Some(APPROLE)),
            (TOKEN, None),
        ] {
            for trusted in [principal(), jwt(), approle()] {
                let given = trusted.option();
                let refused = derived(settings, Some(&trusted)).err();
                let expected = (suited != Some(given)).then_some(UnsuitedOption { given, wanted: suited });
                assert_eq!(refused, expected, "{settings}");
            }
        }
    }

    #[test]
    fn a_login_without_anybody_to_trust_covers_its_whole_mount() {
        for (settings, mount, words) in [
            (AWS, "aws", "login role `api` of `auth/aws`"),
            (JWT_FILE, "team/jwt", "login role `api` of `auth/team/jwt`"),
            (APPROLE_LOGIN, "approle", "login role of `auth/approle`"),
        ] {
            let Login::LeftAlone(left_alone) = derived(settings, None).unwrap() else { panic!("{settings}") };
            assert_eq!(left_alone.to_string(), words);
            let role = |mount: &str| Place::LoginRole { mount: mount.to_owned(), role: "before".to_owned() };
            assert!(left_alone.covers(&role(mount)) && !left_alone.covers(&role("another")), "{settings}");
            assert!(!left_alone.covers(&Place::TokenRole("before".to_owned())));
        }
    }
}
