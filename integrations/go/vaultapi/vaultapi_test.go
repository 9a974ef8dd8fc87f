package vaultapi

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	vaultcontext "git.example.com/vault-authorizer/integrations/go"
	"git.example.com/vault-authorizer/integrations/go/internal/openbao"
)

func TestMain(m *testing.M) { openbao.Run(m) }

func open(t *testing.T, proxy *openbao.Proxy) *vaultcontext.Token {
	t.Helper()
	bed := openbao.Start(t)
	config := vaultcontext.Config{Address: proxy.URL, CreationPaths: []string{"auth/token/create/" + openbao.RoleReader}}
	integration, err := vaultcontext.New(config)
	if err != nil {
		t.Fatal(err)
	}
	token, err := integration.Open(t.Context(), bed.Mint(t, proxy.URL, openbao.RoleReader, nil))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = token.Revoke(t.Context()) })
	return token
}

func TestTheClientSendsTheTokenAndNothingOfTheEnvironment(t *testing.T) {
	proxy := openbao.Start(t).Proxy(t)
	token := open(t, proxy)
	for name, value := range map[string]string{
		"ADDR": "http://127.0.0.1:1", "AGENT_ADDR": "http://127.0.0.1:1", "TOKEN": "hostile", "NAMESPACE": "hostile",
		"HEADERS": `{"X-Hostile":"hostile"}`, "MAX_RETRIES": "9", "SKIP_VERIFY": "true", "PROXY_ADDR": "http://127.0.0.1:1",
		"WRAP_TTL": "60s",
	} {
		t.Setenv("VAULT_"+name, value)
	}
	client, err := Client(token)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := client.Logical().ReadWithContext(t.Context(), "secret/data/orders")
	if err != nil || secret.Data["data"] == nil {
		t.Fatalf("got %v, %v", secret, err)
	}
	got := proxy.Requests("secret/data/orders")[0]
	if strings.Contains(fmt.Sprint(got), "hostile") || got.Header.Get("X-Vault-Token") != token.Expose() ||
		got.Header.Get("X-Vault-Request") != "true" || got.Header["X-Vault-Namespace"] != nil {
		t.Errorf("got %v", got)
	}
}

func TestTheClientRepeatsNothingAndFollowsNoRedirect(t *testing.T) {
	proxy := openbao.Start(t).Proxy(t)
	client, err := Client(open(t, proxy))
	if err != nil {
		t.Fatal(err)
	}
	for _, status := range []int{500, 307} {
		path := fmt.Sprintf("secret/data/status-%d", status)
		proxy.On(path, func(_ int, w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, proxy.URL+"/v1/elsewhere", status)
			return true
		})
		if _, err := client.Logical().ReadWithContext(t.Context(), path); err == nil && status == 500 {
			t.Errorf("%d: it was read", status)
		}
		if len(proxy.Requests(path)) != 1 || proxy.Requests("elsewhere") != nil {
			t.Errorf("%d: it was sent again", status)
		}
	}
}

func TestAVariableThatCannotBeReadIsNamed(t *testing.T) {
	token := open(t, openbao.Start(t).Proxy(t))
	t.Setenv("VAULT_CLIENT_TIMEOUT", "hostile")
	if _, err := Client(token); err == nil || !strings.Contains(err.Error(), "VAULT_CLIENT_TIMEOUT") {
		t.Errorf("got %v", err)
	}
}
