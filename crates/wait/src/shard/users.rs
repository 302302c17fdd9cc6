//! Who is there: questions about users, answered in pieces, so that nobody is kept waiting for them.

use std::collections::BTreeMap;
use std::sync::Weak;

use exchange::hub::{Session, ShardId, WallTime};
use exchange::{ListedUser, UserAnswer, UserConnection, UserList, UserQuestion, UserSurvey};
use transport::{Ending, Framing, Notice, Phase};

use super::Shard;
use crate::kernel::Kernel;
use crate::limits::{
    CHANGED_PER_TURN, ENDINGS_PER_TURN, SURVEYED_PER_TURN, USER_CHANNELS_MAX, USER_CONNECTIONS_MAX,
};
use crate::users::Surveying;

impl<K: Kernel> Shard<K> {
    /// Somebody asks.
    pub(super) fn survey(&mut self, survey: Weak<UserSurvey>) {
        self.guests.surveys.push_back(Surveying {
            survey,
            from: 0,
            first: BTreeMap::new(),
            ended: (0, WallTime::PAST),
        });
    }

    /// A piece of the answer to the question that came first.
    pub(super) fn run_surveys(&mut self) {
        let Some(mut surveying) = self.guests.surveys.pop_front() else { return };
        // Who does not wait for it any more gets none.
        let Some(survey) = surveying.survey.upgrade() else { return };
        match survey.question() {
            UserQuestion::One(user) => {
                let (connections, more) = self.connections_of(user);
                survey.put(self.id, UserAnswer::One(connections, more));
            }
            UserQuestion::End { id, location, reason } => {
                let is_it = |index: &usize| location.shard == self.id && self.id_of(*index) == *id;
                let found = self.find(location.token).filter(is_it);
                let found = found.filter(|index| self.slab[*index].conn.phase == Phase::Waiting);
                survey.put(self.id, UserAnswer::Ended(found.iter().count()));
                if let Some(index) = found {
                    self.end_for(index, reason);
                }
            }
            UserQuestion::Change { user, join, leave } => {
                if self.change_some(user, join, leave, &mut surveying) {
                    survey.put(self.id, UserAnswer::Changed(surveying.ended.0));
                } else {
                    self.guests.surveys.push_front(surveying);
                }
            }
            UserQuestion::EndUser { user, reason } => {
                if self.end_some(user, reason, &mut surveying.ended) {
                    let (count, until) = surveying.ended;
                    survey.put(self.id, UserAnswer::EndedUser(count, until));
                } else {
                    self.guests.surveys.push_front(surveying);
                }
            }
            UserQuestion::Judge(pasted) => {
                // All would say the same.
                let judged = (self.id == ShardId(0)).then(|| Box::new(self.judge_pasted(pasted)));
                survey.put(self.id, UserAnswer::Judged(judged));
            }
            UserQuestion::List(list) => {
                let (named, next) = self.guests.users_from(surveying.from, SURVEYED_PER_TURN);
                for (index, user) in named {
                    note(&mut surveying.first, list, user, || self.guests.users().since(index));
                }
                match next {
                    Some(next) => {
                        surveying.from = next;
                        self.guests.surveys.push_front(surveying);
                    }
                    None => {
                        let listed = surveying
                            .first
                            .into_iter()
                            .map(|(user, (connections, since))| ListedUser { user, connections, since });
                        survey.put(self.id, UserAnswer::List(listed.collect()));
                    }
                }
            }
        }
    }

    /// Has some of the connections of a user listen to other channels. True: there are no more.
    fn change_some(
        &mut self,
        user: &str,
        join: &[Box<str>],
        leave: &[Box<str>],
        surveying: &mut Surveying,
    ) -> bool {
        if surveying.from == 0 {
            self.guests.begin_walk(OF_SURVEY, user);
            surveying.from = 1;
        }
        for _ in 0..CHANGED_PER_TURN {
            let Some(index) = self.guests.next_of_walk(OF_SURVEY, user) else { return true };
            if let Some(index) = index.filter(|index| self.can_change(*index)) {
                surveying.ended.0 += usize::from(self.change_channels(index, join, leave));
            }
        }
        false
    }

    /// Ends some of the connections of a user. True: there are no more.
    fn end_some(&mut self, user: &str, reason: &str, (count, until): &mut (usize, WallTime)) -> bool {
        let indices: Vec<usize> = self.guests.of_user(user).take(ENDINGS_PER_TURN).collect();
        for index in &indices {
            let expires = self.guests.session(*index).map(Session::expires);
            *until = (*until).max(expires.flatten().unwrap_or(WallTime::END));
            *count += 1;
            self.end_for(*index, reason);
        }
        indices.len() < ENDINGS_PER_TURN
    }

    /// Ends a connection that waits, since the application wants it: it is given what it is owed, and told why.
    fn end_for(&mut self, index: usize, reason: &str) {
        self.counters.ended.add(1);
        let token = self.token(index);
        if !self.visit(index) || self.find(token).is_none() || self.slab[index].conn.phase != Phase::Waiting {
            return;
        }
        match self.slab[index].conn.shape.ending() {
            Ending::OnePoll => drop(self.answer_ended(index, self.seen, reason)),
            Ending::OneMessage | Ending::WhenDue => self.close_gently(index),
            Ending::Stream => {
                let mut out = Vec::new();
                self.slab[index].conn.tell(Notice::Ended(reason), self.cursors, &mut out);
                if self.write(index, &out) {
                    self.end(index, ENDED, reason);
                }
            }
        }
    }

    /// The connections of a user, up to a limit; whether there are more.
    fn connections_of(&mut self, user: &str) -> (Vec<UserConnection>, bool) {
        let mut indices: Vec<usize> = self.guests.of_user(user).take(USER_CONNECTIONS_MAX + 1).collect();
        let mut more = indices.len() > USER_CONNECTIONS_MAX;
        indices.truncate(USER_CONNECTIONS_MAX);
        let (mut connections, mut listed) = (Vec::with_capacity(indices.len()), 0);
        for index in indices {
            if listed >= USER_CHANNELS_MAX {
                more = true;
                break;
            }
            let (id, since) = (self.id_of(index), self.guests.users().since(index));
            let channels = self.channels_of(index);
            let transport = word_of(self.slab[index].conn.shape.framing());
            listed += channels.len();
            connections.push(UserConnection { id, channels, transport, address: self.address(index), since });
        }
        (connections, more)
    }
}

/// Notes a connection of a user who stands on the page. Only as many as the page has, and one, are kept: of who is pushed
/// out none comes back, since the last of the page never gets later.
fn note(
    first: &mut BTreeMap<Box<str>, (u32, WallTime)>,
    list: &UserList,
    user: &str,
    since: impl FnOnce() -> WallTime,
) {
    if !list.wants(user) {
        return;
    }
    if let Some((connections, earliest)) = first.get_mut(user) {
        *connections += 1;
        *earliest = since().min(*earliest);
        return;
    }
    let is_full = first.len() > list.limit;
    if is_full && first.last_key_value().is_none_or(|(last, _)| user > &**last) {
        return;
    }
    first.insert(user.into(), (1, since()));
    if first.len() > list.limit + 1 {
        first.pop_last();
    }
}

/// The key of a survey's walk: there is one at a time.
const OF_SURVEY: u32 = u32::MAX;
/// The code of a WebSocket that the application ended (RFC 6455, section 7.4.2: for private use).
const ENDED: u16 = 4001;

/// How a transport is called in `?transport=`; of those that have no users there is no word.
fn word_of(framing: Framing) -> &'static str {
    match framing {
        Framing::Answer => "poll",
        Framing::Events => "sse",
        Framing::Lines => "stream",
        Framing::WebSocket => "ws",
        Framing::Bytes => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_users_of_a_page_are_kept_with_all_their_connections() {
        let list = UserList { prefix: "u".into(), after: Some("u1".into()), limit: 2 };
        let mut first = BTreeMap::new();
        for (n, user) in ["u5", "v", "u4", "u1", "u3", "u4", "u9", "u2", "u3", "u5", "u2"].iter().enumerate()
        {
            note(&mut first, &list, user, || WallTime::from_seconds(100 - n as u64));
        }
        let kept: Vec<_> =
            first.iter().map(|(user, (count, since))| (&**user, *count, since.millis() / 1_000)).collect();
        assert_eq!(kept, [("u2", 2, 90), ("u3", 2, 92), ("u4", 2, 95)]);
    }
}
