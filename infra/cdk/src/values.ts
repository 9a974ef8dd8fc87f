/**
 * What the schema cannot say of a document: limits of time, addresses, and what two places say of each other. The function would
 * not start with any of these.
 *
 * It also reads documents that are not as the schema wants them, and it judges no value that only CloudFormation will know. No
 * message quotes a value: one can be a secret.
 */

import type { Configuration } from "./configuration";
import { isMapping, isToken, type Problem } from "./schema";

type Path = Problem["path"];
type Refuse = (path: Path, message: string) => void;

export function valueProblems(document: Configuration): Problem[] {
  const problems: Problem[] = [];
  const refuse: Refuse = (path, message) => problems.push({ path, message });
  vault(document, refuse);
  issuers(document, refuse);
  awsIdentity(document, refuse);
  credentials(document, refuse);
  // Names and roles are unique in the document, not in their stage.
  const seen = new Map<string, string>();
  for (const name of Object.keys(mapping(document.stages))) stage(document, name, seen, refuse);
  return problems;
}

function vault(document: Configuration, refuse: Refuse): void {
  const { address, namespace, login } = mapping(document.vault);
  checked(endpointProblem, address, ["vault", "address"], refuse);
  const bare = text(namespace)?.replace(/^\/+|\/+$/g, "");
  if (bare !== undefined && !VISIBLE.test(bare)) {
    refuse(["vault", "namespace"], "must be a path of visible ASCII characters, such as `platform/team1`");
  }

  const at = (key: string) => ["vault", "login", key];
  const its = mapping(login);
  for (const key of ["server_id", "web_identity_audience", "role_id", "secret_id", "token"]) {
    checked(visibleProblem, its[key], at(key), refuse);
  }
  checked(longerThan(1000), its.web_identity_audience, at("web_identity_audience"), refuse);
  checked(longerThan(2048), its.token, at("token"), refuse);
  for (const key of ["role_id", "secret_id"]) checked(longerThan(16 * 1024), its[key], at(key), refuse);
  checked(roleProblem, its.role, at("role"), refuse);
  checked(regionProblem, its.sts_region, at("sts_region"), refuse);
  checked(loopbackProblem, its.sts_endpoint, at("sts_endpoint"), refuse);
  for (const key of ["sts_region", "sts_endpoint"]) {
    if (its.method === "jwt" && its.jwt_file !== undefined && its[key] !== undefined) {
      refuse(at(key), "is for `web_identity_audience`: nobody asks STS for what is in a file");
    }
  }
}

function issuers(document: Configuration, refuse: Refuse): void {
  const seen = new Map<string, string>();
  for (const [name, given] of Object.entries(mapping(document.issuers))) {
    const issuer = mapping(given);
    const at = (...keys: string[]) => ["issuers", name, ...keys];
    const url = text(issuer.issuer);
    if (name === "arn") {
      refuse(at(), "must not be named `arn`: a caller id would read like an IAM principal's");
    }
    // A token must be of one entry alone.
    const claim = issuer.audience_claim ?? "aud";
    const looksFor = list(issuer.audiences).map((audience) => JSON.stringify([url, claim, audience]));
    const other = looksFor.map((one) => seen.get(one)).find((place) => place !== undefined);
    if (url !== undefined && other !== undefined) {
      const rule = "two issuers with one `issuer` may not share an audience in one `audience_claim`";
      refuse(at("audiences"), `${rule}; the other is ${other}`);
    }
    for (const one of looksFor) seen.set(one, `issuers.${name}.audiences`);
    within(issuer.leeway, 0, 300, "0s to 300s", at("leeway"), refuse);
    within(issuer.max_age, 1, 86_400, "1s to 24h", at("max_age"), refuse);

    const isAws = issuer.kind === "aws_iam";
    const wrong = url === undefined ? undefined : isAws ? awsIssuerProblem(url) : endpointProblem(url);
    if (isAws && wrong !== undefined) refuse(at("issuer"), wrong);
    if (!isAws && wrong !== undefined && issuer.jwks === "discovery") {
      refuse(at("jwks"), `\`discovery\` needs an \`issuer\` that can be called: it ${wrong}`);
    }
    if (text(mapping(issuer).ca_file) !== undefined && text(mapping(issuer.jwks).file) !== undefined) {
      refuse(at("ca_file"), "is of no use: `jwks` names a file, so no keys are fetched");
    }
    const uri = text(mapping(issuer.jwks).uri);
    const wrongUri = uri === undefined ? undefined : keyUriProblem(uri);
    if (wrongUri !== undefined) {
      refuse(at("jwks", "uri"), wrongUri);
    } else if (isAws && uri !== undefined && url !== undefined && wrong === undefined && !isBeside(uri, url)) {
      refuse(at("jwks", "uri"), "must be on the issuer's own host: whoever has the keys says who every principal is");
    }
    if (isAws && isChosenByTheCaller(issuer.user_claim)) {
      refuse(at("user_claim"), "`request_tags` are whatever the caller asked for: they name nobody");
    }
  }
}

function awsIdentity(document: Configuration, refuse: Refuse): void {
  const { server_id, sts_endpoint, sts_regions, max_age } = mapping(document.aws_identity);
  checked(visibleProblem, server_id, ["aws_identity", "server_id"], refuse);
  checked(loopbackProblem, sts_endpoint, ["aws_identity", "sts_endpoint"], refuse);
  for (const [index, region] of list(sts_regions).entries()) {
    checked(regionProblem, region, ["aws_identity", "sts_regions", index], refuse);
  }
  within(max_age, 1, 900, "1s to 15m", ["aws_identity", "max_age"], refuse);
}

function credentials(document: Configuration, refuse: Refuse): void {
  const seen = new Map<string, string>();
  for (const [index, place] of list(document.credentials).entries()) {
    for (const [kind, given] of Object.entries(mapping(place))) {
      const name = text(given)?.toLowerCase();
      if (name === undefined || kind === "scheme") continue;
      const path = ["credentials", index, kind];
      if (kind === "header" && name.replaceAll("_", "-").startsWith("x-vault-")) {
        refuse(path, "must be a header's name that does not start with `x-vault-`, which only the authorizer may set");
      }
      once(seen, "one place twice", `${kind} ${name}`, path, `credentials[${index}].${kind}`, refuse);
    }
  }
}

function stage(document: Configuration, stageName: string, seen: Map<string, string>, refuse: Refuse): void {
  const { server_id, audiences, grants } = mapping(mapping(document.stages)[stageName]);
  const at = (...keys: (string | number)[]) => ["stages", stageName, ...keys];
  checked(visibleProblem, server_id, at("server_id"), refuse);
  if (server_id !== undefined && document.aws_identity === undefined) {
    refuse(at("server_id"), "needs the section `aws_identity`");
  }

  const named = new Set(list(grants).map((grant) => mapping(mapping(grant).caller).issuer));
  for (const [name, given] of Object.entries(mapping(document.issuers))) {
    const issuer = mapping(given);
    const [own, stages] = [list(issuer.audiences), list(audiences)];
    const isOne = issuer.audience_claim === "client_id" || issuer.audience_claim === "azp";
    if (!isOne || !named.has(name) || own.length === 0 || stages.length === 0 || [...own, ...stages].some(isToken)) {
      continue;
    }
    if (!own.some((audience) => stages.includes(audience))) {
      refuse(
        at("audiences"),
        `no token of issuer \`${name}\` can be for this stage: its \`${issuer.audience_claim}\` names one audience, and none ` +
          "of the issuer's `audiences` is among these",
      );
    }
  }

  for (const [index, given] of list(grants).entries()) {
    const grant = mapping(given);
    const path = at("grants", index);
    const token = mapping(grant.token);
    const place = `stages.${stageName}.grants[${index}]`;
    once(seen, "two grants with one name", text(grant.name), [...path, "name"], `${place}.name`, refuse);
    const role = [...path, "token", "role"];
    once(seen, "two grants with one role", text(token.role), role, `${place}.token.role`, refuse);
    checked(roleProblem, token.role, role, refuse);
    for (const [position, route] of list(grant.routes).entries()) {
      checked(routeProblem, route, [...path, "routes", position], refuse);
    }
    const kind = kindOf(grant.caller, document);
    caller(grant.caller, kind, document, [...path, "caller"], refuse);
    tokenOf(token, kind, [...path, "token"], refuse);
  }
}

/** By what its callers prove who they are; `undefined` where that is wrong or not known. */
type Kind = "jwt" | "aws_iam" | "aws_identity" | undefined;

function kindOf(caller: unknown, document: Configuration): Kind {
  const { issuer, aws_identity } = mapping(caller);
  if (issuer === undefined) return aws_identity === true ? "aws_identity" : undefined;
  const all = mapping(document.issuers);
  const name = text(issuer);
  if (name === undefined || !Object.hasOwn(all, name)) return undefined;
  const { kind } = mapping(all[name]);
  return kind === "jwt" || kind === "aws_iam" ? kind : undefined;
}

const BOUNDS = ["bound_subject", "bound_claims", "bound_iam_principal_arns", "bound_iam_principal_ids"];

/** A bound that can never hold reads like protection and is a mistake. */
const NEVER_HOLD: Record<NonNullable<Kind>, [keys: string[], why: string]> = {
  jwt: [
    ["bound_iam_principal_arns", "bound_iam_principal_ids"],
    "never holds: a JWT of a `kind: jwt` issuer names no IAM principal, whatever its claims say",
  ],
  aws_iam: [["bound_iam_principal_ids"], "never holds: AWS's JWTs do not carry the unique id; bind the ARN"],
  aws_identity: [["bound_subject", "bound_claims", "bound_claims_type"], "never holds: an IAM proof has no claims"],
};

function caller(given: unknown, kind: Kind, document: Configuration, path: Path, refuse: Refuse): void {
  if (!isMapping(given)) return;
  const issuer = text(given.issuer);
  if (issuer !== undefined && !Object.hasOwn(mapping(document.issuers), issuer)) {
    refuse([...path, "issuer"], "is not among `issuers`");
  }
  if (given.aws_identity === true && document.aws_identity === undefined) {
    refuse([...path, "aws_identity"], "needs the section `aws_identity`");
  }
  const isBound = BOUNDS.some((key) => given[key] !== undefined);
  if (!isBound && given.any !== true) {
    refuse(
      path,
      `binds nothing: every caller would have this grant. Write one of ${BOUNDS.join(", ")}, or \`any: true\``,
    );
  }
  if (isBound && given.any === true) refuse([...path, "any"], "cannot stand beside a bound");
  if (kind === undefined) return;

  const [never, why] = NEVER_HOLD[kind];
  for (const key of never) if (given[key] !== undefined) refuse([...path, key], why);
  for (const name of Object.keys(mapping(given.bound_claims))) {
    if (kind === "aws_iam" && isChosenByTheCaller(name)) {
      refuse(
        [...path, "bound_claims", name],
        "`request_tags` are whatever the caller asked for: bind `principal_tags`",
      );
    }
  }
  const problemOf = { jwt: () => undefined, aws_iam: patternProblem, aws_identity: soleProblem(document) }[kind];
  for (const [index, arn] of list(given.bound_iam_principal_arns).entries()) {
    checked(problemOf, arn, [...path, "bound_iam_principal_arns", index], refuse);
  }
}

function tokenOf(token: Loose, kind: Kind, path: Path, refuse: Refuse): void {
  for (const [index, policy] of list(token.policies).entries()) {
    if (policy === "root") refuse([...path, "policies", index], "must not be `root`, which may do everything");
  }
  // A proof of an IAM identity has no end of its own that would bound the token.
  const [longest, inWords] =
    kind === "aws_identity" ? [15 * 60, "15s to 15m, since the caller is an IAM identity"] : [86_400, "15s to 24h"];
  within(token.ttl, 15, longest, inWords, [...path, "ttl"], refuse);
  within(token.wrap_ttl, 15, 86_400, "15s to 24h", [...path, "wrap_ttl"], refuse);
  const [ttl, wrapTtl] = [seconds(token.ttl), seconds(token.wrap_ttl)];
  if (ttl !== undefined && wrapTtl !== undefined && wrapTtl > ttl) {
    refuse([...path, "wrap_ttl"], "must not be longer than `ttl`: the token would end while it waits to be unwrapped");
  }
  if (typeof token.num_uses === "number" && !isToken(token.num_uses) && token.num_uses >= 2 ** 64) {
    refuse([...path, "num_uses"], "must be a whole number below 2^64; without limit where it is left out");
  }

  const claim = text(mapping(token.entity_alias).claim);
  if (claim === undefined) return;
  if (kind === "aws_identity") refuse([...path, "entity_alias"], "never holds: an IAM proof has no claims");
  if (kind === "aws_iam" && isChosenByTheCaller(claim)) {
    refuse(
      [...path, "entity_alias", "claim"],
      "`request_tags` are whatever the caller asked for: use `principal_tags`",
    );
  }
}

// Addresses.

/** Where a credential may go: nobody may read along, but on this machine. */
function endpointProblem(address: string): string | undefined {
  if (!VISIBLE.test(address)) return "must be visible ASCII, an internationalised host in its `xn--` form";
  const url = parsed(address);
  if (url === undefined || url.hostname === "") return "must be an absolute URL with a host";
  if (url.protocol !== "https:" && !(url.protocol === "http:" && isLoopback(url))) {
    return "must be https: plain http is for a loopback host, and would show every token to the network";
  }
  if (url.username !== "" || url.password !== "") return "must not contain a user or a password";
  if (url.href.includes("#")) return "must not contain a fragment";
  return url.href.includes("?") ? "must not contain a query" : undefined;
}

/** A JWK set's address may have a query: no credential goes there. */
function keyUriProblem(uri: string): string | undefined {
  const [endpoint = uri] = uri.split("?");
  return endpointProblem(endpoint) ?? (parsed(uri) === undefined ? "must be an absolute URL with a host" : undefined);
}

/** What answers as STS decides who the signer is. */
function loopbackProblem(endpoint: string): string | undefined {
  const url = parsed(endpoint);
  const isBare = url !== undefined && url.username === "" && url.password === "" && url.pathname === "/";
  const isRoot = isBare && !/[?#]/.test(url.href);
  if (isRoot && ["http:", "https:"].includes(url.protocol) && isLoopback(url)) return undefined;
  return (
    "is for development: it must be on this machine (127.0.0.0/8, ::1 or localhost), written like `http://127.0.0.1:4566/`, " +
    "without a user, a path, a query or a fragment"
  );
}

/** Whoever could put another host here would say who every principal is. */
function awsIssuerProblem(issuer: string): string | undefined {
  const problem = endpointProblem(issuer);
  const url = parsed(issuer);
  if (problem !== undefined || url === undefined) return problem;
  const isAws = url.protocol === "https:" && url.port === "" && url.pathname === "/";
  if ((isAws && url.hostname.endsWith(".tokens.sts.global.api.aws")) || isLoopback(url)) return undefined;
  return "must be an account's own issuer: https://….tokens.sts.global.api.aws";
}

/** Ports differ where the issuer is one of development. */
function isBeside(uri: string, issuer: string): boolean {
  const [one, other] = [parsed(uri), parsed(issuer)];
  if (one === undefined || other === undefined) return false;
  const isSameHost = one.protocol === other.protocol && one.hostname === other.hostname;
  return isSameHost && (one.port === other.port || isLoopback(one));
}

/** By its very name. The parser has written `127.1` in full. */
function isLoopback({ hostname }: URL): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127(\.[0-9]{1,3}){3}$/.test(hostname);
}

function parsed(address: string): URL | undefined {
  try {
    return new URL(address);
  } catch {
    return undefined;
  }
}

// Names.

const VISIBLE = /^[!-~]+$/;

function visibleProblem(given: string): string | undefined {
  return VISIBLE.test(given) ? undefined : "must be visible ASCII, without spaces";
}

function longerThan(bytes: number) {
  return (given: string) => (Buffer.byteLength(given) > bytes ? `must have at most ${bytes} bytes` : undefined);
}

function regionProblem(region: string): string | undefined {
  return region.length <= 32 && /^[a-z]+(-[a-z]+)+-[0-9]{1,2}$/.test(region)
    ? undefined
    : "an AWS region is written like `eu-west-1`";
}

function roleProblem(role: string): string | undefined {
  return role.includes("..") ? "must be a Vault role's name, without `..`" : undefined;
}

/** A `/*` may end a template; no segment may be empty. */
const ROUTE = /^(\$connect|(\*|DELETE|GET|HEAD|OPTIONS|PATCH|POST|PUT) (\$default|\/|\/\*|(\/[!-)+-.0-~]+)+(\/\*)?))$/;

function routeProblem(route: string): string | undefined {
  if (ROUTE.test(route)) return undefined;
  return (
    "must be `METHOD template`, such as `GET /orders/{id}`, `* /orders/*` or `GET $default`; or `$connect` alone. The method is " +
    "`*` or one of DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT; `*` may stand only as a template's last segment, no segment " +
    "may be empty, and no slash may stand at its end"
  );
}

// IAM principals.

const PARTITION = "aws(-us-gov|-cn|-eusc|-iso|-iso-b|-iso-e|-iso-f)?";
const PRINCIPAL = new RegExp(
  `^arn:${PARTITION}:iam::([0-9]{12}):(user|role)/([!-~]{1,510}/)?[A-Za-z0-9_+=,.@-]{1,64}$`,
);
const NO_PRINCIPAL =
  "must be the ARN of an IAM user or role, such as `arn:aws:iam::123456789012:role/name`: no session, no root user, no " +
  "federated user";

/** GetCallerIdentity drops a role's path, so a pattern would cover roles of any path: exactly one principal, by STS's name. */
function soleProblem(document: Configuration) {
  return (arn: string) => {
    if (/[*?]/.test(arn)) {
      return "must not hold `*` or `?`: GetCallerIdentity drops a role's path, so a pattern would cover more than it says";
    }
    const [, , account, kind, path] = PRINCIPAL.exec(arn) ?? [];
    if (account === undefined) return NO_PRINCIPAL;
    if (kind === "role" && path !== undefined) {
      return "never matches: GetCallerIdentity drops a role's path. Write the ARN without it";
    }
    const accounts = list(mapping(document.aws_identity).accounts);
    if (accounts.length === 0 || accounts.some(isToken) || accounts.includes(account)) return undefined;
    return "never matches: its account is not among `aws_identity.accounts`";
  };
}

/** AWS's own tokens name a role with its path, so `*` may stand anywhere in path and name; never in the account. */
function patternProblem(arn: string): string | undefined {
  if (arn.includes("?")) return "must not hold `?`: only `*` stands for other text";
  const parts = arn.split(":");
  const [kind = "", ...name] = parts.slice(5).join(":").split("/");
  if (parts.slice(0, 5).join("").includes("*") || kind.includes("*")) {
    return "may hold `*` only in the path and the name: `arn:aws:iam::123456789012:role/team/*`";
  }
  const written = name.join("/").includes("*") ? arn.replaceAll("*", "x") : arn;
  return PRINCIPAL.test(written) ? undefined : NO_PRINCIPAL;
}

/** Whether a claim's name leads to what the caller of sts:GetWebIdentityToken asked for. */
function isChosenByTheCaller(name: unknown): boolean {
  return typeof name === "string" && /^\/https:~1~1sts\.amazonaws\.com~1\/request_tags(\/|$)/.test(name);
}

// What the rules are made of.

type Loose = Record<string, any>;

function mapping(value: unknown): Loose {
  return isMapping(value) ? value : {};
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A text that is known. */
function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" && !isToken(value) ? value : undefined;
}

function checked(rule: (given: string) => string | undefined, value: unknown, path: Path, refuse: Refuse): void {
  const given = text(value);
  const problem = given === undefined ? undefined : rule(given);
  if (problem !== undefined) refuse(path, problem);
}

function within(span: unknown, least: number, most: number, inWords: string, path: Path, refuse: Refuse): void {
  const given = seconds(span);
  if (given !== undefined && (given < least || given > most)) refuse(path, `must be from ${inWords}`);
}

/** Refuses the second place that uses a value of which there may be one. */
function once(
  seen: Map<string, string>,
  rule: string,
  value: string | undefined,
  path: Path,
  place: string,
  refuse: Refuse,
): void {
  if (value === undefined) return;
  const first = seen.get(`${rule} ${value}`);
  if (first !== undefined) refuse(path, `${rule}; the other is ${first}`);
  seen.set(`${rule} ${value}`, place);
}

function seconds(span: unknown): number | undefined {
  const [, count, unit] = (typeof span === "string" && /^([0-9]+)([smh])$/.exec(span)) || [];
  return unit === undefined ? undefined : Number(count) * { s: 1, m: 60, h: 3600 }[unit as "s" | "m" | "h"];
}
