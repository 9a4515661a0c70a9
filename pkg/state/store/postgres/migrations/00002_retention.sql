-- +goose Up
-- Retention. A release before that still runs goes on: it names the columns that
-- it writes, and what was removed it does not find.

-- Ids whose time is before it and that are not in the table were accepted, and
-- forgotten since.
ALTER TABLE meta ADD COLUMN horizon bigint NOT NULL DEFAULT 0;

-- When retention removed the job; 0: it is there.
ALTER TABLE ids ADD COLUMN removed bigint NOT NULL DEFAULT 0;
CREATE INDEX ids_removed ON ids (removed, keep_until) WHERE removed > 0;

-- Jobs that are gone from jobs, and of which other rows are left.
CREATE TABLE removals (
    job uuid PRIMARY KEY
);

-- About how many bytes of a day's partitions retention has freed: files do not
-- shrink by that. The row goes with the partitions.
CREATE TABLE erased (
    day   text   COLLATE "C" PRIMARY KEY, -- as in the names of partitions, 20260301
    bytes bigint NOT NULL
);
