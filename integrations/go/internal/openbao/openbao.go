// Package openbao runs a real OpenBao for the tests, with token roles and with a proxy that injects failures.
package openbao

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"git.example.com/vault-authorizer/integrations/go/vaultcontexttest"
)

// RootToken of an OpenBao that lives as long as one test run.
const RootToken = "root"

// Token roles, both with the policy "orders".
const (
	RoleReader = "orders-reader"
	RoleBatch  = "orders-batch"
)

// EntityAlias belongs to an entity with a policy of its own.
const EntityAlias = "tenant-1@corp"

// Bed is an OpenBao in memory, on its own port.
type Bed struct {
	Address string
	process *exec.Cmd
}

var (
	bed     *Bed
	errBed  error
	started sync.Once
)

// Start returns the OpenBao of this test binary, and starts it if necessary. Run stops it.
func Start(t testing.TB) *Bed {
	t.Helper()
	started.Do(func() { bed, errBed = start() })
	if errBed != nil {
		t.Fatal(errBed)
	}
	return bed
}

// Run runs the tests of a package from TestMain, and then stops OpenBao.
func Run(m *testing.M) {
	code := m.Run()
	if bed != nil {
		_ = bed.process.Process.Kill()
		_ = bed.process.Wait()
	}
	os.Exit(code)
}

func start() (*Bed, error) {
	binary := os.Getenv("OPENBAO")
	if binary == "" {
		return nil, fmt.Errorf("these tests need OpenBao: set OPENBAO to the path of its binary, bao")
	}
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	process := exec.Command(binary, "server", "-dev", "-dev-no-store-token", "-dev-root-token-id="+RootToken,
		"-dev-listen-address="+address)
	// Keep the environment and the home folder of the developer out of it.
	process.Env = []string{"HOME=" + os.TempDir()}
	if err := process.Start(); err != nil {
		return nil, fmt.Errorf("OpenBao could not be started: %w", err)
	}
	b := &Bed{"http://" + address, process}
	if err := b.prepare(); err != nil {
		_ = process.Process.Kill()
		_ = process.Wait()
		return nil, err
	}
	return b, nil
}

func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

func (b *Bed) prepare() error {
	if err := b.waitUntilReady(); err != nil {
		return err
	}
	var accessors map[string]struct{ Accessor string }
	if err := b.into(&accessors, "GET", "sys/auth", nil); err != nil {
		return err
	}
	var entity struct{ ID string }
	role := map[string]any{
		"allowed_policies": "orders", "orphan": true, "renewable": false, "allowed_entity_aliases": EntityAlias,
	}
	batch := map[string]any{"allowed_policies": "orders", "orphan": true, "renewable": false, "token_type": "batch"}
	policy := `path "secret/data/*" { capabilities = ["create", "read", "update"] }`
	steps := []struct {
		path string
		body map[string]any
		into any
	}{
		{"sys/policies/acl/orders", map[string]any{"policy": policy}, nil},
		{"auth/token/roles/" + RoleReader, role, nil},
		{"auth/token/roles/" + RoleBatch, batch, nil},
		{"secret/data/orders", map[string]any{"data": map[string]any{"password": "hunter2", "port": 5432}}, nil},
		{"identity/entity", map[string]any{"name": "tenant-1", "policies": []string{"tenant-1"}}, &entity},
	}
	for _, step := range steps {
		if err := b.into(step.into, "POST", step.path, step.body); err != nil {
			return err
		}
	}
	return b.into(nil, "POST", "identity/entity-alias", map[string]any{
		"name": EntityAlias, "canonical_id": entity.ID, "mount_accessor": accessors["token/"].Accessor,
	})
}

func (b *Bed) waitUntilReady() error {
	for began := time.Now(); time.Since(began) < time.Minute; time.Sleep(20 * time.Millisecond) {
		if status, _, err := b.call("GET", "sys/health", nil, nil); err == nil && status == http.StatusOK {
			return nil
		}
	}
	return fmt.Errorf("OpenBao was not ready at %s in a minute", b.Address)
}

// Answer is a response from OpenBao.
type Answer struct {
	Data     json.RawMessage
	Auth     struct{ Accessor string }
	WrapInfo struct {
		Token           string
		TTL             int64
		CreationPath    string `json:"creation_path"`
		WrappedAccessor string `json:"wrapped_accessor"`
	} `json:"wrap_info"`
}

func (b *Bed) into(target any, method, path string, body map[string]any) error {
	status, answered, err := b.call(method, path, body, map[string]string{"X-Vault-Token": RootToken})
	if err != nil {
		return err
	}
	if status >= 300 {
		return fmt.Errorf("%s: status %d: %s", path, status, answered)
	}
	var answer Answer
	if target == nil {
		return nil
	}
	if err := json.Unmarshal(answered, &answer); err != nil {
		return err
	}
	return json.Unmarshal(answer.Data, target)
}

// Call calls OpenBao directly, and fails the test if OpenBao refuses.
func (b *Bed) Call(t testing.TB, method, path string, body map[string]any, headers map[string]string) Answer {
	t.Helper()
	status, answered, err := b.call(method, path, body, headers)
	if err != nil || status >= 300 {
		t.Fatalf("%s: status %d: %s, %v", path, status, answered, err)
	}
	var answer Answer
	if err := json.Unmarshal(answered, &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

func (b *Bed) call(method, path string, body map[string]any, headers map[string]string) (int, []byte, error) {
	encoded, err := json.Marshal(body)
	if err != nil {
		return 0, nil, err
	}
	request, err := http.NewRequestWithContext(context.Background(), method, b.Address+"/v1/"+path, bytes.NewReader(encoded))
	if err != nil {
		return 0, nil, err
	}
	for name, value := range headers {
		request.Header.Set(name, value)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer response.Body.Close()
	answered, err := io.ReadAll(response.Body)
	return response.StatusCode, answered, err
}

// Mint creates a wrapped token as the authorizer does, and returns its context, which names this address.
func (b *Bed) Mint(t testing.TB, address, role string, parameters map[string]any) map[string]any {
	t.Helper()
	vault := vaultcontexttest.Vault{Address: b.Address, Token: RootToken}
	authorizer := vault.Authorizer(t, "auth/token/create/"+role, parameters)
	authorizer["vaultAddress"] = address
	return authorizer
}

// Unwrap opens a wrapping token as an interceptor would, and returns the accessor of the token inside.
func (b *Bed) Unwrap(t testing.TB, token string) string {
	t.Helper()
	return b.Call(t, "POST", "sys/wrapping/unwrap", nil, map[string]string{"X-Vault-Token": token}).Auth.Accessor
}

// WrapAgain wraps any content in a new wrapping token.
func (b *Bed) WrapAgain(t testing.TB, content map[string]any) string {
	t.Helper()
	headers := map[string]string{"X-Vault-Token": RootToken, "X-Vault-Wrap-TTL": "60s"}
	return b.Call(t, "POST", "sys/wrapping/wrap", content, headers).WrapInfo.Token
}

// IsAlive reports whether OpenBao knows a token with this accessor.
func (b *Bed) IsAlive(t testing.TB, accessor string) bool {
	t.Helper()
	headers := map[string]string{"X-Vault-Token": RootToken}
	status, answered, err := b.call("POST", "auth/token/lookup-accessor", map[string]any{"accessor": accessor}, headers)
	if err != nil || status == http.StatusInternalServerError {
		t.Fatalf("lookup-accessor: status %d: %s, %v", status, answered, err)
	}
	return status == http.StatusOK
}
