/** The authorizer as the default one of an HTTP API, which takes it before the API exists. */

import * as http from "aws-cdk-lib/aws-apigatewayv2";
import { VaultAuthorizer, type VaultAuthorizerProps } from "./vault-authorizer";

/** All but the API: it is that of the first route. */
export type HttpVaultAuthorizerProps = Omit<VaultAuthorizerProps, "api" | "gatewayResponses" | "restApiName">;

/**
 * For `defaultAuthorizer` of an `HttpApi`. A {@link VaultAuthorizer} belongs to one API and so comes after it; this one makes
 * it in the API, with the first route that uses it.
 *
 *     const authorizer = new HttpVaultAuthorizer("Authorizer", { … });
 *     const api = new HttpApi(this, "Api", { defaultAuthorizer: authorizer });
 */
export class HttpVaultAuthorizer implements http.IHttpRouteAuthorizer {
  private made?: VaultAuthorizer;

  constructor(
    private readonly id: string,
    private readonly props: HttpVaultAuthorizerProps,
  ) {}

  /** The construct, with its function and its role: from the first route on. */
  get authorizer(): VaultAuthorizer {
    if (this.made === undefined)
      throw new Error(`${this.id}: no route uses it yet, so its authorizer is not made: add a route first`);
    return this.made;
  }

  /** Called by the routes. */
  bind(options: http.HttpRouteAuthorizerBindOptions): http.HttpRouteAuthorizerConfig {
    this.made ??= new VaultAuthorizer(options.scope, this.id, { ...this.props, api: options.route.httpApi });
    return this.made.bind(options);
  }
}
