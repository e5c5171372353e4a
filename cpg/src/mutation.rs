//! Planted protocol mistakes. They exist so that the simulation can show that it would find them;
//! without the feature `mutations` no mistake can be switched on.

/// A mistake to plant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// The transitional configuration is not delivered.
    SkipTransitional,
    /// A requested packet is struck off the token's list without being sent.
    ForgetRetransmit,
    /// Safe messages are delivered as agreed.
    SafeAtOnce,
    /// Packets are released when one visit of the token shows them as received.
    ReleaseEarly,
    /// Recovery installs the ring without waiting for the others.
    InstallEarly,
    /// After a gap, old-ring packets of nodes that stayed behind are delivered too.
    DeliverPastGap,
    /// The representative re-uses the sequence of the ring before.
    ReuseRingSequence,
    /// An old token is accepted again.
    AcceptOldToken,
    /// Join lists of an aborted synchronisation are kept.
    KeepJoinLists,
    /// Packets are asked for that their originator may not have sent yet.
    AskTooEarly,
    /// A visit sends more than it is allowed.
    OverdrawVisit,
    /// A packet missing in recovery is not re-originated by its holder.
    ForgetRecovery,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Mutation; 12] = [
        Mutation::SkipTransitional,
        Mutation::ForgetRetransmit,
        Mutation::SafeAtOnce,
        Mutation::ReleaseEarly,
        Mutation::InstallEarly,
        Mutation::DeliverPastGap,
        Mutation::ReuseRingSequence,
        Mutation::AcceptOldToken,
        Mutation::KeepJoinLists,
        Mutation::AskTooEarly,
        Mutation::OverdrawVisit,
        Mutation::ForgetRecovery,
    ];
}
