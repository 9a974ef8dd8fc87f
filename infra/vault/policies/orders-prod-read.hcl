# What a caller of the prod stage's `orders-reader` grant may do.
path "secret/data/prod/orders" {
  capabilities = ["read"]
}
