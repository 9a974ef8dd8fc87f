package openbao

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
)

// Request is one that the proxy got.
type Request struct {
	Method, Path, Body string
	Header             http.Header
	// Remote is the client's end of the connection: two requests with one Remote share a connection.
	Remote string
}

// Step answers the nth request to a path, counted from 1, or answers false to pass it on to OpenBao.
type Step func(n int, w http.ResponseWriter, r *http.Request) bool

// Proxy stands before OpenBao. It records what it gets, and fails as its steps say.
type Proxy struct {
	*httptest.Server
	mutex    sync.Mutex
	requests []Request
	steps    map[string]Step
	forward  http.Handler
}

// Proxy starts a proxy, which stops at the end of the test.
func (b *Bed) Proxy(t testing.TB) *Proxy {
	p := b.newProxy(t)
	p.Start()
	return p
}

// TLSProxy starts a proxy with a certificate of its own.
func (b *Bed) TLSProxy(t testing.TB) *Proxy {
	p := b.newProxy(t)
	p.StartTLS()
	return p
}

func (b *Bed) newProxy(t testing.TB) *Proxy {
	t.Helper()
	target, err := url.Parse(b.Address)
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{steps: map[string]Step{}, forward: httputil.NewSingleHostReverseProxy(target)}
	p.Server = httptest.NewUnstartedServer(p)
	t.Cleanup(p.Close)
	return p
}

// On sets the step for a path, written without /v1/.
func (p *Proxy) On(path string, step Step) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.steps[path] = step
}

// Requests answers what was sent to a path; an empty one is every path.
func (p *Proxy) Requests(path string) []Request {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	var matching []Request
	for _, request := range p.requests {
		if path == "" || request.Path == path {
			matching = append(matching, request)
		}
	}
	return matching
}

func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	path := strings.TrimPrefix(r.URL.Path, "/v1/")
	p.mutex.Lock()
	p.requests = append(p.requests, Request{r.Method, path, string(body), r.Header.Clone(), r.RemoteAddr})
	step := p.steps[path]
	p.mutex.Unlock()
	if step == nil || !step(len(p.Requests(path)), w, r) {
		p.forward.ServeHTTP(w, r)
	}
}

// Forward passes a request on to OpenBao by hand.
func (p *Proxy) Forward(w http.ResponseWriter, r *http.Request) { p.forward.ServeHTTP(w, r) }

// Always answers every request to a path alike.
func Always(status int, body string) Step {
	return First(1<<30, status, body)
}

// First answers the first count requests alike, and passes the others on.
func First(count, status int, body string) Step {
	return func(n int, w http.ResponseWriter, _ *http.Request) bool {
		if n > count {
			return false
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	}
}

// BreakOff closes the connection without an answer.
func BreakOff(int, http.ResponseWriter, *http.Request) bool {
	panic(http.ErrAbortHandler)
}
