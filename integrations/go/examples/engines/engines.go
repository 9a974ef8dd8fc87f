// Package engines reads from five secrets engines with the token of one request. docs/integrations/go.md shows it.
package engines

import (
	"context"
	"encoding/base64"

	vaultcontext "git.example.com/vault-authorizer/integrations/go"
)

// Secrets is what one request needs. It prints.
type Secrets struct {
	Table, SupplierKey, Certificate, PrivateKey, Ciphertext string
}

// SecretsFor reads two secrets, gets a certificate, and encrypts an order.
func SecretsFor(ctx context.Context, token *vaultcontext.Token, order []byte) (found Secrets, err error) {
	// KV version 2
	tables, err := token.KV("secret").Get(ctx, "prod/tables")
	if err != nil {
		return found, err
	}
	found.Table, _ = tables["orders"].(string)

	// KV version 1
	supplier, err := token.Read(ctx, "kv/prod/supplier")
	if err != nil {
		return found, err
	}
	found.SupplierKey, _ = supplier.Data()["api_key"].(string)

	// PKI
	names := map[string]any{"common_name": "orders.example.com", "ttl": "5m"}
	issued, err := token.Write(ctx, "pki/issue/orders", names)
	if err != nil {
		return found, err
	}
	found.Certificate, _ = issued.Data()["certificate"].(string)
	found.PrivateKey, _ = issued.Data()["private_key"].(string)

	// Transit
	plaintext := map[string]any{"plaintext": base64.StdEncoding.EncodeToString(order)}
	encrypted, err := token.Write(ctx, "transit/encrypt/orders", plaintext)
	if err != nil {
		return found, err
	}
	found.Ciphertext, _ = encrypted.Data()["ciphertext"].(string)
	return found, nil
}

// DatabaseUser makes a database user for this request.
func DatabaseUser(ctx context.Context, token *vaultcontext.Token) (*vaultcontext.Credentials, error) {
	return token.Database("database").Credentials(ctx, "orders-reader")
}
