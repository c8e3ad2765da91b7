//! The entries in memory, and the revision after which none is missing.

use std::{collections::VecDeque, sync::Arc};

use super::{Change, ChangesError, Committed, weight::weight};
use crate::grant::Revision;

/// The most entries that are kept.
const MOST_ENTRIES: usize = 4096;
/// The most bytes that the last states of removed objects take, by estimate.
const MOST_BYTES: usize = 8 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Ring {
    entries: VecDeque<(Arc<Change>, usize)>,
    bytes: usize,
    /// No change after this one is missing.
    oldest: Revision,
    head: Revision,
    /// The greatest revision that readers of the store can have seen: `head`, or more while a commit is under way or its
    /// answer was lost.
    announced: Revision,
}

impl Ring {
    pub(super) fn new(head: Revision) -> Self {
        Self { entries: VecDeque::new(), bytes: 0, oldest: head, head, announced: head }
    }

    pub(super) fn head(&self) -> Revision {
        self.head
    }

    /// The revision of the newest entry: [`since`](Self::since) every revision before it there is a change or an error.
    pub(super) fn newest_entry(&self) -> Revision {
        self.entries.back().map_or(self.oldest, |(change, _)| change.revision)
    }

    pub(super) fn since(&self, revision: Revision) -> Result<Vec<Arc<Change>>, ChangesError> {
        if revision < self.oldest {
            return Err(ChangesError::TooOld { oldest: self.oldest });
        }
        if revision > self.announced {
            return Err(ChangesError::Future { head: self.head });
        }
        let first = self.entries.partition_point(|(change, _)| change.revision <= revision);
        Ok(self.entries.range(first..).map(|(change, _)| Arc::clone(change)).collect())
    }

    pub(super) fn announce(&mut self, changes: u32) {
        self.announced = Revision(self.announced.0.saturating_add(changes.into()));
    }

    pub(super) fn withdraw(&mut self, changes: u32) {
        self.announced = Revision(self.announced.0.saturating_sub(changes.into())).max(self.head);
    }

    pub(super) fn publish(&mut self, committed: Committed) {
        let Committed { before, head, pending } = committed;
        if before != self.head {
            // A commit that was reported as failed had succeeded, and its changes are not known: leave a gap.
            self.begin_at(before);
        }
        for pending in pending {
            let change = pending.after(before);
            let weight = weight(&change.effect);
            self.bytes += weight;
            self.entries.push_back((Arc::new(change), weight));
        }
        self.head = head;
        self.announced = head;
        if self.entries.is_empty() {
            // A server advances the revision at its start, because its configuration may have changed: a watcher with an
            // older revision must list again.
            self.begin_at(head);
        }
        while self.entries.len() > MOST_ENTRIES || self.bytes > MOST_BYTES {
            let Some((forgotten, weight)) = self.entries.pop_front() else { break };
            self.bytes -= weight;
            self.oldest = forgotten.revision;
        }
    }

    /// Drops all entries, and begins at this revision.
    pub(super) fn restart(&mut self, revision: Revision) {
        self.begin_at(revision);
        (self.head, self.announced) = (revision, revision);
    }

    /// Drops all entries: changes are known from after this revision.
    fn begin_at(&mut self, oldest: Revision) {
        self.entries.clear();
        self.bytes = 0;
        self.oldest = oldest;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::store::{ChangeEffect, ChangeSubject, Labels, changes::PendingChange};

    fn pending(place: u32, label: &str) -> PendingChange {
        let subject = ChangeSubject::Grant {
            id: crate::grant::GrantId::random(),
            namespace: "west".parse().unwrap(),
            name: "offer".parse().unwrap(),
        };
        let labels = Labels::from([("label".to_owned(), label.to_owned())]);
        PendingChange { place, subject, effect: ChangeEffect::Modified { labels_before: Some(labels) } }
    }

    fn publish(ring: &mut Ring, changes: u32) {
        let before = ring.head;
        let pending = (1..=changes).map(|place| pending(place, "")).collect();
        ring.publish(Committed { before, head: Revision(before.0 + u64::from(changes)), pending });
    }

    fn revisions(ring: &Ring, since: u64) -> Result<Vec<u64>, ChangesError> {
        Ok(ring.since(Revision(since))?.iter().map(|change| change.revision.0).collect())
    }

    #[test]
    fn a_ring_knows_what_comes_after_its_beginning_and_nothing_else() {
        let mut ring = Ring::new(Revision(10));
        publish(&mut ring, 2);
        publish(&mut ring, 1);

        assert_eq!(revisions(&ring, 9), Err(ChangesError::TooOld { oldest: Revision(10) }));
        assert_eq!(revisions(&ring, 10), Ok(vec![11, 12, 13]));
        assert_eq!(revisions(&ring, 12), Ok(vec![13]));
        assert_eq!(revisions(&ring, 13), Ok(vec![]));
        assert_eq!(revisions(&ring, 14), Err(ChangesError::Future { head: Revision(13) }));
    }

    #[test]
    fn a_revision_that_is_about_to_come_is_not_of_the_future() {
        let mut ring = Ring::new(Revision(10));
        ring.announce(2);
        assert_eq!(revisions(&ring, 12), Ok(vec![]));
        assert_eq!(revisions(&ring, 13), Err(ChangesError::Future { head: Revision(10) }));
    }

    #[test]
    fn a_change_without_entry_is_where_an_empty_ring_begins_and_else_is_passed_over() {
        let mut ring = Ring::new(Revision(10));
        ring.publish(Committed { before: Revision(10), head: Revision(11), pending: Vec::new() });
        assert_eq!(revisions(&ring, 10), Err(ChangesError::TooOld { oldest: Revision(11) }));

        publish(&mut ring, 1);
        ring.publish(Committed { before: Revision(12), head: Revision(13), pending: Vec::new() });
        assert_eq!(revisions(&ring, 11), Ok(vec![12]));
        assert_eq!(revisions(&ring, 12), Ok(vec![]));
        assert_eq!(revisions(&ring, 13), Ok(vec![]));
    }

    #[test]
    fn a_commit_that_was_not_published_is_reported_as_a_gap() {
        let mut ring = Ring::new(Revision(10));
        publish(&mut ring, 3);
        ring.publish(Committed { before: Revision(15), head: Revision(16), pending: vec![pending(1, "")] });

        assert_eq!(revisions(&ring, 13), Err(ChangesError::TooOld { oldest: Revision(15) }));
        assert_eq!(revisions(&ring, 15), Ok(vec![16]));
    }

    #[test]
    fn large_entries_are_dropped_sooner() {
        let mut ring = Ring::new(Revision(0));
        let heavy = "x".repeat(MOST_BYTES / 3);
        for before in 0..4 {
            let pending = vec![pending(1, &heavy)];
            ring.publish(Committed { before: Revision(before), head: Revision(before + 1), pending });
        }
        assert_eq!(revisions(&ring, 1), Err(ChangesError::TooOld { oldest: Revision(2) }));
        assert_eq!(revisions(&ring, 2), Ok(vec![3, 4]));
        assert!(ring.bytes <= MOST_BYTES);
    }

    proptest! {
        #[test]
        fn a_request_for_changes_is_answered_without_a_gap_or_refused(
            batches in proptest::collection::vec(0..600_u32, 0..20),
            asked in 0..8000_u64,
        ) {
            let mut ring = Ring::new(Revision(5));
            batches.iter().for_each(|changes| publish(&mut ring, *changes));
            let head = ring.head.0;

            match revisions(&ring, asked) {
                Ok(pending) => prop_assert_eq!(pending, (asked + 1..=head).collect::<Vec<_>>()),
                Err(ChangesError::Future { .. }) => prop_assert!(asked > head),
                Err(ChangesError::TooOld { oldest }) => {
                    prop_assert!(asked < oldest.0);
                    prop_assert!(oldest.0 == 5 || head - oldest.0 == MOST_ENTRIES as u64);
                }
            }
        }
    }
}
