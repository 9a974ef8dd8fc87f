package vaultcontext

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

const (
	contextVersion = "1"
	maxValueBytes  = 2048
	// maxTokenBytes leaves plenty of room above the 255 bytes that Vault advises to plan for.
	maxTokenBytes = 2048
)

// The keys of the contract between the authorizer and an integration.
const (
	keyWrappingToken   = "vaultWrappingToken"
	keyWrappedAccessor = "vaultWrappedAccessor"
	keyCreationPath    = "vaultCreationPath"
	keyAddress         = "vaultAddress"
	keyNamespace       = "vaultNamespace"
	keyWrapExpiresAt   = "vaultWrapExpiresAt"
	keyGrant           = "vaultGrant"
	keyCallerKind      = "callerKind"
	keyCallerIssuer    = "callerIssuer"
	keyCallerID        = "callerId"
	keyCallerBinding   = "callerBinding"
	keyVersion         = "contextVersion"
)

// fields pairs each key of the context with its header, so that the two cannot drift apart.
var fields = []struct{ key, header string }{
	{keyWrappingToken, "x-vault-context-wrapping-token"},
	{keyWrappedAccessor, "x-vault-context-wrapped-accessor"},
	{keyCreationPath, "x-vault-context-creation-path"},
	{keyAddress, "x-vault-context-address"},
	{keyNamespace, "x-vault-context-namespace"},
	{keyWrapExpiresAt, "x-vault-context-wrap-expires-at"},
	{keyGrant, "x-vault-context-grant"},
	{keyCallerKind, "x-vault-context-caller-kind"},
	{keyCallerIssuer, "x-vault-context-caller-issuer"},
	{keyCallerID, "x-vault-context-caller-id"},
	{keyCallerBinding, "x-vault-context-caller-binding"},
	{keyVersion, "x-vault-context-version"},
}

// Caller identifies the caller of the API, as verified by the authorizer.
type Caller struct {
	// Kind is how the caller proved it: jwt, aws_identity or aws_iam.
	Kind string
	// Issuer is the configured name of the JWT's issuer, or empty.
	Issuer string
	// ID is <issuer name>:<user claim>, or the canonical ARN.
	ID string
	// Binding is what the caller proved to hold besides the token: none, dpop or mtls.
	Binding string
}

// envelope is a complete context that has not been compared with the configuration yet.
type envelope struct {
	grant   string
	caller  Caller
	wrapped *wrapped
}

type wrapped struct {
	token                                      hidden
	accessor, creationPath, address, namespace string
	expiresAt                                  uint64
}

// values holds the contract's values as they arrived, including empty ones.
type values map[string]string

func fromAuthorizer(authorizer map[string]any) (envelope, *Error) {
	// The context of a REST authorizer cannot hold objects, so an object named "lambda" comes from payload 2.0.
	if lambda, ok := authorizer["lambda"].(map[string]any); ok {
		authorizer = lambda
	}
	found := values{}
	for _, field := range fields {
		text, ok := flat(authorizer[field.key])
		if !ok {
			return envelope{}, contextInvalid(field.key, "it is not a string")
		}
		if err := found.insert(field.key, text); err != nil {
			return envelope{}, err
		}
	}
	return found.read()
}

// fromHeaders ignores case and treats "_" as "-", as lenient servers do. Two spellings of one header therefore count as a
// duplicate.
func fromHeaders(headers http.Header) (envelope, *Error) {
	found := values{}
	for name, sent := range headers {
		name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
		for _, field := range fields {
			if field.header != name {
				continue
			}
			for _, value := range sent {
				if err := found.insert(field.key, value); err != nil {
					return envelope{}, err
				}
			}
		}
	}
	return found.read()
}

// flat converts a value to text as API Gateway does.
func flat(value any) (string, bool) {
	switch value := value.(type) {
	case nil:
		return "", true
	case string:
		return value, true
	case bool:
		return strconv.FormatBool(value), true
	case json.Number:
		return value.String(), true
	case float64:
		return strconv.FormatFloat(value, 'f', -1, 64), true
	case int:
		return strconv.Itoa(value), true
	case int64:
		return strconv.FormatInt(value, 10), true
	}
	return "", false
}

func (v values) insert(key, value string) *Error {
	if _, found := v[key]; found {
		return contextInvalid(key, "it was sent more than once")
	}
	if len(value) > maxValueBytes {
		return contextInvalid(key, "it is too long")
	}
	if strings.ContainsFunc(value, unicode.IsControl) {
		return contextInvalid(key, "it contains a control character")
	}
	v[key] = value
	return nil
}

func (v values) read() (envelope, *Error) {
	if !v.any(func(string) bool { return true }) {
		return envelope{}, noContext()
	}
	if err := v.require(keyVersion); err != nil {
		return envelope{}, err
	}
	if v[keyVersion] != contextVersion {
		return envelope{}, unsupportedVersion()
	}
	if err := v.require(keyGrant); err != nil {
		return envelope{}, err
	}
	caller, err := v.caller()
	if err != nil {
		return envelope{}, err
	}
	wrapped, err := v.wrapped()
	return envelope{v[keyGrant], caller, wrapped}, err
}

func (v values) caller() (Caller, *Error) {
	if err := v.require(keyCallerKind); err != nil {
		return Caller{}, err
	}
	if !slices.Contains([]string{"jwt", "aws_identity", "aws_iam"}, v[keyCallerKind]) {
		return Caller{}, contextInvalid(keyCallerKind, "it is not a kind of caller")
	}
	if err := v.require(keyCallerID); err != nil {
		return Caller{}, err
	}
	binding := v[keyCallerBinding]
	if binding == "" {
		// Older authorizers do not send this key and verify no binding.
		binding = "none"
	}
	if !slices.Contains([]string{"none", "dpop", "mtls"}, binding) {
		return Caller{}, contextInvalid(keyCallerBinding, "it is not a kind of binding")
	}
	return Caller{v[keyCallerKind], v[keyCallerIssuer], v[keyCallerID], binding}, nil
}

// wrapped reads the keys of the token, which must all be present or all be absent.
func (v values) wrapped() (*wrapped, *Error) {
	required := []string{keyWrappingToken, keyWrappedAccessor, keyCreationPath, keyAddress, keyWrapExpiresAt}
	if !v.any(func(key string) bool { return key == keyNamespace || slices.Contains(required, key) }) {
		return nil, nil
	}
	if err := v.require(required...); err != nil {
		return nil, err
	}
	if !isToken(v[keyWrappingToken]) {
		return nil, contextInvalid(keyWrappingToken, "it is not a token")
	}
	digits := !strings.ContainsFunc(v[keyWrapExpiresAt], func(letter rune) bool { return letter < '0' || letter > '9' })
	expiresAt, err := strconv.ParseUint(v[keyWrapExpiresAt], 10, 64)
	if err != nil || !digits {
		return nil, contextInvalid(keyWrapExpiresAt, "it is not a time in Unix seconds")
	}
	return &wrapped{
		hide(v[keyWrappingToken]), v[keyWrappedAccessor], v[keyCreationPath], v[keyAddress], v[keyNamespace], expiresAt,
	}, nil
}

func (v values) any(matches func(key string) bool) bool {
	for key, value := range v {
		if value != "" && matches(key) {
			return true
		}
	}
	return false
}

func (v values) require(keys ...string) *Error {
	for _, key := range keys {
		if v[key] == "" {
			return contextIncomplete(key)
		}
	}
	return nil
}

// isToken reports whether text is fit to be a token and a header value.
func isToken(text string) bool {
	return text != "" && len(text) <= maxTokenBytes && isVisibleASCII(text)
}
