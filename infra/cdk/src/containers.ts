/**
 * Containers and other HTTP backends, which have no Lambda event: they get the authorizer's context as request headers.
 *
 * The table is the one of `shared/vault-context/src/context.rs`.
 */

import { Duration, Token } from "aws-cdk-lib";
import * as rest from "aws-cdk-lib/aws-apigateway";
import * as http from "aws-cdk-lib/aws-apigatewayv2";

/** Each header of the contract, and the context key that it carries. */
export const CONTEXT_HEADERS: Readonly<Record<string, string>> = {
  "X-Vault-Context-Wrapping-Token": "vaultWrappingToken",
  "X-Vault-Context-Wrapped-Accessor": "vaultWrappedAccessor",
  "X-Vault-Context-Creation-Path": "vaultCreationPath",
  "X-Vault-Context-Address": "vaultAddress",
  "X-Vault-Context-Namespace": "vaultNamespace",
  "X-Vault-Context-Wrap-Expires-At": "vaultWrapExpiresAt",
  "X-Vault-Context-Grant": "vaultGrant",
  "X-Vault-Context-Caller-Kind": "callerKind",
  "X-Vault-Context-Caller-Issuer": "callerIssuer",
  "X-Vault-Context-Caller-Id": "callerId",
  "X-Vault-Context-Caller-Binding": "callerBinding",
  "X-Vault-Context-Version": "contextVersion",
};

/** A backend of a REST API. */
export interface RestBackend {
  /** `https://orders.example.com/orders/{id}`: a parameter of the path is mapped by `requestParameters`. */
  readonly url: string;

  /**
   * The method that the backend is called with.
   *
   * @default "ANY", which is the caller's
   */
  readonly httpMethod?: string;

  /**
   * The way to a backend in a VPC. The URL's host is what its certificate must name.
   *
   * @default - over the internet
   */
  readonly vpcLink?: rest.IVpcLink;

  /**
   * Further parameters: `{"integration.request.path.id": "method.request.path.id"}`.
   *
   * @default - none
   */
  readonly requestParameters?: Record<string, string>;

  /**
   * How long API Gateway waits for the backend.
   *
   * @default - API Gateway's own, 29 seconds
   */
  readonly timeout?: Duration;
}

/** A backend of an HTTP API. */
export interface HttpBackend {
  /** `https://orders.example.com/orders`; with a `vpcLink`, the ARN of a load balancer's listener or of a Cloud Map service. */
  readonly uri: string;

  /**
   * The method that the backend is called with.
   *
   * @default ANY, which is the caller's
   */
  readonly method?: http.HttpMethod;

  /**
   * The way to a backend in a VPC.
   *
   * @default - over the internet
   */
  readonly vpcLink?: http.IVpcLink;

  /**
   * The name that the certificate of a backend behind a `vpcLink` must have. Without one, API Gateway would speak plain HTTP.
   *
   * @default - none; required with `vpcLink`
   */
  readonly tlsServerName?: string;

  /**
   * How long API Gateway waits for the backend.
   *
   * @default - API Gateway's own, 30 seconds
   */
  readonly timeout?: Duration;
}

/** Calls `bound` with each method that it is used by. */
export class RestBackendIntegration extends rest.Integration {
  constructor(
    backend: RestBackend,
    private readonly bound: (method: rest.Method) => void,
  ) {
    requireTls(backend.url);
    const own = Object.keys(backend.requestParameters ?? {}).filter((name) =>
      /^integration\.request\.header\.x[-_]vault[-_]/i.test(name),
    );
    if (own.length > 0) {
      throw new Error(`requestParameters: the authorizer's own headers are mapped already; remove ${own.join(", ")}`);
    }
    const mapped = Object.entries(CONTEXT_HEADERS).map(([header, key]) => [
      `integration.request.header.${header}`,
      `context.authorizer.${key}`,
    ]);
    super({
      type: rest.IntegrationType.HTTP_PROXY,
      integrationHttpMethod: backend.httpMethod ?? "ANY",
      uri: backend.url,
      options: {
        connectionType: backend.vpcLink ? rest.ConnectionType.VPC_LINK : undefined,
        vpcLink: backend.vpcLink,
        requestParameters: { ...backend.requestParameters, ...Object.fromEntries(mapped) },
        timeout: backend.timeout,
      },
    });
  }

  override bind(method: rest.Method): rest.IntegrationConfig {
    this.bound(method);
    return super.bind(method);
  }
}

/** Calls `bound` with each route that it is used by. */
export class HttpBackendIntegration extends http.HttpRouteIntegration {
  constructor(
    id: string,
    private readonly backend: HttpBackend,
    private readonly bound: (route: http.IHttpRoute) => void,
  ) {
    super(id);
    if (backend.vpcLink === undefined) {
      requireTls(backend.uri);
    } else if (/^https?:/i.test(backend.uri)) {
      throw new Error(
        `${backend.uri}: with a vpcLink, \`uri\` is the ARN of a listener or of a Cloud Map service, not a URL`,
      );
    } else if (!backend.tlsServerName) {
      throw new Error(
        `${backend.uri}: needs \`tlsServerName\`, the name in the backend's certificate: without it, API Gateway sends the ` +
          "wrapping token in plain text",
      );
    }
  }

  protected override completeBind(options: http.HttpRouteIntegrationBindOptions): void {
    this.bound(options.route);
  }

  bind(_options: http.HttpRouteIntegrationBindOptions): http.HttpRouteIntegrationConfig {
    const { uri, method, vpcLink, tlsServerName, timeout } = this.backend;
    const parameterMapping = new http.ParameterMapping();
    for (const [header, key] of Object.entries(CONTEXT_HEADERS)) {
      // Never append: what a client sends in such a header must not reach the backend.
      parameterMapping.overwriteHeader(header, http.MappingValue.contextVariable(`authorizer.${key}`));
    }
    return {
      type: http.HttpIntegrationType.HTTP_PROXY,
      uri,
      method: method ?? http.HttpMethod.ANY,
      connectionType: vpcLink ? http.HttpConnectionType.VPC_LINK : http.HttpConnectionType.INTERNET,
      connectionId: vpcLink?.vpcLinkId,
      secureServerName: tlsServerName,
      payloadFormatVersion: http.PayloadFormatVersion.VERSION_1_0,
      parameterMapping,
      timeout,
    };
  }
}

function requireTls(url: string): void {
  if (/^https:\/\//i.test(url)) return;
  const unknown = Token.isUnresolved(url) ? " (write the scheme out, and let CloudFormation fill in the rest)" : "";
  throw new Error(
    `${url}: a backend's URL must begin with https://, or the wrapping token travels in plain text${unknown}`,
  );
}
