-- Under which epoch a fill was recorded, and what lets a recorder keep its accounts' books in memory.

ALTER TABLE trading.fills ADD COLUMN epoch bigint CHECK (epoch > 0);
COMMENT ON COLUMN trading.fills.epoch IS
    'Epoch of the account''s holder that recorded the fill; null for fills of before there was this column. Along bot_seq it '
    'never falls: that shows that no fenced listener wrote.';

ALTER TABLE trading.account_head ADD COLUMN books_version bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN trading.account_head.books_version IS
    'Raised, in the same transaction, by whoever changes books or opening positions of the account other than by recording '
    'fills: a recorder that keeps the books in memory then reads them again.';

-- An execution is looked for by its id at any time. The id first: it alone tells almost every two rows apart, where the
-- account, the category and the symbol of neighbours are the same.
ALTER TABLE trading.fills
    DROP CONSTRAINT fills_pkey,
    ADD CONSTRAINT fills_pkey PRIMARY KEY (exec_id, symbol, account, category, exec_time);

-- For the same reason, and with one index less to keep: a book's round trips are found among its bot's by time.
ALTER TABLE trading.trades
    DROP CONSTRAINT trades_pkey,
    ADD CONSTRAINT trades_pkey PRIMARY KEY (first_exec_id, symbol, account, bot, position_idx);
DROP INDEX trading.trades_book_closed;
