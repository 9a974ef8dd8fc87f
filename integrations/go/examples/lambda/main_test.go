package main

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/aws/aws-lambda-go/events"

	vaultcontext "git.example.com/vault-authorizer/integrations/go"
	"git.example.com/vault-authorizer/integrations/go/internal/openbao"
)

func TestMain(m *testing.M) { openbao.Run(m) }

func TestTheHandlerAnswersAnEvent(t *testing.T) {
	bed := openbao.Start(t)
	proxy := bed.Proxy(t)
	proxy.On("database/creds/orders", openbao.Always(200, `{"lease_id":"x","data":{"username":"u","password":"p"}}`))
	proxy.On("secret/data/prod/orders", openbao.Always(200, `{"data":{"data":{"table":"orders"}}}`))
	var err error
	integration, err = vaultcontext.New(vaultcontext.Config{
		Address: proxy.URL, CreationPaths: []string{"auth/token/create/" + openbao.RoleReader},
	})
	if err != nil {
		t.Fatal(err)
	}
	authorizer := bed.Mint(t, proxy.URL, openbao.RoleReader, nil)
	body, err := json.Marshal(map[string]any{"requestContext": map[string]any{"authorizer": authorizer}})
	if err != nil {
		t.Fatal(err)
	}
	var event events.APIGatewayProxyRequest
	if err := json.Unmarshal(body, &event); err != nil {
		t.Fatal(err)
	}
	answer, err := handle(t.Context(), event)
	if err != nil || answer.StatusCode != http.StatusOK || bed.IsAlive(t, authorizer["vaultWrappedAccessor"].(string)) {
		t.Errorf("got %+v, %v, or the token is alive", answer, err)
	}
	answer, err = handle(t.Context(), events.APIGatewayProxyRequest{})
	if err != nil || answer.StatusCode != http.StatusForbidden || answer.Body != `{"error":"no_context"}` {
		t.Errorf("got %+v, %v", answer, err)
	}
}
