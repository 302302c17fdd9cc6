//! The manual's page about settings, made of the table.

use std::fmt::Write as _;

use exchange::hub::limits::RULES_MAX;
use upstream::limits::WEBHOOKS_MAX;

use super::entries::{CHANNEL_ENTRY, KEY_ENTRY, WAIT_ENTRY, WEBHOOK_ENTRY};
use super::setting::Setting;
use super::table::TABLE;

/// The text of `docs/settings.md`.
pub fn document() -> String {
    let settings: String = TABLE.iter().map(row).collect();
    let listener: String = WAIT_ENTRY.iter().map(row).collect();
    let key: String = KEY_ENTRY.iter().map(row).collect();
    let channel: String = CHANNEL_ENTRY.iter().map(row).collect();
    let channels = CHANNELS.replace("RULES_MAX", &RULES_MAX.to_string());
    let webhook: String = WEBHOOK_ENTRY.iter().map(row).collect();
    let webhooks = WEBHOOKS.replace("WEBHOOKS_MAX", &WEBHOOKS_MAX.to_string());
    let parts = [
        INTRODUCTION,
        &settings,
        FILE,
        LISTENERS,
        &listener,
        KEYS,
        &key,
        &webhooks,
        &webhook,
        &channels,
        &channel,
    ];
    parts.concat()
}

/// A row in one of the tables of the page. Keys of entries have an example where settings have a default.
fn row(setting: &Setting) -> String {
    let default =
        if setting.default.is_empty() { "none".to_owned() } else { format!("`{}`", setting.default) };
    let (name, allowed, effect, help) = (setting.name, setting.kind.allowed(), setting.effect, setting.help);
    format!("| `{name}` | {default} | {allowed} | {effect} | {help} |\n")
}

/// A settings file in which every setting has its default, with what there is to say about it.
pub fn template() -> String {
    let mut page = TEMPLATE_INTRODUCTION.to_owned();
    for setting in TABLE {
        let (name, kind) = (setting.name, setting.kind);
        let (help, allowed, default) = (setting.help, kind.allowed(), kind.toml(&setting.default()));
        write!(page, "\n# {help}.\n# Allowed: {allowed}.\n{name} = {default}\n")
            .expect("a string takes everything");
    }
    page + TEMPLATE_CHANNELS
}

const TEMPLATE_INTRODUCTION: &str = "\
# Settings of multiplexor, all with their defaults: what you do not change, you may delete.
#
# multiplexor --config FILE takes them; a flag or a variable beats what stands here.
# multiplexor config check FILE says what is wrong in it.
";

const WEBHOOKS: &str = "
## Webhooks

Your application is told what comes about at addresses that stand in the file only: [webhooks.md](webhooks.md) says what it gets and how
it checks it. There may be WEBHOOKS_MAX of them. One that is the first to want `user.online` or `user.offline`
waits for a restart, since nobody has followed who is there.

```toml
[[webhook]]
url = \"https://app.example/multiplexor\"
events = [\"user.online\", \"user.offline\"]
secret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"
```

| key | example | allowed | takes effect | what it says |
| --- | --- | --- | --- | --- |
";

const TEMPLATE_CHANNELS: &str = "
# What is set for channels whose names match; the first match counts.
#
# [[channel]]
# match = \"chat.*\"
# history_messages = 20
# payload_limit = \"16KiB\"
";

const INTRODUCTION: &str = "\
# Settings

<!-- Made by `cargo run -- settings-doc > docs/settings.md` from crates/settings/src/keys/. -->

After this page you can change how the program behaves. It needs no setting: each has a default. Clients subscribe on the WAIT line,
applications publish on the IN line.

A setting has the same name everywhere. `poll_timeout` is the flag `--poll-timeout`, the environment variable
`MULTIPLEXOR_POLL_TIMEOUT`, and `poll_timeout` in a settings file. A flag beats a variable, a variable beats the
file. What can be given several times is repeated as a flag, or written with commas: `--wait 0.0.0.0:80 --wait
[::]:80`, `MULTIPLEXOR_WAIT=0.0.0.0:80,[::]:80`.

A variable that begins with `MULTIPLEXOR_` and is none of ours is an error, with the name that may have been meant; an empty one
counts as none. What Kubernetes and links of containers make of a service of that name is left alone: `MULTIPLEXOR_SERVICE_HOST`,
`MULTIPLEXOR_WAIT_PORT_80_TCP_ADDR` and the like. No setting is ever named so.

A time is a whole number with a unit: `500ms`, `25s`, `10m`, `1h`, `7d`. A size is a number of bytes, or one
with a unit: `100`, `64KiB`, `1MiB`, `2GiB`. A value that is wrong or out of its range ends the program at
the start, with a sentence that says what would be right.

SIGHUP, `multiplexor reload` and `POST /reload` read all of it anew ([Changing settings](operations.md#changing-settings)). *Takes effect* says from when on another
value counts: **live** from the next message, request or timer on, also on connections that are open; **new connections** for those that
come from then on; **restart** when the program is started anew.

| name | default | allowed | takes effect | what it says |
| --- | --- | --- | --- | --- |
";

const FILE: &str = "
## The settings file

`--config FILE` or `MULTIPLEXOR_CONFIG` names it. It is TOML: times and words have quotes, numbers have none,
sizes have quotes where they have a unit, and lists stand in brackets. It is read at the start, and [at each
reload](operations.md#changing-settings).

```toml
wait = [\"0.0.0.0:80\", \"[::]:80\"]
poll_timeout = \"55s\"
history_messages = 20
history_bytes = \"64KiB\"
```

A key that is no setting, a value of the wrong type and one out of its range are errors. All of them are told at
once, each with its line, what is allowed, and the name that may have been meant.

| command | what it does |
| --- | --- |
| `multiplexor config --default` | prints a file with all defaults, to begin with |
| `multiplexor config check FILE` | says what a server started with this file would find wrong: in it, in the variables of the environment, on this machine; ends with 0 if nothing is, else with 1 |
| `multiplexor config check FILE --against URL` | also says which settings of the server whose IN line is there this file would change, and what of that would wait for a restart |
| `multiplexor config` | prints what holds and who said so; takes the flags that the server takes |
| `multiplexor config --json` | the same for machines: numbers and sizes are numbers |
";

const LISTENERS: &str = "
## Listeners

An address may also be an entry of its own, which says what classic dialect is spoken there beside the native
one: `multiplexor`, the words of 2009 ([classic.md](classic.md)), `realplexor` ([realplexor.md](realplexor.md)), or `none`.
A plain address, a flag and a variable mean `multiplexor`.

```toml
[[wait]]
address = \"0.0.0.0:80\"
dialect = \"none\"

[[wait]]
address = \"0.0.0.0:8088\"

[[in]]
address = \"127.0.0.1:10010\"
dialect = \"none\"
```

TOML wants entries in double brackets behind all plain settings.

| key | example | allowed | takes effect | what it says |
| --- | --- | --- | --- | --- |
";

const KEYS: &str = "
## API keys

A key may also be an entry of its own, with what its owner may do; [access.md](access.md) has the whole story.

```toml
[[key]]
name = \"shop\"
hash = \"sha256:fd9cc05f12fa2de6bbf0baa8c4ce41a67d24de1ad6f34d2b06a2bbf27a1b6b45\"
may = [\"publish\", \"presence\"]
match = [\"order.*\", \"user.*.bell\"]
```

| key | example | allowed | takes effect | what it says |
| --- | --- | --- | --- | --- |
";

const CHANNELS: &str = "
## Channels

Some settings can be set for channels by their names, in the file only. A pattern is a channel's name, or the
beginning of names and `*`; `*` alone means all. A channel falls under the first entry that matches it, and
under no other: what that entry leaves out is as set for the whole server. So narrow patterns come first; one
that is never reached, because an earlier one takes all its channels, is an error. There may be RULES_MAX entries.

```toml
[[channel]]
match = \"chat.quiet\"
history_messages = 0

[[channel]]
match = \"chat.*\"
history_messages = 20
payload_limit = \"16KiB\"

[[channel]]
match = \"price.*\"
ttl = \"10s\"
```

At a reload, entries take effect together. Where other channels than before would have `presence`, or `durable = false` with a store, all of them
wait for a restart.

A message to several channels must keep the payload limit of each, and is kept in each as set there. `ttl` is for
messages whose publisher gives none; what it ends is not told as a gap, since it was meant to end.

| key | example | allowed | takes effect | what it says |
| --- | --- | --- | --- | --- |
";

#[cfg(test)]
mod tests {
    #[test]
    fn the_manual_is_up_to_date() {
        expect_test::expect_file!["../../../docs/settings.md"].assert_eq(&super::document());
    }

    #[test]
    fn examples_in_the_manual_are_right() {
        let page = super::document();
        let examples: Vec<&str> =
            page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert_eq!(examples.len(), 5);
        for example in examples {
            let file = super::super::File::read("x", example);
            assert!(file.is_ok(), "{example}{}", file.unwrap_err());
        }
    }
}
