//! What a transaction of the writer contains: first the frequent commands, one statement per kind, then the others in
//! order.

use sqlx::sqlite::SqliteConnection;

use super::command::{Group, Order, Unexpected, Written};
use super::control::erase;
use super::intake::append;
use super::queue::{begin, plan, settle};

/// Writes orders on a connection with an open transaction. Their replies are sent after the commit.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    orders: &mut [Box<dyn Order>],
) -> Result<Vec<Unexpected>, sqlx::Error> {
    let mut written = together(connection, orders).await?;
    for order in orders {
        order.write(connection, &mut written).await?;
    }
    Ok(written.unexpected)
}

async fn together(connection: &mut SqliteConnection, orders: &[Box<dyn Order>]) -> Result<Written, sqlx::Error> {
    let mut group = Group::default();
    for order in orders {
        order.join(&mut group);
    }
    let mut written = Written {
        arrivals: append::write(connection, &group.events).await?.into_iter(),
        ..Written::default()
    };
    settle::write(connection, &group, &mut written).await?;
    for deletion in &group.deletions {
        erase::after(connection, *deletion).await?;
    }
    settle::requeue(connection, &group).await?;
    plan::write(connection, &group.plans, &mut written).await?;
    written.begun = begin::all(connection, &group.begins).await?.into_iter();
    Ok(written)
}
