-- The public status page: what heads it, services outside of containers beside the others, what probes found, incidents and planned work.

CREATE TABLE status_pages (
    id TEXT PRIMARY KEY, -- site, or the project's id
    project_id TEXT REFERENCES projects (id), -- none: of the whole site
    title TEXT NOT NULL, -- empty: the project's name; of the site: Status
    about TEXT NOT NULL,
    environment_id TEXT REFERENCES environments (id), -- only what runs there is shown; none: wherever it runs
    hidden BOOLEAN NOT NULL,
    off_site BOOLEAN NOT NULL, -- operators took the project off the whole site's page; its own stays
    logo BYTEA, -- a picture; none: no logo
    logo_kind TEXT, -- its media type
    updated_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

-- Services that are not in containers: where they are, and how they are probed.
CREATE TABLE legacy_services (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT NOT NULL, -- no service's of the project when it was written
    title TEXT NOT NULL, -- empty: the name
    address TEXT NOT NULL, -- https://..., http://..., tcp://host:port
    shown BOOLEAN NOT NULL, -- on the status page
    updated_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX legacy_services_by_name ON legacy_services (project_id, name);

-- For how long probes found what, in milliseconds, by days (kept for 90) and by quarters of an hour (kept for a day).
CREATE TABLE status_spans (
    thing TEXT NOT NULL, -- a service's id, or a legacy service's
    width BIGINT NOT NULL, -- milliseconds
    begins_at BIGINT NOT NULL,
    good BIGINT NOT NULL,
    partly BIGINT NOT NULL,
    bad BIGINT NOT NULL,
    planned BIGINT NOT NULL, -- while work was planned, whatever they found
    answers BIGINT NOT NULL, -- probes that were answered
    millis BIGINT NOT NULL, -- how long those answers took, together
    PRIMARY KEY (thing, width, begins_at)
);

CREATE INDEX status_spans_by_age ON status_spans (width, begins_at);

-- Incidents, and work that is planned.
CREATE TABLE status_incidents (
    id TEXT PRIMARY KEY,
    project_id TEXT REFERENCES projects (id), -- none: of the whole site
    kind TEXT NOT NULL, -- incident, maintenance
    title TEXT NOT NULL,
    impact TEXT NOT NULL, -- none, minor, major, critical
    state TEXT NOT NULL,
    components TEXT NOT NULL, -- JSON: names of services; empty: each one
    alert_id TEXT, -- the alert that proposed it
    starts_at BIGINT NOT NULL,
    ends_at BIGINT, -- of work that is planned: its end; of an incident: when it was resolved
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX status_incidents_by_alert ON status_incidents (alert_id);
CREATE INDEX status_incidents_of_project ON status_incidents (project_id, id);
CREATE INDEX status_incidents_by_end ON status_incidents (ends_at);

-- What was told of them, step by step.
CREATE TABLE status_updates (
    id TEXT PRIMARY KEY,
    incident_id TEXT NOT NULL REFERENCES status_incidents (id),
    state TEXT NOT NULL,
    body TEXT NOT NULL,
    written_at BIGINT NOT NULL,
    written_by TEXT NOT NULL
);

CREATE INDEX status_updates_of_incident ON status_updates (incident_id, id);
