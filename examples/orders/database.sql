-- The orders of two tenants in one table, of which each tenant's role sees its own rows.
--
--   createdb orders
--   psql -v vault_password=… -d orders -f database.sql
--
-- Vault makes a user in one of the two roles for each request. Its policies decide for whom, row-level security which rows that
-- user sees: the application decides neither.

CREATE ROLE acme NOLOGIN;
CREATE ROLE globex NOLOGIN;

CREATE TABLE orders (
    id       integer PRIMARY KEY,
    tenant   text    NOT NULL,
    item     text    NOT NULL,
    quantity integer NOT NULL
);
INSERT INTO orders VALUES
    (1001, 'acme',   'tea',  3),
    (1002, 'acme',   'cups', 6),
    (2001, 'globex', 'ink',  12);

ALTER TABLE orders ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON orders TO acme, globex;
CREATE POLICY acme ON orders TO acme USING (tenant = 'acme');
CREATE POLICY globex ON orders TO globex USING (tenant = 'globex');

-- Vault makes and drops users with this one. It sees no rows itself. Let Vault change the password afterwards
-- (vault write -force database/rotate-root/orders), so that nobody else has it.
CREATE ROLE vault LOGIN CREATEROLE PASSWORD :'vault_password';
GRANT acme, globex TO vault WITH ADMIN TRUE, INHERIT FALSE, SET FALSE;
