//! What was told and may not have been taken in.

use crate::clock::UnixTime;
use crate::limits;
use crate::revocation::stated::Revocation;

/// A revocation, and the last second of its tokens.
pub(super) type Ended = (Revocation, UnixTime);

/// Told again where it may not have been taken in; what has been is in force, and forgotten here.
#[derive(Debug, Default)]
pub(super) struct Told(Vec<Ended>);

impl Told {
    /// Beyond what there is room for, everybody's tokens for these audiences are cut off instead.
    pub(super) fn add(&mut self, ended: Ended, audiences: &[String]) {
        let at = ended.1;
        self.0.push(ended);
        if self.0.len() > limits::AUTH0_TOLD {
            let last = self.0.iter().map(|(_, at)| *at).fold(at, UnixTime::max);
            tracing::warn!(
                "too much to be remembered: if it has to be told again, everybody's tokens are cut off"
            );
            self.0 = everybody(audiences, last).collect();
        }
    }

    pub(super) fn again(&self) -> impl Iterator<Item = Revocation> {
        self.0.iter().map(|(revocation, _)| revocation.clone())
    }

    /// All of it is in force.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

/// All tokens for these audiences.
pub(super) fn everybody(audiences: &[String], at: UnixTime) -> impl Iterator<Item = Ended> {
    audiences.iter().map(move |audience| (Revocation::cut_off(at).claim("aud", audience), at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_much_to_be_remembered_becomes_everybody() {
        let (mut told, audiences) = (Told::default(), ["a".to_owned(), "b".to_owned()]);
        let ended = |second| {
            let at = UnixTime::from_secs(second);
            (Revocation::cut_off(at).claim("sub", format!("u{second}")), at)
        };
        for number in 0..limits::AUTH0_TOLD {
            told.add(ended(number as i64 % 9), &audiences);
        }
        assert_eq!(told.again().count(), limits::AUTH0_TOLD);
        assert_eq!(told.again().next(), Some(ended(0).0));
        told.add(ended(3), &audiences);
        let expected: Vec<_> = everybody(&audiences, UnixTime::from_secs(8)).map(|(all, _)| all).collect();
        assert_eq!(told.again().collect::<Vec<_>>(), expected);
        told.clear();
        assert_eq!(told.again().next(), None);
    }
}
