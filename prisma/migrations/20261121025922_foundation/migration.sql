-- Written by `npm run db:migration`, apart from COLLATE "C" and what stands under "By hand".

-- CreateEnum
CREATE TYPE "tenant_status" AS ENUM ('ACTIVE', 'SUSPENDED', 'ARCHIVED');

-- CreateEnum
CREATE TYPE "budget_period" AS ENUM ('LIFETIME', 'MONTHLY', 'TERM');

-- CreateEnum
CREATE TYPE "audit_outcome" AS ENUM ('SUCCEEDED', 'REFUSED', 'DENIED', 'FAILED');

-- CreateTable
CREATE TABLE "fairshare_group" (
    "id" UUID NOT NULL,
    "name" VARCHAR(255) NOT NULL,
    "name_folded" TEXT COLLATE "C" NOT NULL,
    "weight" INTEGER NOT NULL DEFAULT 100,
    "is_default" BOOLEAN NOT NULL DEFAULT false,
    "revision" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "fairshare_group_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "tenant" (
    "id" UUID NOT NULL,
    "name" VARCHAR(255) NOT NULL,
    "name_folded" TEXT COLLATE "C" NOT NULL,
    "description" TEXT NOT NULL DEFAULT '',
    "organization" TEXT NOT NULL DEFAULT '',
    "contact_email" TEXT NOT NULL DEFAULT '',
    "status" "tenant_status" NOT NULL DEFAULT 'ACTIVE',
    "weight" INTEGER NOT NULL DEFAULT 100,
    "fairshare_group_id" UUID NOT NULL,
    "time_zone" TEXT NOT NULL DEFAULT 'UTC',
    "active_from" TIMESTAMPTZ(3),
    "active_until" TIMESTAMPTZ(3),
    "weekly_windows" JSONB,
    "allowed_models" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "requests_per_minute" INTEGER,
    "tokens_per_minute" BIGINT,
    "tokens_per_day" BIGINT,
    "max_in_flight" INTEGER,
    "budget_tokens" BIGINT,
    "budget_cost_usd" DECIMAL(18,6),
    "budget_period" "budget_period",
    "budget_started_at" TIMESTAMPTZ(3),
    "tracing_enabled" BOOLEAN NOT NULL DEFAULT false,
    "guardrails_policy" JSONB,
    "synthetic" BOOLEAN NOT NULL DEFAULT false,
    "revision" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "tenant_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "audit_entry" (
    "id" UUID NOT NULL,
    "chain_id" UUID NOT NULL,
    "sequence" BIGINT NOT NULL,
    "previous_hash" BYTEA NOT NULL,
    "hash" BYTEA NOT NULL,
    "occurred_at" TIMESTAMPTZ(3) NOT NULL,
    "actor_kind" TEXT NOT NULL,
    "actor_id" TEXT,
    "actor_name" TEXT NOT NULL,
    "action" TEXT NOT NULL,
    "target_type" TEXT,
    "target_id" TEXT,
    "outcome" "audit_outcome" NOT NULL,
    "error_code" TEXT,
    "attempts" INTEGER NOT NULL DEFAULT 1,
    "before" JSONB,
    "after" JSONB,
    "request_id" TEXT,
    "ip_address" TEXT,
    "user_agent" TEXT,

    CONSTRAINT "audit_entry_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "audit_chain" (
    "id" UUID NOT NULL,
    "sequence" BIGINT NOT NULL,
    "previous_hash" BYTEA NOT NULL,
    "hash" BYTEA NOT NULL,

    CONSTRAINT "audit_chain_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "rejected_attempt" (
    "minute" TIMESTAMPTZ(0) NOT NULL,
    "ip_address" TEXT NOT NULL,
    "reason" TEXT NOT NULL,
    "attempts" INTEGER NOT NULL,
    "request_id" TEXT,
    "user_agent" TEXT,

    CONSTRAINT "rejected_attempt_pkey" PRIMARY KEY ("minute","ip_address","reason")
);

-- CreateTable
CREATE TABLE "idempotency_record" (
    "credential_id" TEXT NOT NULL,
    "key" VARCHAR(255) NOT NULL,
    "command" TEXT NOT NULL,
    "input_hash" BYTEA NOT NULL,
    "answer" JSONB,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "idempotency_record_pkey" PRIMARY KEY ("credential_id","key")
);

-- CreateTable
CREATE TABLE "outbox_event" (
    "id" UUID NOT NULL,
    "topic" TEXT NOT NULL,
    "tenant_id" UUID,
    "payload" JSONB NOT NULL,
    "occurred_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "outbox_event_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "fairshare_group_name_key" ON "fairshare_group"("name_folded");

-- CreateIndex
CREATE INDEX "fairshare_group_weight_id_idx" ON "fairshare_group"("weight", "id");

-- CreateIndex
CREATE INDEX "fairshare_group_created_at_id_idx" ON "fairshare_group"("created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "tenant_name_key" ON "tenant"("name_folded");

-- CreateIndex
CREATE INDEX "tenant_weight_id_idx" ON "tenant"("weight", "id");

-- CreateIndex
CREATE INDEX "tenant_created_at_id_idx" ON "tenant"("created_at", "id");

-- CreateIndex
CREATE INDEX "tenant_status_name_folded_id_idx" ON "tenant"("status", "name_folded", "id");

-- CreateIndex
CREATE INDEX "tenant_fairshare_group_id_name_folded_id_idx" ON "tenant"("fairshare_group_id", "name_folded", "id");

-- CreateIndex
CREATE INDEX "tenant_fairshare_group_id_weight_id_idx" ON "tenant"("fairshare_group_id", "weight", "id");

-- CreateIndex
CREATE INDEX "tenant_fairshare_group_id_created_at_id_idx" ON "tenant"("fairshare_group_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "audit_entry_occurred_at_id_idx" ON "audit_entry"("occurred_at", "id");

-- CreateIndex
CREATE INDEX "audit_entry_chain_id_occurred_at_id_idx" ON "audit_entry"("chain_id", "occurred_at", "id");

-- CreateIndex
CREATE INDEX "audit_entry_actor_id_occurred_at_id_idx" ON "audit_entry"("actor_id", "occurred_at", "id");

-- CreateIndex
CREATE INDEX "audit_entry_action_occurred_at_id_idx" ON "audit_entry"("action", "occurred_at", "id");

-- CreateIndex
CREATE INDEX "audit_entry_target_id_occurred_at_id_idx" ON "audit_entry"("target_id", "occurred_at", "id");

-- CreateIndex
CREATE INDEX "audit_entry_outcome_occurred_at_id_idx" ON "audit_entry"("outcome", "occurred_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "audit_entry_chain_id_sequence_key" ON "audit_entry"("chain_id", "sequence");

-- CreateIndex
CREATE INDEX "idempotency_record_expires_at_idx" ON "idempotency_record"("expires_at");

-- CreateIndex
CREATE INDEX "outbox_event_occurred_at_id_idx" ON "outbox_event"("occurred_at", "id");

-- AddForeignKey
ALTER TABLE "tenant" ADD CONSTRAINT "tenant_fairshare_group_id_fkey" FOREIGN KEY ("fairshare_group_id") REFERENCES "fairshare_group"("id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- By hand: rules that hold whoever writes the rows.
ALTER TABLE "fairshare_group"
    ADD CONSTRAINT "fairshare_group_weight_check" CHECK ("weight" BETWEEN 1 AND 1000000),
    ADD CONSTRAINT "fairshare_group_revision_check" CHECK ("revision" >= 1);

ALTER TABLE "tenant"
    ADD CONSTRAINT "tenant_weight_check" CHECK ("weight" BETWEEN 1 AND 1000000),
    ADD CONSTRAINT "tenant_revision_check" CHECK ("revision" >= 1),
    ADD CONSTRAINT "tenant_active_window_check" CHECK ("active_until" > "active_from"),
    ADD CONSTRAINT "tenant_requests_per_minute_check" CHECK ("requests_per_minute" >= 0),
    ADD CONSTRAINT "tenant_tokens_per_minute_check" CHECK ("tokens_per_minute" >= 0),
    ADD CONSTRAINT "tenant_tokens_per_day_check" CHECK ("tokens_per_day" >= 0),
    ADD CONSTRAINT "tenant_max_in_flight_check" CHECK ("max_in_flight" >= 0),
    ADD CONSTRAINT "tenant_budget_tokens_check" CHECK ("budget_tokens" >= 0),
    -- NaN counts as larger than every number.
    ADD CONSTRAINT "tenant_budget_cost_usd_check" CHECK ("budget_cost_usd" >= 0 AND "budget_cost_usd" <> 'NaN');

-- By hand: the group of every tenant that names no other. There is one, and never a second.
CREATE UNIQUE INDEX "fairshare_group_is_default_key" ON "fairshare_group"("is_default") WHERE "is_default";

INSERT INTO "fairshare_group" ("id", "name", "name_folded", "weight", "is_default", "updated_at")
VALUES ('01900000-0000-7000-8000-000000000001', 'default', 'default', 100, true, CURRENT_TIMESTAMP);

-- By hand: lets a search for a part of a tenant's name (LIKE '%part%') look only at rows that can match. It changes no
-- answer, so a server that does not offer the extension pg_trgm, or not to this role, goes without.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX "tenant_name_folded_trigram_idx" ON "tenant" USING gin ("name_folded" gin_trgm_ops);
EXCEPTION WHEN OTHERS THEN
    RAISE WARNING 'no trigram index on tenant names, searches read them all: %', SQLERRM;
END
$$;
