-- Written by `npm run db:migration`, apart from COLLATE "C" and what stands under "By hand".

-- CreateEnum
CREATE TYPE "model_type" AS ENUM ('CHAT', 'EMBEDDING', 'AUDIO_TRANSCRIPTION', 'AUDIO_SPEECH', 'IMAGE');

-- CreateTable
CREATE TABLE "model" (
    "id" UUID NOT NULL,
    "name" VARCHAR(255) NOT NULL,
    "name_folded" TEXT COLLATE "C" NOT NULL,
    "description" TEXT NOT NULL DEFAULT '',
    "type" "model_type" NOT NULL DEFAULT 'CHAT',
    "input_token_usd" DECIMAL(18,12) NOT NULL DEFAULT 0,
    "output_token_usd" DECIMAL(18,12) NOT NULL DEFAULT 0,
    "image_usd" DECIMAL(18,12) NOT NULL DEFAULT 0,
    "audio_second_usd" DECIMAL(18,12) NOT NULL DEFAULT 0,
    "character_usd" DECIMAL(18,12) NOT NULL DEFAULT 0,
    "admission_weight_percent" INTEGER NOT NULL DEFAULT 100,
    "is_enabled" BOOLEAN NOT NULL DEFAULT true,
    "revision" INTEGER NOT NULL DEFAULT 1,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,
    "updated_at" TIMESTAMPTZ(3) NOT NULL,

    CONSTRAINT "model_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE UNIQUE INDEX "model_name_key" ON "model"("name_folded");

-- CreateIndex
CREATE INDEX "model_created_at_id_idx" ON "model"("created_at", "id");

-- By hand: rules that hold whoever writes the rows.
ALTER TABLE "model"
    ADD CONSTRAINT "model_revision_check" CHECK ("revision" >= 1),
    ADD CONSTRAINT "model_admission_weight_percent_check" CHECK ("admission_weight_percent" BETWEEN 1 AND 10000),
    -- NaN is greater than every number.
    ADD CONSTRAINT "model_input_token_usd_check" CHECK ("input_token_usd" BETWEEN 0 AND 100000),
    ADD CONSTRAINT "model_output_token_usd_check" CHECK ("output_token_usd" BETWEEN 0 AND 100000),
    ADD CONSTRAINT "model_image_usd_check" CHECK ("image_usd" BETWEEN 0 AND 100000),
    ADD CONSTRAINT "model_audio_second_usd_check" CHECK ("audio_second_usd" BETWEEN 0 AND 100000),
    ADD CONSTRAINT "model_character_usd_check" CHECK ("character_usd" BETWEEN 0 AND 100000);

-- By hand: a tenant sees the models that it may use: those that its allow-list names, or every one when it has none.
GRANT SELECT ON "model" TO fairlead_tenant;
ALTER TABLE "model" ENABLE ROW LEVEL SECURITY;
CREATE POLICY "model_of_tenant" ON "model" TO fairlead_tenant
    USING (EXISTS (
        SELECT FROM "tenant" AS own
        WHERE own."id" = (SELECT current_setting('fairlead.tenant_id')::uuid)
            AND (cardinality(own."allowed_models") = 0 OR "model"."name" = ANY (own."allowed_models"))
    ));
