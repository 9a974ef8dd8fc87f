//! Everything that Vault must hold, as a shell script for people who review first and run it themselves.
//!
//! Receives [`Desired`]; produces commands of Vault's own command line, with policies in HCL and the rest in the JSON
//! of the API. It asks no server. The script itself looks at what is there, and stops if others rely on it.

use std::{collections::BTreeSet, fmt::Write};

use serde_json::Value;

use super::{
    desired::{Desired, SELF_POLICY},
    login::{CLAIMS, NAMES, lets_in},
    object::{Object, texts},
    place::Place,
};

/// The script. Whoever runs it may do everything, so no text of the configuration is read by the shell: the address and the
/// namespace are quoted, names have no letters that it reads, and the rest stands in here-documents that it does not look
/// into, where no line is their end.
pub(crate) fn of(
    desired: &Desired,
    address: &str,
    namespace: Option<&str>,
    quota_namespace: Option<&str>,
) -> String {
    let own = &desired.authorizer_policy;
    let made: BTreeSet<Place> = desired
        .objects
        .iter()
        .map(|object| &object.place)
        .filter(|place| place.is_listed())
        .cloned()
        .collect();
    let mut text = head(address, namespace);
    let quotas = format!("VAULT_NAMESPACE={} ", quoted(quota_namespace.unwrap_or_default()));
    for (name, policy) in [(SELF_POLICY, &desired.self_policy), (&own.name, &own.text(&made))] {
        // Writing to a String cannot fail.
        let _infallible = write!(text, "\n\"$cli\" policy write {name} - <<'EOF'\n{policy}EOF\n");
    }
    if let Some((mount, method)) = desired.login_mount() {
        let _infallible = write!(text, "\n# Must be enabled: \"$cli\" auth enable -path={mount} {method}\n");
    }
    for object in &desired.objects {
        text += &guard(object);
        let json = serde_json::to_string_pretty(&body(object)).unwrap_or_default();
        let apart = if object.place.is_quota() { quotas.as_str() } else { "" };
        let path = object.place.path();
        let _infallible = write!(text, "\n{apart}\"$cli\" write {path} - <<'EOF'\n{json}\nEOF\n");
    }
    for place in desired.quotas_left_alone.iter().flatten() {
        let _infallible = write!(text, "\n# Left alone, as you asked: {place}\n");
    }
    if let Some(login) = &desired.login_left_alone {
        let _infallible = write!(
            text,
            "\n# Left alone, because you did not say who may log in ({} does): {login}\n",
            login.option
        );
    }
    for (name, grants) in &desired.named_policies {
        let grants = grants.join(", ");
        let _infallible = write!(text, "\n# Yours to write: policy {name}, which is given by: {grants}\n");
    }
    text
}

/// What the script sends. No claims are none of its own: sent, they would take away those that others set.
fn body(object: &Object) -> Value {
    let mut body = object.body(None);
    if let Some(fields) = body.as_object_mut() {
        fields.retain(|name, value| {
            name != CLAIMS || value.as_object().is_some_and(|claims| !claims.is_empty())
        });
    }
    body
}

/// What others rely on, and the script would change.
fn guard(object: &Object) -> String {
    match &object.place {
        Place::AwsClient { mount } => server_id_guard(mount, object),
        Place::LoginRole { .. } => login_guard(object),
        Place::Policy(_) | Place::TokenRole(_) | Place::Quota(_) => String::new(),
    }
}

/// A server id holds for a whole mount: with another one, whoever logs in there no longer could.
fn server_id_guard(mount: &str, object: &Object) -> String {
    let path = object.place.path();
    let body = object.body(None);
    let server_id = body.get("iam_server_id_header_value").and_then(Value::as_str).unwrap_or_default();
    let server_id = quoted(server_id);
    format!(
        "\ncurrent=$(field iam_server_id_header_value {path})\n\
         if [ -n \"$current\" ] && [ \"$current\" != {server_id} ]; then\n    \
         echo \"auth/{mount} has the server id $current, which other logins may use: use that one\" >&2\n    exit 1\nfi\n"
    )
}

/// Whoever may log in and is not named could not any more. No ARN and no subject of AWS's has a space.
fn login_guard(object: &Object) -> String {
    let path = object.place.path();
    let body = object.body(None);
    let named = quoted(&format!(" {} ", lets_in(&body).into_iter().collect::<Vec<_>>().join(" ")));
    let fields = NAMES.into_iter().filter(|field| body.get(*field).is_some());
    let guard = |field| {
        format!(
            "\ncurrent=$(field {field} {path})\nfor name in $(echo \"$current\" | tr -d '[]'); do\n    \
             case {named} in *\" $name \"*) ;; *)\n        \
             echo \"$name may log in with {path} as well: name it too when you make this script, or delete that role\" >&2\n        \
             exit 1 ;;\n    esac\ndone\n"
        )
    };
    let own = texts(&body, "token_policies").next().map(|policy| policies_guard(&path, policy));
    let claims = body.get(CLAIMS).map(|claims| claims_guard(&path, claims));
    fields.map(guard).chain(own).chain(claims).collect()
}

/// The login role of another configuration, whose authorizer would get this one's policy.
fn policies_guard(path: &str, policy: &str) -> String {
    let complaint = format!(
        "{path} gives $current: it logs in another configuration's authorizer; give this one its own login role"
    );
    only("token_policies", path, &["[]".to_owned(), format!("[{policy}]")], &complaint)
}

/// Claims are written as a whole: those of others would go, and with them whom they keep out.
fn claims_guard(path: &str, claims: &Value) -> String {
    let subjects: Vec<&str> = texts(claims, "sub").collect();
    // As the command line prints them.
    let own = (!subjects.is_empty()).then(|| format!("map[sub:[{}]]", subjects.join(" ")));
    let complaint = format!(
        "{path} has {CLAIMS} $current, which this script does not keep: use vault-authorizer vault apply"
    );
    let accepted: Vec<String> = ["map[]".to_owned()].into_iter().chain(own).collect();
    only(CLAIMS, path, &accepted, &complaint)
}

/// Stops where a field says something, and nothing of this.
fn only(field: &str, path: &str, accepted: &[String], complaint: &str) -> String {
    let accepted: String = accepted.iter().map(|text| format!(" | {}", quoted(text))).collect();
    format!(
        "\ncurrent=$(field {field} {path})\ncase $current in ''{accepted}) ;; *)\n    \
         echo \"{complaint}\" >&2\n    exit 1 ;;\nesac\n"
    )
}

/// What keeps the commands to one server, and reads what it has. `quickstart.sh` has the same.
const PRELUDE: &str = include_str!("script/prelude.sh");

fn head(address: &str, namespace: Option<&str>) -> String {
    // Also where there is none: whoever runs it may have another in the shell.
    let but =
        if namespace.is_some() { "    # but quotas, further down, are in another namespace" } else { "" };
    let namespace = format!("export VAULT_NAMESPACE={}{but}\n", quoted(namespace.unwrap_or_default()));
    format!(
        "#!/bin/sh\n\
         # Everything that Vault needs for one configuration of vault-authorizer, from `vault-authorizer vault plan --format shell`.\n\
         # It overwrites objects with these names. If a role's generation of tokens is no longer v01, keep its path_suffix.\n\
         #\n\
         #   VAULT_ADDR=… VAULT_TOKEN=… sh this-script\n\
         #   VAULT_ADDR=… VAULT_TOKEN=… VAULT_CLI=bao sh this-script         # OpenBao\n\
         set -eu\n\
         cli=${{VAULT_CLI:-vault}}\n\
         [ -n \"${{VAULT_ADDR:-}}\" ] || {{ echo {} >&2; exit 1; }}\n\
         {namespace}{PRELUDE}",
        quoted(&format!("set VAULT_ADDR; this is for the Vault at {address}"))
    )
}

/// One word for the shell, whatever is in it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', QUOTE))
}

/// Ends the quotation, adds a quote, and begins it again.
const QUOTE: &str = r"'\''";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::setting::{Field, Setting};

    #[track_caller]
    fn has(text: &str, part: &str) {
        assert!(text.contains(part), "{text}");
    }

    #[test]
    fn rejects_changing_a_server_id_that_others_log_in_with() {
        let fields =
            vec![Field::exactly("iam_server_id_header_value", Setting::Text("it's ours".to_owned()))];
        let object = Object { place: Place::AwsClient { mount: "aws".to_owned() }, fields };
        let guard = guard(&object);
        has(&guard, "current=$(field iam_server_id_header_value auth/aws/config/client)\n");
        assert!(guard.contains(&format!("!= 'it{QUOTE}s ours' ]; then\n    echo")), "{guard}");
    }

    #[test]
    fn rejects_forgetting_whoever_else_logs_in() {
        let names = BTreeSet::from(["role/a".to_owned(), "role/it's".to_owned()]);
        let place = Place::LoginRole { mount: "aws".to_owned(), role: "api".to_owned() };
        let object =
            Object { place, fields: vec![Field::exactly("bound_iam_principal_arn", Setting::Set(names))] };
        let guard = guard(&object);
        has(&guard, "current=$(field bound_iam_principal_arn auth/aws/role/api)\n");
        assert!(guard.contains(&format!("case ' role/a role/it{QUOTE}s ' in *\" $name \"*) ;;")), "{guard}");
    }

    #[test]
    fn rejects_taking_a_login_role_or_claims_of_others() {
        let role = |claims: &[&str]| {
            let claims = claims.iter().map(|claim| (*claim).to_owned()).collect();
            let policies = Setting::Set(BTreeSet::from(["own".to_owned()]));
            let place = Place::LoginRole { mount: "jwt".to_owned(), role: "api".to_owned() };
            Object {
                place,
                fields: vec![
                    Field::claim(CLAIMS, "sub", &claims),
                    Field::exactly("token_policies", policies),
                ],
            }
        };
        let one = role(&[]);
        has(
            &guard(&one),
            "(field token_policies auth/jwt/role/api)\ncase $current in '' | '[]' | '[own]') ;; *)",
        );
        has(&guard(&one), "(field bound_claims auth/jwt/role/api)\ncase $current in '' | 'map[]') ;; *)");
        assert!(body(&one).get(CLAIMS).is_none(), "{}", body(&one));
        let several = role(&["b", "a"]);
        has(&guard(&several), "case $current in '' | 'map[]' | 'map[sub:[a b]]') ;; *)");
        assert_eq!(body(&several)[CLAIMS], serde_json::json!({"sub": ["a", "b"]}));
    }

    #[test]
    fn the_quickstarts_script_keeps_to_one_vault_in_the_same_way() {
        assert!(include_str!("../../../infra/vault/quickstart.sh").contains(PRELUDE));
    }

    #[test]
    fn rejects_a_namespace_that_would_be_a_command() {
        assert_eq!(quoted("a'$(id)`id`"), format!("'a{QUOTE}$(id)`id`'"));
        let head = head("https://vault.example.com/$(id)", Some("a';id;b"));
        assert!(head.contains(&format!("\nexport VAULT_NAMESPACE='a{QUOTE};id;b'    #")), "{head}");
        assert!(
            head.contains(
                "echo 'set VAULT_ADDR; this is for the Vault at https://vault.example.com/$(id)' >&2;"
            ),
            "{head}"
        );
    }
}
