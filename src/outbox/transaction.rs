//! A transaction of the writer, sent to SQLite in as few texts as possible.
//!
//! A call to SQLite's thread costs more than most statements, so statements are queued and sent together: a group of
//! arrivals takes two texts, a group of settlements one, from BEGIN to COMMIT. Queued statements run in their order,
//! and before the next one whose rows are needed at once.
//!
//! `BEGIN` and `COMMIT` are plain statements: sqlx's own transactions count their depth, and after an automatic
//! rollback by SQLite (disk full, I/O error) that count would stay wrong. A transaction that failed has to be dropped
//! together with its connection.

use futures_util::TryStreamExt as _;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Arguments as _, AssertSqlSafe, Either, Encode, Executor as _, Sqlite, Type};

/// Begins a transaction that may write the tables: their triggers reject all other writes.
pub(super) const BEGIN: &str = "BEGIN IMMEDIATE; INSERT INTO write_guard (id) VALUES (1)";
/// Commits it.
pub(super) const COMMIT: &str = "DELETE FROM write_guard; COMMIT";

/// An open transaction, with the statements that are not sent yet.
pub(super) struct Transaction<'c> {
    connection: &'c mut SqliteConnection,
    text: String,
    values: SqliteArguments,
    /// For each queued piece that was not sent yet, how many statements it has.
    queued: Vec<usize>,
    results: Vec<Done>,
    unexpected: Vec<Unexpected>,
}

/// What a queued piece has done, once it has run.
#[derive(Default)]
pub(super) struct Done {
    /// The rows that its statements returned.
    pub(super) rows: Vec<SqliteRow>,
    /// How many rows its statements changed.
    pub(super) changed: u64,
}

/// Identifies a queued piece.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ticket(usize);

/// A piece that is being queued: its values follow.
pub(super) struct Piece<'t, 'c>(&'t mut Transaction<'c>);

impl Piece<'_, '_> {
    /// Binds the next value: the first is `?1`.
    pub(super) fn bind<'v, T: Encode<'v, Sqlite> + Type<Sqlite>>(self, value: T) -> Result<Self, sqlx::Error> {
        self.0.values.add(value).map_err(sqlx::Error::Encode)?;
        Ok(self)
    }

    /// Runs it now, after everything queued before it.
    pub(super) async fn fetch(self) -> Result<Done, sqlx::Error> {
        let ticket = self.ticket();
        self.0.run(Some(ticket)).await
    }

    /// Leaves it queued.
    pub(super) fn ticket(&self) -> Ticket {
        Ticket(self.0.results.len() + self.0.queued.len() - 1)
    }
}

impl<'c> Transaction<'c> {
    /// A transaction that begins with its first text.
    pub(super) fn begin(connection: &'c mut SqliteConnection) -> Self {
        let mut transaction = Self {
            connection,
            text: String::new(),
            values: SqliteArguments::default(),
            queued: Vec::new(),
            results: Vec::new(),
            unexpected: Vec::new(),
        };
        transaction.queue(BEGIN);
        transaction
    }

    /// Queues statements; their parameters are `?1`, `?2`, … .
    pub(super) fn queue(&mut self, sql: &str) -> Piece<'_, 'c> {
        let before = self.values.len();
        number(&mut self.text, sql, before);
        self.text.push_str("\n;\n");
        self.queued.push(statements(sql));
        Piece(self)
    }

    /// Runs a queued piece now, with everything queued; nothing if it was not queued.
    pub(super) async fn run(&mut self, ticket: Option<Ticket>) -> Result<Done, sqlx::Error> {
        self.flush().await?;
        Ok(take(&mut self.results, ticket))
    }

    /// The connection, for statements that are sent one by one, after everything queued.
    pub(super) async fn connection(&mut self) -> Result<&mut SqliteConnection, sqlx::Error> {
        self.flush().await?;
        Ok(self.connection)
    }

    /// Records a statement that changed an unexpected number of rows.
    pub(super) fn expect(&mut self, what: &'static str, expected: usize, changed: usize) {
        self.unexpected.extend(Unexpected::new(what, expected, changed));
    }

    /// Commits, with what is still queued.
    pub(super) async fn commit(mut self) -> Result<Committed, sqlx::Error> {
        self.queue(COMMIT);
        self.flush().await?;
        Ok(Committed {
            results: self.results,
            unexpected: self.unexpected,
        })
    }

    async fn flush(&mut self) -> Result<(), sqlx::Error> {
        if self.queued.is_empty() {
            return Ok(());
        }
        let text = AssertSqlSafe(std::mem::take(&mut self.text));
        let values = std::mem::take(&mut self.values);
        let mut queued = self.queued.drain(..);
        let (mut left, mut done) = (queued.next().unwrap_or(0), Done::default());
        let mut stream = self.connection.fetch_many(sqlx::query_with(text, values));
        while let Some(step) = stream.try_next().await? {
            match step {
                Either::Right(row) => done.rows.push(row),
                Either::Left(ended) => {
                    done.changed += ended.rows_affected();
                    left -= 1;
                    if left == 0 {
                        self.results.push(std::mem::take(&mut done));
                        left = queued.next().unwrap_or(0);
                    }
                }
            }
        }
        Ok(())
    }
}

/// A transaction that is committed.
#[derive(Default)]
pub(super) struct Committed {
    results: Vec<Done>,
    /// Statements that changed an unexpected number of rows.
    pub(super) unexpected: Vec<Unexpected>,
}

impl Committed {
    /// Records a statement that changed an unexpected number of rows.
    pub(super) fn expect(&mut self, what: &'static str, expected: usize, changed: usize) {
        self.unexpected.extend(Unexpected::new(what, expected, changed));
    }

    /// What a piece has done; nothing if it was not queued.
    pub(super) fn take(&mut self, ticket: Option<Ticket>) -> Done {
        take(&mut self.results, ticket)
    }
}

/// A statement changed an unexpected number of rows: the state in the file was not the state that the caller assumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unexpected {
    /// The kind of the statement.
    pub(super) what: &'static str,
    pub(super) expected: usize,
    pub(super) changed: usize,
}

impl Unexpected {
    /// `None` where the numbers are the same.
    pub(super) fn new(what: &'static str, expected: usize, changed: usize) -> Option<Self> {
        (expected != changed).then_some(Self {
            what,
            expected,
            changed,
        })
    }
}

/// Takes what a piece has done; nothing if it was not queued.
fn take(results: &mut [Done], ticket: Option<Ticket>) -> Done {
    ticket.map_or_else(Done::default, |Ticket(place)| std::mem::take(&mut results[place]))
}

/// Adds statements to a text in which `before` values come first. `$n` in place of `?n`: sqlx binds it by its number,
/// and leaves out no statement that names none of the first values.
fn number(text: &mut String, sql: &str, before: usize) {
    let mut parts = sql.split('?');
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        if let Some(digit) = part.chars().next().and_then(|digit| digit.to_digit(10)) {
            text.push('$');
            text.push_str(&(before + digit as usize).to_string());
            text.push_str(&part[1..]);
        } else {
            text.push('?');
            text.push_str(part);
        }
    }
}

/// How many statements a text has.
fn statements(sql: &str) -> usize {
    let (mut count, mut open) = (0, false);
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '-' if rest.starts_with("--") => rest.find('\n'),
            '\'' => rest[1..].find('\'').map(|end| end + 2),
            _ => Some(first.len_utf8()),
        };
        match first {
            '-' if rest.starts_with("--") => {}
            ';' => {
                count += usize::from(open);
                open = false;
            }
            _ => open = open || !first.is_whitespace(),
        }
        rest = end.map_or("", |end| &rest[end..]);
    }
    count + usize::from(open)
}

#[cfg(test)]
mod tests {
    use sqlx::Connection as _;

    use super::*;

    #[tokio::test]
    async fn the_statements_of_a_text_are_counted_as_sqlite_runs_them() {
        let mut connection = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        for sql in [
            "SELECT 1",
            "SELECT 1; -- a comment; of two\n",
            "-- a comment;\nSELECT ';', 'it''s; so'; ;; SELECT 2\n",
            "BEGIN IMMEDIATE; COMMIT",
            "",
        ] {
            let steps: Vec<_> = connection.fetch_many(sql).try_collect().await.unwrap();
            let run = steps.iter().filter(|step| step.is_left()).count();
            assert_eq!(statements(sql), run, "{sql}");
        }
    }

    #[test]
    fn parameters_are_numbered_behind_the_values_before() {
        let mut text = String::new();
        number(&mut text, "VALUES (?1, ?2, '?')", 3);
        assert_eq!(text, "VALUES ($4, $5, '?')");
    }
}
