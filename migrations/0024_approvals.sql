-- Who may let a deployment through, what was the newest when it was asked for, and environments in which nothing is changed for now.

ALTER TABLE environments ADD COLUMN second_person BOOLEAN NOT NULL DEFAULT FALSE; -- nobody approves what they asked for themselves
ALTER TABLE environments ADD COLUMN frozen_at BIGINT; -- none: it is not frozen
ALTER TABLE environments ADD COLUMN frozen_by TEXT; -- the name at that time
ALTER TABLE environments ADD COLUMN frozen_why TEXT;

-- Whether what waits for an approval was the newest when it was asked for: what its tag named, what the configuration held. What was, and is not any
-- more, is asked for again. None: it did not wait, or was asked for before this was written down.
ALTER TABLE deployments ADD COLUMN newest_image BOOLEAN;
ALTER TABLE deployments ADD COLUMN newest_configuration BOOLEAN;

-- Which operator brought it into a frozen environment, by the name at that time, and why.
ALTER TABLE deployments ADD COLUMN overridden_by TEXT;
ALTER TABLE deployments ADD COLUMN overridden_why TEXT;

-- Where a robot or a hook asked: who is behind it, as a JSON list of accounts. They approve it as little as if they had asked themselves.
ALTER TABLE deployments ADD COLUMN behind_ids TEXT;
ALTER TABLE robot_secrets ADD COLUMN made_by_id TEXT; -- none: made before this was written down
