//! What runs agents for the executor: processes, or in a simulation something that stands for them.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsRawFd, RawFd};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use lrm::agent::AgentSpec;
use lrm::driver::{Driver, DriverConfig, Fencer};
use lrm::executor::{Alert, CancelError, Event, ExecuteError, FenceRequest, RunId};
use lrm::operation::{Action, ClientId, Interval, Request, Resource, ResourceId};
use lrm::outcome::Outcome;

use crate::subsystem::Now;

/// An lrm executor with something that runs agents. The calls are those of [`lrm::executor::Executor`].
pub trait LocalExecutor {
    /// Registers a resource.
    fn register(&mut self, now: Now, resource: Resource);

    /// Removes a registration.
    fn unregister(&mut self, now: Now, id: &ResourceId);

    /// Queues an operation.
    ///
    /// # Errors
    /// When the resource is unknown or too much waits.
    fn execute(&mut self, now: Now, client: ClientId, request: Request)
    -> Result<(), ExecuteError>;

    /// Cancels a waiting or recurring operation.
    ///
    /// # Errors
    /// When there is none.
    fn cancel(
        &mut self,
        now: Now,
        resource: &ResourceId,
        action: &Action,
        interval: Interval,
    ) -> Result<(), CancelError>;

    /// Asks an agent for its metadata.
    ///
    /// # Errors
    /// When too much runs.
    fn metadata(
        &mut self,
        now: Now,
        client: ClientId,
        agent: Arc<AgentSpec>,
    ) -> Result<(), ExecuteError>;

    /// Runs an alert agent.
    ///
    /// # Errors
    /// When too much runs.
    fn alert(&mut self, now: Now, alert: Alert) -> Result<(), ExecuteError>;

    /// The fencer's answer.
    fn fence_answered(&mut self, now: Now, run: RunId, outcome: Outcome);

    /// The fencer has begun anew, and knows nothing of what it was asked.
    fn fencer_lost(&mut self, now: Now);

    /// Does what is due, and takes what has ended.
    fn turn(&mut self, now: Now);

    /// The next event.
    fn poll_event(&mut self) -> Option<Event>;

    /// The next request to the fencer.
    fn poll_fence(&mut self) -> Option<FenceRequest>;

    /// When to call [`LocalExecutor::turn`] at the latest.
    fn poll_timeout(&self) -> Option<Duration>;

    /// How many agents run.
    fn running(&self) -> usize;
}

/// Requests to the fencer, from inside the driver to the room around it.
#[derive(Clone, Default)]
struct Requests(Arc<Mutex<VecDeque<FenceRequest>>>);

impl Fencer for Requests {
    fn begin(&mut self, request: FenceRequest) -> Option<Outcome> {
        if let Ok(mut queue) = self.0.lock() {
            queue.push_back(request);
        }
        None
    }
}

/// Agents as processes.
pub struct RealExecutor {
    driver: Driver,
    requests: Requests,
    began: Instant,
    /// Alerts must not run as root, and there is nobody else to run them as.
    no_alert_user: bool,
}

impl RealExecutor {
    /// Starts a driver. `began` is the origin of [`Now::elapsed`].
    ///
    /// # Errors
    /// When the kernel refuses what it needs.
    pub fn new(config: DriverConfig, began: Instant) -> io::Result<RealExecutor> {
        let requests = Requests::default();
        let no_alert_user = rustix::process::geteuid().is_root() && config.alert_user.is_none();
        let driver = Driver::new(config)?.with_fencer(Box::new(requests.clone()));
        Ok(RealExecutor { driver, requests, began, no_alert_user })
    }
}

impl AsRawFd for RealExecutor {
    fn as_raw_fd(&self) -> RawFd {
        self.driver.as_raw_fd()
    }
}

impl LocalExecutor for RealExecutor {
    fn register(&mut self, _: Now, resource: Resource) {
        self.driver.register(resource);
    }

    fn unregister(&mut self, _: Now, id: &ResourceId) {
        self.driver.unregister(id);
    }

    fn execute(&mut self, _: Now, client: ClientId, request: Request) -> Result<(), ExecuteError> {
        self.driver.execute(client, request).map(drop)
    }

    fn cancel(
        &mut self,
        _: Now,
        resource: &ResourceId,
        action: &Action,
        interval: Interval,
    ) -> Result<(), CancelError> {
        self.driver.cancel(resource, action, interval).map(drop)
    }

    fn metadata(
        &mut self,
        _: Now,
        client: ClientId,
        agent: Arc<AgentSpec>,
    ) -> Result<(), ExecuteError> {
        self.driver.metadata(client, agent).map(drop)
    }

    fn alert(&mut self, _: Now, alert: Alert) -> Result<(), ExecuteError> {
        if self.no_alert_user {
            log::error!("executor: alert {}: this machine has no user for alerts", alert.id);
            return Ok(());
        }
        self.driver.alert(alert).map(drop)
    }

    fn fence_answered(&mut self, _: Now, run: RunId, outcome: Outcome) {
        self.driver.fence_answered(run, outcome);
    }

    fn fencer_lost(&mut self, _: Now) {
        self.driver.fencer_lost();
    }

    fn turn(&mut self, _: Now) {
        if let Err(error) = self.driver.turn(Some(Duration::ZERO)) {
            log::error!("executor: {error}");
        }
    }

    fn poll_event(&mut self) -> Option<Event> {
        self.driver.poll_event()
    }

    fn poll_fence(&mut self) -> Option<FenceRequest> {
        self.requests.0.lock().ok()?.pop_front()
    }

    fn poll_timeout(&self) -> Option<Duration> {
        // What is due is due at once: a moment computed now would lie behind the caller's present.
        self.driver.wait_time().map(|wait| match wait {
            Duration::ZERO => Duration::ZERO,
            wait => self.began.elapsed() + wait,
        })
    }

    fn running(&self) -> usize {
        self.driver.processes()
    }
}
