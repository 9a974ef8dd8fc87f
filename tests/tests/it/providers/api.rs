//! Bound tokens over the wire: an API of each kind in the emulator, and clients that send the `DPoP` header as they
//! do elsewhere. Those of `docs/identity/sender-constrained.md` are among them.

use std::path::Path;
use std::process;

use serde_json::{Value, json};
use test_bed::cases::Shape;
use test_bed::raw_http::Request;
use test_bed::{Apis, Emulator, Grant, Scratch, parts};

use super::{FLOWS, Provider, new_key, proof};

const PAGE: &str = "docs/identity/sender-constrained.md";

struct Bed {
    // Dropped in this order: clients before servers, the folder last.
    apis: Apis,
    emulator: Emulator,
    provider: Provider,
    scratch: Scratch,
}

impl Bed {
    /// Callers use the emulator's URLs, which its events do not tell: the configuration names them, or nothing does.
    async fn new(name: &str, has_public_urls: bool) -> Self {
        let scratch = Scratch::new(name);
        let emulator = Emulator::start(&scratch).await;
        let provider = Provider::start(&scratch).await;
        let apis = Apis::create(&emulator).await;
        let bed = Self { apis, emulator, provider, scratch };
        let mut configuration = bed
            .provider
            .configuration()
            .grant(Grant::without_token("orders", "GET /orders").scope("orders:read"))
            .grant(Grant::without_token("connect", "$connect").scope("orders:read"))
            .set("stages.prod.api_ids", bed.apis.ids());
        if has_public_urls {
            let urls: Value = Shape::ALL.iter().map(|shape| bed.url(*shape)).collect();
            configuration = configuration.set("issuers.corp.binding.public_urls", urls);
        }
        let configuration = configuration.to_string();
        bed.apis.deploy(&parts::binary("release", "bootstrap"), |_| configuration.clone()).await;
        bed
    }

    /// Where callers reach an API.
    fn url(&self, shape: Shape) -> String {
        format!("{}{}", self.emulator.url(), self.apis.base(shape, "prod"))
    }

    /// The status of a call, and what the integration was told of the caller's binding.
    async fn call(&self, shape: Shape, path: &str, authorization: &str, proofs: &[&str]) -> (u16, Value) {
        let target = format!("{}{path}", self.apis.base(shape, "prod"));
        let proofs = proofs.iter().map(|proof| ("DPoP".to_owned(), (*proof).to_owned()));
        let headers = std::iter::once(("Authorization".to_owned(), authorization.to_owned())).chain(proofs);
        let headers = headers.collect();
        let request = Request { method: "GET".to_owned(), target, headers };
        let answer = self.apis.call(shape, &request).await;
        (answer.status, answer.context()["callerBinding"].clone())
    }

    /// The authorizer's last decision on a call of this kind of API.
    async fn last(&self, shape: Shape) -> Value {
        self.apis.decisions(shape).await.pop().unwrap()
    }

    /// An example of the page with this bed's addresses.
    fn example(&self, language: &str, nth: usize) -> String {
        let example = parts::blocks(PAGE, language).swap_remove(nth);
        let here = example.replace("https://login.example.com", &self.provider.issuer);
        let here = here.replace("https://api.example.com/v1", &self.url(Shape::RestRequest));
        assert!(!here.contains("example.com"), "{here}");
        here
    }
}

#[tokio::test]
async fn a_bound_caller_gets_through_an_api_of_each_kind_and_a_thief_through_none() {
    let bed = Bed::new("bound-apis", true).await;
    let other = new_key(&bed.scratch);
    for (shape, path, status) in [
        (Shape::RestRequest, "/status", 200),
        (Shape::HttpV1, "/status", 200),
        (Shape::HttpV2, "/status", 200),
        (Shape::Websocket, "", 101),
    ] {
        let url = bed.url(shape) + path;
        for flow in FLOWS {
            let token = bed.provider.token(flow, "dpop");
            let (dpop, bearer) = (format!("DPoP {token}"), format!("Bearer {token}"));
            let [good, unused] = [&bed.provider.key; 2].map(|key| proof(key, &url, token));
            let forged = proof(&other, &url, token);
            assert_eq!(bed.call(shape, path, &dpop, &[&good]).await, (status, json!("dpop")), "{shape:?}");
            for (authorization, proofs, code) in [
                (&dpop, vec![&*good], "proof_replayed"),
                (&dpop, vec![&*forged], "binding_refused"),
                (&dpop, vec![], "binding_missing"),
                (&bearer, vec![&*unused], "binding_missing"),
                (&dpop, vec![&*unused, &*unused], "binding_refused"),
            ] {
                if shape == Shape::Websocket && proofs.len() == 2 {
                    continue; // The emulator's event keeps one of two headers.
                }
                // Not each is a 401 in the emulator: `authorizer/tests/cases.json` says which are not.
                assert!(bed.call(shape, path, authorization, &proofs).await.0 >= 400, "{shape:?}: {code}");
                assert_eq!(bed.last(shape).await["code"], code, "{shape:?}");
            }
        }
    }
    // A TOKEN authorizer is given the token alone.
    let (shape, token) = (Shape::RestToken, bed.provider.token("users", "dpop"));
    let good = proof(&bed.provider.key, &(bed.url(shape) + "/status"), token);
    assert_eq!(bed.call(shape, "/status", &format!("DPoP {token}"), &[&good]).await.0, 401);
    assert_eq!(bed.last(shape).await["code"], "binding_missing");
}

/// The emulator's REST events do not say where callers reach it, as those behind a proxy do not.
#[tokio::test]
async fn without_public_urls_a_call_whose_url_no_event_tells_is_refused_with_the_remedy() {
    let bed = Bed::new("bound-no-urls", false).await;
    let (shape, token) = (Shape::RestRequest, bed.provider.token("clients", "dpop"));
    let good = proof(&bed.provider.key, &(bed.url(shape) + "/status"), token);
    assert_eq!(bed.call(shape, "/status", &format!("DPoP {token}"), &[&good]).await.0, 401);
    let line = bed.last(shape).await;
    assert_eq!(line["code"], "binding_refused");
    assert!(line["message"].as_str().unwrap().contains("public_urls"), "{line}");
}

/// Each example makes a key, gets a token for it and calls the API, which tells what it was told of the caller.
#[tokio::test]
async fn the_documented_clients_are_let_in() {
    let bed = Bed::new("bound-clients", true).await;
    let folder = bed.scratch.folder("clients");
    std::os::unix::fs::symlink(parts::node().join("node_modules"), folder.join("node_modules")).unwrap();

    let asked = bed.bash(&folder, &bed.example("sh", 0), "");
    let token: Value = serde_json::from_str(&asked).unwrap_or_else(|error| panic!("{error}: {asked}"));
    assert_eq!(token["token_type"], "DPoP");
    let curl = bed.bash(&folder, &bed.example("sh", 1), token["access_token"].as_str().unwrap());

    // It has no types of its own, so it is JavaScript as well.
    let names = "const [clientId, clientSecret] = [\"dpop\", \"secret\"];\n";
    let typescript = format!("{names}{}console.log(await orders.text());\n", bed.example("ts", 0));
    std::fs::write(folder.join("client.mjs"), typescript).unwrap();
    let typescript = printed(process::Command::new("node").arg("client.mjs").current_dir(&folder));

    let names = "client_id, client_secret = \"dpop\", \"secret\"\n";
    let python = format!("{names}{}print(orders.text)\n", bed.example("python", 0));
    let python = printed(process::Command::new(parts::python()).args(["-c", &python]).current_dir(&folder));

    for (client, answer) in [("curl", curl), ("TypeScript", typescript), ("Python", python)] {
        let answer: Value =
            serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{client}: {error}: {answer}"));
        assert_eq!(answer["authorizer"]["callerBinding"], "dpop", "{client}: {answer}");
    }
}

impl Bed {
    /// A shell in which the command is on `PATH`.
    fn bash(&self, folder: &Path, script: &str, token: &str) -> String {
        let command = parts::binary("dev", "vault-authorizer");
        let path = format!("{}:{}", command.parent().unwrap().display(), std::env::var("PATH").unwrap());
        let mut bash = process::Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", script]).current_dir(folder).env("PATH", path);
        printed(bash.envs([("CLIENT_ID", "dpop"), ("CLIENT_SECRET", "secret"), ("TOKEN", token)]))
    }
}

fn printed(command: &mut process::Command) -> String {
    let output = command.env("NO_PROXY", "127.0.0.1").output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}
