//! The scheduler: the policy engine behind a message. It knows nothing but what it is asked.

pub mod graph;

use std::time::Duration;

use cib_model::DateTime;
use policy_engine::transition::Transition;

use crate::subsystem::{
    Body, Ending, Envelope, Now, Outputs, Room, ScheduleAnswer, SharedTransition, Subsystem,
};

/// See the [module](self).
#[derive(Debug)]
pub struct Scheduler {
    transitions: u32,
    utc_offset: i32,
}

impl Scheduler {
    /// A scheduler whose dates are read at this offset from UTC, in seconds.
    pub fn new(utc_offset: i32) -> Scheduler {
        Scheduler { transitions: 0, utc_offset }
    }

    fn plan(&mut self, now: Now, cib: cib_model::Document) -> Result<SharedTransition, String> {
        self.transitions = self.transitions.wrapping_add(1);
        let date = DateTime::from_epoch(now.epoch(), self.utc_offset);
        calculate(cib, date, self.transitions).map(SharedTransition::new)
    }
}

/// The transition of this number for a CIB at a time.
///
/// # Errors
/// When the CIB cannot be brought to the latest schema.
pub fn calculate(
    mut cib: cib_model::Document,
    now: DateTime,
    number: u32,
) -> Result<Transition, String> {
    cib_model::schema::upgrade(&mut cib).map_err(|error| error.to_string())?;
    let options =
        policy_engine::Options { transition_id: number, ..policy_engine::Options::default() };
    let plan = policy_engine::plan(&cib, now, &options);
    for message in &plan.messages {
        let level = match message.level {
            policy_engine::Level::Error => log::Level::Error,
            policy_engine::Level::Warning => log::Level::Warn,
            policy_engine::Level::Notice => log::Level::Info,
            policy_engine::Level::Info => log::Level::Debug,
        };
        log::log!(level, "scheduler: {}", message.text);
    }
    Ok(plan.transition)
}

impl Subsystem for Scheduler {
    fn room(&self) -> Room {
        Room::Scheduler
    }

    fn start(&mut self, _: Now, _: &mut Outputs) {}

    fn handle(&mut self, now: Now, envelope: Envelope, out: &mut Outputs) {
        match envelope.body {
            Body::ScheduleRequest(request) => {
                let transition = self.plan(now, request.cib.into_document());
                let answer = ScheduleAnswer { token: request.token, transition, input: None };
                out.reply(envelope.from, answer);
            }
            Body::Stop => out.end(Ending::Done),
            _ => {}
        }
    }

    fn handle_timeout(&mut self, _: Now, _: &mut Outputs) {}

    fn poll_timeout(&self) -> Option<Duration> {
        None
    }
}
