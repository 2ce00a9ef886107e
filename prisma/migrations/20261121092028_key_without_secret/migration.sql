-- Written by `npm run db:migration`, apart from what stands under "By hand".

-- AlterTable
ALTER TABLE "api_key" ADD COLUMN     "secrets_until" TIMESTAMPTZ(3);

-- By hand: keys that have no secret without an end.
UPDATE "api_key" AS k SET "secrets_until" = ended."at"
FROM (
    SELECT "key_id", max(least("revoked_at", "valid_until")) AS "at"
    FROM "api_key_secret" GROUP BY "key_id"
    HAVING bool_and("revoked_at" IS NOT NULL OR "valid_until" IS NOT NULL)
) AS ended
WHERE ended."key_id" = k."id";

-- By hand: few keys are without a secret, and lists of them should not read the others.
CREATE INDEX "api_key_secrets_until_idx" ON "api_key" ("secrets_until") WHERE "secrets_until" IS NOT NULL;

-- By hand: the view has every column of the table, the new one last.
CREATE OR REPLACE VIEW "own_api_key" AS
SELECT * FROM "api_key"
WHERE "tenant_id" = (SELECT current_setting('fairlead.tenant_id')::uuid)
    AND ((SELECT CASE WHEN coalesce(current_setting('fairlead.product_id', true), '') = '' THEN true END) IS NOT NULL
        OR "product_id" = (SELECT nullif(current_setting('fairlead.product_id', true), '')::uuid))
    AND ((SELECT CASE WHEN coalesce(current_setting('fairlead.user_id', true), '') = '' THEN true END) IS NOT NULL
        OR "user_id" = (SELECT nullif(current_setting('fairlead.user_id', true), '')::uuid));
