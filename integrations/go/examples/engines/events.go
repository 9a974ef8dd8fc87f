package engines

import (
	"context"

	"github.com/aws/aws-lambda-go/events"

	vaultcontext "git.example.com/vault-authorizer/integrations/go"
)

// OpenHTTP opens the token of an HTTP API's event with payload 2.0.
func OpenHTTP(
	ctx context.Context, integration *vaultcontext.Integration, event events.APIGatewayV2HTTPRequest,
) (*vaultcontext.Token, error) {
	var authorizer map[string]any
	if found := event.RequestContext.Authorizer; found != nil { // nil: the route has no authorizer
		authorizer = found.Lambda
	}
	return integration.Open(ctx, authorizer)
}

// OpenWebSocket opens the token of a WebSocket API's $connect.
func OpenWebSocket(
	ctx context.Context, integration *vaultcontext.Integration, event events.APIGatewayWebsocketProxyRequest,
) (*vaultcontext.Token, error) {
	authorizer, _ := event.RequestContext.Authorizer.(map[string]any) // of type any
	return integration.Open(ctx, authorizer)
}
