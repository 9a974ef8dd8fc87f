/** Refuses props that nobody reads: an object that is spread into the props brings them past the compiler. */

import type { AlarmSettings, AlarmThresholds } from "./alarms";
import type { GatewayResponses } from "./gateway-responses";
import type { VaultAuthorizerProps } from "./vault-authorizer";

// `satisfies` keeps each of these in step with its interface.

const PROPS = Object.keys({
  api: true,
  restApiName: true,
  name: true,
  code: true,
  architecture: true,
  type: true,
  resultsCacheTtl: true,
  apiIds: true,
  configurationInPackage: true,
  timeout: true,
  memorySize: true,
  reservedConcurrentExecutions: true,
  provisionedConcurrentExecutions: true,
  capacityProvider: true,
  perExecutionEnvironmentMaxConcurrency: true,
  maxExecutionEnvironments: true,
  layers: true,
  codeSigningConfig: true,
  environment: true,
  environmentEncryption: true,
  tracing: true,
  role: true,
  rolePath: true,
  permissionsBoundary: true,
  vpc: true,
  vpcSubnets: true,
  securityGroups: true,
  ipv6AllowedForDualStack: true,
  logRetention: true,
  logEncryptionKey: true,
  logRemovalPolicy: true,
  gatewayResponses: true,
  alarms: true,
  dashboard: true,
  vault: true,
  issuers: true,
  aws_identity: true,
  credentials: true,
  answer: true,
  log: true,
  limits: true,
  stages: true,
} satisfies Record<keyof VaultAuthorizerProps, true>);

const GATEWAY_RESPONSES = Object.keys({ allowOrigin: true } satisfies Record<keyof GatewayResponses, true>);

const ALARMS = Object.keys({
  actions: true,
  okActions: true,
  thresholds: true,
  treatMissingData: true,
} satisfies Record<keyof AlarmSettings, true>);

const THRESHOLDS = Object.keys({
  faults: true,
  vaultAnswerInvalid: true,
  signatureInvalid: true,
  algorithmRefused: true,
  headerReserved: true,
  throttles: true,
  startFailures: true,
  api5xx: true,
} satisfies Record<keyof AlarmThresholds, true>);

/** The document's own keys are not among these: the rules know them. */
export function unknownProps(props: VaultAuthorizerProps): string[] {
  return [
    ...unknown("", props, PROPS),
    ...unknown("gatewayResponses.", props.gatewayResponses || {}, GATEWAY_RESPONSES),
    ...unknown("alarms.", props.alarms || {}, ALARMS),
    ...unknown("alarms.thresholds.", (props.alarms || {}).thresholds ?? {}, THRESHOLDS),
  ];
}

function unknown(path: string, given: object, known: string[]): string[] {
  const strangers = Object.keys(given).filter((key) => !known.includes(key));
  return strangers.map((key) => {
    const near = known.map((name) => ({ name, edits: edits(key, name) })).sort((a, b) => a.edits - b.edits)[0];
    const isMeant = near !== undefined && near.edits <= 3 && near.edits * 2 < key.length;
    const remedy = isMeant ? `: did you mean \`${near.name}\`?` : `; expected one of ${known.join(", ")}`;
    return `${path}${key}: unknown prop${remedy}`;
  });
}

/** How many letters must be put in, taken out or changed to make the one of the other. */
function edits(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (const [index, letter] of [...one].entries()) {
    const next = [index + 1];
    for (let at = 1; at <= other.length; at++) {
      const change = row[at - 1]! + (letter === other[at - 1] ? 0 : 1);
      next.push(Math.min(row[at]! + 1, next[at - 1]! + 1, change));
    }
    row = next;
  }
  return row[other.length]!;
}
