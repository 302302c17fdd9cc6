//! What a client says to others: `POST /pub/NAMES`, and the command `publish` of a WebSocket.

use hub::{Kind, Start};
use serde_json::value::RawValue;

use super::context::{Context, method_not_allowed};
use super::credentials::{Shown, credentials};
use super::message_parts::{check_content_type, check_event, check_key, no_json, read_ttl};
use super::names::names_in_path;
use super::object::kind_of;
use super::reserved_words::{RESERVED, is_reserved};
use super::warnings::warning_of_query;
use crate::limits::CLIENT_TARGETS_MAX;
use crate::{Code, Except, Intent, Problem, Request, Speech, Transport, Wait, fault};

/// What a command says besides the channel, as it is written.
#[derive(Debug, Default)]
pub(super) struct SpeechWords {
    pub(super) data: Option<Box<RawValue>>,
    pub(super) event: Option<String>,
    pub(super) ttl: Option<Box<RawValue>>,
    pub(super) key: Option<String>,
    pub(super) echo: Option<bool>,
}

impl SpeechWords {
    /// The same, checked.
    pub(super) fn read(self) -> Result<Speech, Problem> {
        let Self { data, event, ttl, key, echo } = self;
        let Some(data) = data else {
            let why = "there is no data; give any JSON, such as \"data\": \"hello\"";
            return Err(Problem::bad(Code::Data, why));
        };
        let (data, kind) = data_of(&data)?;
        let ttl = ttl.map(|ttl| {
            // A text is taken, too: that is how it stands in a query.
            let text = serde_json::from_str::<String>(ttl.get());
            read_ttl(text.as_deref().unwrap_or_else(|_| ttl.get()))
        });
        Ok(Speech {
            data,
            kind,
            content_type: None,
            event: event.map(own_event).transpose()?.flatten(),
            ttl: ttl.transpose()?,
            key: key.map(check_key).transpose()?,
            except: if echo == Some(false) { Except::Sender } else { Except::Nobody },
            is_unproven: false,
            warning: None,
        })
    }
}

/// What stands as JSON: a string says its text, all other JSON itself.
pub fn data_of(json: &RawValue) -> Result<(Vec<u8>, Kind), Problem> {
    if !json.get().starts_with('"') {
        return Ok((json.get().as_bytes().to_vec(), Kind::Json));
    }
    let text: String = serde_json::from_str(json.get())
        .map_err(|error| Problem::bad(Code::Data, format!("data is no text: {}", fault(&error))))?;
    Ok((text.into_bytes(), Kind::Text))
}

/// What a complete request wants that publishes; `list` stands behind the address.
pub(super) fn speech(request: &Request<'_>, list: &str, context: Context<'_>) -> Result<Intent, Problem> {
    if request.method != "POST" {
        return Ok(Intent::Answer(method_not_allowed(request.method, "POST, OPTIONS")));
    }
    if list.is_empty() {
        let why = format!("no channel is named; publish to {}/pub/NAME", context.prefix);
        return Err(Problem::bad(Code::ChannelList, why));
    }
    let names = names_in_path(list)?;
    if names.len() > CLIENT_TARGETS_MAX {
        let why = format!(
            "{} channels are named; a message of a client goes to {CLIENT_TARGETS_MAX} at the most",
            names.len()
        );
        return Err(Problem::bad(Code::ChannelCount, why));
    }
    let shown = credentials(request, list, context.shows);
    if shown.as_ref().is_some_and(|shown| matches!(shown.shown, Shown::Signature { .. })) {
        let why = "a signed URL is good for GET, and nothing is published by it; show a token";
        return Err(Problem::new(401, Code::UrlSignature, why));
    }
    let mut speech = said(request)?;
    let of_page = ["origin", "sec-fetch-site"].into_iter().any(|name| (request.header)(name).is_some());
    let is_ambient = shown.as_ref().is_some_and(|shown| shown.ambient);
    speech.is_unproven = is_ambient && !of_page && (request.header)("cookie").is_some();
    Ok(Intent::Wait(Box::new(Wait {
        speech: Some(Box::new(speech)),
        transport: Transport::Poll,
        credentials: shown.map(Box::new),
        ..Wait::of(names, Start::Now)
    })))
}

/// What a request says beside its channels and credentials.
fn said(request: &Request<'_>) -> Result<Speech, Problem> {
    let (mut event, mut ttl, mut key) = (None, None, None);
    for (name, value) in form_urlencoded::parse(request.query.as_bytes()) {
        match &*name {
            "event" => event = Some(value.into_owned()),
            "ttl" => ttl = Some(value.into_owned()),
            "key" => key = Some(value.into_owned()),
            _ => {}
        }
    }
    let or_header = |value: Option<String>, name: &str, code| match (request.header)(name) {
        Some(header) if value.is_none() => match str::from_utf8(header) {
            Ok(text) => Ok(Some(text.to_owned())),
            Err(_) => Err(Problem::bad(code, format!("the header {name} is not UTF-8; send UTF-8"))),
        },
        _ => Ok(value),
    };
    let event = or_header(event, "multiplexor-event", Code::Event)?.map(own_event).transpose()?.flatten();
    let ttl = or_header(ttl, "multiplexor-ttl", Code::Ttl)?.map(|text| read_ttl(&text)).transpose()?;
    let key = or_header(key, "idempotency-key", Code::Key)?.map(check_key).transpose()?;
    let except = or_header(None, "multiplexor-except", Code::Connection)?;
    if (request.header)("content-encoding").is_some_and(|coding| !coding.eq_ignore_ascii_case(b"identity")) {
        let why = "the body is compressed, and would reach clients so; send it as it is";
        return Err(Problem::new(415, Code::ContentEncoding, why));
    }
    let (content_type, kind) = media(request)?;
    Ok(Speech {
        data: request.body.to_vec(),
        kind,
        content_type,
        event,
        ttl,
        key,
        except: except.map_or(Except::Nobody, |id| Except::Connection(id.into())),
        is_unproven: false,
        warning: warning_of_query(request.query, PARAMETERS).map(Into::into),
    })
}

/// The media type of the body, and what that makes of it. Of a client few types are taken: no page can make a form of
/// another site say something here.
fn media(request: &Request<'_>) -> Result<(Option<Box<str>>, Kind), Problem> {
    let sent = (request.header)("content-type").unwrap_or_default();
    let content_type = check_content_type(sent)?;
    let named = content_type.as_deref().unwrap_or_default().split(';').next().unwrap_or_default().trim();
    let named = named.to_ascii_lowercase();
    let is_json = named == "application/json" || (named.ends_with("+json") && named.len() > "+json".len());
    if !(is_json || ["text/plain", "application/octet-stream"].contains(&&*named) || sent.is_empty()) {
        return Err(Problem::new(
            415,
            Code::ContentType,
            "clients publish JSON (application/json), text (text/plain) or bytes (application/octet-stream); say one of these \
             in Content-Type",
        ));
    }
    if sent.is_empty() {
        return Ok((None, Kind::Binary));
    }
    let kind = kind_of(content_type.as_deref(), str::from_utf8(request.body).ok());
    kind.map(|kind| (content_type, kind)).ok_or_else(|| no_json(request.body))
}

/// The name of an event, which must be none of the server's own.
fn own_event(name: String) -> Result<Option<Box<str>>, Problem> {
    if is_reserved(&name) {
        return Err(Problem::bad(Code::Event, RESERVED));
    }
    check_event(name)
}

/// The parameters, credentials included.
const PARAMETERS: &[&str] = &["event", "ttl", "key", "token", "expires", "user", "iat", "signature"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Shows;
    use hub::{Cursors, Epoch, Stage};

    /// `line` is method, target, then headers as `name: value` separated by `; `, and behind `|` the body.
    fn check(line: &str, expected: &str) {
        let (line, body) = line.split_once('|').unwrap_or((line, ""));
        let mut parts = line.splitn(3, ' ');
        let (method, target) = (parts.next().unwrap(), parts.next().unwrap());
        let headers: Vec<(&str, &str)> = parts
            .next()
            .unwrap_or_default()
            .split("; ")
            .filter_map(|header| header.split_once(": "))
            .collect();
        let header =
            |name: &str| headers.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_bytes());
        let (list, query) = target.split_once('?').unwrap_or((target, ""));
        let request = Request { method, query, body: body.as_bytes(), ..Request::with(&header) };
        let context = Context {
            cursors: Cursors::new(Epoch::new(0)),
            now: 0,
            shows: &Shows::NOTHING,
            stage: Stage::Serving,
            publishes: false,
            prefix: "",
            address: None,
        };
        let got = match speech(&request, list, context) {
            Ok(Intent::Wait(wait)) => {
                let Speech { data, kind, event, ttl, key, except, is_unproven, .. } = *wait.speech.unwrap();
                let told =
                    [event, key].into_iter().flatten().map(|text| format!(" {text}")).collect::<String>();
                let ttl = ttl.map(|ttl| format!(" {ttl}ms")).unwrap_or_default();
                let except = match except {
                    Except::Connection(id) => format!(" not {id}"),
                    _ => String::new(),
                };
                let unproven = if is_unproven { " unproven" } else { "" };
                let data = String::from_utf8_lossy(&data);
                format!("{} {kind:?} {data}{told}{ttl}{except}{unproven}", wait.names.join(","))
            }
            Ok(Intent::Answer(answer)) => answer.status.to_string(),
            Err(problem) => format!("{} {}", problem.status, problem.code),
        };
        assert_eq!(got, expected, "{line}");
    }

    #[test]
    fn what_is_published_follows_from_its_type() {
        check("POST a content-type: application/json|{}", "a Json {}");
        check("POST a content-type: application/ld+json|{}", "a Json {}");
        check("POST a content-type: Text/Plain;charset=UTF-8|hi", "a Text hi");
        check("POST a content-type: application/octet-stream|hi", "a Binary hi");
        check("POST a|hi", "a Binary hi");
        check("POST a content-type: application/json|hi", "400 data");
        for other in [
            "text/html",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
            "image/png",
            "x",
            "+json",
        ] {
            check(&format!("POST a content-type: {other}|hi"), "415 content-type");
        }
        check("POST a content-encoding: gzip|x", "415 content-encoding");
    }

    #[test]
    fn what_is_said_beside_it_is_as_on_the_in_line() {
        check("POST a?event=tick&ttl=0.5&key=k|x", "a Binary x tick k 500ms");
        let headers =
            "multiplexor-event: tick; multiplexor-ttl: 0; idempotency-key: k; multiplexor-except: ID";
        check(&format!("POST a,b%2F {headers}|x"), "a,b/ Binary x tick k 0ms not ID");
        check("POST a?ttl=x|x", "400 ttl");
        check("POST a?key=|x", "400 key");
        check("POST a?event=a%0D%0Ab|x", "400 event");
        check("POST a%00b|x", "400 channel-name");
        for event in ["cursor", "gap", "message", "pusher:x", "pusher_internal:y", "mercure", "refused"] {
            check(&format!("POST a?event={event}|x"), "400 event");
        }
    }

    #[test]
    fn so_many_channels_and_no_other_method() {
        check("POST a,b,c,d,e,f,g,h,i,j|x", "a,b,c,d,e,f,g,h,i,j Binary x");
        check("POST a,b,c,d,e,f,g,h,i,j,k|x", "400 channel-count");
        check("POST |x", "400 channel-list");
        for method in ["GET", "HEAD", "PUT", "DELETE"] {
            check(&format!("{method} a|x"), "405");
        }
    }

    #[test]
    fn a_cookie_alone_proves_no_page_and_a_signed_url_publishes_nothing() {
        let cookie = "cookie: multiplexor_token=t";
        check(&format!("POST a {cookie}|x"), "a Binary x unproven");
        check(&format!("POST a {cookie}; origin: https://x.example|x"), "a Binary x");
        check(&format!("POST a {cookie}; sec-fetch-site: same-origin|x"), "a Binary x");
        check(&format!("POST a {cookie}; authorization: Bearer t|x"), "a Binary x");
        check("POST a?signature=v2.x&expires=9999999999|x", "401 url-signature");
    }
}
