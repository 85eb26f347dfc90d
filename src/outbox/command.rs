//! The commands of the writer. Each command is a struct with a reply type, defined in the module of its feature.
//! Frequent commands are written together: one statement per kind for all commands of a group, with one JSON array as
//! input.

use std::collections::HashMap;
use std::fmt::Debug;
use std::pin::Pin;

use serde_json::Value;
use sqlx::sqlite::SqliteConnection;
use tokio::sync::oneshot;

use super::error::WriteError;
use super::intake::arrival::Arrival;
use super::queue::transition::{Begun, Deletion, Import, Start};
use crate::model::{DeliveryId, EventId, NewEvent};

/// The approximate size of the row of an event or a request without its text, in bytes.
pub(super) const ROW: usize = 512;

/// The side effects of a written command.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Effects {
    /// There may be new work: the scheduler is woken.
    pub(super) wakes: bool,
    /// It stores events that the client no longer has after the reply.
    pub(super) stores: bool,
    /// It deletes the content of events, so that old copies of it remain in the WAL.
    pub(super) erases: bool,
}

impl Effects {
    /// There may be new work.
    pub(super) const WAKES: Self = Self {
        wakes: true,
        stores: false,
        erases: false,
    };
    /// It empties events.
    pub(super) const ERASES: Self = Self {
        wakes: false,
        stores: false,
        erases: true,
    };
}

/// A command to write.
pub(super) trait Command: Debug + Send + Sync + 'static {
    /// The type of the reply.
    type Reply: Debug + Send + Sync + 'static;

    /// The side effects of the command.
    fn effects(&self) -> Effects {
        Effects::default()
    }

    /// The approximate size of the data it stores, in bytes.
    fn bytes(&self) -> usize {
        ROW
    }

    /// Adds its rows to the rows that are written together, if it has any.
    fn join<'a>(&'a self, _group: &mut Group<'a>) {}

    /// Writes it on a connection with an open transaction, or takes its result from what was written together.
    fn write(
        &self,
        connection: &mut SqliteConnection,
        written: &mut Written,
    ) -> impl Future<Output = Result<Self::Reply, sqlx::Error>> + Send;
}

/// A command of any type, and the client that waits for the reply.
pub(super) trait Order: Debug + Send + Sync {
    fn effects(&self) -> Effects;
    fn bytes(&self) -> usize;
    fn join<'a>(&'a self, group: &mut Group<'a>);
    fn write<'a>(
        &'a mut self,
        connection: &'a mut SqliteConnection,
        written: &'a mut Written,
    ) -> Pin<Box<dyn Future<Output = Result<(), sqlx::Error>> + Send + 'a>>;
    /// Sends the reply: the result, after the commit is on disk, or the error.
    fn answer(self: Box<Self>, result: Result<(), WriteError>);
}

#[derive(Debug)]
struct Asked<C: Command> {
    command: C,
    client: oneshot::Sender<Result<C::Reply, WriteError>>,
    reply: Option<C::Reply>,
}

/// Receives the reply to a command.
pub(super) type Reply<C> = oneshot::Receiver<Result<<C as Command>::Reply, WriteError>>;

/// Wraps a command as an order, with the receiver of its reply.
pub(super) fn order<C: Command>(command: C) -> (Box<dyn Order>, Reply<C>) {
    let (client, reply) = oneshot::channel();
    let asked = Asked {
        command,
        client,
        reply: None,
    };
    (Box::new(asked), reply)
}

impl<C: Command> Order for Asked<C> {
    fn effects(&self) -> Effects {
        self.command.effects()
    }

    fn bytes(&self) -> usize {
        self.command.bytes()
    }

    fn join<'a>(&'a self, group: &mut Group<'a>) {
        self.command.join(group);
    }

    fn write<'a>(
        &'a mut self,
        connection: &'a mut SqliteConnection,
        written: &'a mut Written,
    ) -> Pin<Box<dyn Future<Output = Result<(), sqlx::Error>> + Send + 'a>> {
        Box::pin(async {
            self.reply = Some(self.command.write(connection, written).await?);
            Ok(())
        })
    }

    fn answer(self: Box<Self>, result: Result<(), WriteError>) {
        let Self { client, reply, .. } = *self;
        let reply = result.and_then(|()| reply.ok_or(WriteError::Closed));
        // The client may have disconnected; what was written stays written.
        drop(client.send(reply));
    }
}

/// What is written together, as the arrays that the statements take.
#[derive(Default)]
pub(super) struct Group<'a> {
    pub(super) events: Vec<(&'a NewEvent, Option<Import>)>,
    pub(super) settlements: Vec<Value>,
    pub(super) finishes: Vec<Value>,
    pub(super) deletions: Vec<Deletion<'a>>,
    pub(super) lost: Vec<Value>,
    pub(super) requeued: Vec<Value>,
    pub(super) plans: Vec<Value>,
    pub(super) begins: Vec<&'a [Start]>,
    /// Rows that the settlements must change: the attempt of each, and its delivery.
    pub(super) settled_rows: usize,
}

/// The results of what was written together; each command takes its own, in order.
#[derive(Default)]
pub(super) struct Written {
    pub(super) arrivals: std::vec::IntoIter<Arrival>,
    pub(super) planned: HashMap<EventId, Vec<DeliveryId>>,
    pub(super) begun: std::vec::IntoIter<Begun>,
    /// Statements that changed an unexpected number of rows.
    pub(super) unexpected: Vec<Unexpected>,
}

/// A statement changed an unexpected number of rows: the state in the file was not the state that the caller assumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unexpected {
    /// The kind of the statement.
    pub(super) what: &'static str,
    pub(super) expected: usize,
    pub(super) changed: usize,
}

impl Written {
    /// Records a statement that changed an unexpected number of rows.
    pub(super) fn expect(&mut self, what: &'static str, expected: usize, changed: usize) {
        if expected != changed {
            self.unexpected.push(Unexpected {
                what,
                expected,
                changed,
            });
        }
    }
}
