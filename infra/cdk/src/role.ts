/** The role that the function runs as, and the identity that Vault knows it by. */

import { Aws, Stack, Token } from "aws-cdk-lib";
import { type ISecurityGroup, type IVpc, type SubnetSelection } from "aws-cdk-lib/aws-ec2";
import * as iam from "aws-cdk-lib/aws-iam";
import { type LogGroup } from "aws-cdk-lib/aws-logs";
import { type Construct } from "constructs";

/** `us-isof-south-1`, the longest name of a region. It counts where the region is not known. */
const LONGEST_REGION = 15;

/** A role is of the whole account, a function of one region. */
export function roleNameOf(scope: Construct, name: string): string {
  return `${name}-${Stack.of(scope).region}`;
}

/** How long `name` may be, so that the role's name has at most 64 characters. */
export function longestName(scope: Construct): number {
  const { region } = Stack.of(scope);
  return 64 - 1 - (Token.isUnresolved(region) ? LONGEST_REGION : region.length);
}

/** What a role is made for. */
export interface RoleSettings {
  readonly functionName: string;
  readonly logGroup: LogGroup;
  readonly path?: string;
  readonly permissionsBoundary?: iam.IManagedPolicy;
  /** The audience of the JWT that the function asks STS for. */
  readonly webIdentityAudience?: string;
  readonly isTraced: boolean;
  readonly network?: {
    readonly vpc: IVpc;
    readonly vpcSubnets?: SubnetSelection;
    readonly securityGroups: readonly ISecurityGroup[];
  };
}

/** What it may do in Vault is written in Vault, and sts:GetCallerIdentity needs no permission. */
export function roleOf(scope: Construct, settings: RoleSettings): iam.Role {
  const statements: Record<string, iam.PolicyStatement[]> = {
    "write-own-log": [
      new iam.PolicyStatement({
        actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
        resources: [settings.logGroup.logGroupArn], // ends in `:*`, which is this group's streams
      }),
    ],
  };
  if (settings.webIdentityAudience !== undefined) {
    statements["ask-for-own-jwt"] = [
      new iam.PolicyStatement({
        actions: ["sts:GetWebIdentityToken"],
        resources: ["*"],
        conditions: {
          // ForAllValues is true of a request without any audience: `Null` refuses that one.
          "ForAllValues:StringEquals": { "sts:IdentityTokenAudience": settings.webIdentityAudience },
          Null: { "sts:IdentityTokenAudience": "false" },
          NumericLessThanEquals: { "sts:DurationSeconds": 60 },
        },
      }),
    ];
  }
  if (settings.network !== undefined) {
    statements["attach-to-vpc"] = networkStatements(scope, settings.functionName, settings.network);
  }
  if (settings.isTraced) {
    statements["send-traces"] = [
      new iam.PolicyStatement({
        actions: ["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
        resources: ["*"], // X-Ray knows no narrower resource for these
      }),
    ];
  }
  return new iam.Role(scope, "Role", {
    roleName: roleNameOf(scope, settings.functionName),
    path: settings.path,
    permissionsBoundary: settings.permissionsBoundary,
    assumedBy: new iam.ServicePrincipal("lambda.amazonaws.com"),
    inlinePolicies: Object.fromEntries(
      Object.entries(statements).map(([policy, its]) => [policy, new iam.PolicyDocument({ statements: its })]),
    ),
  });
}

/** What Lambda itself needs to place the function in these subnets, and the function's own code does not. */
function networkStatements(
  scope: Construct,
  functionName: string,
  { vpc, vpcSubnets, securityGroups }: NonNullable<RoleSettings["network"]>,
): iam.PolicyStatement[] {
  const { region, account } = Stack.of(scope);
  const arn = (resource: string, owner = account) => `arn:${Aws.PARTITION}:ec2:${region}:${owner}:${resource}`;
  const describe = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"];
  const change = ["ec2:DeleteNetworkInterface", "ec2:AssignPrivateIpAddresses", "ec2:UnassignPrivateIpAddresses"];
  return [
    new iam.PolicyStatement({ actions: describe, resources: ["*"] }), // EC2 knows no narrower resource for these
    new iam.PolicyStatement({
      actions: ["ec2:CreateNetworkInterface"],
      resources: [
        arn("network-interface/*"),
        // Another account owns them where the VPC is shared.
        ...vpc.selectSubnets(vpcSubnets).subnetIds.map((id) => arn(`subnet/${id}`, "*")),
        ...securityGroups.map(({ securityGroupId }) => arn(`security-group/${securityGroupId}`, "*")),
      ],
    }),
    new iam.PolicyStatement({ actions: change, resources: [arn("*/*")] }), // as Lambda's guide demands it
    new iam.PolicyStatement({
      effect: iam.Effect.DENY,
      actions: ["ec2:CreateNetworkInterface", ...describe, ...change],
      resources: ["*"],
      conditions: {
        ArnEquals: {
          "lambda:SourceFunctionArn": `arn:${Aws.PARTITION}:lambda:${region}:${account}:function:${functionName}`,
        },
      },
    }),
  ];
}

/** The ARN that Vault compares. GetCallerIdentity leaves a role's path out. */
export function vaultPrincipalOf(role: iam.IRole): string {
  if (!Token.isUnresolved(role.roleArn)) return role.roleArn.replace(/:role\/.*\//, ":role/");
  return `arn:${Aws.PARTITION}:iam::${role.env.account}:role/${role.roleName}`;
}
