//! What its clients are told: a line each. The row of the table of shapes is at the end.

use serde_json::value::RawValue;
use transport::dialect::Classic;
use transport::dialect::hub::{Cursors, Message, Position, PresentList, told_name};
use transport::{Coder, Ending, Framing, Notice, Row, Shape, Tone};

/// `SAID NAMES CURSOR DATA`, or what was taken back, or who came or went.
fn said(message: &Message, matches: &[usize], cursors: Cursors, _: &mut Coder<'_>, out: &mut Vec<u8>) {
    write(message, matches, cursors, Some(message.position), out);
}

/// The same with `-` in the place of the cursor.
fn uncovered(message: &Message, matches: &[usize], cursors: Cursors, _: &mut Coder<'_>, out: &mut Vec<u8>) {
    write(message, matches, cursors, None, out);
}

fn write(message: &Message, matches: &[usize], cursors: Cursors, at: Option<Position>, out: &mut Vec<u8>) {
    let cursor = at.map_or_else(|| "-".to_owned(), |at| cursors.text(at));
    let names: Vec<&str> = matches.iter().map(|one| told_name(&message.targets()[*one].name)).collect();
    let names = names.join(",");
    if let Some(removal) = message.removal() {
        line(out, &["UNSAID", &names, &cursor, &cursors.text(removal.position)]);
    } else if let Some(movement) = message.movement() {
        let word = if movement.joined { "CAME" } else { "WENT" };
        line(out, &[word, &names, &cursor, movement.user]);
    } else {
        let data = String::from_utf8_lossy(message.payload().data());
        line(out, &["SAID", &names, &cursor, &data]);
    }
}

fn tell(notice: Notice<'_>, tone: Tone, out: &mut Vec<u8>) {
    let text = |position| tone.cursors.text(position);
    match notice {
        Notice::Opening(opening) => {
            tell(Notice::Gap(opening.gaps), tone, out);
            line(out, &["WELCOME", &text(opening.cursor), opening.connection]);
        }
        Notice::Gap([]) => {}
        Notice::Gap(names) => line(out, &["LOST", &names.join(",")]),
        Notice::Present { lists, at } => present(lists, at, tone.cursors, out),
        Notice::Heartbeat(at) => line(out, &["STILL", &text(at)]),
        Notice::Deleted(name) => line(out, &["DELETED", name]),
        Notice::Expired => line(out, &["EXPIRED"]),
        Notice::Ended(reason) => line(out, &["ENDED", reason]),
        Notice::Subscribed { names, parts, end, id } => {
            let gap = if end.gap { "GAP" } else { "WHOLE" };
            line(out, &["JOINED", number(id), &names.join(","), gap]);
            parts.iter().for_each(|part| {
                write(part.message.message(), part.matches, tone.cursors, None, out);
            });
            line(out, &["UPTO", number(id), &text(end.cursor), if end.more { "MORE" } else { "LIVE" }]);
        }
        Notice::Unsubscribed { names, id } => line(out, &["LEFT", number(id), &names.join(",")]),
        Notice::Joined(names) => line(out, &["JOINED", "-", &names.join(",")]),
        Notice::Left(names) => line(out, &["LEFT", "-", &names.join(",")]),
        Notice::Error { problem, id } => {
            line(out, &["WRONG", number(id), problem.code.name(), &problem.detail]);
        }
        Notice::End { code, reason } => out.extend_from_slice(&over(code, reason)),
        // Its clients publish nothing, and renew nothing.
        Notice::Published { .. } | Notice::Renewed { .. } | Notice::Pong { .. } => {}
    }
}

/// `IS NAME USER` for each, and `HERE NAME COUNT CURSOR`: who breaks off before that is owed the list.
fn present(lists: &[PresentList], at: Position, cursors: Cursors, out: &mut Vec<u8>) {
    for (n, list) in lists.iter().enumerate() {
        for user in &list.page.users {
            line(out, &["IS", &list.channel, &user.user]);
        }
        let cursors = if n + 1 < lists.len() { cursors.unlisted() } else { cursors };
        line(out, &["HERE", &list.channel, &list.page.count.to_string(), &cursors.text(at)]);
    }
}

/// The last words.
pub(super) fn over(code: u16, reason: &str) -> Vec<u8> {
    let mut out = Vec::new();
    line(&mut out, &["OVER", &code.to_string(), reason]);
    out
}

/// The number of the line that is answered.
fn number(id: Option<&RawValue>) -> &str {
    id.map_or("-", RawValue::get)
}

/// Words with a blank between them. An end of line in the last one is written as `\n`, and a `\` as two.
fn line(out: &mut Vec<u8>, words: &[&str]) {
    let text = words.join(" ").replace('\\', "\\\\").replace('\n', "\\n").replace('\r', "\\r");
    out.extend_from_slice(text.as_bytes());
    out.push(b'\n');
}

/// All there is to say of its shape.
pub(super) static ROW: Row = Row {
    shape: Shape::Guest,
    dialect: Classic::Guest,
    framing: Framing::Bytes,
    ending: Ending::Stream,
    tells_removals: true,
    tells_gaps: true,
    render: said,
    uncovered,
    notice: tell,
    hears: true,
};
