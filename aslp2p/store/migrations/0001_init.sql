-- crc: CRC-32 over the other columns (aslp2p/store/rows.py). Content carries none: its id is its SHA-256.

CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL,
    crc INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE branch (
    branch INTEGER PRIMARY KEY,
    parent INTEGER NOT NULL,
    fork_height INTEGER NOT NULL,
    tip_height INTEGER NOT NULL,
    tip_id BLOB NOT NULL,
    audited_height INTEGER NOT NULL,
    crc INTEGER NOT NULL
);

CREATE TABLE snapshot (
    id BLOB PRIMARY KEY,
    branch INTEGER NOT NULL,
    height INTEGER NOT NULL,
    previous BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    signer BLOB NOT NULL,
    log_size INTEGER NOT NULL,
    raw BLOB NOT NULL,
    crc INTEGER NOT NULL
);
CREATE UNIQUE INDEX snapshot_height ON snapshot (branch, height);
CREATE INDEX snapshot_log ON snapshot (branch, log_size, height);

-- A NULL value ends its key.
CREATE TABLE fact (
    branch INTEGER NOT NULL,
    key BLOB NOT NULL,
    height INTEGER NOT NULL,
    value BLOB,
    crc INTEGER NOT NULL,
    PRIMARY KEY (branch, key, height)
) WITHOUT ROWID;

-- Here crc also holds `open` and that it is not `audited`, above its 32 bits, so that closing an artifact need not
-- read it.
CREATE TABLE artifact (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    type TEXT NOT NULL,
    raw BLOB NOT NULL,
    open INTEGER NOT NULL,
    audited INTEGER NOT NULL,
    crc INTEGER NOT NULL
);
CREATE INDEX artifact_open ON artifact (number) WHERE open = 1;

CREATE TABLE content (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    data BLOB NOT NULL
);

CREATE TABLE wanted (
    number INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    manifest INTEGER NOT NULL,
    crc INTEGER NOT NULL
);

-- Each promise's crc also covers the one before it; journal_head holds the last, so that no tail is lost unseen.
CREATE TABLE journal (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    height INTEGER NOT NULL,
    subject BLOB NOT NULL,
    raw BLOB NOT NULL,
    before INTEGER NOT NULL,
    crc INTEGER NOT NULL
);
CREATE INDEX journal_place ON journal (kind, epoch, height);
CREATE INDEX journal_subject ON journal (kind, subject);

CREATE TABLE journal_head (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    number INTEGER NOT NULL,
    crc INTEGER NOT NULL
);
INSERT INTO journal_head VALUES (1, 0, 0);
