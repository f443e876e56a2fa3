-- Packing goes on with other months where one could not be packed: months that were tried are named in left_out. An index
-- that was being made beside others when that was cut off is left to `alpha rollups pack --month`, which drops it: made
-- anew it would become a valid second one that every fill has to be written to.

DROP FUNCTION trading.pack_next_index(bigint);

-- Recording waits for as long as an index is made, which a timeout of locks does not bound. That takes as long as its
-- month is large, however small the index: about a second for 256 MB of fills (700,000 of them), and for ten million
-- longer than the listener waits for a statement. A larger month is therefore left until it is over.
CREATE FUNCTION trading.pack_next_index(
    most_while_written bigint DEFAULT 256 * 1024 * 1024, left_out text[] DEFAULT '{}'
) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '2s'
AS $$
DECLARE
    due record;
    newest timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('trading.pack_next_index', 0));
    FOR due IN
        SELECT c.oid::regclass AS month, i.oid, i.relname::text AS name, now.bytes, p.name IS NOT NULL AS was_packed
        FROM pg_inherits AS part
        JOIN pg_class AS c ON c.oid = part.inhrelid
        JOIN pg_index AS x ON x.indrelid = c.oid
        JOIN pg_class AS i ON i.oid = x.indexrelid
        CROSS JOIN LATERAL (SELECT pg_relation_size(i.oid) AS bytes) AS now
        LEFT JOIN trading.packed_indexes AS p ON p.name = i.relname
        WHERE part.inhparent = 'trading.fills'::regclass
            AND c.relname ~ '^fills_[0-9]{4}_[0-9]{2}$'
            AND c.relname <> ALL (left_out)
            AND x.indisvalid AND i.relname !~ '(_ccnew|_ccold)[0-9]*$'
            AND (p.name IS NULL OR now.bytes > p.bytes * 9 / 8)
        ORDER BY c.relname, i.relname
    LOOP
        newest := trading.newest_recording(due.month);
        CONTINUE WHEN newest IS NULL;
        IF newest > clock_timestamp() - interval '7 days' THEN
            CONTINUE WHEN pg_relation_size(due.month) > most_while_written
                OR NOT (due.was_packed OR due.bytes >= 1024 * 1024);
            -- The listener waits behind this for whoever reads the month; rather another night than for long.
            PERFORM set_config('lock_timeout', '200ms', true);
        END IF;
        EXECUTE format('REINDEX INDEX trading.%I', due.name);
        INSERT INTO trading.packed_indexes AS p (name, bytes_before, bytes)
        VALUES (due.name, due.bytes, pg_relation_size(due.oid))
        ON CONFLICT (name) DO UPDATE SET
            bytes_before = excluded.bytes_before, bytes = excluded.bytes, packed_at = excluded.packed_at;
        RETURN due.name;
    END LOOP;
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION trading.pack_next_index(bigint, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION trading.pack_next_index(bigint, text[]) TO alpha_sync_writer, alpha_commander;
