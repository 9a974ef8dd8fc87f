// Command lambda is an integration of a REST API that reads a secret and the credentials of a database user.
package main

import (
	"context"
	"log/slog"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"

	vaultcontext "git.example.com/vault-authorizer/integrations/go"
)

var integration *vaultcontext.Integration

func main() {
	var err error
	integration, err = vaultcontext.New(vaultcontext.Config{
		Address:       "https://vault.example.com:8200",
		CreationPaths: []string{"auth/token/create/orders-prod-reader"},
	})
	if err != nil {
		panic(err)
	}
	lambda.Start(handle)
}

func handle(ctx context.Context, event events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	token, err := integration.Open(ctx, event.RequestContext.Authorizer)
	if err != nil {
		return failed(err), nil
	}
	defer token.Revoke(ctx) // ends the database user, too
	settings, err := token.KV("secret").Get(ctx, "prod/orders")
	if err != nil {
		return failed(err), nil
	}
	user, err := token.Database("database").Credentials(ctx, "orders")
	if err != nil {
		return failed(err), nil
	}
	return query(ctx, settings, user.Username, user.Password())
}

func failed(err error) events.APIGatewayProxyResponse {
	slog.Error("no Vault token or no secret", "error", err)
	status, headers, body := vaultcontext.Answer(err)
	return events.APIGatewayProxyResponse{StatusCode: status, Headers: headers, Body: body}
}

// query stands for the integration's own work.
func query(_ context.Context, settings map[string]any, username, _ string) (events.APIGatewayProxyResponse, error) {
	slog.Info("querying", "settings", len(settings), "as", username)
	return events.APIGatewayProxyResponse{StatusCode: 200, Body: `{"orders":[]}`}, nil
}
