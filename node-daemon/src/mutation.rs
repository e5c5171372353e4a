//! Planted mistakes: the simulation is trusted because it finds them. They exist only with the feature
//! `mutations`, one at a time and for the thread that plants it.

/// A mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mutation {
    /// A DC goes on planning and acting between a change of the ring and the verdict of the votes on it.
    ActBeforeVerdict,
    /// Fencing that failed counts as success.
    TrustFailedFencing,
    /// The joined CIB replaces another one only if its version is not lower.
    JoinByVersion,
    /// A node that comes back does not know in which ring its CIB was the cluster's.
    ForgetCertificate,
    /// A DC does not look for others.
    IgnoreOtherDc,
    /// A node that is lost is taken for one that left in order.
    ExpectLossOfAll,
    /// A change that is ordered while a CIB is on its way to all is not in what comes out.
    ForgetOvertaken,
    /// A change of the CIB is acknowledged before the order of changes has reached it.
    AcknowledgeEarly,
    /// A change of the CIB is acknowledged before a join has settled whose CIB the cluster has.
    AcknowledgeOpen,
    /// Failures are not counted, and no result that is not as expected makes the DC plan anew.
    IgnoreFailures,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Mutation; 10] = [
        Mutation::ActBeforeVerdict,
        Mutation::TrustFailedFencing,
        Mutation::JoinByVersion,
        Mutation::ForgetCertificate,
        Mutation::IgnoreOtherDc,
        Mutation::ExpectLossOfAll,
        Mutation::ForgetOvertaken,
        Mutation::AcknowledgeEarly,
        Mutation::AcknowledgeOpen,
        Mutation::IgnoreFailures,
    ];
}

#[cfg(feature = "mutations")]
thread_local! {
    static PLANTED: std::cell::Cell<Option<Mutation>> = const { std::cell::Cell::new(None) };
}

/// Plants a mistake in this thread, or takes the planted one away.
#[cfg(feature = "mutations")]
pub fn plant(mutation: Option<Mutation>) {
    PLANTED.set(mutation);
}

/// Whether this mistake is planted. Never without the feature.
#[cfg(feature = "mutations")]
pub(crate) fn planted(mutation: Mutation) -> bool {
    PLANTED.get() == Some(mutation)
}

/// Whether this mistake is planted. Never without the feature.
#[cfg(not(feature = "mutations"))]
pub(crate) const fn planted(_: Mutation) -> bool {
    false
}
