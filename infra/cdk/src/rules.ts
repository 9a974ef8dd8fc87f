/**
 * Holds a document against the function's own table of rules. What the table's words mean is written in
 * authorizer/document/src/rules.rs, and they mean the same here.
 *
 * Of a CDK token, whose value only CloudFormation will know, no more is judged than that it is there, and whether it stands for
 * text, a number or a list.
 */

import { Token, Tokenization } from "aws-cdk-lib";
import table from "./authorizer.rules.json";

/** What is wrong, and where: `stages.prod.grants[2].token.ttl`. */
export interface Problem {
  readonly path: string;
  readonly message: string;
}

/** One thing that must hold, with what its word takes. */
interface Rule {
  readonly rule: string;
  /** The kinds that it is for; all, where it names none. */
  readonly of?: string[];
  readonly message: string;
  readonly [argument: string]: any;
}

const PLACES = new Map<string, { own: Rule[]; between?: Rule[] }>(Object.entries(table.places));
const KINDS = new Map(Object.entries(table.kinds));

/** A value at a place that the table knows, and the rules that are for its kind. */
interface Node {
  readonly path: string;
  /** Its key in the mapping around it. */
  readonly name: string;
  readonly value: unknown;
  readonly own: Rule[];
  readonly between: Rule[];
}

/** All that is wrong with a document, in the order of the places. */
export function ruleProblems(document: unknown): Problem[] {
  const nodes = nodesOf(document, document);
  const own = nodes.flatMap((node) => {
    const broken = node.own.find((rule) => OWN[rule.rule]!(rule, node, document));
    if (broken === undefined) return [];
    const known = within(within(document).get(broken.section ?? ""))
      .keys.sort()
      .map(quoted);
    const message = broken.message.replace("{known}", () => known.join(", ") || "none");
    return [{ path: node.path, message }];
  });
  const told = new Set(own.map(({ path }) => path));
  const between = [...nodes.flatMap(problemsBetween), ...repeated(nodes)].filter(({ path }) => !told.has(path));
  // A line end comes before all that a path may hold.
  const all = new Map([...own, ...between].map((problem) => [`${problem.path}\n${problem.message}`, problem]));
  return [...all.keys()].sort().map((key) => all.get(key)!);
}

/** What stands at a place and below it. */
function nodesOf(document: unknown, value: unknown, path = "", at = "", name = "", around?: string): Node[] {
  const place = PLACES.get(at);
  if (place === undefined) return [];
  const tag = KINDS.get(at);
  const kind = tag === undefined ? around : kindOf(tag, value, document);
  const forKind = (rules: Rule[] = []) => rules.filter(({ of = [] }) => of.length === 0 || of.includes(kind ?? ""));
  const node = { path, name, value, own: forKind(place.own), between: forKind(place.between) };
  if (isToken(value)) return [node];
  const item = (one: unknown, index: number) => nodesOf(document, one, `${path}[${index}]`, `${at}[]`, "", kind);
  if (Array.isArray(value)) return [node, ...Array.from(value, item).flat()];
  if (!isMapping(value)) return [node];
  const any = below(at, "*");
  const entry = (key: string) => {
    const itsPlace = PLACES.has(any) ? any : below(at, key);
    return nodesOf(document, value[key], below(path, quoted(key)), itsPlace, key, kind);
  };
  // A key without a name is nobody's place.
  const keys = Object.keys(value).filter((key) => key !== "" || PLACES.has(any));
  return [node, ...keys.sort().flatMap(entry)];
}

/** A grant is of its callers' kind. */
function kindOf(key: string, value: unknown, document: unknown): string | undefined {
  const told = field(value, key);
  if (key !== "caller") return text(told);
  const issuer = field(told, "issuer");
  if (issuer === undefined) return field(told, "aws_identity") === true ? "aws_identity" : undefined;
  return text(field(field(field(document, "issuers"), text(issuer) ?? ""), "kind"));
}

/** Whether a value breaks a rule. */
const OWN: Record<string, (rule: Rule, node: Node, document: unknown) => boolean> = {
  type: ({ types }, { value }) =>
    !Tokenization.isResolvable(value) && !types.some((type: string) => TYPES[type]!(value)),
  filled: (_, { value }) =>
    value === "" || ((Array.isArray(value) || isMapping(value)) && Object.keys(value).length === 0),
  one_of: ({ values }, { value }) =>
    ["string", "boolean"].includes(typeof value) && !isToken(value) && !values.includes(value),
  pattern: (rule, { value }) => match(rule, text(value)) === null,
  not: (rule, { value }) => Boolean(match(rule, text(value))),
  named: (rule, { name }) => !isToken(name) && match(rule, name) === null,
  not_named: (rule, { name }) => !isToken(name) && match(rule, name) !== null,
  length: ({ most }, { value }) => [...(text(value) ?? "")].length > most,
  range: ({ least, most = Infinity }, { value }) =>
    typeof value === "number" && !isToken(value) && !(Number.isInteger(value) && value >= least && value <= most),
  seconds: ({ least, most }, { value }) => seconds(text(value)) < least || seconds(text(value)) > most,
  never: () => true,
  needs: ({ section }, { value }, document) => value !== false && !within(document).has(section),
  among: (rule, { value }, document) => {
    const one = rule.pattern === undefined ? text(value) : match(rule, text(value))?.[1];
    const section = within(document).get(rule.section);
    if (one === undefined || isToken(section)) return false;
    if (!Array.isArray(section) && !isMapping(section)) return rule.pattern === undefined;
    const all: unknown[] = Array.isArray(section) ? section : Object.keys(section);
    return !all.includes(one) && !all.some(isToken);
  },
  alone: ({ value: one }, { value }) => Array.isArray(value) && value.length > 1 && value.includes(one),
};

const TYPES: Record<string, (value: unknown) => boolean> = {
  text: (value) => typeof value === "string",
  whole: (value) => typeof value === "number" && (isToken(value) || Number.isSafeInteger(value)),
  number: (value) => typeof value === "number",
  boolean: (value) => typeof value === "boolean",
  list: Array.isArray,
  mapping: isMapping,
  null: (value) => value === null || value === undefined,
};

function problemsBetween({ path, value, between }: Node): Problem[] {
  if (!isMapping(value)) return [];
  return between.flatMap((rule) => {
    return BETWEEN[rule.rule]!(rule, within(value)).map((key) => ({ path: below(path, key), message: rule.message }));
  });
}

/** The keys at which a broken rule is told; an empty one is the mapping itself. */
const BETWEEN: Record<string, (rule: Rule, its: ReturnType<typeof within>) => string[]> = {
  keys: ({ keys }, its) => its.keys.filter((key) => !keys.includes(key)).map(quoted),
  has: ({ key }, its) => at(key, its.get(key) === undefined),
  some: ({ keys, tell = "" }, its) => at(tell, !keys.some(its.has)),
  single: ({ keys }, its) => at("", keys.filter(its.has).length > 1),
  beside: ({ key, other }, its) => at(key, its.has(other) && !its.has(key)),
  never_with: ({ key, other }, its) => at(key, its.has(key) && its.has(other)),
  at_most: ({ key, other }, its) => at(key, seconds(its.text(key)) > seconds(its.text(other))),
  fits: (rule, its) => at(rule.when, its.text(rule.when) === rule.is && match(rule, its.text(rule.key)) === null),
  same: (rule, its) => {
    const [one, other] = [rule.key, rule.other].map((key) => match(rule, its.text(key))?.[1]);
    return at(rule.key, one !== undefined && other !== undefined && one !== other);
  },
  unique: () => [],
};

function at(key: string, isBroken: boolean): string[] {
  return isBroken ? [key] : [];
}

/** What two mappings of one place have in common and may not. */
function repeated(nodes: Node[]): Problem[] {
  // Not by the path: two may read alike, where they are cut.
  const first = new Map<string, Node>();
  const ofNode = (node: Node, { key, by = {}, fold, message }: Rule): Problem[] => {
    const its = within(node.value);
    if (Object.keys(by).map(its.get).some(isToken)) return [];
    const beside = Object.entries(by).map(([other, none]) => {
      const one = its.get(other);
      return typeof one === "string" ? one : none;
    });
    const others = [its.get(key)].flat().map((one) => {
      if (typeof one !== "string" || isToken(one)) return node;
      const place = JSON.stringify([message, key, beside, fold ? lower(one) : one]);
      first.set(place, first.get(place) ?? node);
      return first.get(place)!;
    });
    // All are looked at, and the first is told.
    const other = others.find((one) => one !== node);
    if (other === undefined) return [];
    return [{ path: below(node.path, key), message: message.replace("{other}", () => below(other.path, key)) }];
  };
  return nodes.flatMap((node) => {
    return node.between.filter(({ rule }) => rule === "unique").flatMap((rule) => ofNode(node, rule));
  });
}

/** What stands in a mapping, `a.b` one further down. Neither `false` nor what stands in a token is there. */
function within(value: unknown) {
  const get = (keys: string) => keys.split(".").reduce(field, value);
  return {
    keys: isMapping(value) ? Object.keys(value) : [],
    get,
    text: (keys: string) => text(get(keys)),
    has: (keys: string) => ![undefined, false].includes(get(keys) as undefined),
  };
}

function field(value: unknown, key: string): unknown {
  return isMapping(value) ? value[key] : undefined;
}

/** A text that is known, and not empty. */
function text(value: unknown): string | undefined {
  return typeof value === "string" && value !== "" && !isToken(value) ? value : undefined;
}

/** `NaN`, which is neither more nor less than anything, where it is no span of time. */
function seconds(span = ""): number {
  const [, digits, unit = ""] = /^([0-9]+)([smh])$/.exec(span) ?? [];
  return Number(digits) * 60 ** "smh".indexOf(unit);
}

/** `null` if it does not match, `undefined` if there is no text. */
function match({ pattern, fold }: Rule, given: string | undefined): RegExpExecArray | null | undefined {
  return given === undefined ? undefined : new RegExp(pattern, "u").exec(fold ? lower(given) : given);
}

/** ASCII alone: `toLowerCase` makes a `k` of the Kelvin sign. */
function lower(given: string): string {
  return given.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}

export function isToken(value: unknown): boolean {
  // An item of a token for a list is no token by itself.
  return Token.isUnresolved(value) || Token.isUnresolved([value]);
}

export function isMapping(value: unknown): value is Record<string, any> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isToken(value);
}

export function below(path: string, key: string): string {
  return path === "" || key === "" ? path + key : `${path}.${key}`;
}

/** A key as it may stand in a path: one that could be mistaken for a longer path is quoted, an endless one is cut. */
export function quoted(key: string): string {
  const short = [...key].slice(0, 128).join("");
  const shown = /^[A-Za-z0-9_$/:-]+$/.test(short) ? short : JSON.stringify(short);
  return short === key ? shown : `${shown}…`;
}
