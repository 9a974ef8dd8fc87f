package vaultcontext

import (
	"strings"
	"testing"
)

func TestAddressesThatCredentialsMayBeSentTo(t *testing.T) {
	for _, text := range strings.Fields(`https://vault.example.com:8200 https://vault.example.com/a/b http://localhost:8200
		http://127.0.0.1:8200/ http://127.9.9.9 http://[::1]:8200 https://[2001:db8::1]`) {
		if _, err := parseAddress(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	refused := strings.Fields(`vault.example.com https:// mailto:a@b http://vault.example.com http://10.0.0.1 ftp://v.example
		http://localhost.example.com http://127.0.0.1.nip.io http://0.0.0.0:8200 http://[::ffff:127.0.0.1] https://v.bücher.example
		https://user@v.example https://:secret@v.example https://v.example? https://v.example/?a=b https://v.example/#a
		https://v.example/# https://v.example:0 https://v.example:65536 https://v.example/a/../b https://v.example//a
		https://v.example\a https://v.exam%70le`)
	for _, text := range append(refused, "", " https://v.example", "https://v.example\n", "https://v\t.example") {
		if _, err := parseAddress(text); err == nil {
			t.Errorf("%q was accepted", text)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("the error quotes the address: %v", err)
		}
	}
}

func TestAddressesAreTheSameIfTheyLeadToOnePlace(t *testing.T) {
	for _, pair := range [][2]string{
		{"https://vault.example.com", "https://VAULT.example.com:443/"},
		{"https://vault.example.com/a", "https://vault.example.com:443/a/"},
		{"http://localhost", "http://LocalHost:80"},
		{"http://[::1]:8200", "http://[0:0:0:0:0:0:0:1]:8200"},
	} {
		if mustParse(t, pair[0]) != mustParse(t, pair[1]) {
			t.Errorf("%v differ", pair)
		}
	}
	for _, pair := range [][2]string{
		{"https://vault.example.com", "https://vault.example.com:8200"},
		{"https://vault.example.com", "https://vault.example.org"},
		{"https://vault.example.com/a", "https://vault.example.com/A"},
		{"http://localhost:443", "https://localhost"},
	} {
		if mustParse(t, pair[0]) == mustParse(t, pair[1]) {
			t.Errorf("%v are the same", pair)
		}
	}
}

func TestPathsStayBelowTheAddress(t *testing.T) {
	for _, test := range [][3]string{
		{"https://v.example", "sys/health", "https://v.example:443/v1/sys/health"},
		{"https://v.example:8200/vault/", "a/b", "https://v.example:8200/vault/v1/a/b"},
		{"http://[::1]", "kv/a b/%2e%2e/é", "http://[::1]:80/v1/kv/a%20b/%252e%252e/%C3%A9"},
	} {
		if got := mustParse(t, test[0]).url(test[1]); got != test[2] {
			t.Errorf("got %s, want %s", got, test[2])
		}
	}
	for _, path := range badPaths {
		if isPath(path) {
			t.Errorf("%q was accepted", path)
		}
	}
}

var badPaths = []string{"", "/a", "a/", "a//b", "a/../b", "..", "a/./b", "a?list=true", "a#b", `a\b`, "a\nb", "a\x00", "a\u0085b"}

func TestCreationPathsAreWhereTokensAreMade(t *testing.T) {
	for _, path := range []string{"auth/token/create/orders-prod-reader", "auth/jwt/login", "auth/jwt/cel/login"} {
		if !isCreationPath(path) {
			t.Errorf("%s was refused", path)
		}
	}
	refused := strings.Fields(`auth auth/token auth/token/create/ /auth/token/create/x auth/token/create/* auth/token/../x
		auth/token/create/{{x}} sys/wrapping/wrap cubbyhole/x/y authx/token/create/y`)
	for _, path := range append(refused, "", "auth/a b/c", "auth/é/c") {
		if isCreationPath(path) {
			t.Errorf("%q was accepted", path)
		}
	}
}

func mustParse(t *testing.T, text string) address {
	t.Helper()
	parsed, err := parseAddress(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return parsed
}
