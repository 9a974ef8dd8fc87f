package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	vaultcontext "git.example.com/vault-authorizer/integrations/go"
	"git.example.com/vault-authorizer/integrations/go/internal/openbao"
	"git.example.com/vault-authorizer/integrations/go/vaultcontexttest"
)

func TestMain(m *testing.M) { openbao.Run(m) }

func TestTheRouteAnswersARequest(t *testing.T) {
	bed := openbao.Start(t)
	proxy := bed.Proxy(t)
	proxy.On("secret/data/prod/orders", openbao.Always(200, `{"data":{"data":{"table":"orders"}}}`))
	integration, err := vaultcontext.New(vaultcontext.Config{
		Address: proxy.URL, CreationPaths: []string{"auth/token/create/" + openbao.RoleReader},
	})
	if err != nil {
		t.Fatal(err)
	}
	authorizer := bed.Mint(t, proxy.URL, openbao.RoleReader, nil)
	for _, test := range []struct {
		headers http.Header
		status  int
	}{{vaultcontexttest.Headers(authorizer), http.StatusNoContent}, {http.Header{}, http.StatusForbidden}} {
		recorder, request := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/orders", nil)
		request.Header = test.headers
		routes(integration).ServeHTTP(recorder, request)
		if recorder.Code != test.status || bed.IsAlive(t, authorizer["vaultWrappedAccessor"].(string)) {
			t.Errorf("status %d, or the token is alive", recorder.Code)
		}
	}
}
