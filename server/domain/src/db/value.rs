//! What goes into a statement and comes out of a row: seven kinds of values, each typed even where it is NULL (PostgreSQL
//! wants to know), and how the model's words are read from text.

use model::access::{Role, Scope};
use model::ids::*;
use model::names::{EnvironmentName, HookName, MachineName, ProjectName, RepositoryPath, RobotName, ServiceName, TagName, TemplateName, Username};
use model::time::Millis;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{Postgres, Row as _, Sqlite};

use crate::error::{Error, Result};

/// One argument of a statement.
#[derive(Clone, Debug)]
pub enum Value {
    /// BOOLEAN.
    Bool(Option<bool>),
    /// BIGINT.
    Int(Option<i64>),
    /// DOUBLE PRECISION.
    Real(Option<f64>),
    /// TEXT.
    Text(Option<String>),
    /// BYTEA.
    Blob(Option<Vec<u8>>),
}

pub(super) fn bind_lite<'q>(mut query: Query<'q, Sqlite, SqliteArguments>, args: Vec<Value>) -> Query<'q, Sqlite, SqliteArguments> {
    for value in args {
        query = match value {
            Value::Bool(v) => query.bind(v),
            Value::Int(v) => query.bind(v),
            Value::Real(v) => query.bind(v),
            Value::Text(v) => query.bind(v),
            Value::Blob(v) => query.bind(v),
        };
    }
    query
}

pub(super) fn bind_pg<'q>(mut query: Query<'q, Postgres, PgArguments>, args: Vec<Value>) -> Query<'q, Postgres, PgArguments> {
    for value in args {
        query = match value {
            Value::Bool(v) => query.bind(v),
            Value::Int(v) => query.bind(v),
            Value::Real(v) => query.bind(v),
            Value::Text(v) => query.bind(v),
            Value::Blob(v) => query.bind(v),
        };
    }
    query
}

/// A row of either database.
pub enum Row<'r> {
    /// Of SQLite.
    Lite(&'r SqliteRow),
    /// Of PostgreSQL.
    Pg(&'r PgRow),
}

impl Row<'_> {
    /// The value of a column.
    pub fn get<T: Column>(&self, column: &str) -> Result<T> {
        T::read(self, column)
    }
}

/// What a column's value can be read as.
pub trait Column: Sized {
    /// Reads it; an error names the column.
    fn read(row: &Row<'_>, column: &str) -> Result<Self>;
}

macro_rules! plain {
    ($($type:ty => $variant:ident),* $(,)?) => {$(
        impl Column for $type {
            fn read(row: &Row<'_>, column: &str) -> Result<Self> {
                Ok(match row {
                    Row::Lite(row) => row.try_get(column)?,
                    Row::Pg(row) => row.try_get(column)?,
                })
            }
        }

        impl Column for Option<$type> {
            fn read(row: &Row<'_>, column: &str) -> Result<Self> {
                Ok(match row {
                    Row::Lite(row) => row.try_get(column)?,
                    Row::Pg(row) => row.try_get(column)?,
                })
            }
        }

        impl From<$type> for Value {
            fn from(value: $type) -> Self {
                Self::$variant(Some(value))
            }
        }

        impl From<Option<$type>> for Value {
            fn from(value: Option<$type>) -> Self {
                Self::$variant(value)
            }
        }
    )*};
}

plain! { bool => Bool, i64 => Int, f64 => Real, String => Text, Vec<u8> => Blob }

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Text(Some(value.to_owned()))
    }
}

impl From<&String> for Value {
    fn from(value: &String) -> Self {
        Self::Text(Some(value.clone()))
    }
}

impl From<Option<&str>> for Value {
    fn from(value: Option<&str>) -> Self {
        Self::Text(value.map(str::to_owned))
    }
}

impl From<&[u8]> for Value {
    fn from(value: &[u8]) -> Self {
        Self::Blob(Some(value.to_vec()))
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Int(Some(value.into()))
    }
}

impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(Some(value.into()))
    }
}

impl From<Millis> for Value {
    fn from(value: Millis) -> Self {
        Self::Int(Some(value.0))
    }
}

impl From<Option<Millis>> for Value {
    fn from(value: Option<Millis>) -> Self {
        Self::Int(value.map(|at| at.0))
    }
}

impl Column for Millis {
    fn read(row: &Row<'_>, column: &str) -> Result<Self> {
        row.get(column).map(Self)
    }
}

impl Column for Option<Millis> {
    fn read(row: &Row<'_>, column: &str) -> Result<Self> {
        Ok(row.get::<Option<i64>>(column)?.map(Millis))
    }
}

/// Words of the model that are stored as their text.
#[macro_export]
macro_rules! text_columns {
    ($($type:ty),* $(,)?) => {$(
        impl $crate::db::Column for $type {
            fn read(row: &$crate::db::Row<'_>, column: &str) -> $crate::Result<Self> {
                let text: String = row.get(column)?;
                text.parse().map_err(|_| $crate::Error::internal(format!("column {column} holds no {}", stringify!($type))))
            }
        }

        impl $crate::db::Column for Option<$type> {
            fn read(row: &$crate::db::Row<'_>, column: &str) -> $crate::Result<Self> {
                let text: Option<String> = row.get(column)?;
                text.map(|text| text.parse().map_err(|_| $crate::Error::internal(format!("column {column} holds no {}", stringify!($type))))).transpose()
            }
        }

        impl From<$type> for $crate::db::Value {
            fn from(value: $type) -> Self {
                Self::Text(Some(value.to_string()))
            }
        }

        impl From<&$type> for $crate::db::Value {
            fn from(value: &$type) -> Self {
                Self::Text(Some(value.to_string()))
            }
        }

        impl From<Option<$type>> for $crate::db::Value {
            fn from(value: Option<$type>) -> Self {
                Self::Text(value.map(|value| value.to_string()))
            }
        }
    )*};
}

text_columns! {
    UserId, SessionId, TokenId, RobotSecretId, ProjectId, RepositoryId, UploadId, ServiceId, EnvironmentId, MachineId, RevisionId, DeploymentId, TaskId,
    ShellId, RunId, PruneId, CopyId, TemplateId, ConfigScopeId, AlertId, AlertRuleId, SilenceId, NoticeRouteId, NoticeId, HookId, HookDeliveryId,
    PushId, IncidentId, IncidentUpdateId, LegacyServiceId, AuditId, EventId, TemplateName, ProjectName, ServiceName, EnvironmentName, MachineName,
    Username, HookName, RobotName, RepositoryPath, TagName, Role, Scope,
}

/// A value stored as JSON text.
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> Column for Json<T> {
    fn read(row: &Row<'_>, column: &str) -> Result<Self> {
        let text: String = row.get(column)?;
        serde_json::from_str(&text).map(Self).map_err(|error| Error::internal(format!("column {column}: {error}")))
    }
}

impl<T: DeserializeOwned> Column for Option<Json<T>> {
    fn read(row: &Row<'_>, column: &str) -> Result<Self> {
        let text: Option<String> = row.get(column)?;
        text.map(|text| serde_json::from_str(&text).map(Json).map_err(|error| Error::internal(format!("column {column}: {error}")))).transpose()
    }
}

impl<T: Serialize> From<Json<T>> for Value {
    fn from(value: Json<T>) -> Self {
        Self::Text(Some(serde_json::to_string(&value.0).expect("our own types have no keys that JSON refuses")))
    }
}
