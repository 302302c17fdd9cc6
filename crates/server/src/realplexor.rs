//! Taking over from Dklab_Realplexor: its configuration files, as settings of ours.

mod import;
mod journal;
mod options;
mod process;
mod script;
mod takeover;
mod token;
mod watching;

use std::fs::File as Opened;
use std::io::{self, Read};
use std::path::Path;

pub(crate) use import::import;
use options::Options;
use script::Said;
pub(crate) use takeover::run;

use crate::limits::OLD_FILE_LEN_MAX;
use settings::Errors;

/// Reads old files; a later one beats an earlier one.
fn read(names: &[String]) -> Result<Options, Errors> {
    let texts = names.iter().map(|name| (name, text(name)));
    Ok(read_all(texts)?.1)
}

/// The same, but one that is not there is passed over, as it always was. Says which were read.
fn read_those_there(names: &[String], mut say: impl FnMut(String)) -> Result<(Said, Options), Errors> {
    let (there, missing): (Vec<_>, Vec<_>) = names.iter().partition(|name| Path::new(name).exists());
    missing.iter().for_each(|name| say(format!("CONFIG: file {name} does not exist, skipping")));
    there.iter().for_each(|name| say(format!("CONFIG: appending configuration from {name}")));
    read_all(there.into_iter().map(|name| (name, text(name))))
}

fn read_all<'a>(
    texts: impl Iterator<Item = (&'a String, Result<String, String>)>,
) -> Result<(Said, Options), Errors> {
    let mut said = Said::default();
    let mut errors = Vec::new();
    for (name, text) in texts {
        match text {
            Ok(text) => errors.extend(said.read(name, &text).err()),
            Err(error) => errors.push(Errors::from_iter([format!("{name}: {error}")])),
        }
    }
    if !errors.is_empty() {
        return Err(errors.into_iter().map(|error| error.to_string()).collect());
    }
    let options = Options::of(&said)?;
    Ok((said, options))
}

/// The text of a file. Comments of old files are in whatever characters were used then.
fn text(name: &str) -> Result<String, String> {
    let told = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such file; give the path of an old configuration".to_owned(),
        _ => format!("the old configuration cannot be read: {error}"),
    };
    let mut bytes = Vec::new();
    Opened::open(name).map_err(told)?.take(OLD_FILE_LEN_MAX + 1).read_to_end(&mut bytes).map_err(told)?;
    if bytes.len() as u64 > OLD_FILE_LEN_MAX {
        return Err(format!("the file has more than {OLD_FILE_LEN_MAX} bytes; is it the right one?"));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
