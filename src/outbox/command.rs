//! What the writer can be asked to write. Each command is a struct with its reply, and stands with the feature that it is
//! of. What comes often is written together: one statement text for all commands of a group, fed by one JSON array.

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

/// The bytes of an event's or a request's row beside its text, about.
pub(super) const ROW: usize = 512;

/// What else follows when a command is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Effects {
    /// There may be new work: the scheduler is woken.
    pub(super) wakes: bool,
    /// It stores events that the client forgets when it is answered.
    pub(super) stores: bool,
    /// It empties events, so that what they held is still in the WAL.
    pub(super) erases: bool,
}

/// One thing to write.
pub(super) trait Command: Debug + Send + Sync + 'static {
    /// What it is answered with.
    type Reply: Debug + Send + Sync + 'static;

    /// What else follows when it is written.
    fn effects(&self) -> Effects {
        Effects::default()
    }

    /// The bytes of what it stores, about.
    fn bytes(&self) -> usize {
        ROW
    }

    /// Adds its rows to those that are written together, if it has such.
    fn join<'a>(&'a self, _group: &mut Group<'a>) {}

    /// Writes it on a connection with an open transaction, or takes its part of what was written together.
    fn write(
        &self,
        connection: &mut SqliteConnection,
        written: &mut Written,
    ) -> impl Future<Output = Result<Self::Reply, sqlx::Error>> + Send;
}

/// A command of some kind, and the client that waits for its reply.
pub(super) trait Order: Debug + Send + Sync {
    fn effects(&self) -> Effects;
    fn bytes(&self) -> usize;
    fn join<'a>(&'a self, group: &mut Group<'a>);
    fn write<'a>(
        &'a mut self,
        connection: &'a mut SqliteConnection,
        written: &'a mut Written,
    ) -> Pin<Box<dyn Future<Output = Result<(), sqlx::Error>> + Send + 'a>>;
    /// Answers it: with what was written, once that is on disk, or with why it was not.
    fn answer(self: Box<Self>, result: Result<(), WriteError>);
}

#[derive(Debug)]
struct Asked<C: Command> {
    command: C,
    client: oneshot::Sender<Result<C::Reply, WriteError>>,
    reply: Option<C::Reply>,
}

/// Where the reply to a command comes.
pub(super) type Reply<C> = oneshot::Receiver<Result<<C as Command>::Reply, WriteError>>;

/// A command as an order, and where its reply comes.
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
        // The client may be gone (it hung up); what was written stays written.
        drop(client.send(reply));
    }
}

/// What is written together, as the arrays that the statements read.
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
    /// Rows that the settlements must change: an attempt that was made, and its delivery.
    pub(super) settled_rows: usize,
}

/// What was written together, until its commands have taken their parts, each in its place.
#[derive(Default)]
pub(super) struct Written {
    pub(super) arrivals: std::vec::IntoIter<Arrival>,
    pub(super) planned: HashMap<EventId, Vec<DeliveryId>>,
    pub(super) begun: std::vec::IntoIter<Begun>,
    /// Statements that changed another number of rows than they must.
    pub(super) unexpected: Vec<Unexpected>,
}

/// A statement changed another number of rows than it must: a state was not what its writer knew of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unexpected {
    /// What was written.
    pub(super) what: &'static str,
    pub(super) expected: usize,
    pub(super) changed: usize,
}

impl Written {
    /// Notes where a statement changed another number of rows than it must.
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
