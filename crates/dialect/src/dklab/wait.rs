//! How clients of 2009 wait: one message of the first channel they name, and the end.

use codec::http::loose::is_like_http;

use super::{DISCONNECT, ids, whose};
use crate::{Claim, Dialect, Ours, Wants};

/// The dialect. Nothing is set about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dklab;

impl Dialect for Dklab {
    fn claims(&self, bytes: &[u8], ours: Ours<'_>) -> Option<Claim> {
        whose(bytes, ours.paths.all(), ours.application)
    }

    fn wants(&self, bytes: &[u8], ended: bool, _: usize) -> Wants {
        let first = ids(bytes, ended).and_then(|ids| ids.into_iter().next());
        first.map_or(Wants::Nothing, Wants::Take)
    }

    fn is_told_late(&self, input: &[u8], ours: Ours<'_>) -> bool {
        is_like_http(input) || self.claims(input, ours) != Some(Claim::Theirs)
    }

    fn nothing(&self) -> &'static [u8] {
        DISCONNECT
    }
}
