-- Version 1. A change is a new file and a new entry in migrations (schema.go);
-- this one is never edited once a release has written it.
-- Times are nanoseconds since 1970 (UTC), 0 for none.

CREATE TABLE meta (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    generation    INTEGER NOT NULL, -- raised by an operator after a restore; fences every owner
    host_revision INTEGER NOT NULL  -- of the host row written last
);
INSERT INTO meta VALUES (1, 1, 0);

-- Who owns a shard, and the number of the last batch that its owner committed.
CREATE TABLE shards (
    pool       TEXT    NOT NULL,
    shard      INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    n          INTEGER NOT NULL,
    owner      TEXT    NOT NULL,
    batch      INTEGER NOT NULL,
    PRIMARY KEY (pool, shard)
) WITHOUT ROWID;

-- Claims that were superseded: they answer Fate for an owner that was fenced
-- while it waited for its commit.
CREATE TABLE past_claims (
    pool       TEXT    NOT NULL,
    shard      INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    n          INTEGER NOT NULL,
    owner      TEXT    NOT NULL,
    batch      INTEGER NOT NULL,
    PRIMARY KEY (pool, shard, generation, n)
) WITHOUT ROWID;

-- Every id ever accepted, in all pools, with the digest of its body. Rows
-- outlive their jobs: retention must not make an id new again.
CREATE TABLE ids (
    id         BLOB    PRIMARY KEY,
    pool       TEXT    NOT NULL,
    shard      INTEGER NOT NULL,
    digest     BLOB    NOT NULL,
    keep_until INTEGER NOT NULL,
    -- the batch that made it, so that the same batch again knows its own job
    by_generation INTEGER NOT NULL,
    by_n          INTEGER NOT NULL,
    by_batch      INTEGER NOT NULL
) WITHOUT ROWID;

-- seq is the order of acceptance: lists are sorted by it, and it stands for the
-- 16 bytes of the id in the tables below.
CREATE TABLE jobs (
    seq       INTEGER PRIMARY KEY,
    id        BLOB    NOT NULL UNIQUE,
    pool      TEXT    NOT NULL,
    shard     INTEGER NOT NULL,
    submitter TEXT    NOT NULL,
    state     INTEGER NOT NULL,
    live      INTEGER NOT NULL, -- 1 until the job is done
    spec      BLOB    NOT NULL, -- frozen; JSON of job.Spec
    row       BLOB    NOT NULL  -- JSON of job.Row
);
CREATE INDEX jobs_live ON jobs (pool, shard) WHERE live = 1;
CREATE INDEX jobs_state ON jobs (state);
CREATE INDEX jobs_submitter ON jobs (submitter);
CREATE INDEX jobs_submitter_state ON jobs (submitter, state);

-- Large and written once; apart, so that lists do not read over them.
CREATE TABLE bodies (
    job     INTEGER PRIMARY KEY REFERENCES jobs (seq),
    capsule BLOB NOT NULL,
    targets BLOB NOT NULL
);

-- Released ordinals, a bitmap in pieces of 16,384 targets (2 KiB): a release
-- rewrites one piece, not the 62 KiB of the greatest job.
CREATE TABLE releases (
    job   INTEGER NOT NULL REFERENCES jobs (seq),
    piece INTEGER NOT NULL,
    bits  BLOB    NOT NULL,
    PRIMARY KEY (job, piece)
) WITHOUT ROWID;

-- Tasks that have an outcome or a second attempt; all others are told by
-- targets and releases.
CREATE TABLE tasks (
    job       INTEGER NOT NULL, -- jobs.seq; not declared, because the check would cost each row a search
    ordinal   INTEGER NOT NULL,
    state     INTEGER NOT NULL,
    revision  INTEGER NOT NULL,
    attempt   INTEGER NOT NULL,
    reason    INTEGER NOT NULL,
    code      INTEGER NOT NULL,
    signal    INTEGER NOT NULL,
    started   INTEGER NOT NULL,
    ended     INTEGER NOT NULL,
    outputs   BLOB, -- references, packed (codec.EncodeRefs)
    signature BLOB,
    message   TEXT    NOT NULL,
    overdue   INTEGER NOT NULL,
    lost      INTEGER NOT NULL, -- why the attempt before was LOST; 0: none, or not known
    concluded INTEGER NOT NULL, -- 1: the scheduler's own word, no host has said it
    PRIMARY KEY (job, ordinal)
) WITHOUT ROWID;
-- 1024 is SUCCEEDED (inState).
CREATE INDEX tasks_state ON tasks (job, state, ordinal) WHERE state <> 1024;
-- 448 is UNKNOWN: whose truth may still come, in jobs however old.
CREATE INDEX tasks_unknown ON tasks (job) WHERE state = 448;
CREATE INDEX tasks_revision ON tasks (job, revision, ordinal);

-- Output, once for each content in a job.
CREATE TABLE outputs (
    job     INTEGER NOT NULL REFERENCES jobs (seq),
    digest  BLOB    NOT NULL,
    codec   INTEGER NOT NULL, -- 0 as it is, 1 DEFLATE (RFC 1951), 2 Zstandard (RFC 8878)
    size    INTEGER NOT NULL, -- of the content, uncompressed
    content BLOB    NOT NULL,
    PRIMARY KEY (job, digest)
);

-- Requests of users that had an effect, by the id that the client made.
CREATE TABLE controls (
    job     INTEGER NOT NULL REFERENCES jobs (seq),
    request TEXT    NOT NULL,
    row     BLOB    NOT NULL,
    PRIMARY KEY (job, request)
) WITHOUT ROWID;

CREATE TABLE hosts (
    id          TEXT    PRIMARY KEY,
    revision    INTEGER NOT NULL UNIQUE,
    address     TEXT    NOT NULL,
    room        TEXT    NOT NULL,
    labels      BLOB    NOT NULL,
    facts       BLOB    NOT NULL,
    incarnation BLOB    NOT NULL,
    public_key  BLOB    NOT NULL,
    key_state   INTEGER NOT NULL
) WITHOUT ROWID;
