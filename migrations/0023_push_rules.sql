-- Which pushes deploy by themselves, and what became of each.

CREATE TABLE push_rules (
    service_id TEXT NOT NULL REFERENCES services (id),
    environment_id TEXT NOT NULL REFERENCES environments (id),
    repository TEXT COLLATE "C" NOT NULL, -- of the service's project; it may not be there yet
    filter TEXT NOT NULL, -- JSON
    enabled BOOLEAN NOT NULL,
    updated_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (service_id, environment_id)
);

CREATE INDEX push_rules_by_repository ON push_rules (repository);

-- Pushes that some rule may be about, written with the push, until the loop has looked at them.
CREATE TABLE pushes (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    repository TEXT COLLATE "C" NOT NULL,
    tag TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    pusher_id TEXT NOT NULL, -- a person or a robot, which may be gone
    pusher TEXT NOT NULL,
    address TEXT NOT NULL,
    pushed_at BIGINT NOT NULL,
    not_before BIGINT NOT NULL, -- it is looked at from then on
    tries BIGINT NOT NULL DEFAULT 0, -- how often something was in the way that may pass
    failing_since BIGINT, -- the first of them
    reached_service TEXT NOT NULL DEFAULT '', -- the rules up to here were looked at; empty: from the first one on
    reached_environment TEXT NOT NULL DEFAULT ''
);

CREATE TABLE push_outcomes (
    push_id TEXT NOT NULL,
    service_id TEXT NOT NULL REFERENCES services (id),
    environment_id TEXT NOT NULL REFERENCES environments (id),
    repository TEXT COLLATE "C" NOT NULL,
    tag TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    pusher TEXT NOT NULL,
    pushed_at BIGINT NOT NULL,
    outcome TEXT NOT NULL, -- deployed, ignored, refused
    reason TEXT, -- why it was not deployed
    deployment_id TEXT REFERENCES deployments (id),
    PRIMARY KEY (push_id, service_id, environment_id)
);

-- A push deploys an image once in each environment, however often and under however many tags it is pushed.
CREATE UNIQUE INDEX push_outcomes_once ON push_outcomes (service_id, environment_id, digest) WHERE deployment_id IS NOT NULL;
CREATE INDEX push_outcomes_by_service ON push_outcomes (service_id, push_id);

-- Whose the hosts of routes are: a project's from the first deployment on that names one, for as long as something of the project uses it.
CREATE TABLE route_hosts (
    host TEXT COLLATE "C" PRIMARY KEY, -- in lower case
    project_id TEXT NOT NULL REFERENCES projects (id),
    claimed_at BIGINT NOT NULL
);
