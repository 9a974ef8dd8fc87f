module git.example.com/vault-authorizer/integrations/go

go 1.25
