package vaultcontexttest_test

import (
	"testing"

	vaultcontext "git.example.com/vault-authorizer/integrations/go"
	"git.example.com/vault-authorizer/integrations/go/internal/openbao"
	"git.example.com/vault-authorizer/integrations/go/vaultcontexttest"
)

func TestMain(m *testing.M) { openbao.Run(m) }

func TestADevelopmentServerIsEnough(t *testing.T) {
	t.Setenv("VAULT_ADDR", openbao.Start(t).Address)
	t.Setenv("VAULT_TOKEN", openbao.RootToken)
	t.Setenv("VAULT_NAMESPACE", "")
	const path = "auth/token/create/" + openbao.RoleReader

	vault := vaultcontexttest.FromEnv(t)
	integration, err := vaultcontext.New(vaultcontext.Config{Address: vault.Address, CreationPaths: []string{path}})
	if err != nil {
		t.Fatal(err)
	}
	token, err := integration.Open(t.Context(), vault.Authorizer(t, path, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := token.Revoke(t.Context()); err != nil {
		t.Fatal(err)
	}
}
