-- How much of each limit of a team one user can take; null: all of it.
ALTER TABLE "team" ADD COLUMN     "user_share_percent" INTEGER;
ALTER TABLE "team" ADD CONSTRAINT "team_user_share_percent_check" CHECK ("user_share_percent" BETWEEN 1 AND 100);
