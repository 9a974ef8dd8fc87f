export { answerTo, type ProxyAnswer } from "./answer.js";
export type { Caller, HeaderSource } from "./context.js";
export {
  AccessorMismatch,
  ContextMissing,
  ContextTampered,
  type ErrorCode,
  type ErrorStatus,
  LeaseTooLong,
  TokenExpired,
  TokenSpent,
  VaultContextError,
  type VaultErrorCode,
  VaultDenied,
  VaultUnavailable,
} from "./errors.js";
export { Integration } from "./integration.js";
export type { IntegrationOptions } from "./options.js";
export { Credentials, Database, Kv, Lease, Secret, VaultToken } from "./token.js";
