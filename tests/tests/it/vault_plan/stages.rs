//! Several configurations on one Vault.

use std::os::unix::fs::symlink;

use serde_json::json;

use super::*;

/// The lines of `infra/terraform/README.md` that follow the module's deployment, as they stand there.
fn terraforms_lines() -> String {
    let readme = parts::text("infra/terraform/README.md");
    let (_, block) = readme.split_once("**Then Vault,**").expect("the part on Vault");
    let (_, block) = block.split_once("```sh\n").expect("its commands");
    block.split_once("```").expect("their end").0.to_owned()
}

/// Several stages, and functions in two regions with one role, on one Vault: whoever follows the module's README takes nothing
/// away from whoever did so before.
#[tokio::test]
async fn several_stages_and_regions_share_a_vault_by_terraforms_readme() {
    let (scratch, openbao) = started("plan-shared").await;
    let stored = Stored::default();
    let server = with_aws_auth(&openbao, &stored);
    let programs = scratch.folder("bin");
    symlink(parts::binary("dev", "vault-authorizer"), programs.join("vault-authorizer")).unwrap();
    parts::script(&programs, "terraform", "#!/bin/sh\n[ \"$1 $2\" = 'output -raw' ] && cat \"$3\"\n");
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let arn = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
    let follow = |stage: &str, region: &str, lines: &str| -> Ran {
        let root = scratch.folder(&format!("{stage}-{region}"));
        let login = json!({"method": "aws", "role": format!("orders-{stage}"), "server_id": "vault.example.com",
            "sts_region": region});
        let document = one_grant(&server.url()).login(login).to_string().replace("prod", stage);
        for (output, value) in [
            ("configuration", document),
            ("vault_login_role", format!("orders-{stage}")),
            ("role_arn", arn(&format!("orders-{stage}-{region}"))),
        ] {
            std::fs::write(root.join(output), value).unwrap();
        }
        let mut shell = Process::new("sh");
        shell.args(["-euc", lines]).current_dir(root).env_clear().env("PATH", &path);
        shell.env("VAULT_ADDR", server.url()).env("VAULT_TOKEN", openbao.root_token());
        shell.output().unwrap().into()
    };
    let lines = terraforms_lines();
    for stage in ["prod", "staging", "prod"] {
        follow(stage, "eu-west-1", &lines).printed(0);
    }
    for (stage, other) in [("prod", "staging"), ("staging", "prod")] {
        let role = stored.lock().unwrap()[&format!("/v1/auth/aws/role/orders-{stage}")].clone();
        assert_eq!(role["token_policies"], json!([format!("orders-{stage}")]));
        let token = json!({"policies": role["token_policies"], "no_default_policy": true, "no_parent": true});
        let token = openbao.token(token).await;
        let mut minted = Vec::new();
        for role in [stage, other] {
            let role = format!("orders-{role}-reader");
            minted.push(mint(&openbao, &token, &role, Some("30s"), json!({"ttl": "60s"})).await);
        }
        assert_eq!(minted, [200, 403], "{stage} mints for itself alone");
    }

    // The same stage in another region, with the same role at Vault: the first one's function must go on logging in.
    let bound = || stored.lock().unwrap()["/v1/auth/aws/role/orders-prod"]["bound_iam_principal_arn"].clone();
    let second = follow("prod", "us-east-1", &lines);
    let in_use = "in use: login role `orders-prod` of `auth/aws`: a function that you did not name";
    assert!(second.stdout.contains(in_use), "{}", second.stdout);
    assert_eq!(second.complained(1), "error: nothing was changed: 1 in conflict, see above\n");
    assert_eq!(bound(), json!([arn("orders-prod-eu-west-1")]));
    let both = format!("{} --aws-principal {}\n", lines.trim_end(), arn("orders-prod-eu-west-1"));
    follow("prod", "us-east-1", &both).printed(0);
    assert_eq!(bound(), json!([arn("orders-prod-eu-west-1"), arn("orders-prod-us-east-1")]));

    // Whoever leaves `--policy` out on a Vault that has a configuration with that policy takes nothing away either.
    let bare = lines.replace("--policy \"$(terraform output -raw vault_login_role)\"", "");
    assert_ne!(bare, lines, "the README gives each stage a policy of its own");
    let bare = format!("{} --aws-principal {}", bare.trim_end(), arn("orders-prod-us-east-1"));
    let taken = follow("prod", "eu-west-1", &bare);
    let anothers = "another's: login role `orders-prod` of `auth/aws`: another configuration's authorizer logs in with it";
    assert!(taken.stdout.contains(anothers), "{}", taken.stdout);
    taken.complained(1);
}
