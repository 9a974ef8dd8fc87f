package vaultcontext

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"
)

func whole() map[string]any {
	return map[string]any{
		"vaultWrappingToken":   "hvs.wrapping",
		"vaultWrappedAccessor": "accessor",
		"vaultCreationPath":    "auth/token/create/orders",
		"vaultAddress":         "https://vault.example.com",
		"vaultNamespace":       "platform",
		"vaultWrapExpiresAt":   "4102444800",
		"vaultGrant":           "orders",
		"callerKind":           "jwt",
		"callerIssuer":         "corp",
		"callerId":             "corp:alice",
		"callerBinding":        "mtls",
		"contextVersion":       "1",
		"principalId":          map[string]any{"not": "of the contract"},
	}
}

func without(keys ...string) map[string]any {
	authorizer := whole()
	for _, key := range keys {
		delete(authorizer, key)
	}
	return authorizer
}

func with(key string, value any) map[string]any {
	authorizer := whole()
	authorizer[key] = value
	return authorizer
}

func TestTheContextIsReadFromWhereAPIGatewayPutsIt(t *testing.T) {
	numbers := whole()
	numbers["vaultWrapExpiresAt"], numbers["contextVersion"] = float64(4102444800), json.Number("1")
	for _, authorizer := range []map[string]any{whole(), {"lambda": whole()}, numbers, with("lambda", "a text")} {
		got, err := fromAuthorizer(authorizer)
		if err != nil {
			t.Fatal(err)
		}
		if want := (Caller{"jwt", "corp", "corp:alice", "mtls"}); got.caller != want || got.grant != "orders" {
			t.Errorf("got %+v of %s", got.caller, got.grant)
		}
		token := got.wrapped
		if token.token.expose() != "hvs.wrapping" || token.accessor != "accessor" || token.namespace != "platform" ||
			token.creationPath != "auth/token/create/orders" || token.address != "https://vault.example.com" ||
			token.expiresAt != 4102444800 {
			t.Errorf("got %+v", token)
		}
	}
}

func TestWhatMayBeAbsentIs(t *testing.T) {
	authorizer := without("callerIssuer", "callerBinding")
	authorizer["vaultNamespace"] = nil
	got, err := fromAuthorizer(authorizer)
	if err != nil {
		t.Fatal(err)
	}
	if got.wrapped.namespace != "" || got.caller.Issuer != "" || got.caller.Binding != "none" {
		t.Errorf("got %+v", got)
	}
}

func TestAContextThatIsNotWholeIsRefusedByItsKey(t *testing.T) {
	long, beyond := strings.Repeat("x", maxValueBytes+1), "18446744073709551616"
	for name, test := range map[string]struct {
		authorizer map[string]any
		class      error
		code, key  string
	}{
		"nothing":          {nil, ErrContextMissing, "no_context", ""},
		"another's":        {map[string]any{"sub": "x", "vaultGrant": ""}, ErrContextMissing, "no_context", ""},
		"an empty lambda":  {map[string]any{"lambda": map[string]any{}, "vaultGrant": "x"}, ErrContextMissing, "no_context", ""},
		"a list":           {with("vaultGrant", []any{"x"}), ErrContextTampered, "context_invalid", "vaultGrant"},
		"an object":        {with("callerIssuer", map[string]any{}), ErrContextTampered, "context_invalid", "callerIssuer"},
		"too long":         {with("callerId", long), ErrContextTampered, "context_invalid", "callerId"},
		"a line end":       {with("callerId", "a\nb"), ErrContextTampered, "context_invalid", "callerId"},
		"a C1 control":     {with("callerId", "a\u0085b"), ErrContextTampered, "context_invalid", "callerId"},
		"no version":       {without("contextVersion"), ErrContextTampered, "context_invalid", "contextVersion"},
		"a later version":  {with("contextVersion", "2"), ErrContextTampered, "context_invalid", "contextVersion"},
		"a true version":   {with("contextVersion", true), ErrContextTampered, "context_invalid", "contextVersion"},
		"no grant":         {with("vaultGrant", ""), ErrContextTampered, "context_invalid", "vaultGrant"},
		"no kind":          {without("callerKind"), ErrContextTampered, "context_invalid", "callerKind"},
		"another kind":     {with("callerKind", "JWT"), ErrContextTampered, "context_invalid", "callerKind"},
		"no id":            {without("callerId"), ErrContextTampered, "context_invalid", "callerId"},
		"another binding":  {with("callerBinding", "tls"), ErrContextTampered, "context_invalid", "callerBinding"},
		"no token":         {without("vaultWrappingToken"), ErrContextTampered, "context_invalid", "vaultWrappingToken"},
		"no accessor":      {without("vaultWrappedAccessor"), ErrContextTampered, "context_invalid", "vaultWrappedAccessor"},
		"no creation path": {without("vaultCreationPath"), ErrContextTampered, "context_invalid", "vaultCreationPath"},
		"no address":       {without("vaultAddress"), ErrContextTampered, "context_invalid", "vaultAddress"},
		"no expiry":        {without("vaultWrapExpiresAt"), ErrContextTampered, "context_invalid", "vaultWrapExpiresAt"},
		"a space in it":    {with("vaultWrappingToken", "a secret"), ErrContextTampered, "context_invalid", "vaultWrappingToken"},
		"a sign":           {with("vaultWrapExpiresAt", "+1"), ErrContextTampered, "context_invalid", "vaultWrapExpiresAt"},
		"other digits":     {with("vaultWrapExpiresAt", "٣"), ErrContextTampered, "context_invalid", "vaultWrapExpiresAt"},
		"beyond 64 bits":   {with("vaultWrapExpiresAt", beyond), ErrContextTampered, "context_invalid", "vaultWrapExpiresAt"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := fromAuthorizer(test.authorizer)
			if err == nil || !errors.Is(err, test.class) || err.Code() != test.code || err.Status() != 403 || err.IsOutage() {
				t.Fatalf("got %#v", err)
			}
			if !strings.Contains(err.Error(), test.key) || strings.Contains(err.Error(), "secret") {
				t.Errorf("the text names no key, or quotes a value: %v", err)
			}
		})
	}
}

func TestHeadersAreReadInAnySpelling(t *testing.T) {
	headers := http.Header{"Host": {"api.example.com"}}
	for _, field := range fields {
		headers[strings.ReplaceAll(strings.ToUpper(field.header), "-", "_")] = []string{whole()[field.key].(string)}
	}
	got, err := fromHeaders(headers)
	if err != nil {
		t.Fatal(err)
	}
	if got.grant != "orders" || got.wrapped.namespace != "platform" {
		t.Errorf("got %+v", got)
	}
}

func TestAHeaderThatWasSentTwiceIsRefused(t *testing.T) {
	once := http.Header{"X-Vault-Context-Grant": {"a"}}
	for name, second := range map[string]http.Header{
		"in one spelling":  {"X-Vault-Context-Grant": {"a", "a"}},
		"in two spellings": {"X_Vault_Context_Grant": {"a"}},
		"without a value":  {"x-vault-context-grant": {""}},
	} {
		headers := maps.Clone(once)
		maps.Copy(headers, second)
		if _, err := fromHeaders(headers); err == nil || err.Code() != "context_invalid" {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

func TestTheContextIsComparedWithTheConfiguration(t *testing.T) {
	integration, err := New(Config{
		Address:       "https://Vault.example.com:443/",
		Namespace:     "/platform/",
		CreationPaths: []string{"auth/token/create/others", "auth/token/create/orders"},
	})
	if err != nil {
		t.Fatal(err)
	}
	receive := func(authorizer map[string]any) *Error {
		t.Helper()
		envelope, err := fromAuthorizer(authorizer)
		if err != nil {
			t.Fatal(err)
		}
		_, err = integration.receive(envelope)
		return err
	}
	if err := receive(whole()); err != nil {
		t.Fatal(err)
	}
	none := map[string]any{"vaultGrant": "g", "callerKind": "jwt", "callerId": "x", "contextVersion": "1"}
	wrongEverywhere := with("vaultAddress", "https://evil.example")
	wrongEverywhere["vaultNamespace"], wrongEverywhere["vaultCreationPath"] = "x", "x"
	for _, test := range []struct {
		authorizer map[string]any
		class      error
		code       string
	}{
		{none, ErrContextMissing, "no_token"},
		{wrongEverywhere, ErrContextTampered, "address_mismatch"},
		{with("vaultAddress", "not a URL"), ErrContextTampered, "address_mismatch"},
		{with("vaultAddress", "https://vault.example.com:443/?a"), ErrContextTampered, "address_mismatch"},
		{with("vaultNamespace", "platform/"), ErrContextTampered, "namespace_mismatch"},
		{without("vaultNamespace"), ErrContextTampered, "namespace_mismatch"},
		{with("vaultCreationPath", "auth/token/create/orders2"), ErrContextTampered, "creation_path_mismatch"},
		{with("vaultWrapExpiresAt", "1000000000"), ErrTokenExpired, "wrapping_token_expired"},
	} {
		if err := receive(test.authorizer); err == nil || !errors.Is(err, test.class) || err.Code() != test.code {
			t.Errorf("got %v, want %s", err, test.code)
		}
	}
}

func TestTheTimeLeftEndsWithTheSecond(t *testing.T) {
	for _, test := range []struct {
		expiresAt uint64
		now       time.Time
		want      time.Duration
	}{
		{100, time.Unix(99, 0), time.Second},
		{100, time.Unix(99, 999_999_999), 1},
		{100, time.Unix(100, 0), 0},
		{100, time.Unix(-5, 0), 0},
		{1<<64 - 1, time.Unix(0, 0), 365 * 24 * time.Hour},
	} {
		if got := max(0, timeLeft(test.expiresAt, test.now)); got != test.want {
			t.Errorf("got %v, want %v", got, test.want)
		}
	}
}
