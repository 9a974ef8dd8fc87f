package vaultcontext

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
)

// lazyToken opens the token of a request at most once, and revokes it at the end of the request.
type lazyToken struct {
	mutex  sync.Mutex
	open   func() (*Token, error)
	opened bool
	ended  bool
	token  *Token
	err    error
}

type lazyTokenKey struct{}

// Middleware lets next get the token of the request with [FromContext]. The first call opens the token from the headers of the
// request. When next returns or panics, the token is revoked.
func (i *Integration) Middleware(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		lazy := &lazyToken{open: func() (*Token, error) { return i.OpenHeaders(r.Context(), r.Header) }}
		defer lazy.end(r.Context())
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), lazyTokenKey{}, lazy)))
	})
}

// FromContext returns the token of the request that ctx belongs to. [Integration.Middleware] revokes it.
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
		_ = l.token.Revoke(ctx) // logs its own failure
	}
}

// WriteError sends the response that [Answer] makes from err, and logs err.
func WriteError(w http.ResponseWriter, r *http.Request, err error) {
	status, headers, body := Answer(err)
	slog.ErrorContext(r.Context(), "no Vault token or no secret", "status", status, "error", err.Error())
	for name, value := range headers {
		w.Header().Set(name, value)
	}
	w.WriteHeader(status)
	// If this fails, the client is gone.
	_, _ = io.WriteString(w, body)
}

// Answer makes the response to a request that failed with err. It tells the caller of the API nothing but the status and the
// code, so log err yourself.
func Answer(err error) (status int, headers map[string]string, body string) {
	status, code := http.StatusInternalServerError, "internal"
	if known := (*Error)(nil); errors.As(err, &known) {
		status, code = known.status, known.code
	}
	headers = map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store"}
	if status == http.StatusServiceUnavailable {
		headers["Retry-After"] = "1"
	}
	return status, headers, `{"error":"` + code + `"}`
}
