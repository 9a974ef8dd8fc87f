//! The issuer, judged by a verifier that neither the issuer nor the authorizer uses: OpenBao's JWT auth method.

use serde_json::{Value, json};
use test_bed::{AUTHORIZER_ROLE, Issuer, OpenBao, Scratch, Signing, TokenSpec, vault_setup};

struct Bed {
    issuer: Issuer,
    openbao: OpenBao,
    _scratch: Scratch,
}

impl Bed {
    async fn new(name: &str, issuer: Issuer) -> Self {
        let scratch = Scratch::new(name);
        let openbao = OpenBao::start_in_memory(&scratch).await;
        vault_setup::jwt_login(&openbao, &issuer, "orders-api").await;
        Self { issuer, openbao, _scratch: scratch }
    }

    async fn logs_in(&self, jwt: String) -> bool {
        let login = json!({"role": AUTHORIZER_ROLE, "jwt": jwt});
        let (status, answer) = self.openbao.api("POST", "auth/jwt/login", None, login).await;
        assert!([200, 400].contains(&status), "{answer}");
        status == 200
    }

    async fn believes(&self, spec: &TokenSpec) {
        assert!(self.logs_in(self.issuer.token(spec)).await, "{spec:?}");
        assert!(!self.logs_in(self.issuer.forged(spec)).await, "forged {spec:?}");
    }
}

#[tokio::test]
async fn signs_tokens_that_openbao_accepts_and_forges_ones_that_it_refuses() {
    let bed = Bed::new("issuer", Issuer::start()).await;
    for signing in [Signing::Rs256, Signing::Es256, Signing::EdDsa] {
        bed.believes(&TokenSpec::new().signing(signing)).await;
    }
    for malformed in [
        TokenSpec::new().signing(Signing::None),
        TokenSpec::new().signing(Signing::Hs256PublicKey),
        TokenSpec::new().expires_in(-600),
        TokenSpec::new().claim("aud", json!(["other"])),
        TokenSpec::new().claim("iss", "https://login.example.com/"),
        TokenSpec::new().without("sub"),
    ] {
        assert!(!bed.logs_in(bed.issuer.token(&malformed)).await, "{malformed:?}");
    }
    let old = bed.issuer.token(&TokenSpec::new());
    bed.issuer.rotate();
    assert!(bed.logs_in(bed.issuer.token(&TokenSpec::new())).await, "the new key is fetched");
    assert!(!bed.logs_in(old).await, "the old key is gone");
}

#[tokio::test]
async fn plays_an_aws_accounts_issuer_that_openbao_accepts() {
    let bed = Bed::new("aws-issuer", Issuer::start_as_aws_account()).await;
    let keys = bed.issuer.jwks()["keys"].take();
    let members: Vec<_> = keys.as_array().unwrap().iter().map(|key| (&key["kid"], &key["alg"])).collect();
    assert_eq!(members, [(&json!("RSA_0"), &Value::Null), (&json!("EC384_0"), &json!("ES384"))]);
    let spec = TokenSpec::aws_iam("arn:aws:iam::123456789012:role/jobs/batch");
    for signing in [Signing::Rs256, Signing::Es384] {
        bed.believes(&spec.clone().signing(signing)).await;
    }
    let unpublished = bed.issuer.token(&spec.signing(Signing::Es256));
    assert!(!bed.logs_in(unpublished).await, "a key that is not published");
}
