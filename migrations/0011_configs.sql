-- The configuration centre: variables, files and secrets of projects and services, everywhere or in one environment. Each such place (a scope) has
-- numbered versions. An entry is a row for the versions in which it stood: nothing is copied from one version to the next.
CREATE TABLE config_scopes (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    service_id TEXT REFERENCES services (id), -- none: every service of the project
    environment_id TEXT REFERENCES environments (id), -- none: every environment
    version BIGINT NOT NULL, -- the newest; 0: nothing was ever set
    kept_from BIGINT NOT NULL -- versions before this one are not whole any more: contents that nothing ran with were given up for room
);

CREATE UNIQUE INDEX config_scopes_by_place ON config_scopes (project_id, (COALESCE(service_id, '')), (COALESCE(environment_id, '')));

CREATE TABLE config_versions (
    scope_id TEXT NOT NULL REFERENCES config_scopes (id),
    number BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by_id TEXT,
    created_by TEXT NOT NULL, -- the name at that time
    why TEXT NOT NULL,
    restored BIGINT, -- the version that it brought back
    PRIMARY KEY (scope_id, number)
);

CREATE TABLE config_entries (
    scope_id TEXT NOT NULL REFERENCES config_scopes (id),
    kind TEXT NOT NULL, -- variable, file, secret
    name TEXT COLLATE "C" NOT NULL,
    since BIGINT NOT NULL, -- the first version in which it stands
    until BIGINT, -- the first version in which it stands no more; none: it still does
    stamp TEXT NOT NULL, -- two entries with the same one hold the same: a hash, for secrets a random text
    size BIGINT NOT NULL, -- bytes, of a secret too
    is_text BOOLEAN NOT NULL,
    content BYTEA NOT NULL, -- of secrets: sealed
    PRIMARY KEY (scope_id, kind, name, since)
);

CREATE INDEX config_entries_now ON config_entries (scope_id) WHERE until IS NULL;

-- With which configuration a revision runs. An old revision has none.
ALTER TABLE revisions ADD COLUMN config_environment_id TEXT; -- the environment whose configuration it is
ALTER TABLE revisions ADD COLUMN config_used TEXT NOT NULL DEFAULT ''; -- a hash of the entries that reach its tasks; empty: none does

CREATE TABLE revision_configs (
    revision_id TEXT NOT NULL REFERENCES revisions (id),
    scope_id TEXT NOT NULL REFERENCES config_scopes (id),
    version BIGINT NOT NULL,
    PRIMARY KEY (revision_id, scope_id)
);

CREATE INDEX revision_configs_by_scope ON revision_configs (scope_id, version);
