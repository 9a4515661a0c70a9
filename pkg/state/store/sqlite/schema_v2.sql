-- Version 2: retention. A process of the version before that still runs goes on:
-- it names the columns that it writes, and what was removed it does not find.

-- Ids whose time is before it and that are not in the table were accepted, and
-- forgotten since.
ALTER TABLE meta ADD COLUMN horizon INTEGER NOT NULL DEFAULT 0;

-- When retention removed the job; 0: it is there.
ALTER TABLE ids ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;
CREATE INDEX ids_removed ON ids (removed, keep_until) WHERE removed > 0;
