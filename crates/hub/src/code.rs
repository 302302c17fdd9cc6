//! The codes of refusals: what programs go by, one for each thing that may be wrong, the same for ever.
//!
//! Each is told in a problem document (RFC 9457), counted, and described in docs/problems.md and docs/openapi.json; all of that is
//! made of this table.

use std::fmt;

use Lines::{Both, In, Wait};

/// On which line a code is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lines {
    In,
    Wait,
    Both,
}

macro_rules! codes {
    ($($variant:ident $name:literal $lines:ident $kind:ident $when:literal)*) => {
        /// What was wrong, for programs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum Code {
            $(#[doc = $when] $variant,)*
        }

        const TABLE: &[(Code, &str, Lines, Kind, &str)] =
            &[$((Code::$variant, $name, Lines::$lines, Kind::$kind, $when),)*];
    };
}

/// Whether a refusal is one that `/refused` lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// For want of credentials, of a grant, or of room for one more.
    Denied,
    Other,
}

impl Code {
    /// How many there are.
    pub const COUNT: usize = TABLE.len();

    /// All of them, by name.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    /// The name, as it stands in documents and in metrics.
    pub const fn name(self) -> &'static str {
        TABLE[self as usize].1
    }

    /// The code of this name.
    pub fn find(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.1 == name).map(|row| row.0)
    }

    /// A place for it in an array of [`Code::COUNT`] things.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Whether the IN line tells it.
    pub const fn is_of_in(self) -> bool {
        matches!(TABLE[self as usize].2, In | Both)
    }

    /// Whether the WAIT line tells it.
    pub const fn is_of_wait(self) -> bool {
        matches!(TABLE[self as usize].2, Wait | Both)
    }

    /// Whether it is kept among the last refusals, which are for want of credentials, of a grant, or of room for one more.
    pub const fn is_denial(self) -> bool {
        matches!(TABLE[self as usize].3, Kind::Denied)
    }

    /// When it is told: a phrase for people.
    pub const fn when(self) -> &'static str {
        TABLE[self as usize].4
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

codes! {
    AddressConnections "address-connections" Wait Denied "an address has as many connections as it may"
    AddressMessages "address-messages" Wait Denied "clients of an address publish more messages a second than they may"
    AddressPublishes "address-publishes" In Denied "an address publishes more messages a second than it may"
    AddressRequests "address-requests" Both Denied "an address asks more often than it may"
    ApiKey "api-key" In Denied "the server does not know the API key, or the header Authorization has another form"
    Base64 "base64" In Other "data is said to be base64 and is none"
    Batch "batch" In Other "the body of a batch is no JSON, or has too many items"
    Before "before" Both Other "the cursor before which history is asked for cannot be read"
    Body "body" Both Other "the body broke off, its framing is wrong, or it is not as it should be"
    ChannelCount "channel-count" Both Other "too many channels are named at once"
    ChannelList "channel-list" Both Other "no channel is named, or the list of names cannot be read"
    ChannelName "channel-name" Both Other "no channel can have this name"
    ClientMessages "client-messages" Wait Denied "clients publish more messages a second than are taken, and whoever asks has had a share of them"
    Command "command" Wait Other "a command of a WebSocket cannot be read"
    Compression "compression" Wait Other "the parameter compression has no such value"
    Connection "connection" Both Other "no connection has this id, or what is given as one cannot be one"
    ConnectionMessages "connection-messages" Wait Denied "a connection publishes more messages a second than it may"
    Connections "connections" Wait Other "the server has as many connections as it may"
    ContentEncoding "content-encoding" Both Other "the body is compressed"
    ContentType "content-type" Both Other "the media type cannot be read, or is not taken"
    Credentials "credentials" Both Denied "credentials are asked for, and there are none, or several"
    CrossSite "cross-site" In Denied "the cookie of a sign-in came with a request that no page of this server is known to have made"
    Data "data" Both Other "the data is not what it is said to be"
    Disk "disk" Both Other "the disk of the store is full, or fails"
    Draining "draining" Wait Other "the server is about to end, and asks its clients to come again"
    EndedUsers "ended-users" In Denied "as many users are refused as can be remembered"
    Ending "ending" Both Other "a probe is told that the server is about to end"
    Errors "errors" Wait Other "the parameter errors has no such value"
    Event "event" Both Other "the name of an event is too long or not printable, or a client uses one of the server's own"
    Flag "flag" Both Other "a parameter is neither 1 nor 0"
    For "for" In Other "it is not said in a way that can be read for how long a user is to be refused"
    Forget "forget" In Other "the parameter forget has no such value"
    Full "full" Both Other "clients, or the store, take messages slower than they are published"
    Grant "grant" Both Denied "it is known who asks, and it may not do this"
    Heartbeat "heartbeat" Both Other "the parameter heartbeat is no number of seconds that is allowed"
    History "history" Wait Denied "the history of the channel is closed to all clients"
    Hook "hook" Wait Other "the application's hook failed"
    HookBusy "hook-busy" Wait Other "too many wait for the application's hook"
    HookRefused "hook-refused" Wait Denied "the application's hook says that this is nobody"
    Host "host" In Denied "the server was called by a name that is not its own"
    Http "http" Both Other "the request is no HTTP that can be served here"
    Item "item" In Other "an item of a batch is not as it should be"
    Join "join" Both Other "what the application alone may say, that other channels are listened to, is said by a client; or it cannot be read"
    Json "json" In Other "the member json of an item is neither true nor false, or stands beside base64"
    Key "key" Both Other "the idempotency key is empty, too long or not printable, or one key is for many messages"
    KeyPublishes "key-publishes" In Denied "more messages a second were published with an API key than may be"
    KeyRequests "key-requests" In Denied "more requests a second came with an API key than may be"
    KeyReused "key-reused" Both Other "another message came before under the same idempotency key"
    Memory "memory" Both Denied "there is no room for another channel, or memory is short"
    Message "message" In Other "the channel's history has no such message"
    Method "method" Both Other "the method is not for this address"
    NotFound "not-found" Both Other "there is nothing at this address"
    NotReady "not-ready" Both Other "the server, or the system under it, cannot serve now"
    Number "number" Both Other "a parameter is no number, or out of range"
    Origin "origin" Both Denied "a web page of another site is behind the request"
    PasswordBusy "password-busy" In Other "too many passwords that come from one address wait to be checked"
    Path "path" Wait Other "a path might lead out of the prefix that is passed on"
    Payload "payload" Both Other "the message, or the request, has too many bytes"
    Poison "poison" Wait Denied "a client came back to the same message for the third time; it is listed, and refused nothing"
    Presence "presence" Wait Denied "who is on a channel is asked for, and its users are not told of, or not to this client; or bare payloads have no words for it"
    Publish "publish" Wait Denied "clients may not publish to the channel"
    PublishHook "publish-hook" Wait Denied "the application refuses a client's message, or gives no good answer about it"
    PublishHookBusy "publish-hook-busy" Wait Denied "too many messages of a client, or of all, wait for the application"
    Rate "rate" In Denied "more messages a second, or more wrong keys, came in all than are taken"
    Reason "reason" In Other "the reason for an end is too long or not printable"
    RequestTimeout "request-timeout" Both Other "the request was not whole in time"
    Settings "settings" In Other "the settings cannot be taken anew: something in them is wrong, or wants a restart"
    SignIn "sign-in" In Denied "the cookie is of no sign-in that counts, or there is no need to sign in"
    Since "since" Both Other "the start that is asked for cannot be read"
    Starting "starting" Both Other "a probe is told that the server is about to serve"
    Takeover "takeover" Wait Other "the application gave no answer to a request that was passed on to it"
    TakeoverBusy "takeover-busy" Wait Other "too many requests wait for the application"
    TakeoverChannels "takeover-channels" Wait Other "the application named channels that cannot be waited on"
    TakeoverTimeout "takeover-timeout" Wait Other "the application did not answer in time"
    Tls "tls" Both Other "plain HTTP came to a port that speaks TLS"
    Token "token" Wait Denied "the token is no JWT"
    TokenAlgorithm "token-algorithm" Wait Denied "the server has no key for the token's algorithm"
    TokenAudience "token-audience" Wait Denied "the token is for somebody else"
    TokenBusy "token-busy" Wait Denied "too many tokens with wrong signatures come for one more to be checked"
    TokenClaims "token-claims" Wait Denied "what the token says is not right"
    TokenEarly "token-early" Wait Denied "the token does not count yet"
    TokenExpired "token-expired" Wait Denied "the token counts no longer"
    TokenKey "token-key" Wait Denied "the server has no key of the name that the token says"
    TokenSignature "token-signature" Wait Denied "no key of the server made the token's signature"
    TokenUser "token-user" Wait Denied "a WebSocket was to go on by the token of somebody else"
    Transport "transport" Both Other "there is no such transport, or it is not for this request"
    Ttl "ttl" Both Other "the ttl is no number of seconds"
    Upgrade "upgrade" Wait Other "a handshake of WebSocket came without the header Upgrade"
    UrlExpired "url-expired" Wait Denied "the signed URL counts no longer"
    UrlSignature "url-signature" Wait Denied "the signed URL is forged, or is not for this request"
    User "user" In Other "no user can have this name"
    UserConnections "user-connections" Wait Denied "a user waits on as many connections as it may"
    UserEnded "user-ended" Wait Denied "the application ended the user, and what is shown was issued before that"
    UserMessages "user-messages" Wait Denied "a user publishes more messages a second than it may"
    UserRequests "user-requests" Wait Denied "a user asks more often than it may"
    WebsocketKey "websocket-key" Wait Other "a handshake of WebSocket has no key that is right"
    WebsocketVersion "websocket-version" Wait Other "a handshake of WebSocket asks for another version than 13"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_by_their_names_which_ascend() {
        for code in Code::all() {
            assert_eq!((Code::find(code.name()), TABLE[code.index()].0), (Some(code), code));
            assert!(
                code.name().bytes().all(|byte| byte.is_ascii_lowercase() || b"-46".contains(&byte)),
                "{code}"
            );
            assert!(!code.when().is_empty() && !code.when().contains(['|', '\n']), "{code}");
        }
        assert!(TABLE.is_sorted_by(|one, next| one.1 < next.1));
        assert_eq!(Code::find("never-heard-of"), None);
    }
}
