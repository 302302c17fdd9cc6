//! Deliveries: from the mailbox into jobs, and from jobs to connections, a visit at a time.

use std::rc::Rc;
use std::sync::Arc;

use exchange::hub::{Admission, ChannelId, Cursors, Position, Visible};
use exchange::{Delivery, FrameRef, Mail, Order};
use smallvec::SmallVec;
use transport::codec::deflate::Deflater;
use transport::{Coder, Coding, Ending, Part, Phase, Shape};

use super::Shard;
use super::audience::{Channels, User, Viewer, shown};
use super::end::Deletion;
use super::frames::own_frame;
use super::identity::{Identity, place};
use super::output::{Fault, Piece, write_pieces};
use super::post::Sending;
use super::reach::WALK;
use crate::debts::Owed;
use crate::kernel::Kernel;
use crate::limits::{LANE_TURNS, MAIL_KEPT, VISITS_PER_SLICE, VISITS_PER_TURN};
use crate::members::parts;
use crate::slot::Subs;

/// What one connection is owed of one message: through which of its targets.
pub(super) struct DueTargets {
    pub(super) owed: Rc<Owed>,
    pub(super) matches: SmallVec<[usize; 2]>,
    /// It may see it.
    admission: Admission,
}

impl DueTargets {
    pub(super) fn message(&self) -> Visible<'_> {
        self.owed.delivery.message.visible_by(self.admission)
    }
}

impl<K: Kernel> Shard<K> {
    /// Takes all mail in. Reading the end first makes sure that all up to it is in the mail.
    pub(super) fn take_mail(&mut self) {
        let end = self.exchange.end();
        let mut mail = std::mem::take(&mut self.mail);
        self.exchange.shard(self.id).take_mail(&mut mail);
        for item in mail.drain(..) {
            match item {
                Mail::Delivery(delivery) => self.owe(delivery),
                Mail::Order(order) => self.obey(order),
            }
        }
        // What a burst needed is not kept for ever.
        mail.shrink_to(MAIL_KEPT);
        self.mail = mail;
        self.seen = self.seen.max(end);
    }

    fn owe(&mut self, delivery: Arc<Delivery>) {
        self.seen = self.seen.max(delivery.message.position);
        let owed = Rc::new(Owed { delivery });
        for channel in &owed.delivery.channels {
            if let Some(key) = self.members.find(*channel)
                && self.members.channel_mut(key).owe(Rc::clone(&owed))
            {
                self.jobs.push_back(key);
            }
        }
        self.owe_addressed(&owed);
        self.settle([owed]);
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Deleted { channel, name, at } => {
                let hidden = self.hidden_of(&name);
                self.deleting.push_back(Deletion { channel, name, at, hidden });
            }
            Order::Canary(canary) => canary.passed(),
            Order::Snapshot(snapshot) => {
                if let Some(snapshot) = snapshot.upgrade() {
                    snapshot.put(self.id, self.listeners(snapshot.limit()));
                }
            }
            Order::Users(survey) => self.survey(survey),
            Order::Look => self.look_at_desk(),
            Order::AskConnection { id, shard, token, ticket } => {
                self.answer_connection(id, shard, token, ticket);
            }
            Order::TellConnection { token, ticket, is_there } => {
                self.hear_of_connection(token, ticket, is_there);
            }
            Order::Finish(told) => self.begin_finishing(told),
            Order::Rest => self.begin_resting(),
            Order::Drain(over) => self.begin_draining(over),
        }
    }

    /// Visits members, job by job in turn, so that a message to many does not delay one to few. A job gets its
    /// first slice at once; the rest of it is done in a lane.
    pub(super) fn run_jobs(&mut self) {
        let mut budget = VISITS_PER_TURN;
        let kept = if self.long_jobs.is_empty() { 0 } else { VISITS_PER_SLICE };
        while budget > kept {
            let Some(key) = self.jobs.pop_front() else { break };
            if !self.run_job(key, &mut budget) {
                self.long_jobs.push_back(key);
            }
        }
        if !self.long_jobs.is_empty() && self.enter_lane() {
            self.run_long_jobs(budget);
        }
        self.dispatch();
    }

    fn run_long_jobs(&mut self, mut budget: usize) {
        while budget > 0 {
            let Some(key) = self.long_jobs.pop_front() else { break };
            if !self.run_job(key, &mut budget) {
                self.long_jobs.push_back(key);
            }
        }
        let turns = self.lane.map_or(0, |turns| turns - 1);
        if self.long_jobs.is_empty() {
            self.leave_lane();
        } else if turns > 0 || !self.exchange.shard(self.id).is_lane_wanted() {
            self.lane = Some(turns.max(1));
        } else {
            // Behind the others, of whom one goes on now.
            self.leave_lane();
            self.enter_lane();
        }
    }

    /// False: it is others' turn, and this shard is woken for its own.
    fn enter_lane(&mut self) -> bool {
        if self.lane.is_none() && self.exchange.shard(self.id).enter_lane() {
            self.lane = Some(LANE_TURNS);
        }
        self.lane.is_some()
    }

    pub(super) fn leave_lane(&mut self) {
        if self.lane.take().is_some() {
            self.exchange.shard(self.id).leave_lane();
        }
    }

    /// A slice of one job. True: it is done.
    pub(super) fn run_job(&mut self, key: u32, budget: &mut usize) -> bool {
        if key & WALK != 0 {
            return self.run_walk(key & !WALK, budget);
        }
        let mut done = Vec::new();
        for _ in 0..VISITS_PER_SLICE {
            if *budget == 0 {
                return false;
            }
            let Some(channel) = self.members.get_mut(key) else { return true };
            let Some((at, until)) = channel.step(&self.slab) else {
                let again = channel.walked(&mut done);
                self.settle(done.drain(..));
                if again {
                    continue;
                }
                return true;
            };
            *budget -= 1;
            let (index, _) = parts(at);
            // Who has to ask again for the rest is given all there is.
            let until = match self.slab[index].conn.shape.ending() {
                Ending::Stream => until,
                Ending::OnePoll | Ending::OneMessage | Ending::WhenDue => Position::END,
            };
            if self.await_post(index) {
                self.visit_until(index, until, Sending::ByPost);
            }
        }
        false
    }

    /// Gives a connection all that its channels released after what it has. False: it is gone. A poll
    /// that was given something waits no longer.
    pub(super) fn visit(&mut self, index: usize) -> bool {
        self.visit_until(index, Position::END, Sending::Now)
    }

    /// The same up to this place, and no further.
    pub(super) fn visit_until(&mut self, index: usize, until: Position, sending: Sending) -> bool {
        self.counters.visits.add(1);
        debug_assert_eq!(self.slab[index].conn.phase, Phase::Waiting, "only who waits is a member");
        // That a channel was deleted is told before anything said later: the cursor of that would also
        // speak for what was said to a new channel of the same name.
        while let Some((number, deletion)) = self.deletion_of(index, until) {
            if !self.end_subscription(index, number, &deletion) {
                return false;
            }
            if self.slab[index].conn.phase != Phase::Waiting {
                return true;
            }
        }
        self.give(index, until, sending)
    }

    /// Gives a connection what its channels released after what it has, and up to this place.
    pub(super) fn give(&mut self, index: usize, until: Position, sending: Sending) -> bool {
        let slot = &self.slab[index];
        match slot.conn.shape.ending() {
            Ending::Stream => {}
            Ending::OnePoll => return self.give_poll(index, until, None, sending),
            Ending::OneMessage => return self.visit_taker(index),
            Ending::WhenDue => return self.visit_listener(index, until),
        }
        if slot.conn.has_backlog() {
            return self.give_uncovered(index, until);
        }
        let result = match &slot.subs {
            _ if !self.members.walks.is_empty() || self.is_mixed(index) => {
                self.give_many(index, until, sending)
            }
            Subs::None => return true,
            Subs::One(sub) => self.give_one(index, sub.channel, until, sending),
            Subs::Many(_) => self.give_many(index, until, sending),
        };
        self.judge(index, result)
    }

    /// The usual visit: one channel, frames that all its members share.
    fn give_one(&mut self, index: usize, key: u32, until: Position, sending: Sending) -> Result<(), Fault> {
        let heartbeat = self.heartbeat_tick(index);
        let token = self.token(index);
        let channel = self.members.channel(key);
        let Some(work) = &channel.work else { return Ok(()) };
        let slot = &mut self.slab[index];
        let last = slot.conn.last;
        let form = FrameForm { shape: slot.conn.shape, coding: slot.conn.coding, cursors: self.cursors };
        let viewer = Viewer {
            identity: Identity {
                ids: self.exchange.registry().connection_ids(),
                identities: &self.identities,
                place: place(self.start, self.id, index, slot.generation),
                index,
            },
            channels: Channels::Of { exchange: &self.exchange, members: &self.members, subs: &slot.subs },
            user: User::Of(&self.guests, index),
        };
        let first = work.pending.partition_point(|owed| owed.position() <= last);
        let frames: SmallVec<[FrameRef<'_>; 4]> = work
            .pending
            .range(first..)
            .take_while(|owed| owed.position() <= until)
            .filter_map(|owed| {
                let target = target_of(&owed.delivery, channel.id);
                let message = &owed.delivery.message;
                let message = shown(form.shape, message, &viewer.through(message, target))?;
                Some(shared_frame(&owed.delivery, message, target, form, &mut self.deflater))
            })
            .collect();
        if frames.is_empty() {
            return Ok(());
        }
        self.counters.delivered.add(frames.len() as u64);
        slot.conn.last = last.max(self.seen.min(until));
        if self.draining.is_none() {
            slot.timer.due = slot.due_by(heartbeat);
        }
        if let [frame] = &frames[..]
            && self.post.takes(index, slot, frame, sending)
        {
            return Ok(());
        }
        let pieces: SmallVec<[Piece<'_>; 4]> = frames.iter().map(|frame| Piece::Shared(frame)).collect();
        let slow_reader = self.settings.slow_reader;
        write_pieces(&mut self.kernel, slot, token, &pieces, slow_reader, &self.counters, &mut self.sealed)
    }

    fn give_many(&mut self, index: usize, until: Position, sending: Sending) -> Result<(), Fault> {
        let due = self.due(index, until);
        if due.is_empty() {
            return Ok(());
        }
        let (heartbeat, besides) = (self.heartbeat_tick(index), self.besides(index, &due));
        let slot = &mut self.slab[index];
        slot.conn.last = slot.conn.last.max(self.seen.min(until));
        if self.draining.is_none() {
            slot.timer.due = slot.due_by(heartbeat);
        }
        let form = FrameForm { shape: slot.conn.shape, coding: slot.conn.coding, cursors: self.cursors };
        let frame = |(due, beside): (&DueTargets, bool)| match due.matches[..] {
            [one] if !beside => {
                let delivery = &due.owed.delivery;
                Arc::clone(&shared_frame(delivery, due.message(), one, form, &mut self.deflater))
            }
            _ => own_frame(due, beside, form),
        };
        let frames: SmallVec<[exchange::Frame; 4]> = due.iter().zip(besides).map(frame).collect();
        self.counters.delivered.add(frames.len() as u64);
        if let [frame] = &frames[..]
            && self.post.takes(index, &self.slab[index], frame, sending)
        {
            return Ok(());
        }
        let pieces: SmallVec<[Piece<'_>; 4]> = frames.iter().map(Piece::Shared).collect();
        self.write_all(index, &pieces)
    }

    /// Gives a WebSocket what is due before a backlog that it added is through: without cursors. The write may close the last who is owed it.
    fn give_uncovered(&mut self, index: usize, until: Position) -> bool {
        let (due, mut out) = (self.due(index, until), Vec::new());
        let conn = &mut self.slab[index].conn;
        for due in &due {
            let part = Part { message: due.message(), matches: &due.matches, beside: false };
            conn.uncovered(&part, self.cursors, &mut out);
        }
        conn.last = conn.last.max(self.seen.min(until));
        self.counters.delivered.add(due.len() as u64);
        self.settle(due.into_iter().map(|due| due.owed));
        self.write(index, &out)
    }

    /// All that a connection is owed up to a place, in order, each message once with its matches.
    pub(super) fn due(&self, index: usize, until: Position) -> Vec<DueTargets> {
        let slot = &self.slab[index];
        let viewer = self.viewer(index);
        let mut found: Vec<(Admission, &Rc<Owed>, usize)> = Vec::new();
        for number in 0..slot.subs.len() {
            let Some(sub) = slot.subs.get(number) else { continue };
            let channel = self.members.channel(sub.channel);
            let Some(work) = &channel.work else { continue };
            let from = slot.conn.last.max(slot.subs.from(number));
            let first = work.pending.partition_point(|owed| owed.position() <= from);
            let new = work.pending.range(first..).take_while(|owed| owed.position() <= until);
            found.extend(new.filter_map(|owed| {
                let (message, target) = (&owed.delivery.message, target_of(&owed.delivery, channel.id));
                let message = shown(slot.conn.shape, message, &viewer.through(message, target))?;
                Some((message.admission(), owed, target))
            }));
        }
        found.extend(self.addressed_due(index, until).filter_map(|(owed, target)| {
            Some((shown(slot.conn.shape, &owed.delivery.message, &viewer)?.admission(), owed, target))
        }));
        found.sort_unstable_by_key(|(_, owed, target)| (owed.position(), *target));
        let mut due: Vec<DueTargets> = Vec::with_capacity(found.len());
        for (admission, owed, target) in found {
            match due.last_mut() {
                Some(last) if last.owed.position() == owed.position() => last.matches.push(target),
                _ => {
                    let matches = SmallVec::from_slice(&[target]);
                    due.push(DueTargets { owed: Rc::clone(owed), matches, admission });
                }
            }
        }
        due
    }
}

/// A message has room for the frames of all shapes.
const _: () = assert!(Shape::SLOTS <= exchange::limits::SHAPES_MAX);

/// What a client's frames look like.
#[derive(Clone, Copy)]
pub(super) struct FrameForm {
    pub(super) shape: Shape,
    pub(super) coding: Coding,
    pub(super) cursors: Cursors,
}

/// The frame of a message with one match, rendered once for all shards.
pub(super) fn shared_frame<'a>(
    delivery: &'a Delivery,
    message: Visible<'_>,
    target: usize,
    form: FrameForm,
    deflater: &mut Deflater,
) -> FrameRef<'a> {
    let FrameForm { shape, coding, cursors } = form;
    delivery.frame(message, target, shape.slot(coding), || {
        shape.frame(message, &[target], cursors, &mut Coder::new(coding, deflater))
    })
}

/// Which of the message's targets this channel is.
pub(super) fn target_of(delivery: &Delivery, channel: ChannelId) -> usize {
    delivery.channels.iter().position(|one| *one == channel).expect("it came through this channel")
}
