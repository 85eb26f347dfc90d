//! Durable delivery of Segment events to Klaviyo.

pub mod clock;
pub mod config;
pub mod klaviyo;
pub mod listener;
pub mod mapper;
pub mod model;
pub mod outbox;
pub mod sandbox;
pub mod segment;
