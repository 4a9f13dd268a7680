-- Templates and their versions; what each service was answered, and which version made which revision. Secret answers are entries of the
-- configuration centre.

CREATE TABLE templates (
    id TEXT PRIMARY KEY,
    project_id TEXT REFERENCES projects (id), -- none: of the whole site
    name TEXT NOT NULL,
    shipped BOOLEAN NOT NULL, -- it came with Slipway: a new release brings new versions
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL, -- the name at that time
    deleted_at BIGINT
);

CREATE UNIQUE INDEX templates_of_site ON templates (name) WHERE project_id IS NULL AND deleted_at IS NULL;
CREATE UNIQUE INDEX templates_of_project ON templates (project_id, name) WHERE project_id IS NOT NULL AND deleted_at IS NULL;

-- Immutable.
CREATE TABLE template_versions (
    template_id TEXT NOT NULL REFERENCES templates (id),
    number BIGINT NOT NULL,
    title TEXT NOT NULL,
    description TEXT NOT NULL,
    document TEXT NOT NULL, -- YAML, as its writer wrote it
    size BIGINT NOT NULL, -- of the document, in bytes
    digest TEXT NOT NULL, -- of the document
    shipped BOOLEAN NOT NULL, -- it came with a release, and nobody here wrote it
    note TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    PRIMARY KEY (template_id, number)
);

-- What a service was made from last in an environment.
CREATE TABLE service_templates (
    service_id TEXT NOT NULL REFERENCES services (id),
    environment_id TEXT NOT NULL REFERENCES environments (id) ON DELETE CASCADE,
    template_id TEXT NOT NULL REFERENCES templates (id),
    version BIGINT NOT NULL,
    answers TEXT NOT NULL, -- JSON; never a secret
    updated_at BIGINT NOT NULL,
    updated_by TEXT NOT NULL,
    PRIMARY KEY (service_id, environment_id)
);

CREATE INDEX service_templates_by_template ON service_templates (template_id, version);

-- Which version made a revision, from which answers.
CREATE TABLE revision_templates (
    revision_id TEXT PRIMARY KEY REFERENCES revisions (id),
    template_id TEXT NOT NULL REFERENCES templates (id),
    template TEXT NOT NULL, -- its name at that time
    of_site BOOLEAN NOT NULL,
    version BIGINT NOT NULL,
    answers TEXT NOT NULL -- JSON; never a secret
);

CREATE INDEX revision_templates_by_template ON revision_templates (template_id, version);
