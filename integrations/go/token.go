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

// Token is a Vault token that passed every check, and who it was made for. It is safe for concurrent use.
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
	givenBack    atomic.Bool
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
	// 0 is Vault's way to say that a token never ends.
	if token.lease > 0 {
		token.life = lifeOf(token.lease)
	}
	return token
}

// seconds bounds what Vault says to a century, so that it fits a duration.
func seconds(count uint64) time.Duration {
	return time.Duration(min(count, 100*365*24*3600)) * time.Second
}

// Grant is the name of the grant that matched the caller.
func (t *Token) Grant() string { return t.grant }

// Caller is who calls the API.
func (t *Token) Caller() Caller { return t.caller }

// Accessor is the token's handle: safe to log, and what joins this log with the authorizer's and Vault's.
func (t *Token) Accessor() string { return t.accessor }

// CreationPath is the path the token was made at.
func (t *Token) CreationPath() string { return t.creationPath }

// Policies of the token.
func (t *Token) Policies() []string { return slices.Clone(t.policies) }

// Lease is how long the token lives, from when it was made.
func (t *Token) Lease() time.Duration { return t.lease }

// Expose answers the token in clear, for a client of your own. It prints, so do not keep it.
func (t *Token) Expose() string { return t.value.expose() }

// Address is Vault's, as it is dialled.
func (t *Token) Address() string { return t.vault.address.String() }

// Namespace is Vault's, or empty.
func (t *Token) Namespace() string { return t.vault.namespace }

// HTTPClient is for a client of your own. It verifies Vault's certificate as the integration does, reads no environment
// variable and follows no redirect.
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
	// Where uses are counted, one that a failing node may have counted is not repeated.
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

// Write sends data to path, such as pki/issue/<role>. The secret has no data where Vault answers with none.
func (t *Token) Write(ctx context.Context, path string, data map[string]any) (*Secret, error) {
	answer, err := t.send(ctx, call{method: http.MethodPost, path: path, body: data}, isLag)
	if err != nil {
		return nil, err
	}
	return newSecret(answer), nil
}

// Revoke gives the token back, and with it ends every lease read with it. Call it when nothing that was read is used any more.
// It goes on where ctx has ended, logs a failure, and does nothing the second time; so deferring it needs no more care.
// A token that was not given back ends by its own TTL.
func (t *Token) Revoke(ctx context.Context) error {
	t.revoke.Do(func() {
		_, err := t.send(context.WithoutCancel(ctx), call{method: http.MethodPost, path: pathRevokeSelf}, isLag)
		t.givenBack.Store(true)
		if err != nil {
			t.revokeErr = err
			slog.WarnContext(ctx, "a Vault token could not be revoked", "code", err.code, "accessor", t.accessor)
		}
	})
	return t.revokeErr
}

func isLag(err *Error) bool { return err.effect.lag }

// send sends a call until a node knows the token. What is refused because it does not was not done, whatever it is.
func (t *Token) send(ctx context.Context, c call, repeatable func(*Error) bool) (*answer, *Error) {
	if t.givenBack.Load() {
		return nil, denied(codeTokenNotValid, "`%s` cannot be called: the token has been given back", printable(c.path))
	}
	c.token = t.value
	patience := newPatience()
	for {
		answer, err := t.vault.send(ctx, c)
		if err == nil || !(err.effect.lag || err.effect.notSent || err.code == codeCallInvalid) {
			// A node that knows the token counts the use, also where it refuses the call.
			t.used.Add(1)
		}
		if err == nil || !repeatable(err) || t.isUsedUp() || patience.pause(ctx, t.life) != askAgain {
			return answer, err
		}
	}
}

func (t *Token) isUsedUp() bool { return t.numUses > 0 && t.used.Load() >= t.numUses }

// Secret is what was read.
type Secret struct {
	data func() map[string]any
	// Lease of a dynamic secret, or nil.
	Lease *Lease
}

// Data is what Vault wrote, or nil. It is a method so that no printer shows it.
func (s *Secret) Data() map[string]any { return s.data() }

// Lease of a dynamic secret.
type Lease struct {
	id        hidden
	Duration  time.Duration
	Renewable bool
}

// ID names the lease, and can revoke it. It is a method so that no printer shows it.
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

// KV answers the engine at mount.
func (t *Token) KV(mount string) KV { return KV{t, mount} }

// Get reads the fields of the newest version of the secret at path.
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

// Credentials of a database user that Vault made. They end with the token.
type Credentials struct {
	Username string
	Lease    time.Duration
	password hidden
}

// Password of the user. It is a method so that no printer shows it.
func (c *Credentials) Password() string { return c.password.expose() }

// Database answers the engine at mount.
func (t *Token) Database(mount string) Database { return Database{t, mount} }

// Credentials makes a user of role.
func (d Database) Credentials(ctx context.Context, role string) (*Credentials, error) {
	path := d.mount + "/creds/" + role
	secret, err := d.token.Read(ctx, path)
	if err != nil {
		return nil, err
	}
	username, _ := secret.Data()["username"].(string)
	password, _ := secret.Data()["password"].(string)
	if username == "" || password == "" {
		return nil, answerInvalid(path, "it holds no username and password")
	}
	credentials := &Credentials{Username: username, password: hide(password)}
	if secret.Lease != nil {
		credentials.Lease = secret.Lease.Duration
	}
	return credentials, nil
}
