//! `vault-authorizer revoke` on a real OpenBao: which tokens die, which live, and what an operator without the
//! necessary power is told.

use serde_json::{Value, json};
use test_bed::process::with_input;
use test_bed::{Command, Configuration, Grant, LocalBed, Minted, Ran, parts};

const READER: &str = "orders-prod-reader";
const WRITER: &str = "orders-prod-writer";
const STAGING: &str = "orders-staging-reader";
/// Of another system, with a name that begins like a grant's role.
const FOREIGN: &str = "orders-prod-reader-two";

struct World {
    bed: LocalBed,
}

impl World {
    async fn new(name: &str) -> Self {
        let more = |role: &str| Grant::new(role, "POST /orders");
        Self { bed: LocalBed::with(name, |all| all.grant(more(WRITER)).grant(more(FOREIGN))).await }
    }

    async fn mint(&self, role: &str) -> Minted {
        self.bed.openbao.mint(&self.bed.token, role).await
    }

    async fn open(&self, minted: &Minted) -> u16 {
        self.bed.openbao.unwrap(&minted.wrapping_token).await.0
    }

    async fn lives(&self, minted: &Minted) -> bool {
        self.bed.openbao.lives(&minted.accessor).await
    }

    fn configuration(&self) -> Configuration {
        Configuration::new(self.bed.openbao.address())
            .issuer("corp", "https://login.example.com/")
            .grant(Grant::new(READER, "GET /orders"))
            .grant(Grant::new(WRITER, "POST /orders"))
            .grant_on("staging", Grant::new(STAGING, "GET /orders"))
    }

    fn file(&self, configuration: &Configuration) -> String {
        self.bed.file("authorizer.yaml", &configuration.to_string())
    }

    fn command(&self, what: &[&str]) -> Command {
        let trusted = ["revoke", "--config", &self.file(&self.configuration()), "--trust-config-address"];
        Command::new(&[&trusted[..], what].concat())
    }

    fn revoke(&self, token: &str, what: &[&str]) -> Ran {
        self.command(what).env("VAULT_TOKEN", token).run()
    }

    fn root(&self) -> &str {
        self.bed.openbao.root_token()
    }
}

#[tokio::test]
async fn a_grants_tokens_die_opened_or_not_and_nobody_elses() {
    let world = World::new("revoke-grant").await;
    let opened = world.mint(READER).await;
    assert_eq!(world.open(&opened).await, 200);
    // Of another generation than the one that the role makes now.
    world.bed.openbao.write(&format!("auth/token/roles/{READER}"), json!({"path_suffix": "v02"})).await;
    let wrapped = world.mint(READER).await;
    let others = [world.mint(WRITER).await, world.mint(STAGING).await, world.mint(FOREIGN).await];

    let ran = world.revoke(world.root(), &["--grant", READER, "--yes"]);
    let address = world.bed.openbao.address();
    let expected = format!(
        "at `{address}`, token from VAULT_TOKEN:\n  \
         revoke every token of grant `{READER}` on stage `prod`, opened or not, with its leases (auth/token/create/{READER})\n\
         revoked every token of grant `{READER}`, opened or not, with its leases\n\
         what this does not do\n  \
         New tokens are minted as before. To stop them: docs/operations.md, \"Emergency stop\".\n  \
         Secrets that were read stay known: change any password that was not leased.\n"
    );
    let printed = ran.printed(0);
    assert_eq!(printed, expected);
    let reference = parts::text("docs/cli.md");
    let shown = printed.replace(address, "https://vault.example.com:8200");
    let shown = format!(
        "```\n$ vault-authorizer revoke --config authorizer.yaml --grant {READER} --yes\n{shown}```\n"
    );
    assert!(reference.contains(&shown), "docs/cli.md should show:\n{shown}");

    assert!(!world.lives(&opened).await && !world.lives(&wrapped).await);
    assert_eq!(world.open(&wrapped).await, 400, "what was not opened does not open any more");
    for other in &others {
        assert!(world.lives(other).await);
        assert_eq!(world.open(other).await, 200);
    }
    let new = world.mint(READER).await;
    assert!(world.lives(&new).await, "new tokens are minted as before");
}

#[tokio::test]
async fn a_stages_tokens_die_and_another_stages_live() {
    let world = World::new("revoke-stage").await;
    let prod = [world.mint(READER).await, world.mint(WRITER).await];
    let staging = world.mint(STAGING).await;
    world.revoke(world.root(), &["--stage", "prod", "--yes"]).printed(0);
    for minted in &prod {
        assert!(!world.lives(minted).await);
    }
    assert!(world.lives(&staging).await);
}

/// The configuration may be what is broken, and of a grant that it no longer has, the tokens still live.
#[tokio::test]
async fn a_token_roles_tokens_die_without_a_configuration() {
    let world = World::new("revoke-role").await;
    let opened = world.mint(READER).await;
    assert_eq!(world.open(&opened).await, 200);
    let (wrapped, foreign) = (world.mint(READER).await, world.mint(FOREIGN).await);
    let role = |name: &str, namespace: &str| {
        let command = Command::new(&["revoke", "--role", name, "--yes"]);
        let command =
            command.env("VAULT_ADDR", world.bed.openbao.address()).env("VAULT_NAMESPACE", namespace);
        command.env("VAULT_TOKEN", world.root()).run()
    };
    role(READER, "").printed(0);
    assert!(!world.lives(&opened).await && !world.lives(&wrapped).await && world.lives(&foreign).await);
    assert_eq!(world.open(&wrapped).await, 400);

    world.bed.openbao.write("sys/namespaces/team1", json!({})).await;
    role(FOREIGN, "team1").told(1, &["this Vault has no such token role"]);
    assert!(world.lives(&foreign).await);
}

#[tokio::test]
async fn one_token_dies_by_its_accessor_and_its_wrapping_opens_to_nothing() {
    let world = World::new("revoke-accessor").await;
    let (one, other) = (world.mint(READER).await, world.mint(READER).await);
    let root = world.root();
    let revoke = || world.revoke(root, &["--accessor", &one.accessor, "--yes"]);
    revoke().told(0, &["still opens, but the token inside is revoked"]);
    assert!(!world.lives(&one).await && world.lives(&other).await);
    assert_eq!(world.open(&one).await, 200);

    revoke().told(1, &["not found the token with accessor"]);
}

#[tokio::test]
async fn an_operator_needs_exactly_the_power_that_the_command_names() {
    let world = World::new("revoke-power").await;
    let minted = world.mint(READER).await;
    let (prefix, accessor) =
        (format!("sys/leases/revoke-prefix/auth/token/create/{READER}"), "auth/token/revoke-accessor");

    let update = format!("path \"{prefix}\" {{ capabilities = [\"update\"] }}");
    let token = world.bed.openbao.token_with(&update).await;
    let needs = format!("its policies need `update` and `sudo` on `{prefix}`");
    let told = ["not revoked every token of grant", needs.as_str()];
    world.revoke(&token, &["--grant", READER, "--yes"]).told(1, &told);
    let needs = format!("its policies need `update` on `{accessor}`");
    world.revoke(&token, &["--accessor", &minted.accessor, "--yes"]).told(1, &[&needs]);
    assert!(world.lives(&minted).await);

    // Of a stage, what may be revoked is.
    let writer = world.mint(WRITER).await;
    let enough = format!("path \"{prefix}\" {{ capabilities = [\"update\", \"sudo\"] }}");
    let token = world.bed.openbao.token_with(&enough).await;
    world.revoke(&token, &["--stage", "prod", "--yes"]).told(1, &[]);
    assert!(!world.lives(&minted).await && world.lives(&writer).await);
    let again = world.mint(READER).await;
    let printed = world.revoke(&token, &["--grant", READER, "--yes"]).printed(0);
    assert!(!world.lives(&again).await && !printed.contains(&token));
}

#[tokio::test]
async fn a_namespace_without_the_role_has_nothing_to_revoke() {
    let world = World::new("revoke-where").await;
    let (root, address) = (world.root(), world.bed.openbao.address());
    // Vault would not say so.
    world.bed.openbao.write("sys/namespaces/team1", json!({})).await;
    let minted = world.mint(READER).await;
    let at = format!("at `{address}`, namespace `team1`, token from VAULT_TOKEN:\n");
    let printed = world
        .command(&["--grant", READER, "--yes"])
        .env("VAULT_TOKEN", root)
        .env("VAULT_NAMESPACE", "team1")
        .run()
        .told(1, &["this Vault has no such token role"]);
    assert!(printed.starts_with(&at), "{printed}");
    assert!(world.lives(&minted).await);
}

#[tokio::test]
async fn the_configurations_namespace_is_the_one_that_is_meant() {
    let world = World::new("revoke-namespace").await;
    world.bed.openbao.write("sys/namespaces/team1", json!({})).await;
    let in_team = [("X-Vault-Namespace", "team1")];
    let root = Some(world.root());
    let role =
        json!({"allowed_policies": ["p"], "orphan": true, "token_type": "service", "path_suffix": "v01"});
    let path = format!("auth/token/roles/{READER}");
    assert_eq!(world.bed.openbao.api_with("POST", &path, root, &in_team, role).await.0, 204);
    let create = format!("auth/token/create/{READER}");
    let (_, theirs) = world.bed.openbao.api_with("POST", &create, root, &in_team, json!({"ttl": "5m"})).await;
    let token = theirs["auth"]["client_token"].as_str().unwrap();
    let same_name = world.mint(READER).await;

    let config = world.file(&world.configuration().set("vault.namespace", "team1"));
    let command = ["revoke", "--config", &config, "--trust-config-address", "--grant", READER, "--yes"];
    Command::new(&command).env("VAULT_TOKEN", world.root()).run().printed(0);
    let (status, _) =
        world.bed.openbao.api_with("GET", "auth/token/lookup-self", Some(token), &in_team, Value::Null).await;
    assert_eq!(status, 403);
    assert!(world.lives(&same_name).await);
}

/// On a terminal, which is Python's.
#[tokio::test]
async fn a_person_is_asked_and_only_yes_is_a_yes() {
    let world = World::new("revoke-asked").await;
    let minted = world.mint(READER).await;
    for (answer, code) in [("no", 2), ("", 2), ("y", 2), ("yes", 0)] {
        assert!(world.lives(&minted).await);
        let printed = world.at_a_terminal(&["--grant", READER], answer);
        assert!(printed.contains("type `yes` to revoke: "), "{printed}");
        assert_eq!(printed.contains("not confirmed: nothing was revoked"), code != 0, "{printed}");
        assert!(printed.ends_with(&format!("exit {code}\n")), "{printed}");
    }
    assert!(!world.lives(&minted).await);
}

impl World {
    fn at_a_terminal(&self, what: &[&str], answer: &str) -> String {
        let mut python = std::process::Command::new(parts::python());
        python.arg(parts::client("terminal.py")).arg(parts::binary("dev", "vault-authorizer"));
        let config = self.file(&self.configuration());
        python.args(["revoke", "--config", &config, "--trust-config-address"]).args(what);
        python.env_clear().env("VAULT_TOKEN", self.root()).env("NO_COLOR", "1");
        let output = with_input(&mut python, format!("{answer}\n").as_bytes());
        String::from_utf8(output.stdout).unwrap().replace("\r\n", "\n")
    }
}
