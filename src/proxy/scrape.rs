//! One scrape, from the client's request to the answer's head.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use hyper::{Method, Response, Version};
use tokio::time::Instant;

use crate::engine::guard::{Annotate, Limits, Scrape, Start};
use crate::engine::policy::Mode;
use crate::settings::ScrapeSettings;
use crate::state::replicas::{Newcomers, View};
use crate::state::{ActiveTarget, Config, EndpointKey, Lease, Room, Shared};

use super::accept::{self, Members, Protobuf, Taken};
use super::account::Account;
use super::admission::{Admission, Admitted, StateUse};
use super::allow::{self, Grant};
use super::body::Body;
use super::connect::Connector;
use super::content::{self, Coding};
use super::deadline::Deadline;
use super::encode::{self, Encoder};
use super::failure::Failure;
use super::fetch::{self, Reply};
use super::flow::{Begun, Flow, Held, Left, Release, Treatment, Turn};
use super::lookup::Lookup;
use super::patience::Patience;
use super::request::Asking;
use super::route::{Entry, Wanted};
use super::source::{Kept, Source};
use super::wire::Wire;

/// A request for a scrape, as it came in.
pub struct Ask {
    pub wanted: Wanted,
    pub method: Method,
    pub version: Version,
    pub headers: HeaderMap,
    pub peer: SocketAddr,
    pub account: Account,
    pub patience: Arc<Patience>,
}

/// Does scrapes.
pub struct Scraper {
    shared: Arc<Shared>,
    connector: Connector,
    admission: Admission,
    /// Tells clients apart; another one for every process.
    clients: RandomState,
}

impl Scraper {
    pub fn new(shared: Arc<Shared>, connector: Connector) -> Scraper {
        Scraper { shared, connector, admission: Admission::default(), clients: RandomState::new() }
    }

    pub async fn scrape(&self, ask: Ask) -> Result<Response<Body>, Failure> {
        let config = self.shared.config();
        let deadline = Deadline::read(&ask.headers, &config.settings.scrape, Instant::now());
        ask.patience.answer_by(deadline.reader());
        for _ in 0..RACES {
            match self.attempt(&config, &ask, deadline, Newcomers::Race).await {
                Err(Failure::Overrun) => {}
                answer => return answer,
            }
        }
        self.attempt(&config, &ask, deadline, Newcomers::Wait).await
    }

    async fn attempt(
        &self,
        config: &Config,
        ask: &Ask,
        deadline: Deadline,
        newcomers: Newcomers,
    ) -> Result<Response<Body>, Failure> {
        let grant = self.grant(config, ask, &deadline).await?;
        if ask.method == Method::HEAD {
            ask.account.discard();
            return Ok(Response::new(Body::whole(Bytes::new())));
        }
        let mut admitted = self.admit(config, &grant, &ask.account, &deadline).await?;
        let view = self.view(&grant, newcomers).await;
        let asked_at = std::time::Instant::now();
        let reply = self.fetch(config, &grant, ask, &mut admitted.lease, &deadline).await;
        ask.account.received(asked_at.elapsed(), 0);
        let Reply { head, length, io, ahead } = reply?;
        let held = Held {
            lease: admitted.lease,
            _place: admitted.place,
            origin: self.connector.origin(&grant, config),
            persists: fetch::persists(&head),
            keep_alive: fetch::keep_alive(&head.headers),
        };
        content::check_status(head.status)?;
        let (end, framing) = content::framing(&head.headers, length)?;
        let settings = &config.settings.scrape;
        let coding = match grant.target.mode {
            Mode::Pass => Coding::Identity,
            Mode::Observe | Mode::Enforce => content::coding(&head.headers)?,
        };
        let (wire, kept) = (Wire::new(io, ahead, framing, settings.body_size_limit), kept(ask, settings, coding));
        let commons = self.shared.commons(&grant.target.settings.name);
        let buffers = self.shared.endpoints().buffers().clone();
        let flow = Box::new(Flow {
            source: Some(Source::new(wire, coding, settings.body_size_limit, kept, &buffers)),
            treatment: self.treatment(&grant.target, settings, ask, kept, view.clone()),
            kept,
            release: if ask.version == Version::HTTP_10 { Release::Whole } else { Release::Early },
            target: grant.target,
            content_type: head.headers.get(CONTENT_TYPE).cloned(),
            end,
            deadline,
            telemetry: self.shared.telemetry().clone(),
            commons,
            account: ask.account.clone(),
            asked_at,
            buffers,
            held: Some(held),
            left: Left::Nothing,
            view,
            clock: self.shared.clock(),
        });
        answer(flow, ask, &head.headers).await
    }

    /// The endpoint and a place, when it is this scrape's turn.
    async fn admit(
        &self,
        config: &Config,
        grant: &Grant,
        account: &Account,
        deadline: &Deadline,
    ) -> Result<Admitted, Failure> {
        let settings = &config.settings.scrape;
        let now = self.shared.clock().now();
        self.make_room(settings, &grant.endpoint, now).await?;
        let endpoint = self.shared.endpoints().ask(&grant.endpoint, now, settings.max_endpoints);
        endpoint.belongs_to(&grant.target.settings.name);
        account.witness(endpoint.witness());
        let of_state = match grant.target.mode {
            Mode::Pass => StateUse::None,
            Mode::Observe | Mode::Enforce => StateUse::Full,
        };
        self.admission.enter(&endpoint, settings.max_concurrent, deadline, of_state).await
    }

    /// Beyond `memory_limit` who has been absent the longest goes, and when that is not enough a new
    /// endpoint has to. One that is known is never kept waiting for it.
    async fn make_room(&self, settings: &ScrapeSettings, key: &EndpointKey, now: Duration) -> Result<(), Failure> {
        let (limit, members_limit, endpoints) =
            (settings.memory_for_endpoints(), settings.members_limit, self.shared.endpoints());
        let is_known = endpoints.knows(key);
        if endpoints.room(limit) == Room::Enough || (is_known && !endpoints.may_look(now)) {
            return Ok(());
        }
        let shared = self.shared.clone();
        let making = tokio::task::spawn_blocking(move || shared.endpoints().make_room(limit, members_limit, now));
        if is_known {
            return Ok(());
        }
        match making.await {
            Ok(Room::Enough) => Ok(()),
            Ok(Room::Short) => Err(Failure::NoRoom),
            Err(_) => Err(Failure::Internal),
        }
    }

    /// Whether this may be scraped at all.
    async fn grant(&self, config: &Config, ask: &Ask, deadline: &Deadline) -> Result<Grant, Failure> {
        self.connector.own.check_via(&ask.headers)?;
        if let Some(address) = ask.wanted.place.literal() {
            self.connector.own.check_address(address)?;
        }
        if let Entry::Named(name) | Entry::User(name) = &ask.wanted.entry
            && config.target(name).is_some()
        {
            ask.account.target(name);
        }
        let grant = allow::grant(config, &ask.wanted, &Lookup { deadline: *deadline }).await?;
        ask.account.target(&grant.target.settings.name);
        Ok(grant)
    }

    async fn fetch(
        &self,
        config: &Config,
        grant: &Grant,
        ask: &Ask,
        lease: &mut Lease,
        deadline: &Deadline,
    ) -> Result<Reply, Failure> {
        let readable = accept::readable(&ask.headers);
        let target = &grant.target;
        if readable.protobuf == Protobuf::Struck && target.mode != Mode::Pass {
            self.shared.telemetry().scrape_downgraded(&target.settings.name);
        }
        let asking = Asking {
            endpoint: &grant.endpoint,
            target: &target.settings,
            mode: target.mode,
            headers: &ask.headers,
            version: ask.version,
            readable: &readable,
            deadline,
            pseudonym: self.connector.own.pseudonym(),
        };
        let request = asking.request().ok_or(Failure::BadTarget("its path is not valid"))?;
        fetch::fetch(&self.connector, grant, config, lease, request, deadline).await
    }

    /// What other guards know of the target.
    async fn view(&self, grant: &Grant, newcomers: Newcomers) -> Option<Arc<View>> {
        match grant.target.mode {
            Mode::Pass => None,
            Mode::Observe | Mode::Enforce => {
                self.shared.view(&grant.target.settings.name, &grant.endpoint, newcomers).await
            }
        }
    }

    fn treatment(
        &self,
        target: &ActiveTarget,
        settings: &ScrapeSettings,
        ask: &Ask,
        kept: Kept,
        view: Option<Arc<View>>,
    ) -> Treatment {
        if target.mode == Mode::Pass {
            return Treatment::Pass;
        }
        let hold_output = match ask.version {
            Version::HTTP_10 => u64::MAX,
            // What is held counts as it would leave.
            _ if kept == Kept::Whole => settings.hold_output.saturating_mul(PACKED),
            _ => settings.hold_output,
        };
        let clock = self.shared.clock();
        let enforces = target.mode == Mode::Enforce;
        let scrape = Scrape {
            plan: target.plan.clone(),
            limits: Limits {
                endpoint_series: if enforces { settings.endpoint_series_limit } else { 0 },
                target_series: if enforces { target.settings.series_limit } else { 0 },
                body_size: settings.body_size_limit,
                sample_size: settings.sample_size_limit,
                labels: settings.label_limit,
                hold_output,
                members: settings.members_limit,
            },
            now: clock.now(),
            wall_seconds: clock.wall_seconds(),
            client: self.client(ask),
            annotate: if settings.annotate { Annotate::Yes } else { Annotate::No },
            start: Start::Baseline,
            commons: Some(match view {
                Some(view) => view,
                None => self.shared.commons(&target.settings.name),
            }),
        };
        Treatment::Guard { scrape, begun: Begun::NotYet }
    }

    /// Who asks: address and User-Agent.
    fn client(&self, ask: &Ask) -> u64 {
        let mut hasher = self.clients.build_hasher();
        hasher.write(ask.peer.ip().to_string().as_bytes());
        hasher.write_u8(0xff);
        hasher.write(ask.headers.get(USER_AGENT).map_or(b"", HeaderValue::as_bytes));
        hasher.finish()
    }
}

/// How often a scrape is done again because others were faster at the room under a limit on the total.
const RACES: usize = 3;

/// How much smaller a compressed body is taken to be, at least.
pub(super) const PACKED: u64 = 4;

/// Whether this client can be given a compressed body as it came, the annotation in a member before
/// it.
fn kept(ask: &Ask, settings: &ScrapeSettings, coding: Coding) -> Kept {
    let reads = !settings.annotate || accept::members(&ask.headers) == Members::All;
    match coding == Coding::Gzip && reads && accept::taken(&ask.headers) == Taken::Gzip {
        true => Kept::Whole,
        false => Kept::No,
    }
}

/// Holds the body whole, or lets it begin.
async fn answer(mut flow: Box<Flow>, ask: &Ask, exporter: &HeaderMap) -> Result<Response<Body>, Failure> {
    let taken = match flow.treatment {
        Treatment::Pass => Taken::Identity,
        Treatment::Guard { .. } => accept::taken(&ask.headers),
    };
    let passes = matches!(flow.treatment, Treatment::Pass);
    let (body, how, length) = match flow.hold().await? {
        Turn::Whole(bytes) => {
            let (bytes, how) = encode::whole(bytes, taken, &flow.buffers);
            (Body::whole(bytes), how, None)
        }
        Turn::AsItCame(before, packed) => {
            (Body::parts(encode::packed(&before, packed, &flow.buffers)), Taken::Gzip, None)
        }
        Turn::Begun(bytes) => {
            flow.settle_early().await?;
            let (encoder, deadline) = (Encoder::new(taken, &flow.buffers), flow.deadline);
            let length = exporter.get(CONTENT_LENGTH).filter(|_| passes);
            (Body::stream(flow.stream(bytes, encoder), deadline), taken, length)
        }
    };
    let mut response = Response::new(body.with_account(ask.account.clone()));
    let headers = response.headers_mut();
    let mut copy = |name, value: Option<&HeaderValue>| value.map(|value| headers.insert(name, value.clone()));
    copy(CONTENT_TYPE, exporter.get(CONTENT_TYPE));
    copy(CONTENT_LENGTH, length);
    copy(CONTENT_ENCODING, exporter.get(CONTENT_ENCODING).filter(|_| passes));
    if how == Taken::Gzip {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    Ok(response)
}
