-- Rules for a project's images: which tags never change, which are kept; the runs of retention and what each decided.

-- When the last tag that named it went; an image without a tag is as old as this, or as its push.
ALTER TABLE manifests ADD COLUMN untagged_at BIGINT;

CREATE TABLE image_rules (
    project_id TEXT PRIMARY KEY REFERENCES projects (id),
    rules TEXT NOT NULL, -- JSON
    accepted TEXT, -- the fingerprint of the rules whose dry run was accepted: retention deletes while it is that of `rules`
    next_run_at BIGINT, -- none: by hand alone
    updated_at BIGINT NOT NULL,
    updated_by TEXT NOT NULL -- the name at that time
);

CREATE INDEX image_rules_due ON image_rules (next_run_at);

-- A run that a restart cut short goes on at `place`.
CREATE TABLE image_rule_runs (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    dry_run BOOLEAN NOT NULL,
    state TEXT NOT NULL, -- running, done, failed, cancelled
    rules TEXT NOT NULL, -- JSON: what it follows
    fingerprint TEXT NOT NULL, -- of these
    asked_by TEXT NOT NULL, -- the name at that time; the schedule's word
    started_at BIGINT NOT NULL, -- and the time that ages are told by
    ended_at BIGINT,
    place TEXT NOT NULL, -- JSON: where it stands
    counts TEXT NOT NULL, -- JSON: what it decided so far
    error TEXT
);

CREATE INDEX image_rule_runs_by_project ON image_rule_runs (project_id, id);
-- One at a time in a project.
CREATE UNIQUE INDEX image_rule_runs_running ON image_rule_runs (project_id) WHERE state = 'running';

-- What went, by its names at that time; of a dry run also what stays.
CREATE TABLE image_rule_items (
    run_id TEXT NOT NULL REFERENCES image_rule_runs (id) ON DELETE CASCADE,
    number BIGINT NOT NULL,
    goes BOOLEAN NOT NULL,
    kind TEXT NOT NULL, -- tag, image
    repository TEXT COLLATE "C" NOT NULL,
    tag TEXT COLLATE "C",
    digest TEXT COLLATE "C" NOT NULL,
    size BIGINT NOT NULL,
    rule TEXT,
    why TEXT NOT NULL,
    PRIMARY KEY (run_id, number)
);

CREATE INDEX image_rule_items_by_fate ON image_rule_items (run_id, goes, number);
CREATE INDEX image_rule_items_by_digest ON image_rule_items (run_id, digest);
