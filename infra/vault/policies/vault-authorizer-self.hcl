# Managed by vault-authorizer: `vault apply` overwrites what is written here by hand.
# Every token role carries it: without the default policy, a token could neither revoke itself nor look itself up.
path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/revoke-self" {
  capabilities = ["update"]
}
