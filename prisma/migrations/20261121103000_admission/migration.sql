-- AlterTable
ALTER TABLE "usage_record" ADD COLUMN     "credential_id" TEXT NOT NULL DEFAULT '',
ALTER COLUMN "model_id" DROP NOT NULL,
ALTER COLUMN "gateway_id" DROP NOT NULL;

-- AlterTable
ALTER TABLE "lease" ADD COLUMN     "credential_id" TEXT NOT NULL,
ADD COLUMN     "lease_seconds" INTEGER NOT NULL,
ALTER COLUMN "gateway_id" DROP NOT NULL,
ALTER COLUMN "model_id" DROP NOT NULL;
