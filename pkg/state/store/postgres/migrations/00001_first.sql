-- +goose Up
-- A change is a new file beside this one, which is never edited once a release
-- has written it. What a change may do is said in docs/store.md: the release
-- before goes on writing while it is made, and after it.
-- Times are nanoseconds since 1970 (UTC), 0 for none. Text that a program wrote
-- and that may hold any byte is bytea.

CREATE TABLE meta (
    one        boolean PRIMARY KEY DEFAULT true CHECK (one),
    generation bigint  NOT NULL, -- raised by an operator after a restore; fences every owner
    min_reader integer NOT NULL  -- the least version of the schema that a release must know to use this one
);
INSERT INTO meta (generation, min_reader) VALUES (1, 1);

-- Apart from meta, because an owner of the host table has it locked while he
-- commits.
CREATE TABLE host_revision (
    one      boolean PRIMARY KEY DEFAULT true CHECK (one),
    revision bigint  NOT NULL -- of the host row written last
);
INSERT INTO host_revision (revision) VALUES (0);

-- Who owns a shard, and the number of the last batch that its owner committed.
-- Rewritten by every commit: there is room on the page for that, and no index
-- has what changes.
CREATE TABLE shards (
    pool       text    COLLATE "C" NOT NULL,
    shard      integer NOT NULL,
    generation bigint  NOT NULL,
    n          bigint  NOT NULL,
    owner      text    NOT NULL,
    batch      bigint  NOT NULL,
    PRIMARY KEY (pool, shard)
) WITH (fillfactor = 25);

-- Claims that were superseded: they answer Fate for an owner that was fenced
-- while it waited for its commit.
CREATE TABLE past_claims (
    pool       text    COLLATE "C" NOT NULL,
    shard      integer NOT NULL,
    generation bigint  NOT NULL,
    n          bigint  NOT NULL,
    owner      text    NOT NULL,
    batch      bigint  NOT NULL,
    PRIMARY KEY (pool, shard, generation, n)
);

-- Every id ever accepted, in all pools, with the digest of its body. Rows
-- outlive their jobs: retention must not make an id new again.
CREATE TABLE ids (
    id         uuid    PRIMARY KEY,
    shard      integer NOT NULL,
    pool       text    COLLATE "C" NOT NULL,
    digest     bytea   NOT NULL,
    keep_until bigint  NOT NULL,
    -- the batch that made it, so that the same batch again knows its own job
    by_generation bigint NOT NULL,
    by_n          bigint NOT NULL,
    by_batch      bigint NOT NULL
);

-- seq is the order of acceptance: lists are sorted by it. A page has room for
-- rows to be written again.
CREATE TABLE jobs (
    seq       bigint  GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id        uuid    NOT NULL UNIQUE,
    shard     integer NOT NULL,
    state     integer NOT NULL,
    live      boolean NOT NULL, -- until the job is done
    pool      text    COLLATE "C" NOT NULL,
    submitter text    COLLATE "C" NOT NULL,
    digest    bytea   NOT NULL, -- as in ids
    spec      json    NOT NULL, -- frozen; job.Spec
    row       json    NOT NULL  -- job.Row
) WITH (fillfactor = 70);
CREATE INDEX jobs_live ON jobs (pool, shard, seq) WHERE live;
CREATE INDEX jobs_submitter ON jobs (submitter, seq);
-- 4 is Done, as most jobs are: who asks for them finds them soon enough by seq,
-- and a job that ends costs no entry here.
CREATE INDEX jobs_state ON jobs (state, seq) WHERE state <> 4;
CREATE INDEX jobs_submitter_state ON jobs (submitter, state, seq) WHERE state <> 4;

-- Released ordinals, a bitmap in pieces (codec.Piece).
CREATE TABLE releases (
    job   uuid    NOT NULL,
    piece integer NOT NULL,
    bits  bytea   NOT NULL,
    PRIMARY KEY (job, piece)
) WITH (fillfactor = 70);
ALTER TABLE releases ALTER bits SET STORAGE MAIN; -- beside its row as long as it fits

-- Requests of users that had an effect, by the id that the client made.
CREATE TABLE controls (
    job     uuid NOT NULL,
    request text COLLATE "C" NOT NULL,
    row     json NOT NULL,
    PRIMARY KEY (job, request)
);

-- Large and written once; apart, so that lists do not read over them.
CREATE TABLE bodies (
    job     uuid  PRIMARY KEY,
    capsule bytea NOT NULL,
    targets bytea NOT NULL -- packed (codec.EncodeTargets)
) PARTITION BY RANGE (job);

-- Tasks that have an outcome or a second attempt; all others are told by
-- targets and releases.
CREATE TABLE tasks (
    job       uuid    NOT NULL,
    revision  bigint  NOT NULL,
    started   bigint  NOT NULL,
    ended     bigint  NOT NULL,
    ordinal   integer NOT NULL,
    state     integer NOT NULL,
    attempt   integer NOT NULL,
    reason    integer NOT NULL,
    code      integer NOT NULL,
    signal    integer NOT NULL,
    lost      integer NOT NULL, -- why the attempt before was LOST; 0: none, or not known
    overdue   boolean NOT NULL,
    concluded boolean NOT NULL, -- the scheduler's own word, no host has said it
    outputs   bytea,            -- references, packed (codec.EncodeRefs)
    signature bytea,
    message   bytea   NOT NULL,
    PRIMARY KEY (job, ordinal)
) PARTITION BY RANGE (job);
-- 1024 is SUCCEEDED (inState).
CREATE INDEX tasks_state ON tasks (job, state, ordinal) WHERE state <> 1024;
-- 448 is UNKNOWN: whose truth may still come, in jobs however old.
CREATE INDEX tasks_unknown ON tasks (job) WHERE state = 448;
CREATE INDEX tasks_revision ON tasks (job, revision, ordinal);

-- Output, once for each content in a job.
CREATE TABLE outputs (
    job     uuid    NOT NULL,
    form    integer NOT NULL, -- 0 as it is, 2 Zstandard (RFC 8878)
    size    bigint  NOT NULL, -- of the content, uncompressed
    digest  bytea   NOT NULL,
    content bytea   NOT NULL,
    PRIMARY KEY (job, digest)
) PARTITION BY RANGE (job);
ALTER TABLE outputs ALTER content SET STORAGE EXTERNAL; -- it is compressed already, or does not compress

CREATE TABLE hosts (
    id          text    COLLATE "C" PRIMARY KEY,
    revision    bigint  NOT NULL UNIQUE,
    key_state   integer NOT NULL,
    address     text    NOT NULL,
    room        text    COLLATE "C" NOT NULL,
    labels      json    NOT NULL,
    facts       json    NOT NULL,
    incarnation bytea   NOT NULL,
    public_key  bytea   NOT NULL
) WITH (fillfactor = 80);
