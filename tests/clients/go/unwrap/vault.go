//go:build !openbao

package main

import "github.com/hashicorp/vault/api"

type (
	Client        = api.Client
	ResponseError = api.ResponseError
)

// newClient takes nothing that says where and as whom from the environment, and sends no request twice.
func newClient(address, namespace, token string) (*Client, error) {
	config := api.DefaultConfig()
	config.Address, config.AgentAddress, config.MaxRetries = address, "", 0 // not VAULT_AGENT_ADDR; not three times
	client, err := api.NewClient(config)
	if err != nil {
		return nil, err
	}
	client.SetToken(token)         // not VAULT_TOKEN
	client.SetNamespace(namespace) // not VAULT_NAMESPACE
	return client, nil
}

// newDefaultClient is what nobody should unwrap with; the tests show why.
func newDefaultClient() (*Client, error) { return api.NewClient(api.DefaultConfig()) }
