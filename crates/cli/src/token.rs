//! `multiplexor token` and `multiplexor url`: what an application does with its secret, done by hand; and
//! what the server would say to it.

mod language;

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::SystemTime;

use access::hub::{Glob, WallTime, check_name};
use access::{Denied, Signed, TokenSecret, Tokens, make_token};
use anyhow::{Context, anyhow, bail};
use clap::{Arg, ArgMatches, Command};
use dialect::native::WaitPath;
use percent_encoding::percent_decode_str;
use serde_json::{Map, json};

use crate::args::group;
use crate::http::{encode, encode_names};
use crate::text::utc;
use language::Language;

/// `multiplexor token` and what it can do.
pub(crate) fn token_command() -> Command {
    let make = Command::new("make")
        .about("Print a token, signed by HS256")
        .arg(
            channels("What its owner may listen to: names, in which * stands for any characters")
                .required_unless_present("show"),
        )
        .arg(Arg::new("sub").long("sub").value_name("USER").help("Who its owner is"))
        .arg(Arg::new("show").long("show").value_name("LANGUAGE").value_parser(Language::NAMES).help(
            "In place of a token, print how an application makes the same: in php, node, python or ruby",
        ))
        .args([lasts(), secret().required_unless_present("show")]);
    let check = Command::new("check")
        .about("Say what the server would say to a token; ends with 1 if it is refused")
        .arg(Arg::new("token").value_name("TOKEN").required(true).help("The token"))
        .arg(secret().required(true));
    group("token", "Make a token by hand, or check one").subcommands([make, check])
}

/// `multiplexor url` and what it can do.
pub(crate) fn url_command() -> Command {
    let sign = Command::new("sign")
        .about("Print a signed URL, from its path on")
        .arg(channels("What it is good for: channels, separated by commas or blanks").required(true))
        .arg(Arg::new("user").long("user").value_name("USER").help("Whom it is for"))
        .arg(
            Arg::new("transport")
                .long("transport")
                .value_name("TRANSPORT")
                .value_parser(["sse", "stream", "poll", "ws"])
                .help("The address that is for this transport alone; the signature is good for all of them"),
        )
        .args([lasts(), secret().required(true)]);
    let check = Command::new("check")
        .about("Say what the server would say to a signed URL; ends with 1 if it is refused")
        .arg(Arg::new("url").value_name("URL").required(true).help("The URL, whole or from its path on"))
        .arg(secret().required(true));
    group("url", "Sign a URL by hand, or check one").subcommands([sign, check])
}

/// Does what `multiplexor token` says.
pub(crate) fn run_token(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    match matches.subcommand() {
        Some(("make", matches)) if matches.contains_id("show") => say(shown(matches)?.trim_end()),
        Some(("make", matches)) => {
            for name in names(matches) {
                Glob::new(name)?;
            }
            let mut claims = Map::new();
            if let Some(user) = matches.get_one::<String>("sub") {
                claims.insert("sub".to_owned(), json!(user));
            }
            claims.insert("exp".to_owned(), json!(ends(matches)?));
            claims.insert("listen".to_owned(), json!(names(matches)));
            let claims = serde_json::Value::Object(claims).to_string();
            say(&make_token(&tokens(matches)?.secrets[0], &claims))
        }
        Some(("check", matches)) => {
            let token = matches.get_one::<String>("token").map_or("", String::as_str);
            let session = tokens(matches)?.session(token, now()?).map_err(refused)?;
            let user = session.user().unwrap_or("nobody in particular");
            say(&format!("good for {user}{}", until(session.expires())))
        }
        _ => bail!("there is nothing else to do with tokens"),
    }
}

/// How an application makes the same token: the lines of examples/tokens, and a call of them with what was said.
fn shown(matches: &ArgMatches) -> anyhow::Result<String> {
    let language = Language::named(matches.get_one::<String>("show").map_or("", String::as_str));
    let user = matches.get_one::<String>("sub").map(String::as_str);
    let names = if matches.contains_id("channel") { names(matches) } else { vec!["news"] };
    for name in &names {
        Glob::new(name)?;
    }
    if user.is_some_and(|user| user.chars().any(char::is_control)) {
        bail!("the user's name holds a control character; use printable characters only");
    }
    let lasts = matches.get_one::<u32>("lasts").copied().unwrap_or_default();
    Ok(language.shown(user, &names, lasts))
}

/// Does what `multiplexor url` says.
pub(crate) fn run_url(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    match matches.subcommand() {
        Some(("sign", matches)) => say(&signed_url(matches)?),
        Some(("check", matches)) => {
            let url = matches.get_one::<String>("url").map_or("", String::as_str);
            let (path, query) = url.split_once('?').unwrap_or((url, ""));
            let path = list_in(path).context(
                "the URL has none of /sub/, /sse/, /stream/, /poll/ and /ws/ in its path, behind which names stand",
            )?;
            let value = |name: &str| {
                let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
                let value = pairs.rev().find(|(key, _)| *key == name).map_or("", |(_, value)| value);
                percent_decode_str(&value.replace('+', " ")).decode_utf8_lossy().into_owned()
            };
            let (expires, user, iat, signature) =
                (value("expires"), value("user"), value("iat"), value("signature"));
            let signed = Signed { path, expires: &expires, user: &user, iat: &iat, signature: &signature };
            let session = tokens(matches)?.session_of_url(signed, &[], now()?).map_err(refused)?;
            for name in path.split(',') {
                let name: Vec<u8> = percent_decode_str(name).collect();
                check_name(&name).map_err(|why| anyhow!("refused (channel-name): {why}"))?;
            }
            let of_user = session.user().map(|user| format!(" for {user}")).unwrap_or_default();
            say(&format!("good for {path}{of_user}{}", until(session.expires())))
        }
        _ => bail!("there is nothing else to do with URLs"),
    }
}

/// A signed URL, from its path on. Whom it is for is told with when that was said.
fn signed_url(matches: &ArgMatches) -> anyhow::Result<String> {
    let names = names(matches);
    for name in &names {
        check_name(name.as_bytes())?;
    }
    let path = encode_names(names.into_iter());
    let user = matches.get_one::<String>("user").map_or("", String::as_str);
    let (expires, iat) = (ends(matches)?.to_string(), now()?.seconds().to_string());
    let iat = if user.is_empty() { "" } else { &iat };
    let signed = Signed { path: &path, expires: &expires, user, iat, signature: "" };
    let of_user = if user.is_empty() { String::new() } else { format!("&user={}&iat={iat}", encode(user)) };
    let signature = signed.sign(&tokens(matches)?.secrets[0]);
    let address = matches.get_one::<String>("transport").map_or("sub", String::as_str);
    Ok(format!("/{address}/{path}?expires={expires}{of_user}&signature={signature}"))
}

/// The names in the path of a URL: behind the first address where clients wait.
fn list_in(path: &str) -> Option<&str> {
    let ends =
        WaitPath::ALL.into_iter().filter_map(|address| Some(path.find(address.path)? + address.path.len()));
    ends.min().map(|end| &path[end..])
}

fn refused(denied: Denied) -> anyhow::Error {
    anyhow!("refused ({}): {}", denied.code, denied.detail)
}

fn channels(help: &'static str) -> Arg {
    Arg::new("channel").value_name("CHANNEL").num_args(1..).value_delimiter(',').help(help)
}

fn lasts() -> Arg {
    Arg::new("lasts")
        .long("lasts")
        .value_name("SECONDS")
        .default_value("3600")
        .value_parser(clap::value_parser!(u32))
        .help("How long it lasts")
}

fn secret() -> Arg {
    Arg::new("secret")
        .long("token-secret")
        .value_name("SECRET")
        .env("MULTIPLEXOR_TOKEN_SECRET")
        .hide_env_values(true)
        .help("token_secret of the server; better by the variable, since flags can be seen")
}

fn names(matches: &ArgMatches) -> Vec<&str> {
    matches.get_many::<String>("channel").into_iter().flatten().map(String::as_str).collect()
}

/// The secrets of the server; there is at least one.
fn tokens(matches: &ArgMatches) -> anyhow::Result<Tokens> {
    let said = matches.get_one::<String>("secret").map_or("", String::as_str);
    let secrets: Result<Vec<_>, _> = said.split(',').map(|secret| TokenSecret::new(secret.trim())).collect();
    Ok(Tokens { secrets: secrets?, ..Tokens::default() })
}

fn now() -> anyhow::Result<WallTime> {
    let since =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("the clock is before 1970")?;
    Ok(WallTime::from_millis(u64::try_from(since.as_millis())?))
}

/// When it ends, in seconds.
fn ends(matches: &ArgMatches) -> anyhow::Result<u64> {
    let lasts = matches.get_one::<u32>("lasts").copied().unwrap_or_default();
    Ok(now()?.seconds() + u64::from(lasts))
}

#[allow(clippy::cast_precision_loss, reason = "times are small")]
fn until(expires: Option<WallTime>) -> String {
    expires.map_or_else(String::new, |expires| format!(", until {}", utc(expires.millis() as f64 / 1_000.0)))
}

fn say(line: &str) -> anyhow::Result<ExitCode> {
    writeln!(io::stdout(), "{line}").context("standard output cannot be written")?;
    Ok(ExitCode::SUCCESS)
}
