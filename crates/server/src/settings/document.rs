//! The manual's page about settings, made of the table.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use super::table::TABLE;

/// Prints `docs/settings.md`.
pub(crate) fn print_document() -> anyhow::Result<ExitCode> {
    io::stdout().write_all(document().as_bytes())?;
    Ok(ExitCode::SUCCESS)
}

/// The page.
fn document() -> String {
    let mut page = INTRODUCTION.to_owned();
    for setting in TABLE {
        let default =
            if setting.default.is_empty() { "none".to_owned() } else { format!("`{}`", setting.default) };
        let (name, allowed, help) = (setting.name, setting.kind.allowed(), setting.help);
        writeln!(page, "| `{name}` | {default} | {allowed} | {help} |").expect("a string takes everything");
    }
    page
}

/// A settings file in which every setting has its default, with what there is to say about it.
pub(crate) fn template() -> String {
    let mut page = TEMPLATE_INTRODUCTION.to_owned();
    for setting in TABLE {
        let (name, kind) = (setting.name, setting.kind);
        let (help, allowed, default) = (setting.help, kind.allowed(), kind.toml(&setting.default()));
        write!(page, "\n# {help}.\n# Allowed: {allowed}.\n{name} = {default}\n")
            .expect("a string takes everything");
    }
    page
}

const TEMPLATE_INTRODUCTION: &str = "\
# Settings of multiplexor, all with their defaults: what you do not change, you may delete.
#
# multiplexor --config FILE takes them; a flag or a variable beats what stands here.
# multiplexor config check FILE says what is wrong in it.
";

const INTRODUCTION: &str = "\
# Settings

<!-- Made by `cargo run -- settings-doc > docs/settings.md` from crates/server/src/settings/table.rs. -->

The program needs none of them: every setting has a default.

A setting has the same name everywhere. `poll_timeout` is the flag `--poll-timeout` and the environment
variable `MULTIPLEXOR_POLL_TIMEOUT`; a flag beats a variable. What can be given several times is repeated as
a flag, or written with commas: `--wait 0.0.0.0:80 --wait [::]:80`, `MULTIPLEXOR_WAIT=0.0.0.0:80,[::]:80`.

A time is a whole number with a unit: `500ms`, `25s`, `10m`, `1h`, `7d`. A size is a number of bytes, or one
with a unit: `100`, `64KiB`, `1MiB`, `2GiB`. A value that is wrong or out of its range ends the program at
the start, with a sentence that says what would be right.

| name | default | allowed | what it says |
| --- | --- | --- | --- |
";

#[cfg(test)]
mod tests {
    #[test]
    fn the_manual_is_up_to_date() {
        expect_test::expect_file!["../../../../docs/settings.md"].assert_eq(&super::document());
    }
}
