package engines

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	vaultcontext "git.example.com/vault-authorizer/integrations/go"
	"git.example.com/vault-authorizer/integrations/go/internal/openbao"
)

// Each capability is one that the table of secrets engines in docs/integrations/any-language.md asks for.
const policy = `
path "secret/data/prod/tables" { capabilities = ["read"] }
path "kv/prod/supplier" { capabilities = ["read"] }
path "pki/issue/orders" { capabilities = ["update"] }
path "transit/encrypt/orders" { capabilities = ["update"] }
`

type object = map[string]any

func TestMain(m *testing.M) { openbao.Run(m) }

func root(t *testing.T, path string, body object) openbao.Answer {
	t.Helper()
	return openbao.Start(t).Call(t, "POST", path, body, map[string]string{"X-Vault-Token": openbao.RootToken})
}

// mounted makes a token role whose tokens may use the engines, and mounts them.
func mounted(t *testing.T) (role string) {
	t.Helper()
	for _, engine := range []string{"kv", "pki", "transit"} {
		root(t, "sys/mounts/"+engine, object{"type": engine})
	}
	root(t, "sys/policies/acl/engines", object{"policy": policy})
	root(t, "auth/token/roles/engines", object{"allowed_policies": "engines", "orphan": true, "renewable": false})
	root(t, "secret/data/prod/tables", object{"data": object{"orders": "orders_2026"}})
	root(t, "kv/prod/supplier", object{"api_key": "of the supplier"})
	pki := func(path string, body object) { root(t, "pki/"+path, body) }
	pki("root/generate/internal", object{"common_name": "example.com", "key_type": "ec"})
	pki("roles/orders", object{"allowed_domains": "example.com", "allow_subdomains": true, "key_type": "ec"})
	root(t, "transit/keys/orders", object{})
	return "engines"
}

func integrationAt(t *testing.T, address, role string) *vaultcontext.Integration {
	t.Helper()
	config := vaultcontext.Config{Address: address, CreationPaths: []string{"auth/token/create/" + role}}
	integration, err := vaultcontext.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return integration
}

func TestReadsFromTheEngines(t *testing.T) {
	bed, role := openbao.Start(t), mounted(t)
	token, err := integrationAt(t, bed.Address, role).Open(t.Context(), bed.Mint(t, bed.Address, role, nil))
	if err != nil {
		t.Fatal(err)
	}
	defer token.Revoke(t.Context())
	found, err := SecretsFor(t.Context(), token, []byte("two chairs"))
	if err != nil || found.Table != "orders_2026" || found.SupplierKey != "of the supplier" {
		t.Errorf("got %+v, %v", found, err)
	}
	if !strings.HasPrefix(found.Certificate, "-----BEGIN CERTIFICATE-----") ||
		!strings.HasPrefix(found.PrivateKey, "-----BEGIN EC PRIVATE KEY-----") {
		t.Errorf("got %+v", found)
	}
	var decrypted struct{ Plaintext string }
	answer := root(t, "transit/decrypt/orders", object{"ciphertext": found.Ciphertext})
	if err := json.Unmarshal(answer.Data, &decrypted); err != nil {
		t.Fatal(err)
	}
	if order, err := base64.StdEncoding.DecodeString(decrypted.Plaintext); err != nil || string(order) != "two chairs" {
		t.Errorf("got %q, %v", order, err)
	}
}

func TestMakesADatabaseUser(t *testing.T) {
	bed := openbao.Start(t)
	proxy := bed.Proxy(t)
	answer := `{"lease_id":"x","lease_duration":60,"data":{"username":"v-orders","password":"p"}}`
	proxy.On("database/creds/orders-reader", openbao.Always(200, answer))
	authorizer := bed.Mint(t, proxy.URL, openbao.RoleReader, nil)
	token, err := integrationAt(t, proxy.URL, openbao.RoleReader).Open(t.Context(), authorizer)
	if err != nil {
		t.Fatal(err)
	}
	defer token.Revoke(t.Context())
	if user, err := DatabaseUser(t.Context(), token); err != nil || user.Username != "v-orders" || user.Password() != "p" {
		t.Errorf("got %v, %v", user, err)
	}
}

// event is one as Lambda gets it, read into the type of its API.
func event[E any](t *testing.T, authorizer any) (event E) {
	t.Helper()
	requestContext := object{}
	if authorizer != nil {
		requestContext["authorizer"] = authorizer
	}
	body, err := json.Marshal(object{"requestContext": requestContext})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &event); err != nil {
		t.Fatal(err)
	}
	return event
}

func TestOpensTheTokenOfEachKindOfAPI(t *testing.T) {
	bed := openbao.Start(t)
	integration := integrationAt(t, bed.Address, openbao.RoleReader)
	http := func(authorizer any) (*vaultcontext.Token, error) {
		return OpenHTTP(t.Context(), integration, event[events.APIGatewayV2HTTPRequest](t, authorizer))
	}
	webSocket := func(authorizer any) (*vaultcontext.Token, error) {
		return OpenWebSocket(t.Context(), integration, event[events.APIGatewayWebsocketProxyRequest](t, authorizer))
	}
	mint := func() object { return bed.Mint(t, bed.Address, openbao.RoleReader, nil) }
	for _, test := range []struct {
		open       func(any) (*vaultcontext.Token, error)
		authorizer any
	}{{http, object{"lambda": mint()}}, {webSocket, mint()}} {
		token, err := test.open(test.authorizer)
		if err != nil {
			t.Fatal(err)
		}
		if err := token.Revoke(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := test.open(nil); !errors.Is(err, vaultcontext.ErrContextMissing) {
			t.Errorf("without an authorizer: %v", err)
		}
	}
}
