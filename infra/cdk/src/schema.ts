/**
 * Holds a document against `authorizer.schema.json`, and says what is wrong in the words of docs/configuration.md.
 *
 * CDK's tokens, whose value only CloudFormation will know, are not judged by patterns and bounds.
 */

import { Token } from "aws-cdk-lib";
import { type ErrorObject } from "ajv";
import Ajv2020 from "ajv/dist/2020";
import schema from "./authorizer.schema.json";

/** What is wrong, and where: `["grants", 2, "token", "ttl"]`. */
export interface Problem {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export function schemaProblems(document: unknown): Problem[] {
  if (validate(document)) return [];
  const errors = validate.errors ?? [];
  const problems = errors.filter((error) => isWorthTelling(error, errors)).map(problem);
  const seen = new Set<string>();
  return problems.filter(({ path, message }) => {
    const line = JSON.stringify([path, message]);
    return !seen.has(line) && seen.add(line);
  });
}

type Schema = { [keyword: string]: any };

const validate = new Ajv2020({
  allErrors: true,
  discriminator: true,
  strict: false,
  strictNumbers: true,
  validateFormats: false,
  verbose: true,
  code: { regExp: Object.assign(patternForTokens, { code: "patternForTokens" }) },
}).compile(withPreciseChoices(schema) as Schema);

function patternForTokens(pattern: string, flags: string) {
  const expression = new RegExp(pattern, flags);
  // ajv tells patterns apart by their text.
  return { test: (text: string) => isToken(text) || expression.test(text), toString: () => String(expression) };
}

export function isToken(value: unknown): boolean {
  // In a list, a token for the whole list is its only item.
  return Token.isUnresolved(value) || Token.isUnresolved([value]);
}

export function isMapping(value: unknown): value is Record<string, any> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !isToken(value);
}

/**
 * The same schema in a form of which ajv can say which choice was meant: a choice of objects by the key that tells them
 * apart (`kind`, `method`), and a choice of words as an enum.
 */
function withPreciseChoices(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(withPreciseChoices);
  if (typeof part !== "object" || part === null) return part;
  const copy: Schema = Object.fromEntries(Object.entries(part).map(([key, value]) => [key, withPreciseChoices(value)]));
  const choices: Schema[] = Array.isArray(copy.oneOf) ? copy.oneOf : [];
  if (choices.length === 0) return copy;
  if (choices.every((choice) => "const" in choice)) {
    const { oneOf: _, ...rest } = copy;
    return { ...rest, enum: choices.map((choice) => choice.const) };
  }
  const tag = Object.entries(choices[0]?.properties ?? {}).find(([, property]) => "const" in (property as Schema))?.[0];
  if (tag !== undefined && choices.every((choice) => choice.properties?.[tag]?.const !== undefined)) {
    return { ...copy, type: "object", discriminator: { propertyName: tag } };
  }
  return copy;
}

/** Of a choice, only that none of it fits; and nothing of a number that is not known yet. */
function isWorthTelling(error: ErrorObject, all: ErrorObject[]): boolean {
  if (error.keyword === "propertyNames") return false;
  if (typeof error.data === "number" && Token.isUnresolved(error.data)) return false;
  return !all.some((choice) => {
    if (choice === error || !["oneOf", "anyOf"].includes(choice.keyword)) return false;
    return isChoiceOfKeys(choice)
      ? error.schemaPath.startsWith(`${choice.schemaPath}/`)
      : error.instancePath.startsWith(`${choice.instancePath}/`) ||
          // A choice within a choice comes before it.
          (error.instancePath === choice.instancePath && all.indexOf(error) < all.indexOf(choice));
  });
}

function isChoiceOfKeys(error: ErrorObject): boolean {
  return (error.schema as Schema[]).every((choice) => Object.keys(choice).every((keyword) => keyword === "required"));
}

function problem(error: ErrorObject): Problem {
  const path = error.instancePath.split("/").slice(1).map(segment);
  const of = error.parentSchema as Schema;
  const at = (key: string, message: string) => ({ path: [...path, key], message });
  switch (error.keyword) {
    case "required":
      return at(error.params.missingProperty, "is missing");
    case "dependentRequired":
      return at(error.params.missingProperty, `is missing: it is needed beside \`${error.params.property}\``);
    case "additionalProperties":
      return at(
        error.params.additionalProperty,
        `is not a known key; known are: ${Object.keys(of.properties).join(", ")}`,
      );
    case "discriminator": {
      const { tag, tagValue } = error.params;
      const tags = (of.oneOf as Schema[]).map((choice) => choice.properties[tag].const);
      return at(tag, tagValue === undefined ? "is missing" : oneOf(tags));
    }
    default: {
      const named = error.propertyName === undefined ? path : [...path, error.propertyName];
      return { path: named, message: message(error, of) };
    }
  }
}

function message(error: ErrorObject, of: Schema): string {
  switch (error.keyword) {
    case "type":
      return `must be ${WORDS[error.params.type] ?? error.params.type}`;
    case "enum":
      return oneOf(error.params.allowedValues);
    case "const":
      return `must be ${JSON.stringify(error.params.allowedValue)}`;
    case "minItems":
    case "minLength":
      return "must not be empty";
    case "minProperties":
    case "maxProperties":
      if (of.maxProperties === undefined) return "must not be empty";
      return `must have one key of ${Object.keys(of.properties).join(", ")}`;
    case "maxLength":
      return `must have at most ${error.params.limit} characters`;
    case "minimum":
    case "maximum":
      return of.maximum === undefined
        ? `must be at least ${of.minimum}`
        : `must be from ${of.minimum} to ${of.maximum}`;
    case "pattern":
      if (of.pattern === SPAN) return "must be a whole number with a unit: `30s`, `2m`, `1h`";
      return `must match ${error.params.pattern}`;
    case "oneOf":
    case "anyOf":
      if (!isChoiceOfKeys(error)) return `must be ${choices(error.schema as Schema[])}`;
      const keys = (error.schema as Schema[]).flatMap((choice) => choice.required);
      return `needs ${error.keyword === "oneOf" ? "exactly " : ""}one of ${keys.map((key) => `\`${key}\``).join(", ")}`;
    default:
      return error.message ?? error.keyword;
  }
}

const SPAN = schema.$defs.Span.pattern;

const WORDS: Record<string, string> = {
  string: "text",
  array: "a list",
  object: "a mapping",
  boolean: "true or false",
  integer: "a whole number",
  number: "a number",
};

function oneOf(values: unknown[]): string {
  return values.length === 1 ? `must be \`${values[0]}\`` : `must be one of ${values.join(", ")}`;
}

/** The forms of a value in words: "`discovery` or {file: …}, {uri: …}". */
function choices(forms: Schema[]): string {
  return forms.map(form).join(" or ");
}

function form(part: Schema): string {
  if (typeof part.$ref === "string") return form((schema.$defs as Schema)[part.$ref.replace("#/$defs/", "")]);
  if (part.oneOf) return (part.oneOf as Schema[]).map((choice) => `\`${choice.const}\``).join(", ");
  if (part.anyOf) return choices(part.anyOf);
  if (part.type === "array") return `a list of ${form(part.items)}`;
  if (part.type === "object")
    return Object.keys(part.properties)
      .map((key) => `{${key}: …}`)
      .join(", ");
  return WORDS[part.type] ?? part.type;
}

/** A segment of a JSON pointer. */
function segment(text: string): string | number {
  return /^[0-9]+$/.test(text) ? Number(text) : text.replaceAll("~1", "/").replaceAll("~0", "~");
}
