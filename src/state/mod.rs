//! What outlives a scrape: the configuration in force, the endpoints (the only locks), the clock.
//!
//! `proxy` and `admin` do not know each other; they meet in a [`Shared`].

mod buffers;
mod clock;
mod commons;
mod config;
mod connection;
mod endpoint;
mod endpoints;
mod gauges;
mod history;
mod keeper;
mod looks;
mod modes;
mod relief;
pub mod replicas;
pub mod store;
mod trim;

pub use buffers::Buffers;
pub use clock::Clock;
pub use commons::{Event, Happening, TargetCommons, ValueCounts};
pub use config::{ActiveTarget, Config, Shared};
pub use connection::{Connection, ConnectionUse, Io, Origin};
pub use endpoint::{Endpoint, Lease, Showing};
pub use endpoints::{EndpointKey, Endpoints};
pub use gauges::Witness;
pub use history::{FINE, History, Point};
pub use modes::Override;
pub use relief::Room;
