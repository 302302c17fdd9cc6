//! How far webhooks have come, as a store is told: each in a message of a hidden channel, of which the last one counts.

use exchange::hub::{Kind, Payload, Publish, Start, bookmark_name};
use exchange::{Exchange, PublishError, Receipt};

use super::batch::Bookmark;
use super::settings::Scope;

/// Notes in the store how far a webhook has come, and then waits until that is safe.
pub(super) fn note(
    exchange: &Exchange,
    name: &str,
    mark: Bookmark,
    scope: &Scope,
) -> impl Future<Output = Result<(), String>> + use<> {
    // Notes are in order, whoever waits for them when.
    let receipt = exchange.publisher().publish(as_message(name, mark, scope), None);
    async {
        match receipt {
            Ok(Receipt::Released(_)) => Ok(()),
            Ok(Receipt::Ordered(pending)) => pending.await.map(drop).map_err(|error| error.to_string()),
            Err(PublishError::Full(_)) => Err("the store is too busy to note what is sent".to_owned()),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// What a store has of one.
pub(super) fn noted(exchange: &Exchange, name: &str) -> Option<(Bookmark, Option<Scope>)> {
    let page = exchange.admin().history(&bookmark_name(name), Start::Tail(1), 1)?;
    read_note(page.messages.last()?.payload().data())
}

/// A bookmark as a message of the hidden channel that keeps it, and behind it of what the webhook is told.
pub(super) fn as_message(name: &str, mark: Bookmark, scope: &Scope) -> Publish {
    let text = format!("{} {}", mark.text(), scope.text());
    Publish {
        channels: [bookmark_name(name)].into_iter().collect(),
        aliases: [].into_iter().collect(),
        payload: Payload::new(text.into_bytes(), Kind::Text),
        ttl: None,
    }
}

/// What such a message says. `None` for the scope: it says nothing of that.
fn read_note(data: &[u8]) -> Option<(Bookmark, Option<Scope>)> {
    let text = str::from_utf8(data).ok()?;
    let scope = text.splitn(NUMBERS + 1, ' ').nth(NUMBERS).and_then(Scope::read);
    Some((Bookmark::read(text)?, scope))
}

/// Numbers in the text of a bookmark.
const NUMBERS: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_how_far_one_has_come_and_of_what_it_is_told() {
        let scope = Scope::read("user.joined,user.left room one").expect("it is one");
        let message = as_message("app", Bookmark::default(), &scope);
        assert_eq!(read_note(message.payload.data()), Some((Bookmark::default(), Some(scope))));
        assert_eq!(read_note(b"1 2 0"), Some((Bookmark::read("1 2 0").expect("it is one"), None)));
        assert_eq!((read_note(b"1 2"), read_note(b"\xff")), (None, None));
    }
}
