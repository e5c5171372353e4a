//! Who may act: votes, partitions, tie-breakers, and the election of the designated controller.
