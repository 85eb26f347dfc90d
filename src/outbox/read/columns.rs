//! Reads columns as the types of the model: times (as milliseconds, or as the text of a view), ids, and words. With it,
//! a row is a struct that derives [`sqlx::FromRow`].

use sqlx::error::BoxDynError;
use sqlx::sqlite::{Sqlite, SqliteTypeInfo, SqliteValueRef};
use sqlx::{Decode, Type, TypeInfo as _, ValueRef as _};

use crate::model::{
    DeliveryId, DeliveryKind, DeliveryStatus, EventId, EventStatus, EventType, Family, ImportJobId, OutcomeKind,
    PauseKind, Timestamp,
};

impl Type<Sqlite> for Timestamp {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }

    fn compatible(of: &SqliteTypeInfo) -> bool {
        <i64 as Type<Sqlite>>::compatible(of) || <str as Type<Sqlite>>::compatible(of)
    }
}

impl<'r> Decode<'r, Sqlite> for Timestamp {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        if value.type_info().name() != "TEXT" {
            return Ok(Self::from_millis(<i64 as Decode<Sqlite>>::decode(value)?));
        }
        let text = <&str as Decode<Sqlite>>::decode(value)?;
        Self::parse(text).ok_or_else(|| format!("{text:?} is no time").into())
    }
}

macro_rules! ids {
    ($($name:ty),+) => {$(
        impl Type<Sqlite> for $name {
            fn type_info() -> SqliteTypeInfo {
                <i64 as Type<Sqlite>>::type_info()
            }

            fn compatible(of: &SqliteTypeInfo) -> bool {
                <i64 as Type<Sqlite>>::compatible(of)
            }
        }

        impl<'r> Decode<'r, Sqlite> for $name {
            fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
                Ok(Self(<i64 as Decode<Sqlite>>::decode(value)?))
            }
        }
    )+};
}

ids!(DeliveryId, EventId, ImportJobId);

macro_rules! words {
    ($($name:ty),+) => {$(
        impl Type<Sqlite> for $name {
            fn type_info() -> SqliteTypeInfo {
                <str as Type<Sqlite>>::type_info()
            }
        }

        impl<'r> Decode<'r, Sqlite> for $name {
            fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
                let word = <&str as Decode<Sqlite>>::decode(value)?;
                Self::from_word(word).ok_or_else(|| format!("{word:?} is no {}", stringify!($name)).into())
            }
        }
    )+};
}

words!(
    DeliveryKind,
    DeliveryStatus,
    EventStatus,
    EventType,
    Family,
    OutcomeKind,
    PauseKind
);
