//! Logins and passwords of those who publish in the words of Realplexor: its users file.
//!
//! A password is checked by the kind of hash that the file has for it, which may be made to take long. So what
//! was found right is remembered, as a keyed hash that lives only in memory. Whoever tries passwords learns no logins:
//! one that nobody has is told as a wrong password is, after the same work.

mod crypt;
mod des;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac::{HMAC_SHA256, Key, Tag, sign};

use crate::limits::PASSWORD_LEN_MAX;

/// Who may publish.
#[derive(Debug)]
pub struct Users {
    /// Hashes of passwords, by the numbers that `logins` has.
    hashes: Vec<Box<str>>,
    logins: HashMap<Box<str>, usize>,
    /// Whoever gives no credentials may, too.
    guests: bool,
    /// Lines of the file that say nothing.
    skipped: Vec<String>,
    key: Key,
    /// Passwords that were right, by login.
    right: Mutex<HashMap<Box<str>, Tag>>,
}

/// Why somebody may not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAllowed {
    /// The password is wrong, or the file has no such login.
    #[error("invalid password for login: {0}")]
    Password(String),
    /// No credentials, and guests are not allowed.
    #[error("access denied for guest user")]
    Guest,
}

impl Users {
    /// Reads a users file: lines `login:hash`; `#` begins a comment, and a line without a login allows guests.
    /// `chance` keys what is remembered.
    pub fn read(text: &str, chance: [u8; 32]) -> Self {
        let (mut hashes, mut logins, mut guests, mut skipped) =
            (Vec::new(), HashMap::new(), false, Vec::new());
        for line in text.lines() {
            let line = line.split('#').next().unwrap_or_default();
            let Some((login, hash)) = line.split_once(':') else {
                if !line.trim().is_empty() {
                    skipped.push(line.trim().to_owned());
                }
                continue;
            };
            let login = login.trim();
            if login.is_empty() {
                guests = true;
            } else if login.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                logins.insert(login.into(), hashes.len());
                hashes.push(hash.trim().into());
            } else {
                skipped.push(login.to_owned());
            }
        }
        let key = Key::new(HMAC_SHA256, &chance);
        Self { hashes, logins, guests, skipped, key, right: Mutex::default() }
    }

    /// Whether nobody may publish without a password.
    pub fn closed(&self) -> bool {
        !self.guests
    }

    /// Logins, or whole lines, of the file that are none.
    pub fn skipped(&self) -> &[String] {
        &self.skipped
    }

    /// Whether somebody without credentials may publish.
    pub fn guest(&self) -> Result<(), NotAllowed> {
        if self.guests { Ok(()) } else { Err(NotAllowed::Guest) }
    }

    /// What can be said at once: that the password was found right before, or that it is too long for any. `None`: it
    /// must be checked.
    pub fn known(&self, login: &str, password: &[u8]) -> Option<Result<(), NotAllowed>> {
        if password.len() > PASSWORD_LEN_MAX {
            return Some(Err(NotAllowed::Password(login.to_owned())));
        }
        let tag = sign(&self.key, password);
        let right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        let known = verify_slices_are_equal(right.get(login)?.as_ref(), tag.as_ref()).is_ok();
        known.then_some(Ok(()))
    }

    /// Whether this is the password of a login. May take as long as its hash was made to; for a login that nobody has as
    /// long as for another one.
    pub fn check(&self, login: &str, password: &[u8]) -> Result<(), NotAllowed> {
        let number = self.logins.get(login).copied();
        let hash = self.hashes.get(number.unwrap_or_else(|| self.stand_in(login)));
        let fits =
            password.len() <= PASSWORD_LEN_MAX && hash.is_some_and(|hash| crypt::matches(password, hash));
        if !fits || number.is_none() {
            return Err(NotAllowed::Password(login.to_owned()));
        }
        let tag = sign(&self.key, password);
        self.right.lock().unwrap_or_else(PoisonError::into_inner).insert(login.into(), tag);
        Ok(())
    }

    /// The number of the hash that stands in for that of a login that nobody has: the same each time, and of each kind as
    /// often as the file has it.
    fn stand_in(&self, login: &str) -> usize {
        let tag = sign(&self.key, login.as_bytes());
        let chance = tag.as_ref().iter().take(8).fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        chance.checked_rem(self.hashes.len()).unwrap_or(0)
    }
}

/// Guests, and nobody else: what the servers of old come with.
impl Default for Users {
    fn default() -> Self {
        Self::read(":", [0; 32])
    }
}

impl PartialEq for Users {
    fn eq(&self, other: &Self) -> bool {
        (&self.hashes, &self.logins, self.guests) == (&other.hashes, &other.logins, other.guests)
    }
}

impl Eq for Users {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_who_may() {
        let users = Users::read("# all\n: \n  joe : {SHA}x # him\na_b:c\nwhat\n\n", [0; 32]);
        assert_eq!((users.closed(), users.skipped()), (false, &["a_b".to_owned(), "what".to_owned()][..]));
        assert_eq!(users.guest(), Ok(()));
        assert_eq!(users.check("ann", b"x").unwrap_err().to_string(), "invalid password for login: ann");
        assert_eq!(users.check("joe", b"x").unwrap_err().to_string(), "invalid password for login: joe");
        let closed = Users::read("", [0; 32]);
        assert_eq!((closed.closed(), closed.guest()), (true, Err(NotAllowed::Guest)));
        assert!(!Users::default().closed());
    }

    #[test]
    fn what_was_right_is_known_the_next_time() {
        let users = Users::read(&format!("joe:{}", HASHES[0]), [7; 32]);
        assert_eq!(users.known("joe", b"secret"), None);
        assert_eq!(users.check("joe", b"secret"), Ok(()));
        assert_eq!((users.known("joe", b"secret"), users.known("joe", b"wrong")), (Some(Ok(())), None));
        assert_eq!(users.known("ann", b"secret"), None, "nothing is told sooner of a login that nobody has");
    }

    #[test]
    fn a_login_that_nobody_has_is_checked_like_another_one() {
        let file: String = HASHES.iter().enumerate().map(|(n, hash)| format!("u{n}:{hash}\n")).collect();
        let users = Users::read(&file, [7; 32]);
        let mut stood_in = vec![0; HASHES.len()];
        for n in 0..1_000 {
            let login = format!("nobody{n}");
            assert_eq!(users.stand_in(&login), users.stand_in(&login));
            stood_in[users.stand_in(&login)] += 1;
        }
        assert!(stood_in.iter().all(|times| *times > 50), "{stood_in:?}");
        // Even the right password of whoever stands in lets nobody in.
        assert_eq!(users.check("nobody1", b"secret"), Err(NotAllowed::Password("nobody1".into())));
        assert_eq!(Users::read("", [0; 32]).check("ann", b"x"), Err(NotAllowed::Password("ann".into())));
    }

    #[test]
    fn a_password_that_is_too_long_is_not_hashed() {
        let users = Users::read(&format!("joe:{}", HASHES[0]), [7; 32]);
        let long = vec![b'x'; PASSWORD_LEN_MAX + 1];
        for login in ["joe", "ann"] {
            assert_eq!(users.known(login, &long), Some(Err(NotAllowed::Password(login.into()))));
            assert_eq!(users.known(login, &long[1..]), None);
        }
    }

    /// Of the password `secret`.
    const HASHES: &[&str] =
        &["$1$ab.cdefg$Qq8Y4Uyxe4nsSWS.Eu2CX1", "abNANd1rDfiNc", "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="];
}
