//go:build openbao

package main

import "github.com/openbao/openbao/api/v2"

type (
	Client        = api.Client
	ResponseError = api.ResponseError
)

// newClient takes nothing that says where and as whom from the environment, and sends no request twice.
func newClient(address, namespace, token string) (*Client, error) {
	config := api.NewConfig()                      // reads no variable, unlike DefaultConfig
	config.Address, config.MaxRetries = address, 0 // not three times
	client, err := api.NewClient(config)
	if err != nil {
		return nil, err
	}
	client.SetToken(token)
	client.SetNamespace(namespace)
	return client, nil
}

// newDefaultClient is what nobody should unwrap with; the tests show why.
func newDefaultClient() (*Client, error) { return api.NewClient(api.DefaultConfig()) }
