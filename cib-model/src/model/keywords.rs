//! Attributes that hold one of a few words.

use super::reader::FromAttribute;

/// An enumeration of words. The first word of each variant is its present spelling; those after it
/// are understood, too.
macro_rules! keywords {
    ($(#[$doc:meta])* $name:ident {
        $($(#[$variant_doc:meta])* $variant:ident = $word:literal $(| $old:literal)*,)+
    }) => {
        $(#[$doc])*
        #[derive(Copy, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$variant_doc])* $variant,)+
        }

        impl $name {
            /// The word for it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }

            /// Reads a word, in any case.
            pub fn parse(text: &str) -> Option<$name> {
                $(if text.eq_ignore_ascii_case($word) $(|| text.eq_ignore_ascii_case($old))* {
                    return Some($name::$variant);
                })+
                None
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl FromAttribute for $name {
            fn read(text: &str) -> Option<$name> {
                $name::parse(text)
            }

            fn accepted() -> String {
                [$($word),+].join(", ")
            }
        }
    };
}

keywords! {
    /// What a node is.
    NodeKind {
        /// A node of the cluster.
        Member = "member" | "normal",
        /// A node managed through the remote executor.
        Remote = "remote",
        /// Legacy: a node that is only pinged.
        Ping = "ping",
    }
}

keywords! {
    /// The standard an agent follows.
    ResourceClass {
        /// Open Cluster Framework.
        Ocf = "ocf",
        /// Init scripts.
        Lsb = "lsb",
        /// Heartbeat 1 resource scripts.
        Heartbeat = "heartbeat",
        /// Fence agents.
        Stonith = "stonith",
        /// Whichever of the system's service managers knows it.
        Service = "service",
        /// systemd units.
        Systemd = "systemd",
        /// Legacy.
        Upstart = "upstart",
        /// Legacy.
        Nagios = "nagios",
    }
}

keywords! {
    /// The state a resource can be in or wanted in.
    Role {
        /// Not running.
        Stopped = "Stopped",
        /// Running.
        Started = "Started",
        /// Running and promoted.
        Promoted = "Promoted" | "Master",
        /// Running and not promoted.
        Unpromoted = "Unpromoted" | "Slave",
    }
}

keywords! {
    /// What to do when an operation fails.
    OnFail {
        /// Pretend it did not.
        Ignore = "ignore",
        /// Do nothing more with the resource.
        Block = "block",
        /// Demote the resource.
        Demote = "demote",
        /// Stop the resource and leave it stopped.
        Stop = "stop",
        /// Stop and start the resource.
        Restart = "restart",
        /// Move all resources off the node.
        Standby = "standby",
        /// Fence the node.
        Fence = "fence",
        /// Restart the container that holds the resource.
        RestartContainer = "restart-container",
    }
}

keywords! {
    /// An action a constraint can speak of.
    Action {
        /// Start.
        Start = "start",
        /// Promote.
        Promote = "promote",
        /// Demote.
        Demote = "demote",
        /// Stop.
        Stop = "stop",
    }
}

keywords! {
    /// How strictly an ordering is kept.
    OrderKind {
        /// Only when both actions happen.
        Optional = "Optional",
        /// Always.
        Mandatory = "Mandatory",
        /// Never at the same time.
        Serialize = "Serialize",
    }
}

keywords! {
    /// Whether resources are probed for on nodes a constraint speaks of.
    Discovery {
        /// Probe.
        Always = "always",
        /// Do not probe.
        Never = "never",
        /// Probe on these nodes alone.
        Exclusive = "exclusive",
    }
}

keywords! {
    /// What happens to resources whose ticket is lost.
    LossPolicy {
        /// Stop them.
        Stop = "stop",
        /// Demote them.
        Demote = "demote",
        /// Fence the nodes they run on.
        Fence = "fence",
        /// Leave them alone.
        Freeze = "freeze",
    }
}

keywords! {
    /// How the members of a resource set relate.
    SetOrdering {
        /// As in a group.
        Group = "group",
        /// As listed.
        Listed = "listed",
    }
}

keywords! {
    /// What a permission allows.
    Access {
        /// See.
        Read = "read",
        /// See and change.
        Write = "write",
        /// Neither.
        Deny = "deny",
    }
}

keywords! {
    /// How the conditions of a rule combine.
    BooleanOp {
        /// All must pass.
        And = "and",
        /// One must pass.
        Or = "or",
    }
}

keywords! {
    /// How a node attribute is compared.
    Comparison {
        /// Less than.
        Lt = "lt",
        /// Greater than.
        Gt = "gt",
        /// Less than or equal.
        Lte = "lte",
        /// Greater than or equal.
        Gte = "gte",
        /// Equal.
        Eq = "eq",
        /// Not equal.
        Ne = "ne",
        /// Present.
        Defined = "defined",
        /// Absent.
        NotDefined = "not_defined",
    }
}

keywords! {
    /// What a comparison takes its operands for.
    ComparisonType {
        /// Text.
        String = "string",
        /// Whole numbers.
        Integer = "integer",
        /// Numbers.
        Number = "number",
        /// Dotted versions.
        Version = "version",
    }
}

keywords! {
    /// Where the value a node attribute is compared with comes from.
    ValueSource {
        /// From the expression.
        Literal = "literal",
        /// From a parameter of the resource.
        Param = "param",
        /// From a meta-attribute of the resource.
        Meta = "meta",
    }
}

keywords! {
    /// How a date is compared.
    DateOperation {
        /// Within start and end.
        InRange = "in_range",
        /// After start.
        Gt = "gt",
        /// Before end.
        Lt = "lt",
        /// Matching a specification.
        DateSpec = "date_spec",
    }
}
