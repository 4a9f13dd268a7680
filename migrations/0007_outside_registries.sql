-- Images that are copied in from outside registries: asked for by people, done by a loop, which goes on after a restart where it was.
-- Credentials lie in `registry_credentials` (a user name that is empty: none is needed); what operators allow in `settings`.
CREATE TABLE copies (
    id TEXT PRIMARY KEY,
    project_id TEXT NOT NULL REFERENCES projects (id),
    repository TEXT COLLATE "C" NOT NULL, -- the destination's path below the project; it need not be there yet
    tag TEXT COLLATE "C", -- NULL: by digest alone
    source_host TEXT NOT NULL,
    source TEXT NOT NULL, -- the whole reference
    platforms TEXT NOT NULL, -- JSON list; empty: everything
    referrers BOOLEAN NOT NULL, -- signatures and the like too
    state TEXT NOT NULL, -- queued, running, succeeded, failed, cancelled
    finishing BOOLEAN NOT NULL, -- the tag is being set: it cannot be cancelled any more
    digest TEXT COLLATE "C", -- what the source's reference meant when it was first looked up
    reason TEXT, -- JSON: code and message; of a queued one, why it waits
    progress TEXT NOT NULL, -- JSON
    asked_by TEXT NOT NULL, -- a user's id: what may be done is asked anew while it runs
    asker TEXT NOT NULL, -- the name at that time
    proof TEXT NOT NULL, -- JSON: what the request was proved by, and its ceiling
    address TEXT NOT NULL,
    attempts BIGINT NOT NULL, -- in a row without anything gained
    due_at BIGINT NOT NULL, -- not before this
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT
);

CREATE INDEX copies_by_project ON copies (project_id, id);
CREATE INDEX copies_by_state ON copies (state, due_at);
