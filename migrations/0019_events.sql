-- What engines told of containers, and what was found out later of what nobody heard.

CREATE TABLE events (
    id TEXT PRIMARY KEY,
    machine_id TEXT NOT NULL REFERENCES machines (id),
    at BIGINT NOT NULL, -- milliseconds of nanos
    nanos BIGINT NOT NULL, -- by the engine's clock
    kind TEXT NOT NULL,
    container TEXT NOT NULL, -- the engine's id; empty: of the machine itself
    name TEXT NOT NULL,
    image TEXT NOT NULL,
    project_id TEXT, -- this and the next ones: none for a container that Slipway did not make
    service_id TEXT,
    environment_id TEXT,
    task_id TEXT,
    slot BIGINT,
    revision BIGINT,
    exit_code BIGINT,
    signal BIGINT,
    oom BOOLEAN NOT NULL,
    planned BOOLEAN NOT NULL, -- it died because Slipway ended it
    recovered BOOLEAN NOT NULL, -- nobody heard it; found out later
    output TEXT, -- what the health check printed
    text TEXT NOT NULL,
    UNIQUE (machine_id, container, kind, nanos)
);

CREATE INDEX events_by_service ON events (service_id, at, id) WHERE service_id IS NOT NULL;
CREATE INDEX events_by_machine ON events (machine_id, at, id);
CREATE INDEX events_by_time ON events (at, id);
-- How many are kept is counted by project, and by machine for those that belong to none.
CREATE INDEX events_by_project ON events (project_id, at, id) WHERE project_id IS NOT NULL;
CREATE INDEX events_of_others ON events (machine_id, at, id) WHERE project_id IS NULL;

-- How far an engine was heard.
CREATE TABLE event_cursors (
    machine_id TEXT PRIMARY KEY REFERENCES machines (id),
    nanos BIGINT NOT NULL, -- of the last event, by the engine's clock
    listened_at BIGINT NOT NULL -- when somebody listened last, by the portal's
);

-- Each container of an engine as its events tell it, to be compared with the engine after a silence.
CREATE TABLE event_containers (
    machine_id TEXT NOT NULL REFERENCES machines (id),
    container TEXT NOT NULL,
    name TEXT NOT NULL,
    image TEXT NOT NULL,
    started_at BIGINT, -- its last start
    died_at BIGINT, -- its last end
    starts BIGINT NOT NULL,
    deaths BIGINT NOT NULL,
    PRIMARY KEY (machine_id, container)
);
