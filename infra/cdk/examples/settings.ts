/** What the examples are told: `--context <name>=<value>`, as CDK's own command takes it, or the variable CDK_CONTEXT_JSON. */

import { parseArgs } from "node:util";
import { App, BootstraplessSynthesizer, type StackProps } from "aws-cdk-lib";

/** What the authorizer works with. */
export interface Neighbours {
  /** The S3 bucket, in the stack's region, that holds the zip files, and the authorizer's key. A new key for each build. */
  readonly bucket: string;
  readonly authorizerKey: string;
  /** Vault's address as the functions reach it. */
  readonly vaultAddress: string;
  /** Vault's `iam_server_id_header_value`. */
  readonly serverId: string;
  /** The `iss` and the `aud` of the callers' JWTs. */
  readonly issuer: string;
  readonly audience: string;
  /** The region whose STS Vault's AWS auth method asks; an STS on this machine, for development. */
  readonly stsRegion?: string;
  readonly stsEndpoint?: string;
}

export interface Settings extends Neighbours {
  /** The sample function's key. */
  readonly ordersKey: string;
  /** Whose pages may call the API from a browser. */
  readonly allowOrigin: string;
}

export function neighbours(app: App): Neighbours {
  return {
    ...context(app, "bucket", "authorizerKey", "vaultAddress", "serverId", "issuer", "audience"),
    stsRegion: app.node.tryGetContext("stsRegion"),
    stsEndpoint: app.node.tryGetContext("stsEndpoint"),
  };
}

export function settings(app: App): Settings {
  const allowOrigin = app.node.tryGetContext("allowOrigin") ?? "*";
  return { ...context(app, "ordersKey"), ...neighbours(app), allowOrigin };
}

/** The app of an example that is run as a program. Its template goes to `cdk.out`, or where CDK's command wants it. */
export function app(): App {
  const { values } = parseArgs({ options: { context: { type: "string", short: "c", multiple: true } } });
  const context = (values.context ?? []).map((given) => {
    const at = given.indexOf("=");
    if (at < 1) throw new Error(`--context takes <name>=<value>, not ${given}`);
    return [given.slice(0, at), given.slice(at + 1)];
  });
  return new App({ context: Object.fromEntries(context), outdir: process.env.CDK_OUTDIR ?? "cdk.out" });
}

/** The stack's name: the context's `stack`, or the example's own. */
export function stackName(app: App, own: string): string {
  return app.node.tryGetContext("stack") ?? own;
}

/** Values that must be there. */
export function context<Name extends string>(app: App, ...names: Name[]): Record<Name, string> {
  const missing = names.filter((name) => !app.node.tryGetContext(name));
  if (missing.length > 0) throw new Error(`the context lacks ${missing.join(", ")}: --context <name>=<value>`);
  return Object.fromEntries(names.map((name) => [name, app.node.tryGetContext(name)])) as Record<Name, string>;
}

/** The template alone is enough to deploy: CloudFormation takes it as it is, in an account that CDK was never set up in. */
export const stackProps: StackProps = { synthesizer: new BootstraplessSynthesizer() };
