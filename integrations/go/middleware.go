package vaultcontext

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"sync"
)

// lazyToken opens the token of one request once, and revokes it at the request's end if it was opened.
type lazyToken struct {
	mutex  sync.Mutex
	open   func() (*Token, error)
	opened bool
	ended  bool
	token  *Token
	err    error
}

type lazyTokenKey struct{}

// Middleware lets next, and what it calls, take the request's token with [FromContext]. The token is opened from the
// request's headers when it is first asked for, and revoked when next returns or panics.
func (i *Integration) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lazy := &lazyToken{open: func() (*Token, error) { return i.OpenHeaders(r.Context(), r.Header) }}
		defer lazy.end(r.Context())
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), lazyTokenKey{}, lazy)))
	})
}

// FromContext answers the token of the request that ctx belongs to, which [Integration.Middleware] revokes.
func FromContext(ctx context.Context) (*Token, error) {
	lazy, ok := ctx.Value(lazyTokenKey{}).(*lazyToken)
	if !ok {
		return nil, errors.New("vaultcontext: this context is of no request: wrap the handler in Integration.Middleware")
	}
	return lazy.get()
}

func (l *lazyToken) get() (*Token, error) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if l.ended {
		return nil, errors.New("vaultcontext: the request has ended, and its token with it")
	}
	if !l.opened {
		l.token, l.err = l.open()
		l.opened = true
	}
	return l.token, l.err
}

func (l *lazyToken) end(ctx context.Context) {
	l.mutex.Lock()
	defer l.mutex.Unlock()
	l.ended = true
	if l.token != nil {
		_ = l.token.Revoke(ctx) // it logs its failure
	}
}

// WriteError answers a request that got no token or no secret, and logs why. The caller of the API learns the status and the
// code alone.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	status, code := http.StatusInternalServerError, "internal"
	if known := (*Error)(nil); errors.As(err, &known) {
		status, code = known.status, known.code
	}
	slog.ErrorContext(r.Context(), "a request failed for want of Vault", "code", code, "error", err.Error())
	header := w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Cache-Control", "no-store")
	if status == http.StatusServiceUnavailable {
		header.Set("Retry-After", "1")
	}
	w.WriteHeader(status)
	// A client that has gone needs no answer.
	_ = json.NewEncoder(w).Encode(map[string]string{"error": code})
}
