//! A connection to the fencer (spec 62 §9.5, 81 §14.1).

use std::time::Duration;

use cib_model::Document;
use node_daemon::ipc::client::{Client, ClientError};
use node_daemon::ipc::{Endpoint, Place};

use super::{exit, node};

/// The call is synchronous, and a node may fence itself.
const SYNCHRONOUS_SELF: u32 = 4096 + 2;

/// See the [module](self).
pub struct Fencer {
    client: Client,
    call: u32,
    timeout: u32,
    patience: Duration,
}

/// How an operation ended.
pub struct Ended {
    /// The whole answer.
    pub document: Document,
    exit: i32,
    status: i32,
    /// In the words of who failed.
    pub reason: Option<String>,
}

impl Ended {
    fn read(text: &str) -> Ended {
        let document = Document::parse(text).unwrap_or_else(|_| Document::new("st-reply"));
        let root = document.root();
        let number = |name| root.attribute(name).and_then(|v| v.parse().ok());
        let (exit, status) = (number("rc-code").unwrap_or(1), number("op-status").unwrap_or(4));
        let reason = root.attribute("exit-reason").map(str::to_owned);
        Ended { exit, status, reason, document }
    }

    /// Whether it was a success.
    pub fn is_ok(&self) -> bool {
        self.exit == 0 && self.status == 0
    }

    /// The error number, as the system numbers them (spec 81 §3.5).
    fn error_number(&self) -> i32 {
        let root = self.document.root();
        root.attribute("st_rc").and_then(|v| v.parse::<i32>().ok()).unwrap_or(-61)
    }

    /// The code with which to end.
    pub fn code(&self) -> u8 {
        match (self.is_ok(), self.error_number()) {
            (true, _) => exit::OK,
            (_, -62 | -110) => exit::TIMEOUT,
            (_, -19 | -2) => exit::NO_SUCH,
            (_, -13) => exit::PERMISSION,
            (_, -22) => exit::SOFTWARE,
            (_, -71) => exit::PROTOCOL,
            (_, -95) => exit::UNSUPPORTED,
            (_, -107) => exit::DISCONNECTED,
            _ => exit::ERROR,
        }
    }

    /// The error in words.
    pub fn error(&self) -> &'static str {
        match self.error_number() {
            -2 => "No such file or directory",
            -13 => "Permission denied",
            -19 => "No such device",
            -22 => "Invalid argument",
            -62 | -110 => "Timer expired",
            -71 => "Protocol error",
            -95 => "Operation not supported",
            -107 => "Transport endpoint is not connected",
            -113 => "No route to host",
            -125 => "Operation canceled",
            _ => "No data available",
        }
    }

    /// The reason, or the error if there is none.
    pub fn why(&self) -> &str {
        self.reason.as_deref().unwrap_or_else(|| self.error())
    }
}

/// An element of a request.
pub fn element(name: &str, attributes: &[(&str, &str)]) -> Document {
    let mut element = Document::new(name);
    let root = element.root_id();
    for (key, value) in attributes {
        element.set_attribute(root, key, value);
    }
    element
}

impl Fencer {
    /// Connects under a name; calls may take so many seconds.
    ///
    /// # Errors
    /// When the fencer does not answer.
    pub fn connect(name: &str, timeout: u32) -> Result<Fencer, ClientError> {
        let mut client = Client::connect(&Place::from_environment(), Endpoint::Fencer)?;
        let register = element(
            "stonith_command",
            &[("t", "stonith-ng"), ("st_op", "register"), ("st_clientname", name)],
        );
        client.ask(&register.root().to_xml_compact(), node::TIMEOUT)?;
        // Whoever does the work gets all the time there is.
        let patience = Duration::from_secs(u64::from(timeout) + 10);
        Ok(Fencer { client, call: 1, timeout, patience })
    }

    /// Answers may take so long.
    pub fn with_patience(self, patience: Duration) -> Fencer {
        Fencer { patience, ..self }
    }

    /// Seconds a call may take.
    pub fn timeout(&self) -> u32 {
        self.timeout
    }

    fn message(&mut self, operation: &str, options: u32, data: Option<&Document>) -> String {
        self.call += 1;
        let mut message = element(
            "stonith_command",
            &[
                ("t", "stonith-ng"),
                ("st_op", operation),
                ("st_callid", &self.call.to_string()),
                ("st_callopt", &options.to_string()),
                ("st_timeout", &self.timeout.to_string()),
            ],
        );
        let root = message.root_id();
        if let Some(data) = data {
            let parent = message.append_element(root, "st_calldata");
            message.copy_subtree(parent, data.root());
        }
        message.root().to_xml_compact()
    }

    /// Asks, and waits for the answer.
    ///
    /// # Errors
    /// When the fencer does not answer.
    pub fn call(
        &mut self,
        operation: &str,
        options: u32,
        data: Option<&Document>,
    ) -> Result<Ended, ClientError> {
        let message = self.message(operation, SYNCHRONOUS_SELF | options, data);
        self.client.ask(&message, self.patience).map(|text| Ended::read(&text))
    }

    /// Orders that a node be fenced, and waits until it is, or is not, for as long as the fencer says.
    ///
    /// # Errors
    /// When the fencer does not answer.
    pub fn fence(&mut self, order: &Document) -> Result<Ended, ClientError> {
        let message = self.message("st_fence", 2, Some(order));
        self.client.send(&message, false, node::TIMEOUT)?;
        let mut patience = self.patience;
        loop {
            let ended = Ended::read(&self.client.event(patience)?);
            let root = ended.document.root();
            match root.name() {
                "st-async-timeout-value" => {
                    let seconds = root.attribute("st_timeout").and_then(|s| s.parse::<u64>().ok());
                    patience = Duration::from_secs(seconds.unwrap_or(0).min(86_400) + 10);
                }
                _ if root.attribute("st_op") == Some("st_fence") => return Ok(ended),
                _ => {}
            }
        }
    }
}
