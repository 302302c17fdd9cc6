//! Random values of every setting mean the same, whether a flag, a variable or the file says them.

#![allow(clippy::cast_possible_truncation, reason = "any number will do")]

use proptest::prelude::*;

use super::entries::CHANNEL_ENTRY;
use super::kind::{ValueKind, duration, size, whole_number};
use super::{ChannelEntry, File, GivenTexts, Setting, Settings, Source, TABLE, Values, template};

/// One setting's value as texts, made of chance alone.
fn texts(setting: &Setting, chance: &[u64]) -> Vec<String> {
    let within = |min, max, read, units| within(min, max, read, units, chance);
    let millis = |text: &str| duration(text).map(|time| time.as_millis() as u64);
    match setting.kind {
        ValueKind::Pattern => {
            vec![format!("c{}{}", chance[0], if chance[1].is_multiple_of(2) { "*" } else { "" })]
        }
        ValueKind::Address | ValueKind::Events => unreachable!("only entries have one"),
        ValueKind::Listeners => listeners(setting, chance),
        ValueKind::Names => (0..chance[0] % 3).map(|n| format!("host{n}-{:x}.example", chance[1])).collect(),
        ValueKind::Keys => (0..chance[0] % 3).map(|n| format!("sha256:{:064x}", chance[1] / 2 + n)).collect(),
        ValueKind::Secrets => (0..chance[0] % 3).map(|n| format!("{:032x}", chance[1] / 2 + n)).collect(),
        ValueKind::WebhookSecrets => vec!["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()],
        ValueKind::PublicKeys | ValueKind::Files => Vec::new(),
        ValueKind::Origins => {
            (0..chance[0] % 3).map(|n| format!("https://host{n}-{:x}.example", chance[1])).collect()
        }
        ValueKind::Account => account(chance),
        ValueKind::Networks => networks(chance),
        ValueKind::Word => vec![format!("w_{}", chance[0])],
        ValueKind::Text => vec![format!("t/{:x}", chance[0])],
        ValueKind::File => vec![String::new()],
        // To say nothing by a flag is to leave the default, so there is something.
        ValueKind::Tokens => (0..1 + chance[0] % 3).map(|n| format!("x-name{n}-{:x}", chance[1])).collect(),
        ValueKind::Url if chance[0].is_multiple_of(2) => vec![String::new()],
        ValueKind::Url => vec![format!("https://host-{:x}.example/{}?a=b", chance[1], chance[2])],
        ValueKind::Texts => (0..chance[0] % 3).map(|n| format!("urn:x {n} {:x}", chance[1])).collect(),
        ValueKind::Folder => vec![format!("/var/lib/store {}", chance[0])],
        ValueKind::Truth => vec![chance[0].is_multiple_of(2).to_string()],
        ValueKind::Label if setting.name == "token_cookie" => vec![format!("token-{}", chance[0])],
        ValueKind::Label => vec![format!("/path{}/", chance[0])],
        ValueKind::KeyHash
        | ValueKind::Certified
        | ValueKind::Rights
        | ValueKind::Globs
        | ValueKind::Dialects => {
            unreachable!("only entries have one")
        }
        // A channel that is closed must have a way in, which chance does not give it.
        ValueKind::Choice(words) if matches!(setting.name, "listen" | "history" | "presence" | "publish") => {
            vec![words[0].to_owned()]
        }
        // Nor does it make files.
        ValueKind::Choice(_) if setting.name == "in_tls" => vec!["off".to_owned()],
        ValueKind::Choice(words) => vec![words[chance[0] as usize % words.len()].to_owned()],
        ValueKind::CountOrAuto(..) if chance[2].is_multiple_of(2) => vec!["auto".to_owned()],
        ValueKind::Count(min, max) | ValueKind::CountOrAuto(min, max) => {
            vec![within(min, max, whole_number, &[""])]
        }
        ValueKind::Mode => vec![format!("0{:o}60", chance[0] % 8)],
        ValueKind::Owner => account(chance),
        ValueKind::Prefix if chance[0].is_multiple_of(2) => vec![String::new()],
        ValueKind::Prefix => vec![format!("/push/{:x}", chance[1])],
        ValueKind::DurationOrAuto(..) if chance[2].is_multiple_of(2) => vec!["auto".to_owned()],
        ValueKind::Duration(min, max) | ValueKind::DurationOrAuto(min, max) => {
            vec![within(min, max, millis, &["ms", "s", "m", "h", "d"])]
        }
        ValueKind::Size(min, max) => vec![within(min, max, size, &["", "KiB", "MiB", "GiB"])],
    }
}

/// A value of a range, in one of these units.
fn within(min: &str, max: &str, read: fn(&str) -> Option<u64>, units: &[&str], chance: &[u64]) -> String {
    let (min, max) = (read(min).unwrap(), read(max).unwrap());
    let unit = units[(chance[0] % units.len() as u64) as usize];
    let of_unit = read(&format!("1{unit}")).unwrap();
    let (least, most) = (min.div_ceil(of_unit), max / of_unit);
    // A unit that is too coarse for the range gives way to the value at its beginning.
    if least > most {
        format!("{min}{}", units[0])
    } else {
        format!("{}{unit}", least + chance[1] % (most - least + 1))
    }
}

/// Waiting and publishing never share an address, nor does one line have it twice.
fn listeners(setting: &Setting, chance: &[u64]) -> Vec<String> {
    let net = if setting.name == "in" { 127 } else { 10 };
    let port = |n: usize| (chance[2] % 1_000 + 1) as usize + n;
    (0..1 + chance[0] as usize % 3).map(|n| format!("{net}.0.{}.1:{}", chance[1] % 256, port(n))).collect()
}

fn account(chance: &[u64]) -> Vec<String> {
    vec![if chance[0].is_multiple_of(2) { String::new() } else { format!("u{}", chance[1]) }]
}

fn networks(chance: &[u64]) -> Vec<String> {
    let four = |n| format!("10.{n}.{}.0/{}", chance[1] % 256, 24 + chance[2] % 8);
    (0..chance[0] % 3).map(four).chain([format!("2001:db8::{:x}", chance[2] % 65_536)]).collect()
}

fn given(setting: &Setting, origin: Source, texts: Vec<String>) -> Option<GivenTexts> {
    // A list of nothing cannot be said by flag or variable: that is to say nothing.
    let said = !(setting.kind.is_list() && texts.is_empty());
    said.then_some(GivenTexts { origin, texts })
}

proptest! {
    #[test]
    fn it_does_not_matter_who_says_a_value(
        chance in proptest::collection::vec(proptest::collection::vec(any::<u64>(), 3), TABLE.len())
    ) {
        let values: Vec<Vec<String>> =
            TABLE.iter().zip(&chance).map(|(setting, chance)| texts(setting, chance)).collect();
        let value = |wanted: &Setting| {
            let index = TABLE.iter().position(|setting| setting.name == wanted.name).unwrap();
            values[index].clone()
        };
        let by_flag = Settings::read(
            |setting| given(setting, Source::Flag(setting.flag()), value(setting)),
            &File::default(),
        ).unwrap();
        let by_variable = Settings::read(
            |setting| given(setting, Source::Variable(setting.variable()), vec![value(setting).join(",")]),
            &File::default(),
        );
        // An empty variable counts as none, before it comes here.
        let by_variable = by_variable.unwrap();
        let mut text = String::new();
        for setting in TABLE {
            let value = setting.kind.read(&value(setting)).unwrap();
            text += &format!("{} = {}\n", setting.name, setting.kind.toml(&value));
        }
        let file = File::read("x", &text).unwrap();
        prop_assert_eq!(file.len(), TABLE.len());
        let by_file = Settings::read(|_| None, &file).unwrap();
        prop_assert_eq!(&by_flag, &by_variable);
        prop_assert_eq!(&by_flag, &by_file);
    }
}

proptest! {
    #[test]
    fn what_is_set_for_channels_comes_as_it_was_written(
        chance in proptest::collection::vec(any::<u64>(), CHANNEL_ENTRY.len() * 4)
    ) {
        let mut text = "[[channel]]\n".to_owned();
        let mut expected = Vec::new();
        for (setting, chance) in CHANNEL_ENTRY.iter().zip(chance.chunks(4)) {
            if setting.name != "match" && chance[3] % 3 == 0 {
                continue;
            }
            let value = setting.kind.read(&texts(setting, chance)).unwrap();
            text += &format!("{} = {}\n", setting.name, setting.kind.toml(&value));
            expected.push((setting, Some(value)));
        }
        let expected = ChannelEntry::new(expected, Source::File("x".to_owned(), 1));
        let file = File::read("x", &text).unwrap();
        prop_assert_eq!(file.channels.first(), expected.as_ref());
        let settings = Settings::read(|_| None, &file).unwrap();
        prop_assert_eq!(settings.hub.rules, expected.iter().map(ChannelEntry::rule).collect::<Vec<_>>());
    }
}

proptest! {
    /// Whatever a file holds, it is read or refused, and every error names one of its lines.
    #[test]
    fn no_file_is_too_strange(
        cuts in proptest::collection::vec((any::<prop::sample::Index>(), "[\\[\\]{}=\".,#\n a1é-]{0,3}"), 0..6)
    ) {
        let mut text = template() + "[[wait]]\naddress = \"é\"\n[[channel]]\nmatch = \"*\"\n";
        for (cut, inserted) in cuts {
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
            text.insert_str(places[cut.index(places.len())], &inserted);
        }
        let lines = text.split('\n').count();
        for error in File::read("x", &text).err().map(|errors| errors.to_string()).iter().flat_map(|told| told.lines()) {
            let line = error.split(':').nth(1).and_then(|line| line.parse::<usize>().ok());
            prop_assert!(line.is_some_and(|line| line <= lines) || error.starts_with("and "), "{}", error);
        }
    }
}

#[test]
fn the_template_says_the_defaults() {
    let file = File::read("x", &template()).unwrap();
    assert_eq!(file.len(), TABLE.len());
    let settings = |file: &File| Settings::of(&Values::gather(|_| None, file)).unwrap();
    assert_eq!(settings(&file), settings(&File::default()));
}
