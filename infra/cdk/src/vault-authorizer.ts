/**
 * `vault-authorizer` as a construct: one stage of one API.
 *
 * It makes the function with its role and its log group, the authorizer at API Gateway with the permission to call the function,
 * alarms, and a REST API's gateway responses. What the function's own reader would refuse stops the synthesis, and what is not
 * safe, all problems together: but for the files that the document names and the values that only CloudFormation knows. For
 * these, run `vault-authorizer check` on {@link VaultAuthorizer.configurationJson}.
 */

import { Annotations, Aws, type CfnResource, Duration, Lazy, RemovalPolicy, Stack, Token } from "aws-cdk-lib";
import * as rest from "aws-cdk-lib/aws-apigateway";
import * as http from "aws-cdk-lib/aws-apigatewayv2";
import { type Alarm } from "aws-cdk-lib/aws-cloudwatch";
import { type ISecurityGroup, type IVpc, type SubnetSelection } from "aws-cdk-lib/aws-ec2";
import * as iam from "aws-cdk-lib/aws-iam";
import * as lambda from "aws-cdk-lib/aws-lambda";
import { LogGroup, RetentionDays } from "aws-cdk-lib/aws-logs";
import { type Construct, type IConstruct } from "constructs";
import { HTTP_API_FORMAT, REST_API_FORMAT } from "./access-log";
import { alarms, type AlarmSettings } from "./alarms";
import type { Configuration, CredentialSource } from "./configuration";
import { HttpBackendIntegration, RestBackendIntegration, type HttpBackend, type RestBackend } from "./containers";
import {
  configurationOf,
  documentProblems,
  environmentValue,
  lostAtSynthesis,
  type ConfigurationParts,
} from "./document";
import { gatewayResponses, type GatewayResponses } from "./gateway-responses";
import { unknownProps } from "./known-props";

/** What a {@link VaultAuthorizer} is made of. The configuration's parts keep the names that they have in the document. */
export interface VaultAuthorizerProps extends ConfigurationParts {
  /** The API that it is attached to: a REST API or an HTTP API, of this app or imported. */
  readonly api: rest.IRestApi | http.IHttpApi;

  /** The stage of the API that the grants are for, such as `prod` or an HTTP API's `$default`. */
  readonly stageName: string;

  /**
   * The function and its role are called `<name>-<stageName>`; `$default` becomes `default`. Vault knows the authorizer by the
   * role's name. A role is of the whole account: another region needs another name.
   */
  readonly name: string;

  /** The zip file with the binary `bootstrap`: `Code.fromAsset("authorizer.zip")`, or `Code.fromBucket(bucket, key)`. */
  readonly code: lambda.Code;

  /**
   * What the binary was built for.
   *
   * @default Architecture.X86_64
   */
  readonly architecture?: lambda.Architecture;

  /**
   * Which event API Gateway sends. Prefer `REQUEST`: `TOKEN`, which only REST APIs have, has no route template, so only routes
   * without parameters match; and no headers, so a client's own `X-Vault-…` header cannot be refused.
   *
   * @default "REQUEST"
   */
  readonly type?: "REQUEST" | "TOKEN";

  /**
   * Only to be refused: a cached result would hand a wrapping token that is spent to the next call.
   *
   * @default - 0, and nothing else
   */
  readonly resultsCacheTtl?: Duration;

  /**
   * The APIs that the grants are for. `["*"]` is any API of whoever may invoke the function.
   *
   * @default - the id of `api`
   */
  readonly apiIds?: string[];

  /**
   * Whether the document lies in the zip file as `authorizer.yaml`: it is then not passed to the function. For documents that
   * Lambda's variables do not hold. {@link VaultAuthorizer.configuration} is what must be in the file.
   *
   * @default false
   */
  readonly configurationInPackage?: boolean;

  /**
   * Below the 10 seconds that an HTTP API gives an authorizer.
   *
   * @default Duration.seconds(8)
   */
  readonly timeout?: Duration;

  /** @default 256 */
  readonly memorySize?: number;

  /**
   * How many authorizations may run at once: the bound on what callers can demand of Vault. 1 to 1000.
   *
   * @default 20
   */
  readonly reservedConcurrentExecutions?: number;

  /**
   * The VPC that the function reaches Vault in. From there it needs a way to the issuers and to STS as well.
   *
   * @default - none
   */
  readonly vpc?: IVpc;

  /**
   * With `vpc`: the function's subnets.
   *
   * @default - the private ones
   */
  readonly vpcSubnets?: SubnetSelection;

  /**
   * With `vpc`: required, and must let the function out to Vault, to the issuers and to STS.
   *
   * @default - none
   */
  readonly securityGroups?: ISecurityGroup[];

  /**
   * How long the function's log is kept.
   *
   * @default RetentionDays.THREE_MONTHS
   */
  readonly logRetention?: RetentionDays;

  /**
   * What a REST API answers by itself. An API has these once: `false` for a second authorizer of one API, and for an API that
   * has its own.
   *
   * @default - on, for a REST API, with `allowOrigin: "*"`
   */
  readonly gatewayResponses?: GatewayResponses | false;

  /**
   * Whom the alarms tell, and when; `false` for none.
   *
   * @default - alarms without actions
   */
  readonly alarms?: AlarmSettings | false;
}

/**
 * An authorizer of a REST API's methods (`{ authorizer }` of `addMethod`) or of an HTTP API's routes (`{ authorizer }` of
 * `addRoutes`).
 */
export class VaultAuthorizer extends rest.Authorizer implements http.IHttpRouteAuthorizer {
  /** For `accessLogFormat` of a REST API's stage: it names no variable that could hold a token. */
  static readonly accessLogFormatForRestApi = rest.AccessLogFormat.custom(REST_API_FORMAT);

  /** For `accessLogSettings.format` of an HTTP API's stage: it names no variable that could hold a token. */
  static readonly accessLogFormatForHttpApi = rest.AccessLogFormat.custom(HTTP_API_FORMAT);

  /** The authorizer's id at API Gateway. */
  readonly authorizerId: string;

  /** The function. */
  readonly function: lambda.Function;

  /** The identity that Vault knows the authorizer by (`bound_iam_principal_arn`). */
  readonly role: iam.Role;

  /** The function's log: one line for each authorization. */
  readonly logGroup: LogGroup;

  /** The alarms. */
  readonly alarms: readonly Alarm[];

  /** The document, for the zip file and for `vault-authorizer vault apply --config`. It may hold CDK tokens. */
  readonly configuration: Configuration;

  /** {@link configuration} as JSON, for an output or a parameter. */
  readonly configurationJson: string;

  private readonly api: rest.IRestApi | http.IHttpApi;
  private readonly type: "REQUEST" | "TOKEN";
  /** What a REST API's deployment is a snapshot of, beside its methods. */
  private readonly snapshot: CfnResource[];
  private readonly permission: lambda.CfnPermission;

  constructor(scope: Construct, id: string, props: VaultAuthorizerProps) {
    super(scope, id);
    this.api = props.api;
    this.type = props.type ?? "REQUEST";
    const apiIds = props.apiIds ?? [apiIdOf(props.api)];
    this.configuration = configurationOf(props, props.stageName, apiIds);
    this.configurationJson = Stack.of(this).toJsonString(this.configuration);

    const problems = [
      ...unknownProps(props),
      ...problemsOf(props),
      ...documentProblems(this.configuration, props.stageName, props),
    ];
    const environment = this.environment(props, problems);
    if (problems.length > 0) {
      const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
      throw new Error(`${this.node.path}: ${count}:\n${problems.map((problem) => `  ${problem}`).join("\n")}`);
    }

    this.node.addValidation({ validate: () => lostAtSynthesis(this, props.stageName, props) });
    const overGrant = callerOverGrant(props);
    if (overGrant !== undefined) Annotations.of(this).addWarningV2("vault-authorizer:caller-over-grant", overGrant);

    const name = nameOf(props);
    this.logGroup = new LogGroup(this, "Log", {
      logGroupName: `/aws/lambda/${name}`,
      retention: props.logRetention ?? RetentionDays.THREE_MONTHS,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.role = this.roleOf(name, props);
    this.function = new lambda.Function(this, "Function", {
      functionName: name,
      description: "Turns a caller's credential into one short-lived, response-wrapped Vault token",
      runtime: lambda.Runtime.PROVIDED_AL2023,
      handler: "bootstrap",
      code: props.code,
      architecture: props.architecture ?? lambda.Architecture.X86_64,
      memorySize: props.memorySize ?? 256,
      timeout: props.timeout ?? Duration.seconds(8),
      reservedConcurrentExecutions: props.reservedConcurrentExecutions ?? 20,
      role: this.role,
      logGroup: this.logGroup,
      environment,
      vpc: props.vpc,
      vpcSubnets: props.vpcSubnets,
      securityGroups: props.securityGroups,
    });

    const authorizer = this.authorizerOf(name, props);
    this.authorizerId = authorizer.ref;
    const { region, account } = Stack.of(this);
    // This authorizer of this API, and no other, may invoke the function.
    this.permission = new lambda.CfnPermission(this, "Permission", {
      functionName: this.function.functionArn,
      action: "lambda:InvokeFunction",
      principal: "apigateway.amazonaws.com",
      sourceArn: `arn:${Aws.PARTITION}:execute-api:${region}:${account}:${apiIdOf(this.api)}/authorizers/${authorizer.ref}`,
    });
    this.snapshot = [authorizer];
    if (isRestApi(this.api)) {
      if (props.gatewayResponses !== false) {
        const { allowOrigin = "*" } = props.gatewayResponses ?? {};
        this.snapshot.push(...gatewayResponses(this, this.api, allowOrigin));
        answeredIn(this.api).set(identityOf(this.api), this);
      }
      const deployment = this.api.latestDeployment;
      // An API of another stack is deployed there, before this stack.
      if (deployment !== undefined && Stack.of(deployment) === Stack.of(this)) this.addToDeployment(deployment);
    }
    this.alarms = props.alarms === false ? [] : alarms(this, name, props.stageName, this.function, props.alarms ?? {});
  }

  /**
   * Makes a deployment of a REST API come after the authorizer, the gateway responses and these methods, and anew when they
   * change: it is a snapshot of them. The deployment of a `RestApi` of the same stack does so by itself.
   */
  addToDeployment(deployment: rest.Deployment, ...methods: rest.Method[]): void {
    if (!isRestApi(this.api))
      throw new Error(`${this.node.path}: an HTTP API has no deployment that it must be added to`);
    const parts = [...this.snapshot, ...methods.map((method) => method.node.findChild("Resource") as rest.CfnMethod)];
    deployment.node.addDependency(...parts, this.permission);
    const snapshot = Lazy.any({ produce: () => parts.map((part) => part._toCloudFormation()) });
    deployment.addToLogicalId({ vaultAuthorizer: snapshot });
  }

  /**
   * A container or another HTTP backend behind a REST API, which gets the authorizer's context as request headers. Each method
   * that uses it must have this authorizer.
   */
  restBackend(backend: RestBackend): rest.Integration {
    if (!isRestApi(this.api)) throw new Error(`${this.node.path}: it is attached to an HTTP API: use httpBackend`);
    if (this.type === "TOKEN") {
      throw new Error(
        `${this.node.path}: a TOKEN event has no headers, so the authorizer cannot refuse a client's own X-Vault-… header, ` +
          'and the backend could not tell it from the real one: use type "REQUEST"',
      );
    }
    return new RestBackendIntegration(backend, (method) => {
      this.requireApi(method, method.api);
      this.requireAuthorizerOf(method);
    });
  }

  /**
   * A container or another HTTP backend behind an HTTP API, which gets the authorizer's context as request headers. Each route
   * that uses it must have this authorizer.
   */
  httpBackend(id: string, backend: HttpBackend): http.HttpRouteIntegration {
    if (isRestApi(this.api)) throw new Error(`${this.node.path}: it is attached to a REST API: use restBackend`);
    return new HttpBackendIntegration(id, backend, (route) => {
      this.requireApi(route, route.httpApi);
      this.requireAuthorizerOf(route);
    });
  }

  /** @internal */
  _attachToApi(api: rest.IRestApi): void {
    this.requireApi(api, api);
  }

  /** Called by the routes of an HTTP API. */
  bind(options: http.HttpRouteAuthorizerBindOptions): http.HttpRouteAuthorizerConfig {
    this.requireApi(options.route, options.route.httpApi);
    return { authorizerId: this.authorizerId, authorizationType: rest.AuthorizationType.CUSTOM };
  }

  private requireApi(user: Construct | rest.IRestApi | http.IHttpRoute, api: rest.IRestApi | http.IHttpApi): void {
    if (isRestApi(api) === isRestApi(this.api) && apiIdOf(api) === apiIdOf(this.api)) return;
    throw new Error(
      `${user.node.path}: is of another API than ${this.node.path}, which is attached to ${this.api.node.path}: an authorizer ` +
        "and its grants are for one API. Make one for each",
    );
  }

  /** Without the authorizer, the headers would be empty, or a client's own. */
  private requireAuthorizerOf(user: rest.Method | http.IHttpRoute): void {
    user.node.addValidation({
      validate: () => {
        const { authorizerId } = user.node.findChild("Resource") as rest.CfnMethod | http.CfnRoute;
        const message = `needs \`authorizer\`: its backend takes the headers of ${this.node.path} for the authorizer's`;
        return authorizerId === this.authorizerId ? [] : [message];
      },
    });
  }

  private environment(props: VaultAuthorizerProps, problems: string[]): Record<string, string> | undefined {
    if (props.configurationInPackage) return undefined;
    const result = environmentValue(this, this.configuration);
    if ("value" in result) return { AUTHORIZER_CONFIG: result.value };
    problems.push(result.problem);
    return undefined;
  }

  /**
   * A role without a path: GetCallerIdentity leaves a role's path out, so Vault could not compare one. What it may do in Vault is
   * written in Vault, and sts:GetCallerIdentity needs no permission.
   */
  private roleOf(name: string, props: VaultAuthorizerProps): iam.Role {
    const statements: Record<string, iam.PolicyStatement[]> = {
      "write-own-log": [
        new iam.PolicyStatement({
          actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
          resources: [this.logGroup.logGroupArn], // ends in `:*`, which is this group's streams
        }),
      ],
    };
    if (props.vault.login.method === "jwt" && props.vault.login.web_identity_audience !== undefined) {
      statements["ask-for-own-jwt"] = [
        new iam.PolicyStatement({
          actions: ["sts:GetWebIdentityToken"],
          resources: ["*"],
          conditions: {
            "ForAllValues:StringEquals": { "sts:IdentityTokenAudience": props.vault.login.web_identity_audience },
            NumericLessThanEquals: { "sts:DurationSeconds": 60 },
          },
        }),
      ];
    }
    if (props.vpc !== undefined) {
      const { region, account } = Stack.of(this);
      const interfaces = [
        "ec2:AssignPrivateIpAddresses",
        "ec2:CreateNetworkInterface",
        "ec2:DeleteNetworkInterface",
        "ec2:DescribeNetworkInterfaces",
        "ec2:DescribeSubnets",
        "ec2:UnassignPrivateIpAddresses",
      ];
      statements["join-vpc"] = [
        new iam.PolicyStatement({ actions: interfaces, resources: ["*"] }),
        // Lambda itself needs these; the function's own code does not.
        new iam.PolicyStatement({
          effect: iam.Effect.DENY,
          actions: interfaces,
          resources: ["*"],
          conditions: {
            ArnEquals: {
              "lambda:SourceFunctionArn": `arn:${Aws.PARTITION}:lambda:${region}:${account}:function:${name}`,
            },
          },
        }),
      ];
    }
    return new iam.Role(this, "Role", {
      roleName: name,
      assumedBy: new iam.ServicePrincipal("lambda.amazonaws.com"),
      inlinePolicies: Object.fromEntries(
        Object.entries(statements).map(([policy, its]) => [policy, new iam.PolicyDocument({ statements: its })]),
      ),
    });
  }

  /** At the lowest level, since every setting matters: the defaults of others cache, or read an identity source. */
  private authorizerOf(name: string, props: VaultAuthorizerProps): rest.CfnAuthorizer | http.CfnAuthorizer {
    const authorizerUri =
      `arn:${Aws.PARTITION}:apigateway:${Stack.of(this).region}:lambda:path/2015-03-31/functions/` +
      `${this.function.functionArn}/invocations`;
    if (isRestApi(this.api)) {
      return new rest.CfnAuthorizer(this, "Resource", {
        restApiId: this.api.restApiId,
        name,
        type: this.type,
        authorizerUri,
        // Never cache. The default is 300 seconds.
        authorizerResultTtlInSeconds: 0,
        // Only TOKEN has a source. That of REQUEST is the cache's key: without it every call reaches the authorizer, also one
        // without a credential, so that every refusal is a line of its log.
        identitySource: this.type === "TOKEN" ? `method.request.header.${tokenHeader(props.credentials)}` : undefined,
      });
    }
    return new http.CfnAuthorizer(this, "Resource", {
      apiId: this.api.apiId,
      name,
      authorizerType: "REQUEST",
      authorizerUri,
      authorizerPayloadFormatVersion: "2.0",
      authorizerResultTtlInSeconds: 0,
      enableSimpleResponses: props.answer?.response === "simple",
      identitySource: identitySource(props.credentials),
    });
  }
}

/** By app: who makes the gateway responses of which API. */
const ANSWERED = new WeakMap<IConstruct, Map<string, VaultAuthorizer>>();

function answeredIn({ node: { root } }: rest.IRestApi): Map<string, VaultAuthorizer> {
  const answered = ANSWERED.get(root) ?? new Map<string, VaultAuthorizer>();
  ANSWERED.set(root, answered);
  return answered;
}

/** What tells an API from all others of the app, however often it is imported. */
function identityOf(api: rest.IRestApi): string {
  const stack = Stack.of(api);
  const id: unknown = stack.resolve(api.restApiId);
  const isOfPlace = typeof id === "string" && !/unknown-(account|region)/.test(stack.environment);
  // What refers to a parameter or a resource means its own stack's.
  return JSON.stringify([isOfPlace ? stack.environment : stack.node.addr, id]);
}

function isRestApi(api: rest.IRestApi | http.IHttpApi): api is rest.IRestApi {
  return "restApiId" in api;
}

function apiIdOf(api: rest.IRestApi | http.IHttpApi): string {
  return isRestApi(api) ? api.restApiId : api.apiId;
}

function nameOf(props: VaultAuthorizerProps): string {
  return `${props.name}-${props.stageName === "$default" ? "default" : props.stageName}`;
}

/** What is said where one caller can have more than half of a grant's quota minted, as `vault-authorizer check` has it. */
function callerOverGrant(props: VaultAuthorizerProps): string | undefined {
  const instances = props.reservedConcurrentExecutions ?? 20;
  const caller = props.limits?.caller_mints_per_second ?? 5;
  const grant = props.limits?.grant_mints_per_second ?? 200;
  const isKnown = ![instances, caller, grant].some((number) => Token.isUnresolved(number));
  const mints = Array.isArray(props.grants) && props.grants.some((granted) => granted.token !== undefined);
  if (!isKnown || !mints || caller * instances * 2 <= grant) return undefined;
  return (
    `limits: one caller can have ${caller * instances} tokens a second minted (caller_mints_per_second, ${caller}, by each ` +
    `of ${instances} instances), and a grant has ${grant} for everybody (grant_mints_per_second). Keep the first to half of ` +
    "the second"
  );
}

/** What is wrong with what stands around the document. */
function problemsOf(props: VaultAuthorizerProps): string[] {
  const problems: string[] = [];
  const refuse = (wrong: boolean, problem: string) => wrong && problems.push(problem);
  const { api, stageName, name, apiIds, timeout, resultsCacheTtl, vpc, securityGroups } = props;

  refuse(
    Token.isUnresolved(stageName) || !/^([A-Za-z0-9_-]{1,128}|\$default)$/.test(stageName),
    "stageName: must be written out, in letters, digits, `_` and `-`, or `$default`: it is a key of the configuration",
  );
  refuse(isRestApi(api) && stageName === "$default", "stageName: a REST API has no stage `$default`");
  refuse(
    Token.isUnresolved(name) || !/^[A-Za-z0-9_-]+$/.test(name) || nameOf(props).length > 64,
    "name: must be written out, in letters, digits, `_` and `-`, and have at most 64 with `-` and the stage's name: the " +
      "function and its role are called so, and Vault is told the role's name",
  );
  const apiId = apiIdOf(api);
  refuse(
    apiIds !== undefined &&
      !Token.isUnresolved(apiId) &&
      !apiIds.some((id) => id === "*" || id === apiId || Token.isUnresolved(id)),
    `apiIds: the API's own id, ${apiId}, is not among them, so it would refuse every call`,
  );
  refuse(
    resultsCacheTtl !== undefined && (resultsCacheTtl.isUnresolved() || resultsCacheTtl.toMilliseconds() !== 0),
    "resultsCacheTtl: must be 0, which it is without it: a cached result hands the same wrapping token to the next call, " +
      "and it is spent by then",
  );
  refuse(
    timeout !== undefined && (timeout.isUnresolved() || timeout.toSeconds() >= 10),
    "timeout: must be written out and below 10 seconds, which is what an HTTP API gives an authorizer: 8 seconds leave room",
  );
  const reserved = "reservedConcurrentExecutions" in props ? props.reservedConcurrentExecutions : 20;
  refuse(
    reserved === undefined ||
      (!Token.isUnresolved(reserved) && !(Number.isInteger(reserved) && reserved >= 1 && reserved <= 1000)),
    "reservedConcurrentExecutions: must be from 1 to 1000 (20 if it is left out): it bounds what callers can demand of " +
      "Vault. 0 would stop every call, and -1 reserves nothing",
  );
  refuse(
    vpc !== undefined && (securityGroups ?? []).length === 0,
    "securityGroups: needed with `vpc`: groups that let the function out to Vault, to the issuers and to STS",
  );
  refuse(
    vpc === undefined && (securityGroups !== undefined || props.vpcSubnets !== undefined),
    "securityGroups, vpcSubnets: only with `vpc`",
  );

  if (isRestApi(api)) {
    refuse(
      props.answer?.response === "simple",
      "answer.response: `simple` is for HTTP APIs: a REST API takes policies alone. Leave it out",
    );
    const other = answeredIn(api).get(identityOf(api));
    refuse(
      other !== undefined && props.gatewayResponses !== false,
      `gatewayResponses: ${other?.node.path} makes them for this API already, which has each once: set \`false\``,
    );
    const origin = props.gatewayResponses === false ? undefined : props.gatewayResponses?.allowOrigin;
    refuse(
      origin !== undefined && !Token.isUnresolved(origin) && !/^(\*|https?:\/\/[A-Za-z0-9.:-]+)$/.test(origin),
      "gatewayResponses.allowOrigin: must be an origin such as https://shop.example.com, or `*`",
    );
    refuse(
      props.type === "TOKEN" && tokenHeader(props.credentials) === undefined,
      "credentials: a TOKEN authorizer has one source, so there must be one {header: …}; REQUEST has them all",
    );
  } else {
    refuse(props.type === "TOKEN", "type: `TOKEN` is for REST APIs: leave it out");
    refuse(
      props.gatewayResponses !== undefined && props.gatewayResponses !== false,
      "gatewayResponses: an HTTP API has none: leave it out",
    );
  }
  return problems;
}

function tokenHeader(credentials: CredentialSource[] = [{ header: "Authorization" }]): string | undefined {
  return credentials.length === 1 ? credentials[0]?.header : undefined;
}

/**
 * Where an HTTP API finds the credential, if that is one place: what has none is then answered with 401, and never reaches the
 * function. Cookies and WebSocket protocols are parts of a header, which API Gateway cannot tell apart.
 */
function identitySource(credentials: CredentialSource[] = [{ header: "Authorization" }]): string[] | undefined {
  const [place, ...others] = credentials;
  if (others.length > 0) return undefined;
  if (place?.header !== undefined) return [`$request.header.${place.header}`];
  if (place?.query !== undefined) return [`$request.querystring.${place.query}`];
  return undefined;
}
