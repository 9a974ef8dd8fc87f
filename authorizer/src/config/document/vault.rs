//! `vault`: where it is, and how the authorizer logs in.

use std::str::FromStr;

use sts_identity::{Audience, Region, ServerId, StsEndpoint};
use vault_context::{
    VaultToken,
    http::{self, ClientCertificate, ClientCertificateError, HttpOptions},
    vault::{Namespace, VaultAddress},
};
use zeroize::Zeroizing;

use super::{Node, Reader};
use crate::{
    adapters::vault::{
        AppRoleLoginSettings, AwsLoginSettings, JwtLoginSettings, JwtSource, LoginSecret, LoginSettings,
        SecretFile, SecretId, VaultSettings,
    },
    causes::with_causes,
    config::node::Table,
    names::MountPath,
};

impl Reader<'_> {
    pub(super) fn vault(&self, node: &Node<'_>) -> Option<VaultSettings> {
        let mut table = node.table()?;
        let address = table.required("address", |node| {
            node.parsed(|text| VaultAddress::parse(text).map_err(|error| with_causes(&error)))
        });
        let namespace = table.optional("namespace", |node| node.parsed(Namespace::parse));
        let ca_pem = table.optional("ca_file", |node| self.ca_file(node));
        let client_certificate = self.client_certificate(&mut table);
        let login = table.required("login", |node| self.login(node));
        table.finish();
        Some(VaultSettings { address: address?, namespace, ca_pem, client_certificate, login: login? })
    }

    /// A bundle that trusts nobody would show at the first call only.
    pub(super) fn ca_file(&self, node: &Node<'_>) -> Option<Vec<u8>> {
        let pem = self.file(node)?;
        let options = HttpOptions { ca_pem: Some(pem.clone()), ..HttpOptions::default() };
        match http::client(&options) {
            Ok(_) => Some(pem),
            Err(error) => node.refuse(with_causes(&error)),
        }
    }

    /// Both files or neither: a Vault that asks for a certificate would refuse every call, and the log would say no more
    /// than that the connection broke.
    fn client_certificate(&self, table: &mut Table<'_>) -> Option<ClientCertificate> {
        let (certificate, key) = ("client_cert_file", "client_key_file");
        let certificate_pem = table.optional("client_cert_file", |node| self.file(node));
        let key_pem = table.optional("client_key_file", |node| self.file(node)).map(Zeroizing::new);
        for (missing, other) in [(certificate, key), (key, certificate)] {
            if table.has(other) && !table.has(missing) {
                table.refuse_key(missing, format!("is missing: `{other}` is of no use without it"));
            }
        }
        let pair = ClientCertificate::from_pem(&certificate_pem?, &key_pem?);
        pair.map_err(|error| {
            let wrong = match &error {
                ClientCertificateError::Certificate => certificate,
                ClientCertificateError::Key | ClientCertificateError::Pair(_) => key,
            };
            table.refuse_key(wrong, with_causes(&error));
        })
        .ok()
    }
}

/// How a login proves who logs in.
#[derive(Clone, Copy)]
enum Method {
    Aws,
    Jwt,
    AppRole,
    Token,
}

const METHODS: [(&str, Method); 4] =
    [("aws", Method::Aws), ("jwt", Method::Jwt), ("approle", Method::AppRole), ("token", Method::Token)];

impl Reader<'_> {
    /// The keys are the method's own: one of another method is unknown.
    fn login(&self, node: &Node<'_>) -> Option<LoginSettings> {
        let mut table = node.table()?;
        let method = table.required("method", |node| node.one_of(&METHODS))?;
        let settings = match method {
            Method::Aws => aws_login(&mut table).map(LoginSettings::Aws),
            Method::Jwt => self.jwt_login(&mut table).map(LoginSettings::Jwt),
            Method::AppRole => self.approle_login(&mut table).map(LoginSettings::AppRole),
            Method::Token => table
                .required("token", |node| node.parsed(|text| VaultToken::parse(text)))
                .map(LoginSettings::Token),
        };
        table.finish();
        settings
    }

    fn jwt_login(&self, table: &mut Table<'_>) -> Option<JwtLoginSettings> {
        let mount = mount(table, "jwt");
        let role = table.required("role", |node| node.parsed(str::parse));
        let file = table.optional("jwt_file", |node| self.secret_file(node));
        let audience = table.optional("web_identity_audience", |node| node.parsed(Audience::from_str));
        let sts = sts(table, StsEndpoint::of_region);
        let only_one = table
            .exactly_one(("jwt_file", "`jwt_file`"), ("web_identity_audience", "`web_identity_audience`"));
        if only_one && table.has("jwt_file") {
            for key in ["sts_region", "sts_endpoint"].into_iter().filter(|key| table.has(key)) {
                table
                    .refuse_key(key, "is for `web_identity_audience`: nobody asks STS for what is in a file");
            }
        }
        let web_identity = || Some(JwtSource::WebIdentity { audience: audience?, sts: sts? });
        let jwt = file.map(JwtSource::File).or_else(web_identity);
        Some(JwtLoginSettings { mount: mount?, role: role?, jwt: jwt? })
    }

    fn approle_login(&self, table: &mut Table<'_>) -> Option<AppRoleLoginSettings> {
        let mount = mount(table, "approle");
        let role_id = table.required("role_id", |node| node.parsed(LoginSecret::parse));
        let given = table.optional("secret_id", |node| node.parsed(LoginSecret::parse));
        let file = table.optional("secret_id_file", |node| self.secret_file(node));
        table.exactly_one(("secret_id", "`secret_id`"), ("secret_id_file", "`secret_id_file`"));
        let secret_id = given.map(SecretId::Given).or(file.map(SecretId::File));
        Some(AppRoleLoginSettings { mount: mount?, role_id: role_id?, secret_id: secret_id? })
    }

    /// Read at each login, and not here: what writes it may start beside the function.
    fn secret_file(&self, node: &Node<'_>) -> Option<SecretFile> {
        Some(SecretFile::new(self.task_root.join(node.text()?)))
    }
}

fn aws_login(table: &mut Table<'_>) -> Option<AwsLoginSettings> {
    let mount = mount(table, "aws");
    let role = table.required("role", |node| node.parsed(str::parse));
    let server_id = table.required("server_id", |node| node.parsed(ServerId::from_str));
    let sts = sts(table, StsEndpoint::regional);
    Some(AwsLoginSettings { mount: mount?, role: role?, server_id: server_id?, sts: sts? })
}

fn mount(table: &mut Table<'_>, default: &str) -> Option<MountPath> {
    let mount = table.optional("mount", |node| node.parsed(str::parse));
    mount.or_else(|| default.parse().ok())
}

/// The STS of a region, or one on this machine.
fn sts(table: &mut Table<'_>, of_region: fn(&Region) -> StsEndpoint) -> Option<StsEndpoint> {
    let default_region = || Region::from_str("us-east-1").ok();
    let region = table.optional("sts_region", |node| node.parsed(Region::from_str)).or_else(default_region);
    let development = table.has("sts_endpoint");
    let loopback = table.optional("sts_endpoint", |node| {
        let region = region.clone()?;
        node.parsed(|text| StsEndpoint::loopback(text, &region))
    });
    if development { loopback } else { region.as_ref().map(of_region) }
}
