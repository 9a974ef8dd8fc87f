// Package vaultapi lets you use a token from vaultcontext with github.com/hashicorp/vault/api, for calls that vaultcontext has
// no method for.
package vaultapi

import (
	"fmt"
	"net/http"

	"github.com/hashicorp/vault/api"

	vaultcontext "git.example.com/vault-authorizer/integrations/go"
)

// Client returns a client that sends the token. It retries nothing, follows no redirect and uses nothing from the environment.
// Do not log it, because it prints its token.
//
// [api.NewClient] always reads the VAULT_ variables, and fails if it cannot parse one. Client then fails too and names the
// variable.
func Client(token *vaultcontext.Token) (*api.Client, error) {
	client, err := api.NewClient(&api.Config{
		Address:          token.Address(),
		HttpClient:       token.HTTPClient(),
		MaxRetries:       0,
		DisableRedirects: true,
	})
	if err != nil {
		return nil, fmt.Errorf("vaultapi: unset the VAULT_ variable that vault/api cannot read: %w", err)
	}
	// This replaces VAULT_HEADERS and VAULT_NAMESPACE.
	client.SetHeaders(http.Header{api.RequestHeaderName: {"true"}})
	if namespace := token.Namespace(); namespace != "" {
		client.SetNamespace(namespace)
	}
	// This replaces VAULT_WRAP_TTL, which would wrap every answer.
	client.SetWrappingLookupFunc(func(string, string) string { return "" })
	client.SetToken(token.Expose())
	return client, nil
}
