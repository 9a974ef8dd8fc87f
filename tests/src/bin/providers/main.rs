//! Tries `docs/identity/keycloak.md` on a real Keycloak: runs the page's configurations in the release binary, with
//! the tokens that the page describes. `cargo xtask providers` builds and runs it.
//!
//! Prints a line for each token. The exit code is 1 if the authorizer judged a token differently from the page.
#![allow(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "not shipped: it runs the test bed, and a broken one should stop at once"
)]

mod keycloak;

use std::process::{self, ExitCode};

use serde_json::{Value, json};
use test_bed::{Command, Function, LocalBed, parts, request_event};

use crate::keycloak::{Keycloak, client, text};

const PAGE: &str = "docs/identity/keycloak.md";

/// Where the page's realm is.
const REALM: &str = "https://sso.example.com/realms/orders";

/// Where callers reach the API.
const ORDERS: &str = "https://api.example.com/prod/orders";

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let bed = LocalBed::new("providers").await;
    println!("providers: starting Keycloak; minutes the first time, half a minute after that");
    let mut keycloak = Keycloak::start(&bed.scratch).await;
    let mut run = Run { bed: &bed, checks: 0, wrong: 0 };
    let page = parts::blocks(PAGE, "yaml");
    let [example, behind] = page.as_slice() else { panic!("{PAGE} has two configurations") };
    let here = Example(example.clone()).with(REALM, &keycloak.issuer("orders"));

    run.kinds_of_tokens(&here, &mut keycloak).await;
    run.what_a_token_lacks(&here, &keycloak).await;
    run.bounds(&here, &keycloak).await;
    run.bound_to_a_key(&here, &keycloak).await;
    run.issuers(&here, &Example(behind.clone()), &keycloak).await;

    println!("providers: {} of {} checks as {PAGE} says", run.checks - run.wrong, run.checks);
    if run.wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// A configuration of the page.
#[derive(Clone)]
struct Example(String);

impl Example {
    /// With something else in the place of what stands there, and only if that stands there.
    fn with(&self, there: &str, instead: &str) -> Self {
        assert!(self.0.contains(there), "{PAGE}: `{there}` is not in\n{}", self.0);
        Self(self.0.replace(there, instead))
    }
}

struct Run<'b> {
    bed: &'b LocalBed,
    checks: u32,
    wrong: u32,
}

impl Run<'_> {
    /// The table "Which tokens are accepted".
    async fn kinds_of_tokens(&mut self, here: &Example, keycloak: &mut Keycloak) {
        let documented = text(&documented_request(keycloak), "access_token");
        self.token("access token of a client", here, &documented, "allowed").await;
        let alice = keycloak.of_alice("batch", "openid").await;
        self.token("access token of a user", here, &text(&alice, "access_token"), "allowed").await;
        self.token("ID token", here, &text(&alice, "id_token"), "audience_mismatch").await;
        self.token("refresh token", here, &text(&alice, "refresh_token"), "algorithm_refused").await;
        let offline = keycloak.of_alice("batch", "openid offline_access").await;
        self.token("offline token", here, &text(&offline, "refresh_token"), "algorithm_refused").await;
        let userinfo = keycloak.of_alice("signed-userinfo", "openid").await;
        let userinfo = keycloak.userinfo(&userinfo).await;
        self.token("signed userinfo", here, &userinfo, "claim_missing").await;
        let session = keycloak.of_alice("logout", "openid").await;
        let logout = keycloak.log_out(&session).await;
        self.token("logout token", here, &logout, "type_refused").await;
        self.token("access token after logout", here, &text(&session, "access_token"), "allowed").await;

        let unbound = here.with("            typ: Bearer ", "            #");
        let mapped = text(&keycloak.of_alice("mapped-id-tokens", "openid").await, "id_token");
        self.token("ID token with the API's audience and roles", here, &mapped, "no_grant").await;
        self.token("the same without a bound on `typ`", &unbound, &mapped, "allowed").await;
        let azp = "audience_claim: azp\n    audiences: [mapped-id-tokens]";
        let azp = |example: &Example| example.with("audiences: [orders-api]", azp);
        self.token("ID token with `audience_claim: azp`", &azp(here), &mapped, "no_grant").await;
        self.token("the same without a bound on `typ`", &azp(&unbound), &mapped, "allowed").await;

        let at_jwt = here.with("algorithms:", "types: [at+jwt]\n    algorithms:");
        self.token("access token where types: [at+jwt]", &at_jwt, &documented, "type_refused").await;
        self.token("at+jwt access token", &at_jwt, &keycloak.of_client("at-jwt").await, "allowed").await;
    }

    /// "The audience", and "Tokens without `sub`, `aud` or roles".
    async fn what_a_token_lacks(&mut self, here: &Example, keycloak: &Keycloak) {
        for (client, code) in [
            ("no-mapper", "audience_mismatch"),
            ("no-basic", "claim_missing"),
            ("lightweight", "claim_missing"),
            ("no-full-scope", "no_grant"),
        ] {
            let token = text(&keycloak.of_alice(client, "openid").await, "access_token");
            self.token(&format!("access token, client `{client}`"), here, &token, code).await;
        }
    }

    /// "Roles and groups", `acr`, and the algorithm.
    async fn bounds(&mut self, here: &Example, keycloak: &Keycloak) {
        let token = text(&keycloak.of_alice("groups", "openid").await, "access_token");
        for (bound, code) in [
            ("groups: [/staff/night]", "allowed"),
            ("groups: [night]", "no_grant"),
            ("acr: \"1\"", "allowed"),
            ("acr: 1", "no_grant"),
            ("realm_access.roles: [orders-reader]", "no_grant"),
            ("/resource_access/account/roles: [view-profile]", "allowed"),
        ] {
            let example = here.with("/realm_access/roles: [orders-reader]", bound);
            self.token(&format!("access token where {bound}"), &example, &token, code).await;
        }
        let ed25519 = here.with("algorithms: [RS256]", "algorithms: [EdDSA]");
        self.token("access token, Ed25519", &ed25519, &keycloak.of_client("ed25519").await, "allowed").await;
    }

    /// The client has *Require DPoP bound tokens*.
    async fn bound_to_a_key(&mut self, here: &Example, keycloak: &Keycloak) {
        let [own, other] = ["own.pem", "other.pem"].map(|name| self.new_key(name));
        let endpoint = keycloak.endpoint("orders", "token");
        let grant = [("grant_type", "client_credentials")];
        let proof = sign(&["--key", &own, "--method", "POST", "--url", &endpoint], "");
        let answer = keycloak.tokens("orders", "dpop", &grant, Some(&proof)).await;
        assert_eq!(answer["token_type"], "DPoP");
        let token = text(&answer, "access_token");
        let made =
            |key: &str| sign(&["--key", key, "--method", "GET", "--url", ORDERS, "--token", "-"], &token);
        let event = |scheme: &str, proof: Option<String>| {
            let mut event = request_event("/orders", &format!("{scheme} {token}"));
            event["requestContext"]["domainName"] = json!("api.example.com");
            event["requestContext"]["path"] = json!("/prod/orders");
            event["headers"]["DPoP"] = proof.into();
            event
        };
        let accepted = here.with("typ: Bearer", "typ: [Bearer, DPoP]");
        let only = here.with("typ: Bearer", "typ: DPoP");
        let required = only.with("algorithms:", "binding: {require: dpop}\n    algorithms:");
        let unbound = keycloak.of_client("batch").await;
        self.token("unbound token where typ: DPoP", &only, &unbound, "no_grant").await;
        self.token("unbound token where require: dpop", &required, &unbound, "binding_missing").await;
        for (what, example, event, code) in [
            ("DPoP token and its proof", &accepted, event("DPoP", Some(made(&own))), "allowed"),
            ("the same where require: dpop", &required, event("DPoP", Some(made(&own))), "allowed"),
            ("the same where typ: Bearer", here, event("DPoP", Some(made(&own))), "no_grant"),
            ("DPoP token as Bearer", &accepted, event("Bearer", Some(made(&own))), "binding_missing"),
            ("DPoP token without a proof", &accepted, event("DPoP", None), "binding_missing"),
            ("DPoP token, another key", &accepted, event("DPoP", Some(made(&other))), "binding_refused"),
        ] {
            self.event(what, example, &event, code).await;
        }
    }

    /// "`issuer` and the keys".
    async fn issuers(&mut self, here: &Example, behind: &Example, keycloak: &Keycloak) {
        let other = json!({"realm": "my realm", "enabled": true, "clients": [client("batch", json!({}))]});
        keycloak.administer("POST", "", &other).await;
        let token = keycloak.of_realm("my%20realm", "batch").await;
        let example = here.with(&keycloak.issuer("orders"), &keycloak.issuer("my%20realm"));
        let example = example
            .with("/realm_access/roles: [orders-reader]", "azp: batch")
            .with("[orders-api]", "[account]");
        self.token("access token of the realm `my realm`", &example, &token, "allowed").await;

        // The page's second configuration has the issuer that the world sees; the keys alone are fetched here.
        let frontend = json!({"attributes": {"frontendUrl": "https://sso.example.com"}});
        keycloak.administer("PUT", "/orders", &frontend).await;
        let token = keycloak.of_client("batch").await;
        self.token("access token with a frontend URL", here, &token, "issuer_unknown").await;
        let inside = "https://keycloak.internal.example.com/realms/orders/protocol/openid-connect/certs";
        let behind = behind.with(inside, &keycloak.endpoint("orders", "certs"));
        self.token("the same, the keys fetched inside", &behind, &token, "allowed").await;
    }

    /// What becomes of a `GET /orders` with this token.
    async fn token(&mut self, what: &str, example: &Example, token: &str, expected: &str) {
        self.event(what, example, &request_event("/orders", &format!("Bearer {token}")), expected).await;
    }

    async fn event(&mut self, what: &str, Example(example): &Example, event: &Value, expected: &str) {
        let function = Function::authorizer(&self.bed.documented(example), &[], &self.bed.scratch);
        function.invoke(event).await;
        let line = function.decisions().pop().unwrap_or_else(|| panic!("{what}: {}", function.log()));
        let code = line["Code"].as_str().unwrap_or_default();
        self.checks += 1;
        if code == expected {
            println!("    {what}: {code}");
        } else {
            self.wrong += 1;
            println!("    WRONG: {what}: {code}, not {expected}: {}", line["message"]);
        }
    }

    fn new_key(&self, name: &str) -> String {
        let path = self.bed.scratch.path().join(name).display().to_string();
        let new = ["genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", &path];
        assert!(process::Command::new("openssl").args(new).status().is_ok_and(|status| status.success()));
        path
    }
}

/// `vault-authorizer sign dpop`.
fn sign(arguments: &[&str], token: &str) -> String {
    let ran = Command::new(&[&["sign", "dpop"], arguments].concat()).stdin(token).run();
    ran.told(0, &[]).trim_end().to_owned()
}

/// What the page's own command gets, "Get a token for testing".
fn documented_request(keycloak: &Keycloak) -> Value {
    let command = parts::blocks(PAGE, "sh").remove(0).replace(REALM, &keycloak.issuer("orders"));
    let mut bash = process::Command::new("bash");
    bash.env("NO_PROXY", "127.0.0.1");
    let output =
        bash.args(["-c", &command]).envs([("client_id", "batch"), ("client_secret", "secret")]).output();
    serde_json::from_slice(&output.expect("bash runs").stdout).expect("Keycloak answers with JSON")
}
