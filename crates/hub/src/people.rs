//! Presence of users: who is on a channel by name, and what is said when that changes.
//!
//! A change is a message of a hidden channel beside the one it is about, so whoever asks for presence waits on two
//! channels, and all that is promised of messages holds of changes: one place, in order, once, kept for those who come back,
//! gaps told. The users themselves stand in the channel's roster.

use std::sync::Arc;

use smallvec::{SmallVec, smallvec};

use crate::channel::record_len;
use crate::hub::Keeping;
use crate::limits::{PRESENCE_LIST_MAX, ROSTER_STEP_MAX, WAKE_AGAIN_MS};
use crate::movement::{Movement, presence_name, presence_of};
use crate::room::Holder;
use crate::roster::{Due, PresentPage, Roster};
use crate::{
    ChannelId, Door, Hub, Kind, Message, Millis, Origin, Payload, Position, PresentList, Refused, Session,
    Target,
};

impl Hub {
    /// Some of the users of a channel, behind this name in their order; and the place at which that is true.
    pub fn present(&self, name: &str, after: Option<&str>, limit: usize) -> (PresentPage, Position) {
        let page = self.names.find(name).map(|id| self.present_page(id, after, limit));
        (page.unwrap_or_default(), self.end)
    }

    /// Whether a store keeps a message however old it is: since a user is shown on a channel by it, somebody who follows the order
    /// has not had it, or it says how far somebody has come who does.
    pub fn is_awaited(&self, message: &Message) -> bool {
        let is_newest = || message.is_bookmark() && self.holds(&message.targets()[0].name, message.position);
        self.is_shown_since(message) || self.recent.awaits(message) || is_newest()
    }

    /// Whether a message says that a user joined who is shown by it no longer: it is kept for history alone.
    pub fn is_outdated(&self, message: &Message) -> bool {
        movement_of(message).is_some_and(|(_, movement)| movement.joined) && !self.is_shown_since(message)
    }

    /// Whether a user is shown on a channel since this place.
    fn is_shown_since(&self, message: &Message) -> bool {
        let Some((channel, movement)) = movement_of(message) else { return false };
        let id = self.names.find(channel);
        id.and_then(|id| self.names[id].roster()?.shown_since(movement.user)) == Some(message.position)
    }

    /// Whether anything is said of users from now on: not while those who are to be told take no more. It is said later.
    pub fn hold_movements(&mut self, holds: bool) {
        self.holds_movements = holds;
    }

    /// Whether something was said of users since this was last asked: it is to be released.
    pub fn take_movements(&mut self) -> bool {
        std::mem::take(&mut self.has_movements)
    }

    /// Connections that wait on these channels, and of which nobody had a name, are this user's from now on: on all of them, or
    /// where there is no room, on none.
    pub fn greet(&mut self, channels: &[ChannelId], session: &Session, now: Millis) -> Result<(), Refused> {
        let now = self.advance(now);
        let Some(who) = session.who() else { return Ok(()) };
        let mut refused = None;
        for channel in channels {
            if refused.is_none() && self.names.get(channel.0).is_some() {
                refused = self.prepare_roster(channel.0, now).err();
            }
        }
        for channel in channels {
            // Room for one may have been made of another, of which all were sent away.
            if self.names.get(channel.0).is_none() {
                continue;
            }
            match refused {
                None => self.arrive(channel.0, who, true, now),
                Some(_) => self.drop_roster(channel.0),
            }
            self.schedule(channel.0);
        }
        self.check();
        refused.map_or(Ok(()), Err)
    }

    /// Connections that were greeted on these channels are nobody's again; the user has the grace.
    pub fn ungreet(&mut self, channels: &[ChannelId], session: &Session, now: Millis) {
        let now = self.advance(now);
        let Some((user, _)) = session.who() else { return };
        for channel in channels {
            if self.names.get(channel.0).is_some() {
                self.depart(channel.0, user, false, now);
                self.schedule(channel.0);
            }
        }
        self.check();
    }

    /// A connection of this user no longer waits on a channel; it has the grace to come back. Harmless where it is not there. The
    /// caller schedules the channel.
    pub(crate) fn depart(&mut self, id: u32, user: &str, at_once: bool, now: Millis) {
        let grace = if at_once { 0 } else { self.limits.presence_grace };
        if let Some(roster) = self.names[id].roster_mut() {
            roster.depart(user, now.saturating_add(grace));
            if grace == 0 {
                self.settle_user(id, user, now);
                self.drop_roster(id);
            }
        }
    }

    /// Makes what this takes for a user who comes to this channel, if it has presence; or refuses.
    pub(crate) fn prepare_roster(&mut self, id: u32, now: Millis) -> Result<(), Refused> {
        if !self.has_presence(id) || self.names[id].roster().is_some() {
            return Ok(());
        }
        // Room for the hidden record is not made of this one.
        self.names[id].pins += 1;
        let feed = self.make_feed(&presence_name(&self.names[id].name), now);
        self.names[id].pins -= 1;
        let feed = feed?;
        self.publish_to(feed);
        self.names[id].extras_mut().roster = Some(Box::new(Roster::new(feed)));
        Ok(())
    }

    /// Makes a hidden record, pinned. It is there since somebody waits: what is kept for publishers is not for it.
    fn make_feed(&mut self, name: &str, now: Millis) -> Result<u32, Refused> {
        let len = if self.names.find(name).is_some() { 0 } else { record_len(name) };
        self.find_room_beside(Holder::EARLY, len, now)?;
        self.create_pinned(name, Holder::PUBLIC, now)
    }

    /// A connection of a user waits on a channel from now on, or passes by.
    pub(crate) fn arrive(&mut self, id: u32, (user, info): (&str, Option<&str>), stays: bool, now: Millis) {
        let away_at = now.saturating_add(self.limits.presence_grace);
        let Some(roster) = self.names[id].roster_mut() else { return };
        if stays {
            roster.arrive(user, info);
        } else {
            roster.pass_by(user, info, away_at);
        }
        self.settle_user(id, user, now);
        // Without a grace, who passes by has not been there.
        self.drop_roster(id);
    }

    /// Looks at users whose time has come; as far as the steps go.
    pub(crate) fn wake_users(&mut self, id: u32, now: Millis, steps: &mut usize) {
        for _ in 0..ROSTER_STEP_MAX.min(*steps) {
            let Some(user) = self.names[id].roster_mut().and_then(|roster| roster.next_woken(now)) else {
                break;
            };
            self.settle_user(id, &user, now);
            *steps -= 1;
        }
        self.drop_roster(id);
    }

    /// All who wait on a channel are gone at once.
    pub(crate) fn end_roster(&mut self, id: u32) {
        if let Some(roster) = self.names[id].roster_mut() {
            roster.end();
        }
    }

    /// Shows clients that a user joined or left: the message of it is released.
    pub(crate) fn show_movement(&mut self, message: &Message) {
        let Some((channel, movement)) = movement_of(message) else { return };
        let Some(id) = self.names.find(channel) else { return };
        let Some(roster) = self.names[id].roster_mut() else { return };
        roster.show(movement.user, movement.joined, message.time, message.position);
        self.drop_roster(id);
    }

    /// What was to be shown of a user is given up; it is told anew.
    pub(crate) fn give_up_movement(&mut self, message: &Message) {
        let again_at = self.clock.saturating_add(WAKE_AGAIN_MS);
        let Some((channel, movement)) = movement_of(message) else { return };
        let Some(id) = self.names.find(channel) else { return };
        if let Some(roster) = self.names[id].roster_mut() {
            roster.give_up(movement.user, again_at);
            self.schedule(id);
        }
    }

    /// A user joined or left in a past that a store knows.
    pub(crate) fn restore_movement(&mut self, message: &Message, now: Millis) {
        let Some((name, movement)) = movement_of(message) else { return };
        if self.rules.now().presence(name) == Door::Off {
            return;
        }
        let id = match self.names.find(name) {
            Some(id) => id,
            None if movement.joined => match self.create(name, Holder::PUBLIC, now) {
                Ok(id) => id,
                Err(_) => return,
            },
            None => return,
        };
        if self.prepare_roster(id, now).is_err() {
            return self.schedule(id);
        }
        let Some(roster) = self.names[id].roster_mut() else { return };
        if movement.joined {
            roster.restore(movement.user, movement.info, message.time, message.position);
        } else {
            roster.restore_left(movement.user);
        }
        self.drop_roster(id);
        self.schedule(id);
    }

    /// Everybody who was restored has the grace to come back.
    pub(crate) fn restored_users(&mut self, now: Millis) {
        // Not yet now: a store is to be told that they leave.
        let away_at = now.saturating_add(self.limits.presence_grace.max(1));
        let ids: Vec<u32> =
            self.names.iter().filter(|(_, record)| record.roster().is_some()).map(|(id, _)| id).collect();
        for id in ids {
            if let Some(roster) = self.names[id].roster_mut() {
                roster.restored(away_at);
            }
            self.schedule(id);
        }
    }

    /// Who is on those channels whose changes are told in these, at the end of what is released.
    pub(crate) fn present_lists(&self, names: &[&str]) -> Vec<PresentList> {
        let about = names.iter().filter_map(|name| presence_of(name));
        let limit = self.limits.presence_list.min(PRESENCE_LIST_MAX);
        let list = |name: &str| {
            let page = self.names.find(name).map(|id| self.present_page(id, None, limit));
            PresentList { channel: name.into(), page: page.unwrap_or_default() }
        };
        about.map(list).collect()
    }

    fn present_page(&self, id: u32, after: Option<&str>, limit: usize) -> PresentPage {
        let channel = &self.names[id];
        match channel.roster() {
            Some(roster) => roster.page(after, limit, channel.waiting()),
            None => PresentPage { anonymous: channel.waiting().into(), ..PresentPage::default() },
        }
    }

    /// Tells what is to be told of a user now. Where it cannot be, it is tried again.
    fn settle_user(&mut self, id: u32, user: &str, now: Millis) {
        let is_held = self.holds_movements || self.keeping == Keeping::Suspended;
        let is_held = is_held || self.last >= Position::LAST_ORDERED.min(self.reserved);
        let again_at = is_held.then(|| now.saturating_add(WAKE_AGAIN_MS));
        let Some(roster) = self.names[id].roster_mut() else { return };
        let Some(due) = roster.settle(user, again_at, now) else { return };
        let (joined, info) = match &due {
            Due::Joined(info) => (true, info.as_deref()),
            Due::Left => (false, None),
        };
        let feed = roster.feed;
        self.order_movement(feed, Movement { joined, user, info }, now);
    }

    /// Gives a change its place.
    fn order_movement(&mut self, feed: u32, movement: Movement<'_>, now: Millis) {
        self.last = self.last.next();
        let channel = &mut self.names[feed];
        channel.pins += 1;
        let targets: SmallVec<[Target; 1]> =
            smallvec![Target { name: Arc::clone(&channel.name), alias: None }];
        let like = channel.history.as_ref().and_then(|history| history.about());
        let (bytes, start) = movement.to_bytes();
        let payload = Payload::new(bytes, Kind::Json);
        let payload = Payload { data: start..payload.data.end, origin: Origin::Presence, ..payload };
        let (message, _) = Message::like(like, self.last, now, None, targets, payload);
        let ordered = self.ordered_message(message, smallvec![ChannelId(feed)], now);
        self.ordered.push_back(ordered);
        self.has_movements = true;
    }

    /// Lets go of a roster with nobody in it.
    pub(crate) fn drop_roster(&mut self, id: u32) {
        if self.names[id].roster().is_none_or(|roster| !roster.is_empty()) {
            return;
        }
        let extras = self.names[id].extras_mut();
        let Some(roster) = extras.roster.take() else { return };
        self.names[roster.feed].pins -= 1;
        self.schedule(roster.feed);
        self.trash.records.push(roster);
        self.schedule(id);
    }
}

/// The channel that a user joined or left, and that it did so, where a message says this.
fn movement_of(message: &Message) -> Option<(&str, Movement<'_>)> {
    let movement = message.movement()?;
    Some((presence_of(&message.targets()[0].name)?, movement))
}
