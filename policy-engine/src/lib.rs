//! From a CIB snapshot to a transition: placement, actions, ordering, graph, and offline simulation.
