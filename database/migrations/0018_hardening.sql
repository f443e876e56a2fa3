-- How a pooler in front of the database learns whether somebody is who they say: by the verifier of their password, which
-- it passes on and cannot log in with. Executable for the pooler's own login only, which database/roles.py makes.

CREATE FUNCTION trading.login_of_pooler(login text) RETURNS TABLE (name text, verifier text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog AS
$$ SELECT rolname::text, rolpassword FROM pg_authid WHERE rolname = login AND rolcanlogin $$;
COMMENT ON FUNCTION trading.login_of_pooler(text) IS
    'Name and verifier of a login, none for a group. The owner of the database has to be a superuser to see any.';
REVOKE ALL ON FUNCTION trading.login_of_pooler(text) FROM PUBLIC;
