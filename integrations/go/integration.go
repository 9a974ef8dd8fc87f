// Package vaultcontext is for APIs behind vault-authorizer. It checks and unwraps the Vault token that the authorizer sends with
// each request, reads secrets with it and revokes it.
//
// An [Integration] trusts its own [Config] and not the request. It compares the two and never dials an address that a request
// names. It reads no environment variable, repeats an unwrap only if the first one certainly did nothing, and shows no token or
// secret in errors or printed values.
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

// Config describes your Vault and the tokens to accept. Nothing in a request changes it.
type Config struct {
	// Address of Vault, such as https://vault.example.com:8200; http:// is for a loopback host.
	Address string
	// CreationPaths of the tokens to accept: auth/token/create/<role> for each grant that leads here.
	CreationPaths []string
	// Namespace of Vault, or empty.
	Namespace string
	// CAFile is a PEM bundle to verify Vault's certificate with, instead of the system's roots.
	CAFile string
	// MaxLease is the longest life of a token to accept; 0 means 15 minutes.
	MaxLease time.Duration
	// Timeout of one call to Vault; 0 means 5 seconds.
	Timeout time.Duration
	// AllowIdentityPolicies accepts tokens whose entity adds policies to those of the role. Set it for grants with an
	// entity_alias.
	AllowIdentityPolicies bool
}

// Integration opens the tokens of requests. Create it once, at startup. It is safe for concurrent use.
type Integration struct {
	vault                 *vault
	creationPaths         []string
	maxLease              time.Duration
	allowIdentityPolicies bool
	now                   func() time.Time
}

// New checks the configuration and reports everything that is wrong with it. It sends nothing.
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

// Open checks and unwraps the token of a Lambda event. Pass event.RequestContext.Authorizer, or with payload 2.0 its Lambda
// field. Call [Token.Revoke] when you no longer use anything you read with the token.
//
// Errors are of type [*Error].
func (i *Integration) Open(ctx context.Context, authorizer map[string]any) (*Token, error) {
	envelope, err := fromAuthorizer(authorizer)
	return i.open(ctx, envelope, err)
}

// OpenHeaders is like [Integration.Open], for containers behind an HTTP integration, which receive the context as headers.
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

// received is an envelope that matches the configuration.
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

// timeLeft is 0 if the clock shows a time before 1970. Such a clock is broken and would make every token look fresh.
func timeLeft(expiresAt uint64, now time.Time) time.Duration {
	if now.Unix() < 0 {
		return 0
	}
	// A year is longer than any token lives, and it prevents an overflow.
	farAway := uint64(now.Add(24 * time.Hour * 365).Unix())
	return time.Unix(int64(min(expiresAt, farAway)), 0).Sub(now)
}

// lookUp repeats the lookup until a node knows the token. A lookup does not use the token up.
func (r *received) lookUp(ctx context.Context, unknown func() *Error) *Error {
	// Sent in X-Vault-Token, the wrapping token would be used up.
	body := map[string]any{"token": r.wrapped.token.expose()}
	lookup := call{method: http.MethodPost, path: pathLookup, body: body, mentions: r.wrapped.token}
	patience, broken := newPatience(), false
	for {
		answer, err := r.vault.send(ctx, lookup)
		if err == nil && answer.Data != nil {
			return r.compare(answer)
		}
		if err == nil {
			// The token is being unwrapped, or has only half come to this node.
			err = wrappingTokenNotValid(pathLookup)
		}
		again := err.effect.lag || err.code == codeUnavailable || (err.effect.broken && !broken)
		if !again {
			return err
		}
		broken = broken || err.effect.broken
		if verdict := patience.pause(ctx, r.life); verdict != tryAgain {
			return givenUp(err, verdict, unknown)
		}
	}
}

// compare rejects a token that an interceptor unwrapped and wrapped again, because Vault reports another creation path for it.
// The path in the context is a configured one, so it is enough to compare with that.
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

// givenUp turns the last failure into the error to return when the retries are over.
func givenUp(err *Error, verdict verdict, unknown func() *Error) *Error {
	switch {
	case err.outage:
		return err
	case verdict == lifeOver:
		return expired()
	}
	return unknown()
}

// unwrap exchanges the wrapping token for the token inside. If ctx ends meanwhile, the unwrap still runs to its end, because the
// token inside would live on without anybody to revoke it.
func (r *received) unwrap(ctx context.Context) (*Token, *Error) {
	if ended := ctx.Err(); ended != nil {
		return nil, endedBefore(ended, pathUnwrap)
	}
	type outcome struct {
		token *Token
		err   *Error
	}
	unwrapped := make(chan outcome, 1)
	whole := context.WithoutCancel(ctx)
	go func() {
		token, err := r.checked(whole)
		unwrapped <- outcome{token, err}
	}()
	select {
	case done := <-unwrapped:
		return done.token, done.err
	case <-ctx.Done():
		go func() {
			if done := <-unwrapped; done.token != nil {
				_ = done.token.Revoke(whole) // logs its own failure
			}
		}()
		return nil, endedBefore(ctx.Err(), pathUnwrap)
	}
}

// checked unwraps, and revokes the token inside if it fails a check.
func (r *received) checked(ctx context.Context) (*Token, *Error) {
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
		_ = token.Revoke(ctx) // logs its own failure
		return nil, err
	}
	return token, nil
}

func (r *received) exchange(ctx context.Context) (*answer, *Error) {
	// With the token in the body as well, Vault uses it up and responds with 500.
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
		// This lookup gets its own two seconds. Otherwise a lagging node could raise an alarm, or a slow Vault could hide an
		// interception.
		if err := r.lookUp(ctx, notValidAnyMore); err != nil {
			return nil, err
		}
		if verdict == patienceOver {
			return nil, notKnown()
		}
	}
}

// check verifies the unwrapped token.
func (r *received) check(auth *auth) *Error {
	switch {
	case auth.TokenType != "service":
		return notAServiceToken()
	case auth.Accessor != r.wrapped.accessor:
		return accessorMismatch()
	case len(auth.IdentityPolicies) > 0 && !r.allowIdentityPolicies:
		return identityPolicies()
	// Vault reports 0 for a token that never expires.
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

// parseAuth returns both an auth and an error if the response is malformed but holds a token, which must then be revoked.
func parseAuth(raw json.RawMessage) (*auth, *Error) {
	if len(raw) == 0 || string(raw) == "null" {
		return nil, notAServiceToken()
	}
	var parsed auth
	// Unmarshal fills the other fields even if one has the wrong type.
	err := json.Unmarshal(raw, &parsed)
	if !isToken(parsed.ClientToken) {
		return nil, answerInvalid(pathUnwrap, "it holds no token")
	}
	if err != nil {
		return &parsed, answerInvalid(pathUnwrap, "it has not the form of Vault's: "+where(err))
	}
	return &parsed, nil
}
