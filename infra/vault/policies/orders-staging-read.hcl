# What a caller of the staging stage's `orders-staging-reader` grant may do.
path "secret/data/staging/orders" {
  capabilities = ["read"]
}
