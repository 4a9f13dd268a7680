-- How much a project may run: processors, memory, tasks, fixed ports; and what a task gets that names no limit.

ALTER TABLE project_usage ADD COLUMN cpus_limit BIGINT; -- thousandths, of all tasks that should run
ALTER TABLE project_usage ADD COLUMN memory_limit BIGINT; -- bytes, of all tasks that should run
ALTER TABLE project_usage ADD COLUMN tasks_limit BIGINT;
ALTER TABLE project_usage ADD COLUMN ports_first BIGINT; -- fixed ports of machines; none: anywhere, 0: nowhere
ALTER TABLE project_usage ADD COLUMN ports_last BIGINT;
ALTER TABLE project_usage ADD COLUMN task_cpus BIGINT; -- thousandths; none: the site's
ALTER TABLE project_usage ADD COLUMN task_memory BIGINT; -- bytes; none: the site's

-- What each task of a revision takes, out of its descriptor: of all services of a project it is summed at every deploy. Of revisions that
-- were made before, the descriptor is read instead.
ALTER TABLE revisions ADD COLUMN counted BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE revisions ADD COLUMN cpus BIGINT; -- thousandths of each task; none: no limit
ALTER TABLE revisions ADD COLUMN memory BIGINT; -- bytes of each task; none: no limit
