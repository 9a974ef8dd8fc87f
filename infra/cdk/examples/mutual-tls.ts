/**
 * A REST API that asks its callers for a client certificate, and an issuer whose tokens must be bound to it (RFC 8705). The route
 * GET /orders leads to a container.
 *
 *   npx tsx examples/mutual-tls.ts --context bucket=… --context authorizerKey=… --context vaultAddress=… --context serverId=… \
 *     --context issuer=… --context audience=… --context backendUrl=https://… --context domainName=… --context certificateArn=… \
 *     --context truststoreUri=s3://… --context truststoreVersion=…
 *   aws cloudformation deploy --template-file cdk.out/mutual-tls-example.template.json --stack-name mutual-tls-example \
 *     --capabilities CAPABILITY_NAMED_IAM
 *
 * Then make the domain's DNS record an alias of the output DnsAlias, let the output VaultPrincipal log in to Vault, and call with a
 * token that is bound to your client certificate. Send it as `Bearer`:
 *
 *   VAULT_ADDR=… VAULT_TOKEN=… ../vault/quickstart.sh --server-id … --aws-principal …
 *   curl --cert partner.pem --key partner.key -H "Authorization: Bearer $token" https://…/orders
 */

import { App, CfnOutput, Stack } from "aws-cdk-lib";
import { DomainName, EndpointType, RestApi, SecurityPolicy } from "aws-cdk-lib/aws-apigateway";
import { Certificate } from "aws-cdk-lib/aws-certificatemanager";
import { Code } from "aws-cdk-lib/aws-lambda";
import { Bucket } from "aws-cdk-lib/aws-s3";
import { VaultAuthorizer } from "../src";
import { app, context, neighbours, stackName, stackProps, type Neighbours } from "./settings";

// The domain's own certificate is one that ACM issued. The truststore has the certificates of the authorities that sign the
// clients', in PEM, in a bucket with versioning: `s3://bucket/key`.
const NAMES = ["backendUrl", "domainName", "certificateArn", "truststoreUri", "truststoreVersion"] as const;
type Given = Neighbours & Record<(typeof NAMES)[number], string>;

export class MutualTlsExample extends Stack {
  constructor(scope: App, id: string, given: Given) {
    super(scope, id, stackProps);
    const api = new RestApi(this, "Api", {
      restApiName: id,
      endpointConfiguration: { types: [EndpointType.REGIONAL] },
      // The default endpoint asks for no certificate, so it would lead around the domain.
      disableExecuteApiEndpoint: true,
      cloudWatchRole: false,
    });
    const authorizer = new VaultAuthorizer(this, "Authorizer", {
      api,
      name: `${id}-authorizer`,
      code: Code.fromBucket(Bucket.fromBucketName(this, "Code", given.bucket), given.authorizerKey),
      vault: {
        address: given.vaultAddress,
        login: { method: "aws", role: "api-authorizer", server_id: given.serverId, sts_region: given.stsRegion },
      },
      issuers: {
        corp: {
          kind: "jwt",
          issuer: given.issuer,
          audiences: [given.audience],
          algorithms: ["RS256"],
          jwks: "discovery",
          binding: { require: "mtls" },
        },
      },
      stages: {
        prod: {
          grants: [
            {
              name: "orders-prod-reader",
              routes: ["GET /orders"],
              caller: { issuer: "corp", bound_claims: { scope: ["orders:read"] } },
              token: { role: "orders-prod-reader", policies: ["orders-prod-read"], ttl: "2m", wrap_ttl: "30s" },
            },
          ],
        },
      },
    });
    const backend = authorizer.restBackend({ url: given.backendUrl });
    api.root.addResource("orders").addMethod("GET", backend, { authorizer });

    const [bucket = "", ...key] = given.truststoreUri.replace("s3://", "").split("/");
    const domain = new DomainName(this, "Domain", {
      domainName: given.domainName,
      certificate: Certificate.fromCertificateArn(this, "Certificate", given.certificateArn),
      endpointType: EndpointType.REGIONAL,
      securityPolicy: SecurityPolicy.TLS_1_2,
      mtls: {
        bucket: Bucket.fromBucketName(this, "Truststore", bucket),
        key: key.join("/"),
        version: given.truststoreVersion,
      },
      mapping: api,
    });

    const outputs = {
      ApiId: api.restApiId,
      DnsAlias: domain.domainNameAliasDomainName,
      DnsAliasZone: domain.domainNameAliasHostedZoneId,
      VaultPrincipal: authorizer.vaultPrincipal,
      AuthorizerLogGroup: authorizer.logGroup.logGroupName,
      Configuration: authorizer.configurationJson,
    };
    for (const [name, value] of Object.entries(outputs)) new CfnOutput(this, name, { value });
  }
}

if (require.main === module) {
  const main = app();
  new MutualTlsExample(main, stackName(main, "mutual-tls-example"), {
    ...neighbours(main),
    ...context(main, ...NAMES),
  });
  main.synth();
}
