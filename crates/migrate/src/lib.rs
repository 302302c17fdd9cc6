//! Configuration files of Dklab_Realplexor, as settings of ours.
//!
//! They are Perl, and no Perl is run: [`read`] understands what such files are made of, turns each key into the setting
//! that does the same, and says what has no place here. The crate knows the table of settings and nothing else; it only
//! reads.

mod changes;
mod limits;
mod options;
mod script;
mod settings_file;
mod token;

use std::fs::File as Opened;
use std::io;
use std::path::Path;

pub use options::Converted;
pub use script::OldConfig;
use settings::Errors;

use crate::limits::FILE_LEN_MAX;

/// Reads old files; a later one beats an earlier one.
pub fn read(names: &[String]) -> Result<Converted, Errors> {
    let texts = names.iter().map(|name| (name, text(name)));
    Ok(read_all(texts)?.1)
}

/// Reads old files, of which one that is not there is passed over, as it always was. Says which were read.
pub fn read_those_there(
    names: &[String],
    mut say: impl FnMut(String),
) -> Result<(OldConfig, Converted), Errors> {
    let (there, missing): (Vec<_>, Vec<_>) = names.iter().partition(|name| Path::new(name).exists());
    missing.iter().for_each(|name| say(format!("CONFIG: file {name} does not exist, skipping")));
    there.iter().for_each(|name| say(format!("CONFIG: appending configuration from {name}")));
    read_all(there.into_iter().map(|name| (name, text(name))))
}

fn read_all<'a>(
    texts: impl Iterator<Item = (&'a String, Result<String, String>)>,
) -> Result<(OldConfig, Converted), Errors> {
    let mut said = OldConfig::default();
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
    let options = Converted::of(&said)?;
    Ok((said, options))
}

/// The text of a file. Its comments may be in any encoding.
fn text(name: &str) -> Result<String, String> {
    let told = |error: io::Error| match error.kind() {
        io::ErrorKind::NotFound => "there is no such file; give the path of an old configuration".to_owned(),
        _ => format!("the old configuration cannot be read: {error}"),
    };
    let read = Opened::open(name).and_then(|file| settings::read_up_to(file, FILE_LEN_MAX));
    let bytes = read
        .map_err(told)?
        .ok_or_else(|| format!("the file has more than {FILE_LEN_MAX} bytes; is it the right one?"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
