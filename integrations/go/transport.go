package vaultcontext

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

const (
	userAgent       = "vault-context-go/" + Version
	maxAnswerBytes  = 1 << 20
	maxHeaderBytes  = 64 << 10
	connectTimeout  = time.Second
	idleConnTimeout = 30 * time.Second
)

// vault sends calls to one Vault. It repeats nothing, follows no redirect, reads no environment variable, and keeps no
// connection to a node that failed.
type vault struct {
	address   address
	namespace string
	timeout   time.Duration
	tls       *tls.Config
	current   atomic.Pointer[http.Transport]
}

// call is one request to Vault, before it is sent.
type call struct {
	method, path string
	// token goes into X-Vault-Token.
	token hidden
	// body is sent as JSON.
	body map[string]any
	// mentions is a token in the body, which Vault may echo.
	mentions hidden
}

// answer is what Vault answered. A 204 is an answer with nothing in it.
type answer struct {
	Auth          json.RawMessage `json:"auth"`
	Data          map[string]any  `json:"data"`
	LeaseID       string          `json:"lease_id"`
	LeaseDuration uint64          `json:"lease_duration"`
	Renewable     bool            `json:"renewable"`
}

// send sends one call, once.
func (v *vault) send(ctx context.Context, c call) (*answer, *Error) {
	transport := v.transport()
	answer, err := v.roundTrip(ctx, transport, c)
	if err != nil && err.mayBeOneNodes() {
		v.forget(transport)
	}
	return answer, err
}

func (v *vault) transport() *http.Transport {
	if transport := v.current.Load(); transport != nil {
		return transport
	}
	v.current.CompareAndSwap(nil, v.newTransport())
	return v.transport()
}

// forget makes later calls connect anew: behind a load balancer that may bring them to another node.
func (v *vault) forget(failed *http.Transport) {
	if v.current.CompareAndSwap(failed, nil) {
		failed.CloseIdleConnections()
	}
}

func (v *vault) newTransport() *http.Transport {
	connect := min(connectTimeout, v.timeout)
	return &http.Transport{
		Proxy:                  nil, // not http.ProxyFromEnvironment
		DialContext:            (&net.Dialer{Timeout: connect}).DialContext,
		TLSClientConfig:        v.tls.Clone(),
		TLSHandshakeTimeout:    connect,
		DisableCompression:     true,
		IdleConnTimeout:        idleConnTimeout,
		MaxIdleConnsPerHost:    16,
		MaxResponseHeaderBytes: maxHeaderBytes,
	}
}

// roundTrip uses the transport alone: an http.Client would follow redirects and put URLs into its errors.
func (v *vault) roundTrip(ctx context.Context, transport *http.Transport, c call) (*answer, *Error) {
	var sent atomic.Bool
	limited, cancel := context.WithTimeout(ctx, v.timeout)
	defer cancel()
	traced := httptrace.WithClientTrace(limited, &httptrace.ClientTrace{GotConn: func(httptrace.GotConnInfo) { sent.Store(true) }})
	request, invalid := v.request(traced, c)
	if invalid != nil {
		return nil, invalid
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return nil, v.failed(ctx, limited, c, err, sent.Load())
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswerBytes+1))
	switch status := response.StatusCode; {
	case status >= 400:
		if err != nil || len(body) > maxAnswerBytes {
			body = nil // the status says enough
		}
		return nil, refusal(c, status, response.Header.Get("Retry-After") != "", body)
	case status == http.StatusTemporaryRedirect:
		return nil, unavailableNow(c, status, "a standby names another node; redirects are not followed")
	case status < 200 || status > 299:
		return nil, answerInvalid(c.path, fmt.Sprintf("status %d is not one Vault answers with; redirects are not followed", status))
	case err != nil:
		return nil, v.failed(ctx, limited, c, err, true)
	case len(body) > maxAnswerBytes:
		return nil, denied(codeAnswerTooLarge, "the answer to `%s` is longer than %d bytes", c.path, maxAnswerBytes)
	case status == http.StatusNoContent:
		return &answer{}, nil
	}
	return parseAnswer(c.path, body)
}

func (v *vault) request(ctx context.Context, c call) (*http.Request, *Error) {
	if !isPath(c.path) {
		return nil, denied(codeCallInvalid, "`%s` cannot be called: it is not a path of plain segments", printable(c.path))
	}
	// net/http repeats a GET by itself when a kept connection breaks, which would count two uses of a token. A body that it
	// cannot rewind prevents that, and one that is empty is not sent.
	var body io.Reader = io.LimitReader(http.NoBody, 0)
	if c.method == http.MethodPost {
		body = nil
	}
	if c.body != nil {
		encoded, err := json.Marshal(c.body)
		if err != nil {
			return nil, denied(codeCallInvalid, "`%s` cannot be called: its data has no JSON form", c.path)
		}
		body = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(ctx, c.method, v.address.url(c.path), body)
	if err != nil {
		return nil, denied(codeCallInvalid, "`%s` cannot be called: it makes no URL", c.path)
	}
	request.Header.Set("User-Agent", userAgent)
	// Vault Agent's guard against request forgery wants it.
	request.Header.Set("X-Vault-Request", "true")
	if v.namespace != "" {
		request.Header.Set("X-Vault-Namespace", v.namespace)
	}
	if token := c.token.expose(); token != "" {
		request.Header.Set("X-Vault-Token", token)
	}
	if c.body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	return request, nil
}

// failed says why there was no answer. A connection that took too long to open is unreachable, not timed out: nothing was
// sent on it.
func (v *vault) failed(ctx, limited context.Context, c call, err error, sent bool) *Error {
	if ended := ctx.Err(); ended != nil {
		failed := unavailable(codeTimedOut, "Vault did not answer `%s` before the request's own context ended", c.path)
		failed.ended = ended
		return failed
	}
	if sent && limited.Err() != nil {
		return unavailable(codeTimedOut, "Vault did not answer `%s` in %v", c.path, v.timeout)
	}
	reason := sanitised(err.Error(), c)
	return unavailable(codeUnreachable, "Vault could not be reached for `%s`: %s", c.path, reason).
		with(effect{notSent: !sent, broken: true})
}

func parseAnswer(path string, body []byte) (*answer, *Error) {
	if !isJSONObject(body) {
		return nil, answerInvalid(path, "it is not a JSON object")
	}
	var parsed answer
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&parsed); err != nil {
		return nil, answerInvalid(path, "it has not the form of Vault's: "+where(err))
	}
	return &parsed, nil
}

// where names the place of a mistake. The decoder's own text may quote a value.
func where(err error) string {
	if wrongType := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrongType) && wrongType.Field != "" {
		return "`" + wrongType.Field + "` has another type"
	}
	return "it cannot be decoded"
}

func answerInvalid(path, reason string) *Error {
	return denied(codeAnswerInvalid, "the answer to `%s` is not one of Vault's: %s", path, reason)
}

func isJSONObject(body []byte) bool {
	trimmed := bytes.TrimLeft(body, " \t\r\n")
	return len(trimmed) > 0 && trimmed[0] == '{' && json.Valid(trimmed)
}
