//! Fence devices, topology, and the cluster-wide fencing operation.
