export { type AlarmSettings, type AlarmThresholds } from "./alarms";
export * from "./configuration";
export { CONTEXT_HEADERS, type HttpBackend, type RestBackend } from "./containers";
export { type ConfigurationParts, type StageParts } from "./document";
export { type GatewayResponses } from "./gateway-responses";
export { HttpVaultAuthorizer, type HttpVaultAuthorizerProps } from "./http-vault-authorizer";
export { VaultAuthorizer, type VaultAuthorizerProps } from "./vault-authorizer";
