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

// vault sends calls to one Vault. It retries nothing, follows no redirect, reads no environment variable, and drops the
// connections to a node that failed.
type vault struct {
	address   address
	namespace string
	timeout   time.Duration
	tls       *tls.Config
	current   atomic.Pointer[http.Transport]
}

// call is one request to Vault.
type call struct {
	method, path string
	// token is sent as X-Vault-Token.
	token hidden
	// body is sent as JSON.
	body map[string]any
	// mentions is a token in the body, which Vault may echo.
	mentions hidden
}

// answer is a successful response. It is empty for a 204.
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

// forget makes later calls open a new connection, which may lead to another node behind a load balancer.
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

// roundTrip uses a bare transport, because an http.Client follows redirects.
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
			body = nil // the status is enough
		}
		return nil, refusal(c, status, response.Header.Get("Retry-After") != "", body)
	case status == http.StatusTemporaryRedirect:
		return nil, unavailableNow(c, status, "a standby names another node; redirects are not followed")
	case status < 200 || status > 299:
		return nil, answerInvalid(c.path, fmt.Sprintf("Vault does not answer with status %d; redirects are not followed", status))
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
	// net/http repeats a GET on its own if a reused connection breaks, which could use up a token. It does not if there is a
	// body that it cannot rewind. This body is empty, so nothing is sent.
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
	// Vault Agent and Vault Proxy may require this header as a protection against request forgery.
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

// failed classifies a call without a response. If connecting took too long, Vault is unreachable and not timed out, because
// nothing was sent.
func (v *vault) failed(ctx, limited context.Context, c call, err error, sent bool) *Error {
	if ended := ctx.Err(); ended != nil {
		return endedBefore(ended, c.path)
	}
	if sent && limited.Err() != nil {
		return unavailable(codeTimedOut, "Vault did not answer `%s` in %v", c.path, v.timeout)
	}
	reason := sanitised(err.Error(), c)
	return unavailable(codeUnreachable, "Vault could not be reached for `%s`: %s", c.path, reason).
		with(effect{notSent: !sent, broken: true})
}

func endedBefore(ended error, path string) *Error {
	failed := unavailable(codeTimedOut, "Vault did not answer `%s` before the request's own context ended", path)
	failed.ended = ended
	return failed
}

func parseAnswer(path string, body []byte) (*answer, *Error) {
	if !isJSONObject(body) {
		return nil, answerInvalid(path, "it is not a JSON object")
	}
	var parsed answer
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if err := decoder.Decode(&parsed); err != nil {
		return nil, answerInvalid(path, "unexpected form: "+where(err))
	}
	return &parsed, nil
}

// where names the field with the wrong type. The text of the decoder itself may quote a value.
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
