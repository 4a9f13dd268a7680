-- Hooks: doors by which CI brings another image of a service into one environment. A hook is an account as a robot is, with rows of its own.

CREATE TABLE hooks (
    id TEXT PRIMARY KEY, -- an account's id, as those of users and robots
    project_id TEXT NOT NULL REFERENCES projects (id),
    service_id TEXT NOT NULL REFERENCES services (id),
    environment_id TEXT NOT NULL REFERENCES environments (id),
    name TEXT COLLATE "C" NOT NULL,
    address TEXT COLLATE "C" NOT NULL UNIQUE, -- 128 random bits: what its URL ends with
    rule TEXT NOT NULL, -- JSON: which events deploy, and which tag
    created_at BIGINT NOT NULL,
    created_by_id TEXT NOT NULL,
    created_by TEXT NOT NULL, -- the name at that time
    disabled_at BIGINT,
    UNIQUE (service_id, name)
);

-- What senders prove themselves with: one secret, and after a rotation for a while the one before.
CREATE TABLE hook_secrets (
    id TEXT PRIMARY KEY,
    hook_id TEXT NOT NULL REFERENCES hooks (id) ON DELETE CASCADE,
    secret BYTEA NOT NULL, -- sealed; empty: lost with the key that it was sealed with
    created_at BIGINT NOT NULL,
    made_by_id TEXT NOT NULL,
    ends_at BIGINT -- NULL: with the hook
);

CREATE INDEX hook_secrets_by_hook ON hook_secrets (hook_id);

-- What was delivered and answered. A repeat is known by its key, and gets the same answer.
CREATE TABLE hook_deliveries (
    id TEXT PRIMARY KEY,
    hook_id TEXT NOT NULL REFERENCES hooks (id) ON DELETE CASCADE,
    repeat_key TEXT COLLATE "C", -- which delivery it is, as its sender says; NULL: it does not say
    body_key TEXT, -- the fingerprint, where the same body is a repeat under whatever key; NULL: it is not
    fingerprint TEXT NOT NULL, -- SHA-256 of the body
    received_at BIGINT NOT NULL,
    claimed_at BIGINT NOT NULL, -- since then somebody works on it
    sender TEXT NOT NULL, -- github, gitlab, ...
    event TEXT NOT NULL, -- what its sender calls it
    request BYTEA, -- sealed JSON: headers and body; NULL: only the last ones are kept
    not_kept TEXT, -- why it never was kept whole: large, secret; NULL: it was
    status BIGINT, -- of the answer; NULL: it is being worked on
    answer TEXT, -- JSON
    deployment_id TEXT,
    redelivery_of TEXT,
    redelivered_by TEXT -- the name at that time
);

CREATE UNIQUE INDEX hook_deliveries_by_key ON hook_deliveries (hook_id, repeat_key) WHERE repeat_key IS NOT NULL;
CREATE UNIQUE INDEX hook_deliveries_by_body ON hook_deliveries (hook_id, body_key) WHERE body_key IS NOT NULL;
CREATE INDEX hook_deliveries_by_hook ON hook_deliveries (hook_id, id);
CREATE INDEX hook_deliveries_whole ON hook_deliveries (hook_id, id) WHERE request IS NOT NULL;

-- Where a revision comes from, besides its commit and build.
ALTER TABLE revisions ADD COLUMN source_ref TEXT; -- branch or tag of the source
ALTER TABLE revisions ADD COLUMN source_author TEXT; -- who, as CI says
ALTER TABLE revisions ADD COLUMN source_link TEXT; -- the commit's page
