-- CreateTable
CREATE TABLE "admission_owner" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "epoch" BIGINT NOT NULL DEFAULT 0,
    "instance_id" UUID,
    "address" TEXT,
    "since" TIMESTAMPTZ(3),

    CONSTRAINT "admission_owner_pkey" PRIMARY KEY ("id")
);

-- CreateTable
CREATE TABLE "replica_secret" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "secret" BYTEA NOT NULL,
    "created_at" TIMESTAMPTZ(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "replica_secret_pkey" PRIMARY KEY ("id")
);

-- By hand: no role of tenants reaches these tables. Each has one row.
ALTER TABLE "admission_owner" ADD CONSTRAINT "admission_owner_one_row_check" CHECK ("id" = 1);
ALTER TABLE "replica_secret"
    ADD CONSTRAINT "replica_secret_one_row_check" CHECK ("id" = 1),
    ADD CONSTRAINT "replica_secret_secret_check" CHECK (octet_length("secret") >= 32);
INSERT INTO "admission_owner" ("id") VALUES (1);

-- By hand: the fence between programs that decide one after the other. Whoever writes for an epoch holds a lock until
-- its transaction ends, which others that write hold as well; whoever begins one waits for all of them, and so finds all
-- that they wrote. Each statement of a function sees what was committed before it: what comes later is refused.
CREATE FUNCTION "expect_admission_epoch"(expected bigint) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(7262023002);
    IF NOT EXISTS (SELECT FROM admission_owner WHERE epoch = expected) THEN
        RAISE EXCEPTION 'Another program decides about admission by now.' USING ERRCODE = 'FL001';
    END IF;
END
$$;
CREATE FUNCTION "begin_admission_epoch"(new_instance_id uuid, new_address text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    begun bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(7262023002);
    UPDATE admission_owner
    SET epoch = epoch + 1, instance_id = new_instance_id, address = new_address, since = now()
    RETURNING epoch INTO begun;
    RETURN begun;
END
$$;
REVOKE EXECUTE ON FUNCTION "expect_admission_epoch"(bigint), "begin_admission_epoch"(uuid, text) FROM PUBLIC;
