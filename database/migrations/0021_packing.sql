-- The month that is being written is packed as well. Where fills of fifty bots come in turn, its indexes take 365 bytes a
-- fill as they grow and 235 once they are made anew; they are, at night, when they have grown by an eighth since. A
-- month that is over is packed a week later, and again when late fills (a backfill) have made it an eighth larger.

DROP FUNCTION trading.pack_closed_month();
COMMENT ON TABLE trading.packed_indexes IS
    'Indexes of months of fills that were made anew, and when last. Writer: trading.pack_next_index.';

CREATE FUNCTION trading.pack_next_index() RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET lock_timeout = '2s'
AS $$
DECLARE
    due record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('trading.pack_next_index', 0));
    SELECT i.oid, i.relname::text AS name, now.bytes, month.over_at > clock_timestamp() AS is_written INTO due
    FROM pg_inherits AS part
    JOIN pg_class AS c ON c.oid = part.inhrelid
    JOIN pg_index AS x ON x.indrelid = c.oid
    JOIN pg_class AS i ON i.oid = x.indexrelid
    CROSS JOIN LATERAL (
        SELECT (to_date(substr(c.relname, 7), 'YYYY_MM') + interval '1 month 7 days')::timestamptz AS over_at
    ) AS month
    CROSS JOIN LATERAL (SELECT pg_relation_size(i.oid) AS bytes) AS now
    LEFT JOIN trading.packed_indexes AS p ON p.name = i.relname
    WHERE part.inhparent = 'trading.fills'::regclass
        AND c.relname ~ '^fills_[0-9]{4}_[0-9]{2}$'
        AND CASE
            WHEN p.name IS NULL THEN month.over_at < clock_timestamp() OR now.bytes >= 1024 * 1024
            ELSE now.bytes > p.bytes * 9 / 8
                OR (now.bytes > p.bytes AND p.packed_at < month.over_at AND month.over_at < clock_timestamp())
        END
    ORDER BY c.relname, i.relname LIMIT 1;
    IF due.oid IS NULL THEN
        RETURN NULL;
    END IF;
    IF due.is_written THEN
        -- The listener waits behind this for whoever reads the month; rather another night than for long.
        PERFORM set_config('lock_timeout', '200ms', true);
    END IF;
    EXECUTE format('REINDEX INDEX trading.%I', due.name);
    INSERT INTO trading.packed_indexes AS p (name, bytes_before, bytes)
    VALUES (due.name, due.bytes, pg_relation_size(due.oid))
    ON CONFLICT (name) DO UPDATE SET
        bytes_before = excluded.bytes_before, bytes = excluded.bytes, packed_at = excluded.packed_at;
    RETURN due.name;
END
$$;
REVOKE ALL ON FUNCTION trading.pack_next_index() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trading.pack_next_index() TO alpha_sync_writer, alpha_commander;
