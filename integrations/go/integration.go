// Package vaultcontext is for an API behind vault-authorizer. It takes the wrapped Vault token that the authorizer sends with
// each request, checks it, unwraps it, uses it and gives it back.
//
// An [Integration] trusts its own [Config] and not the request: it compares the two and never dials an address that a request
// names. It reads no environment variable, sends an unwrap again only where it certainly did nothing, and shows no token or
// secret in an error or when a value is printed.
package vaultcontext

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

// Version of this module.
const Version = "0.1.0"

const (
	defaultMaxLease = 15 * time.Minute
	defaultTimeout  = 5 * time.Second

	pathLookup     = "sys/wrapping/lookup"
	pathUnwrap     = "sys/wrapping/unwrap"
	pathRevokeSelf = "auth/token/revoke-self"
)

// Config is what an integration knows for itself. Nothing in a request changes it.
type Config struct {
	// Address of Vault, such as https://vault.example.com:8200; http:// is for a loopback host.
	Address string
	// CreationPaths of the tokens to accept: auth/token/create/<role> of each grant that leads here.
	CreationPaths []string
	// Namespace of Vault, or empty.
	Namespace string
	// CAFile is a PEM bundle to verify Vault's certificate with, instead of the system's roots.
	CAFile string
	// MaxLease is the longest life of a token to accept; 15 minutes where it is 0.
	MaxLease time.Duration
	// Timeout of one call to Vault; 5 seconds where it is 0.
	Timeout time.Duration
	// AllowIdentityPolicies accepts tokens whose entity adds policies to the role's: for grants with an entity_alias.
	AllowIdentityPolicies bool
}

// Integration opens the tokens of requests. Make it once, at start; it is safe for concurrent use.
type Integration struct {
	vault                 *vault
	creationPaths         []string
	maxLease              time.Duration
	allowIdentityPolicies bool
	now                   func() time.Time
}

// New checks the configuration, and names everything that is wrong with it. It sends nothing.
func New(config Config) (*Integration, error) {
	address, err := parseAddress(config.Address)
	if err != nil {
		err = fmt.Errorf("Address %w. Example: https://vault.example.com:8200", err)
	}
	roots, rootsErr := readRoots(config.CAFile)
	maxLease, timeout := config.MaxLease, config.Timeout
	if err = errors.Join(err, checkCreationPaths(config.CreationPaths), checkNamespace(config.Namespace), rootsErr,
		defaulted("MaxLease", &maxLease, defaultMaxLease), defaulted("Timeout", &timeout, defaultTimeout)); err != nil {
		return nil, fmt.Errorf("vaultcontext: %w", err)
	}
	return &Integration{
		vault: &vault{
			address:   address,
			namespace: strings.Trim(config.Namespace, "/"),
			timeout:   timeout,
			tls:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		},
		creationPaths:         slices.Clone(config.CreationPaths),
		maxLease:              maxLease,
		allowIdentityPolicies: config.AllowIdentityPolicies,
		now:                   time.Now,
	}, nil
}

func checkCreationPaths(paths []string) error {
	if len(paths) == 0 {
		return errors.New("CreationPaths must not be empty. Example: auth/token/create/orders-prod-reader")
	}
	var wrong []error
	for _, path := range paths {
		if !isCreationPath(path) {
			wrong = append(wrong, fmt.Errorf("CreationPaths: %q is not a creation path. Example: "+
				"auth/token/create/orders-prod-reader", path))
		}
	}
	return errors.Join(wrong...)
}

func checkNamespace(namespace string) error {
	if namespace != "" && (strings.Trim(namespace, "/") == "" || !isVisibleASCII(namespace)) {
		return errors.New("Namespace must be a path of visible ASCII. Example: platform/team1")
	}
	return nil
}

func readRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	bundle, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("CAFile: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(bundle) {
		return nil, fmt.Errorf("CAFile: %s holds no certificate in PEM form", file)
	}
	return roots, nil
}

func defaulted(name string, value *time.Duration, otherwise time.Duration) error {
	if *value < 0 {
		return fmt.Errorf("%s must be positive, or 0 for %v", name, otherwise)
	}
	if *value == 0 {
		*value = otherwise
	}
	return nil
}

// Open takes event.RequestContext.Authorizer of a REST API, a WebSocket API or payload 1.0, or its Lambda field of payload
// 2.0, to a token that passed every check. Call [Token.Revoke] when what was read with it is no longer used.
//
// Its errors are of type [*Error].
func (i *Integration) Open(ctx context.Context, authorizer map[string]any) (*Token, error) {
	envelope, err := fromAuthorizer(authorizer)
	return i.open(ctx, envelope, err)
}

// OpenHeaders is [Integration.Open] for a container behind an HTTP integration, which gets the context as headers.
func (i *Integration) OpenHeaders(ctx context.Context, headers http.Header) (*Token, error) {
	envelope, err := fromHeaders(headers)
	return i.open(ctx, envelope, err)
}

func (i *Integration) open(ctx context.Context, envelope envelope, err *Error) (*Token, error) {
	var token *Token
	if err == nil {
		token, err = i.steps(ctx, envelope)
	}
	if err != nil {
		return nil, err
	}
	return token, nil
}

func (i *Integration) steps(ctx context.Context, envelope envelope) (*Token, *Error) {
	received, err := i.receive(envelope)
	if err != nil {
		return nil, err
	}
	if err := received.lookUp(ctx, notKnown); err != nil {
		return nil, err
	}
	return received.unwrap(ctx)
}

// received is an envelope that agrees with the configuration.
type received struct {
	*Integration
	grant   string
	caller  Caller
	wrapped *wrapped
	life    life
}

func (i *Integration) receive(envelope envelope) (*received, *Error) {
	wrapped := envelope.wrapped
	if wrapped == nil {
		return nil, noToken()
	}
	if named, err := parseAddress(wrapped.address); err != nil || named != i.vault.address {
		return nil, addressMismatch()
	}
	if wrapped.namespace != i.vault.namespace {
		return nil, namespaceMismatch()
	}
	if !slices.Contains(i.creationPaths, wrapped.creationPath) {
		return nil, creationPathMismatch("the context")
	}
	left := timeLeft(wrapped.expiresAt, i.now())
	if left <= 0 {
		return nil, expired()
	}
	return &received{i, envelope.grant, envelope.caller, wrapped, lifeOf(left)}, nil
}

// timeLeft is 0 for a clock before 1970. Such a clock is broken, and would make every token look fresh.
func timeLeft(expiresAt uint64, now time.Time) time.Duration {
	if now.Unix() < 0 {
		return 0
	}
	// Far beyond any token's life, and no overflow.
	farAway := uint64(now.Add(24 * time.Hour * 365).Unix())
	return time.Unix(int64(min(expiresAt, farAway)), 0).Sub(now)
}

// lookUp asks until a node shows the token. A lookup does not use it up.
func (r *received) lookUp(ctx context.Context, unknown func() *Error) *Error {
	// Without X-Vault-Token: in that header the wrapping token would be used up.
	body := map[string]any{"token": r.wrapped.token.expose()}
	lookup := call{method: http.MethodPost, path: pathLookup, body: body, mentions: r.wrapped.token}
	patience, broken := newPatience(), false
	for {
		answer, err := r.vault.send(ctx, lookup)
		if err == nil {
			return r.compare(answer)
		}
		again := err.effect.lag || err.code == codeUnavailable || (err.effect.broken && !broken)
		if !again {
			return err
		}
		broken = broken || err.effect.broken
		if verdict := patience.pause(ctx, r.life); verdict != askAgain {
			return givenUp(err, verdict, unknown)
		}
	}
}

// compare refuses a token that an interceptor unwrapped and wrapped again: Vault names another creation path for it. receive
// let only a configured path through, so equality with the context's is enough.
func (r *received) compare(answer *answer) *Error {
	named, ok := answer.Data["creation_path"].(string)
	if !ok {
		return answerInvalid(pathLookup, "it names no creation_path")
	}
	if named != r.wrapped.creationPath {
		return creationPathMismatch("Vault's lookup")
	}
	return nil
}

// givenUp is what the last refusal means where nobody is asked again.
func givenUp(err *Error, verdict verdict, unknown func() *Error) *Error {
	switch {
	case err.outage:
		return err
	case verdict == lifeOver:
		return expired()
	}
	return unknown()
}

// unwrap exchanges the wrapping token for the token inside, and revokes that where it fails a check.
func (r *received) unwrap(ctx context.Context) (*Token, *Error) {
	answer, err := r.exchange(ctx)
	if err != nil {
		return nil, err
	}
	auth, err := parseAuth(answer.Auth)
	if auth == nil {
		return nil, err
	}
	token := newToken(r, auth)
	if err == nil {
		err = r.check(auth)
	}
	if err != nil {
		_ = token.Revoke(ctx) // it logs its failure
		return nil, err
	}
	return token, nil
}

func (r *received) exchange(ctx context.Context) (*answer, *Error) {
	// In the header alone: with the token in the body as well Vault uses it up and answers 500.
	unwrap := call{method: http.MethodPost, path: pathUnwrap, token: r.wrapped.token}
	patience := newPatience()
	for {
		answer, err := r.vault.send(ctx, unwrap)
		if err == nil || !(err.effect.lag || err.effect.notSent) {
			return answer, err
		}
		verdict := patience.pause(ctx, r.life)
		if verdict == lifeOver || (verdict == patienceOver && err.outage) {
			return nil, givenUp(err, verdict, notKnown)
		}
		// With a patience of its own: an alarm must not rest on one node that lags, nor an interception pass for lag
		// because Vault was slow.
		if err := r.lookUp(ctx, notValidAnyMore); err != nil {
			return nil, err
		}
		if verdict == patienceOver {
			return nil, notKnown()
		}
	}
}

// check is for what the token must be, whatever the envelope said of it.
func (r *received) check(auth *auth) *Error {
	switch {
	case auth.TokenType != "service":
		return notAServiceToken()
	case auth.Accessor != r.wrapped.accessor:
		return accessorMismatch()
	case len(auth.IdentityPolicies) > 0 && !r.allowIdentityPolicies:
		return identityPolicies()
	// 0 is Vault's way to say that a token never ends.
	case auth.LeaseDuration == 0 || auth.LeaseDuration > uint64(r.maxLease/time.Second):
		return leaseTooLong(auth.LeaseDuration, r.maxLease)
	}
	return nil
}

type auth struct {
	ClientToken      string   `json:"client_token"`
	Accessor         string   `json:"accessor"`
	Policies         []string `json:"policies"`
	IdentityPolicies []string `json:"identity_policies"`
	TokenType        string   `json:"token_type"`
	LeaseDuration    uint64   `json:"lease_duration"`
	NumUses          uint64   `json:"num_uses"`
}

// parseAuth answers an auth and an error where the answer is malformed and yet holds a token, which is to be given back.
func parseAuth(raw json.RawMessage) (*auth, *Error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, notAServiceToken()
	}
	var parsed auth
	// A field of another type leaves the others filled.
	err := json.Unmarshal(raw, &parsed)
	if !isToken(parsed.ClientToken) {
		return nil, answerInvalid(pathUnwrap, "it holds no token")
	}
	if err != nil {
		return &parsed, answerInvalid(pathUnwrap, "it has not the form of Vault's: "+where(err))
	}
	return &parsed, nil
}
