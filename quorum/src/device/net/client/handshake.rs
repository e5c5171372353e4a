//! From a connection that stands to the arbiter's acceptance: greeting, TLS, who the node is, options,
//! and the first reports.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Client, NetNotice, Output, Phase, Problem, Session, Step};
use crate::device::net::message::{ListKind, Message, Tls};
use crate::device::net::settings::TlsMode;

impl Client {
    pub(super) fn introduce(
        &mut self,
        now: Duration,
        step: Step,
        message: &Message,
    ) -> Result<(), Problem> {
        let next = match (step, message) {
            (Step::Greeting, Message::PreinitReply { tls }) => match (self.settings.tls, tls) {
                (TlsMode::Off, Tls::Required) => return Err(Problem::TlsRequired),
                (TlsMode::Required, Tls::Unsupported) => return Err(Problem::TlsMissing),
                (TlsMode::Off, _) | (TlsMode::On, Tls::Unsupported) => {
                    self.introduce_self();
                    Step::Introducing
                }
                (TlsMode::On | TlsMode::Required, Tls::Supported | Tls::Required) => {
                    self.ask(|sequence| Message::StartTls { sequence });
                    self.outputs.push_back(Output::Secure);
                    Step::Securing
                }
            },
            (Step::Introducing, Message::InitReply { max_request, .. }) => {
                let keep_active = self.settings.keep_active;
                self.ask(|sequence| Message::SetOption { sequence, keep_active });
                Step::Tuning { asked: now, limit: *max_request }
            }
            (Step::Tuning { asked, limit }, Message::SetOptionReply { .. }) => {
                return self.accepted(now, asked, limit);
            }
            _ => return Err(Problem::OutOfTurn),
        };
        if let Phase::Underway { step, .. } = &mut self.phase {
            *step = next;
        }
        Ok(())
    }

    pub(super) fn introduce_self(&mut self) {
        // There is no connection before there is a ring.
        let Some((ring, _)) = self.ring else { return };
        let (node, algorithm) = (self.settings.me, self.settings.algorithm);
        let tie_breaker = self.settings.tie_breaker.clone();
        let heartbeat = self.settings.heartbeat().as_millis() as u32; // at most 120 000
        self.ask(|sequence| Message::Init {
            sequence,
            node,
            algorithm,
            heartbeat,
            tie_breaker,
            ring,
        });
    }

    fn accepted(&mut self, now: Duration, asked: Duration, limit: u32) -> Result<(), Problem> {
        let echoes = VecDeque::new();
        let next_echo = now + self.settings.heartbeat() / 2;
        let remind = Some(now + self.settings.heartbeat());
        self.phase = Phase::Online(Session { limit, heard: asked, echoes, next_echo, remind });
        self.told = None;
        self.attempts = 0;
        self.outputs.push_back(Output::Notice(NetNotice::Connected { encrypted: self.encrypted }));
        let nodes = self.settings.nodes.iter().map(|node| (*node, None)).collect();
        self.report(ListKind::Configured, None, None, nodes)?;
        self.check_and_report_members(now)?;
        self.report_quorum()
    }
}
