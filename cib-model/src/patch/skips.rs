//! Counting the entries of a list that are not marked to be skipped.

/// Marks on the entries of a list, with the number of unmarked ones before each, in logarithmic time
/// (a Fenwick tree).
pub(super) struct Skips {
    tree: Vec<usize>,
}

impl Skips {
    /// No marks on `len` entries.
    pub(super) fn new(len: usize) -> Skips {
        Skips { tree: vec![0; len + 1] }
    }

    /// Marks an entry that is not marked yet.
    pub(super) fn mark(&mut self, index: usize) {
        let mut node = index + 1;
        while node < self.tree.len() {
            self.tree[node] += 1;
            node += node & node.wrapping_neg();
        }
    }

    /// The number of entries before `index` that are not marked.
    pub(super) fn position(&self, index: usize) -> usize {
        let (mut node, mut marked) = (index, 0);
        while node > 0 {
            marked += self.tree[node];
            node -= node & node.wrapping_neg();
        }
        index - marked
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_leave_out_marked_entries() {
        let mut skips = Skips::new(6);
        for index in [4, 0, 2] {
            skips.mark(index);
        }
        let positions: Vec<usize> = (0..7).map(|index| skips.position(index)).collect();
        assert_eq!(positions, [0, 0, 1, 1, 2, 2, 3]);
    }
}
