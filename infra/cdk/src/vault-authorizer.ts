/**
 * `vault-authorizer` as a construct: one function for one API and as many of its stages as you name.
 *
 * It makes the function with its role and its log group, the authorizer at API Gateway with the permission to call the function,
 * alarms, and a REST API's gateway responses. The synthesis fails on what the function's own table of rules refuses, and on what is
 * not safe, with all problems together. It does not see what needs more than one rule, the files that the document names, nor
 * values that only CloudFormation knows. For these, run `vault-authorizer check` on {@link VaultAuthorizer.configurationJson}.
 */

import {
  Annotations,
  Aspects,
  Aws,
  type CfnResource,
  Duration,
  FeatureFlags,
  Lazy,
  RemovalPolicy,
  Stack,
  Token,
} from "aws-cdk-lib";
import * as rest from "aws-cdk-lib/aws-apigateway";
import * as http from "aws-cdk-lib/aws-apigatewayv2";
import { type Alarm } from "aws-cdk-lib/aws-cloudwatch";
import { type ISecurityGroup, type IVpc, type SubnetSelection } from "aws-cdk-lib/aws-ec2";
import { type IManagedPolicy, type IRole } from "aws-cdk-lib/aws-iam";
import { type IKey } from "aws-cdk-lib/aws-kms";
import * as lambda from "aws-cdk-lib/aws-lambda";
import { LogGroup, RetentionDays } from "aws-cdk-lib/aws-logs";
import { LAMBDA_RECOGNIZE_LAYER_VERSION } from "aws-cdk-lib/cx-api";
import { type Construct, type IConstruct } from "constructs";
import { HTTP_API_FORMAT, REST_API_FORMAT } from "./access-log";
import { alarms, type AlarmSettings, type Watched } from "./alarms";
import { AttachmentCheck } from "./attachment";
import type { Configuration, CredentialSource } from "./configuration";
import { HttpBackendIntegration, RestBackendIntegration, type HttpBackend, type RestBackend } from "./containers";
import { dashboard } from "./dashboard";
import {
  API_ID,
  configurationOf,
  documentProblems,
  environmentValue,
  lostAtSynthesis,
  unknownIn,
  type ConfigurationParts,
} from "./document";
import { gatewayResponses, type GatewayResponses } from "./gateway-responses";
import { unknownProps } from "./known-props";
import { longestName, roleOf, vaultPrincipalOf } from "./role";
import { isMapping } from "./rules";

/** What a {@link VaultAuthorizer} is made of. The configuration's parts keep the names that they have in the document. */
export interface VaultAuthorizerProps extends ConfigurationParts {
  /** The API that it is attached to: a REST API or an HTTP API, of this app or imported. No `SpecRestApi`. */
  readonly api: rest.IRestApi | http.IHttpApi;

  /**
   * The name of an imported REST API, by which CloudWatch knows it. Without it there is no alarm on the API's 5xx.
   *
   * @default - that of `api`, where it is known
   */
  readonly restApiName?: string;

  /** The function's name. Its role is `<name>-<region>`, because a role belongs to the account and a function to a region. */
  readonly name: string;

  /** The zip file with the binary `bootstrap`: `Code.fromAsset("authorizer.zip")`, or `Code.fromBucket(bucket, key)`. */
  readonly code: lambda.Code;

  /**
   * The architecture that the binary was built for.
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
   * Must be 0: a cached result would hand a spent wrapping token to the next call.
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
   * From 3 to 9 seconds. An HTTP API waits 10 seconds for an authorizer, and the function's start can take 2.
   *
   * @default Duration.seconds(8)
   */
  readonly timeout?: Duration;

  /**
   * From 128 to 10240 MB, and with `capacityProvider` at least 2048.
   *
   * @default 256, and 2048 with `capacityProvider`
   */
  readonly memorySize?: number;

  /**
   * How many authorizations may run at once, from 1 to 1000, which limits the load on Vault. -1 reserves none. Use it in a new
   * account, whose quota is too small: Lambda always keeps 100 unreserved. Then only the quota limits the load.
   *
   * @default 20
   */
  readonly reservedConcurrentExecutions?: number;

  /**
   * How many instances are kept warm, behind the alias `live`, which API Gateway then calls. At most what is reserved.
   *
   * @default - none, and no alias
   */
  readonly provisionedConcurrentExecutions?: number;

  /**
   * Runs the function on the instances of this capacity provider, and in its network, where each environment serves many calls at
   * once. Lambda then reserves no concurrency.
   *
   * @default - ordinary Lambda
   */
  readonly capacityProvider?: lambda.ICapacityProvider;

  /**
   * With `capacityProvider`, how many calls an environment serves at once, from 1 to 1600.
   *
   * @default - Lambda's own: 8 for each vCPU
   */
  readonly perExecutionEnvironmentMaxConcurrency?: number;

  /**
   * With `capacityProvider`, the most environments, from 1 to 15000. Times `perExecutionEnvironmentMaxConcurrency`, it limits the
   * load on Vault.
   *
   * @default - no limit
   */
  readonly maxExecutionEnvironments?: number;

  /**
   * Layers, for a CA bundle that the document names as `/opt/…`, or for an extension that writes the login's JWT.
   *
   * @default - none
   */
  readonly layers?: lambda.ILayerVersion[];

  /**
   * A code signing configuration, which rejects zip files from other signers.
   *
   * @default - none
   */
  readonly codeSigningConfig?: lambda.ICodeSigningConfig;

  /**
   * Further environment variables, such as `RUST_LOG`; with `configurationInPackage` also `AUTHORIZER_CONFIG_FILE`.
   *
   * @default - none
   */
  readonly environment?: Readonly<Record<string, string>>;

  /**
   * The KMS key that encrypts the environment. Whoever deploys needs `kms:CreateGrant` and `kms:Encrypt` on it.
   *
   * @default - AWS's own
   */
  readonly environmentEncryption?: IKey;

  /**
   * Whether X-Ray samples the calls.
   *
   * @default Tracing.DISABLED
   */
  readonly tracing?: lambda.Tracing;

  /**
   * An existing role. The construct attaches nothing to it: the README lists the permissions it needs.
   *
   * @default - a new role
   */
  readonly role?: IRole;

  /**
   * The path of the new role. Bind Vault's role to {@link VaultAuthorizer.vaultPrincipal}, which has no path.
   *
   * @default "/"
   */
  readonly rolePath?: string;

  /**
   * The permissions boundary of the new role.
   *
   * @default - none
   */
  readonly permissionsBoundary?: IManagedPolicy;

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
   * With `vpc`: whether the function also uses IPv6. Its subnets must be dual-stack.
   *
   * @default false
   */
  readonly ipv6AllowedForDualStack?: boolean;

  /**
   * How long the log keeps its lines.
   *
   * @default RetentionDays.THREE_MONTHS
   */
  readonly logRetention?: RetentionDays;

  /**
   * The KMS key that encrypts the log. Its policy must let CloudWatch Logs of this region use it.
   *
   * @default - AWS's own
   */
  readonly logEncryptionKey?: IKey;

  /**
   * What becomes of the log when the stack goes. `RETAIN` keeps it, and is in the way when you make the same stack again.
   *
   * @default RemovalPolicy.DESTROY
   */
  readonly logRemovalPolicy?: RemovalPolicy;

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

  /**
   * Whether to create a CloudWatch dashboard for the function, called `<name>-<region>`.
   *
   * @default false
   */
  readonly dashboard?: boolean;
}

/**
 * An authorizer of a REST API's methods (`{ authorizer }` of `addMethod`) or of an HTTP API's routes (`{ authorizer }` of
 * `addRoutes`).
 *
 * It belongs to one API, whose id its grants are for, so the API comes first: it cannot be the `defaultAuthorizer` of an
 * `HttpApi`, nor in the `defaultMethodOptions` of a `RestApi`. For an `HttpApi` there is {@link HttpVaultAuthorizer}. For a
 * `RestApi`, give it to the resources: `api.root.addResource("orders", { defaultMethodOptions: { authorizer } })`.
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

  /** The function's role: the one that was made, or the one that was given. */
  readonly role: IRole;

  /**
   * What Vault's AWS method is bound to (`bound_iam_principal_arn`): the role's ARN without its path. A JWT of AWS has the path, so
   * for a login of method `jwt` take `role.roleArn`. Of an imported role whose ARN only CloudFormation knows, the path is not known,
   * and must be `/`.
   */
  readonly vaultPrincipal: string;

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
  /** What was given to {@link addToDeployment}; `undefined` where the API takes the authorizer in by itself. */
  private deployed: Set<IConstruct> | undefined;

  constructor(scope: Construct, id: string, props: VaultAuthorizerProps) {
    super(scope, id);
    this.api = props.api;
    this.type = props.type ?? "REQUEST";
    const apiIds = props.apiIds ?? [apiIdOf(props.api)];
    this.configuration = configurationOf(props, apiIds);
    this.configurationJson = Stack.of(this).toJsonString(this.configuration);

    const problems = [
      ...unknownProps(props),
      ...problemsOf(this, props),
      ...documentProblems(this.configuration, props),
    ];
    const environment = this.environment(props, problems);
    if (problems.length > 0) {
      const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
      throw new Error(`${this.node.path}: ${count}:\n${problems.map((problem) => `  ${problem}`).join("\n")}`);
    }

    this.node.addValidation({ validate: () => lostAtSynthesis(this, props) });
    for (const [id, warning] of Object.entries(warningsOf(this, props, this.configuration))) {
      Annotations.of(this).addWarningV2(`vault-authorizer:${id}`, warning);
    }

    const { name } = props;
    this.logGroup = new LogGroup(this, "Log", {
      logGroupName: `/aws/lambda/${name}`,
      retention: props.logRetention ?? RetentionDays.THREE_MONTHS,
      encryptionKey: props.logEncryptionKey,
      removalPolicy: props.logRemovalPolicy ?? RemovalPolicy.DESTROY,
    });
    const login = props.vault.login;
    const { tracing = lambda.Tracing.DISABLED, vpc, vpcSubnets, securityGroups = [] } = props;
    const isTraced = tracing !== lambda.Tracing.DISABLED;
    this.role =
      props.role ??
      roleOf(this, {
        functionName: name,
        logGroup: this.logGroup,
        path: props.rolePath,
        permissionsBoundary: props.permissionsBoundary,
        webIdentityAudience: login.method === "jwt" ? login.web_identity_audience : undefined,
        isTraced,
        network: vpc && { vpc, vpcSubnets, securityGroups },
      });
    this.vaultPrincipal = vaultPrincipalOf(this.role);
    const reserved = reservedOf(props);
    this.function = new lambda.Function(this, "Function", {
      functionName: name,
      description: "Turns a caller's credential into one short-lived, response-wrapped Vault token",
      runtime: lambda.Runtime.PROVIDED_AL2023,
      handler: "bootstrap",
      code: props.code,
      architecture: props.architecture ?? lambda.Architecture.X86_64,
      memorySize: props.memorySize ?? (props.capacityProvider === undefined ? 256 : LEAST_MANAGED_MEMORY),
      timeout: props.timeout ?? Duration.seconds(8),
      reservedConcurrentExecutions: reserved === -1 || props.capacityProvider !== undefined ? undefined : reserved,
      role: this.role,
      logGroup: this.logGroup,
      // CloudWatch makes metrics of the lines as the authorizer writes them.
      loggingFormat: lambda.LoggingFormat.TEXT,
      // It would attach the actions to a role that was given.
      tracing: lambda.Tracing.DISABLED,
      layers: props.layers,
      codeSigningConfig: props.codeSigningConfig,
      environment,
      environmentEncryption: props.environmentEncryption,
      vpc,
      vpcSubnets,
      securityGroups: props.securityGroups,
      ipv6AllowedForDualStack: props.ipv6AllowedForDualStack,
    });
    const resource = this.function.node.defaultChild as lambda.CfnFunction;
    if (isTraced) resource.tracingConfig = { mode: tracing };
    if (props.capacityProvider !== undefined) runOn(props.capacityProvider, resource, props);
    const called = this.called(props);

    const authorizer = this.authorizerOf(called, props);
    this.authorizerId = authorizer.ref;
    const { region, account } = Stack.of(this);
    // This authorizer of this API, and no other, may invoke the function.
    this.permission = new lambda.CfnPermission(this, "Permission", {
      functionName: called,
      action: "lambda:InvokeFunction",
      principal: "apigateway.amazonaws.com",
      sourceArn: `arn:${Aws.PARTITION}:execute-api:${region}:${account}:${apiIdOf(this.api)}/authorizers/${authorizer.ref}`,
    });
    this.snapshot = [authorizer];
    if (isRestApi(this.api)) {
      if (props.gatewayResponses !== false) {
        const { allowOrigin = "*" } = props.gatewayResponses ?? {};
        this.snapshot.push(...gatewayResponses(this, this.api, allowOrigin, props.issuers ?? {}));
        answeredIn(this.api).set(identityOf(this.api), this);
      }
      const deployment = this.api.latestDeployment;
      // An API of another stack is deployed there, before this stack.
      if (deployment !== undefined && Stack.of(deployment) === Stack.of(this)) this.addToDeployment(deployment);
      else this.deployed = new Set();
    }
    Aspects.of(this).add(new AttachmentCheck(this, () => this.deployed));
    this.alarms = props.alarms === false ? [] : alarms(this, this.watched(props), props.alarms ?? {});
    if (props.dashboard) dashboard(this, name);
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
    // A `RestApi` gives its methods to each of its deployments by itself.
    if (this.api instanceof rest.RestApi) this.deployed = undefined;
    else for (const part of [deployment, ...parts]) this.deployed?.add(part);
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
    const others = props.environment ?? {};
    if (props.configurationInPackage) return props.environment;
    const result = environmentValue(this, this.configuration, others);
    if ("value" in result) return { ...others, AUTHORIZER_CONFIG: result.value };
    problems.push(result.problem);
    return undefined;
  }

  /** The ARN that API Gateway calls: the function's, or that of the alias whose instances are kept warm. */
  private called({ provisionedConcurrentExecutions }: VaultAuthorizerProps): string {
    if (provisionedConcurrentExecutions === undefined) return this.function.functionArn;
    const version = this.function.currentVersion;
    return new lambda.Alias(this, "Live", { aliasName: "live", version, provisionedConcurrentExecutions }).functionArn;
  }

  private watched(props: VaultAuthorizerProps): Watched {
    const watched = { functionName: props.name, logGroup: this.logGroup, stages: Object.keys(props.stages) };
    if (!isRestApi(this.api)) {
      return { ...watched, api: { metricName: "5xx", dimensions: { ApiId: this.api.apiId } } };
    }
    const ApiName = props.restApiName ?? nameOf(this.api);
    if (ApiName !== undefined) return { ...watched, api: { metricName: "5XXError", dimensions: { ApiName } } };
    Annotations.of(this).addWarningV2(
      "vault-authorizer:rest-api-name",
      "restApiName: is missing, and CloudWatch knows an imported REST API by its name alone, so no alarm looks at its 5xx, and " +
        "nothing tells of a missing permission to invoke the function. Give the API's name",
    );
    return watched;
  }

  /** At the lowest level, since every setting matters: the defaults of others cache, or read an identity source. */
  private authorizerOf(called: string, props: VaultAuthorizerProps): rest.CfnAuthorizer | http.CfnAuthorizer {
    const authorizerUri =
      `arn:${Aws.PARTITION}:apigateway:${Stack.of(this).region}:lambda:path/2015-03-31/functions/` +
      `${called}/invocations`;
    if (isRestApi(this.api)) {
      return new rest.CfnAuthorizer(this, "Resource", {
        restApiId: this.api.restApiId,
        name: props.name,
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
      name: props.name,
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

/** What CloudWatch calls a REST API. An imported one whose name was not given has the id of its construct. */
function nameOf(api: rest.IRestApi): string | undefined {
  const { restApiName } = api as rest.IRestApi & { restApiName?: string };
  return api instanceof rest.RestApi || restApiName !== api.node.id ? restApiName : undefined;
}

function runOn(
  { capacityProviderArn }: lambda.ICapacityProvider,
  resource: lambda.CfnFunction,
  { perExecutionEnvironmentMaxConcurrency, maxExecutionEnvironments }: VaultAuthorizerProps,
): void {
  resource.capacityProviderConfig = {
    lambdaManagedInstancesCapacityProviderConfig: { capacityProviderArn, perExecutionEnvironmentMaxConcurrency },
  };
  // Else a grant that was removed would go on.
  resource.publishToLatestPublished = true;
  if (maxExecutionEnvironments !== undefined) resource.functionScalingConfig = { maxExecutionEnvironments };
}

function reservedOf({ reservedConcurrentExecutions = 20 }: VaultAuthorizerProps): number {
  return reservedConcurrentExecutions;
}

/** What is accepted, and has a consequence. */
function warningsOf(scope: Construct, props: VaultAuthorizerProps, document: Configuration): Record<string, string> {
  const warnings = {
    "caller-over-grant": callerOverGrant(props),
    "no-reserved-concurrency":
      reservedOf(props) !== -1 || props.capacityProvider !== undefined
        ? undefined
        : "reservedConcurrentExecutions: -1 reserves nothing, so nothing but the account's quota bounds what callers can demand " +
          "of Vault, and a flood of calls takes the concurrency of your other functions. Reserve some once the quota is raised",
    "no-limit-of-environments":
      props.capacityProvider === undefined || props.maxExecutionEnvironments !== undefined
        ? undefined
        : "capacityProvider: nothing but the capacity provider bounds what callers can demand of Vault. Set " +
          "maxExecutionEnvironments",
    "stale-version":
      props.provisionedConcurrentExecutions === undefined ? undefined : staleVersion(scope, props, document),
  };
  return Object.fromEntries(Object.entries(warnings).flatMap(([id, text]) => (text === undefined ? [] : [[id, text]])));
}

/** A version is published when the template changes, and not when a value does that is not in it. */
function staleVersion(scope: Construct, props: VaultAuthorizerProps, document: Configuration): string | undefined {
  const { environment = {}, layers = [], role, environmentEncryption } = props;
  // The hash that names a version has the layers that the app makes, if this flag is set.
  const hashesLayers = FeatureFlags.of(scope).isEnabled(LAMBDA_RECOGNIZE_LAYER_VERSION) ?? false;
  const values = [
    ...unknownIn(document).filter((place) => place !== API_ID),
    ...unknownIn(environment, "environment"),
    ...layers.flatMap((layer, index) =>
      Token.isUnresolved(layer.layerVersionArn) && !(hashesLayers && isMade(layer)) ? [`layers[${index}]`] : [],
    ),
    ...(role !== undefined && Token.isUnresolved(role.roleArn) && !isMade(role) ? ["role"] : []),
    ...(environmentEncryption !== undefined &&
    Token.isUnresolved(environmentEncryption.keyArn) &&
    !isMade(environmentEncryption)
      ? ["environmentEncryption"]
      : []),
  ];
  if (values.length === 0) return undefined;
  return (
    `provisionedConcurrentExecutions: ${values.join(", ")}: known to CloudFormation only, which publishes no new version when ` +
    "such a value changes, so the alias would go on with the old one. Write it out"
  );
}

/** Whether the app makes it: an imported one has no resource. */
function isMade(construct: IConstruct): boolean {
  return construct.node.defaultChild !== undefined;
}

/** What is said where one caller can have more than half of a grant's quota minted, as `vault-authorizer check` has it. */
function callerOverGrant(props: VaultAuthorizerProps): string | undefined {
  // Without a limit, nothing is known of how many there are.
  const instances = props.capacityProvider === undefined ? reservedOf(props) : (props.maxExecutionEnvironments ?? -1);
  const caller = props.limits?.caller_mints_per_second ?? 5;
  const grant = props.limits?.grant_mints_per_second ?? 200;
  const isKnown = ![instances, caller, grant].some((number) => Token.isUnresolved(number));
  const mints = Object.values(props.stages).some(({ grants }) => grants.some(({ token }) => token !== undefined));
  if (!isKnown || !mints || caller * instances * 2 <= grant) return undefined;
  return (
    `limits: one caller can have ${caller * instances} tokens a second minted (caller_mints_per_second, ${caller}, by each ` +
    `of ${instances} instances), and a grant has ${grant} for everybody (grant_mints_per_second). Keep the first to half of ` +
    "the second"
  );
}

/** What is wrong with what stands around the document. */
function problemsOf(scope: Construct, props: VaultAuthorizerProps): string[] {
  const problems: string[] = [];
  const refuse = (wrong: boolean, problem: string) => wrong && problems.push(problem);
  const { api, name, apiIds, timeout, resultsCacheTtl, vpc, securityGroups } = props;

  refuse(
    api instanceof rest.SpecRestApi,
    "api: a SpecRestApi has the authorizers and the methods of its OpenAPI definition alone, so this one would guard nothing: " +
      "make the API as a RestApi",
  );
  for (const stage of Object.keys(isMapping(props.stages) ? props.stages : {})) {
    refuse(Token.isUnresolved(stage), `stages.${stage}: must be written out`);
    refuse(isRestApi(api) && stage === "$default", "stages.$default: a REST API has no stage `$default`");
  }
  const longest = longestName(scope);
  refuse(
    Token.isUnresolved(name) || !/^[A-Za-z0-9_-]+$/.test(name) || name.length > longest,
    `name: must be written out, in letters, digits, \`_\` and \`-\`, and have at most ${longest}, so that the role's name has ` +
      "64 with `-` and the region's",
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
    timeout !== undefined &&
      (timeout.isUnresolved() || !isWithin(timeout.toSeconds({ integral: false }), LEAST_TIMEOUT, MOST_TIMEOUT)),
    `timeout: must be written out, from ${LEAST_TIMEOUT} to ${MOST_TIMEOUT} seconds: an HTTP API waits 10 for an authorizer, ` +
      "and the start can take 2",
  );
  const { memorySize } = props;
  refuse(
    memorySize !== undefined && !Token.isUnresolved(memorySize) && !isWithin(memorySize, 128, 10240),
    "memorySize: must be from 128 to 10240 MB",
  );
  const {
    capacityProvider,
    perExecutionEnvironmentMaxConcurrency: atOnce,
    maxExecutionEnvironments: environments,
  } = props;
  refuse(
    capacityProvider === undefined && (atOnce !== undefined || environments !== undefined),
    "perExecutionEnvironmentMaxConcurrency, maxExecutionEnvironments: need a `capacityProvider`",
  );
  refuse(
    atOnce !== undefined && !Token.isUnresolved(atOnce) && !isWithin(atOnce, 1, 1600),
    "perExecutionEnvironmentMaxConcurrency: must be from 1 to 1600; leave it out for Lambda's own, 8 for each vCPU",
  );
  refuse(
    environments !== undefined && !Token.isUnresolved(environments) && !isWithin(environments, 1, 15000),
    "maxExecutionEnvironments: must be from 1 to 15000; leave it out for no limit",
  );
  refuse(
    capacityProvider !== undefined &&
      memorySize !== undefined &&
      !Token.isUnresolved(memorySize) &&
      memorySize < LEAST_MANAGED_MEMORY,
    `memorySize: must be at least ${LEAST_MANAGED_MEMORY} MB with \`capacityProvider\``,
  );
  refuse(
    capacityProvider !== undefined && (props.vpc !== undefined || props.provisionedConcurrentExecutions !== undefined),
    "vpc, provisionedConcurrentExecutions: must be left out with `capacityProvider`, which has the network and keeps its instances",
  );
  const reserved = "reservedConcurrentExecutions" in props ? props.reservedConcurrentExecutions : 20;
  refuse(
    reserved === undefined || (!Token.isUnresolved(reserved) && reserved !== -1 && !isWithin(reserved, 1, 1000)),
    "reservedConcurrentExecutions: must be from 1 to 1000 (20 if it is left out): it bounds what callers can demand of " +
      "Vault. 0 would stop every call; -1 reserves nothing",
  );
  const provisioned = props.provisionedConcurrentExecutions;
  const most = reserved === undefined || reserved === -1 || Token.isUnresolved(reserved) ? 1000 : reserved;
  refuse(
    provisioned !== undefined && !Token.isUnresolved(provisioned) && !isWithin(provisioned, 1, most),
    `provisionedConcurrentExecutions: must be from 1 to ${most}, since no more can run at once; leave it out for none`,
  );
  for (const [name, threshold] of Object.entries((props.alarms || undefined)?.thresholds ?? {})) {
    refuse(!Token.isUnresolved(threshold) && threshold < 0, `alarms.thresholds.${name}: must not be negative`);
  }
  const environment = props.environment ?? {};
  refuse(
    "AUTHORIZER_CONFIG" in environment,
    "environment.AUTHORIZER_CONFIG: must be left out: the document is made of the other props",
  );
  refuse(
    "AUTHORIZER_CONFIG_FILE" in environment && props.configurationInPackage !== true,
    "environment.AUTHORIZER_CONFIG_FILE: needs `configurationInPackage: true`: without it the function gets the document in " +
      "AUTHORIZER_CONFIG, and reads that alone",
  );
  const { rolePath } = props;
  refuse(
    props.role !== undefined && (rolePath !== undefined || props.permissionsBoundary !== undefined),
    "rolePath, permissionsBoundary: for the role that is made: `role` is one that is there",
  );
  refuse(
    rolePath !== undefined && !Token.isUnresolved(rolePath) && !/^\/([A-Za-z0-9+=,.@_-]+\/)*$/.test(rolePath),
    "rolePath: must begin and end with `/`, such as `/platform/apis/`",
  );
  refuse(
    vpc !== undefined && (securityGroups ?? []).length === 0,
    "securityGroups: needed with `vpc`: groups that let the function out to Vault, to the issuers and to STS",
  );
  refuse(
    vpc === undefined &&
      (securityGroups !== undefined || props.vpcSubnets !== undefined || props.ipv6AllowedForDualStack === true),
    "vpcSubnets, securityGroups, ipv6AllowedForDualStack: only with `vpc`",
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
    refuse(props.restApiName !== undefined, "restApiName: an HTTP API is known by its id: leave it out");
  }
  return problems;
}

/** What Lambda Managed Instances give a function at least, in MB. */
const LEAST_MANAGED_MEMORY = 2048;
const LEAST_TIMEOUT = 3;
const MOST_TIMEOUT = 9;

function isWithin(number: number, least: number, most: number): boolean {
  return Number.isInteger(number) && number >= least && number <= most;
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
