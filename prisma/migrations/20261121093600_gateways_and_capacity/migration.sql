-- Written by `npm run db:migration`, apart from COLLATE "C" and what stands under "By hand".

-- CreateEnum
CREATE TYPE "fairshare_algorithm" AS ENUM ('HIERARCHICAL', 'WEIGHTED');

-- AlterTable
ALTER TABLE "api_key" ADD COLUMN "weight" INTEGER NOT NULL DEFAULT 100;

-- CreateTable
CREATE TABLE "gateway" (
    "id" UUID NOT NULL,
    "tenant_id" UUID,
    "name" VARCHAR(255) NOT NULL,
    "name_folded" TEXT COLLATE "C" NOT NULL,
    "version" TEXT NOT NULL DEFAULT '',
    "address" TEXT NOT NULL DEFAULT '',
    "max_in_flight" INTEGER,
    "in_flight" INTEGER NOT NULL DEFAULT 0,
    "registered_by_id" TEXT NOT NULL,
    "registered_by_name" TEXT NOT NULL,
    "key_id" UUID,
    "registered_at" TIMESTAMPTZ(3) NOT NULL,
    "last_heartbeat_at" TIMESTAMPTZ(3) NOT NULL,
    "left_at" TIMESTAMPTZ(3),
    "revision" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "gateway_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "capacity_settings" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "deployment_max_in_flight" INTEGER,
    "model_default_max_in_flight" INTEGER,
    "pool_queue_max" INTEGER,
    "tenant_queue_max" INTEGER,
    "queue_timeout_seconds" INTEGER,
    "fairshare_algorithm" "fairshare_algorithm" NOT NULL DEFAULT 'HIERARCHICAL',
    "revision" INTEGER NOT NULL DEFAULT 1,
    "updated_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "capacity_settings_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "model_capacity" (
    "model_id" UUID NOT NULL,
    "max_in_flight" INTEGER NOT NULL,

    CONSTRAINT "model_capacity_pkey" PRIMARY KEY ("model_id")
);

-- CreateTable
CREATE TABLE "gateway_capacity" (
    "gateway_id" UUID NOT NULL,
    "max_in_flight" INTEGER NOT NULL,

    CONSTRAINT "gateway_capacity_pkey" PRIMARY KEY ("gateway_id")
);

-- CreateIndex
CREATE INDEX "gateway_name_folded_id_idx" ON "gateway"("name_folded", "id");

-- CreateIndex
CREATE INDEX "gateway_registered_at_id_idx" ON "gateway"("registered_at", "id");

-- CreateIndex
CREATE INDEX "gateway_tenant_id_name_folded_id_idx" ON "gateway"("tenant_id", "name_folded", "id");

-- CreateIndex
CREATE INDEX "gateway_key_id_idx" ON "gateway"("key_id");

-- AddForeignKey
ALTER TABLE "gateway" ADD CONSTRAINT "gateway_tenant_id_fkey" FOREIGN KEY ("tenant_id") REFERENCES "tenant"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "gateway" ADD CONSTRAINT "gateway_key_id_fkey" FOREIGN KEY ("key_id") REFERENCES "api_key"("id") ON DELETE SET NULL ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "model_capacity" ADD CONSTRAINT "model_capacity_model_id_fkey" FOREIGN KEY ("model_id") REFERENCES "model"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- AddForeignKey
ALTER TABLE "gateway_capacity" ADD CONSTRAINT "gateway_capacity_gateway_id_fkey" FOREIGN KEY ("gateway_id") REFERENCES "gateway"("id") ON DELETE CASCADE ON UPDATE CASCADE;

-- By hand: the view has the columns that the table had when it was made.
CREATE OR REPLACE VIEW "own_api_key" AS
SELECT * FROM "api_key"
WHERE "tenant_id" = (SELECT current_setting('fairlead.tenant_id')::uuid)
    AND ((SELECT CASE WHEN coalesce(current_setting('fairlead.product_id', true), '') = '' THEN true END) IS NOT NULL
        OR "product_id" = (SELECT nullif(current_setting('fairlead.product_id', true), '')::uuid))
    AND ((SELECT CASE WHEN coalesce(current_setting('fairlead.user_id', true), '') = '' THEN true END) IS NOT NULL
        OR "user_id" = (SELECT nullif(current_setting('fairlead.user_id', true), '')::uuid));

-- By hand: rules that hold whoever writes the rows.
ALTER TABLE "api_key"
    ADD CONSTRAINT "api_key_weight_check" CHECK ("weight" BETWEEN 1 AND 1000000);
ALTER TABLE "gateway"
    ADD CONSTRAINT "gateway_revision_check" CHECK ("revision" >= 1),
    ADD CONSTRAINT "gateway_max_in_flight_check" CHECK ("max_in_flight" BETWEEN 1 AND 1000000),
    ADD CONSTRAINT "gateway_in_flight_check" CHECK ("in_flight" >= 0);
ALTER TABLE "capacity_settings"
    ADD CONSTRAINT "capacity_settings_one_row_check" CHECK ("id" = 1),
    ADD CONSTRAINT "capacity_settings_revision_check" CHECK ("revision" >= 1),
    ADD CONSTRAINT "capacity_settings_deployment_max_in_flight_check" CHECK ("deployment_max_in_flight" BETWEEN 0 AND 1000000),
    ADD CONSTRAINT "capacity_settings_model_default_max_in_flight_check" CHECK ("model_default_max_in_flight" BETWEEN 0 AND 1000000),
    ADD CONSTRAINT "capacity_settings_pool_queue_max_check" CHECK ("pool_queue_max" BETWEEN 0 AND 1000000),
    ADD CONSTRAINT "capacity_settings_tenant_queue_max_check" CHECK ("tenant_queue_max" BETWEEN 0 AND 1000000),
    ADD CONSTRAINT "capacity_settings_queue_timeout_seconds_check" CHECK ("queue_timeout_seconds" BETWEEN 1 AND 3600);
ALTER TABLE "model_capacity"
    ADD CONSTRAINT "model_capacity_max_in_flight_check" CHECK ("max_in_flight" BETWEEN 0 AND 1000000);
ALTER TABLE "gateway_capacity"
    ADD CONSTRAINT "gateway_capacity_max_in_flight_check" CHECK ("max_in_flight" BETWEEN 0 AND 1000000);
INSERT INTO "capacity_settings" ("id") VALUES (1);

-- By hand: names are unique in a tenant, and among the gateways of the deployment.
CREATE UNIQUE INDEX "gateway_name_key"
    ON "gateway" (coalesce("tenant_id", '00000000-0000-0000-0000-000000000000'), "name_folded");

-- By hand: the second fence. What is bound to a product or a user sees no gateway.
GRANT SELECT, INSERT, UPDATE, DELETE ON "gateway" TO fairlead_tenant;
ALTER TABLE "gateway" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "gateway_of_tenant" ON "gateway" TO fairlead_tenant USING ("tenant_id" = (SELECT current_setting('fairlead.tenant_id')::uuid));
CREATE POLICY "gateway_of_product" ON "gateway" AS RESTRICTIVE TO fairlead_tenant USING (((SELECT CASE WHEN coalesce(current_setting('fairlead.product_id', true), '') = '' THEN true END) IS NOT NULL));
CREATE POLICY "gateway_of_user" ON "gateway" AS RESTRICTIVE TO fairlead_tenant USING (((SELECT CASE WHEN coalesce(current_setting('fairlead.user_id', true), '') = '' THEN true END) IS NOT NULL));
