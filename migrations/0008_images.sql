-- What images are built on, and what tags named before: both are written with each push.

-- The chain of an image says its whole stack of layers in one value: a hash over its platform and the contents of its layers, lowest
-- first. Images with one chain have the same file system; an image stands on another where that one's chain is among its own prefixes.
ALTER TABLE manifests ADD COLUMN layered BOOLEAN NOT NULL DEFAULT FALSE; -- whether chains were derived, or there are none to derive
ALTER TABLE manifests ADD COLUMN chain BYTEA; -- none: no image, or one without layers

UPDATE manifests SET layered = TRUE WHERE kind <> 'image';

CREATE INDEX manifests_not_layered ON manifests (repository_id, digest) WHERE NOT layered;

-- One row for each layer of an image: the chain up to it, itself included.
CREATE TABLE image_layers (
    repository_id TEXT NOT NULL,
    manifest TEXT COLLATE "C" NOT NULL,
    position BIGINT NOT NULL, -- 0 is the lowest
    chain BYTEA NOT NULL,
    PRIMARY KEY (repository_id, manifest, position),
    FOREIGN KEY (repository_id, manifest) REFERENCES manifests (repository_id, digest) ON DELETE CASCADE
);

CREATE INDEX image_layers_by_chain ON image_layers (chain, repository_id, manifest);

-- What a tag named and since when: one row for each content, for an index one for each of its images. It outlives the manifest, so that
-- it can be told what stands on an image that is gone. Of each tag only the last moves are kept.
CREATE TABLE tag_moves (
    repository_id TEXT NOT NULL REFERENCES repositories (id) ON DELETE CASCADE,
    name TEXT COLLATE "C" NOT NULL,
    digest TEXT COLLATE "C" NOT NULL,
    chain BYTEA NOT NULL,
    since BIGINT NOT NULL,
    PRIMARY KEY (repository_id, name, digest, chain)
);

CREATE INDEX tag_moves_by_chain ON tag_moves (chain, repository_id, since);

-- Lists of repositories in other orders than by name.
CREATE INDEX repositories_by_push ON repositories (project_id, pushed_at, name);
CREATE INDEX repositories_by_pulls ON repositories (project_id, pulls, name);
