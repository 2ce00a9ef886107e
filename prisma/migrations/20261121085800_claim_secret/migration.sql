-- By hand: what an import of a secret has to know of all secrets, also when it is carried out behind the fence of a
-- tenant. It says no more than that the secret is in use, which its refusal says as well.
--
-- Imports of one secret, known by the number that is made of it, go one after the other until their transactions end:
-- under different peppers they are different rows, which nothing else keeps apart. Each statement of the function sees
-- what was committed before it, so the last two see what the import before wrote.
CREATE FUNCTION "claim_secret"(secret_lock bigint, candidate_hashes bytea[], OUT in_use boolean, OUT current_pepper integer)
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(secret_lock);
    SELECT EXISTS (SELECT FROM api_key_secret WHERE hash = ANY(candidate_hashes)) INTO in_use;
    SELECT pepper_version INTO current_pepper FROM secret_hashing;
END
$$;
-- As its owner it looks into no schema but that of the tables.
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION claim_secret(bigint, bytea[]) SET search_path = %I, pg_temp', current_schema());
END
$$;
REVOKE EXECUTE ON FUNCTION "claim_secret"(bigint, bytea[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION "claim_secret"(bigint, bytea[]) TO fairlead_tenant;
