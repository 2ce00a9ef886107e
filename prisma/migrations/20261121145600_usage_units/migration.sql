-- Written by `npm run db:migration`, apart from what stands under "By hand".

-- AlterTable
ALTER TABLE "usage_record" ADD COLUMN     "audio_ms" INTEGER,
ADD COLUMN     "characters" INTEGER,
ADD COLUMN     "images" INTEGER;

-- By hand: rules that hold whoever writes the rows. Nobody knows these figures of records that are older.
ALTER TABLE "usage_record"
    ADD CONSTRAINT "usage_record_units_check" CHECK (
        "images" >= 0 AND "audio_ms" >= 0 AND "characters" >= 0
        AND num_nulls("images", "audio_ms", "characters") IN (0, 3)
        AND ("status_code" IS NOT NULL OR num_nonnulls("images", "audio_ms", "characters") = 0)
    );
