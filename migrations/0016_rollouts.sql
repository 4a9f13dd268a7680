-- What a crash loop is told from, and what keeps the disks of machines from filling with images.

-- The slots of a service whose tasks failed by themselves, outside of a deployment.
CREATE TABLE failures (
    service_id TEXT NOT NULL REFERENCES services (id),
    environment_id TEXT NOT NULL REFERENCES environments (id),
    slot BIGINT NOT NULL,
    times BIGINT NOT NULL, -- how often, with no long rest in between
    first_at BIGINT NOT NULL, -- the first of them
    last_at BIGINT NOT NULL,
    next_at BIGINT NOT NULL, -- another task is made then at the earliest
    code TEXT NOT NULL, -- why, the last time
    message TEXT NOT NULL,
    lines TEXT NOT NULL, -- the last ones that it wrote
    PRIMARY KEY (service_id, environment_id, slot)
);

-- Whose a container is.
CREATE INDEX tasks_by_container ON tasks (container);
CREATE INDEX deployments_by_revision ON deployments (revision_id);

-- How images are taken away from a machine.
ALTER TABLE machines ADD COLUMN prune_enabled BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE machines ADD COLUMN prune_keep BIGINT NOT NULL DEFAULT 5; -- images of each service that can be gone back to
ALTER TABLE machines ADD COLUMN prune_min_hours BIGINT NOT NULL DEFAULT 24; -- younger ones stay
ALTER TABLE machines ADD COLUMN prune_fuller_than BIGINT NOT NULL DEFAULT 80; -- percent of its disk: then at once, not only daily

-- The images that Slipway itself had a machine's engine pull. No other is ever taken away.
CREATE TABLE pulled_images (
    machine_id TEXT NOT NULL REFERENCES machines (id),
    reference TEXT COLLATE "C" NOT NULL, -- complete, with the digest: host/project/name@sha256:...
    digest TEXT COLLATE "C" NOT NULL,
    pulled_at BIGINT NOT NULL,
    PRIMARY KEY (machine_id, reference)
);

-- Runs of the pruning: those that wait, the one at work, and what the last ones did.
CREATE TABLE prune_runs (
    id TEXT PRIMARY KEY,
    machine_id TEXT NOT NULL REFERENCES machines (id),
    dry_run BOOLEAN NOT NULL,
    why TEXT NOT NULL, -- asked, daily, full
    asked_by TEXT NOT NULL, -- the name at that time; empty: the policy did
    state TEXT NOT NULL, -- queued, done, failed
    created_at BIGINT NOT NULL,
    ended_at BIGINT,
    message TEXT,
    report TEXT NOT NULL -- JSON
);

CREATE INDEX prune_runs_by_machine ON prune_runs (machine_id, id);
