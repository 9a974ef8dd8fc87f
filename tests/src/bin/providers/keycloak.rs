//! A real Keycloak with one realm, `orders`. It has a client for each setting in which clients can differ, and the
//! user Alice.

use std::process::Command;
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use serde_json::{Value, json};
use test_bed::process::free_port;
use test_bed::{Child, Scratch, Server, http, parts};
use tokio::sync::mpsc;
use url::form_urlencoded;

/// A running Keycloak. All its state ends with it.
pub(crate) struct Keycloak {
    _process: Child,
    url: String,
    http: reqwest::Client,
    /// The logout tokens that it sends to the client `logout`.
    logouts: mpsc::UnboundedReceiver<String>,
    backchannel: Server,
}

impl Keycloak {
    /// Starts it and makes the realm. The first start of an installation takes minutes, each other half of one.
    pub(crate) async fn start(scratch: &Scratch) -> Self {
        let port = free_port();
        let mut command = Command::new(parts::keycloak());
        command.args(["start-dev", "--db=dev-mem", "--http-host=127.0.0.1"]);
        command.arg(format!("--http-port={port}")).env("JAVA_OPTS_KC_HEAP", "-Xms128m -Xmx700m");
        command.envs([("KC_BOOTSTRAP_ADMIN_USERNAME", "admin"), ("KC_BOOTSTRAP_ADMIN_PASSWORD", "admin")]);
        let mut process = Child::spawn("Keycloak", command, &scratch.path().join("keycloak.log"));
        let (url, http) = (format!("http://127.0.0.1:{port}"), http::client());
        let answers = async || {
            let answer = http.get(format!("{url}/realms/master")).send().await;
            answer.is_ok_and(|answer| answer.status() == 200)
        };
        let ready = process.ready(Duration::from_secs(400), answers).await;
        ready.unwrap_or_else(|error| panic!("{error}"));

        let (logout, logouts) = mpsc::unbounded_channel();
        let heard = post(async move |form: String| {
            let token = form.strip_prefix("logout_token=").unwrap_or_default().to_owned();
            logout.send(token).expect("somebody listens");
        });
        let backchannel = Server::start(0, Router::new().route("/logout", heard));
        let keycloak = Self { _process: process, url, http, logouts, backchannel };
        let realm = realm(&keycloak.backchannel.url());
        keycloak.administer("POST", "", &realm).await;
        // Realms of this version have no key for Ed25519 unless they are given one.
        let key = json!({
            "name": "ed25519", "providerId": "eddsa-generated", "providerType": "org.keycloak.keys.KeyProvider",
            "config": {"eddsaEllipticCurveKey": ["Ed25519"]},
        });
        keycloak.administer("POST", "/orders/components", &key).await;
        keycloak
    }

    /// `iss` of a realm, whose name is as it stands in a URL.
    pub(crate) fn issuer(&self, realm: &str) -> String {
        format!("{}/realms/{realm}", self.url)
    }

    /// Where a realm has one of its endpoints: `token`, `certs`, `userinfo`, `logout`.
    pub(crate) fn endpoint(&self, realm: &str, name: &str) -> String {
        format!("{}/protocol/openid-connect/{name}", self.issuer(realm))
    }

    /// The access token that a client gets for itself.
    pub(crate) async fn of_client(&self, client: &str) -> String {
        self.of_realm("orders", client).await
    }

    /// The same in another realm.
    pub(crate) async fn of_realm(&self, realm: &str, client: &str) -> String {
        let grant = [("grant_type", "client_credentials")];
        text(&self.tokens(realm, client, &grant, None).await, "access_token")
    }

    /// The tokens that a client gets for Alice: `access_token`, `id_token`, `refresh_token`.
    pub(crate) async fn of_alice(&self, client: &str, scope: &str) -> Value {
        let grant =
            [("grant_type", "password"), ("username", "alice"), ("password", "secret"), ("scope", scope)];
        self.tokens("orders", client, &grant, None).await
    }

    /// A client's tokens by any grant, with a DPoP proof if there is one.
    pub(crate) async fn tokens(
        &self,
        realm: &str,
        client: &str,
        grant: &[(&str, &str)],
        proof: Option<&str>,
    ) -> Value {
        let mut request = self.post(&self.endpoint(realm, "token"), client, grant);
        if let Some(proof) = proof {
            request = request.header("DPoP", proof);
        }
        let answer: Value = request.send().await.expect("Keycloak answers").json().await.expect("JSON");
        assert!(answer["access_token"].is_string(), "{client}: {answer}");
        answer
    }

    /// Logs Alice out of the session that these tokens are of; answers the logout token that the client `logout` hears of it.
    pub(crate) async fn log_out(&mut self, tokens: &Value) -> String {
        let session = text(tokens, "refresh_token");
        let url = self.endpoint("orders", "logout");
        let answer = self.post(&url, "logout", &[("refresh_token", &session)]).send().await;
        assert_eq!(answer.expect("Keycloak answers").status(), 204);
        let heard = tokio::time::timeout(Duration::from_secs(30), self.logouts.recv()).await;
        heard.expect("in time").expect("the server runs")
    }

    /// What `userinfo` says of these tokens' user.
    pub(crate) async fn userinfo(&self, tokens: &Value) -> String {
        let request = self.http.get(self.endpoint("orders", "userinfo"));
        let answer = request.bearer_auth(text(tokens, "access_token")).send().await;
        answer.expect("Keycloak answers").text().await.expect("text")
    }

    /// One call of the admin API below `/admin/realms`.
    pub(crate) async fn administer(&self, method: &str, path: &str, body: &Value) {
        let grant = [("grant_type", "password"), ("username", "admin"), ("password", "admin")];
        let admin = text(&self.tokens("master", "admin-cli", &grant, None).await, "access_token");
        let url = format!("{}/admin/realms{path}", self.url);
        let request = self.http.request(method.parse().expect("a method"), url).bearer_auth(admin).json(body);
        let answer = request.send().await.expect("Keycloak answers");
        assert!(answer.status().is_success(), "{path}: {:?}", answer.text().await);
    }

    fn post(&self, url: &str, client: &str, form: &[(&str, &str)]) -> reqwest::RequestBuilder {
        let client = [("client_id", client), ("client_secret", "secret")];
        let body =
            form_urlencoded::Serializer::new(String::new()).extend_pairs(client).extend_pairs(form).finish();
        self.http.post(url).header("content-type", "application/x-www-form-urlencoded").body(body)
    }
}

/// A member that is text.
pub(crate) fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap_or_else(|| panic!("no {name}: {answer}")).to_owned()
}

/// Clients, by what is particular to each.
fn realm(backchannel: &str) -> Value {
    let attribute = |name: &str, value: &str| json!({"attributes": {name: value}});
    let in_id_tokens = json!({"included.client.audience": "orders-api", "id.token.claim": "true"});
    let roles = json!({"claim.name": "realm_access.roles", "multivalued": "true", "id.token.claim": "true"});
    let groups = json!({"claim.name": "groups", "full.path": "true", "access.token.claim": "true"});
    let clients = [
        client("batch", json!({})),
        client("no-mapper", json!({"protocolMappers": []})),
        client(
            "mapped-id-tokens",
            json!({"protocolMappers": [
                mapper("oidc-audience-mapper", in_id_tokens),
                mapper("oidc-usermodel-realm-role-mapper", roles),
            ]}),
        ),
        client(
            "groups",
            json!({"protocolMappers": [audience(), mapper("oidc-group-membership-mapper", groups)]}),
        ),
        client("no-basic", json!({"defaultClientScopes": ["roles", "acr"]})),
        client("no-full-scope", json!({"fullScopeAllowed": false})),
        client("lightweight", attribute("client.use.lightweight.access.token.enabled", "true")),
        client("at-jwt", attribute("access.token.header.type.rfc9068", "true")),
        client("ed25519", attribute("access.token.signed.response.alg", "EdDSA")),
        client("dpop", attribute("dpop.bound.access.tokens", "true")),
        client("signed-userinfo", attribute("user.info.response.signature.alg", "RS256")),
        client("logout", attribute("backchannel.logout.url", &format!("{backchannel}/logout"))),
    ];
    let roles = ["orders-reader", "default-roles-orders"];
    let account = |client: &Value| {
        let id = text(client, "clientId");
        json!({
            "username": format!("service-account-{id}"), "serviceAccountClientId": id, "enabled": true, "realmRoles": roles,
        })
    };
    let alice = json!({
        "username": "alice", "email": "alice@example.com", "firstName": "Alice", "lastName": "Example", "enabled": true,
        "credentials": [{"type": "password", "value": "secret"}], "realmRoles": roles, "groups": ["/staff/night"],
    });
    let users: Vec<_> = clients.iter().map(account).chain([alice]).collect();
    let api = json!({"clientId": "orders-api", "bearerOnly": true});
    json!({
        "realm": "orders", "enabled": true,
        "roles": {"realm": [{"name": "orders-reader"}]},
        "groups": [{"name": "staff", "subGroups": [{"name": "night"}]}],
        "clients": clients.into_iter().chain([api]).collect::<Vec<_>>(),
        "users": users,
    })
}

/// A client that may ask for tokens for itself and for a user, with these members beside or instead of its own.
pub(crate) fn client(id: &str, members: Value) -> Value {
    let client = json!({
        "clientId": id, "secret": "secret", "serviceAccountsEnabled": true, "directAccessGrantsEnabled": true,
        "protocolMappers": [audience()],
    });
    test_bed::configuration::with(&client, members)
}

/// The *Audience* mapper.
fn audience() -> Value {
    mapper(
        "oidc-audience-mapper",
        json!({"included.client.audience": "orders-api", "access.token.claim": "true"}),
    )
}

fn mapper(kind: &str, config: Value) -> Value {
    json!({"name": kind, "protocol": "openid-connect", "protocolMapper": kind, "config": config})
}
