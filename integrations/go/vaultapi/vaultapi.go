// Package vaultapi gives a token that vaultcontext opened to github.com/hashicorp/vault/api, for calls that vaultcontext has no
// method for.
package vaultapi

import (
	"fmt"
	"net/http"

	"github.com/hashicorp/vault/api"

	vaultcontext "git.example.com/vault-authorizer/integrations/go"
)

// Client answers a client that sends the token, repeats nothing, follows no redirect, and uses nothing of the environment. It
// works until the token is revoked. Do not log it: it prints its token.
//
// [api.NewClient] reads the VAULT_ variables before anybody can stop it, and one that it cannot parse makes it fail. So this
// fails, too, and says which.
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
	// Instead of what VAULT_HEADERS and VAULT_NAMESPACE say.
	client.SetHeaders(http.Header{api.RequestHeaderName: {"true"}})
	if namespace := token.Namespace(); namespace != "" {
		client.SetNamespace(namespace)
	}
	client.SetToken(token.Expose())
	return client, nil
}
