-- By hand: the keys that whoever is behind the fence may see, for lists of them.
--
-- Behind a policy Postgres applies a condition before the policy's own only when its operator is known not to tell
-- anything of the rows that it looks at ("leakproof"). That of enums is not, nor is that of arrays, so a list of a few
-- keys by kind or scope would read all keys of the tenant, and be planned without knowing how many meet the condition.
-- That rule protects rows from statements of the reader's own making. Tenants send none: the fence is there for
-- statements of the program that forget whose rows they ask for. This view has the same rows as the policies let through,
-- for the same settings, and no statement can ask it for others; its conditions are like any other to the planner.
-- It reads as its owner, whom the policies do not concern. Should the table get another owner, it shows nothing.
CREATE VIEW "own_api_key" AS
SELECT * FROM "api_key"
WHERE "tenant_id" = (SELECT current_setting('fairlead.tenant_id')::uuid)
    AND ((SELECT CASE WHEN coalesce(current_setting('fairlead.product_id', true), '') = '' THEN true END) IS NOT NULL
        OR "product_id" = (SELECT nullif(current_setting('fairlead.product_id', true), '')::uuid))
    AND ((SELECT CASE WHEN coalesce(current_setting('fairlead.user_id', true), '') = '' THEN true END) IS NOT NULL
        OR "user_id" = (SELECT nullif(current_setting('fairlead.user_id', true), '')::uuid));
GRANT SELECT ON "own_api_key" TO fairlead_tenant;
