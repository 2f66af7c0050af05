//! A session that carries nothing, to see which paths answer.

use std::io;
use std::time::Duration;

use net::Instant;
use platform::clock;
use platform::driver::{Bypass, Driver, Notice};
use platform::wait::Waiter;
use sync::Channel;

use super::carried::Carried;
use super::unwatchable;
use crate::bootstrap::{Carriage, Uplinks};
use crate::cli::plan::SessionPlan;
use crate::run;
use crate::run::uplinks;
use crate::session::client::{Client, DisplayOptions, Outcome, Output};
use crate::session::silence::Row;
use crate::text::messages::Paragraph;

/// The most that is taken at once of what the server says.
const TAKEN: usize = 2048;
/// How often the paths are looked at while they are watched.
const LOOK: Duration = Duration::from_millis(100);
/// How often something is carried.
const PACE: Duration = Duration::from_millis(500);
/// How long the server has for its farewell.
const FAREWELL: Duration = Duration::from_secs(3);

pub(super) struct Probe {
    client: Client,
    /// What is carried: byte streams, or a terminal's keys.
    streams: bool,
    driver: Driver,
    left_out: Vec<Bypass>,
    started: bool,
    /// When the last watch began.
    since: Instant,
    /// The way through ssh, once that is examined.
    carried: Option<Carried>,
}

impl Probe {
    pub(super) fn new(plan: &SessionPlan) -> Result<Self, Paragraph> {
        let now = clock::now();
        let (connection, endpoint) = run::connection(plan, net::Carriers::Never, true, now)?;
        let driver = Driver::new(endpoint, Uplinks::new(&plan.settings)).map_err(unwatchable)?;
        let client = if plan.streams {
            Client::on_streams(connection, now)
        } else {
            let extended = plan.dialect.traits().extended;
            Client::on_terminal(connection, DisplayOptions { extended, ..DisplayOptions::default() }, now)
        };
        Ok(Self {
            client,
            streams: plan.streams,
            driver,
            left_out: Vec::new(),
            started: false,
            since: now,
            carried: None,
        })
    }

    /// Carries the session for `least`, and on to `most` until every path has answered or nothing can.
    pub(super) async fn watch(&mut self, least: Duration, most: Duration) -> io::Result<()> {
        self.since = clock::now();
        if !self.started {
            self.started = true;
            self.driver.begin(&mut self.client);
        }
        let mut carried = 0;
        loop {
            let passed = clock::now().since(self.since);
            // Something to carry, so that the paths have something to answer.
            let due = PACE * carried;
            if passed >= due && self.client.room() > 0 {
                carried += 1;
                self.client.handle_input(b".", clock::now());
            }
            let waits = self.is_unsettled();
            if passed >= most || self.client.outcome().is_some() || (passed >= least && !waits) {
                return Ok(());
            }
            self.turn().await?;
        }
    }

    /// Has the session go through this stream.
    pub(super) fn carry(&mut self, carriage: Carriage) {
        self.carried = Some(Carried::new(carriage));
    }

    /// Why it does not, where that is certain.
    pub(super) fn carries_not(&self) -> Option<&str> {
        self.carried.as_ref()?.failure()
    }

    /// Whether a path may still answer.
    fn is_unsettled(&self) -> bool {
        if let Some(carried) = &self.carried {
            return carried.failure().is_none() && !self.hears();
        }
        self.rows().iter().any(|row| row.path.received == 0 && row.refusals.is_none())
    }

    /// The interfaces that are left out because a VPN takes all traffic.
    pub(super) fn left_out(&self) -> &[Bypass] {
        &self.left_out
    }

    /// Asks this machine about the interfaces on which nothing was heard.
    pub(super) fn look_for_filters(&mut self) {
        let flows = self.client.connection().flows().filter(|flow| flow.received() == 0);
        let suspects: Vec<_> =
            flows.filter_map(|flow| Some((flow.path.local.interface?, flow.path))).collect();
        for (interface, path) in suspects {
            if uplinks::drops_answers(&self.client.journal().name(Some(interface)), &path) {
                self.client.note_filter(interface);
            }
        }
    }

    /// The paths that anything was sent on, as they stand.
    pub(super) fn rows(&self) -> Vec<Row> {
        self.client.rows(clock::now()).into_iter().filter(|row| row.path.sent > 0).collect()
    }

    /// Whether the server was heard during the last watch, when it had settled.
    pub(super) fn hears(&self) -> bool {
        let half = clock::now().since(self.since) / 2;
        self.client.connection().last_heard().is_some_and(|at| at > self.since + half)
    }

    /// Ends the session; whether the server agreed.
    pub(super) async fn end(&mut self) -> io::Result<bool> {
        if self.streams {
            self.client.handle_input_end();
        } else {
            self.client.quit(clock::now());
        }
        self.since = clock::now();
        while clock::now().since(self.since) < FAREWELL {
            if let Some(outcome) = self.client.outcome() {
                return Ok(matches!(outcome, Outcome::Ended(_) | Outcome::Quit));
            }
            self.turn().await?;
        }
        Ok(false)
    }

    /// Lets everything happen that can, and waits a moment for more.
    async fn turn(&mut self) -> io::Result<()> {
        self.drain();
        let due = self.driver.timeout(&self.client);
        let mut waiter = Waiter::new();
        let tokens = self.driver.watch(&mut waiter);
        let carried = self.carried.as_ref().and_then(|carried| carried.watch(&mut self.client, &mut waiter));
        let ready = waiter.wait(Some(due.map_or(LOOK, |due| due.min(LOOK)))).await?;
        self.driver.handle_ready(&ready, tokens, &mut self.client);
        if let Some(through) = &mut self.carried {
            through.handle_ready(&ready, carried, &mut self.client);
        }
        self.driver.handle_timeout(&mut self.client);
        Ok(())
    }

    fn drain(&mut self) {
        self.driver.transmit(&mut self.client);
        while let Some(output) = self.client.poll_output(clock::now()) {
            if output == Output::ChoosePaths {
                self.driver.choose_paths(&mut self.client);
            }
        }
        while let Some(notice) = self.driver.poll_notice() {
            match notice {
                Notice::Bypassed(bypass) if !self.left_out.contains(&bypass) => self.left_out.push(bypass),
                _ => {}
            }
        }
        for channel in [Channel::Stdout, Channel::Stderr] {
            self.client.read(channel, TAKEN, clock::now());
        }
        while self.client.poll_event().is_some() {}
    }
}
