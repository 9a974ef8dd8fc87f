package vaultcontext

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Token is a Vault token that passed every check. It is safe for concurrent use.
type Token struct {
	vault        *vault
	value        hidden
	grant        string
	caller       Caller
	accessor     string
	creationPath string
	policies     []string
	lease        time.Duration
	life         life
	numUses      uint64
	used         atomic.Uint64
	isRevoked    atomic.Bool
	revoke       sync.Once
	revokeErr    error
}

func newToken(r *received, auth *auth) *Token {
	token := &Token{
		vault:        r.vault,
		value:        hide(auth.ClientToken),
		grant:        r.grant,
		caller:       r.caller,
		accessor:     auth.Accessor,
		creationPath: r.wrapped.creationPath,
		policies:     auth.Policies,
		lease:        seconds(auth.LeaseDuration),
		numUses:      auth.NumUses,
	}
	// Vault reports 0 for a token that never expires.
	if token.lease > 0 {
		token.life = lifeOf(token.lease)
	}
	return token
}

// seconds limits a count from Vault to a century, so that it fits into a duration.
func seconds(count uint64) time.Duration {
	return time.Duration(min(count, 100*365*24*3600)) * time.Second
}

// Grant is the name of the grant that matched the caller.
func (t *Token) Grant() string { return t.grant }

// Caller returns the verified caller of the API.
func (t *Token) Caller() Caller { return t.caller }

// Accessor is the handle of the token. It is safe to log, and it joins your log with those of the authorizer and Vault.
func (t *Token) Accessor() string { return t.accessor }

// CreationPath is the path the token was created at.
func (t *Token) CreationPath() string { return t.creationPath }

// Policies of the token.
func (t *Token) Policies() []string { return slices.Clone(t.policies) }

// Lease is how long the token lives, counted from its creation.
func (t *Token) Lease() time.Duration { return t.lease }

// Expose returns the token in clear, for a client of your own. Nothing hides the returned string from a log.
func (t *Token) Expose() string { return t.value.expose() }

// Address of Vault, in normalised form.
func (t *Token) Address() string { return t.vault.address.String() }

// Namespace of Vault, or empty.
func (t *Token) Namespace() string { return t.vault.namespace }

// HTTPClient returns the HTTP client for a Vault client of your own. It verifies Vault's certificate as the integration does,
// reads no environment variable and follows no redirect.
func (t *Token) HTTPClient() *http.Client {
	return &http.Client{
		Transport:     t.vault.transport(),
		Timeout:       t.vault.timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// String shows the grant and the accessor.
func (t *Token) String() string { return "Token(grant " + t.grant + ", accessor " + t.accessor + ")" }

// Read reads path, such as secret/data/prod/orders. Numbers in the data are of type [json.Number].
func (t *Token) Read(ctx context.Context, path string) (*Secret, error) {
	// A failing node may have counted the use, so a token with num_uses does not repeat the read.
	repeatable := func(err *Error) bool { return err.effect.lag || (err.code == codeUnavailable && t.numUses == 0) }
	answer, err := t.send(ctx, call{method: http.MethodGet, path: path}, repeatable)
	if err == nil && answer.Data == nil {
		err = answerInvalid(path, "it holds no data")
	}
	if err != nil {
		return nil, err
	}
	return newSecret(answer), nil
}

// Write sends data to path, such as pki/issue/<role>. The secret has no data if Vault returns none.
func (t *Token) Write(ctx context.Context, path string, data map[string]any) (*Secret, error) {
	answer, err := t.send(ctx, call{method: http.MethodPost, path: path, body: data}, isLag)
	if err != nil {
		return nil, err
	}
	return newSecret(answer), nil
}

// Revoke revokes the token, and with it every lease you read with it. Call it when you no longer use anything you read.
//
// It works even if ctx has ended, logs its own failure, and does nothing when called again, so a plain defer is enough. If it
// fails, the token ends by its TTL.
func (t *Token) Revoke(ctx context.Context) error {
	t.revoke.Do(func() {
		_, err := t.send(context.WithoutCancel(ctx), call{method: http.MethodPost, path: pathRevokeSelf}, isLag)
		t.isRevoked.Store(true)
		if err != nil {
			t.revokeErr = err
			slog.WarnContext(ctx, "a Vault token could not be revoked", "code", err.code, "accessor", t.accessor)
		}
	})
	return t.revokeErr
}

func isLag(err *Error) bool { return err.effect.lag }

// send repeats a call until a node knows the token. A node that does not know the token did nothing.
func (t *Token) send(ctx context.Context, c call, repeatable func(*Error) bool) (*answer, *Error) {
	if t.isRevoked.Load() {
		return nil, denied(codeTokenNotValid, "`%s` cannot be called: the token has been revoked", printable(c.path))
	}
	c.token = t.value
	patience := newPatience()
	for {
		answer, err := t.vault.send(ctx, c)
		if err == nil || !(err.effect.lag || err.effect.notSent || err.code == codeCallInvalid) {
			// A node that knows the token counts the use even if it refuses the call.
			t.used.Add(1)
		}
		if err == nil || !repeatable(err) || t.isUsedUp() || patience.pause(ctx, t.life) != tryAgain {
			return answer, err
		}
	}
}

func (t *Token) isUsedUp() bool { return t.numUses > 0 && t.used.Load() >= t.numUses }

// Secret is a response from Vault.
type Secret struct {
	data func() map[string]any
	// Lease of a dynamic secret, or nil.
	Lease *Lease
}

// Data returns the data from Vault, or nil. It is a method so that no printer shows the data.
func (s *Secret) Data() map[string]any { return s.data() }

// Lease of a dynamic secret.
type Lease struct {
	id        hidden
	Duration  time.Duration
	Renewable bool
}

// ID returns the lease ID, which is enough to revoke the lease. It is a method so that no printer shows the ID.
func (l *Lease) ID() string { return l.id.expose() }

func newSecret(answer *answer) *Secret {
	secret := &Secret{data: func() map[string]any { return answer.Data }}
	if answer.LeaseID != "" {
		secret.Lease = &Lease{hide(answer.LeaseID), seconds(answer.LeaseDuration), answer.Renewable}
	}
	return secret
}

// KV is a KV version 2 secrets engine. Read version 1 with [Token.Read].
type KV struct {
	token *Token
	mount string
}

// KV returns the engine at mount.
func (t *Token) KV(mount string) KV { return KV{t, mount} }

// Get returns the fields of the newest version of the secret at path.
func (k KV) Get(ctx context.Context, path string) (map[string]any, error) {
	path = k.mount + "/data/" + path
	secret, err := k.token.Read(ctx, path)
	if err != nil {
		return nil, err
	}
	fields, ok := secret.Data()["data"].(map[string]any)
	if !ok {
		return nil, answerInvalid(path, "it holds no fields of a KV version 2 secret; read version 1 with Read")
	}
	return fields, nil
}

// Database is a database secrets engine.
type Database struct {
	token *Token
	mount string
}

// Credentials of a database user that Vault created. They end with the token.
type Credentials struct {
	Username string
	Lease    time.Duration
	password hidden
}

// Password returns the password of the user. It is a method so that no printer shows the password.
func (c *Credentials) Password() string { return c.password.expose() }

// Database returns the engine at mount.
func (t *Token) Database(mount string) Database { return Database{t, mount} }

// Credentials creates a database user with this role.
func (d Database) Credentials(ctx context.Context, role string) (*Credentials, error) {
	path := d.mount + "/creds/" + role
	secret, err := d.token.Read(ctx, path)
	if err != nil {
		return nil, err
	}
	username, _ := secret.Data()["username"].(string)
	password, _ := secret.Data()["password"].(string)
	if username == "" || password == "" || secret.Lease == nil {
		return nil, answerInvalid(path, "it holds no username and password with a lease")
	}
	return &Credentials{Username: username, Lease: secret.Lease.Duration, password: hide(password)}, nil
}
