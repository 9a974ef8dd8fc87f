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

// Request is a request that the proxy received.
type Request struct {
	Method, Path, Body string
	Header             http.Header
	// Remote is the address of the client. Requests with the same Remote share a connection.
	Remote string
}

// Step responds to the nth request to a path, counted from 1. It returns false to forward the request to OpenBao.
type Step func(n int, w http.ResponseWriter, r *http.Request) bool

// Proxy stands in front of OpenBao. It records the requests and fails as its steps say.
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

// TLSProxy starts a proxy with its own certificate.
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

// Requests returns the requests to a path. An empty path stands for all of them.
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

// Always gives every request the same response.
func Always(status int, body string) Step {
	return First(1<<30, status, body)
}

// First gives the first count requests the same response, and forwards the others.
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

// BreakOff closes the connection without a response.
func BreakOff(int, http.ResponseWriter, *http.Request) bool {
	panic(http.ErrAbortHandler)
}
