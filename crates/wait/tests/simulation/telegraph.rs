//! What clients of the telegraph are told, line by line, and what they say.

use exchange::hub::Position;
use multiplexor_wait::exchange;

use super::said::{Page, Places, Said, number_of};

/// Where a client is in what it is told.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    /// A page of a backlog of which not all has come.
    page: Option<Page>,
}

impl Lines {
    /// What is said in the lines that are whole.
    pub(crate) fn take(&mut self, places: Places, bytes: &mut Vec<u8>) -> Vec<Said> {
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines: Vec<u8> = bytes.drain(..whole).collect();
        let text = String::from_utf8(lines).expect("it is text");
        text.split_terminator('\n').filter_map(|line| self.line(places, line)).collect()
    }

    /// What a line says; of those of a page, the last one says all.
    fn line(&mut self, places: Places, line: &str) -> Option<Said> {
        let words: Vec<&str> = line.splitn(4, ' ').collect();
        let cursor = |text: &str| (text != "-").then(|| places.read(text));
        let said = match words[..] {
            ["WELCOME", at, _] => Said::Welcome(places.read(at)),
            ["STILL", at] => Said::Cursor(places.read(at)),
            ["LOST", names] => Said::Gap(numbers(names)),
            ["DELETED", name] => Said::Deleted(number_of(name)),
            ["LEFT", _, names] => Said::Unsubscribed(numbers(names)),
            ["PONG", _] => Said::Nothing,
            ["OVER", code, ..] => Said::Close(code.parse().expect("a code")),
            ["JOINED", _, names, gap] => {
                let (names, gap) = (numbers(names), gap == "GAP");
                assert!(self.page.is_none(), "one page at a time");
                let (messages, taken, cursor, more) = (Vec::new(), Vec::new(), Position::START, false);
                self.page = Some(Page { names, messages, taken, cursor, more, gap });
                return None;
            }
            ["UPTO", _, at, more] => {
                let page = self.page.take().expect("a page has begun");
                Said::Subscribed(Page { cursor: places.read(at), more: more == "MORE", ..page })
            }
            ["SAID", names, at, data] => {
                let number = data.trim().parse().expect("payloads are numbers");
                if let Some(page) = &mut self.page {
                    page.messages.push((number, numbers(names)));
                    return None;
                }
                Said::Message(number, numbers(names), cursor(at))
            }
            ["UNSAID", name, at, taken] => {
                let (name, taken) = (number_of(name), places.read(taken));
                if let Some(page) = &mut self.page {
                    page.taken.push((name, taken));
                    return None;
                }
                Said::TakenBack(name, taken, cursor(at))
            }
            _ => panic!("not understood: {line}"),
        };
        assert!(self.page.is_none(), "nothing comes in the middle of a page: {line}");
        Some(said)
    }
}

/// Asks for further channels; from this cursor on, or from the beginning.
pub(crate) fn join(names: &[usize], from: Option<&str>) -> String {
    let from = from.map(|from| format!(" FROM {from}")).unwrap_or_default();
    format!("JOIN {}{from}\n", list(names))
}

/// Gives channels up.
pub(crate) fn leave(names: &[usize]) -> String {
    format!("LEAVE {}\r\n", list(names))
}

fn list(names: &[usize]) -> String {
    names.iter().map(|name| format!("c{name}")).collect::<Vec<_>>().join(",")
}

fn numbers(names: &str) -> Vec<usize> {
    names.split(',').filter(|name| !name.is_empty()).map(number_of).collect()
}
