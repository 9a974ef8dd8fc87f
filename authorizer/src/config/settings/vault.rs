//! The section `vault`: where Vault is, and how the authorizer logs in.

use authorizer_adapters::vault::{
    AppRoleLoginSettings, AwsLoginSettings, JwtLoginSettings, JwtSource, LoginSecret, LoginSettings,
    SecretFile, SecretId, VaultSettings,
};
use authorizer_document::{Confidential, WrittenLogin, WrittenVault};
use authorizer_steps::{error_chain::with_causes, names::MountPath};
use sts_identity::{Region, StsEndpoint};
use vault_api::{Namespace, VaultAddress, VaultToken};
use vault_transport::http::{self, ClientCertificate, ClientCertificateError, HttpOptions};
use zeroize::Zeroizing;

use super::{DEFAULT_REGION, Reader};

impl Reader<'_> {
    pub(super) fn vault(&self, vault: WrittenVault) -> Option<VaultSettings> {
        let address = VaultAddress::parse(&vault.address).map_err(|error| with_causes(&error));
        let address = self.checked("vault.address", address);
        let namespace = vault.namespace.map(|text| self.checked("vault.namespace", Namespace::parse(&text)));
        let ca_pem = vault.ca_file.map(|name| self.ca_file("vault.ca_file", &name));
        let pair = vault.client_cert_file.zip(vault.client_key_file);
        let client_certificate = pair.map(|(certificate, key)| self.client_certificate(&certificate, &key));
        let login = self.login(vault.login);
        Some(VaultSettings {
            address: address?,
            namespace: namespace.map_or(Some(None), |namespace| namespace.map(Some))?,
            ca_pem: ca_pem.map_or(Some(None), |pem| pem.map(Some))?,
            client_certificate: client_certificate.map_or(Some(None), |certificate| certificate.map(Some))?,
            login: login?,
        })
    }

    /// A bundle that trusts nobody would show at the first call only.
    pub(super) fn ca_file(&self, at: &str, name: &str) -> Option<Vec<u8>> {
        let pem = self.file(at, name)?;
        let options = HttpOptions { ca_pem: Some(pem.clone()), ..HttpOptions::default() };
        self.checked(at, http::client(&options).map_err(|error| with_causes(&error)))?;
        Some(pem)
    }

    /// A Vault that asks for a certificate would refuse every call, and the log would say no more than that the connection
    /// broke.
    fn client_certificate(&self, certificate: &str, key: &str) -> Option<ClientCertificate> {
        let (certificate_at, key_at) = ("vault.client_cert_file", "vault.client_key_file");
        let certificate_pem = self.file(certificate_at, certificate);
        let key_pem = self.file(key_at, key).map(Zeroizing::new);
        let pair = ClientCertificate::from_pem(&certificate_pem?, &key_pem?);
        pair.map_err(|error| {
            let wrong = match &error {
                ClientCertificateError::Certificate => certificate_at,
                ClientCertificateError::Key | ClientCertificateError::Pair(_) => key_at,
            };
            self.refuse(wrong, with_causes(&error));
        })
        .ok()
    }

    fn login(&self, login: WrittenLogin) -> Option<LoginSettings> {
        let role = |role: &str| self.parsed("vault.login.role", role);
        match login {
            WrittenLogin::Aws { role: name, server_id, mount, sts_region, sts_endpoint } => {
                let mount = self.mount(mount, "aws");
                let server_id = self.parsed("vault.login.server_id", &server_id);
                let sts = self.sts(sts_region, sts_endpoint, StsEndpoint::regional);
                let role = role(&name);
                Some(LoginSettings::Aws(AwsLoginSettings {
                    mount: mount?,
                    role: role?,
                    server_id: server_id?,
                    sts: sts?,
                }))
            }
            WrittenLogin::Jwt {
                role: name,
                mount,
                web_identity_audience,
                sts_region,
                sts_endpoint,
                jwt_file,
            } => {
                let mount = self.mount(mount, "jwt");
                let role = role(&name);
                let jwt = match jwt_file {
                    Some(name) => Some(JwtSource::File(self.secret_file(&name))),
                    None => {
                        let audience =
                            self.parsed("vault.login.web_identity_audience", &web_identity_audience?);
                        let sts = self.sts(sts_region, sts_endpoint, StsEndpoint::of_region);
                        audience.zip(sts).map(|(audience, sts)| JwtSource::WebIdentity { audience, sts })
                    }
                };
                Some(LoginSettings::Jwt(JwtLoginSettings { mount: mount?, role: role?, jwt: jwt? }))
            }
            WrittenLogin::AppRole { role_id, secret_id, secret_id_file, mount } => {
                let mount = self.mount(mount, "approle");
                let role_id = self.secret("vault.login.role_id", &role_id);
                let secret_id = match secret_id_file {
                    Some(name) => Some(SecretId::File(self.secret_file(&name))),
                    None => self.secret("vault.login.secret_id", &secret_id?).map(SecretId::Given),
                };
                Some(LoginSettings::AppRole(AppRoleLoginSettings {
                    mount: mount?,
                    role_id: role_id?,
                    secret_id: secret_id?,
                }))
            }
            WrittenLogin::Token { token } => {
                self.checked("vault.login.token", VaultToken::parse(token.expose())).map(LoginSettings::Token)
            }
        }
    }

    fn mount(&self, given: Option<String>, default: &str) -> Option<MountPath> {
        self.parsed("vault.login.mount", given.as_deref().unwrap_or(default))
    }

    fn secret(&self, at: &str, secret: &Confidential) -> Option<LoginSecret> {
        self.checked(at, LoginSecret::parse(secret.expose()))
    }

    /// Read at each login, and not here: what writes it may start beside the function.
    fn secret_file(&self, name: &str) -> SecretFile {
        SecretFile::new(self.task_root.join(name))
    }

    /// The STS of a region, or one on this machine.
    fn sts(
        &self,
        region: Option<String>,
        endpoint: Option<String>,
        of_region: fn(&Region) -> StsEndpoint,
    ) -> Option<StsEndpoint> {
        let region = self.parsed("vault.login.sts_region", region.as_deref().unwrap_or(DEFAULT_REGION))?;
        match endpoint {
            Some(url) => self.checked("vault.login.sts_endpoint", StsEndpoint::loopback(&url, &region)),
            None => Some(of_region(&region)),
        }
    }
}
