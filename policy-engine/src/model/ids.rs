//! Small integer identities into the arenas of one run.

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u32);

        impl $name {
            /// Position in the arena.
            pub fn index(self) -> usize {
                self.0 as usize
            }
        }

        impl From<usize> for $name {
            fn from(index: usize) -> Self {
                $name(index as u32)
            }
        }
    };
}

id!(
    /// A node, in order of creation (not node order: that is `Cluster::node_order`).
    NodeId
);
id!(
    /// A resource of any variant, in order of creation.
    ResourceId
);
id!(
    /// An action; its number in the graph is the index plus one (spec 30 §3.1).
    ActionId
);
id!(
    /// A colocation, in order of creation.
    ColocationId
);
id!(
    /// A location constraint, in order of creation.
    LocationId
);
id!(
    /// A ticket.
    TicketId
);
id!(
    /// A configured primitive or collective as read from the document; instances share one.
    DefinitionId
);

impl ActionId {
    /// The number shown in the graph: creation order from 1.
    pub fn number(self) -> u32 {
        self.0 + 1
    }
}
