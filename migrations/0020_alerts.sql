-- What is an alert, what is wrong and was, who is not to hear of it; and notices on their way out, which know nothing of alerts.

CREATE TABLE alert_rules (
    id TEXT PRIMARY KEY,
    project_id TEXT REFERENCES projects (id), -- none: of the whole site
    name TEXT NOT NULL,
    rule TEXT NOT NULL, -- JSON
    left_out BIGINT NOT NULL DEFAULT 0, -- things that it holds for, beyond the alerts that one rule may have
    updated_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX alert_rules_by_name ON alert_rules (COALESCE(project_id, ''), name);

-- One row from the beginning to the end of what is wrong with one thing by one rule.
CREATE TABLE alerts (
    id TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL, -- of the rule and the thing
    rule_id TEXT NOT NULL, -- it may be gone
    rule TEXT NOT NULL, -- its last name
    of_site BOOLEAN NOT NULL, -- whether the rule is the site's
    severity TEXT NOT NULL,
    project_id TEXT REFERENCES projects (id),
    service_id TEXT REFERENCES services (id),
    environment_id TEXT REFERENCES environments (id),
    machine_id TEXT REFERENCES machines (id),
    subject TEXT NOT NULL, -- JSON: its names at that time
    state TEXT NOT NULL, -- pending, firing, resolved
    summary TEXT NOT NULL,
    link TEXT NOT NULL, -- the page that shows it
    changed TEXT, -- JSON: the last deployment before it
    since BIGINT NOT NULL, -- it holds
    held_at BIGINT, -- while it is pending: when it was last seen to hold, to half a minute
    fired_at BIGINT,
    told_site BOOLEAN NOT NULL DEFAULT FALSE, -- whether the site's routes were told of its beginning; told: its project's
    calm_since BIGINT, -- it does not hold any more
    resolved_at BIGINT,
    told BOOLEAN NOT NULL, -- whether notices of its beginning were written
    routes TEXT NOT NULL DEFAULT '[]', -- JSON: names of the only routes that hear of it; empty: each one
    acknowledged_by TEXT,
    acknowledged_at BIGINT,
    note TEXT
);

CREATE UNIQUE INDEX alerts_open ON alerts (fingerprint) WHERE state <> 'resolved';
CREATE INDEX alerts_of_project ON alerts (project_id, state, id);
CREATE INDEX alerts_by_state ON alerts (state, id);
CREATE INDEX alerts_over ON alerts (resolved_at) WHERE state = 'resolved';

CREATE TABLE alert_silences (
    id TEXT PRIMARY KEY,
    project_id TEXT REFERENCES projects (id), -- none: of the whole site
    rule TEXT, -- the name; none: any
    service TEXT,
    machine TEXT,
    why TEXT NOT NULL,
    created_by TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    ended_by TEXT -- none: its time came, or will
);

CREATE INDEX alert_silences_by_end ON alert_silences (ends_at);

CREATE TABLE notice_routes (
    id TEXT PRIMARY KEY,
    project_id TEXT REFERENCES projects (id), -- none: of the whole site
    name TEXT NOT NULL,
    kind TEXT NOT NULL, -- webhook, slack, email
    shown TEXT NOT NULL, -- addresses of e-mail; of others the host alone, for the rest of the address may be a secret
    target BYTEA NOT NULL, -- sealed JSON: the address, the secret to sign with; empty: lost with the key that it was sealed with
    events TEXT NOT NULL, -- JSON
    enabled BOOLEAN NOT NULL,
    updated_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX notice_routes_by_name ON notice_routes (COALESCE(project_id, ''), name);

CREATE TABLE notices (
    id TEXT PRIMARY KEY, -- which receivers know it by
    route_id TEXT NOT NULL REFERENCES notice_routes (id),
    event TEXT NOT NULL,
    notice TEXT NOT NULL, -- JSON
    state TEXT NOT NULL, -- queued, sent, failed
    attempts BIGINT NOT NULL,
    refusals BIGINT NOT NULL DEFAULT 0, -- how often the receiver did not want it; after a few, what comes behind may pass
    unwanted BIGINT NOT NULL DEFAULT 0, -- how often in a row it said that trying again is of no use
    due_at BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    queued_at BIGINT NOT NULL, -- since then it is tried
    ended_at BIGINT,
    status BIGINT, -- of the last answer
    answer TEXT -- its first bytes, or why none came
);

CREATE INDEX notices_by_route ON notices (route_id, id);
CREATE INDEX notices_waiting ON notices (route_id, id) WHERE state = 'queued';
CREATE INDEX notices_over ON notices (ended_at) WHERE state <> 'queued';

-- How e-mail leaves: at most one row.
CREATE TABLE mail_settings (
    id TEXT PRIMARY KEY, -- site
    host TEXT NOT NULL,
    port BIGINT NOT NULL,
    security TEXT NOT NULL, -- tls, starttls, none
    username TEXT NOT NULL,
    password BYTEA, -- sealed; none: nobody is signed in
    sender TEXT NOT NULL,
    recipients TEXT NOT NULL, -- domains that mail may go to, with commas between; empty: all
    updated_by TEXT NOT NULL,
    updated_at BIGINT NOT NULL
);

ALTER TABLE machines ADD COLUMN certificate_ends BIGINT; -- of the certificate that its engine showed; none: it showed none
