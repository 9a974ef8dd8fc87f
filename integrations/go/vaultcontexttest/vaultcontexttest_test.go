package vaultcontexttest_test

import (
	"runtime"
	"strings"
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

// failing records why a test would fail.
type failing struct {
	testing.TB
	reason string
}

func (f *failing) Helper() {}

func (f *failing) Fatal(reasons ...any) {
	f.reason = reasons[0].(string)
	runtime.Goexit()
}

func TestRefusesAVaultThatOthersUse(t *testing.T) {
	t.Setenv("VAULT_TOKEN", "root")
	for _, address := range []string{"https://vault.example.com", "http://vault.example.com", "https://127.0.0.1:8200", "127.0.0.1"} {
		t.Setenv("VAULT_ADDR", address)
		refused, done := &failing{}, make(chan struct{})
		go func() {
			defer close(done)
			vaultcontexttest.FromEnv(refused)
		}()
		<-done
		if !strings.Contains(refused.reason, "loopback") {
			t.Errorf("%s: %q", address, refused.reason)
		}
	}
}
