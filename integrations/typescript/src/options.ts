// What an integration is configured with, as its author writes it. `config.ts` checks it.

/** The options of an `Integration`. */
export interface IntegrationOptions {
  /** Vault's address, such as `https://vault.example.com:8200`. Plain `http` only to a loopback host. */
  readonly address: string;
  /** Where the tokens to accept are made: `auth/token/create/<role>` of each grant that leads to this integration. */
  readonly creationPaths: readonly string[];
  /** Vault's namespace, such as `platform/team1`. */
  readonly namespace?: string | undefined;
  /** The certificates to trust in place of Node's own, as PEM text. */
  readonly ca?: string | undefined;
  /** The longest life of a token to accept. Default: 900. */
  readonly maxLeaseSeconds?: number | undefined;
  /** How long one call to Vault may take. Default: 5000. */
  readonly timeoutMs?: number | undefined;
  /** Accepts tokens whose entity adds policies to those of the role: for grants with an `entity_alias`. Default: false. */
  readonly allowIdentityPolicies?: boolean | undefined;
}
