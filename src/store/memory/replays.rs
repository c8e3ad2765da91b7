//! Answers that are sent again, in memory.

use super::{
    Claim, Claimed, CommitError, GrantId, KeyFingerprint, MOST_REISSUES, MOST_REPLAYS, PendingRedemption, Recorded,
    Redemption, Reissue, Replay, ReplayError, ReplayKind, Replayed, ReplayedCertificate, State, Timestamp,
};

impl State {
    /// The ordinal and the certificate of this key of the grant.
    pub(super) fn known(&self, id: GrantId, key: KeyFingerprint) -> Option<(u32, &[u8])> {
        let kept = self.kept.iter().find(|(grant, fingerprint, ..)| (*grant, *fingerprint) == (id, key));
        kept.map(|(_, _, ordinal, der)| (*ordinal, &**der))
    }

    fn row(&self, id: GrantId, ordinal: u32) -> Option<&Redemption> {
        self.ledger.get(&id).into_iter().flatten().find(|row| row.ordinal == ordinal)
    }

    fn made(&self, id: GrantId, ordinal: u32) -> u32 {
        let made = self.replays.iter().filter(|replay| (replay.grant_id, replay.ordinal) == (id, ordinal)).count();
        u32::try_from(made).unwrap()
    }

    pub(super) fn replay(&mut self, claim: Claim, key: KeyFingerprint) -> Result<Claimed, ReplayError> {
        let id = claim.grant_id();
        let Some((ordinal, der)) = self.known(id, key) else { return Ok(Claimed::New(claim)) };
        let der = der.to_vec();
        let row = self.row(id, ordinal).unwrap();
        if claim.claimed_at() >= self.by_id(id).unwrap().expires_at {
            return Err(ReplayError::Expired);
        }
        if (claim.link_name(), claim.subject()) != (&row.link_name, &row.subject) {
            return Err(ReplayError::OtherName);
        }
        let (record, number) = (row.certificate, self.made(id, ordinal) + 1);
        if number > MOST_REPLAYS {
            return Err(ReplayError::TooOften);
        }
        self.replays.push(Replay {
            grant_id: id,
            ordinal,
            number,
            kind: ReplayKind::Replayed,
            replayed_at: claim.claimed_at(),
            peer: claim.peer(),
            certificate: record,
        });
        let certificate = ReplayedCertificate { der, record, ordinal, number };
        Ok(Claimed::Known(Box::new(Replayed::new(claim, certificate))))
    }

    pub(super) fn repeatable(&self, claim: &Claim, since: Timestamp) -> Option<u32> {
        let id = claim.grant_id();
        self.by_id(id)?;
        let is_same = |row: &&Redemption| {
            (&row.link_name, &row.subject) == (claim.link_name(), claim.subject())
                && row.redeemed_at >= since
                && !self.kept.iter().any(|(grant, _, ordinal, _)| (*grant, *ordinal) == (id, row.ordinal))
        };
        let latest = self.ledger.get(&id).into_iter().flatten().rfind(is_same)?;
        (self.made(id, latest.ordinal) < MOST_REISSUES).then_some(latest.ordinal)
    }

    pub(super) fn reissue(&mut self, attempt: PendingRedemption, of: Reissue) -> Result<Recorded, CommitError> {
        let admission = attempt.admission();
        let id = admission.grant_id();
        let grant = self.by_id(id).ok_or(CommitError::NotRepeatable)?;
        let row = self.row(id, of.ordinal).ok_or(CommitError::NotRepeatable)?;
        if admission.admitted_at() >= grant.expires_at {
            return Err(CommitError::Expired);
        }
        let is_same = (admission.link_name(), admission.subject()) == (&row.link_name, &row.subject);
        let number = self.made(id, of.ordinal) + 1;
        if !is_same || row.redeemed_at < of.since || number > MOST_REISSUES {
            return Err(CommitError::NotRepeatable);
        }
        self.replays.push(Replay {
            grant_id: id,
            ordinal: of.ordinal,
            number,
            kind: ReplayKind::Reissued,
            replayed_at: admission.admitted_at(),
            peer: admission.peer(),
            certificate: *attempt.certificate(),
        });
        Ok(Recorded::new(attempt, of.ordinal))
    }

    pub(super) fn replays_after(&self, id: GrantId, after: (u32, u32), limit: u32) -> Vec<Replay> {
        let place = |replay: &Replay| (replay.ordinal, replay.number);
        let mut rows: Vec<_> =
            self.replays.iter().filter(|replay| replay.grant_id == id && place(replay) > after).cloned().collect();
        rows.sort_by_key(place);
        rows.truncate(limit as usize);
        rows
    }
}
