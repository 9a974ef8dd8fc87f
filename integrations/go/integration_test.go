package vaultcontext

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"git.example.com/vault-authorizer/integrations/go/internal/openbao"
	"git.example.com/vault-authorizer/integrations/go/vaultcontexttest"
)

func TestMain(m *testing.M) { openbao.Run(m) }

const (
	readerPath = "auth/token/create/" + openbao.RoleReader
	unknown    = `{"errors":["wrapping token is not valid or does not exist"]}`
	orders     = "secret/data/orders"
)

// world is an integration that calls OpenBao through a proxy.
type world struct {
	*openbao.Bed
	*openbao.Proxy
	integration *Integration
	token       *Token
}

func newWorld(t *testing.T, change ...func(*Config)) *world {
	t.Helper()
	bed := openbao.Start(t)
	w := &world{Bed: bed, Proxy: bed.Proxy(t)}
	config := Config{Address: w.URL, CreationPaths: []string{readerPath}}
	for _, change := range change {
		change(&config)
	}
	w.integration = mustNew(t, config)
	return w
}

func mustNew(t *testing.T, config Config) *Integration {
	t.Helper()
	integration, err := New(config)
	if err != nil {
		t.Fatal(err)
	}
	return integration
}

func (w *world) mint(t *testing.T, parameters map[string]any) map[string]any {
	t.Helper()
	return w.Mint(t, w.URL, openbao.RoleReader, parameters)
}

func (w *world) open(t *testing.T, parameters map[string]any) *Token {
	t.Helper()
	token, err := w.integration.Open(t.Context(), w.mint(t, parameters))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// refuses opens the context, and checks that there is an error of this class and code, and no secret in it.
func (w *world) refuses(t *testing.T, authorizer map[string]any, class error, code string) *Error {
	t.Helper()
	token, err := w.integration.Open(t.Context(), authorizer)
	if token != nil {
		t.Fatal("it was opened")
	}
	return isError(t, err, class, code, authorizer["vaultWrappingToken"])
}

func isError(t *testing.T, err error, class error, code string, secrets ...any) *Error {
	t.Helper()
	known := (*Error)(nil)
	if !errors.As(err, &known) || !errors.Is(err, class) || known.Code() != code {
		t.Fatalf("got %v, want %s", err, code)
	}
	for _, secret := range secrets {
		if secret != nil && strings.Contains(fmt.Sprintf("%+v %#v", err, err), secret.(string)) {
			t.Fatalf("a secret is in %+v", err)
		}
	}
	return known
}

func TestATokenIsOpenedUsedAndGivenBack(t *testing.T) {
	w := newWorld(t)
	authorizer := w.mint(t, nil)
	token, err := w.integration.Open(t.Context(), map[string]any{"lambda": authorizer})
	if err != nil {
		t.Fatal(err)
	}
	if token.Grant() != openbao.RoleReader || token.CreationPath() != readerPath || token.Lease() != 2*time.Minute ||
		token.Accessor() != authorizer["vaultWrappedAccessor"] || token.Caller() != (Caller{"jwt", "corp", "corp:alice", "none"}) ||
		!reflect.DeepEqual(token.Policies(), []string{"default", "orders"}) {
		t.Errorf("got %v, %+v, %v", token, token.Caller(), token.Policies())
	}
	fields, err := token.KV("secret").Get(t.Context(), "orders")
	if err != nil || fields["password"] != "hunter2" || fields["port"] != json.Number("5432") {
		t.Errorf("got %v, %v", fields, err)
	}
	written, err := token.Write(t.Context(), "secret/data/written", map[string]any{"data": map[string]any{"a": "b"}})
	if err != nil || written.Data()["version"] == nil {
		t.Errorf("got %v, %v", written, err)
	}
	secret, err := token.Read(t.Context(), "secret/data/written")
	if err != nil || secret.Data()["metadata"] == nil || secret.Lease != nil {
		t.Errorf("got %v, %v", secret, err)
	}
	if err := token.Revoke(t.Context()); err != nil {
		t.Error(err)
	}
	if w.IsAlive(t, token.Accessor()) {
		t.Error("the token is alive")
	}
	before := len(w.Requests(""))
	if err := token.Revoke(t.Context()); err != nil {
		t.Error(err)
	}
	_, err = token.Read(t.Context(), orders)
	isError(t, err, ErrVaultDenied, codeTokenNotValid)
	if len(w.Requests("")) != before {
		t.Error("a token that was given back was sent")
	}
}

func TestEachCallCarriesWhatItMustAndNoMore(t *testing.T) {
	w := newWorld(t)
	authorizer := w.mint(t, nil)
	token, err := w.integration.Open(t.Context(), authorizer)
	if err != nil {
		t.Fatal(err)
	}
	defer token.Revoke(t.Context())
	lookup, unwrap := w.Requests(pathLookup)[0], w.Requests(pathUnwrap)[0]
	if lookup.Body != `{"token":"`+authorizer["vaultWrappingToken"].(string)+`"}` || lookup.Header["X-Vault-Token"] != nil {
		t.Error("the lookup is not anonymous")
	}
	if unwrap.Body != "" || unwrap.Header.Get("X-Vault-Token") != authorizer["vaultWrappingToken"] {
		t.Error("the unwrap does not carry the token in its header alone")
	}
	for _, request := range w.Requests("") {
		if request.Header.Get("X-Vault-Request") != "true" || request.Header.Get("User-Agent") != "vault-context-go/"+Version {
			t.Errorf("got %v", request.Header)
		}
	}
	if lookup.Remote != unwrap.Remote {
		t.Error("a connection that works is not kept")
	}
}

func TestTheNamespaceIsSentWithEveryCall(t *testing.T) {
	w := newWorld(t, func(config *Config) { config.Namespace = "platform/" })
	authorizer := w.mint(t, nil)
	authorizer["vaultNamespace"] = "platform"
	w.On(pathLookup, openbao.Always(http.StatusOK, `{"data":{"creation_path":"elsewhere"}}`))
	w.refuses(t, authorizer, ErrContextTampered, "creation_path_mismatch")
	if got := w.Requests(pathLookup)[0].Header.Get("X-Vault-Namespace"); got != "platform" {
		t.Errorf("got %q", got)
	}
}

func TestHeadersOpenATokenToo(t *testing.T) {
	w := newWorld(t)
	token, err := w.integration.OpenHeaders(t.Context(), vaultcontexttest.Headers(w.mint(t, nil)))
	if err != nil {
		t.Fatal(err)
	}
	if err := token.Revoke(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestASpentTokenIsNotKnown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	authorizer := w.mint(t, nil)
	w.Unwrap(t, authorizer["vaultWrappingToken"].(string))
	err := w.refuses(t, authorizer, ErrTokenSpent, "wrapping_token_not_known")
	if !err.IsOutage() || err.Status() != 503 || w.Requests(pathUnwrap) != nil {
		t.Errorf("got %v, %d", err.IsOutage(), err.Status())
	}
}

func TestATokenThatWasThereAndIsGoneIsAnAlarm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	authorizer := w.mint(t, nil)
	w.On(pathUnwrap, func(n int, _ http.ResponseWriter, _ *http.Request) bool {
		if n == 1 {
			w.Unwrap(t, authorizer["vaultWrappingToken"].(string))
		}
		return false
	})
	err := w.refuses(t, authorizer, ErrTokenSpent, "not_valid_any_more")
	if err.IsOutage() || err.Status() != 403 || len(w.Requests(pathUnwrap)) != 1 {
		t.Errorf("got %v, %d", err.IsOutage(), err.Status())
	}
}

func TestANodeThatShowsATokenAndNeverOpensItLags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.On(pathUnwrap, openbao.Always(http.StatusBadRequest, unknown))
	w.refuses(t, w.mint(t, nil), ErrTokenSpent, "wrapping_token_not_known")
	if lookups, unwraps := len(w.Requests(pathLookup)), len(w.Requests(pathUnwrap)); lookups != unwraps+1 || unwraps < 3 {
		t.Errorf("%d lookups and %d unwraps", lookups, unwraps)
	}
}

func TestATokenWhoseTimeEndsMeanwhileHasExpired(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	authorizer := w.mint(t, nil)
	expires := time.Now().Add(time.Minute)
	authorizer["vaultWrapExpiresAt"] = strconv.FormatInt(expires.Unix(), 10)
	w.integration.now = func() time.Time { return time.Unix(expires.Unix(), 0).Add(-5 * time.Millisecond) }
	w.On(pathLookup, openbao.Always(http.StatusBadRequest, unknown))
	w.refuses(t, authorizer, ErrTokenExpired, "wrapping_token_expired")
}

func TestAnExpiredContextIsNotSentToVault(t *testing.T) {
	w := newWorld(t)
	authorizer := w.mint(t, nil)
	authorizer["vaultWrapExpiresAt"] = strconv.FormatInt(time.Now().Unix(), 10)
	w.refuses(t, authorizer, ErrTokenExpired, "wrapping_token_expired")
	if len(w.Requests("")) != 0 {
		t.Error("it was sent")
	}
}

func TestATokenThatWasWrappedAgainIsNotOpened(t *testing.T) {
	w := newWorld(t)
	authorizer := w.mint(t, nil)
	accessor := w.Unwrap(t, authorizer["vaultWrappingToken"].(string))
	authorizer["vaultWrappingToken"] = w.WrapAgain(t, map[string]any{"accessor": accessor})
	err := w.refuses(t, authorizer, ErrContextTampered, "creation_path_mismatch")
	if !strings.Contains(err.Error(), "Vault's lookup") || w.Requests(pathUnwrap) != nil {
		t.Errorf("got %v", err)
	}
}

func TestASwappedTokenIsRevoked(t *testing.T) {
	w := newWorld(t)
	authorizer, other := w.mint(t, nil), w.mint(t, nil)
	authorizer["vaultWrappingToken"] = other["vaultWrappingToken"]
	w.refuses(t, authorizer, ErrAccessorMismatch, "accessor_mismatch")
	if w.IsAlive(t, other["vaultWrappedAccessor"].(string)) {
		t.Error("the swapped token is alive")
	}
}

func TestATokenThatLivesTooLongIsRevoked(t *testing.T) {
	w := newWorld(t)
	authorizer := w.mint(t, map[string]any{"ttl": "901s"})
	err := w.refuses(t, authorizer, ErrLeaseTooLong, "lease_too_long")
	if !strings.Contains(err.Error(), "901 s") || w.IsAlive(t, authorizer["vaultWrappedAccessor"].(string)) {
		t.Errorf("got %v, or the token is alive", err)
	}
	patient := mustNew(t, Config{Address: w.URL, CreationPaths: []string{readerPath}, MaxLease: 901 * time.Second})
	token, opened := patient.Open(t.Context(), w.mint(t, map[string]any{"ttl": "901s"}))
	if opened != nil {
		t.Fatal(opened)
	}
	_ = token.Revoke(t.Context())
}

func TestPoliciesOfAnEntityHaveToBeAllowed(t *testing.T) {
	w := newWorld(t)
	alias := map[string]any{"entity_alias": openbao.EntityAlias}
	authorizer := w.mint(t, alias)
	w.refuses(t, authorizer, ErrVaultDenied, "identity_policies")
	if w.IsAlive(t, authorizer["vaultWrappedAccessor"].(string)) {
		t.Error("the token is alive")
	}
	open := mustNew(t, Config{Address: w.URL, CreationPaths: []string{readerPath}, AllowIdentityPolicies: true})
	token, err := open.Open(t.Context(), w.mint(t, alias))
	if err != nil {
		t.Fatal(err)
	}
	_ = token.Revoke(t.Context())
}

func TestABatchTokenIsRefused(t *testing.T) {
	w := newWorld(t, func(config *Config) { config.CreationPaths = []string{"auth/token/create/" + openbao.RoleBatch} })
	authorizer := w.Mint(t, w.URL, openbao.RoleBatch, nil)
	authorizer["vaultWrappedAccessor"] = "a batch token has none"
	if err := w.refuses(t, authorizer, ErrVaultDenied, "not_a_service_token"); err.Status() != 403 {
		t.Errorf("status %d", err.Status())
	}
}

func TestWhatVaultUnwrapsIsRead(t *testing.T) {
	for name, test := range map[string]struct {
		body, code string
		revoked    bool
	}{
		"no token inside":      {`{"data":{"a":"b"}}`, "not_a_service_token", false},
		"a token of no letter": {`{"auth":{"client_token":""}}`, codeAnswerInvalid, false},
		"another type":         {`{"auth":{"client_token":"hvs.x","lease_duration":-1}}`, codeAnswerInvalid, true},
		"no type":              {`{"auth":{"client_token":"hvs.x"}}`, "not_a_service_token", true},
		"without an end": {`{"auth":{"client_token":"hvs.x","token_type":"service","accessor":"ACCESSOR"}}`,
			"lease_too_long", true},
		"a list":       {`[]`, codeAnswerInvalid, false},
		"nothing":      {``, codeAnswerInvalid, false},
		"two answers":  {`{}{}`, codeAnswerInvalid, false},
		"data of text": {`{"data":"x"}`, codeAnswerInvalid, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			authorizer := w.mint(t, nil)
			accessor := authorizer["vaultWrappedAccessor"].(string)
			w.On(pathUnwrap, openbao.Always(http.StatusOK, strings.ReplaceAll(test.body, "ACCESSOR", accessor)))
			w.On(pathRevokeSelf, openbao.Always(http.StatusNoContent, ""))
			_, err := w.integration.Open(t.Context(), authorizer)
			if known := (*Error)(nil); !errors.As(err, &known) || known.Code() != test.code {
				t.Fatalf("got %v", err)
			}
			if revoked := w.Requests(pathRevokeSelf) != nil; revoked != test.revoked {
				t.Errorf("revoked: %v", revoked)
			}
		})
	}
}

func TestALostAnswerToAnUnwrapIsNotAskedForAgain(t *testing.T) {
	w := newWorld(t)
	w.On(pathUnwrap, func(_ int, _ http.ResponseWriter, r *http.Request) bool {
		w.Unwrap(t, r.Header.Get("X-Vault-Token"))
		panic(http.ErrAbortHandler)
	})
	err := w.refuses(t, w.mint(t, nil), ErrVaultUnavailable, codeUnreachable)
	if !err.IsOutage() || len(w.Requests(pathUnwrap)) != 1 || len(w.Requests(pathLookup)) != 1 {
		t.Errorf("%d unwraps", len(w.Requests(pathUnwrap)))
	}
}

func TestAFailingNodeIsNotAskedToUnwrapAgain(t *testing.T) {
	for status, body := range map[int]string{500: "", 503: "<html>", 307: "", 404: "no backend", 473: ""} {
		w := newWorld(t)
		w.On(pathUnwrap, openbao.Always(status, body))
		w.refuses(t, w.mint(t, nil), ErrVaultUnavailable, codeUnavailable)
		if len(w.Requests(pathUnwrap)) != 1 {
			t.Errorf("%d: %d unwraps", status, len(w.Requests(pathUnwrap)))
		}
	}
}

func TestAnUnwrapThatFoundNoConnectionIsSentAfterANewLookup(t *testing.T) {
	w := newWorld(t)
	var refused atomic.Int32
	w.On(pathLookup, func(n int, answer http.ResponseWriter, _ *http.Request) bool {
		if n == 1 {
			answer.Header().Set("Connection", "close")
			transport := w.integration.vault.newTransport()
			dial := transport.DialContext
			transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
				if refused.Add(1) == 1 {
					return nil, errors.New("connection refused")
				}
				return dial(ctx, network, address)
			}
			w.integration.vault.current.Store(transport)
		}
		return false
	})
	if err := w.open(t, nil).Revoke(t.Context()); err != nil {
		t.Error(err)
	}
	if refused.Load() != 2 || len(w.Requests(pathLookup)) != 2 || len(w.Requests(pathUnwrap)) != 1 {
		t.Errorf("%d lookups, %d unwraps", len(w.Requests(pathLookup)), len(w.Requests(pathUnwrap)))
	}
}

func TestStepsAreAskedAgainWhereANodeMayLag(t *testing.T) {
	lags := map[string]openbao.Step{
		"400": openbao.First(3, 400, unknown),
		"412": openbao.First(3, 412, `{"errors":["required index state not present"]}`),
		"429": openbao.First(3, 429, `{"errors":[]}`),
		"403": openbao.First(3, 403, `{"errors":["permission denied"]}`),
	}
	for _, test := range [][]string{
		{pathLookup, "400", "412", "429"}, {pathUnwrap, "400", "412", "429", "403"},
		{orders, "412", "429", "403"}, {"secret/data/lag", "412", "429", "403"}, {pathRevokeSelf, "412", "429", "403"},
	} {
		for _, lag := range test[1:] {
			t.Run(test[0]+" "+lag, func(t *testing.T) {
				w := newWorld(t)
				w.On(test[0], lags[lag])
				token := w.open(t, nil)
				_, read := token.Read(t.Context(), orders)
				_, write := token.Write(t.Context(), "secret/data/lag", map[string]any{"data": map[string]any{}})
				if err := errors.Join(read, write, token.Revoke(t.Context())); err != nil {
					t.Fatal(err)
				}
				connections := map[string]bool{}
				for _, request := range w.Requests(test[0]) {
					connections[request.Remote] = true
				}
				if len(w.Requests(test[0])) < 4 || len(connections) < 4 {
					t.Errorf("%d tries on %d connections", len(w.Requests(test[0])), len(connections))
				}
			})
		}
	}
}

func TestALookupPassesOverAFailingNode(t *testing.T) {
	breaks := func(n int, _ http.ResponseWriter, _ *http.Request) bool {
		if n == 1 {
			panic(http.ErrAbortHandler)
		}
		return false
	}
	for name, step := range map[string]openbao.Step{
		"500": openbao.First(1, 500, ""), "502": openbao.First(2, 502, "<html>"), "307": openbao.First(1, 307, ""),
		"404": openbao.First(1, 404, "no backend"), "472": openbao.First(1, 472, ""), "a broken connection": breaks,
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.On(pathLookup, step)
			_ = w.open(t, nil).Revoke(t.Context())
		})
	}
}

func TestNobodyIsAskedAgainWhereThatCannotHelp(t *testing.T) {
	for name, test := range map[string]struct {
		step  openbao.Step
		code  string
		tries int
	}{
		"sealed":    {openbao.Always(503, `{"errors":["Vault is sealed"]}`), codeSealed, 1},
		"throttled": {openbao.Always(429, `{"errors":["quota exceeded"]}`), codeThrottled, 1},
		"refused":   {openbao.Always(400, `{"errors":["no"]}`), codeRefused, 1},
		"denied":    {openbao.Always(403, `{"errors":["permission denied"]}`), codeRefused, 1},
		"no path":   {openbao.Always(200, `{"data":{}}`), codeAnswerInvalid, 1},
		"moved":     {openbao.Always(302, ""), codeAnswerInvalid, 1},
		"too large": {openbao.Always(200, `{"data":"`+strings.Repeat("x", maxAnswerBytes)+`"}`), codeAnswerTooLarge, 1},
		"broken":    {openbao.BreakOff, codeUnreachable, 2},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.On(pathLookup, test.step)
			_, err := w.integration.Open(t.Context(), w.mint(t, nil))
			if known := (*Error)(nil); !errors.As(err, &known) || known.Code() != test.code {
				t.Fatalf("got %v", err)
			}
			if tries := len(w.Requests(pathLookup)); tries != test.tries {
				t.Errorf("%d tries", tries)
			}
		})
	}
}

func TestAnOutageThatLastsIsNamed(t *testing.T) {
	t.Parallel()
	for _, status := range []int{412, 502} {
		w := newWorld(t)
		w.On(pathLookup, openbao.Always(status, ""))
		w.refuses(t, w.mint(t, nil), ErrVaultUnavailable, codeUnavailable)
	}
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	w := newWorld(t)
	elsewhere := w.Bed.Proxy(t)
	token := w.open(t, nil)
	defer token.Revoke(t.Context())
	for status, code := range map[int]string{301: codeAnswerInvalid, 302: codeAnswerInvalid, 308: codeAnswerInvalid} {
		w.On(orders, func(_ int, answer http.ResponseWriter, r *http.Request) bool {
			http.Redirect(answer, r, elsewhere.URL+r.URL.Path, status)
			return true
		})
		_, err := token.Read(t.Context(), orders)
		isError(t, err, ErrVaultDenied, code)
	}
	if len(elsewhere.Requests("")) != 0 {
		t.Error("a redirect was followed")
	}
}

func TestAHangingVaultTimesOutOnce(t *testing.T) {
	w := newWorld(t, func(config *Config) { config.Timeout = 300 * time.Millisecond })
	authorizer := w.mint(t, nil)
	released := make(chan struct{})
	t.Cleanup(func() { close(released) })
	w.On(pathLookup, func(int, http.ResponseWriter, *http.Request) bool {
		<-released
		panic(http.ErrAbortHandler)
	})
	w.refuses(t, authorizer, ErrVaultUnavailable, codeTimedOut)
	if len(w.Requests(pathLookup)) != 1 {
		t.Error("it was asked again")
	}
}

func TestACancelledRequestEndsAndIsStillGivenBack(t *testing.T) {
	w := newWorld(t)
	token := w.open(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := token.Read(ctx, orders)
	isError(t, err, ErrVaultUnavailable, codeTimedOut)
	if !errors.Is(err, context.Canceled) {
		t.Error("the reason is not in the error")
	}
	if err := token.Revoke(ctx); err != nil || w.IsAlive(t, token.Accessor()) {
		t.Errorf("got %v, or the token is alive", err)
	}
}

func TestATokenThatWasUnwrappedForACancelledRequestIsRevoked(t *testing.T) {
	w := newWorld(t)
	authorizer := w.mint(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	w.On(pathUnwrap, func(int, http.ResponseWriter, *http.Request) bool {
		cancel()
		time.Sleep(50 * time.Millisecond)
		return false
	})
	token, err := w.integration.Open(ctx, authorizer)
	if token != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, %v", token, err)
	}
	for end := time.Now().Add(10 * time.Second); w.IsAlive(t, authorizer["vaultWrappedAccessor"].(string)); {
		if time.Now().After(end) {
			t.Fatal("the token inside is alive, and nobody knows it")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func TestAnUnreachableVaultIsAnOutage(t *testing.T) {
	w := newWorld(t)
	authorizer := w.mint(t, nil)
	w.Close()
	err := w.refuses(t, authorizer, ErrVaultUnavailable, codeUnreachable)
	if !strings.Contains(err.Error(), "refused") {
		t.Errorf("the text has no reason: %v", err)
	}
}

func TestReadsAreRepeatedWhereNoUseIsCountedTwice(t *testing.T) {
	w := newWorld(t)
	for name, test := range map[string]struct {
		parameters map[string]any
		step       openbao.Step
		tries      int
	}{
		"without num_uses":    {nil, openbao.First(2, 502, ""), 3},
		"with num_uses":       {map[string]any{"num_uses": 5}, openbao.First(2, 502, ""), 1},
		"a broken connection": {nil, openbao.BreakOff, 1},
		"sealed":              {nil, openbao.Always(503, `{"errors":["Vault is sealed"]}`), 1},
		"used up":             {map[string]any{"num_uses": 1}, openbao.Always(403, `{"errors":["permission denied"]}`), 1},
	} {
		t.Run(name, func(t *testing.T) {
			token := w.open(t, test.parameters)
			if name == "used up" {
				if _, err := token.Read(t.Context(), "secret/data/written-by-nobody"); err == nil {
					t.Fatal("it was read")
				}
			}
			before := len(w.Requests(orders))
			w.On(orders, func(n int, answer http.ResponseWriter, r *http.Request) bool { return test.step(n-before, answer, r) })
			_, err := token.Read(t.Context(), orders)
			if tries := len(w.Requests(orders)) - before; tries != test.tries || (err == nil) != (test.tries == 3) {
				t.Errorf("%d tries, %v", tries, err)
			}
			_ = token.Revoke(t.Context())
		})
	}
}

func TestWritesAreNotRepeatedOnAnOutage(t *testing.T) {
	w := newWorld(t)
	token := w.open(t, nil)
	defer token.Revoke(t.Context())
	w.On(orders, openbao.Always(502, ""))
	_, err := token.Write(t.Context(), orders, nil)
	isError(t, err, ErrVaultUnavailable, codeUnavailable)
	if tries := len(w.Requests(orders)); tries != 1 {
		t.Errorf("%d tries", tries)
	}
}

func TestPathsThatCouldClimbAreNotSent(t *testing.T) {
	w := newWorld(t)
	token := w.open(t, nil)
	defer token.Revoke(t.Context())
	before := len(w.Requests(""))
	for _, path := range badPaths {
		_, read := token.Read(t.Context(), path)
		_, kv := token.KV("secret").Get(t.Context(), path)
		_, write := token.Write(t.Context(), path, nil)
		for _, err := range []error{read, kv, write} {
			isError(t, err, ErrVaultDenied, codeCallInvalid)
		}
	}
	_, err := token.Write(t.Context(), "a", map[string]any{"a": func() {}})
	isError(t, err, ErrVaultDenied, codeCallInvalid)
	if len(w.Requests("")) != before {
		t.Error("something was sent")
	}
}

func TestWhatVaultRefusesAnUnwrappedTokenIsSaid(t *testing.T) {
	w := newWorld(t)
	token := w.open(t, nil)
	defer token.Revoke(t.Context())
	_, err := token.Read(t.Context(), "sys/auth")
	isError(t, err, ErrVaultDenied, codeForbidden)
	_, err = token.KV("secret").Get(t.Context(), "nothing-there")
	isError(t, err, ErrVaultDenied, codeRefused)
	w.On(orders, openbao.Always(200, `{"data":null}`))
	_, err = token.Read(t.Context(), orders)
	isError(t, err, ErrVaultDenied, codeAnswerInvalid)
	w.On(orders, openbao.Always(200, `{"data":{"data":null}}`))
	_, err = token.KV("secret").Get(t.Context(), "orders")
	isError(t, err, ErrVaultDenied, codeAnswerInvalid)
}

func TestDatabaseCredentialsHaveALease(t *testing.T) {
	w := newWorld(t)
	token := w.open(t, nil)
	defer token.Revoke(t.Context())
	w.On("database/creds/orders", openbao.Always(200, `{"lease_id":"database/creds/orders/x","lease_duration":60,
		"renewable":true,"data":{"username":"v-orders","password":"hunter2"}}`))
	credentials, err := token.Database("database").Credentials(t.Context(), "orders")
	if err != nil || credentials.Username != "v-orders" || credentials.Password() != "hunter2" || credentials.Lease != time.Minute {
		t.Errorf("got %v, %v", credentials, err)
	}
	w.On("database/creds/orders", openbao.Always(200, `{"data":{"username":"v-orders"}}`))
	_, err = token.Database("database").Credentials(t.Context(), "orders")
	isError(t, err, ErrVaultDenied, codeAnswerInvalid)
}

func TestARevocationThatFailsIsLoggedWithoutTheToken(t *testing.T) {
	w := newWorld(t)
	log := captureLog(t)
	token := w.open(t, nil)
	w.On(pathRevokeSelf, openbao.Always(500, `{"errors":["internal error"]}`))
	isError(t, token.Revoke(t.Context()), ErrVaultUnavailable, codeUnavailable)
	for _, part := range []string{"level=WARN", "code=" + codeUnavailable, "accessor=" + token.Accessor()} {
		if !strings.Contains(log.String(), part) {
			t.Errorf("%s is not in %s", part, log)
		}
	}
	if strings.Contains(log.String(), token.value.expose()) {
		t.Error("the token is in the log")
	}
}

func captureLog(t *testing.T) *bytes.Buffer {
	t.Helper()
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	return &log
}

func TestNoEnvironmentVariableIsRead(t *testing.T) {
	for _, value := range []string{"hostile", "http://127.0.0.1:1"} {
		for _, name := range strings.Fields(`ADDR AGENT_ADDR PROXY_ADDR TOKEN NAMESPACE HEADERS MAX_RETRIES CLIENT_TIMEOUT
			RATE_LIMIT SKIP_VERIFY CACERT CACERT_BYTES CAPATH CLIENT_CERT CLIENT_KEY TLS_SERVER_NAME WRAP_TTL SRV_LOOKUP
			HTTP_PROXY DISABLE_REDIRECTS`) {
			t.Setenv("VAULT_"+name, value)
			t.Setenv("BAO_"+name, value)
		}
		for _, name := range strings.Fields("HTTP_PROXY HTTPS_PROXY ALL_PROXY http_proxy https_proxy all_proxy") {
			t.Setenv(name, value)
		}
		home := t.TempDir()
		t.Setenv("HOME", home)
		if err := os.WriteFile(filepath.Join(home, ".vault-token"), []byte("hostile"), 0o600); err != nil {
			t.Fatal(err)
		}
		w := newWorld(t)
		token := w.open(t, nil)
		if _, err := token.Read(t.Context(), orders); err != nil {
			t.Error(err)
		}
		if err := token.Revoke(t.Context()); err != nil {
			t.Error(err)
		}
		for _, request := range w.Requests("") {
			if text := fmt.Sprint(request); strings.Contains(text, "hostile") || request.Header["X-Vault-Namespace"] != nil {
				t.Errorf("got %s", text)
			}
		}
		// Go takes no proxy for a loopback address, so the requests alone would not show it.
		if w.integration.vault.transport().Proxy != nil {
			t.Error("there is a proxy")
		}
	}
}

func TestVaultsCertificateIsVerified(t *testing.T) {
	bed := openbao.Start(t)
	proxy := bed.TLSProxy(t)
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: proxy.Certificate().Raw})
	if err := os.WriteFile(bundle, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	config := Config{Address: proxy.URL, CreationPaths: []string{readerPath}}
	_, err := mustNew(t, config).Open(t.Context(), bed.Mint(t, proxy.URL, openbao.RoleReader, nil))
	if known := isError(t, err, ErrVaultUnavailable, codeUnreachable); !strings.Contains(known.Error(), "certificate") {
		t.Errorf("the text has no reason: %v", known)
	}
	config.CAFile = bundle
	integration := mustNew(t, config)
	token, err := integration.Open(t.Context(), bed.Mint(t, proxy.URL, openbao.RoleReader, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := token.Revoke(t.Context()); err != nil {
		t.Error(err)
	}
	if integration.vault.tls.MinVersion != tls.VersionTLS12 || integration.vault.tls.InsecureSkipVerify {
		t.Error("TLS is weak")
	}
}

func TestManyRequestsAtOnce(t *testing.T) {
	w := newWorld(t)
	w.On(pathLookup, openbao.First(5, 412, ""))
	var wait sync.WaitGroup
	for range 16 {
		authorizer := w.mint(t, nil)
		wait.Go(func() {
			token, err := w.integration.Open(t.Context(), authorizer)
			if err != nil {
				t.Error(err)
				return
			}
			if token.Accessor() != authorizer["vaultWrappedAccessor"] {
				t.Error("another request's token")
			}
			for range 2 {
				wait.Go(func() {
					if _, err := token.Read(context.Background(), "secret/data/orders"); err != nil && !errors.Is(err, ErrVaultDenied) {
						t.Error(err)
					}
				})
			}
			if err := token.Revoke(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

func TestNothingPrintsASecret(t *testing.T) {
	w := newWorld(t)
	authorizer := w.mint(t, nil)
	token, err := w.integration.Open(t.Context(), authorizer)
	if err != nil {
		t.Fatal(err)
	}
	defer token.Revoke(t.Context())
	secret := *newSecret(&answer{Data: map[string]any{"password": "hunter2"}, LeaseID: "lease-id", LeaseDuration: 60})
	credentials := Credentials{"v-orders", time.Minute, hide("hunter2")}
	if secret.Data()["password"] != "hunter2" || secret.Lease.ID() != "lease-id" || secret.Lease.Duration != time.Minute {
		t.Errorf("got %v", secret)
	}
	envelope, _ := fromAuthorizer(authorizer)
	values := []any{
		token, *w.integration, w.integration, secret, &secret, secret.Lease, *secret.Lease, credentials, &credentials,
		envelope, *envelope.wrapped, token.KV("secret"), token.Database("database"), []any{token, secret},
		struct{ held *Token }{token}, struct{ held *Secret }{&secret}, struct{ held *Credentials }{&credentials},
		slog.AnyValue(token), call{token: token.value, mentions: token.value}, usersValue{token},
	}
	for _, value := range values {
		texts := fmt.Sprintf("%v %+v %#v %s %q %x %d", value, value, value, value, value, value, value)
		if encoded, err := json.Marshal(value); err == nil {
			texts += string(encoded)
		}
		for _, hidden := range []string{
			token.value.expose(), authorizer["vaultWrappingToken"].(string), "lease-id", "hunter2",
			fmt.Sprintf("%x", "hunter2"), fmt.Sprint([]byte("hunter2")),
		} {
			if strings.Contains(texts, hidden) {
				t.Errorf("%T shows a secret", value)
			}
		}
	}
	if got, want := fmt.Sprintf("%+v", token), "Token(grant orders-reader, accessor "+token.Accessor()+")"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// usersValue is a struct of a user's.
type usersValue struct{ Token *Token }

func TestABadConfigurationNamesEverythingThatIsWrong(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := New(Config{
		Address: "http://vault.example.com", CreationPaths: []string{"sys/wrapping/wrap"}, Namespace: "a b", CAFile: empty,
		MaxLease: -1, Timeout: -1,
	})
	if err == nil {
		t.Fatal("it was accepted")
	}
	for _, name := range []string{"Address", "CreationPaths", "Namespace", "CAFile", "MaxLease", "Timeout"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not in: %v", name, err)
		}
	}
	for _, config := range []Config{
		{}, {Address: "https://v.example"}, {Address: "https://v.example", CreationPaths: []string{readerPath}, Namespace: "/"},
		{Address: "https://v.example", CreationPaths: []string{readerPath}, CAFile: empty + "-missing"},
	} {
		if _, err := New(config); err == nil {
			t.Errorf("%+v was accepted", config)
		}
	}
}
