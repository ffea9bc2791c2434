//! Logs, to stderr, in logfmt or JSON.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, fmt};

/// `--log.level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogLevel {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

/// `--log.format`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    #[default]
    Logfmt,
    Json,
}

/// Sends everything the guard logs to stderr. Libraries are heard only when they warn.
pub fn init(level: LogLevel, format: LogFormat) -> Result<(), TryInitError> {
    let level = match level {
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Error => LevelFilter::ERROR,
    };
    let heard = Targets::new().with_default(level.min(LevelFilter::WARN)).with_target("cardinality_guard", level);
    tracing_subscriber::registry().with(layer(format).with_filter(heard)).try_init()
}

fn layer<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    match format {
        LogFormat::Logfmt => {
            let events = tracing_logfmt::builder().with_target(false).with_span_path(false).with_span_name(false);
            Box::new(events.layer().with_writer(io::stderr))
        }
        LogFormat::Json => Box::new(fmt::layer().json().flatten_event(true).with_target(false).with_writer(io::stderr)),
    }
}
