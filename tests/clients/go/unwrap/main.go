// An integration in Go: takes the authorizer's context, checks it, unwraps the token, reads one secret, revokes it.
//
// The context comes on standard input, as API Gateway delivers it at event.requestContext.authorizer. Two clients build this
// file: github.com/hashicorp/vault/api, and with the build tag openbao github.com/openbao/openbao/api.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	var context map[string]string
	if err := json.NewDecoder(os.Stdin).Decode(&context); err != nil {
		fail(err)
	}
	run := integrate
	if len(os.Args) > 1 {
		run = map[string]func(map[string]string) error{"defaults": unwrapWithDefaults, "print": printClient}[os.Args[1]]
	}
	if err := run(context); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func integrate(context map[string]string) (err error) {
	address, namespace, creationPath := os.Getenv("VAULT_ADDR"), os.Getenv("NAMESPACE"), os.Getenv("CREATION_PATH")

	// The context is compared with what this integration expects, and never followed.
	if context["contextVersion"] != "1" || context["vaultWrappingToken"] == "" {
		return errors.New("no wrapped token in the context: is the authorizer attached to this route?")
	}
	if context["vaultAddress"] != address || context["vaultNamespace"] != namespace {
		return errors.New("the context names another Vault or namespace: it may have been tampered with")
	}
	if context["vaultCreationPath"] != creationPath {
		return errors.New("the context names another creation path: it may have been tampered with")
	}
	seconds, err := strconv.ParseInt(context["vaultWrapExpiresAt"], 10, 64)
	if err != nil {
		return err
	}
	expiresAt := time.Unix(seconds, 0)

	vault, accessor, err := unwrap(address, namespace, creationPath, context["vaultWrappingToken"], expiresAt)
	if err != nil {
		return err
	}
	defer func() {
		revoked := untilKnown(expiresAt, func() error { return vault.Auth().Token().RevokeSelf("") })
		err = errors.Join(err, revoked)
	}()
	if accessor != context["vaultWrappedAccessor"] {
		return errors.New("the token inside is not the one the authorizer minted")
	}
	var secret map[string]any
	err = untilKnown(expiresAt, func() error {
		answer, err := vault.Logical().Read(os.Getenv("SECRET_PATH"))
		if err == nil && answer == nil {
			err = errors.New("there is no such secret")
		}
		if err == nil {
			secret, _ = answer.Data["data"].(map[string]any)
		}
		return err
	})
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"username": secret["username"], "accessor": accessor})
}

// unwrap answers the client with the token inside, and the accessor. It is sent again only where a node refused it and a lookup
// then shows the token: a lost answer may have used it up.
func unwrap(address, namespace, creationPath, wrappingToken string, expiresAt time.Time) (*Client, string, error) {
	lookUp := func(otherwise string) error {
		err := untilKnown(expiresAt, func() error {
			anonymous, err := newClient(address, namespace, "")
			if err != nil {
				return err
			}
			// Lookup needs no token and uses nothing up.
			found, err := anonymous.Logical().Write("sys/wrapping/lookup", map[string]any{"token": wrappingToken})
			if err == nil && (found == nil || found.Data["creation_path"] != creationPath) {
				err = errors.New("the wrapping token was made by another creation path: it may have been tampered with")
			}
			return err
		})
		// A node that says itself that it lags (412) tells nothing of the token.
		if status := nodeDoesNotKnow(err); status == 0 || status == 412 {
			return err
		} else if hasExpired(expiresAt) {
			return errors.New("the wrapping token has expired")
		}
		return errors.New(otherwise)
	}
	if hasExpired(expiresAt) {
		return nil, "", errors.New("the wrapping token has expired")
	}
	otherwise := "no node knows the wrapping token: the nodes lag behind, or it was opened before; see Vault's audit log"
	for range 5 {
		if err := lookUp(otherwise); err != nil {
			return nil, "", err
		}
		// Unwrap uses the wrapping token up, and so must carry it alone.
		client, err := newClient(address, namespace, wrappingToken)
		if err != nil {
			return nil, "", err
		}
		unwrapped, err := client.Logical().Unwrap("")
		if err == nil && (unwrapped == nil || unwrapped.Auth == nil) {
			err = errors.New("there is no token inside")
		}
		if err == nil {
			client.SetToken(unwrapped.Auth.ClientToken)
			return client, unwrapped.Auth.Accessor, nil
		}
		if nodeDoesNotKnow(err) == 0 {
			return nil, "", err
		}
		otherwise = "ALARM: the wrapping token was there and then was gone: somebody else may have opened it"
	}
	return nil, "", errors.New("the nodes do not agree whether there is a wrapping token: check Vault's replication")
}

// nodeDoesNotKnow answers the status of such a refusal, else 0. A standby that serves reads hears of a token after it was made.
// Until then it says that there is none, or 412.
func nodeDoesNotKnow(err error) int {
	var refused *ResponseError
	if !errors.As(err, &refused) {
		return 0
	}
	said := strings.Join(refused.Errors, ", ")
	if refused.StatusCode == 412 || said == "permission denied" ||
		strings.Contains(said, "wrapping token is not valid") || strings.Contains(said, "invalid token") {
		return refused.StatusCode
	}
	return 0
}

func hasExpired(at time.Time) bool { return time.Now().Add(500 * time.Millisecond).After(at) }

// untilKnown calls again while a node does not know the token, for two seconds at most and not beyond the wrapping token's life.
func untilKnown(expiresAt time.Time, call func() error) error {
	for _, pause := range []int64{20, 40, 80, 160, 300, 400, 400, 400} {
		err := call()
		if err == nil || nodeDoesNotKnow(err) == 0 || hasExpired(expiresAt) {
			return err
		}
		time.Sleep(time.Duration(pause/2+rand.Int64N(pause/2)) * time.Millisecond)
	}
	return call()
}

// unwrapWithDefaults shows what a client does that is left as it is.
func unwrapWithDefaults(context map[string]string) error {
	client, err := newDefaultClient()
	if err != nil {
		return err
	}
	_, err = client.Logical().Unwrap(context["vaultWrappingToken"])
	return err
}

// printClient shows what a log gets that prints a client.
func printClient(context map[string]string) error {
	client, err := newClient(os.Getenv("VAULT_ADDR"), "", context["vaultWrappingToken"])
	return errors.Join(err, fmt.Errorf("%+v", client))
}
