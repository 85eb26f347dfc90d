//! The commands of the writer. Each command is a struct with a reply type, defined in the module of its feature.
//! Frequent commands are [`GroupCommand`]s: one statement per kind for all commands of a group, with one JSON array as
//! input. The others are [`Command`]s, written one by one in the same transaction.

use std::collections::HashMap;
use std::fmt::Debug;
use std::pin::Pin;

use tokio::sync::oneshot;

use super::error::WriteError;
use super::intake::arrival::Arrival;
use super::queue::transition::{Begun, Deletion, Import, Start};
use super::rows;
use super::transaction::Transaction;
use crate::model::{DeliveryId, EventId, NewEvent};

/// The approximate size of the row of an event or a request without its text, in bytes.
pub(super) const ROW: usize = 512;

/// The side effects of a written command.
#[expect(clippy::struct_excessive_bools, reason = "each is independent of the others")]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Effects {
    /// There may be new work: the scheduler is woken.
    pub(super) wakes: bool,
    /// It stores events that the client no longer has after the reply.
    pub(super) stores: bool,
    /// It deletes the content of events, so that old copies of it remain in the WAL.
    pub(super) erases: bool,
    /// A power cut may undo it, until a later commit is on disk: nothing outside the outbox depends on it, and the next
    /// start does it again. A group of such commands does not wait for the disk.
    pub(super) may_be_lost: bool,
}

impl Effects {
    /// There may be new work.
    pub(super) const WAKES: Self = Self {
        wakes: true,
        ..Self::NONE
    };
    /// It erases events.
    pub(super) const ERASES: Self = Self {
        erases: true,
        ..Self::NONE
    };
    /// A power cut may undo it.
    pub(super) const MAY_BE_LOST: Self = Self {
        may_be_lost: true,
        ..Self::NONE
    };
    const NONE: Self = Self {
        wakes: false,
        stores: false,
        erases: false,
        may_be_lost: false,
    };
}

/// A command that is written by itself.
pub(super) trait Command: Debug + Send + Sync + 'static {
    /// The type of the reply.
    type Reply: Debug + Send + Sync + 'static;

    /// The side effects of the command.
    fn effects(&self) -> Effects {
        Effects::default()
    }

    /// Writes it in an open transaction.
    fn write(&self, transaction: &mut Transaction<'_>)
    -> impl Future<Output = Result<Self::Reply, sqlx::Error>> + Send;
}

/// A command that is written together with others of its kind.
pub(super) trait GroupCommand: Debug + Send + Sync + 'static {
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

    /// Adds its rows to the rows that are written together.
    fn join<'a>(&'a self, group: &mut Group<'a>);

    /// Takes its reply from what was written together, after the commit.
    fn reply(&self, written: &mut Written) -> Self::Reply;
}

/// A command of any type, and the client that waits for the reply.
pub(super) trait Order: Debug + Send + Sync {
    fn effects(&self) -> Effects;
    /// The approximate size of the data it stores, in bytes.
    fn bytes(&self) -> usize {
        ROW
    }
    /// Adds its rows to the rows that are written together, if it is written with others.
    fn join<'a>(&'a self, _group: &mut Group<'a>) {}
    /// Writes it in an open transaction, if it is written by itself.
    fn write<'a>(&'a mut self, _transaction: &'a mut Transaction<'_>) -> Writing<'a> {
        Box::pin(std::future::ready(Ok(())))
    }
    /// Takes its reply from what was written together.
    fn take(&mut self, _written: &mut Written) {}
    /// Sends the reply: the result, after the commit, or the error.
    fn answer(self: Box<Self>, result: Result<(), WriteError>);
}

/// A command that is being written.
pub(super) type Writing<'a> = Pin<Box<dyn Future<Output = Result<(), sqlx::Error>> + Send + 'a>>;

/// Receives the reply to a command.
pub(super) type Reply<R> = oneshot::Receiver<Result<R, WriteError>>;

/// A command, the client that waits for its reply, and the reply once it is known.
#[derive(Debug)]
struct Pending<C, R> {
    command: C,
    client: oneshot::Sender<Result<R, WriteError>>,
    reply: Option<R>,
}

impl<C, R> Pending<C, R> {
    fn new(command: C) -> (Self, Reply<R>) {
        let (client, reply) = oneshot::channel();
        let pending = Self {
            command,
            client,
            reply: None,
        };
        (pending, reply)
    }

    fn answer(self, result: Result<(), WriteError>) {
        let reply = result.and_then(|()| self.reply.ok_or(WriteError::Closed));
        // The client may have disconnected; what was written stays written.
        drop(self.client.send(reply));
    }
}

#[derive(Debug)]
struct Single<C: Command>(Pending<C, C::Reply>);

#[derive(Debug)]
struct Grouped<C: GroupCommand>(Pending<C, C::Reply>);

/// Wraps a command as an order, with the receiver of its reply.
pub(super) fn single<C: Command>(command: C) -> (Box<dyn Order>, Reply<C::Reply>) {
    let (pending, reply) = Pending::new(command);
    (Box::new(Single(pending)), reply)
}

/// Wraps a command that is written together with others as an order, with the receiver of its reply.
pub(super) fn grouped<C: GroupCommand>(command: C) -> (Box<dyn Order>, Reply<C::Reply>) {
    let (pending, reply) = Pending::new(command);
    (Box::new(Grouped(pending)), reply)
}

impl<C: Command> Order for Single<C> {
    fn effects(&self) -> Effects {
        self.0.command.effects()
    }

    fn write<'a>(&'a mut self, transaction: &'a mut Transaction<'_>) -> Writing<'a> {
        Box::pin(async {
            self.0.reply = Some(self.0.command.write(transaction).await?);
            Ok(())
        })
    }

    fn answer(self: Box<Self>, result: Result<(), WriteError>) {
        self.0.answer(result);
    }
}

impl<C: GroupCommand> Order for Grouped<C> {
    fn effects(&self) -> Effects {
        self.0.command.effects()
    }

    fn bytes(&self) -> usize {
        self.0.command.bytes()
    }

    fn join<'a>(&'a self, group: &mut Group<'a>) {
        self.0.command.join(group);
    }

    fn take(&mut self, written: &mut Written) {
        self.0.reply = Some(self.0.command.reply(written));
    }

    fn answer(self: Box<Self>, result: Result<(), WriteError>) {
        self.0.answer(result);
    }
}

/// What is written together, as the rows of the arrays that the statements take.
#[derive(Default)]
pub(super) struct Group<'a> {
    pub(super) events: Vec<(&'a NewEvent, Option<Import>)>,
    pub(super) settlements: Vec<rows::SettlementRow<'a>>,
    pub(super) finishes: Vec<rows::FinishRow<'a>>,
    pub(super) deletions: Vec<Deletion<'a>>,
    pub(super) lost: Vec<rows::LostRow>,
    pub(super) requeued: Vec<rows::RequeueRow>,
    pub(super) plans: Vec<rows::PlanRow<'a>>,
    /// The texts that the plans name.
    pub(super) requests: rows::Texts,
    pub(super) begins: Vec<&'a [Start]>,
}

/// The results of what was written together; each command takes its own, in order.
#[derive(Default)]
pub(super) struct Written {
    pub(super) arrivals: std::vec::IntoIter<Arrival>,
    pub(super) planned: HashMap<EventId, Vec<DeliveryId>>,
    pub(super) begun: std::vec::IntoIter<Begun>,
}
