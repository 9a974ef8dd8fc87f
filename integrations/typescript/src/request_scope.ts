// One HTTP request's token: opened when it is first asked for, revoked when the response is over.

import type { HeaderSource } from "./context.js";
import type { Integration } from "./integration.js";
import type { VaultToken } from "./token.js";

/** As much of Node's `ServerResponse` as is needed here, and of its counterpart of HTTP/2. */
export interface Closing {
  readonly closed?: boolean;
  readonly stream?: { readonly closed: boolean };
  once(event: "close", listener: () => void): unknown;
}

/** Answers the function that opens the token, once per request however often it is called. */
export function tokenOfRequest(integration: Integration, headers: HeaderSource, response: Closing): () => Promise<VaultToken> {
  // The caller may have hung up before this: then "close" does not come any more.
  const isClosed = response.closed ?? response.stream?.closed ?? false;
  const closed = new Promise<void>((resolve) => (isClosed ? resolve() : response.once("close", resolve)));
  let opening: Promise<VaultToken> | undefined;
  return () => {
    if (opening === undefined) {
      opening = integration.openHeaders(headers);
      // A token that could not be opened is the handler's to answer, and there is nothing to revoke.
      opening.then((token) => closed.then(() => token[Symbol.asyncDispose]()), () => undefined);
    }
    return opening;
  };
}
