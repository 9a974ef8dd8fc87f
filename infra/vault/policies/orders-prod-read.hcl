# What a caller of the prod stage's `orders-prod-reader` grant may do.
path "secret/data/prod/orders" {
  capabilities = ["read"]
}
