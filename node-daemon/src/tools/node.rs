//! Which node is meant, and what a controller says about nodes.

use std::time::Duration;

use cib_model::Document;
use node_daemon::ipc::client::{Client, ClientError};
use node_daemon::ipc::{Endpoint, Place};

use super::exit;

/// How long a daemon may take.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// The code with which to end when a daemon cannot be asked.
pub fn exit_of(error: &ClientError) -> u8 {
    match error {
        ClientError::Timeout(_) => exit::TIMEOUT,
        ClientError::Message(_) | ClientError::Handshake(_) => exit::PROTOCOL,
        _ => exit::DISCONNECTED,
    }
}

/// The node an agent acts for, as its environment says (spec 61 §9).
pub fn of_agent() -> Option<String> {
    let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let host =
        variable("OCF_RESKEY_CRM_meta_container_attribute_target").as_deref() == Some("host");
    let physical = variable("OCF_RESKEY_CRM_meta_physical_host").filter(|_| host);
    physical.or_else(|| variable("OCF_RESKEY_CRM_meta_on_node"))
}

/// The name of this machine.
pub fn host_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A connection to the controller.
pub struct Controller {
    client: Client,
    name: String,
    count: u32,
    patience: Duration,
}

/// A request to the controller, besides its envelope.
#[derive(Debug, Clone, Default)]
pub struct Request<'r> {
    /// Attributes of the message itself.
    pub attributes: &'r [(&'r str, &'r str)],
    /// System it is for.
    pub system: &'r str,
    /// Node it is for.
    pub host: Option<&'r str>,
    /// What goes with it.
    pub payload: Option<&'r Document>,
}

impl Controller {
    /// Connects.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn connect(program: &str) -> Result<Controller, ClientError> {
        let client = Client::connect(&Place::from_environment(), Endpoint::Controller)?;
        let pid = std::process::id();
        let mut controller =
            Controller { client, name: format!("{pid}_{program}"), count: 0, patience: TIMEOUT };
        let mut options = Document::new("options");
        let root = options.root_id();
        let pid = pid.to_string();
        for (name, value) in [
            ("major_version", "1"),
            ("minor_version", "0"),
            ("client_name", program),
            ("client_uuid", pid.as_str()),
        ] {
            options.set_attribute(root, name, value);
        }
        controller.send(
            "hello",
            &Request { system: "crmd", payload: Some(&options), ..Request::default() },
        )?;
        Ok(controller)
    }

    /// Answers may take so long.
    pub fn with_patience(self, patience: Duration) -> Controller {
        Controller { patience, ..self }
    }

    fn send(&mut self, task: &str, request: &Request<'_>) -> Result<(), ClientError> {
        self.count += 1;
        let message = envelope(&self.name, task, self.count, request);
        self.client.send(&message, false, TIMEOUT).map(drop)
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// When it does not answer.
    pub fn ask(&mut self, task: &str, request: &Request<'_>) -> Result<Document, ClientError> {
        self.send(task, request)?;
        loop {
            let answer = self.client.event(self.patience)?;
            if let Ok(answer) = Document::parse(&answer) {
                return Ok(answer);
            }
        }
    }

    /// Tells, without an answer.
    ///
    /// # Errors
    /// When it is gone.
    pub fn tell(&mut self, task: &str, request: &Request<'_>) -> Result<(), ClientError> {
        self.send(task, request)
    }
}

/// A message in its envelope (spec 62 §8).
pub fn envelope(sender: &str, task: &str, count: u32, request: &Request<'_>) -> String {
    let mut message = Document::new("message");
    let root = message.root_id();
    let seconds = jiff::Timestamp::now().as_second();
    let reference = format!("{task}-{sender}-{seconds}-{count}");
    let mut set = |name: &str, value: &str| message.set_attribute(root, name, value);
    set("t", "crmd");
    set("subt", "request");
    set("version", policy_engine::transition::FEATURE_SET);
    set("reference", &reference);
    set("crm_sys_from", sender);
    if let Some(host) = request.host {
        set("crm_host_to", host);
    }
    set("crm_sys_to", request.system);
    set("crm_task", task);
    for (name, value) in request.attributes {
        set(name, value);
    }
    if let Some(payload) = request.payload {
        let parent = message.append_element(root, "crm_xml");
        message.copy_subtree(parent, payload.root());
    }
    message.root().to_xml_compact()
}

/// What came in an envelope.
pub fn payload(answer: &Document) -> Option<cib_model::Element<'_>> {
    answer.root().child("crm_xml")?.children().next()
}

/// The name of the local node: as the agent's environment says, or the controller.
///
/// # Errors
/// When the controller does not answer.
pub fn local(program: &str) -> Result<String, ClientError> {
    if let Some(node) = of_agent() {
        return Ok(node);
    }
    let mut controller = Controller::connect(program)?;
    let answer = controller.ask("node-info", &Request { system: "crmd", ..Request::default() })?;
    let name = payload(&answer).and_then(|node| node.attribute("uname")).map(str::to_owned);
    Ok(name.unwrap_or_else(host_name))
}

/// The name of the node with this id in the cluster, if there is one.
///
/// # Errors
/// When the controller does not answer.
pub fn name_of_id(program: &str, id: &str) -> Result<Option<String>, ClientError> {
    let mut controller = Controller::connect(program)?;
    let by_id = [("id", id)];
    let request = Request { attributes: &by_id, system: "crmd", ..Request::default() };
    let answer = controller.ask("node-info", &request)?;
    Ok(payload(&answer).and_then(|node| node.attribute("uname")).map(str::to_owned))
}
