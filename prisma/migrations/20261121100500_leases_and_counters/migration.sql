-- Written by `npm run db:migration`, apart from COLLATE "C" and what stands under "By hand".

-- CreateTable
CREATE TABLE "lease" (
    "id" UUID NOT NULL,
    "instance_id" UUID NOT NULL,
    "gateway_id" UUID NOT NULL,
    "tenant_id" UUID NOT NULL,
    "fairshare_group_id" UUID NOT NULL,
    "key_id" UUID NOT NULL,
    "user_id" UUID,
    "team_id" UUID,
    "app_id" UUID,
    "product_id" UUID,
    "engine_id" UUID,
    "model_id" UUID NOT NULL,
    "model_name" TEXT NOT NULL,
    "pool" TEXT NOT NULL,
    "request_id" TEXT NOT NULL,
    "session_id" TEXT,
    "request_type" TEXT NOT NULL,
    "admission" "usage_admission" NOT NULL,
    "estimated_input_tokens" BIGINT NOT NULL,
    "estimated_output_tokens" BIGINT NOT NULL,
    "reservation" JSON NOT NULL,
    "queued_at" TIMESTAMPTZ(3) NOT NULL,
    "granted_at" TIMESTAMPTZ(3) NOT NULL,
    "expires_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "lease_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "limit_counter" (
    "key" TEXT COLLATE "C" NOT NULL,
    "state" JSON NOT NULL,
    "expires_at" TIMESTAMPTZ(3),
    "updated_at" TIMESTAMPTZ(6) NOT NULL,

    CONSTRAINT "limit_counter_pkey" PRIMARY KEY ("key")
);


-- By hand: no role of tenants reaches these tables. Their rows are written over and over, and none of the columns that
-- change has an index: with room left on each page, a change stays on it and touches no index. They are cleaned by the
-- number of dead rows, since the number of living ones says nothing.
ALTER TABLE "lease" SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
ALTER TABLE "limit_counter" SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
