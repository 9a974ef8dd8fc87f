// Command conformance is the runner of the conformance suite. It reads requests from standard input and writes responses to
// standard output, one JSON object per line.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net/http"
	"os"
	"time"

	vaultcontext "git.example.com/vault-authorizer/integrations/go"
)

type request struct {
	Integration struct {
		Address               string   `json:"address"`
		CreationPaths         []string `json:"creation_paths"`
		Namespace             string   `json:"namespace"`
		CAFile                string   `json:"ca_file"`
		MaxLeaseSeconds       int64    `json:"max_lease_seconds"`
		TimeoutMS             int64    `json:"timeout_ms"`
		AllowIdentityPolicies bool     `json:"allow_identity_policies"`
	} `json:"integration"`
	Event   map[string]any `json:"event"`
	Headers [][2]string    `json:"headers"`
	Use     []use          `json:"use"`
}

type use struct {
	Read     *string             `json:"read"`
	Write    *[2]json.RawMessage `json:"write"`
	KV       *[2]string          `json:"kv"`
	Database *[2]string          `json:"database"`
}

type object = map[string]any

var classes = map[string]error{
	"ContextMissing":   vaultcontext.ErrContextMissing,
	"ContextTampered":  vaultcontext.ErrContextTampered,
	"TokenSpent":       vaultcontext.ErrTokenSpent,
	"TokenExpired":     vaultcontext.ErrTokenExpired,
	"AccessorMismatch": vaultcontext.ErrAccessorMismatch,
	"LeaseTooLong":     vaultcontext.ErrLeaseTooLong,
	"VaultUnavailable": vaultcontext.ErrVaultUnavailable,
	"VaultDenied":      vaultcontext.ErrVaultDenied,
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(in io.Reader, out io.Writer) error {
	requests, answers := json.NewDecoder(in), json.NewEncoder(out)
	requests.UseNumber()
	for {
		var request request
		if err := requests.Decode(&request); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := answers.Encode(answer(context.Background(), request)); err != nil {
			return err
		}
	}
}

func answer(ctx context.Context, request request) object {
	configured := request.Integration
	integration, err := vaultcontext.New(vaultcontext.Config{
		Address:               configured.Address,
		CreationPaths:         configured.CreationPaths,
		Namespace:             configured.Namespace,
		CAFile:                configured.CAFile,
		MaxLease:              time.Duration(configured.MaxLeaseSeconds) * time.Second,
		Timeout:               time.Duration(configured.TimeoutMS) * time.Millisecond,
		AllowIdentityPolicies: configured.AllowIdentityPolicies,
	})
	if err != nil {
		return object{"error": "Configuration", "message": err.Error()}
	}
	token, err := open(ctx, integration, request)
	if err != nil {
		return failure(err)
	}
	defer token.Revoke(ctx)
	values := []any{}
	for _, use := range request.Use {
		value, err := use.with(ctx, token)
		if err != nil {
			return failure(err)
		}
		values = append(values, value)
	}
	return object{"token": describe(token), "values": values}
}

func open(ctx context.Context, integration *vaultcontext.Integration, request request) (*vaultcontext.Token, error) {
	if request.Headers == nil {
		requestContext, _ := request.Event["requestContext"].(object)
		authorizer, _ := requestContext["authorizer"].(object)
		return integration.Open(ctx, authorizer)
	}
	headers := http.Header{}
	for _, header := range request.Headers {
		headers.Add(header[0], header[1])
	}
	return integration.OpenHeaders(ctx, headers)
}

func (u use) with(ctx context.Context, token *vaultcontext.Token) (any, error) {
	switch {
	case u.Read != nil:
		return dataOf(token.Read(ctx, *u.Read))
	case u.Write != nil:
		var path string
		var data object
		if err := errors.Join(json.Unmarshal(u.Write[0], &path), json.Unmarshal(u.Write[1], &data)); err != nil {
			return nil, err
		}
		return dataOf(token.Write(ctx, path, data))
	case u.KV != nil:
		return token.KV(u.KV[0]).Get(ctx, u.KV[1])
	case u.Database != nil:
		credentials, err := token.Database(u.Database[0]).Credentials(ctx, u.Database[1])
		if err != nil {
			return nil, err
		}
		return object{"username": credentials.Username, "password": credentials.Password()}, nil
	}
	return nil, errors.New("the use has no kind")
}

func dataOf(secret *vaultcontext.Secret, err error) (any, error) {
	if err != nil {
		return nil, err
	}
	return secret.Data(), nil
}

func describe(token *vaultcontext.Token) object {
	caller := token.Caller()
	described := object{"kind": caller.Kind, "issuer": nil, "id": caller.ID, "binding": caller.Binding}
	if caller.Issuer != "" {
		described["issuer"] = caller.Issuer
	}
	return object{
		"grant":         token.Grant(),
		"accessor":      token.Accessor(),
		"creation_path": token.CreationPath(),
		"caller":        described,
	}
}

func failure(err error) object {
	known := (*vaultcontext.Error)(nil)
	if !errors.As(err, &known) {
		log.Fatal(err)
	}
	for name, class := range classes {
		if errors.Is(err, class) {
			return object{
				"error": name, "code": known.Code(), "status": known.Status(), "outage": known.IsOutage(), "message": err.Error(),
			}
		}
	}
	log.Fatal("an error without a class: ", err)
	return nil
}
