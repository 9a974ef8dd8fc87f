//! Keys that are found through the issuer's discovery document.

use super::*;

/// Stands for the issuer whose document it is.
const OWN: &str = "<own>";

/// What a discovery document may not lead to; and Entra ID's version 1 document, asked for below version 2's `iss`, and the like.
#[tokio::test]
async fn rejects_a_discovery_document_that_names_another_issuer_or_a_user_or_has_no_end() {
    let no_url = "its `jwks_uri` is not an https URL";
    for (document, expected) in [
        (
            json!({"issuer": "https://sts.windows.net/tenant/", "jwks_uri": "https://keys.example.com"}),
            "its `issuer` is `https://sts.windows.net/tenant/`, the configured one is `",
        ),
        (json!({"issuer": "a\u{202e}\n"}), "its `issuer` is `a\\u{202e}\\u{a}`, the configured one is `"),
        (json!({"issuer": 7}), "it has no `issuer`, so the keys could be anybody's"),
        (json!({"issuer": OWN, "jwks_uri": "https://user:secret@127.0.0.1/keys"}), no_url),
        (json!({"issuer": OWN, "jwks_uri": "http://keys.example.com/keys"}), no_url),
        (json!({"issuer": OWN, "jwks_uri": "file:///etc/passwd"}), no_url),
        (json!({"issuer": OWN, "padding": " ".repeat(65_536)}), "the answer is longer than 65536 bytes"),
    ] {
        let text = document.to_string();
        let server = Server::start(move |asked| {
            let own = format!("http://{}", asked.header("host").unwrap());
            Reply::new(200, text.replace(OWN, &own))
        })
        .await;
        let corp = Corp::of(crate::support::document().discovered_at(&server.url));
        let reason = corp.current().await.unwrap_err();
        assert!(reason.contains(&format!("/.well-known/openid-configuration: {expected}")), "{reason}");
        assert_eq!(server.asked().len(), 1);
    }
}

/// A flood of unknown keys asks for the key set alone; keys that have moved are found again.
#[tokio::test]
async fn discovery_is_asked_again_after_five_minutes_or_a_failure() {
    let world = World::discovering().await;
    let (discovery, keys) = ("/.well-known/openid-configuration -", "/keys -");
    assert!(world.refreshed().await.is_ok());
    assert_eq!(world.provider.asked(), [discovery, keys]);
    for (seconds, expected) in [(0, vec![keys]), (299, vec![keys]), (1, vec![discovery, keys])] {
        world.clock.forward_seconds(seconds);
        assert!(world.refreshed().await.is_ok());
        assert_eq!(world.provider.asked(), expected, "{seconds} s later");
    }
    world.serve(Served::status(404, ""));
    world.clock.forward_seconds(10);
    assert!(world.refreshed().await.is_err());
    assert_eq!(world.provider.asked(), [keys]);
    world.serve(Served { jwks_path: "/moved", ..good() });
    world.clock.forward_seconds(10);
    assert!(world.refreshed().await.is_ok());
    assert_eq!(world.provider.asked(), [discovery, "/moved -"]);
}

#[tokio::test]
async fn an_entity_tag_says_nothing_of_another_uri() {
    let world = World::discovering().await;
    for jwks_path in ["/keys-1", "/keys-1", "/keys-2"] {
        world.serve(Served { jwks_path, ..good().tagged("\"1\"") });
        assert_eq!(world.current().await, Ok(USABLE));
        world.clock.forward_seconds(3601);
    }
    let discovery = "/.well-known/openid-configuration -";
    let expected = [discovery, "/keys-1 -", discovery, "/keys-1 \"1\"", discovery, "/keys-2 -"];
    assert_eq!(world.provider.asked(), expected);
}
