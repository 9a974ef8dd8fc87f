//! The orders in PostgreSQL, queried with credentials that live as long as the request.
//!
//! Receives the database's location, and the credentials that Vault made; produces the rows that they may see.
//! Neither the query nor this code names a tenant. Vault decides whose credentials a token can get, and row-level
//! security decides which rows they show.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};
use vault_context::unwrap::Credentials;

/// Where the orders are, and which role of the database secrets engine may see them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Database {
    /// The mount of the database secrets engine.
    pub(crate) mount: String,
    /// A role of that engine.
    pub(crate) role: String,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The database's own name.
    pub(crate) name: String,
}

/// One row.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Order {
    pub(crate) id: i32,
    pub(crate) item: String,
    pub(crate) quantity: i32,
}

/// Why there are no rows. PostgreSQL's own words can quote names and values, so none are kept.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DatabaseError {
    #[error("the database cannot be reached: {0}")]
    Unreachable(std::io::ErrorKind),
    #[error("the database did not answer within {} s", LIMIT.as_secs())]
    TimedOut,
    #[error("the database is starting, stopping or overloaded: SQLSTATE {0}")]
    Unavailable(String),
    #[error("the connection broke")]
    Broken,
    #[error("the database refused: SQLSTATE {0}")]
    Refused(String),
}

/// For connecting, querying and closing. API Gateway waits longer than that.
const LIMIT: Duration = Duration::from_secs(5);

const QUERY: &str = "SELECT id, item, quantity FROM orders ORDER BY id";

impl Database {
    /// Connects, queries and closes: afterwards no session is left that the revocation could find.
    pub(crate) async fn orders(&self, credentials: &Credentials) -> Result<Vec<Order>, DatabaseError> {
        tokio::time::timeout(LIMIT, self.query(credentials)).await.map_err(|_| DatabaseError::TimedOut)?
    }

    async fn query(&self, credentials: &Credentials) -> Result<Vec<Order>, DatabaseError> {
        let socket = TcpStream::connect((self.host.as_str(), self.port)).await;
        let socket = socket.map_err(|error| DatabaseError::Unreachable(error.kind()))?;
        let mut config = Config::new();
        config.user(&credentials.username).password(credentials.password()).dbname(&self.name);
        // `config` lets only a loopback host pass.
        config.ssl_mode(SslMode::Disable);
        let (client, connection) = config.connect_raw(socket, NoTls).await?;
        // The connection ends when the client is dropped, which is when the rows are here.
        let (rows, closed) = tokio::join!(rows(client), connection);
        let rows = rows?;
        closed?;
        Ok(rows)
    }
}

async fn rows(client: Client) -> Result<Vec<Order>, tokio_postgres::Error> {
    let rows = client.query(QUERY, &[]).await?;
    let order = |row: &tokio_postgres::Row| {
        Ok(Order { id: row.try_get(0)?, item: row.try_get(1)?, quantity: row.try_get(2)? })
    };
    rows.iter().map(order).collect()
}

impl DatabaseError {
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) | Self::Broken => "database_unreachable",
            Self::TimedOut => "database_timed_out",
            Self::Unavailable(_) => "database_unavailable",
            Self::Refused(_) => "database_refused",
        }
    }

    /// 503 where waiting helps, 500 where something is set up wrong.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Refused(_) => 500,
            Self::Unreachable(_) | Self::TimedOut | Self::Unavailable(_) | Self::Broken => 503,
        }
    }
}

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code().map(SqlState::code) {
            None => Self::Broken,
            // Connections (08), resources (53), an operator's intervention (57P) and the system itself (58).
            Some(code) if ["08", "53", "57P", "58"].iter().any(|class| code.starts_with(class)) => {
                Self::Unavailable(code.to_owned())
            }
            Some(code) => Self::Refused(code.to_owned()),
        }
    }
}
