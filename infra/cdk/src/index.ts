export { type AlarmSettings } from "./alarms";
export * from "./configuration";
export { CONTEXT_HEADERS, type HttpBackend, type RestBackend } from "./containers";
export { type ConfigurationParts } from "./document";
export { type GatewayResponses } from "./gateway-responses";
export { VaultAuthorizer, type VaultAuthorizerProps } from "./vault-authorizer";
