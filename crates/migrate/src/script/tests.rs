//! Facts about what an old configuration file says.

use super::*;
use proptest::prelude::*;

fn text(text: &str) -> OldValue {
    OldValue::Text(text.to_owned())
}

fn list(items: &[&str]) -> OldValue {
    OldValue::List(items.iter().map(|item| (*item).to_owned()).collect())
}

fn read(name: &str, said: &str) -> Result<OldConfig, String> {
    let mut all = OldConfig::default();
    all.read(name, said).map(|()| all).map_err(|errors| errors.to_string())
}

/// What the file says of each key.
fn check(said: &str, expected: &[(&str, OldValue)]) {
    let all = read("old.conf", said).unwrap_or_else(|error| panic!("{said}\n{error}"));
    let found: Vec<(&str, OldValue)> =
        all.0.iter().map(|(key, (value, _))| (key.as_str(), value.clone())).collect();
    assert_eq!(found, expected, "{said}");
}

fn check_error(said: &str, expected: &str) {
    assert_eq!(read("old.conf", said).unwrap_err(), expected, "{said}");
}

#[test]
fn a_file_of_defaults_assigns_one_list() {
    check(
        "# all of it\n%CONFIG = (\n  WAIT_TIMEOUT => 300, # seconds\n  'WAIT_ADDR' => ['0.0.0.0:8088', \"[::]:8088\",],\n  \
         SU_USER => undef,\n  IN_ADDR => [ qw(127.0.0.1:1 127.0.0.1:2) ],\n);\n\nreturn 1;\n",
        &[
            ("IN_ADDR", list(&["127.0.0.1:1", "127.0.0.1:2"])),
            ("SU_USER", OldValue::Undefined),
            ("WAIT_ADDR", list(&["0.0.0.0:8088", "[::]:8088"])),
            ("WAIT_TIMEOUT", text("300")),
        ],
    );
}

#[test]
fn a_file_of_overrides_assigns_key_by_key() {
    check(
        "use strict; use warnings;\nour %CONFIG;\n$CONFIG{A} = 'a';\n$CONFIG{'B'} = 60 * 60;\n$main::CONFIG{C} = -1;\n\
         $CONFIG{D} = $CONFIG{A} . \"b\";\n$CONFIG{A} .= 'z';\npush @{$CONFIG{E}}, 'x', 'y';\n\
         $CONFIG{F} = 1024 * 1024 + 1;\n1;\n",
        &[
            ("A", text("az")),
            ("B", text("3600")),
            ("C", text("-1")),
            ("D", text("ab")),
            ("E", list(&["x", "y"])),
            ("F", text("1048577")),
        ],
    );
}

#[test]
fn a_file_finds_its_own_folder() {
    let folder = std::env::temp_dir().join(format!("multiplexor-script-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let folder = std::fs::canonicalize(folder).unwrap();
    let file = folder.join("old.conf");
    std::fs::write(&file, "").unwrap();
    let expected = text(folder.join("users").to_str().unwrap());
    for said in [
        "use Cwd 'abs_path'; use File::Basename;\n$CONFIG{A} = dirname(abs_path(__FILE__)) . '/users';",
        "$CONFIG{A} = File::Basename::dirname(Cwd::abs_path(__FILE__)).\"/users\";",
        "my $dir = dirname abs_path __FILE__;\n$CONFIG{A} = \"$dir/users\";",
        "my $dir = dirname(abs_path(__FILE__)); $CONFIG{A} = \"${dir}/users\"; return 1",
    ] {
        let all = read(file.to_str().unwrap(), said).unwrap();
        assert_eq!(all.0["A"].0, expected, "{said}");
    }
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_plain_file_has_lines() {
    check(
        "# plain\n\nWAIT_ADDR = \"0.0.0.0:8088 0.0.0.0:8089\"\nWAIT_TIMEOUT = 300 # seconds\nSU_USER=\"\"\nIN_TIMEOUT = \"20\";\n",
        &[
            ("IN_TIMEOUT", text("20")),
            ("SU_USER", text("")),
            ("WAIT_ADDR", text("0.0.0.0:8088 0.0.0.0:8089")),
            ("WAIT_TIMEOUT", text("300")),
        ],
    );
    check_error(
        "<?php\nA = 1\n",
        "old.conf:1: this is no line of a configuration of Dklab_Realplexor; such a line is $CONFIG{KEY} = 'value'; or \
         KEY = \"value\"",
    );
}

#[test]
fn a_later_file_beats_an_earlier_one() {
    let mut all = read("one", "%CONFIG = (A => 1, B => 2);").unwrap();
    all.read("two", "\n$CONFIG{B} = 3;").unwrap();
    assert_eq!(all.0["A"], (text("1"), Source::File("one".to_owned(), 1)));
    assert_eq!(all.0["B"], (text("3"), Source::File("two".to_owned(), 2)));
}

#[test]
fn what_only_perl_could_run_is_told_with_its_line() {
    check_error(
        "$CONFIG{A} = 1;\n$CONFIG{B} = $ENV{HOME};\n$CONFIG{C} = `hostname`;\nif ($x) { $CONFIG{D} = 1; }\n\
         $CONFIG{E} = sub { my ($id) = @_; return 1; };\nuse Sys::Hostname;\n$CONFIG{F} = hostname();\n$CONFIG{G} = 1;\n",
        "old.conf:2: $ENV has no value in this file, and only Perl could know it; write the value\n\
         old.conf:3: ` stands where a value should; write the value itself: 'text', 300 or ['a', 'b']\n\
         old.conf:4: if needs Perl to run; write the values that it comes to\n\
         old.conf:5: this is code that only Perl could run; delete it, and see in docs/realplexor.md what does such work now\n\
         old.conf:6: this module needs Perl to run; delete the line, and write values themselves\n\
         old.conf:7: hostname needs Perl to run; write the value itself: 'text', 300 or ['a', 'b']",
    );
    check_error("$CONFIG{A} = \"a\n", "old.conf:1: the text that begins here has no closing \"");
    check_error(
        "%CONFIG = (\n  A => 1\n  B => 2,\n);\n",
        "old.conf:3: the value is not over where , or ) should stand; write the value alone",
    );
    check_error(
        "$CONFIG{A} = 1\n$CONFIG{B} = 2;\n",
        "old.conf:2: $CONFIG stands where the statement should end; put ; in front of it, or write the value alone",
    );
    check_error("$CONFIG{A} = ['a', undef];", "old.conf:1: undef stands in a list; leave it out");
    check_error("$CONFIG{A} = 1 / 0;", "old.conf:1: this gives no number; write the number itself");
}

#[test]
fn a_file_cannot_grow_beyond_itself() {
    let doubling = |step: &str| format!("$CONFIG{{A}} = 'xxxxxxxx'; my $v = 'xxxxxxxx';{}", step.repeat(64));
    for (said, expected) in [
        (doubling("$v = $v . $v;"), "has more than 65536 bytes"),
        (doubling("$v = \"$v$v\";"), "has more than 65536 bytes"),
        (doubling("$v = [$v, $v];"), "has more than 65536 bytes"),
        (format!("$CONFIG{{A}} = {}1", "(".repeat(100_000)), "nested too deeply"),
        (format!("$CONFIG{{A}} = {}1", "dirname ".repeat(100_000)), "nested too deeply"),
        (format!("$CONFIG{{A}} = {}1", "- ".repeat(100_000)), "a number must follow -"),
        (format!("$CONFIG{{A}} = {}1", "[".repeat(100_000)), "nested too deeply"),
    ] {
        let told = read("old.conf", &said).unwrap_err();
        assert!(told.contains(expected), "{expected}: {told}");
    }
}

/// A text as Perl would write it in single quotes.
fn single(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// The same in double quotes.
fn double(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '\n' => quoted.push_str("\\n"),
            '"' | '\\' | '$' | '@' => quoted.extend(['\\', c]),
            _ => quoted.push(c),
        }
    }
    quoted + "\""
}

proptest! {
    /// Whatever text a value has, it is read as it was written, in either quotes and in either form.
    #[test]
    fn texts_come_back(texts in prop::collection::vec("[ -~а-я\n]{0,20}", 1..6), comment in "[ -~]{0,20}") {
        let quoted: Vec<String> =
            texts.iter().enumerate().map(|(n, text)| if n % 2 == 0 { single(text) } else { double(text) }).collect();
        let said = format!("# {comment}\n%CONFIG = (A => [{}], B => {});", quoted.join(", "), quoted[0]);
        let all = read("old.conf", &said).unwrap();
        prop_assert_eq!(&all.0["A"].0, &OldValue::List(texts.clone()));
        prop_assert_eq!(&all.0["B"].0, &OldValue::Text(texts[0].clone()));
        let said = format!("$CONFIG{{A}} = {}; # {comment}\n$CONFIG{{B}} = [{}];", quoted[0], quoted.join(","));
        let all = read("old.conf", &said).unwrap();
        prop_assert_eq!(&all.0["A"].0, &OldValue::Text(texts[0].clone()));
        prop_assert_eq!(&all.0["B"].0, &OldValue::List(texts.clone()));
    }

    /// Any text at all is read to an end, with values or errors, and every error names a line that is there.
    #[test]
    fn anything_is_answered(
        pieces in prop::collection::vec(
            prop_oneof![
                "[ -~\n]{0,6}",
                prop::sample::select(&[
                    "%CONFIG", "$CONFIG{A}", "=", "=>", "(", ")", "[", "]", "{", "}", "'", "\"", ";", ",", ".", "\n", "1",
                    "dirname", "abs_path", "__FILE__", "return", "use ", "push @{", "my $v", "$v", "q(", "qw(", "=pod\n",
                    "undef", "sub", "\\", "0x", "é", "__END__",
                ][..]).prop_map(str::to_owned),
            ],
            0..40,
        ),
    ) {
        let said = format!("$CONFIG{{A}} = 1;{}", pieces.concat());
        let lines = said.matches('\n').count() + 1;
        if let Err(told) = read("f", &said) {
            for error in told.lines().filter(|line| !line.starts_with("and ")) {
                let line: usize = error.split(':').nth(1).unwrap().parse().unwrap();
                prop_assert!((1..=lines).contains(&line), "{}", error);
            }
        }
    }
}
