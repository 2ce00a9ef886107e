-- AlterTable
ALTER TABLE "product" ADD COLUMN     "budget_cost_usd" DECIMAL(18,6),
ADD COLUMN     "budget_period" "budget_period",
ADD COLUMN     "budget_started_at" TIMESTAMPTZ(3),
ADD COLUMN     "budget_tokens" BIGINT,
ADD COLUMN     "max_in_flight" INTEGER,
ADD COLUMN     "requests_per_minute" INTEGER,
ADD COLUMN     "tokens_per_day" BIGINT,
ADD COLUMN     "tokens_per_minute" BIGINT;

-- By hand: rules that hold whoever writes the rows.
ALTER TABLE "product"
    ADD CONSTRAINT "product_requests_per_minute_check" CHECK ("requests_per_minute" >= 0),
    ADD CONSTRAINT "product_tokens_per_minute_check" CHECK ("tokens_per_minute" >= 0),
    ADD CONSTRAINT "product_tokens_per_day_check" CHECK ("tokens_per_day" >= 0),
    ADD CONSTRAINT "product_max_in_flight_check" CHECK ("max_in_flight" >= 0),
    ADD CONSTRAINT "product_budget_tokens_check" CHECK ("budget_tokens" >= 0),
    -- NaN counts as larger than every number.
    ADD CONSTRAINT "product_budget_cost_usd_check" CHECK ("budget_cost_usd" >= 0 AND "budget_cost_usd" <> 'NaN');
