/**
 * The configuration document: put together, checked, and made into the function's variable.
 *
 * What is checked here is what the table of rules says: not what needs more than one rule, nor the files that the document names,
 * and no value that only CloudFormation will know. The authorizer itself checks all of it when it starts, and
 * `vault-authorizer check` does the same before a deployment.
 */

import { gzipSync } from "node:zlib";
import { type IConstruct } from "constructs";
import { Stack, Token } from "aws-cdk-lib";
import type {
  Answer,
  AwsIdentity,
  Configuration,
  CredentialSource,
  Grant,
  Issuer,
  Limits,
  Log,
  Stage,
  Vault,
} from "./configuration";
import { below, isMapping, isToken, type Problem, quoted, ruleProblems } from "./rules";

/** The document's parts, by the names that they have in it. */
export interface ConfigurationParts {
  /** Where Vault is, and how the authorizer logs in. */
  readonly vault: Vault;

  /**
   * Whose JWTs are accepted, by a name of your own, which is the first half of every caller id.
   *
   * @default - none; then there must be `aws_identity`
   */
  readonly issuers?: Readonly<Record<string, Issuer>>;

  /**
   * Which proofs of an IAM identity are accepted.
   *
   * @default - none
   */
  readonly aws_identity?: AwsIdentity;

  /**
   * Where in a request the credential may stand.
   *
   * @default [{header: "Authorization"}]
   */
  readonly credentials?: CredentialSource[];

  /**
   * How a refused credential is answered. `simple` needs an HTTP API.
   *
   * @default {response: "policy", unauthorized: "throw"}
   */
  readonly answer?: Answer;

  /**
   * How the log names callers.
   *
   * @default {caller_id: "plain"}
   */
  readonly log?: Log;

  /**
   * How much may be minted.
   *
   * @default - see docs/configuration.md
   */
  readonly limits?: Limits;

  /** What each stage of the API gives to whom, by the stage's name; an HTTP API's default stage is `$default`. */
  readonly stages: Readonly<Record<string, StageParts>>;
}

/** A stage as it is in the document, less `api_ids`, which are the API's id. */
export type StageParts = Readonly<Omit<Stage, "api_ids">>;

/** The document, as docs/configuration.md describes it. Keys that were not given are not in it. */
export function configurationOf(parts: ConfigurationParts, apiIds: string[]): Configuration {
  const { vault, issuers, aws_identity, credentials, answer, log, limits, stages: given } = parts;
  const stages = isMapping(given)
    ? Object.fromEntries(Object.entries(given).map(([name, stage]) => [name, withApiIds(stage, apiIds)]))
    : given;
  return withoutUndefined({ vault, issuers, aws_identity, credentials, answer, log, limits, stages }) as Configuration;
}

function withApiIds(stage: unknown, apiIds: string[]): unknown {
  return isMapping(stage) ? { ...stage, api_ids: apiIds } : stage;
}

/** All that is wrong with a document of {@link configurationOf}. */
export function documentProblems(document: Configuration, given: ConfigurationParts): string[] {
  const lost = [...ownApiIds(given), ...lostNarrowings(given)];
  const told = new Set(lost.map(({ path }) => path));
  const problems = [...lost, ...ruleProblems(document).filter(({ path }) => !told.has(path))];
  // What is wrong with `apiIds` is wrong in each stage.
  return [...new Set(problems.map(inWords))];
}

/** What narrows who gets a grant by a value that is not there, once all values are known that the app has. */
export function lostAtSynthesis(scope: IConstruct, given: ConfigurationParts): string[] {
  const stack = Stack.of(scope);
  const lost = lostNarrowings(given, (token) => {
    const value: unknown = stack.resolve(token);
    const isNone = (Array.isArray(value) && value.length === 0) || (value as { Ref?: unknown })?.Ref === "AWS::NoValue";
    return isNone ? undefined : (value ?? undefined);
  });
  return lost.map(inWords);
}

function inWords({ path, message }: Problem): string {
  return `${message === OWN_API_IDS ? path : path.replace(API_IDS, "apiIds")}: ${message}`;
}

const API_IDS = /^stages\.([^".[]+|"([^"\\]|\\.)*")\.api_ids(?=$|\[)/;

const OWN_API_IDS = "is not a known key: a stage has the API's own id, or the prop `apiIds`";

function ownApiIds({ stages }: ConfigurationParts): Problem[] {
  const named = Object.entries(isMapping(stages) ? stages : {}).filter(
    ([, stage]) => isMapping(stage) && "api_ids" in stage,
  );
  return named.map(([name]) => ({ path: `stages.${quoted(name)}.api_ids`, message: OWN_API_IDS }));
}

/**
 * What narrows who gets a grant, and would be left out of the document or be another value in it: `{tenant: props.tenant}` where
 * there is no tenant would open the grant to all of them.
 */
function lostNarrowings(given: ConfigurationParts, valueOf?: (token: unknown) => unknown): Problem[] {
  const lost = (value: unknown, path: string): Problem[] => {
    if (value === undefined || value === null) {
      const remedy = "leave the key out, or give it a value; a narrowing that is dropped opens the grant";
      return [{ path, message: `is ${value}: ${remedy}` }];
    }
    if (Token.isUnresolved(value)) {
      const known = valueOf?.(value);
      // What is left then is a text, or CloudFormation's to know.
      return valueOf === undefined || typeof known === "object" ? [] : lost(known, path);
    }
    if (typeof value === "bigint") return [{ path, message: `is a BigInt, which JSON cannot hold: ${AS_TEXT}` }];
    if (typeof value === "number" && !Number.isFinite(value)) {
      return [{ path, message: `is no finite number, which JSON cannot hold: ${AS_TEXT}` }];
    }
    if (typeof value === "number" && Number.isInteger(value) && !Number.isSafeInteger(value)) {
      const why = "is beyond the whole numbers that JavaScript holds exactly, so another claim would be bound";
      return [{ path, message: `${why}: ${AS_TEXT}` }];
    }
    if (typeof value === "number" && !Number.isInteger(value)) {
      return [{ path, message: `is no whole number, and no other can be compared exactly: ${AS_TEXT}` }];
    }
    // Not `map`, which leaves out the holes of a list.
    if (Array.isArray(value)) return Array.from(value).flatMap((item, index) => lost(item, `${path}[${index}]`));
    if (typeof value !== "object") return [];
    return Object.entries(value).flatMap(([key, item]) => lost(item, below(path, quoted(key))));
  };
  const entriesOf = (part: unknown): [string, unknown][] => Object.entries(isMapping(part) ? part : {});
  const ofIssuers = entriesOf(given.issuers).flatMap(([name, issuer]) =>
    isMapping(issuer) && Object.hasOwn(issuer, "binding")
      ? lost(issuer.binding, `issuers.${quoted(name)}.binding`)
      : [],
  );
  const ofStages = entriesOf(given.stages).flatMap(([name, stage]) => {
    if (!isMapping(stage)) return [];
    const path = `stages.${quoted(name)}`;
    const ofStage = ["audiences", "server_id"].filter((key) => Object.hasOwn(stage, key));
    const grants = Array.isArray(stage.grants) ? (stage.grants as (Grant | undefined)[]) : [];
    return [
      ...ofStage.flatMap((key) => lost(stage[key], below(path, key))),
      ...Array.from(grants, (grant) => grant?.caller).flatMap((caller, index) =>
        // What is no mapping at all, the rules refuse.
        caller ? lost(caller, `${path}.grants[${index}].caller`) : [],
      ),
    ];
  });
  return [...ofIssuers, ...ofStages];
}

const AS_TEXT = "write it as text if the claim is text";

/** Lambda takes 4 KB for all variables with their names. */
const LONGEST_VALUE = 4000;

/** The value of `AUTHORIZER_CONFIG` beside other variables, or an error that says why there can be none. */
export function environmentValue(
  scope: IConstruct,
  document: Configuration,
  beside: Readonly<Record<string, string>>,
): { value: string } | { problem: string } {
  const others = Object.entries(withPlaceholders(beside) as Record<string, string>).flat();
  const limit = LONGEST_VALUE - Buffer.byteLength(others.join(""));
  const takes = others.length === 0 ? `Lambda takes ${limit}` : `Lambda takes ${limit} beside \`environment\``;
  const tokens = [...new Set(unknownIn(document))];
  const size = Buffer.byteLength(JSON.stringify(withPlaceholders(document)));
  if (size <= limit) {
    return { value: tokens.length === 0 ? JSON.stringify(document) : Stack.of(scope).toJsonString(document) };
  }
  const inPackage = "put the document into the zip file as `authorizer.yaml`, and set `configurationInPackage: true`";
  if (tokens.length > 0) {
    return {
      problem:
        `the configuration has ${size} bytes, and ${takes}. It cannot be compressed, because these are ` +
        `known to CloudFormation only: ${tokens.join(", ")}. Write them out (for the API's id: \`apiIds\` with the id ` +
        `that it has, or \`apiIds: ["*"]\` if any API of this account may use these grants); or ${inPackage}`,
    };
  }
  const value = compressed(JSON.stringify(document));
  if (Buffer.byteLength(value) <= limit) return { value };
  return {
    problem: `the configuration has ${size} bytes, ${Buffer.byteLength(value)} compressed, and ${takes}: ${inPackage}`,
  };
}

/** The same bytes for the same text, whatever the machine: gzip's header has the time and the operating system. */
function compressed(text: string): string {
  const bytes = gzipSync(text, { level: 9 });
  bytes.fill(0, 4, 8);
  bytes[9] = 255;
  return `base64gzip:${bytes.toString("base64")}`;
}

/** The API's id, where only CloudFormation will know it. */
export const API_ID = "the API's id";

/** Where in the document values are that only CloudFormation will know. */
export function unknownIn(value: unknown, path = ""): string[] {
  if (isToken(value)) return [API_IDS.test(path) ? API_ID : path];
  if (Array.isArray(value)) return value.flatMap((item, index) => unknownIn(item, `${path}[${index}]`));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, item]) => [
    ...(isToken(key) ? [path] : []),
    ...unknownIn(item, below(path, quoted(key))),
  ]);
}

/** The document as long as it will be: an API's id has ten characters. */
function withPlaceholders(value: unknown): unknown {
  if (typeof value === "string") return value.replace(/[$#]\{Token\[[^\]]*\]\}/g, "x".repeat(10));
  if (typeof value === "number") return Token.isUnresolved(value) ? 1_000_000_000 : value;
  if (Array.isArray(value)) return value.map(withPlaceholders);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [withPlaceholders(key), withPlaceholders(item)]),
  );
}

/** A key that was given as `undefined` was not given. */
function withoutUndefined(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutUndefined);
  // JSON has none: it is refused as the text that it is made here.
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null || Token.isUnresolved(value)) return value;
  const given = Object.entries(value).filter(([, item]) => item !== undefined);
  return Object.fromEntries(given.map(([key, item]) => [key, withoutUndefined(item)]));
}
