package vaultcontext

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"git.example.com/vault-authorizer/integrations/go/internal/openbao"
	"git.example.com/vault-authorizer/integrations/go/vaultcontexttest"
)

// serve answers one request with the context as headers by a handler behind the middleware.
func (w *world) serve(t *testing.T, authorizer map[string]any, handler http.HandlerFunc) *http.Response {
	t.Helper()
	server := httptest.NewServer(w.integration.Middleware(handler))
	defer server.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header = vaultcontexttest.Headers(authorizer)
	response, err := server.Client().Do(request)
	if err != nil {
		return nil
	}
	response.Body.Close()
	return response
}

func TestTheMiddlewareOpensOnceAndRevokesAtTheEnd(t *testing.T) {
	w := newWorld(t)
	authorizer := w.mint(t, nil)
	var late context.Context
	response := w.serve(t, authorizer, func(answer http.ResponseWriter, r *http.Request) {
		if len(w.Requests("")) != 0 {
			t.Error("it was opened before it was asked for")
		}
		first, err := FromContext(r.Context())
		second, again := FromContext(r.Context())
		if err != nil || again != nil || first != second {
			t.Errorf("got %v and %v, %v and %v", first, second, err, again)
		}
		if _, err := first.KV("secret").Get(r.Context(), "orders"); err != nil {
			WriteError(answer, r, err)
		}
		late = r.Context()
	})
	alive := w.IsAlive(t, authorizer["vaultWrappedAccessor"].(string))
	if response.StatusCode != http.StatusOK || len(w.Requests(pathUnwrap)) != 1 || alive {
		t.Errorf("status %d, or the token is alive", response.StatusCode)
	}
	if _, err := FromContext(late); err == nil || errors.Is(err, ErrContextMissing) {
		t.Errorf("after the request's end: %v", err)
	}
}

func TestARequestThatNeedsNoTokenOpensNone(t *testing.T) {
	w := newWorld(t)
	w.serve(t, w.mint(t, nil), func(http.ResponseWriter, *http.Request) {})
	if len(w.Requests("")) != 0 {
		t.Error("Vault was called")
	}
}

func TestAHandlerThatPanicsGivesTheTokenBack(t *testing.T) {
	w := newWorld(t)
	authorizer := w.mint(t, nil)
	response := w.serve(t, authorizer, func(_ http.ResponseWriter, r *http.Request) {
		if _, err := FromContext(r.Context()); err != nil {
			t.Error(err)
		}
		panic(http.ErrAbortHandler)
	})
	if response != nil || w.IsAlive(t, authorizer["vaultWrappedAccessor"].(string)) {
		t.Error("the panic was swallowed, or the token is alive")
	}
}

func TestAnErrorIsAnsweredByItsCodeAlone(t *testing.T) {
	w := newWorld(t)
	log := captureLog(t)
	w.On(pathLookup, openbao.Always(503, `{"errors":["Vault is sealed"]}`))
	recorder, request := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
	request.Header = vaultcontexttest.Headers(w.mint(t, nil))
	w.integration.Middleware(http.HandlerFunc(func(answer http.ResponseWriter, r *http.Request) {
		_, err := FromContext(r.Context())
		WriteError(answer, r, err)
	})).ServeHTTP(recorder, request)
	headers := recorder.Header()
	if recorder.Code != 503 || recorder.Body.String() != `{"error":"vault_sealed"}` || headers.Get("Retry-After") != "1" ||
		headers.Get("Cache-Control") != "no-store" || headers.Get("Content-Type") != "application/json" {
		t.Errorf("got %d, %s, %v", recorder.Code, recorder.Body, headers)
	}
	if !strings.Contains(log.String(), "Vault is sealed") {
		t.Errorf("the reason is not in the log: %s", log)
	}
	status, own, body := Answer(errors.New("no database"))
	if status != 500 || body != `{"error":"internal"}` || own["Retry-After"] != "" {
		t.Errorf("got %d, %s", status, body)
	}
}

func TestAContextOfNoRequestIsAMistakeOfTheProgram(t *testing.T) {
	if _, err := FromContext(t.Context()); err == nil || !strings.Contains(err.Error(), "Middleware") {
		t.Errorf("got %v", err)
	}
}
