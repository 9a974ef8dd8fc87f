/** Backends that get the authorizer's context as headers. The emulator does not carry them as AWS does: the template is what is tested. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Duration, Fn } from "aws-cdk-lib";
import * as rest from "aws-cdk-lib/aws-apigateway";
import * as http from "aws-cdk-lib/aws-apigatewayv2";
import { Vpc } from "aws-cdk-lib/aws-ec2";
import { NetworkLoadBalancer } from "aws-cdk-lib/aws-elasticloadbalancingv2";
import { Template } from "aws-cdk-lib/assertions";
import { CONTEXT_HEADERS } from "../src";
import { httpStack, only, restStack } from "./stacks";

const URL = "https://orders.example.com/orders";
const LISTENER =
  "arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/app/orders/50dc6c495c0c9188/f2f7dc8efc522ab2";

test("the headers are those of the contract", () => {
  const contract = readFileSync(join(__dirname, "../../../shared/vault-context/src/context.rs"), "utf8");
  const fields = [...contract.matchAll(/: Field = field\("(\w+)", "([\w-]+)"\);/g)].map(([, key, header]) => [
    header,
    key,
  ]);
  assert.equal(fields.length, 12);
  assert.deepEqual(Object.entries(CONTEXT_HEADERS), fields);
});

test("a backend of a REST API gets each header", () => {
  const { stack, api, authorizer } = restStack();
  const backend = authorizer.restBackend({
    url: `${URL}/{id}`,
    requestParameters: { "integration.request.path.id": "method.request.path.id" },
    timeout: Duration.seconds(5),
  });
  const options = { authorizer, requestParameters: { "method.request.path.id": true } };
  api.root.addResource("{id}").addMethod("GET", backend, options);
  const { Integration } = only(stack, "AWS::ApiGateway::Method", {
    RequestParameters: { "method.request.path.id": true },
  });
  const { RequestParameters, ...settings } = Integration;
  assert.deepEqual(settings, {
    Type: "HTTP_PROXY",
    IntegrationHttpMethod: "ANY",
    Uri: `${URL}/{id}`,
    TimeoutInMillis: 5000,
  });
  assert.deepEqual(RequestParameters, {
    "integration.request.path.id": "method.request.path.id",
    ...Object.fromEntries(
      Object.entries(CONTEXT_HEADERS).map(([header, key]) => [
        `integration.request.header.${header}`,
        `context.authorizer.${key}`,
      ]),
    ),
  });
});

test("a backend of a REST API may be behind a VPC link", () => {
  const { stack, api, authorizer } = restStack();
  const balancer = new NetworkLoadBalancer(stack, "Balancer", { vpc: new Vpc(stack, "Vpc") });
  const vpcLink = new rest.VpcLink(stack, "Link", { targets: [balancer] });
  api.root.addMethod("GET", authorizer.restBackend({ url: URL, vpcLink }), { authorizer });
  const { ConnectionType, ConnectionId } = only(stack, "AWS::ApiGateway::Method", {
    Integration: { Type: "HTTP_PROXY" },
  }).Integration;
  assert.deepEqual([ConnectionType, Object.keys(ConnectionId)], ["VPC_LINK", ["Ref"]]);
});

test("a backend of an HTTP API gets each header, and what a client sent in it is overwritten", () => {
  const { stack, api, authorizer } = httpStack();
  const integration = authorizer.httpBackend("Backend", { uri: URL, timeout: Duration.seconds(5) });
  api.addRoutes({ path: "/orders", methods: [http.HttpMethod.GET], integration, authorizer });
  const { ApiId, RequestParameters, ...settings } = only(stack, "AWS::ApiGatewayV2::Integration");
  assert.deepEqual(settings, {
    IntegrationType: "HTTP_PROXY",
    IntegrationMethod: "ANY",
    IntegrationUri: URL,
    ConnectionType: "INTERNET",
    PayloadFormatVersion: "1.0",
    TimeoutInMillis: 5000,
  });
  const mapped = Object.entries(CONTEXT_HEADERS).map(([header, key]) => [
    `overwrite:header.${header}`,
    `$context.authorizer.${key}`,
  ]);
  assert.deepEqual(RequestParameters, Object.fromEntries(mapped));
});

test("a backend of an HTTP API behind a VPC link is spoken to in TLS", () => {
  const { stack, api, authorizer } = httpStack();
  const vpcLink = new http.VpcLink(stack, "Link", { vpc: new Vpc(stack, "Vpc") });
  const backend = { uri: LISTENER, vpcLink, tlsServerName: "orders.example.com" };
  api.addRoutes({ path: "/orders", integration: authorizer.httpBackend("Backend", backend), authorizer });
  const integration = only(stack, "AWS::ApiGatewayV2::Integration");
  assert.deepEqual([integration.ConnectionType, integration.IntegrationUri], ["VPC_LINK", LISTENER]);
  assert.deepEqual(integration.TlsConfig, { ServerNameToVerify: "orders.example.com" });

  assert.throws(() => authorizer.httpBackend("Plain", { uri: LISTENER, vpcLink }), /needs `tlsServerName`/);
  assert.throws(() => authorizer.httpBackend("Url", { ...backend, uri: URL }), /`uri` is the ARN of a listener/);
});

test("refuses a backend that is spoken to in plain text", () => {
  const [{ authorizer }, web] = [restStack(), httpStack()];
  const unknown = Fn.importValue("OrdersUrl");
  for (const url of ["http://orders.example.com", "orders.example.com", unknown]) {
    assert.throws(
      () => authorizer.restBackend({ url }),
      /must begin with https:\/\/, or the wrapping token travels in plain text/,
    );
    assert.throws(() => web.authorizer.httpBackend("Backend", { uri: url }), /must begin with https:\/\//);
  }
  authorizer.restBackend({ url: `https://${unknown}` });
});

test("refuses a backend of a TOKEN authorizer, and of the other kind of API", () => {
  assert.throws(
    () => restStack({ type: "TOKEN" }).authorizer.restBackend({ url: URL }),
    /a TOKEN event has no headers/,
  );
  assert.throws(() => httpStack().authorizer.restBackend({ url: URL }), /use httpBackend/);
  assert.throws(() => restStack().authorizer.httpBackend("Backend", { uri: URL }), /use restBackend/);
});

test("refuses another mapping of the authorizer's own headers", () => {
  const requestParameters = { "integration.request.header.x-vault-context-grant": "method.request.header.x" };
  assert.throws(
    () => restStack().authorizer.restBackend({ url: URL, requestParameters }),
    /remove integration\.request\.header\.x-vault/,
  );
});

test("refuses a backend on a route without the authorizer, which would take a client's own headers", () => {
  const web = httpStack();
  web.api.addRoutes({ path: "/open", integration: web.authorizer.httpBackend("Backend", { uri: URL }) });
  assert.throws(
    () => Template.fromStack(web.stack),
    /needs `authorizer`: its backend takes the headers of http\/Authorizer/,
  );

  const { stack, api, authorizer } = restStack();
  api.root.addMethod("GET", authorizer.restBackend({ url: URL }));
  assert.throws(
    () => Template.fromStack(stack),
    /needs `authorizer`: its backend takes the headers of rest\/Authorizer/,
  );
});

test("refuses a backend on a method of another API", () => {
  const { stack, authorizer } = restStack();
  const other = new rest.RestApi(stack, "Other");
  assert.throws(() => other.root.addMethod("GET", authorizer.restBackend({ url: URL })), /is of another API/);
});
