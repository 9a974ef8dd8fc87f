package vaultcontext

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

const (
	whyNotKnown     = "it expired, was used up or was revoked, or this node does not know it yet"
	anotherServer   = "the answer is not Vault's, so another server may be at this address"
	maxMessageRunes = 400
	removed         = "…"
)

// refusal classifies a 4xx or 5xx response by the texts of Vault and OpenBao. Vault echoes what it was sent, so only a sanitised
// message leaves this function.
func refusal(c call, status int, retryAfter bool, body []byte) *Error {
	texts := refusalTexts(body)
	says := func(words string) bool {
		return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, words) })
	}
	message := func() string { return refusalMessage(c, texts, body) }
	switch {
	case status == http.StatusTooManyRequests:
		// If a quota of Vault is exceeded, the message names the path. A lagging standby sends an empty list of errors. An empty
		// body with a Retry-After comes from a rate limit in front of Vault.
		if len(texts) == 0 && (!retryAfter || len(bytes.TrimSpace(body)) > 0) {
			return unavailableNow(c, status, message()).with(effect{lag: true})
		}
		return unavailable(codeThrottled, "Vault's rate limit refused `%s`", c.path)
	case status == http.StatusPreconditionFailed:
		return unavailableNow(c, status, message()).with(effect{lag: true})
	case status == http.StatusServiceUnavailable && says("Vault is sealed"):
		return unavailable(codeSealed, "Vault is sealed (`%s`)", c.path)
	// The second text is about a token that is being unwrapped at this moment.
	case status == http.StatusBadRequest &&
		(says("wrapping token is not valid or does not exist") || says("no information found")):
		return wrappingTokenNotValid(c.path)
	case status == http.StatusBadRequest && says("leadership lost"):
		return unavailableNow(c, status, message())
	case status == http.StatusForbidden && c.token != nil:
		if says("invalid token") || slices.Contains(texts, "permission denied") {
			return denied(codeTokenNotValid, "Vault does not know the token sent to `%s`: %s", c.path, whyNotKnown).
				with(effect{lag: true})
		}
		if says("permission denied") {
			return denied(codeForbidden, "the token's policies do not allow `%s`", c.path)
		}
	case status == http.StatusNotFound && !isJSONObject(body):
		// This comes from a proxy without a backend, and does not mean that the path is empty.
		return unavailableNow(c, status, anotherServer)
	case status >= 500 || (status >= 472 && status <= 474):
		return unavailableNow(c, status, message())
	}
	return denied(codeRefused, "Vault refused `%s` (status %d): %s", c.path, status, message())
}

func wrappingTokenNotValid(path string) *Error {
	return denied(codeWrappingTokenNotValid, "Vault does not know the wrapping token sent to `%s`: %s", path, whyNotKnown).
		with(effect{lag: true})
}

func unavailableNow(c call, status int, message string) *Error {
	return unavailable(codeUnavailable, "Vault cannot answer `%s` now (status %d): %s", c.path, status, message)
}

// refusalTexts returns Vault's errors, or the whole body if something in front of Vault sent it. An object without errors may be
// data, such as the metadata of a deleted version, which belongs in no message.
func refusalTexts(body []byte) []string {
	var parsed struct{ Errors *[]string }
	if json.Unmarshal(body, &parsed) == nil && parsed.Errors != nil {
		return *parsed.Errors
	}
	if isJSONObject(body) {
		return []string{""}
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	return []string{string(body)}
}

func refusalMessage(c call, texts []string, body []byte) string {
	if len(texts) > 0 {
		if message := sanitised(texts[0], c); strings.TrimSpace(message) != "" {
			return message
		}
	}
	if isJSONObject(body) {
		return "no reason given"
	}
	return anotherServer
}

// sanitised makes a text from the network safe to log. It keeps the first line up to a limit, and removes the tokens of the call
// and every word that looks like a secret. If in doubt, it removes.
func sanitised(text string, c call) string {
	for _, token := range []hidden{c.token, c.mentions} {
		if token != nil {
			text = strings.ReplaceAll(text, token.expose(), removed)
		}
	}
	line, _, _ := strings.Cut(tellingLine(text), "<")
	line = word.ReplaceAllStringFunc(line, func(word string) string {
		if looksSecret(word) {
			return removed
		}
		return word
	})
	return printable(line)
}

// tellingLine returns the first line, or the first item of a list such as "1 error occurred:\n\t* permission denied\n\n".
func tellingLine(text string) string {
	first, rest, _ := strings.Cut(strings.TrimSpace(text), "\n")
	if strings.HasSuffix(first, "occurred:") {
		first, _, _ = strings.Cut(strings.TrimPrefix(strings.TrimSpace(rest), "* "), "\n")
	}
	return strings.TrimSpace(first)
}

var (
	// word matches the characters of tokens, JWTs, base64, hex and URL encoding.
	word       = regexp.MustCompile(`[A-Za-z0-9+/=_.%~-]+`)
	tokenLike  = regexp.MustCompile(`^eyJ|(hvs|hvb|hvr|s|b|r)\.[^/]{16,}`)
	digit      = regexp.MustCompile(`[0-9]`)
	longSecret = 64
)

func looksSecret(word string) bool {
	return slices.ContainsFunc(strings.Split(word, "/"), func(part string) bool {
		return tokenLike.MatchString(part) || len(part) >= longSecret || (len(part) >= 20 && digit.MatchString(part))
	}) || (len(word) >= 40 && digit.MatchString(word) && strings.ToLower(word) != word)
}

// printable truncates a text and drops its control characters.
func printable(text string) string {
	runes := slices.DeleteFunc([]rune(text), unicode.IsControl)
	return string(runes[:min(len(runes), maxMessageRunes)])
}
