//! Planted mistakes, compiled only with the feature `mutations`, which prove that the simulation
//! and the explorer would notice. Without the feature every switch is the constant `false`.

/// One wrong line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// The lowest member's votes are counted twice.
    CountAVoteTwice,
    /// "At least half" in place of "more than half".
    HalfIsEnough,
    /// The tie-breaker favours whoever asks.
    EitherHalfBreaksTheTie,
    /// Arriving members keep the verdict of their old ring, however few of it they are.
    TrustOldVerdicts,
    /// A waiting node accepts a majority in place of everybody.
    StopWaitingAtMajority,
    /// The new ring's verdict is given before all members have reported.
    ActivateEarly,
    /// An answer of the device about another ring counts.
    AcceptStaleDeviceAnswer,
    /// Rebasing happens where the timer fires instead of where the message is ordered.
    RebaseOutOfOrder,
    /// A refused request has been applied already.
    ApplyBeforeCheck,
    /// The arbiter gives the votes to the winner before the loser has confirmed.
    GrantUnconfirmed,
    /// The lease lasts from when an answer of the arbiter came, however late, not from when it was asked.
    LateAnswerExtendsLease,
    /// Half of the voters suffice to win an election.
    WinWithHalf,
    /// Of two versions the newer wins at the one, the older at the other.
    NewerVersionWinsToo,
}

/// Every mistake there is.
pub const ALL: [Mutation; 13] = [
    Mutation::CountAVoteTwice,
    Mutation::HalfIsEnough,
    Mutation::EitherHalfBreaksTheTie,
    Mutation::TrustOldVerdicts,
    Mutation::StopWaitingAtMajority,
    Mutation::ActivateEarly,
    Mutation::AcceptStaleDeviceAnswer,
    Mutation::RebaseOutOfOrder,
    Mutation::ApplyBeforeCheck,
    Mutation::GrantUnconfirmed,
    Mutation::LateAnswerExtendsLease,
    Mutation::WinWithHalf,
    Mutation::NewerVersionWinsToo,
];

#[cfg(feature = "mutations")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Mutation>> = const { std::cell::Cell::new(None) };
}

/// Plants one mistake (or none) for the machines that run on this thread.
#[cfg(feature = "mutations")]
pub fn plant(mutation: Option<Mutation>) {
    PLANTED.set(mutation);
}

/// Whether this mistake is planted.
#[cfg(feature = "mutations")]
pub(crate) fn planted(mutation: Mutation) -> bool {
    PLANTED.get() == Some(mutation)
}

#[cfg(not(feature = "mutations"))]
pub(crate) const fn planted(_: Mutation) -> bool {
    false
}
