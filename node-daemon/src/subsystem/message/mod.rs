//! What subsystems say to each other, one module per addressee.

mod attributes;
mod cib;
mod controller;
mod executor;
mod fencer;
mod hidden;
mod membership;
mod scheduler;
mod watchdog;

pub use attributes::{
    AttributeValue, AttributesAnswer, AttributesPeer, AttributesRequest, WrittenValue,
};
pub use cib::{
    CibAnswer, CibChanged, CibError, CibKept, CibOperation, CibPeer, CibRequest, CibUpdate,
    Interest, Scope, UpdateOrigin,
};
pub use controller::{
    ActionRequest, AgentName, ControllerAnswer, ControllerPeer, ControllerRequest, ElectionBallot,
    HistoryRecord, JoinGeneration, PeerListing,
};
pub use executor::{AlertRun, ExecutorEvent, ExecutorRequest, Operation, OperationEnd};
pub use fencer::{
    DeviceQuestion, FenceAnswer, FenceDevice, FenceRequest, FenceVerb, FencerEvent, FencerNotice,
    FencingRecord, FencingResult, FencingTask, LevelTarget,
};
pub use hidden::HiddenValues;
pub use membership::{GroupView, Membership, NodeName};
pub use scheduler::{ScheduleAnswer, ScheduleRequest};
pub use watchdog::{HealthAnswer, HealthQuestion};

use serde::{Deserialize, Serialize};

macro_rules! bodies {
    ($($(#[$doc:meta])* $name:ident($content:ty),)*) => {
        /// The content of an envelope.
        #[derive(Debug, Clone, Serialize, Deserialize)]
        pub enum Body {
            $($(#[$doc])* $name($content),)*
            /// To a subsystem: end in order. From one: it is about to end.
            Stop,
        }
        $(impl From<$content> for Body {
            fn from(content: $content) -> Body {
                Body::$name(content)
            }
        })*
    };
}

bodies! {
    /// From messaging: the ring and quorum.
    Membership(Membership),
    /// From messaging: the subsystem's own group.
    GroupView(GroupView),
    /// To the CIB manager.
    CibRequest(CibRequest),
    /// From the CIB manager.
    CibAnswer(CibAnswer),
    /// From the CIB manager, to those who subscribed.
    CibChanged(CibChanged),
    /// To the CIB manager, from its store.
    CibKept(CibKept),
    /// Between CIB managers.
    CibPeer(CibPeer),
    /// To the attribute manager.
    AttributesRequest(AttributesRequest),
    /// From the attribute manager.
    AttributesAnswer(AttributesAnswer),
    /// Between attribute managers.
    AttributesPeer(AttributesPeer),
    /// To the executor.
    ExecutorRequest(ExecutorRequest),
    /// From the executor.
    ExecutorEvent(ExecutorEvent),
    /// To the fencer.
    FenceRequest(FenceRequest),
    /// From the fencer.
    FenceAnswer(FenceAnswer),
    /// From the fencer, to the controller and to clients.
    FencerNotice(FencerNotice),
    /// From the fencer, to clients, and to the executor when it begins.
    FencerEvent(FencerEvent),
    /// Between fencers, in their own form.
    FencerPeer(Vec<u8>),
    /// To the scheduler.
    ScheduleRequest(ScheduleRequest),
    /// From the scheduler.
    ScheduleAnswer(ScheduleAnswer),
    /// Between controllers.
    ControllerPeer(Box<ControllerPeer>),
    /// To the controller, from clients.
    ControllerRequest(ControllerRequest),
    /// From the controller, to clients.
    ControllerAnswer(ControllerAnswer),
    /// To a subsystem, from the watchdog's feeder.
    HealthQuestion(HealthQuestion),
    /// To the watchdog's feeder.
    HealthAnswer(HealthAnswer),
}
