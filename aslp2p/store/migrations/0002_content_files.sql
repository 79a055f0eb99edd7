-- Large contents are files beside the database (aslp2p/store/contents.py); these are those that are here.
CREATE TABLE content_file (
    id BLOB PRIMARY KEY,
    size INTEGER NOT NULL,
    crc INTEGER NOT NULL
) WITHOUT ROWID;

-- While what an older version kept in `content` is moved into files: up to which number that is done.
CREATE TABLE content_move (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    after INTEGER NOT NULL
);
INSERT INTO content_move SELECT 1, 0 FROM content LIMIT 1;
