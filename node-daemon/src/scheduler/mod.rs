//! The scheduler: the policy engine behind a message. It knows nothing but what it is asked.

pub mod graph;

use std::time::Duration;

use cib_model::DateTime;
use policy_engine::simulate::{self, End, Request};
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
        let mut transition = calculate(cib, DateTime::from_epoch(now.epoch(), self.utc_offset))?;
        self.transitions = self.transitions.wrapping_add(1);
        for (name, value) in &mut transition.attributes {
            if name == "transition_id" {
                *value = self.transitions.to_string();
            }
        }
        Ok(SharedTransition::new(transition))
    }
}

/// The transition for a CIB at a time.
///
/// # Errors
/// When the CIB cannot be brought to the latest schema, or contradicts itself.
pub fn calculate(mut cib: cib_model::Document, now: DateTime) -> Result<Transition, String> {
    let wanted = cib_model::schema::claimed(&cib);
    let upgraded = cib_model::schema::upgrade(&mut cib);
    if let (Ok(_), Err(error)) = (wanted, upgraded) {
        return Err(error.to_string());
    }
    let request = Request { run: true, quiet: true, now: Some(now), ..Request::default() };
    let report = simulate::run(cib, &request);
    match (report.end, report.artifacts.transition) {
        (End::Inconsistent(reason), _) => Err(reason),
        (_, Some(transition)) => Ok(transition),
        (_, None) => Err("no transition was made".to_owned()),
    }
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
