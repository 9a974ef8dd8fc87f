// Command http is a container behind an HTTP integration that reads a secret.
package main

import (
	"log"
	"net/http"

	vaultcontext "git.example.com/vault-authorizer/integrations/go"
)

func main() {
	integration, err := vaultcontext.New(vaultcontext.Config{
		Address:       "https://vault.example.com:8200",
		CreationPaths: []string{"auth/token/create/orders-prod-reader"},
	})
	if err != nil {
		log.Fatal(err)
	}
	log.Fatal(http.ListenAndServe(":8080", routes(integration)))
}

func routes(integration *vaultcontext.Integration) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /orders", orders)
	return integration.Middleware(mux)
}

func orders(w http.ResponseWriter, r *http.Request) {
	token, err := vaultcontext.FromContext(r.Context()) // opens it; the middleware revokes it
	if err != nil {
		vaultcontext.WriteError(w, r, err)
		return
	}
	settings, err := token.KV("secret").Get(r.Context(), "prod/orders")
	if err != nil {
		vaultcontext.WriteError(w, r, err)
		return
	}
	query(w, r, settings)
}

// query stands for the integration's own work.
func query(w http.ResponseWriter, _ *http.Request, settings map[string]any) {
	log.Print("querying with ", len(settings), " settings")
	w.WriteHeader(http.StatusNoContent)
}
