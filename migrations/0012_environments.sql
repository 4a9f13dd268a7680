-- Environments that operators add, with their machines; which projects may use them; deployments that wait for an approval.

ALTER TABLE environments ADD COLUMN configured BOOLEAN NOT NULL DEFAULT FALSE; -- made by the configuration
ALTER TABLE environments ADD COLUMN protected BOOLEAN NOT NULL DEFAULT FALSE; -- deployments wait for an approval
ALTER TABLE environments ADD COLUMN open_to_all BOOLEAN NOT NULL DEFAULT FALSE; -- every project may use it
ALTER TABLE environments ADD COLUMN removed_at BIGINT; -- then its name says so too, and its history stays

UPDATE environments SET configured = TRUE, open_to_all = TRUE WHERE name = 'local';

CREATE TABLE environment_projects (
    environment_id TEXT NOT NULL REFERENCES environments (id),
    project_id TEXT NOT NULL REFERENCES projects (id),
    PRIMARY KEY (environment_id, project_id)
);

CREATE INDEX environment_projects_by_project ON environment_projects (project_id);

ALTER TABLE machines ADD COLUMN configured BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE machines ADD COLUMN secrets BYTEA; -- sealed JSON: certificates and keys; empty: lost with the key that they were sealed with
ALTER TABLE machines ADD COLUMN host_key TEXT; -- of its SSH server, confirmed by an operator
ALTER TABLE machines ADD COLUMN engine_id TEXT; -- what its engine calls itself
ALTER TABLE machines ADD COLUMN tested_at BIGINT; -- none: saved without a test that passed
ALTER TABLE machines ADD COLUMN removed_at BIGINT;

UPDATE machines SET configured = TRUE WHERE name = 'local';

-- Who decided on a deployment that waited.
ALTER TABLE deployments ADD COLUMN expires_at BIGINT;
ALTER TABLE deployments ADD COLUMN approved BOOLEAN; -- none: nobody decided
ALTER TABLE deployments ADD COLUMN decided_by_id TEXT;
ALTER TABLE deployments ADD COLUMN decided_by TEXT;
ALTER TABLE deployments ADD COLUMN decided_at BIGINT;
ALTER TABLE deployments ADD COLUMN decided_why TEXT;

-- What waits for an approval waits beside what is under way: at most one of each for a service in an environment.
DROP INDEX deployments_unfinished;
CREATE UNIQUE INDEX deployments_unfinished ON deployments (service_id, environment_id) WHERE finished_at IS NULL AND state <> 'pending';
CREATE UNIQUE INDEX deployments_pending ON deployments (service_id, environment_id) WHERE finished_at IS NULL AND state = 'pending';
CREATE INDEX deployments_expiring ON deployments (expires_at) WHERE finished_at IS NULL AND state = 'pending';
