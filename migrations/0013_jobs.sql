-- What something else than Slipway changed of a running task, and the runs of jobs.

ALTER TABLE tasks ADD COLUMN drift TEXT; -- JSON; none: it is as it was ordered
ALTER TABLE tasks ADD COLUMN run_id TEXT; -- the run of a job that it belongs to

CREATE INDEX tasks_by_run ON tasks (run_id) WHERE run_id IS NOT NULL;

ALTER TABLE revisions ADD COLUMN job BOOLEAN NOT NULL DEFAULT FALSE; -- its tasks are made by runs, and end

ALTER TABLE desired ADD COLUMN halted_at BIGINT; -- a rollout failed that stops where it is; nothing is replaced until another one comes to its end
ALTER TABLE desired ADD COLUMN scheduled_at BIGINT; -- a job's schedule was looked at up to then

CREATE TABLE job_runs (
    id TEXT PRIMARY KEY,
    service_id TEXT NOT NULL REFERENCES services (id),
    environment_id TEXT NOT NULL REFERENCES environments (id),
    revision_id TEXT NOT NULL REFERENCES revisions (id),
    cause TEXT NOT NULL, -- schedule, deployment, hand
    state TEXT NOT NULL, -- running, succeeded, failed, skipped, cancelled
    reason_code TEXT,
    reason_message TEXT,
    created_by TEXT, -- who asked for it
    due_at BIGINT NOT NULL, -- when it should have begun
    created_at BIGINT NOT NULL,
    finished_at BIGINT
);

-- Runs never overlap.
CREATE UNIQUE INDEX job_runs_unfinished ON job_runs (service_id, environment_id) WHERE finished_at IS NULL;
CREATE INDEX job_runs_by_service ON job_runs (service_id, environment_id, id);
