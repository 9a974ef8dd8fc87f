//! The parts of a run: the cluster, the load balancer in front of it, and the functions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{FUNCTIONS, Scenario, TOKEN_TTL, Tokens};
use crate::http::port;
use crate::load_balancer::Upstream;
use crate::{
    AUTHORIZER_POLICY, AwsAuth, AwsAuthConfig, Cluster, Configuration, Emulator, Function, Grant, Issuer,
    LoadBalancer, OpenBao, SERVER_ID, Scratch, parts, vault_setup,
};

const ROLE: &str = "orders-prod-reader";

/// All of it. The functions' callers are in [`Load`](super::load::Load).
pub(super) struct Bed {
    pub(super) cluster: Cluster,
    pub(super) load_balancer: LoadBalancer,
    pub(super) issuer: Arc<Issuer>,
    pub(super) functions: Vec<Arc<Function>>,
    /// One for each of these, or none.
    pub(super) integrations: Vec<Arc<Function>>,
    _stand_ins: Vec<AwsAuth>,
    _emulator: Emulator,
}

impl Bed {
    /// Starts everything that the scenario needs.
    pub(super) async fn start(scenario: &Scenario, tokens: Tokens, scratch: &Scratch) -> Self {
        let cluster = Cluster::start(scratch).await;
        let active = cluster.node(cluster.leader().await);
        vault_setup::quickstart(active).await;
        // The more particular of two quotas counts, and a scenario has one for all mints.
        active.delete(&format!("sys/quotas/rate-limit/vault-authorizer-{ROLE}")).await;

        let emulator = Emulator::start(scratch).await;
        let identity = emulator.aws().iam_user("authorizer").await;
        let mut aws = AwsAuthConfig::quickstart(&identity.arn, SERVER_ID);
        aws.token_ttl_seconds = scenario.login_ttl.as_secs();
        let stand_in = |node: &OpenBao| AwsAuth::start(node, &emulator.sts_url(), aws.clone());
        let stand_ins: Vec<AwsAuth> = cluster.nodes().iter().map(stand_in).collect();
        let upstream = |(node, stand_in): (&OpenBao, &AwsAuth)| Upstream {
            node: port(node.address()),
            login: port(&stand_in.address()),
        };
        let upstreams: Vec<Upstream> = cluster.nodes().iter().zip(&stand_ins).map(upstream).collect();
        let load_balancer = LoadBalancer::start(&upstreams);

        let issuer = Issuer::start();
        let configuration =
            configuration(&load_balancer.address(), &emulator.sts_url(), &issuer.url(), tokens);
        let keys = &identity.credentials;
        let keys = [
            ("AWS_ACCESS_KEY_ID", keys.access_key_id()),
            ("AWS_SECRET_ACCESS_KEY", keys.secret_access_key()),
        ];
        let function = |_| Arc::new(Function::authorizer(&configuration, &keys, scratch));
        let functions = (0..FUNCTIONS).map(function).collect();
        let integrations =
            if scenario.integration { integrations(&load_balancer.address(), scratch) } else { Vec::new() };
        let issuer = Arc::new(issuer);
        Self {
            cluster,
            load_balancer,
            issuer,
            functions,
            integrations,
            _stand_ins: stand_ins,
            _emulator: emulator,
        }
    }

    /// Revokes every token of the authorizer's own.
    pub(super) async fn revoke_logins(&self) {
        let bao = self.cluster.node(self.cluster.leader().await);
        for token in bao.tokens().await.iter().filter(|token| token["policies"] == json!([AUTHORIZER_POLICY]))
        {
            bao.write("auth/token/revoke-accessor", json!({"accessor": token["accessor"]})).await;
        }
    }

    /// How many callers' tokens Vault still holds when their TTL and `removal` have passed since the last was minted.
    pub(super) async fn tokens_left(&self, removal: Duration) -> usize {
        tokio::time::sleep(TOKEN_TTL).await;
        let end = Instant::now() + removal;
        loop {
            let left = self.callers_tokens().await;
            if left == 0 || Instant::now() >= end {
                return left;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// How many tokens Vault holds that were minted for callers, wrapped or not, and the tokens that wrap them: both have
    /// the mint's path.
    async fn callers_tokens(&self) -> usize {
        let bao = self.cluster.node(self.cluster.leader().await);
        let path = format!("auth/token/create/{ROLE}");
        bao.tokens().await.iter().filter(|token| token["path"] == path.as_str()).count()
    }

    /// How many functions have ended.
    pub(super) async fn ended_functions(&self) -> usize {
        let mut ended = 0;
        for function in self.functions.iter().chain(&self.integrations) {
            if tokio::time::timeout(Duration::from_millis(50), function.exited()).await.is_ok() {
                ended += 1;
            }
        }
        ended
    }

    /// Whether every function has handed out tokens that were minted ahead.
    pub(super) fn minted_ahead(&self) -> bool {
        let is_ahead = |line: &serde_json::Value| line["minted_ahead"] == true;
        self.functions.iter().all(|function| function.decisions().iter().any(is_ahead))
    }

    /// How often a function has said that it panicked, whether it lived on or not.
    pub(super) fn panics(&self) -> usize {
        let functions = self.functions.iter().chain(&self.integrations);
        functions.map(|function| function.log().matches("panicked at").count()).sum()
    }
}

/// The sample integration, as often as there are functions.
fn integrations(vault: &str, scratch: &Scratch) -> Vec<Arc<Function>> {
    let binary = parts::binary("release", "orders");
    let stage = json!({"creation_path": format!("auth/token/create/{ROLE}"), "secret_path": "secret/data/prod/orders"});
    let stages = json!({ "prod": stage }).to_string();
    let environment = [("VAULT_ADDR", vault), ("ORDERS_STAGES", stages.as_str())];
    (0..FUNCTIONS).map(|_| Arc::new(Function::start(&binary, &environment, scratch))).collect()
}

fn configuration(vault: &str, sts: &str, issuer: &str, tokens: Tokens) -> String {
    let ttl = format!("{}s", TOKEN_TTL.as_secs());
    let login =
        json!({"method": "aws", "role": "api-authorizer", "server_id": SERVER_ID, "sts_endpoint": sts});
    let grant = Grant::reader().set("token.ttl", ttl.as_str()).set("token.wrap_ttl", ttl);
    let grant = grant.set("mint_ahead", tokens == Tokens::Ahead);
    let configuration = Configuration::new(vault).login(login).issuer("corp", issuer).grant(grant);
    configuration.set("limits.caller_mints_per_second", 1000).to_string()
}
