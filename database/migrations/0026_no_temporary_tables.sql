-- Without pg_temp at the end of the path, temporary tables of the caller's are looked at first.
ALTER FUNCTION trading.login_of_pooler(text) SET search_path = pg_catalog, pg_temp;
