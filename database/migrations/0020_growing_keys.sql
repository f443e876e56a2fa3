-- A round trip is found by its bot, its symbol and when it began, and only then by the id of its first fill. Ids of
-- executions are random: a key that begins with one puts every new row on another page of an index that grows for years,
-- and each of these pages is read again and written whole after a checkpoint. In this order a new row comes behind its
-- book's last one. It is as unique: a fill has one time, so an id that begins a round trip has one opened_at.
ALTER TABLE trading.trades
    DROP CONSTRAINT trades_pkey,
    ADD CONSTRAINT trades_pkey PRIMARY KEY (bot, symbol, opened_at, first_exec_id, account, position_idx);
