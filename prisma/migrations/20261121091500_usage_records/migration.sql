-- Written by `npm run db:migration`, apart from COLLATE "C" and what stands under "By hand".

-- CreateEnum
CREATE TYPE "usage_admission" AS ENUM ('FAST', 'QUEUED');

-- CreateEnum
CREATE TYPE "usage_settlement" AS ENUM ('SETTLED', 'LATE', 'UNSETTLED');

-- CreateEnum
CREATE TYPE "cache_status" AS ENUM ('HIT', 'MISS', 'OFF');

-- CreateTable
CREATE TABLE "usage_record" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "fairshare_group_id" UUID NOT NULL,
    "key_id" UUID NOT NULL,
    "user_id" UUID,
    "team_id" UUID,
    "app_id" UUID,
    "product_id" UUID,
    "engine_id" UUID,
    "model_id" UUID NOT NULL,
    "model_name" TEXT COLLATE "C" NOT NULL,
    "gateway_id" UUID NOT NULL,
    "request_id" TEXT COLLATE "C" NOT NULL,
    "session_id" TEXT COLLATE "C",
    "request_type" TEXT COLLATE "C" NOT NULL,
    "admission" "usage_admission" NOT NULL,
    "settlement" "usage_settlement" NOT NULL,
    "status_code" INTEGER,
    "estimated_input_tokens" BIGINT NOT NULL,
    "estimated_output_tokens" BIGINT NOT NULL,
    "input_tokens" BIGINT,
    "output_tokens" BIGINT,
    "queue_wait_ms" INTEGER NOT NULL,
    "ttft_ms" INTEGER,
    "total_ms" INTEGER,
    "cache_status" "cache_status" NOT NULL,
    "cost_usd" DECIMAL(24,12) NOT NULL,
    "completed_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "usage_record_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "usage_record_completed_at_id_idx" ON "usage_record"("completed_at", "id");

-- CreateIndex
CREATE INDEX "usage_record_tenant_id_completed_at_id_idx" ON "usage_record"("tenant_id", "completed_at", "id");

-- CreateIndex
CREATE INDEX "usage_record_key_id_completed_at_id_idx" ON "usage_record"("key_id", "completed_at", "id");

-- CreateIndex
CREATE INDEX "usage_record_model_id_completed_at_id_idx" ON "usage_record"("model_id", "completed_at", "id");

-- CreateIndex
CREATE INDEX "usage_record_request_id_idx" ON "usage_record"("request_id");

-- By hand: rules that hold whoever writes the rows.
ALTER TABLE "usage_record"
    -- What nobody has said is not known; what was said once is whole.
    ADD CONSTRAINT "usage_record_settlement_check" CHECK (
        ("settlement" = 'UNSETTLED') = ("status_code" IS NULL)
        AND num_nulls("status_code", "input_tokens", "output_tokens") IN (0, 3)
        AND ("status_code" IS NOT NULL OR num_nonnulls("ttft_ms", "total_ms") = 0)
    ),
    ADD CONSTRAINT "usage_record_status_code_check" CHECK ("status_code" BETWEEN 100 AND 599),
    ADD CONSTRAINT "usage_record_tokens_check" CHECK (
        "estimated_input_tokens" >= 0 AND "estimated_output_tokens" >= 0 AND "input_tokens" >= 0 AND "output_tokens" >= 0
    ),
    ADD CONSTRAINT "usage_record_times_check" CHECK ("queue_wait_ms" >= 0 AND "ttft_ms" >= 0 AND "total_ms" >= 0),
    -- NaN is greater than every number.
    ADD CONSTRAINT "usage_record_cost_usd_check" CHECK ("cost_usd" BETWEEN 0 AND 999999999999);

-- By hand: every index is written with every request, so there is one only where a list would read the whole table
-- without it. These hold no more than the rows that have the value: for most requests they cost nothing.
CREATE INDEX "usage_record_user_idx" ON "usage_record" ("user_id", "completed_at", "id") WHERE "user_id" IS NOT NULL;
CREATE INDEX "usage_record_product_idx" ON "usage_record" ("product_id", "completed_at", "id") WHERE "product_id" IS NOT NULL;
CREATE INDEX "usage_record_session_idx" ON "usage_record" ("session_id", "completed_at", "id") WHERE "session_id" IS NOT NULL;
CREATE INDEX "usage_record_not_settled_idx" ON "usage_record" ("completed_at", "id") WHERE "settlement" <> 'SETTLED';
CREATE INDEX "usage_record_failed_idx" ON "usage_record" ("completed_at", "id") WHERE "status_code" >= 400;

-- By hand: the second fence. Tenants only read it: rows are written for whoever owns the queues.
GRANT SELECT ON "usage_record" TO fairlead_tenant;
ALTER TABLE "usage_record" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "usage_record_of_tenant" ON "usage_record" TO fairlead_tenant USING ("tenant_id" = (SELECT current_setting('fairlead.tenant_id')::uuid));
CREATE POLICY "usage_record_of_product" ON "usage_record" AS RESTRICTIVE TO fairlead_tenant
    USING ((SELECT CASE WHEN coalesce(current_setting('fairlead.product_id', true), '') = '' THEN true END) IS NOT NULL OR "product_id" = (SELECT nullif(current_setting('fairlead.product_id', true), '')::uuid));
CREATE POLICY "usage_record_of_user" ON "usage_record" AS RESTRICTIVE TO fairlead_tenant
    USING ((SELECT CASE WHEN coalesce(current_setting('fairlead.user_id', true), '') = '' THEN true END) IS NOT NULL OR "user_id" = (SELECT nullif(current_setting('fairlead.user_id', true), '')::uuid));
