-- By hand, as the indexes of users and products are: what a team used before it got a limit is added up from its records,
-- which otherwise takes reading the whole table.
CREATE INDEX "usage_record_team_idx" ON "usage_record" ("team_id", "completed_at") WHERE "team_id" IS NOT NULL;
