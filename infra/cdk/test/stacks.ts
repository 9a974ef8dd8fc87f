/** Stacks for the tests: an API, one route and the authorizer, with what a test changes. */

import { App, Stack } from "aws-cdk-lib";
import { Annotations, Match, Template } from "aws-cdk-lib/assertions";
import * as rest from "aws-cdk-lib/aws-apigateway";
import * as http from "aws-cdk-lib/aws-apigatewayv2";
import { Code } from "aws-cdk-lib/aws-lambda";
import { Bucket } from "aws-cdk-lib/aws-s3";
import { VaultAuthorizer, type Grant, type Issuer, type VaultAuthorizerProps } from "../src";

export const GRANT: Grant = {
  name: "orders-reader",
  routes: ["GET /orders"],
  caller: { issuer: "corp", bound_claims: { scope: ["orders:read"] } },
  token: { role: "orders-reader", policies: ["orders-read"], ttl: "2m", wrap_ttl: "30s" },
};

export const CORP = {
  kind: "jwt",
  issuer: "https://login.example.com/",
  audiences: ["orders"],
  algorithms: ["RS256"],
  jwks: "discovery",
} satisfies Issuer;

/** All but the API. */
export function props(stack: Stack): Omit<VaultAuthorizerProps, "api"> {
  return {
    name: "orders-authorizer",
    code: Code.fromBucket(Bucket.fromBucketName(stack, "Code", "code"), "authorizer.zip"),
    vault: {
      address: "https://vault.example.com",
      login: { method: "aws", role: "api-authorizer", server_id: "vault.example.com" },
    },
    issuers: { corp: CORP },
    stages: { prod: { grants: [GRANT] } },
  };
}

/** What a test changes: these keys are of the one stage, the others are props. */
function inStage(changes: Record<string, unknown>): any {
  const { stageName = "prod", ...all } = changes;
  const ofStage = (key: string) => ["grants", "audiences", "server_id"].includes(key);
  const part = (isOfStage: boolean) =>
    Object.fromEntries(Object.entries(all).filter(([key]) => ofStage(key) === isOfStage));
  return { stages: { [String(stageName)]: { grants: [GRANT], ...part(true) } }, ...part(false) };
}

export function restStack(changes: Record<string, unknown> = {}) {
  const stack = new Stack(new App(), "rest");
  const api = new rest.RestApi(stack, "Api");
  const authorizer = new VaultAuthorizer(stack, "Authorizer", { api, ...props(stack), ...inStage(changes) });
  const method = api.root.addResource("orders").addMethod("GET", undefined, { authorizer });
  return { stack, api, authorizer, method };
}

export function httpStack(changes: Record<string, unknown> = {}) {
  const stack = new Stack(new App(), "http");
  const api = new http.HttpApi(stack, "Api");
  const authorizer = new VaultAuthorizer(stack, "Authorizer", { api, ...props(stack), ...inStage(changes) });
  return { stack, api, authorizer };
}

/** An API whose id is known. */
export function importedStack(changes: Record<string, unknown> = {}) {
  const stack = new Stack(new App(), "imported");
  const api = rest.RestApi.fromRestApiAttributes(stack, "Api", { restApiId: "a1b2c3d4e5", rootResourceId: "root" });
  const authorizer = new VaultAuthorizer(stack, "Authorizer", { api, ...props(stack), ...inStage(changes) });
  const method = api.root.addResource("orders").addMethod("GET", undefined, { authorizer });
  return { stack, api, authorizer, method };
}

/** The properties of the one resource of this type. */
export function only(stack: Stack, type: string, properties: object = {}): any {
  const found = Object.values(Template.fromStack(stack).findResources(type, { Properties: properties }));
  if (found.length !== 1) throw new Error(`${found.length} of ${type}`);
  return found[0]!.Properties;
}

/** A value of a template as CloudFormation makes it, with each reference as its `{name}`. */
export function filledIn(value: any): string {
  if (typeof value === "string") return value;
  if (value["Fn::Join"]) return value["Fn::Join"][1].map(filledIn).join(value["Fn::Join"][0]);
  if (value.Ref) return `{${value.Ref}}`;
  return `{${value["Fn::GetAtt"].join(".")}}`;
}

/** What the synthesis warns of, CDK's own warnings left out. */
export function warned(stack: Stack): string[] {
  const found = Annotations.fromStack(stack).findWarning("*", Match.stringLikeRegexp("ack: vault-authorizer:"));
  return found.map(({ entry }) => String(entry.data).replace(/ \[ack: .*\]$/, ""));
}
