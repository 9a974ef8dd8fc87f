// Made of infra/authorizer.schema.json by `npm run generate`. Do not edit.

/**
 * Whose JWTs are accepted, and where their keys come from.
 */
export type Issuer =
  | {
      /**
       * What a signature may be made with. Never taken from the token.
       *
       * @minItems 1
       */
      algorithms: Algorithm[];
      /**
       * Where the audience is. Cognito's access tokens: `client_id`.
       */
      audience_claim?: "aud" | "client_id" | "azp";
      /**
       * A token must name one of these.
       *
       * @minItems 1
       */
      audiences: string[];
      binding?: Binding;
      /**
       * PEM certificates, in a file beside the binary. When given, nothing else is trusted for this issuer's keys.
       */
      ca_file?: string;
      /**
       * `iss`, which must match exactly; mind a slash at the end. Two entries may share one, if no audience is in both.
       */
      issuer: string;
      /**
       * Where the keys come from.
       */
      jwks: "discovery" | JwksPlace;
      kind: "jwt";
      /**
       * Clock difference allowed for `nbf` and `iat`, at most 300s. `exp` has none.
       */
      leeway?: string;
      /**
       * The longest time since `iat`, 1s to 24h. With it, `iat` is required.
       */
      max_age?: string;
      /**
       * Accepted `typ`, without regard to case. A token without `typ` counts as `JWT`.
       *
       * @minItems 1
       */
      types?: string[];
      /**
       * The claim that names the caller: the second half of the caller id. A name that begins with `/` is a JSON pointer.
       */
      user_claim?: string;
    }
  | {
      /**
       * What a signature may be made with; both where it is not written.
       *
       * @minItems 1
       */
      algorithms?: AwsAlgorithm[];
      /**
       * AWS names the audience in `aud` alone.
       */
      audience_claim?: "aud";
      /**
       * A token must name one of these.
       *
       * @minItems 1
       */
      audiences: string[];
      binding?: Binding1;
      /**
       * The account's own issuer, below `tokens.sts.global.api.aws`.
       */
      issuer: string;
      /**
       * Where the keys come from; a `uri` must be on the issuer's own host.
       */
      jwks?: "discovery" | JwksPlace;
      kind: "aws_iam";
      /**
       * Clock difference allowed for `nbf` and `iat`, at most 300s. `exp` has none.
       */
      leeway?: string;
      /**
       * The longest time since `iat`, 1s to 24h. With it, `iat` is required.
       */
      max_age?: string;
      /**
       * Accepted `typ`, without regard to case. A token without `typ` counts as `JWT`.
       *
       * @minItems 1
       */
      types?: string[];
      /**
       * The claim that names the caller; nothing in `request_tags`, which the caller writes.
       */
      user_claim?: string;
    };
/**
 * JWS `alg` (RFC 7518, section 3.1; RFC 8037; RFC 9864). `EdDSA` and `Ed25519` are one.
 */
export type Algorithm =
  "RS256" | "RS384" | "RS512" | "PS256" | "PS384" | "PS512" | "ES256" | "ES384" | "EdDSA" | "Ed25519";
/**
 * What `sts:GetWebIdentityToken` can sign with.
 */
export type AwsAlgorithm = "RS256" | "ES384";
/**
 * What a claim must be.
 */
export type ClaimValues = ClaimValue | ClaimValue[];
/**
 * One value.
 */
export type ClaimValue = string | number | boolean;

/**
 * What each stage of an API gives to whom, and where the authorizer finds Vault and the callers' keys. A document is YAML or JSON.
 */
export interface Configuration {
  answer?: Answer;
  aws_identity?: AwsIdentity;
  /**
   * Where in a request the credential may stand. All places are read, and more than one with a credential is a denial.
   *
   * @minItems 1
   */
  credentials?: CredentialSource[];
  /**
   * Whose JWTs are accepted. The name of an issuer is the first half of every caller id (`corp:alice`).
   */
  issuers?: {
    [k: string]: Issuer;
  };
  limits?: Limits;
  log?: Log;
  /**
   * What each stage of API Gateway gives, by its name; `$default` is the name of an HTTP API's default stage. A stage that is not here is a denial.
   */
  stages: {
    [k: string]: Stage;
  };
  vault: Vault;
}
/**
 * How a refused credential is answered.
 */
export interface Answer {
  /**
   * `policy`, which every kind of API takes, or `simple` for events of HTTP API payload 2.0.
   */
  response?: "policy" | "simple";
  /**
   * `throw`: an error, which REST and WebSocket APIs answer with 401. `deny`: a Deny, 403.
   */
  unauthorized?: "throw" | "deny";
}
/**
 * Which proofs of an IAM identity are accepted: presigned `sts:GetCallerIdentity`.
 */
export interface AwsIdentity {
  /**
   * The callers' accounts, in quotes.
   *
   * @minItems 1
   */
  accounts: string[];
  /**
   * How long after its date a proof is taken, 1s to 15m.
   */
  max_age?: string;
  /**
   * A name of your API's own, which the caller signs as `X-Vault-AWS-IAM-Server-ID`. Not that of your Vault.
   */
  server_id: string;
  /**
   * Whether each instance takes a proof once. It is no protection across instances.
   */
  single_use?: boolean;
  /**
   * Development only: an STS on this machine.
   */
  sts_endpoint?: string;
  /**
   * The regions whose STS a proof may be for.
   *
   * @minItems 1
   */
  sts_regions?: string[];
}
/**
 * One place in a request, by the one key that says of which kind it is.
 */
export interface CredentialSource {
  /**
   * The JWT alone.
   */
  cookie?: string;
  /**
   * Its name, neither `DPoP` nor `x-vault-…`. Its value is `Bearer <JWT>`, `DPoP <JWT>` or `AWS-Identity <proof>`.
   */
  header?: string;
  /**
   * The JWT alone. URLs end up in logs and histories.
   */
  query?: string;
  /**
   * `none`: the header's value is the JWT alone.
   */
  scheme?: "none";
  /**
   * Of `Sec-WebSocket-Protocol: <name>, <JWT>` the protocol after this one.
   */
  websocket_protocol?: string;
}
/**
 * What is asked of sender-constrained tokens, which have the claim `cnf`. What it holds is always proven, but with `verify: elsewhere`.
 */
export interface Binding {
  /**
   * What a DPoP proof may be signed with.
   *
   * @minItems 1
   */
  dpop_algorithms?: Algorithm[];
  /**
   * The URLs that callers use, where API Gateway does not tell: behind a proxy, and of an HTTP or WebSocket API on a custom domain. The path of the call, without the stage, follows.
   *
   * @minItems 1
   */
  public_urls?: string[];
  /**
   * What every token must be bound to. With `none`, one without `cnf` is a plain bearer token.
   */
  require?: "none" | "any" | "dpop" | "mtls";
  /**
   * `elsewhere`: something in front of the API verifies what `cnf` holds, and here nothing is looked at.
   */
  verify?: "elsewhere";
}
/**
 * A JWK set's own place.
 */
export interface JwksPlace {
  /**
   * A file beside the binary, read once.
   */
  file?: string;
  /**
   * `https`, or `http` to a loopback host.
   */
  uri?: string;
}
/**
 * What is asked of sender-constrained tokens, which have the claim `cnf`. What it holds is always proven, but with `verify: elsewhere`.
 */
export interface Binding1 {
  /**
   * What a DPoP proof may be signed with.
   *
   * @minItems 1
   */
  dpop_algorithms?: Algorithm[];
  /**
   * The URLs that callers use, where API Gateway does not tell: behind a proxy, and of an HTTP or WebSocket API on a custom domain. The path of the call, without the stage, follows.
   *
   * @minItems 1
   */
  public_urls?: string[];
  /**
   * What every token must be bound to. With `none`, one without `cnf` is a plain bearer token.
   */
  require?: "none" | "any" | "dpop" | "mtls";
  /**
   * `elsewhere`: something in front of the API verifies what `cnf` holds, and here nothing is looked at.
   */
  verify?: "elsewhere";
}
/**
 * How much may be minted.
 */
export interface Limits {
  /**
   * How many tokens one caller id may have minted each second, by each instance of the function; twice that at once. Times the function's concurrency, keep it to half of `grant_mints_per_second`.
   */
  caller_mints_per_second?: number;
  /**
   * How many tokens of one grant one client address may have minted each second: the rate limit quota that `vault apply` makes.
   */
  grant_mints_per_second?: number;
}
/**
 * What the log shows.
 */
export interface Log {
  /**
   * How the log names callers, and Vault's audit log in the token's metadata.
   */
  caller_id?: "plain" | "hash" | "omit";
}
/**
 * What a stage gives to whom.
 */
export interface Stage {
  /**
   * The APIs that this stage's grants are for. `["*"]` alone is any API.
   *
   * @minItems 1
   */
  api_ids: string[];
  /**
   * Narrows the issuers' audiences for this stage: a token must name one of both.
   *
   * @minItems 1
   */
  audiences?: string[];
  /**
   * In order: the first one whose route and caller match decides.
   *
   * @minItems 1
   */
  grants: Grant[];
  /**
   * The server id that proofs for this stage must be signed for, in place of `aws_identity.server_id`.
   */
  server_id?: string;
}
/**
 * Who gets which Vault token on which routes.
 */
export interface Grant {
  caller: Caller;
  /**
   * Have the next token minted before it is asked for, on instances that are asked for one often.
   */
  mint_ahead?: boolean;
  /**
   * `none`: the caller may pass, and there is no Vault token.
   */
  mode?: "none";
  /**
   * For the log, the context and Vault's audit log. Of one grant in the whole document.
   */
  name: string;
  /**
   * `METHOD template`, as the API names it; `*` is any method but OPTIONS, `/*` at the end all below; `$connect` alone.
   *
   * @minItems 1
   */
  routes: string[];
  token?: Token;
}
/**
 * Who vouches for the callers, and what must hold of them.
 */
export interface Caller {
  /**
   * Any caller of the issuer. Required where nothing is bound.
   */
  any?: boolean;
  /**
   * Callers that prove an IAM identity.
   */
  aws_identity?: true;
  /**
   * What the token must be bound to. It does not say who the caller is, so it needs another bound, or `any`.
   */
  binding?: "dpop" | "mtls" | "any";
  /**
   * Claims that must all hold; of a list, one item will do. A name that begins with `/` is a JSON pointer.
   */
  bound_claims?: {
    [k: string]: ClaimValues;
  };
  /**
   * `glob`: in texts, each `*` stands for any run of characters.
   */
  bound_claims_type?: "string" | "glob";
  /**
   * ARNs of users and roles, of which one will do.
   *
   * @minItems 1
   */
  bound_iam_principal_arns?: string[];
  /**
   * Unique ids, of which one will do: `AROA…` of a role, `AIDA…` of a user.
   *
   * @minItems 1
   */
  bound_iam_principal_ids?: string[];
  /**
   * `sub`, which must match exactly.
   */
  bound_subject?: string;
  /**
   * One of `issuers`.
   */
  issuer?: string;
}
/**
 * The Vault token that it gives.
 */
export interface Token {
  entity_alias?: EntityAlias;
  /**
   * How often the token may be used. Every call counts, the revoke too.
   */
  num_uses?: number;
  /**
   * The role's `allowed_policies` in Vault, beside `vault-authorizer-self`.
   *
   * @minItems 1
   */
  policies: string[];
  /**
   * The Vault token role, of this grant alone.
   */
  role: string;
  /**
   * The longest life of the token, 15s to 24h.
   */
  ttl: string;
  /**
   * The longest life of the wrapping token: the time that the integration has to unwrap.
   */
  wrap_ttl: string;
}
/**
 * Whose templated policies the token has.
 */
export interface EntityAlias {
  /**
   * The claim. A name that begins with `/` is a JSON pointer.
   */
  claim: string;
}
/**
 * Where Vault is, and how the authorizer logs in.
 */
export interface Vault {
  /**
   * Vault's URL: `https`, or `http` to a loopback host. It must match the integration's exactly.
   */
  address: string;
  /**
   * PEM certificates, in a file beside the binary. When given, nothing else is trusted for Vault.
   */
  ca_file?: string;
  /**
   * PEM certificate that the authorizer shows to a Vault that asks for one.
   */
  client_cert_file?: string;
  /**
   * Its private key: PEM, not encrypted.
   */
  client_key_file?: string;
  /**
   * How the authorizer gets its own token.
   */
  login:
    | {
        method: "aws";
        /**
         * Where the method is mounted, below `auth/`.
         */
        mount?: string;
        /**
         * The role of the AWS auth method.
         */
        role: string;
        /**
         * `X-Vault-AWS-IAM-Server-ID`, signed into each login: Vault's `iam_server_id_header_value`.
         */
        server_id: string;
        /**
         * Development only: an STS on this machine.
         */
        sts_endpoint?: string;
        /**
         * The region of the STS that Vault asks.
         */
        sts_region?: string;
      }
    | {
        /**
         * A file with a JWT, read at each login.
         */
        jwt_file?: string;
        method: "jwt";
        /**
         * Where the method is mounted, below `auth/`.
         */
        mount?: string;
        /**
         * The role of the JWT auth method.
         */
        role: string;
        /**
         * Development only: an STS on this machine.
         */
        sts_endpoint?: string;
        /**
         * With `web_identity_audience`: the region whose STS is asked. Take the function's own.
         */
        sts_region?: string;
        /**
         * The function asks STS for a JWT of its own role with this `aud`.
         */
        web_identity_audience?: string;
      }
    | {
        method: "approle";
        /**
         * Where the method is mounted, below `auth/`.
         */
        mount?: string;
        /**
         * The role's id.
         */
        role_id: string;
        /**
         * One of its secret ids. Whoever may read the function's settings has it: prefer a file.
         */
        secret_id?: string;
        /**
         * A file with the secret id, read at each login.
         */
        secret_id_file?: string;
      }
    | {
        method: "token";
        /**
         * The token itself, used as it is and never renewed.
         */
        token: string;
      };
  /**
   * Sent with every call, the login included.
   */
  namespace?: string;
}
