// Package vaultcontexttest helps to test an integration without AWS. It creates the context that vault-authorizer sends, with a
// real token from a development server (bao server -dev or vault server -dev).
package vaultcontexttest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Vault is a development server, with a token that may create tokens.
type Vault struct {
	Address, Token, Namespace string
}

// FromEnv reads VAULT_ADDR, VAULT_TOKEN and VAULT_NAMESPACE. It fails the test if VAULT_ADDR or VAULT_TOKEN is missing, or if
// VAULT_ADDR is not on this machine: a test should not create tokens in a Vault that others use.
func FromEnv(t testing.TB) Vault {
	t.Helper()
	vault := Vault{os.Getenv("VAULT_ADDR"), os.Getenv("VAULT_TOKEN"), os.Getenv("VAULT_NAMESPACE")}
	if vault.Address == "" || vault.Token == "" {
		t.Fatal("this test needs a development Vault: set VAULT_ADDR and VAULT_TOKEN")
	}
	if !isLoopback(vault.Address) {
		t.Fatal("VAULT_ADDR must be http:// and a loopback host: this test creates tokens")
	}
	return vault
}

func isLoopback(address string) bool {
	parsed, err := url.Parse(address)
	if err != nil || parsed.Scheme != "http" {
		return false
	}
	ip, err := netip.ParseAddr(parsed.Hostname())
	return parsed.Hostname() == "localhost" || (err == nil && ip.IsLoopback())
}

// Authorizer creates a wrapped token at creationPath, such as auth/token/create/orders-prod-reader, and returns the value of
// RequestContext.Authorizer for it. The parameters are sent to Vault. Without a ttl among them, the token lives 2 minutes.
func (v Vault) Authorizer(t testing.TB, creationPath string, parameters map[string]any) map[string]any {
	t.Helper()
	body := map[string]any{"ttl": "120s"}
	for name, value := range parameters {
		body[name] = value
	}
	wrapped := v.create(t, creationPath, body)
	authorizer := map[string]any{
		"vaultWrappingToken":   wrapped.Token,
		"vaultWrappedAccessor": wrapped.WrappedAccessor,
		"vaultCreationPath":    wrapped.CreationPath,
		"vaultAddress":         v.Address,
		"vaultWrapExpiresAt":   strconv.FormatInt(time.Now().Unix()+wrapped.TTL, 10),
		"vaultGrant":           path.Base(creationPath),
		"callerKind":           "jwt",
		"callerIssuer":         "corp",
		"callerId":             "corp:alice",
		"callerBinding":        "none",
		"contextVersion":       "1",
	}
	if v.Namespace != "" {
		authorizer["vaultNamespace"] = v.Namespace
	}
	return authorizer
}

type wrapInfo struct {
	Token           string
	TTL             int64
	CreationPath    string `json:"creation_path"`
	WrappedAccessor string `json:"wrapped_accessor"`
}

func (v Vault) create(t testing.TB, creationPath string, body map[string]any) wrapInfo {
	t.Helper()
	encoded, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	target := strings.TrimRight(v.Address, "/") + "/v1/" + creationPath
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, target, bytes.NewReader(encoded))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Vault-Token", v.Token)
	request.Header.Set("X-Vault-Wrap-TTL", "60s")
	if v.Namespace != "" {
		request.Header.Set("X-Vault-Namespace", v.Namespace)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answered, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		t.Fatalf("%s: status %d: %s, %v", creationPath, response.StatusCode, answered, err)
	}
	var answer struct {
		WrapInfo wrapInfo `json:"wrap_info"`
	}
	if err := json.Unmarshal(answered, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.WrapInfo
}

var capital = regexp.MustCompile("[A-Z]")

// Headers returns the headers that a container behind an HTTP integration receives for a context.
func Headers(authorizer map[string]any) http.Header {
	headers := http.Header{}
	for key, value := range authorizer {
		name := strings.TrimPrefix(strings.TrimPrefix(key, "vault"), "context")
		name = strings.TrimPrefix(capital.ReplaceAllString(name, "-$0"), "-")
		headers.Set("X-Vault-Context-"+name, value.(string))
	}
	return headers
}
