-- Where things run, what should run, what runs: environments and machines, services and their revisions, the desired state,
-- deployments (acts), tasks (containers), and the ledgers of ports, networks and outside registries' credentials.

CREATE TABLE environments (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    description TEXT NOT NULL,
    registry_address TEXT NOT NULL, -- how its engines reach the embedded registry
    created_at BIGINT NOT NULL
);

CREATE TABLE machines (
    id TEXT PRIMARY KEY,
    environment_id TEXT NOT NULL REFERENCES environments (id),
    name TEXT NOT NULL UNIQUE,
    engine TEXT NOT NULL, -- the engine's address: unix:///..., tcp://...
    host TEXT NOT NULL, -- for SLIPWAY_HOST and links
    publish_address TEXT NOT NULL,
    port_first BIGINT NOT NULL,
    port_last BIGINT NOT NULL,
    subnet_pool TEXT NOT NULL, -- networks are /24s of this
    state TEXT NOT NULL, -- unknown, up, away
    message TEXT,
    since BIGINT,
    version TEXT,
    api_version TEXT,
    os TEXT,
    cpus BIGINT,
    memory BIGINT,
    created_at BIGINT NOT NULL
);

CREATE INDEX machines_by_environment ON machines (environment_id, name);

CREATE TABLE services (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL, -- the name at that time
    deleted_at BIGINT
);

CREATE UNIQUE INDEX services_by_name ON services (project_id, name) WHERE deleted_at IS NULL;
CREATE INDEX services_by_freed_name ON services (project_id, name, deleted_at);

-- Immutable, but for the digest of an outside image, which is written once, when it is first fetched.
CREATE TABLE revisions (
    id TEXT PRIMARY KEY,
    service_id TEXT NOT NULL REFERENCES services (id),
    number BIGINT NOT NULL,
    descriptor TEXT NOT NULL, -- canonical JSON
    image TEXT NOT NULL, -- as it was named
    image_project_id TEXT REFERENCES projects (id), -- none: of an outside registry
    image_repository TEXT,
    digest TEXT COLLATE "C",
    replicas BIGINT NOT NULL,
    spec TEXT NOT NULL, -- hash of all that a container is made from
    created_at BIGINT NOT NULL,
    created_by_id TEXT,
    created_by TEXT NOT NULL,
    why TEXT NOT NULL,
    source_commit TEXT,
    build TEXT,
    UNIQUE (service_id, number)
);

-- Which images a roll-back may still need.
CREATE INDEX revisions_by_image ON revisions (image_project_id, image_repository, digest);

-- What somebody wants of a service in an environment.
CREATE TABLE desired (
    service_id TEXT NOT NULL REFERENCES services (id),
    environment_id TEXT NOT NULL REFERENCES environments (id),
    revision_id TEXT REFERENCES revisions (id), -- none: no deployment succeeded yet
    state TEXT NOT NULL, -- running, stopped
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (service_id, environment_id)
);

CREATE INDEX desired_by_environment ON desired (environment_id, service_id);

CREATE TABLE deployments (
    id TEXT PRIMARY KEY,
    service_id TEXT NOT NULL REFERENCES services (id),
    environment_id TEXT NOT NULL REFERENCES environments (id),
    revision_id TEXT NOT NULL REFERENCES revisions (id),
    previous_revision_id TEXT REFERENCES revisions (id),
    kind TEXT NOT NULL, -- deploy, rollback, scale, restart, start
    state TEXT NOT NULL,
    reason_code TEXT,
    reason_message TEXT,
    progress TEXT NOT NULL, -- JSON
    created_at BIGINT NOT NULL,
    created_by_id TEXT,
    created_by TEXT NOT NULL,
    why TEXT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT
);

-- One service's deployments never interleave: at most one is unfinished in each environment.
CREATE UNIQUE INDEX deployments_unfinished ON deployments (service_id, environment_id) WHERE finished_at IS NULL;
CREATE INDEX deployments_by_service ON deployments (service_id, id);

CREATE TABLE tasks (
    id TEXT PRIMARY KEY,
    service_id TEXT NOT NULL REFERENCES services (id),
    environment_id TEXT NOT NULL REFERENCES environments (id),
    machine_id TEXT NOT NULL REFERENCES machines (id),
    revision_id TEXT NOT NULL REFERENCES revisions (id),
    deployment_id TEXT REFERENCES deployments (id), -- none: made by reconciliation
    slot BIGINT NOT NULL,
    state TEXT NOT NULL,
    health TEXT NOT NULL,
    reason_code TEXT,
    reason_message TEXT,
    container TEXT, -- the engine's id
    address TEXT, -- in the project's network
    exit_code BIGINT,
    restarts BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    healthy_at BIGINT,
    ended_at BIGINT,
    removed_at BIGINT -- when its container was removed
);

CREATE INDEX tasks_living ON tasks (service_id, environment_id, slot) WHERE ended_at IS NULL;
CREATE INDEX tasks_by_machine ON tasks (machine_id) WHERE removed_at IS NULL;
CREATE INDEX tasks_by_service ON tasks (service_id, environment_id, id);

-- Which task holds which port of a machine. Without a task: something else holds it, found out by trying.
CREATE TABLE ports (
    machine_id TEXT NOT NULL REFERENCES machines (id),
    protocol TEXT NOT NULL,
    port BIGINT NOT NULL,
    task_id TEXT REFERENCES tasks (id),
    name TEXT,
    container BIGINT,
    blocked_until BIGINT,
    PRIMARY KEY (machine_id, protocol, port)
);

CREATE INDEX ports_by_task ON ports (task_id);

-- One bridge for each project and environment.
CREATE TABLE networks (
    environment_id TEXT NOT NULL REFERENCES environments (id),
    project_id TEXT NOT NULL REFERENCES projects (id),
    position BIGINT NOT NULL, -- which /24 of the pool
    since BIGINT NOT NULL,
    PRIMARY KEY (environment_id, project_id),
    UNIQUE (environment_id, position)
);

CREATE TABLE registry_credentials (
    project_id TEXT NOT NULL REFERENCES projects (id),
    host TEXT NOT NULL,
    username TEXT NOT NULL,
    secret BYTEA NOT NULL, -- sealed
    updated_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, host)
);
