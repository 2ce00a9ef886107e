-- Written by `npm run db:migration`, apart from COLLATE "C", the generated columns and what stands under "By hand".

-- CreateEnum
CREATE TYPE "user_status" AS ENUM ('ACTIVE', 'DEACTIVATED');

-- CreateEnum
CREATE TYPE "app_status" AS ENUM ('ACTIVE', 'ARCHIVED');

-- CreateEnum
CREATE TYPE "product_status" AS ENUM ('ACTIVE', 'SUSPENDED', 'DELETING');

-- CreateEnum
CREATE TYPE "engine_status" AS ENUM ('PROVISIONING', 'RUNNING', 'SLEEPING', 'STOPPED', 'FAILED', 'DESTROYING');

-- CreateEnum
CREATE TYPE "engine_health" AS ENUM ('UNKNOWN', 'HEALTHY', 'UNHEALTHY');

-- CreateEnum
CREATE TYPE "key_kind" AS ENUM ('ADMIN', 'TENANT', 'APP', 'PUBLISHABLE', 'PRODUCT', 'USER', 'ENGINE', 'GATEWAY');

-- CreateEnum
CREATE TYPE "key_environment" AS ENUM ('LIVE', 'TEST');

-- CreateEnum
CREATE TYPE "secret_origin" AS ENUM ('GENERATED', 'PROVIDED', 'HASH_ONLY');

-- AlterTable
ALTER TABLE "idempotency_record" ADD COLUMN     "sealed_secrets" BYTEA,
ADD COLUMN     "sealed_until" TIMESTAMPTZ(3);

-- CreateTable
CREATE TABLE "team" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "name" VARCHAR(255) NOT NULL,
    "name_folded" TEXT COLLATE "C" NOT NULL,
    "description" TEXT NOT NULL DEFAULT '',
    "requests_per_minute" INTEGER,
    "tokens_per_minute" BIGINT,
    "tokens_per_day" BIGINT,
    "max_in_flight" INTEGER,
    "budget_tokens" BIGINT,
    "budget_cost_usd" DECIMAL(18,6),
    "budget_period" "budget_period",
    "budget_started_at" TIMESTAMPTZ(3),
    "revision" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "team_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "tenant_user" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "team_id" UUID,
    "external_id" TEXT COLLATE "C" NOT NULL,
    "display_name" TEXT NOT NULL DEFAULT '',
    "email" TEXT NOT NULL DEFAULT '',
    "status" "user_status" NOT NULL DEFAULT 'ACTIVE',
    "deactivated_at" TIMESTAMPTZ(3),
    "metadata" JSONB NOT NULL DEFAULT '{}',
    "requests_per_minute" INTEGER,
    "tokens_per_minute" BIGINT,
    "tokens_per_day" BIGINT,
    "max_in_flight" INTEGER,
    "budget_tokens" BIGINT,
    "budget_cost_usd" DECIMAL(18,6),
    "budget_period" "budget_period",
    "budget_started_at" TIMESTAMPTZ(3),
    "revision" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "tenant_user_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "app" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "name" VARCHAR(255) NOT NULL,
    "name_folded" TEXT COLLATE "C" NOT NULL,
    "description" TEXT NOT NULL DEFAULT '',
    "status" "app_status" NOT NULL DEFAULT 'ACTIVE',
    "inference" JSONB NOT NULL DEFAULT '{}',
    "revision" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "app_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "product" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "slug" TEXT COLLATE "C" NOT NULL,
    "display_name" VARCHAR(255) NOT NULL,
    "display_name_folded" TEXT COLLATE "C" NOT NULL,
    "status" "product_status" NOT NULL DEFAULT 'ACTIVE',
    "policy_version" INTEGER NOT NULL DEFAULT 1,
    "max_engines" INTEGER,
    "rate_limit_rpm" INTEGER,
    "engine_version" TEXT,
    "rollout_engine_version" TEXT,
    "rollout_percent" INTEGER,
    "revision" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "product_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "product_policy_version" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "product_id" UUID NOT NULL,
    "version" INTEGER NOT NULL,
    "max_engines" INTEGER,
    "rate_limit_rpm" INTEGER,
    "engine_version" TEXT,
    "rollout_engine_version" TEXT,
    "rollout_percent" INTEGER,
    "reverted_from" INTEGER,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "created_by_id" TEXT NOT NULL,
    "created_by_name" TEXT NOT NULL,

    CONSTRAINT "product_policy_version_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "product_meter" (
    "product_id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "calls" JSONB NOT NULL DEFAULT '{}',

    CONSTRAINT "product_meter_pkey" PRIMARY KEY ("product_id")
);

-- CreateTable
CREATE TABLE "engine" (
    "id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "product_id" UUID NOT NULL,
    "user_external_id" TEXT COLLATE "C" NOT NULL,
    "status" "engine_status" NOT NULL DEFAULT 'PROVISIONING',
    "status_changed_at" TIMESTAMPTZ(3) NOT NULL,
    "health" "engine_health" NOT NULL DEFAULT 'UNKNOWN',
    "message" TEXT NOT NULL DEFAULT '',
    "url" TEXT,
    "version" TEXT,
    "boot_duration_ms" INTEGER,
    "last_report_at" TIMESTAMPTZ(3),
    "revision" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "engine_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "api_key" (
    "id" UUID NOT NULL,
    "kind" "key_kind" NOT NULL,
    "name" VARCHAR(255) NOT NULL,
    "name_folded" TEXT COLLATE "C" NOT NULL,
    "tenant_id" UUID,
    "user_id" UUID,
    "app_id" UUID,
    "product_id" UUID,
    "engine_id" UUID,
    "environment" "key_environment",
    "scopes" TEXT[],
    "allowed_origins" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "allowed_ip_ranges" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "allowed_models" TEXT[] DEFAULT ARRAY[]::TEXT[],
    "metadata" JSONB NOT NULL DEFAULT '{}',
    "requests_per_minute" INTEGER,
    "tokens_per_minute" BIGINT,
    "tokens_per_day" BIGINT,
    "max_in_flight" INTEGER,
    "budget_tokens" BIGINT,
    "budget_cost_usd" DECIMAL(18,6),
    "budget_period" "budget_period",
    "budget_started_at" TIMESTAMPTZ(3),
    "expires_at" TIMESTAMPTZ(3),
    "disabled_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),
    "revoked_reason" TEXT,
    "start" TEXT COLLATE "C" NOT NULL,
    "retiring_until" TIMESTAMPTZ(3),
    "rotated_at" TIMESTAMPTZ(3),
    "last_used_at" TIMESTAMPTZ(3),
    "last_used_order" TIMESTAMPTZ(3) NOT NULL GENERATED ALWAYS AS (coalesce("last_used_at", '1970-01-01 00:00:00+00')) STORED,
    "expires_order" TIMESTAMPTZ(3) NOT NULL GENERATED ALWAYS AS (coalesce("expires_at", '9999-12-31 00:00:00+00')) STORED,
    "created_by_id" TEXT NOT NULL,
    "created_by_name" TEXT NOT NULL,
    "revision" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "api_key_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "api_key_secret" (
    "id" UUID NOT NULL,
    "key_id" UUID NOT NULL,
    "tenant_id" UUID,
    "hash" BYTEA NOT NULL,
    "hash_scheme" TEXT NOT NULL,
    "origin" "secret_origin" NOT NULL,
    "start" TEXT COLLATE "C" NOT NULL,
    "valid_until" TIMESTAMPTZ(3),
    "superseded_at" TIMESTAMPTZ(3),
    "revoked_at" TIMESTAMPTZ(3),
    "last_used_at" TIMESTAMPTZ(3),
    "use_count" BIGINT NOT NULL DEFAULT 0,
    "superseded_use_count" BIGINT NOT NULL DEFAULT 0,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "api_key_secret_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "secret_hashing" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "pepper_version" INTEGER NOT NULL DEFAULT 0,
    "changed_at" TIMESTAMPTZ(3),
    "total_secrets" INTEGER NOT NULL DEFAULT 0,

    CONSTRAINT "secret_hashing_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "team_name_folded_id_idx" ON "team"("name_folded", "id");

-- CreateIndex
CREATE INDEX "team_created_at_id_idx" ON "team"("created_at", "id");

-- CreateIndex
CREATE INDEX "team_tenant_id_created_at_id_idx" ON "team"("tenant_id", "created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "team_name_key" ON "team"("tenant_id", "name_folded");

-- CreateIndex
CREATE UNIQUE INDEX "team_tenant_id_id_key" ON "team"("tenant_id", "id");

-- CreateIndex
CREATE INDEX "tenant_user_external_id_id_idx" ON "tenant_user"("external_id", "id");

-- CreateIndex
CREATE INDEX "tenant_user_created_at_id_idx" ON "tenant_user"("created_at", "id");

-- CreateIndex
CREATE INDEX "tenant_user_tenant_id_created_at_id_idx" ON "tenant_user"("tenant_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "tenant_user_team_id_external_id_id_idx" ON "tenant_user"("team_id", "external_id", "id");

-- CreateIndex
CREATE INDEX "tenant_user_team_id_created_at_id_idx" ON "tenant_user"("team_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "tenant_user_tenant_id_status_external_id_id_idx" ON "tenant_user"("tenant_id", "status", "external_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "tenant_user_external_id_key" ON "tenant_user"("tenant_id", "external_id");

-- CreateIndex
CREATE UNIQUE INDEX "tenant_user_tenant_id_id_key" ON "tenant_user"("tenant_id", "id");

-- CreateIndex
CREATE INDEX "app_name_folded_id_idx" ON "app"("name_folded", "id");

-- CreateIndex
CREATE INDEX "app_created_at_id_idx" ON "app"("created_at", "id");

-- CreateIndex
CREATE INDEX "app_tenant_id_created_at_id_idx" ON "app"("tenant_id", "created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "app_name_key" ON "app"("tenant_id", "name_folded");

-- CreateIndex
CREATE UNIQUE INDEX "app_tenant_id_id_key" ON "app"("tenant_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "product_slug_key" ON "product"("slug");

-- CreateIndex
CREATE INDEX "product_display_name_folded_id_idx" ON "product"("display_name_folded", "id");

-- CreateIndex
CREATE INDEX "product_created_at_id_idx" ON "product"("created_at", "id");

-- CreateIndex
CREATE INDEX "product_tenant_id_slug_id_idx" ON "product"("tenant_id", "slug", "id");

-- CreateIndex
CREATE INDEX "product_tenant_id_display_name_folded_id_idx" ON "product"("tenant_id", "display_name_folded", "id");

-- CreateIndex
CREATE INDEX "product_tenant_id_created_at_id_idx" ON "product"("tenant_id", "created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "product_tenant_id_id_key" ON "product"("tenant_id", "id");

-- CreateIndex
CREATE UNIQUE INDEX "product_policy_version_product_id_version_key" ON "product_policy_version"("product_id", "version");

-- CreateIndex
CREATE UNIQUE INDEX "product_meter_tenant_id_product_id_key" ON "product_meter"("tenant_id", "product_id");

-- CreateIndex
CREATE INDEX "engine_user_external_id_id_idx" ON "engine"("user_external_id", "id");

-- CreateIndex
CREATE INDEX "engine_created_at_id_idx" ON "engine"("created_at", "id");

-- CreateIndex
CREATE INDEX "engine_tenant_id_created_at_id_idx" ON "engine"("tenant_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "engine_tenant_id_user_external_id_id_idx" ON "engine"("tenant_id", "user_external_id", "id");

-- CreateIndex
CREATE INDEX "engine_product_id_created_at_id_idx" ON "engine"("product_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "engine_status_created_at_id_idx" ON "engine"("status", "created_at", "id");

-- CreateIndex
CREATE INDEX "engine_version_created_at_id_idx" ON "engine"("version", "created_at", "id");

-- CreateIndex
CREATE UNIQUE INDEX "engine_user_external_id_key" ON "engine"("product_id", "user_external_id");

-- CreateIndex
CREATE UNIQUE INDEX "engine_tenant_id_product_id_id_key" ON "engine"("tenant_id", "product_id", "id");

-- CreateIndex
CREATE INDEX "api_key_created_at_id_expires_order_last_used_order_idx" ON "api_key"("created_at", "id", "expires_order", "last_used_order");

-- CreateIndex
CREATE INDEX "api_key_name_folded_id_idx" ON "api_key"("name_folded", "id");

-- CreateIndex
CREATE INDEX "api_key_last_used_order_id_expires_order_idx" ON "api_key"("last_used_order", "id", "expires_order");

-- CreateIndex
CREATE INDEX "api_key_expires_order_id_last_used_order_idx" ON "api_key"("expires_order", "id", "last_used_order");

-- CreateIndex
CREATE INDEX "api_key_start_idx" ON "api_key"("start");

-- CreateIndex
CREATE INDEX "api_key_kind_created_at_id_idx" ON "api_key"("kind", "created_at", "id");

-- CreateIndex
CREATE INDEX "api_key_tenant_id_created_at_id_expires_order_last_used_ord_idx" ON "api_key"("tenant_id", "created_at", "id", "expires_order", "last_used_order");

-- CreateIndex
CREATE INDEX "api_key_tenant_id_name_folded_id_idx" ON "api_key"("tenant_id", "name_folded", "id");

-- CreateIndex
CREATE INDEX "api_key_tenant_id_last_used_order_id_expires_order_idx" ON "api_key"("tenant_id", "last_used_order", "id", "expires_order");

-- CreateIndex
CREATE INDEX "api_key_tenant_id_expires_order_id_last_used_order_idx" ON "api_key"("tenant_id", "expires_order", "id", "last_used_order");

-- CreateIndex
CREATE INDEX "api_key_user_id_created_at_id_idx" ON "api_key"("user_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "api_key_app_id_created_at_id_idx" ON "api_key"("app_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "api_key_product_id_created_at_id_idx" ON "api_key"("product_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "api_key_engine_id_created_at_id_idx" ON "api_key"("engine_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "api_key_created_by_id_created_at_id_idx" ON "api_key"("created_by_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "api_key_scopes_idx" ON "api_key" USING GIN ("scopes");

-- CreateIndex
CREATE UNIQUE INDEX "api_key_secret_hash_key" ON "api_key_secret"("hash");

-- CreateIndex
CREATE INDEX "api_key_secret_key_id_created_at_id_idx" ON "api_key_secret"("key_id", "created_at", "id");

-- CreateIndex
CREATE INDEX "api_key_secret_hash_scheme_id_idx" ON "api_key_secret"("hash_scheme", "id");

-- AddForeignKey
ALTER TABLE "team" ADD CONSTRAINT "team_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "tenant_user" ADD CONSTRAINT "tenant_user_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "tenant_user" ADD CONSTRAINT "tenant_user_team_fkey" FOREIGN KEY ("tenant_id", "team_id") REFERENCES "team"("tenant_id", "id") ON DELETE RESTRICT ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "app" ADD CONSTRAINT "app_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "product" ADD CONSTRAINT "product_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "product_policy_version" ADD CONSTRAINT "product_policy_version_tenant_id_product_id_fkey" FOREIGN KEY ("tenant_id", "product_id") REFERENCES "product"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "product_meter" ADD CONSTRAINT "product_meter_tenant_id_product_id_fkey" FOREIGN KEY ("tenant_id", "product_id") REFERENCES "product"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "engine" ADD CONSTRAINT "engine_tenant_id_product_id_fkey" FOREIGN KEY ("tenant_id", "product_id") REFERENCES "product"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_key" ADD CONSTRAINT "api_key_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_key" ADD CONSTRAINT "api_key_user_fkey" FOREIGN KEY ("tenant_id", "user_id") REFERENCES "tenant_user"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_key" ADD CONSTRAINT "api_key_app_fkey" FOREIGN KEY ("tenant_id", "app_id") REFERENCES "app"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_key" ADD CONSTRAINT "api_key_product_fkey" FOREIGN KEY ("tenant_id", "product_id") REFERENCES "product"("tenant_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_key" ADD CONSTRAINT "api_key_engine_fkey" FOREIGN KEY ("tenant_id", "product_id", "engine_id") REFERENCES "engine"("tenant_id", "product_id", "id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "api_key_secret" ADD CONSTRAINT "api_key_secret_key_id_fkey" FOREIGN KEY ("key_id") REFERENCES "api_key"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- By hand: rules that hold whoever writes the rows.
ALTER TABLE "team"
    ADD CONSTRAINT "team_revision_check" CHECK ("revision" >= 1),
    ADD CONSTRAINT "team_requests_per_minute_check" CHECK ("requests_per_minute" >= 0),
    ADD CONSTRAINT "team_tokens_per_minute_check" CHECK ("tokens_per_minute" >= 0),
    ADD CONSTRAINT "team_tokens_per_day_check" CHECK ("tokens_per_day" >= 0),
    ADD CONSTRAINT "team_max_in_flight_check" CHECK ("max_in_flight" >= 0),
    ADD CONSTRAINT "team_budget_tokens_check" CHECK ("budget_tokens" >= 0),
    ADD CONSTRAINT "team_budget_cost_usd_check" CHECK ("budget_cost_usd" >= 0 AND "budget_cost_usd" <> 'NaN');
ALTER TABLE "tenant_user"
    ADD CONSTRAINT "tenant_user_revision_check" CHECK ("revision" >= 1),
    ADD CONSTRAINT "tenant_user_deactivated_at_check" CHECK (("status" = 'DEACTIVATED') = ("deactivated_at" IS NOT NULL)),
    ADD CONSTRAINT "tenant_user_requests_per_minute_check" CHECK ("requests_per_minute" >= 0),
    ADD CONSTRAINT "tenant_user_tokens_per_minute_check" CHECK ("tokens_per_minute" >= 0),
    ADD CONSTRAINT "tenant_user_tokens_per_day_check" CHECK ("tokens_per_day" >= 0),
    ADD CONSTRAINT "tenant_user_max_in_flight_check" CHECK ("max_in_flight" >= 0),
    ADD CONSTRAINT "tenant_user_budget_tokens_check" CHECK ("budget_tokens" >= 0),
    ADD CONSTRAINT "tenant_user_budget_cost_usd_check" CHECK ("budget_cost_usd" >= 0 AND "budget_cost_usd" <> 'NaN');
ALTER TABLE "product"
    ADD CONSTRAINT "product_revision_check" CHECK ("revision" >= 1),
    ADD CONSTRAINT "product_slug_check" CHECK ("slug" ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
    ADD CONSTRAINT "product_max_engines_check" CHECK ("max_engines" >= 0),
    ADD CONSTRAINT "product_rate_limit_rpm_check" CHECK ("rate_limit_rpm" >= 0),
    ADD CONSTRAINT "product_rollout_percent_check" CHECK ("rollout_percent" BETWEEN 0 AND 100),
    ADD CONSTRAINT "product_rollout_check" CHECK (("rollout_engine_version" IS NULL) = ("rollout_percent" IS NULL));
ALTER TABLE "product_policy_version"
    ADD CONSTRAINT "product_policy_version_max_engines_check" CHECK ("max_engines" >= 0),
    ADD CONSTRAINT "product_policy_version_rate_limit_rpm_check" CHECK ("rate_limit_rpm" >= 0),
    ADD CONSTRAINT "product_policy_version_rollout_percent_check" CHECK ("rollout_percent" BETWEEN 0 AND 100),
    ADD CONSTRAINT "product_policy_version_rollout_check" CHECK (("rollout_engine_version" IS NULL) = ("rollout_percent" IS NULL));
ALTER TABLE "api_key"
    -- Whose a key is, by its kind: exactly these columns are set.
    ADD CONSTRAINT "api_key_owner_check" CHECK (
        CASE "kind"
            WHEN 'ADMIN' THEN num_nonnulls("tenant_id", "user_id", "app_id", "product_id", "engine_id") = 0
            WHEN 'GATEWAY' THEN num_nonnulls("user_id", "app_id", "product_id", "engine_id") = 0
            WHEN 'TENANT' THEN "tenant_id" IS NOT NULL AND num_nonnulls("user_id", "app_id", "product_id", "engine_id") = 0
            WHEN 'APP' THEN num_nulls("tenant_id", "app_id", "environment") = 0 AND num_nonnulls("user_id", "product_id", "engine_id") = 0
            WHEN 'PUBLISHABLE' THEN num_nulls("tenant_id", "environment") = 0 AND num_nonnulls("user_id", "product_id", "engine_id") = 0
            WHEN 'PRODUCT' THEN num_nulls("tenant_id", "product_id") = 0 AND num_nonnulls("user_id", "app_id", "engine_id") = 0
            WHEN 'USER' THEN num_nulls("tenant_id", "user_id") = 0 AND num_nonnulls("app_id", "product_id", "engine_id") = 0
            WHEN 'ENGINE' THEN num_nulls("tenant_id", "product_id", "engine_id") = 0 AND num_nonnulls("user_id", "app_id") = 0
        END
    ),
    ADD CONSTRAINT "api_key_revision_check" CHECK ("revision" >= 1),
    ADD CONSTRAINT "api_key_requests_per_minute_check" CHECK ("requests_per_minute" >= 0),
    ADD CONSTRAINT "api_key_tokens_per_minute_check" CHECK ("tokens_per_minute" >= 0),
    ADD CONSTRAINT "api_key_tokens_per_day_check" CHECK ("tokens_per_day" >= 0),
    ADD CONSTRAINT "api_key_max_in_flight_check" CHECK ("max_in_flight" >= 0),
    ADD CONSTRAINT "api_key_budget_tokens_check" CHECK ("budget_tokens" >= 0),
    ADD CONSTRAINT "api_key_budget_cost_usd_check" CHECK ("budget_cost_usd" >= 0 AND "budget_cost_usd" <> 'NaN');
ALTER TABLE "api_key_secret"
    ADD CONSTRAINT "api_key_secret_hash_check" CHECK (octet_length("hash") = 32);
ALTER TABLE "secret_hashing"
    ADD CONSTRAINT "secret_hashing_one_row_check" CHECK ("id" = 1);
INSERT INTO "secret_hashing" ("id") VALUES (1);

-- By hand: few keys are in these states, and lists of them should not read the others, in whatever order: keys that were
-- revoked are not among those used last.
CREATE INDEX "api_key_revoked_created_at_idx" ON "api_key" ("created_at", "id") WHERE "revoked_at" IS NOT NULL;
CREATE INDEX "api_key_revoked_name_idx" ON "api_key" ("name_folded", "id") WHERE "revoked_at" IS NOT NULL;
CREATE INDEX "api_key_revoked_last_used_idx" ON "api_key" ("last_used_order", "id") WHERE "revoked_at" IS NOT NULL;
CREATE INDEX "api_key_revoked_expires_idx" ON "api_key" ("expires_order", "id") WHERE "revoked_at" IS NOT NULL;
CREATE INDEX "api_key_disabled_created_at_idx" ON "api_key" ("created_at", "id") WHERE "disabled_at" IS NOT NULL;
CREATE INDEX "api_key_disabled_name_idx" ON "api_key" ("name_folded", "id") WHERE "disabled_at" IS NOT NULL;
CREATE INDEX "api_key_disabled_last_used_idx" ON "api_key" ("last_used_order", "id") WHERE "disabled_at" IS NOT NULL;
CREATE INDEX "api_key_disabled_expires_idx" ON "api_key" ("expires_order", "id") WHERE "disabled_at" IS NOT NULL;
CREATE INDEX "api_key_retiring_idx" ON "api_key" ("retiring_until") WHERE "retiring_until" IS NOT NULL;
CREATE INDEX "api_key_environment_idx" ON "api_key" ("environment", "created_at", "id") WHERE "environment" IS NOT NULL;

-- By hand: the second fence. Requests of a tenant's principals act as this role, which sees no row of another tenant
-- whatever a statement asks for. Roles belong to the whole server, so another database may have made it already.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'fairlead_tenant') THEN
        CREATE ROLE fairlead_tenant NOLOGIN;
    END IF;
EXCEPTION
    WHEN duplicate_object OR unique_violation THEN NULL;
    WHEN insufficient_privilege THEN
        RAISE EXCEPTION 'This database needs the role fairlead_tenant, which this user may not create. Have an administrator run: CREATE ROLE fairlead_tenant NOLOGIN; GRANT fairlead_tenant TO %', quote_ident(current_user);
END
$$;
DO $$
BEGIN
    IF NOT pg_has_role(current_user, 'fairlead_tenant', 'MEMBER')
        OR (current_setting('server_version_num')::int >= 160000 AND NOT pg_has_role(current_user, 'fairlead_tenant', 'SET'))
    THEN
        EXECUTE format('GRANT fairlead_tenant TO %I', current_user);
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION 'This user has to be a member of the role fairlead_tenant. Have an administrator run: GRANT fairlead_tenant TO %', quote_ident(current_user);
END
$$;

GRANT USAGE ON SCHEMA public TO fairlead_tenant;
-- Who may not grant it is told so by a warning only.
DO $$
BEGIN
    IF NOT has_schema_privilege('fairlead_tenant', current_schema(), 'USAGE') THEN
        RAISE EXCEPTION 'The role fairlead_tenant may not use the schema of the tables. Have an administrator run: GRANT USAGE ON SCHEMA % TO fairlead_tenant', quote_ident(current_schema());
    END IF;
END
$$;
GRANT SELECT ON "tenant", "fairshare_group", "audit_entry", "audit_chain" TO fairlead_tenant;
-- Locking a row asks for the right to update some column of it.
GRANT UPDATE ("id") ON "tenant" TO fairlead_tenant;
GRANT SELECT, INSERT, UPDATE, DELETE
    ON "team", "tenant_user", "app", "product", "product_policy_version", "product_meter", "engine", "api_key", "api_key_secret"
    TO fairlead_tenant;

ALTER TABLE "tenant" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "tenant_of_tenant" ON "tenant" TO fairlead_tenant USING ("id" = (SELECT current_setting('fairlead.tenant_id')::uuid));
ALTER TABLE "team" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "team_of_tenant" ON "team" TO fairlead_tenant USING ("tenant_id" = (SELECT current_setting('fairlead.tenant_id')::uuid));
ALTER TABLE "tenant_user" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "tenant_user_of_tenant" ON "tenant_user" TO fairlead_tenant USING ("tenant_id" = (SELECT current_setting('fairlead.tenant_id')::uuid));
ALTER TABLE "app" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "app_of_tenant" ON "app" TO fairlead_tenant USING ("tenant_id" = (SELECT current_setting('fairlead.tenant_id')::uuid));
ALTER TABLE "product" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "product_of_tenant" ON "product" TO fairlead_tenant USING ("tenant_id" = (SELECT current_setting('fairlead.tenant_id')::uuid));
ALTER TABLE "product_policy_version" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "product_policy_version_of_tenant" ON "product_policy_version" TO fairlead_tenant USING ("tenant_id" = (SELECT current_setting('fairlead.tenant_id')::uuid));
ALTER TABLE "product_meter" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "product_meter_of_tenant" ON "product_meter" TO fairlead_tenant USING ("tenant_id" = (SELECT current_setting('fairlead.tenant_id')::uuid));
ALTER TABLE "engine" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "engine_of_tenant" ON "engine" TO fairlead_tenant USING ("tenant_id" = (SELECT current_setting('fairlead.tenant_id')::uuid));
ALTER TABLE "api_key" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "api_key_of_tenant" ON "api_key" TO fairlead_tenant USING ("tenant_id" = (SELECT current_setting('fairlead.tenant_id')::uuid));
ALTER TABLE "api_key_secret" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "api_key_secret_of_tenant" ON "api_key_secret" TO fairlead_tenant USING ("tenant_id" = (SELECT current_setting('fairlead.tenant_id')::uuid));
ALTER TABLE "audit_entry" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "audit_entry_of_tenant" ON "audit_entry" TO fairlead_tenant USING ("chain_id" = (SELECT current_setting('fairlead.tenant_id')::uuid));
ALTER TABLE "audit_chain" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "audit_chain_of_tenant" ON "audit_chain" TO fairlead_tenant USING ("id" = (SELECT current_setting('fairlead.tenant_id')::uuid));
ALTER TABLE "fairshare_group" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "fairshare_group_of_tenant" ON "fairshare_group" TO fairlead_tenant
    USING ("id" = (SELECT own."fairshare_group_id" FROM "tenant" AS own WHERE own."id" = current_setting('fairlead.tenant_id')::uuid));

-- By hand: within the tenant, keys of a product see that product, and keys of a user that user.
-- «There is no product» is said as IS NOT NULL, which the planner takes to be true of nearly every row. IS NULL it takes
-- to be true of hardly any, and would read and sort all rows of a tenant for one page of them.
CREATE POLICY "product_of_product" ON "product" AS RESTRICTIVE TO fairlead_tenant
    USING ((SELECT CASE WHEN coalesce(current_setting('fairlead.product_id', true), '') = '' THEN true END) IS NOT NULL OR "id" = (SELECT nullif(current_setting('fairlead.product_id', true), '')::uuid));
CREATE POLICY "product_policy_version_of_product" ON "product_policy_version" AS RESTRICTIVE TO fairlead_tenant
    USING ((SELECT CASE WHEN coalesce(current_setting('fairlead.product_id', true), '') = '' THEN true END) IS NOT NULL OR "product_id" = (SELECT nullif(current_setting('fairlead.product_id', true), '')::uuid));
CREATE POLICY "product_meter_of_product" ON "product_meter" AS RESTRICTIVE TO fairlead_tenant
    USING ((SELECT CASE WHEN coalesce(current_setting('fairlead.product_id', true), '') = '' THEN true END) IS NOT NULL OR "product_id" = (SELECT nullif(current_setting('fairlead.product_id', true), '')::uuid));
CREATE POLICY "engine_of_product" ON "engine" AS RESTRICTIVE TO fairlead_tenant
    USING ((SELECT CASE WHEN coalesce(current_setting('fairlead.product_id', true), '') = '' THEN true END) IS NOT NULL OR "product_id" = (SELECT nullif(current_setting('fairlead.product_id', true), '')::uuid));
CREATE POLICY "api_key_of_product" ON "api_key" AS RESTRICTIVE TO fairlead_tenant
    USING ((SELECT CASE WHEN coalesce(current_setting('fairlead.product_id', true), '') = '' THEN true END) IS NOT NULL OR "product_id" = (SELECT nullif(current_setting('fairlead.product_id', true), '')::uuid));
CREATE POLICY "tenant_user_of_user" ON "tenant_user" AS RESTRICTIVE TO fairlead_tenant
    USING ((SELECT CASE WHEN coalesce(current_setting('fairlead.user_id', true), '') = '' THEN true END) IS NOT NULL OR "id" = (SELECT nullif(current_setting('fairlead.user_id', true), '')::uuid));
CREATE POLICY "api_key_of_user" ON "api_key" AS RESTRICTIVE TO fairlead_tenant
    USING ((SELECT CASE WHEN coalesce(current_setting('fairlead.user_id', true), '') = '' THEN true END) IS NOT NULL OR "user_id" = (SELECT nullif(current_setting('fairlead.user_id', true), '')::uuid));
CREATE POLICY "product_of_user" ON "product" AS RESTRICTIVE TO fairlead_tenant USING ((SELECT CASE WHEN coalesce(current_setting('fairlead.user_id', true), '') = '' THEN true END) IS NOT NULL);
CREATE POLICY "product_policy_version_of_user" ON "product_policy_version" AS RESTRICTIVE TO fairlead_tenant USING ((SELECT CASE WHEN coalesce(current_setting('fairlead.user_id', true), '') = '' THEN true END) IS NOT NULL);
CREATE POLICY "product_meter_of_user" ON "product_meter" AS RESTRICTIVE TO fairlead_tenant USING ((SELECT CASE WHEN coalesce(current_setting('fairlead.user_id', true), '') = '' THEN true END) IS NOT NULL);
CREATE POLICY "engine_of_user" ON "engine" AS RESTRICTIVE TO fairlead_tenant USING ((SELECT CASE WHEN coalesce(current_setting('fairlead.user_id', true), '') = '' THEN true END) IS NOT NULL);
CREATE POLICY "app_of_user" ON "app" AS RESTRICTIVE TO fairlead_tenant USING ((SELECT CASE WHEN coalesce(current_setting('fairlead.user_id', true), '') = '' THEN true END) IS NOT NULL);
CREATE POLICY "team_of_product" ON "team" AS RESTRICTIVE TO fairlead_tenant USING ((SELECT CASE WHEN coalesce(current_setting('fairlead.product_id', true), '') = '' THEN true END) IS NOT NULL);
CREATE POLICY "tenant_user_of_product" ON "tenant_user" AS RESTRICTIVE TO fairlead_tenant USING ((SELECT CASE WHEN coalesce(current_setting('fairlead.product_id', true), '') = '' THEN true END) IS NOT NULL);
CREATE POLICY "app_of_product" ON "app" AS RESTRICTIVE TO fairlead_tenant USING ((SELECT CASE WHEN coalesce(current_setting('fairlead.product_id', true), '') = '' THEN true END) IS NOT NULL);
CREATE POLICY "audit_entry_of_product" ON "audit_entry" AS RESTRICTIVE TO fairlead_tenant USING ((SELECT CASE WHEN coalesce(current_setting('fairlead.product_id', true), '') = '' THEN true END) IS NOT NULL);
CREATE POLICY "audit_chain_of_product" ON "audit_chain" AS RESTRICTIVE TO fairlead_tenant USING ((SELECT CASE WHEN coalesce(current_setting('fairlead.product_id', true), '') = '' THEN true END) IS NOT NULL);
CREATE POLICY "audit_entry_of_user" ON "audit_entry" AS RESTRICTIVE TO fairlead_tenant USING ((SELECT CASE WHEN coalesce(current_setting('fairlead.user_id', true), '') = '' THEN true END) IS NOT NULL);
CREATE POLICY "audit_chain_of_user" ON "audit_chain" AS RESTRICTIVE TO fairlead_tenant USING ((SELECT CASE WHEN coalesce(current_setting('fairlead.user_id', true), '') = '' THEN true END) IS NOT NULL);
CREATE POLICY "team_of_user" ON "team" AS RESTRICTIVE TO fairlead_tenant
    USING ((SELECT CASE WHEN coalesce(current_setting('fairlead.user_id', true), '') = '' THEN true END) IS NOT NULL
        OR "id" = (SELECT own."team_id" FROM "tenant_user" AS own WHERE own."id" = nullif(current_setting('fairlead.user_id', true), '')::uuid));
-- A secret is behind the same fence as its key.
CREATE POLICY "api_key_secret_of_key" ON "api_key_secret" AS RESTRICTIVE TO fairlead_tenant
    USING ((SELECT CASE WHEN coalesce(current_setting('fairlead.product_id', true), '') || coalesce(current_setting('fairlead.user_id', true), '') = '' THEN true END) IS NOT NULL
        OR EXISTS (SELECT FROM "api_key" AS own WHERE own."id" = "key_id"));
