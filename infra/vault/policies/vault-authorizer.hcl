# The authorizer's own policy: it mints tokens of these roles, always wrapped, and looks after its own token. Nothing else.
#
# Vault compares the values of `allowed_parameters` literally: `ttl` is one of these strings or the request is refused.

path "auth/token/create/orders-prod-reader" {
  capabilities        = ["update"]
  min_wrapping_ttl    = "15s"
  max_wrapping_ttl    = "30s"
  required_parameters = ["ttl"]
  allowed_parameters = {
    "ttl"      = ["15s", "30s", "60s", "120s"]
    "num_uses" = []
    "meta"     = []
  }
}

path "auth/token/create/orders-staging-reader" {
  capabilities        = ["update"]
  min_wrapping_ttl    = "15s"
  max_wrapping_ttl    = "60s"
  required_parameters = ["ttl"]
  allowed_parameters = {
    "ttl"      = ["15s", "30s", "60s", "120s", "300s", "600s"]
    "num_uses" = []
    "meta"     = []
  }
}

path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}

path "auth/token/revoke-self" {
  capabilities = ["update"]
}
