/** The sample integration behind the examples' APIs, examples/orders of this repository: it reads one secret. */

import { Duration, RemovalPolicy } from "aws-cdk-lib";
import { Effect, PolicyDocument, PolicyStatement, Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { Code, Function, Runtime } from "aws-cdk-lib/aws-lambda";
import { LogGroup, RetentionDays } from "aws-cdk-lib/aws-logs";
import { Bucket } from "aws-cdk-lib/aws-s3";
import { Construct } from "constructs";
import type { Settings } from "./settings";

interface OrdersProps {
  readonly settings: Settings;
  readonly name: string;
  /** By stage: whose role and secret are meant, `prod` or `staging`. */
  readonly stages: Record<string, "prod" | "staging">;
}

export class Orders extends Construct {
  readonly function: Function;
  readonly log: LogGroup;

  constructor(scope: Construct, id: string, props: OrdersProps) {
    super(scope, id);
    const { settings, name } = props;
    const stages = Object.entries(props.stages).map(([stage, of]) => [
      stage,
      { creation_path: `auth/token/create/orders-${of}-reader`, secret_path: `secret/data/${of}/orders` },
    ]);
    this.log = new LogGroup(this, "Log", {
      logGroupName: `/aws/lambda/${name}`,
      retention: RetentionDays.THREE_MONTHS,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const writeOwnLog = new PolicyStatement({
      effect: Effect.ALLOW,
      actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
      resources: [this.log.logGroupArn],
    });
    this.function = new Function(this, "Function", {
      functionName: name,
      description: "Reads one secret with the Vault token its caller was granted",
      runtime: Runtime.PROVIDED_AL2023,
      handler: "bootstrap",
      memorySize: 256,
      timeout: Duration.seconds(10),
      code: Code.fromBucket(Bucket.fromBucketName(this, "Code", settings.bucket), settings.ordersKey),
      logGroup: this.log,
      // Vault does not know this role: the function holds only what each call brings.
      role: new Role(this, "Role", {
        assumedBy: new ServicePrincipal("lambda.amazonaws.com"),
        inlinePolicies: { "write-own-log": new PolicyDocument({ statements: [writeOwnLog] }) },
      }),
      environment: {
        // The integration trusts its own configuration: what the call's context says of these is compared, not followed.
        VAULT_ADDR: settings.vaultAddress,
        ALLOW_ORIGIN: settings.allowOrigin,
        ORDERS_STAGES: JSON.stringify(Object.fromEntries(stages)),
      },
    });
  }
}
