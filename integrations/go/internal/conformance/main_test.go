package main

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"

	"git.example.com/vault-authorizer/integrations/go/internal/openbao"
	"git.example.com/vault-authorizer/integrations/go/vaultcontexttest"
)

func TestMain(m *testing.M) { openbao.Run(m) }

func TestEachLineIsAnsweredWithOne(t *testing.T) {
	bed := openbao.Start(t)
	paths := []string{"auth/token/create/" + openbao.RoleReader}
	configured := object{"address": bed.Address, "creation_paths": paths, "namespace": nil}
	authorizer := bed.Mint(t, bed.Address, openbao.RoleReader, nil)
	headers := [][2]string{}
	for name, values := range vaultcontexttest.Headers(bed.Mint(t, bed.Address, openbao.RoleReader, nil)) {
		headers = append(headers, [2]string{name, values[0]})
	}
	uses := []object{
		{"kv": []string{"secret", "orders"}}, {"write": []any{"secret/data/runner", object{"data": object{"a": 1}}}},
		{"read": "secret/data/runner"},
	}
	var in, out bytes.Buffer
	for _, request := range []object{
		{"integration": configured, "event": object{"requestContext": object{"authorizer": authorizer}}, "use": uses},
		{"integration": configured, "headers": headers},
		{"integration": configured, "event": object{"requestContext": object{"authorizer": "a text"}}},
		{"integration": object{"address": "http://vault.example.com", "creation_paths": []string{}}},
	} {
		if err := json.NewEncoder(&in).Encode(request); err != nil {
			t.Fatal(err)
		}
	}
	if err := run(&in, &out); err != nil {
		t.Fatal(err)
	}
	answers := make([]object, 4)
	decoder := json.NewDecoder(&out)
	for i := range answers {
		if err := decoder.Decode(&answers[i]); err != nil {
			t.Fatal(err)
		}
	}
	values, _ := answers[0]["values"].([]any)
	if len(values) != 3 || !reflect.DeepEqual(values[0], object{"password": "hunter2", "port": 5432.0}) {
		t.Errorf("got %v", answers[0])
	}
	caller := object{"kind": "jwt", "issuer": "corp", "id": "corp:alice", "binding": "none"}
	if token, _ := answers[1]["token"].(object); !reflect.DeepEqual(token["caller"], caller) || token["grant"] != openbao.RoleReader {
		t.Errorf("got %v", answers[1])
	}
	if answers[2]["error"] != "ContextMissing" || answers[2]["code"] != "no_context" || answers[2]["status"] != 403.0 {
		t.Errorf("got %v", answers[2])
	}
	if answers[3]["error"] != "Configuration" {
		t.Errorf("got %v", answers[3])
	}
	if bed.IsAlive(t, authorizer["vaultWrappedAccessor"].(string)) {
		t.Error("the token is alive")
	}
}
