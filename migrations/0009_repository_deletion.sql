-- A repository that was deleted is gone for everybody at once; its rows go by and by.

-- Since when it is deleted. It bears no name any more that a repository can have, so that the name is free.
ALTER TABLE repositories ADD COLUMN deleted_at BIGINT;

CREATE INDEX repositories_deleted ON repositories (id) WHERE deleted_at IS NOT NULL;
