-- What projects used, summed up hour by hour into days, and what it costs. It outlives samples, services and projects: names are copied.

CREATE TABLE usage_days (
    day BIGINT NOT NULL, -- days since 1970, in UTC
    project_id TEXT NOT NULL,
    service_id TEXT NOT NULL, -- empty: what the project keeps
    environment_id TEXT NOT NULL, -- empty: the same
    project TEXT NOT NULL, -- the names at that time
    service TEXT NOT NULL,
    environment TEXT NOT NULL,
    cpu_used BIGINT NOT NULL, -- milliseconds of a core
    cpu_reserved BIGINT NOT NULL,
    memory_used BIGINT NOT NULL, -- KiB times seconds
    memory_reserved BIGINT NOT NULL,
    images BIGINT NOT NULL, -- KiB times seconds
    logs BIGINT NOT NULL,
    volumes BIGINT NOT NULL,
    received BIGINT NOT NULL, -- bytes
    sent BIGINT NOT NULL,
    PRIMARY KEY (project_id, day, service_id, environment_id)
);

CREATE INDEX usage_days_by_day ON usage_days (day, project_id);

-- Hours that are in those sums, so that none is added twice when the clock goes wrong and is set right. There: what was kept in it.
CREATE TABLE usage_hours (
    hour BIGINT PRIMARY KEY, -- since 1970, in UTC
    sampled BOOLEAN NOT NULL -- what tasks used in it, too
);

-- What the volumes of a project on a machine hold, as its engine said last.
CREATE TABLE project_volumes (
    project_id TEXT NOT NULL REFERENCES projects (id),
    machine_id TEXT NOT NULL REFERENCES machines (id),
    bytes BIGINT NOT NULL, -- of those whose size the engine knows
    seen_at BIGINT NOT NULL,
    PRIMARY KEY (project_id, machine_id)
);

CREATE INDEX project_volumes_by_machine ON project_volumes (machine_id);

-- Prices hold from their month on, until others do.
CREATE TABLE usage_prices (
    month BIGINT PRIMARY KEY, -- months since the year 0
    prices TEXT NOT NULL, -- JSON
    set_by TEXT NOT NULL, -- the name at that time
    set_at BIGINT NOT NULL
);

-- Which tasks there were in an hour.
CREATE INDEX tasks_by_end ON tasks (ended_at);
