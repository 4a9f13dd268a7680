-- What keeps the registry in order while it is used: leases, what each project keeps, and the runs of collection and scrubbing.

-- Until when a repository's hold of a blob is surely not collected: `used_at`, the last upload, mount or HEAD, and a lease's length.
ALTER TABLE repository_blobs ADD COLUMN used_at BIGINT NOT NULL DEFAULT 0;
UPDATE repository_blobs SET used_at = since;

-- A blob whose file no longer has its digest, as a scrub found; it is told as missing, so that the next push heals it.
ALTER TABLE blobs ADD COLUMN damaged_at BIGINT;

-- How many repositories of a project hold a blob: its bytes count once.
CREATE TABLE project_blobs (
    project_id TEXT NOT NULL REFERENCES projects (id),
    digest TEXT COLLATE "C" NOT NULL,
    size BIGINT NOT NULL,
    holders BIGINT NOT NULL,
    PRIMARY KEY (project_id, digest)
);

-- What a project keeps, and how much it may keep; no limit where it is NULL. Its row is what pushes of one project stand in line for.
CREATE TABLE project_usage (
    project_id TEXT PRIMARY KEY REFERENCES projects (id),
    bytes BIGINT NOT NULL, -- of its blobs, each once
    bytes_limit BIGINT,
    tags_limit BIGINT
);

INSERT INTO project_blobs (project_id, digest, size, holders)
SELECT r.project_id, b.digest, b.size, COUNT(*) FROM repository_blobs rb
    JOIN repositories r ON r.id = rb.repository_id JOIN blobs b ON b.digest = rb.digest GROUP BY r.project_id, b.digest, b.size;
INSERT INTO project_usage (project_id, bytes)
SELECT p.id, CAST(COALESCE((SELECT SUM(b.size) FROM project_blobs b WHERE b.project_id = p.id), 0) AS BIGINT) FROM projects p;

-- Collections and scrubs, newest last. A run that a restart cut short goes on at `place`.
CREATE TABLE registry_runs (
    id TEXT PRIMARY KEY,
    kind TEXT NOT NULL, -- collect, scrub
    dry_run BOOLEAN NOT NULL,
    state TEXT NOT NULL, -- running, done, failed, cancelled
    asked_by TEXT NOT NULL, -- the name at that time; the schedule's word
    started_at BIGINT NOT NULL,
    ended_at BIGINT,
    place TEXT NOT NULL, -- JSON: where it stands
    counts TEXT NOT NULL, -- JSON: what it did so far
    error TEXT
);

CREATE INDEX registry_runs_by_state ON registry_runs (state, id);
