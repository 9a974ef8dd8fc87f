//! The authorizer's own login at Vault: the role of the auth method that the configuration names.
//!
//! Receives the configuration's login and whom the operator [trusts](Trusted) with it, which no configuration says;
//! produces the [`Login`]. The user configures what a mount itself trusts, for example the issuer of a JWT auth
//! method.

use std::{collections::BTreeSet, fmt};

use authorizer_adapters::vault::{JwtSource, LoginSettings};
use authorizer_steps::names::{PolicyName, RoleName};
use serde_json::Value;
use sts_identity::PrincipalArn;

use super::{
    object::{Object, texts},
    place::Place,
    setting::{Field, Setting},
};

const AWS_PRINCIPAL: &str = "--aws-principal";
const JWT_SUBJECT: &str = "--jwt-subject";
const APPROLE: &str = "--approle";

const PRINCIPALS: &str = "bound_iam_principal_arn";
const SUBJECT: &str = "bound_subject";
/// The field of a JWT login role whose `sub` names several.
pub(crate) const CLAIMS: &str = "bound_claims";

/// The fields of a login role that name who may log in.
pub(crate) const NAMES: [&str; 2] = [PRINCIPALS, SUBJECT];

/// Who may log in as the authorizer.
#[derive(Debug, Clone)]
pub(crate) enum Trusted {
    /// The execution roles of the functions.
    AwsPrincipals(Vec<PrincipalArn>),
    /// Whoever writes JWTs for the functions.
    Jwt {
        /// Each one's `sub`.
        subjects: BTreeSet<String>,
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
    |option| format!("with this `vault.login`, `{option}` says who may log in"),
))]
pub(crate) struct UnsuitedOption {
    given: &'static str,
    wanted: Option<&'static str>,
}

impl Trusted {
    fn option(&self) -> &'static str {
        match self {
            Self::AwsPrincipals(_) => AWS_PRINCIPAL,
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
                let Trusted::AwsPrincipals(principals) = trusted else { return None };
                let server_id = Setting::Text(aws.server_id.to_string());
                let client = Object {
                    place: Place::AwsClient { mount: mount.clone() },
                    fields: vec![Field::exactly("iam_server_id_header_value", server_id)],
                };
                Some(vec![client, login_role(mount, &aws.role, aws_fields(principals), policy)])
            })
        }
        LoginSettings::Jwt(jwt) => {
            let mount = jwt.mount.to_string();
            let option = match jwt.jwt {
                JwtSource::WebIdentity { .. } => AWS_PRINCIPAL,
                JwtSource::File(_) => JWT_SUBJECT,
            };
            LeftAlone::new(&mount, Some(&jwt.role), option).unless(trusted, "jwt", |trusted| {
                let fields = match (&jwt.jwt, trusted) {
                    // With its path: so AWS writes `sub`.
                    (JwtSource::WebIdentity { audience, .. }, Trusted::AwsPrincipals(principals)) => {
                        let subjects = principals.iter().map(|principal| principal.canonical().to_owned());
                        jwt_fields(&subjects.collect(), audience.as_str())
                    }
                    (JwtSource::File(_), Trusted::Jwt { subjects, audience }) => {
                        jwt_fields(subjects, audience.as_str())
                    }
                    (JwtSource::WebIdentity { .. } | JwtSource::File(_), _) => return None,
                };
                Some(vec![login_role(mount, &jwt.role, fields, policy)])
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

fn aws_fields(principals: &[PrincipalArn]) -> Vec<Field> {
    let principals = Setting::Set(principals.iter().map(without_path).collect());
    vec![
        Field::exactly("auth_type", Setting::Text("iam".to_owned())),
        Field::exactly(PRINCIPALS, principals),
        // Vault then needs no IAM permissions, and a role that is made anew logs in as before.
        Field::exactly("resolve_aws_unique_ids", Setting::Flag(false)),
    ]
}

fn jwt_fields(subjects: &BTreeSet<String>, audience: &str) -> Vec<Field> {
    let text = |text: &str| Setting::Text(text.to_owned());
    // `bound_subject` takes one; a claim takes a list.
    let (one, several) = match subjects.first() {
        Some(subject) if subjects.len() == 1 => (subject.as_str(), &BTreeSet::new()),
        _ => ("", subjects),
    };
    vec![
        Field::exactly("role_type", text("jwt")),
        Field::exactly("user_claim", text("sub")),
        Field::exactly(SUBJECT, text(one)),
        Field::claim(CLAIMS, "sub", several),
        Field::exactly("bound_audiences", Setting::Set(BTreeSet::from([audience.to_owned()]))),
        // A claim could otherwise bring the policies of groups along.
        Field::exactly("groups_claim", text("")),
    ]
}

/// Who may log in by a role, as far as it names them one by one: what stands for many is nobody's.
pub(crate) fn lets_in(role: &Value) -> BTreeSet<&str> {
    let claim = role.get(CLAIMS).and_then(|claims| claims.get("sub"));
    let names = NAMES.map(|name| role.get(name)).into_iter().chain([claim]).flatten();
    let names = names.flat_map(|value| value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice));
    names.filter_map(Value::as_str).filter(|name| !name.is_empty() && !name.contains('*')).collect()
}

/// Whether a role logs in somebody else's authorizer, this one's beside it or not: it gives a policy that is not this one.
pub(crate) fn logs_in_another(role: &Value, policy: &str) -> bool {
    texts(role, "token_policies").any(|given| given != policy)
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

    use serde_json::json;
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
        Trusted::AwsPrincipals(vec![PrincipalArn::parse(arn).unwrap()])
    }

    fn jwt() -> Trusted {
        jwts(&["api-authorizer"])
    }

    fn jwts(subjects: &[&str]) -> Trusted {
        let subjects = subjects.iter().map(|subject| (*subject).to_owned()).collect();
        Trusted::Jwt { subjects, audience: "vault".to_owned() }
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
        let arn = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
        let two = ["service/orders-eu-west-1", "orders-us-east-1"].map(arn);
        let two =
            || Trusted::AwsPrincipals(two.iter().map(|arn| PrincipalArn::parse(arn).unwrap()).collect());
        let mut text = String::new();
        for (case, settings, trusted) in [
            ("by AWS", AWS, principal()),
            ("by a JWT of AWS", WEB_IDENTITY, principal()),
            ("by a JWT in a file", JWT_FILE, jwt()),
            ("by AppRole", APPROLE_LOGIN, approle()),
            // Two regions, or two functions, with one role at Vault.
            ("several by AWS", AWS, two()),
            ("several by a JWT of AWS", WEB_IDENTITY, two()),
            ("several by a JWT in a file", JWT_FILE, jwts(&["b", "a"])),
        ] {
            text += &format!("## {case}\n");
            for (path, body) in written(settings, &trusted) {
                text += &format!("{path} {body}\n");
                text += &format!("lets in: {:?}\n", lets_in(&body));
            }
        }
        insta::assert_snapshot!(text);
        assert!(matches!(derived(TOKEN, None), Ok(Login::Token)));
    }

    #[test]
    fn a_role_lets_in_whom_it_names_and_a_pattern_names_nobody() {
        let wide =
            json!({PRINCIPALS: ["arn:aws:iam::123456789012:role/*"], CLAIMS: {"sub": "*", "org": "a"}});
        assert_eq!(lets_in(&wide), BTreeSet::new());
        assert_eq!(lets_in(&json!({SUBJECT: "a", CLAIMS: {"sub": "b"}})), BTreeSet::from(["a", "b"]));
        for (policies, anothers) in [
            (json!(["own", "theirs"]), true),
            (json!(["own"]), false),
            (json!([]), false),
            (json!(["theirs"]), true),
        ] {
            assert_eq!(logs_in_another(&json!({"token_policies": policies}), "own"), anothers);
        }
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
