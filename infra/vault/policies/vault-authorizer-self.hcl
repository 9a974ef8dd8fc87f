# Managed by vault-authorizer: `vault apply` overwrites what is written here by hand.
# Every token role carries it: without the default policy, a token could not revoke itself.
path "auth/token/revoke-self" {
  capabilities = ["update"]
}
