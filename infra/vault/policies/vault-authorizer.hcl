# Managed by vault-authorizer: `vault apply` overwrites what is written here by hand.
# The authorizer mints tokens of these roles, always wrapped, and looks after its own token. Nothing else.
#
# It has made these as well, and changes them, and with --prune removes those that no grant needs:
# made: auth/token/roles/orders-prod-reader
# made: auth/token/roles/orders-staging-reader
# made: sys/quotas/rate-limit/vault-authorizer-orders-prod-reader
# made: sys/quotas/rate-limit/vault-authorizer-orders-staging-reader

# grant orders-prod-reader
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

# grant orders-staging-reader
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
