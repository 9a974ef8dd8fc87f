# Every token role carries this policy: without the default policy a token could not revoke itself.
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
