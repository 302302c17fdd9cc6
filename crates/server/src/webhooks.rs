//! Webhooks as the program has them: what is told of them, and one call by hand.

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use access::WebhookSecret;
use anyhow::{Context, anyhow, bail};
use clap::{Arg, ArgAction, ArgMatches, Command};
use exchange::hub::{Cursors, Door, Rule, WallTime};
use exchange::{EventFollower, Exchange};
use serde_json::{Value, json};
use settings::{File, Settings, Values};
use tokio::sync::watch;
use upstream::{Counters, Uri, WebhookDesk, WebhookStatus, Webhooks, serve_webhooks, test_webhook};

/// Who follows for webhooks. To be asked before anybody waits or publishes; `None`: none is set.
pub(crate) fn follower(settings: &Settings, exchange: &Arc<Exchange>) -> Option<EventFollower> {
    let follower = EventFollower::new(Arc::clone(exchange));
    let names: Vec<Box<str>> = settings.webhooks.all.iter().map(|hook| hook.name.clone()).collect();
    follower.keep_bookmarks(&names);
    if !settings.webhooks.all.is_empty() {
        return Some(follower);
    }
    // What a store remembers is for nobody.
    follower.settle(None, true);
    None
}

/// Serves webhooks for ever; what reads how they are.
pub(crate) fn start(
    started: &Settings,
    newest: watch::Receiver<Arc<Webhooks>>,
    follower: Option<EventFollower>,
    exchange: &Arc<Exchange>,
    counters: &Arc<Counters>,
) -> Box<dyn Fn() -> Vec<Value> + Send + Sync> {
    let (status, known) = watch::channel(Vec::new());
    let may_publish = |rule: &Rule| rule.publish.is_some_and(|door| door != Door::Off);
    let desk = WebhookDesk {
        settings: newest,
        status,
        follower,
        keeps: started.store.is_some(),
        clients_publish: started.hub.rules.iter().any(may_publish),
    };
    let (served, counters) = (Arc::clone(exchange), Arc::clone(counters));
    tokio::spawn(serve_webhooks(desk, served, counters));
    let cursors = exchange.cursors();
    Box::new(move || known.borrow().iter().map(|one| object(one, cursors)).collect())
}

fn object(one: &WebhookStatus, cursors: Cursors) -> Value {
    let [calls, failed, taken, lost, gaps] = one.counts;
    let (events, bytes) = one.backlog;
    let mut object = json!({
        "name": one.name,
        "url": one.url,
        "events": one.events,
        "state": one.state,
        "cursor": cursors.text(one.taken),
        "backlog": { "events": events, "bytes": bytes },
        "calls": calls,
        "failed": failed,
        "taken": taken,
        "lost": lost,
        "gaps": gaps,
    });
    if !one.pattern.is_empty() {
        object["match"] = json!(one.pattern);
    }
    if let Some(last) = &one.last {
        object["last"] = json!({ "time": seconds(last.at) });
        if let Some(error) = &last.error {
            object["last"]["error"] = json!(error);
        }
    }
    if let Some(next) = one.next_try {
        object["next_try"] = json!(seconds(next));
    }
    object
}

#[allow(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
fn seconds(time: WallTime) -> f64 {
    time.millis() as f64 / 1_000.0
}

/// `multiplexor webhook` and what it can do.
pub(crate) fn command() -> Command {
    let test = Command::new("test")
        .about("Send a signed event, webhook.test, and print what came back; ends with 1 if it was not taken")
        .arg(Arg::new("url").value_name("URL").required(true).help("Where the receiver is"))
        .arg(
            Arg::new("secret")
                .long("secret")
                .value_name("SECRET")
                .env("MULTIPLEXOR_WEBHOOK_SECRET")
                .hide_env_values(true)
                .action(ArgAction::Append)
                .help("What the receiver checks calls with; better by the variable, since flags are seen by every user of the machine"),
        )
        .arg(
            Arg::new("config")
                .long("config")
                .value_name("FILE")
                .conflicts_with("secret")
                .help("A settings file that has the receiver as [[webhook]]: it is called with its secret"),
        );
    Command::new("webhook")
        .about("Try a receiver of webhooks")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .disable_help_subcommand(true)
        .subcommand(test)
}

/// Does what `multiplexor webhook` says.
pub(crate) fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let Some(("test", matches)) = matches.subcommand() else {
        bail!("say what to do: multiplexor webhook test URL")
    };
    let text = matches.get_one::<String>("url").map_or("", String::as_str);
    let url: Uri = text.parse().ok().filter(|url: &Uri| url.host().is_some()).with_context(|| {
        format!("{text:?} is no URL that can be called; give one such as https://app.example/events")
    })?;
    let (secrets, timeout) = secrets(matches, &url)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = WallTime::from_millis(u64::try_from(now.as_millis()).unwrap_or(u64::MAX));
    let answer = runtime.block_on(test_webhook(&url, &secrets, timeout, now)).context("no answer")?;
    let (id, body) = answer.sent;
    let mut out = io::stdout().lock();
    writeln!(out, "sent      {body}\nid        {id}\nanswered  {}", answer.status)?;
    if !answer.body.is_empty() {
        writeln!(out, "body      {}", String::from_utf8_lossy(&answer.body).trim_end())?;
    }
    let is_taken = (200..300).contains(&answer.status);
    writeln!(out, "{}", if is_taken { "taken" } else { "not taken: it must answer 200 to 299" })?;
    Ok(if is_taken { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The secrets to sign with, and how long an answer may take.
fn secrets(matches: &ArgMatches, url: &Uri) -> anyhow::Result<(Vec<WebhookSecret>, Duration)> {
    let usual = Webhooks::default().timeout;
    if let Some(name) = matches.get_one::<String>("config") {
        let values = Values::gather(|_| None, &File::load(name));
        let set = Settings::of(&values).map_err(|errors| anyhow!("{errors}"))?.webhooks;
        let found = set.all.into_iter().find(|one| one.url == *url);
        let found = found.with_context(|| format!("{name} has no [[webhook]] with this url"))?;
        return Ok((found.secrets, set.timeout));
    }
    let texts = matches.get_many::<String>("secret").into_iter().flatten();
    let secrets: Result<Vec<_>, _> = texts.map(|text| WebhookSecret::new(text)).collect();
    let secrets = secrets?;
    if secrets.is_empty() {
        bail!("say what to sign with: --secret, MULTIPLEXOR_WEBHOOK_SECRET, or --config FILE");
    }
    Ok((secrets, usual))
}
