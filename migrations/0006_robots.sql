-- Robots: a project's accounts for programs. They are not among `users`, so nothing that is about people ever meets one.

CREATE TABLE robots (
    id TEXT PRIMARY KEY, -- an account's id, as those of users
    project_id TEXT NOT NULL REFERENCES projects (id),
    name TEXT COLLATE "C" NOT NULL,
    description TEXT NOT NULL,
    role TEXT NOT NULL,
    scopes TEXT NOT NULL, -- words separated by spaces; empty: those of its role
    created_at BIGINT NOT NULL,
    created_by_id TEXT NOT NULL,
    created_by TEXT NOT NULL, -- the name at that time
    expires_at BIGINT,
    disabled_at BIGINT,
    used_at BIGINT,
    UNIQUE (project_id, name)
);

-- What a robot signs in with: one secret, and after a rotation for a while the one before. What rests on a secret names its id, and ends with it.
CREATE TABLE robot_secrets (
    id TEXT PRIMARY KEY,
    robot_id TEXT NOT NULL REFERENCES robots (id) ON DELETE CASCADE,
    hash TEXT NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    ends_at BIGINT, -- NULL: with the robot
    used_at BIGINT
);

CREATE INDEX robot_secrets_by_robot ON robot_secrets (robot_id);
