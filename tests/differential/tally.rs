//! How often the judges agreed, and why they did not.

use std::collections::BTreeMap;
use std::fmt;

use tower_bearer::{Profile, RejectionKind};

use crate::Difference;
use crate::exceptions::Exception;
use crate::judges::Verdict;
use crate::reasons::Reason;

#[derive(Default)]
pub(crate) struct Tally {
    judged: u64,
    both_admit: u64,
    both_refuse: u64,
    /// By reason: under RFC 9068, generic.
    stricter: BTreeMap<Reason, [u64; 2]>,
    looser: BTreeMap<Exception, [u64; 2]>,
    kinds: BTreeMap<RejectionKind, u64>,
}

impl Tally {
    pub(crate) fn count(
        &mut self,
        profile: Profile,
        verdict: &Verdict,
        oracle_admits: bool,
        difference: Option<Difference>,
    ) {
        self.judged += 1;
        if let Some(kind) = verdict.kind() {
            *self.kinds.entry(kind).or_default() += 1;
        }
        let column = usize::from(profile == Profile::Generic);
        match difference {
            Some(Difference::Stricter(reason)) => self.stricter.entry(reason).or_default()[column] += 1,
            Some(Difference::Looser(exception)) => self.looser.entry(exception).or_default()[column] += 1,
            None if oracle_admits => self.both_admit += 1,
            None => self.both_refuse += 1,
        }
    }

    pub(crate) fn and(mut self, other: Self) -> Self {
        self.judged += other.judged;
        self.both_admit += other.both_admit;
        self.both_refuse += other.both_refuse;
        for (reason, [first, second]) in other.stricter {
            let own = self.stricter.entry(reason).or_default();
            *own = [own[0] + first, own[1] + second];
        }
        for (exception, [first, second]) in other.looser {
            let own = self.looser.entry(exception).or_default();
            *own = [own[0] + first, own[1] + second];
        }
        for (kind, count) in other.kinds {
            *self.kinds.entry(kind).or_default() += count;
        }
        self
    }

    /// No excuse is dead, and the generator is neither all too tame nor all too wild.
    pub(crate) fn assert_complete(&self, cases: u64) {
        assert_eq!(self.judged, cases * 2);
        let dead: Vec<_> = Reason::ALL.iter().filter(|reason| !self.stricter.contains_key(reason)).collect();
        assert!(dead.is_empty(), "excuses that nothing needs: {dead:?}");
        let dead: Vec<_> = Exception::ALL.iter().filter(|one| !self.looser.contains_key(one)).collect();
        assert!(dead.is_empty(), "exceptions that nothing needs: {dead:?}");
        let tenth = self.judged / 10;
        assert!(
            self.both_admit > tenth && self.both_refuse > tenth,
            "{} {}",
            self.both_admit,
            self.both_refuse
        );
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { judged, both_admit, both_refuse, .. } = self;
        writeln!(f, "{judged} judgements: both admit {both_admit}, both refuse {both_refuse}")?;
        writeln!(f, "{:<24} {:>7} {:>7}", "we refuse, it admits", "RFC9068", "Generic")?;
        for (reason, [strict, generic]) in &self.stricter {
            writeln!(f, "{:<24} {strict:>7} {generic:>7}", reason.name())?;
        }
        writeln!(f, "we admit, it refuses")?;
        for (exception, [strict, generic]) in &self.looser {
            writeln!(f, "{:<24} {strict:>7} {generic:>7}", exception.name())?;
        }
        writeln!(f, "our refusals by kind")?;
        self.kinds.iter().try_for_each(|(kind, count)| writeln!(f, "{:<24} {count:>7}", format!("{kind:?}")))
    }
}
