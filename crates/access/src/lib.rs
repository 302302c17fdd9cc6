//! Who may: credentials become sessions here, whatever they are, and nowhere else.
//!
//! Pure, like the hub: no I/O, no clock. What a session may then do is asked of the session.

mod claims_said;
mod denial;
mod forwarded;
mod info;
mod jwks;
mod key;
mod message;
mod proxies;
mod public;
mod question;
mod secret;
mod sessions;
mod tally;
mod token;
mod url;
mod user_claim;
mod users;
mod webhook;

pub mod limits;

pub use claims_said::claims_said;
pub use denial::Denied;
pub use forwarded::forward;
pub use hub;
pub use ipnet::IpNet;
pub use jwks::read_jwks;
pub use key::{Certified, Key, KeyError, KeyHash, Keyring, Secret};
pub use message::{AskedMessage, MessageAnswer, answer_about_message};
pub use proxies::{Proxies, Way, Whose};
pub use public::{PublicKey, PublicKeyError};
pub use question::{
    About, AppRequest, AuthAnswer, AuthFinding, FoundKeys, HeldSession, PageAnswer, Question, Subject,
    Verdict, session_of_answer,
};
pub use secret::{SecretError, TokenSecret};
pub use sessions::Sessions;
pub use tally::Tally;
pub use token::{Tokens, make_token};
pub use url::Signed;
pub use users::{NotAllowed, Users};
pub use webhook::{WebhookSecret, WebhookSecretError, webhook_signature};
