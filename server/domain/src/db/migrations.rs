//! The schema's history: the files of `migrations/` in order, in PostgreSQL's words, and their translation for SQLite.
//!
//! The translation is frozen: its result is what the checksums of applied migrations are made of. It replaces four type
//! names by SQLite's and makes every table STRICT. So a file uses exactly these types (TEXT, BIGINT, BOOLEAN, DOUBLE
//! PRECISION, BYTEA) and ends each CREATE TABLE with a line that reads `);`.

use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration, MigrationType, Migrator};

const FILES: &[(i64, &str, &str)] = &[
    (1, "accounts", include_str!("../../../../migrations/0001_accounts.sql")),
    (2, "registry", include_str!("../../../../migrations/0002_registry.sql")),
    (3, "deployments", include_str!("../../../../migrations/0003_deployments.sql")),
    (4, "registry_upkeep", include_str!("../../../../migrations/0004_registry_upkeep.sql")),
    (5, "image_rules", include_str!("../../../../migrations/0005_image_rules.sql")),
    (6, "robots", include_str!("../../../../migrations/0006_robots.sql")),
    (7, "outside_registries", include_str!("../../../../migrations/0007_outside_registries.sql")),
    (8, "images", include_str!("../../../../migrations/0008_images.sql")),
    (9, "repository_deletion", include_str!("../../../../migrations/0009_repository_deletion.sql")),
    (10, "packed_chains", include_str!("../../../../migrations/0010_packed_chains.sql")),
    (11, "configs", include_str!("../../../../migrations/0011_configs.sql")),
    (12, "environments", include_str!("../../../../migrations/0012_environments.sql")),
    (13, "jobs", include_str!("../../../../migrations/0013_jobs.sql")),
    (14, "limits", include_str!("../../../../migrations/0014_limits.sql")),
    (15, "templates", include_str!("../../../../migrations/0015_templates.sql")),
    (16, "rollouts", include_str!("../../../../migrations/0016_rollouts.sql")),
    (17, "inside", include_str!("../../../../migrations/0017_inside.sql")),
    (18, "recordings", include_str!("../../../../migrations/0018_recordings.sql")),
    (19, "events", include_str!("../../../../migrations/0019_events.sql")),
    (20, "alerts", include_str!("../../../../migrations/0020_alerts.sql")),
    (21, "usage", include_str!("../../../../migrations/0021_usage.sql")),
    (22, "hooks", include_str!("../../../../migrations/0022_hooks.sql")),
    (23, "push_rules", include_str!("../../../../migrations/0023_push_rules.sql")),
    (24, "approvals", include_str!("../../../../migrations/0024_approvals.sql")),
    (25, "status", include_str!("../../../../migrations/0025_status.sql")),
];

/// The newest version of the schema.
pub const LATEST: i64 = FILES[FILES.len() - 1].0;

pub(super) fn pg() -> Migrator {
    migrator(|sql| sql.to_owned())
}

pub(super) fn lite() -> Migrator {
    migrator(translate)
}

fn migrator(words: impl Fn(&str) -> String) -> Migrator {
    let migration = |(version, name, sql): &(i64, &'static str, &str)| {
        let sql = sqlx::AssertSqlSafe(words(sql)).into_sql_str();
        Migration::new(*version, (*name).into(), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(FILES.iter().map(migration).collect())
}

fn translate(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    for line in sql.lines() {
        let code = line.split("--").next().unwrap_or_default();
        if code.trim_end() == ");" {
            text.push_str(") STRICT;");
        } else {
            text.push_str(
                &code.replace("DOUBLE PRECISION", "REAL").replace(" BIGINT", " INTEGER").replace(" BOOLEAN", " INTEGER").replace(" BYTEA", " BLOB"),
            );
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::translate;

    #[test]
    fn types_become_sqlites_and_tables_strict() {
        let sql = "CREATE TABLE t (\n    id TEXT PRIMARY KEY,\n    n BIGINT NOT NULL, -- BIGINT count\n    b BOOLEAN,\n    f DOUBLE PRECISION,\n    x BYTEA\n);";
        let lite = translate(sql);
        assert!(lite.contains("n INTEGER NOT NULL,"));
        assert!(lite.contains("b INTEGER,") && lite.contains("f REAL,") && lite.contains("x BLOB"));
        assert!(lite.ends_with(") STRICT;\n"));
    }
}
