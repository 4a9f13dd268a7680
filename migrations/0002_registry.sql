-- The embedded registry: repositories, which blobs they hold, manifests byte for byte, tags. Blobs themselves are files.

-- A repository appears to people with its first manifest (`pushed_at`); until then it only holds what is being pushed.
CREATE TABLE repositories (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT COLLATE "C" NOT NULL,
    created_at BIGINT NOT NULL,
    pushed_at BIGINT,
    pulled_at BIGINT,
    pulls BIGINT NOT NULL,
    UNIQUE (project_id, name)
);

-- A row is written after the file is whole and in its place, so a row without a file does not exist.
CREATE TABLE blobs (
    digest TEXT COLLATE "C" PRIMARY KEY,
    size BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    used_at BIGINT NOT NULL -- the last upload or mount: what was wanted a moment ago is not collected
);

-- Which repository holds which blob: the only way to a blob.
CREATE TABLE repository_blobs (
    repository_id TEXT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    digest TEXT COLLATE "C" NOT NULL REFERENCES blobs (digest),
    since BIGINT NOT NULL,
    PRIMARY KEY (repository_id, digest)
);

CREATE INDEX repository_blobs_by_digest ON repository_blobs (digest);

CREATE TABLE manifests (
    repository_id TEXT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    digest TEXT COLLATE "C" NOT NULL,
    media_type TEXT NOT NULL,
    kind TEXT NOT NULL, -- image, index, other
    artifact_type TEXT,
    subject TEXT COLLATE "C",
    size BIGINT NOT NULL, -- bytes of the body
    content_size BIGINT NOT NULL, -- bytes of all that it is made of, each content once, itself included
    annotations TEXT NOT NULL, -- JSON object
    config TEXT, -- JSON: what the model reads of an image's configuration
    pushed_at BIGINT NOT NULL,
    pushed_by TEXT, -- a user's id
    pusher TEXT NOT NULL, -- the name at that time
    pulled_at BIGINT,
    pulls BIGINT NOT NULL,
    body BYTEA NOT NULL,
    PRIMARY KEY (repository_id, digest)
);

CREATE INDEX manifests_by_subject ON manifests (repository_id, subject, digest);

-- What a manifest is made of, in its order: its configuration (position 0 where there is one), layers, listed manifests.
CREATE TABLE manifest_parts (
    repository_id TEXT NOT NULL,
    manifest TEXT COLLATE "C" NOT NULL,
    position BIGINT NOT NULL,
    role TEXT NOT NULL, -- config, layer, manifest
    digest TEXT COLLATE "C" NOT NULL,
    media_type TEXT NOT NULL,
    size BIGINT NOT NULL,
    platform TEXT,
    PRIMARY KEY (repository_id, manifest, position),
    FOREIGN KEY (repository_id, manifest) REFERENCES manifests (repository_id, digest) ON DELETE CASCADE
);

CREATE INDEX manifest_parts_by_digest ON manifest_parts (repository_id, digest);

CREATE TABLE tags (
    repository_id TEXT NOT NULL,
    name TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    pushed_at BIGINT NOT NULL,
    pushed_by TEXT,
    pusher TEXT NOT NULL,
    PRIMARY KEY (repository_id, name),
    FOREIGN KEY (repository_id, digest) REFERENCES manifests (repository_id, digest) ON DELETE CASCADE
);

CREATE INDEX tags_by_digest ON tags (repository_id, digest);
CREATE INDEX tags_by_time ON tags (repository_id, pushed_at, name);
