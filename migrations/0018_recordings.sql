-- How many bytes of recordings of shells a project keeps.

ALTER TABLE project_usage ADD COLUMN recordings_limit BIGINT; -- none: the site's
