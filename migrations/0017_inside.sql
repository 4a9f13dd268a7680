-- Looking inside: terminals in tasks and their recordings, and how long a project's logs are kept. Logs themselves are files of their own.

CREATE TABLE shells (
    id TEXT PRIMARY KEY, -- the session's name on the wire, and its recording's
    project_id TEXT NOT NULL REFERENCES projects (id),
    service_id TEXT NOT NULL REFERENCES services (id),
    environment_id TEXT NOT NULL REFERENCES environments (id),
    task_id TEXT NOT NULL REFERENCES tasks (id),
    machine_id TEXT NOT NULL REFERENCES machines (id),
    container TEXT NOT NULL, -- the engine's id
    -- How its processes are found again after the portal was killed; none: they cannot be.
    mark TEXT, -- JSON
    opened_by_id TEXT NOT NULL,
    opened_by TEXT NOT NULL, -- the name at that time
    address TEXT NOT NULL, -- from where
    why TEXT NOT NULL, -- what they said it is for; may be empty
    command TEXT, -- JSON; none: the image's shell
    as_user TEXT,
    workdir TEXT,
    opened_at BIGINT NOT NULL,
    ended_at BIGINT,
    -- exited, left, signed_out, access_lost, task_ended, ended, portal_stopped, portal_restarted, failed. Without an ended_at its end is still being carried out.
    ended_why TEXT,
    exit_code BIGINT,
    recorded BOOLEAN NOT NULL,
    recording_bytes BIGINT NOT NULL,
    recording_gone_at BIGINT -- when its file was deleted; the row stays
);

CREATE INDEX shells_by_project ON shells (project_id, id);
CREATE INDEX shells_by_opener ON shells (project_id, opened_by_id, id);
CREATE INDEX shells_open ON shells (task_id) WHERE ended_at IS NULL;
CREATE INDEX shells_recordings ON shells (project_id, opened_at) WHERE recorded AND recording_gone_at IS NULL;

ALTER TABLE projects ADD COLUMN shells_recorded BOOLEAN NOT NULL DEFAULT TRUE;
ALTER TABLE projects ADD COLUMN recordings_days BIGINT NOT NULL DEFAULT 90;
ALTER TABLE projects ADD COLUMN logs_days BIGINT NOT NULL DEFAULT 30;
ALTER TABLE project_usage ADD COLUMN logs_limit BIGINT; -- bytes of kept logs; none: the site's
