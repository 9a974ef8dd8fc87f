// Vault's error texts, made fit for a log. Removes too much rather than too little: the path and the status beside a text say
// where to look, and Vault's audit log has the rest.

const MAX_CHARS = 400;
const REMOVED = "…";
/** Letters that tokens, JWTs, base64, hex and URL-encoding are written with. */
const WORD = /[A-Za-z0-9+/=_.%~-]+/g;

/** The first line of `text`, bounded, without the token that was sent and without anything that looks like one. */
export function sanitized(text: string, sentToken: string | undefined): string {
  const known = sentToken === undefined ? text : text.replaceAll(sentToken, REMOVED);
  // A document that Vault quotes, such as an error of STS, can hold the signed request.
  const line = tellingLine(known).split("<", 1)[0] ?? "";
  const kept = line.replace(WORD, (word) => (looksSecret(word) ? REMOVED : word)).replace(/\p{Cc}/gu, "");
  return Array.from(kept).slice(0, MAX_CHARS).join("").trim();
}

/** The first line; of the list `1 error occurred:\n\t* permission denied\n\n`, its first item. */
function tellingLine(text: string): string {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "");
  const first = lines[0] ?? "";
  return first.endsWith("occurred:") ? (lines[1] ?? first).replace(/^\* /, "") : first;
}

function looksSecret(word: string): boolean {
  return word.split("/").some(isSecretPart) || (word.length >= 40 && isMixed(word));
}

function isSecretPart(part: string): boolean {
  return (
    /(?:hv[sbr]|[sbr])\..{16}/.test(part) ||
    part.startsWith("eyJ") ||
    (part.length >= 24 && isMixed(part)) ||
    (part.length >= 32 && /[0-9]/.test(part)) ||
    part.length >= 64
  );
}

/** Upper case, lower case and digits together: base64 more often than a name. */
function isMixed(text: string): boolean {
  return /[A-Z]/.test(text) && /[a-z]/.test(text) && /[0-9]/.test(text);
}
