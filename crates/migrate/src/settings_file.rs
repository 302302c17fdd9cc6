//! What old files come to, as a settings file of ours.

use std::fmt::Write as _;

use crate::Converted;

impl Converted {
    /// As a settings file, with where each line comes from.
    pub fn settings_file(&self, names: &[String]) -> String {
        let mut text = format!(
            "# Settings of multiplexor, made by `multiplexor config import {}`.\n\
             # What is not here has its default: see `multiplexor config --default`.\n",
            names.join(" ")
        );
        let mut write =
            |line: std::fmt::Arguments<'_>| text.write_fmt(line).expect("a string takes everything");
        for (setting, from) in &self.from {
            if let Some((value, _)) = self.file.value(setting.name) {
                write(format_args!("\n# {from}\n{} = {}\n", setting.name, setting.toml(&value)));
            }
        }
        if !self.user.is_empty() {
            write(format_args!(
                "\n# SU_USER: started as root, `multiplexor realplexor` becomes {0}. For `multiplexor serve` say so here:\n\
                 # user = {0:?}\n",
                self.user
            ));
        }
        for note in &self.notes {
            write(format_args!("\n# {note}.\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::OldConfig;
    use expect_test::expect;
    use proptest::prelude::*;
    use settings::{File, Settings};

    fn options(text: &str) -> Result<Converted, String> {
        let mut said = OldConfig::default();
        said.read("old.conf", text).and_then(|()| Converted::of(&said)).map_err(|errors| errors.to_string())
    }

    fn print(text: &str) -> String {
        options(text).unwrap().settings_file(&["old.conf".to_owned()])
    }

    /// The same without what is by default.
    fn print_said(text: &str) -> String {
        let printed = print(text);
        printed
            .split("\n\n")
            .filter(|lines| !lines.contains(" by default\n"))
            .collect::<Vec<_>>()
            .join("\n\n")
    }

    /// What is printed says what was read.
    fn check_round_trip(text: &str) {
        let options = options(text).unwrap();
        let printed = options.settings_file(&["old.conf".to_owned()]);
        let again = File::read("new.toml", &printed).unwrap_or_else(|errors| panic!("{printed}\n{errors}"));
        for (setting, _) in &options.from {
            let value = |file: &File| file.value(setting.name).map(|(value, _)| value);
            assert_eq!(value(&again), value(&options.file), "{}: {printed}", setting.name);
        }
        assert_eq!(again.len(), options.from.len());
        Settings::read(|_| None, &again).unwrap();
    }

    #[test]
    fn the_old_defaults_are_printed_too() {
        expect![[r##"
            # Settings of multiplexor, made by `multiplexor config import old.conf`.
            # What is not here has its default: see `multiplexor config --default`.

            # WAIT_ADDR by default
            wait = [{ address = "0.0.0.0:8088", dialect = "realplexor" }]

            # IN_ADDR by default
            in = [{ address = "127.0.0.1:10010", dialect = "realplexor" }]

            # MAX_DATA_FOR_ID by default
            history_messages = 30

            # CLEAN_ID_AFTER by default
            history_age = "1h"

            # CLEAN_ID_AFTER, which begins anew with each message
            history_renew = "on"

            # MAX_DATA_FOR_ID times IN_MAXLEN
            history_bytes = "6000KiB"

            # WAIT_TIMEOUT by default
            classic_wait_timeout = "5m"

            # OFFLINE_TIMEOUT by default
            classic_grace = "30s"

            # WAIT_MAXLEN by default
            classic_wait_limit = "5KiB"

            # IN_TIMEOUT by default
            classic_in_timeout = "20s"

            # IN_MAXLEN by default
            realplexor_in_limit = "200KiB"

            # IDENTIFIER by default
            realplexor_marker = "identifier"

            # CHARSET by default
            realplexor_charset = "utf-8"

            # IFRAME_ID by default
            realplexor_iframe_id = "IFRAME"

            # SCRIPT_ID by default
            realplexor_script_id = "SCRIPT"

            # JS_WAIT_URI by default
            realplexor_wait_uri = "/"

            # JS_WAIT_RECONNECT_DELAY by default
            realplexor_reconnect_delay = "10ms"

            # JS_MAX_BOUNCES by default
            realplexor_max_bounces = 10

            # JS_DEBUG by default
            realplexor_debug = "on"

            # SU_USER: started as root, `multiplexor realplexor` becomes nobody. For `multiplexor serve` say so here:
            # user = "nobody"

            # USERS_FILE is not said, and dklab_realplexor.htpasswd is not looked for: everybody who reaches the IN line may publish.
        "##]].assert_eq(&print("%CONFIG = ();"));
    }

    #[test]
    fn what_was_said_is_printed_with_where() {
        let text = "$CONFIG{WAIT_ADDR} = ['127.0.0.1:18088', 'localhost:18089'];\n$CONFIG{WAIT_TIMEOUT} = 60 * 10;\n\
            $CONFIG{OFFLINE_TIMEOUT} = 0.5;\n$CONFIG{IN_MAXLEN} = 2_000_000;\n$CONFIG{IFRAME_FILE} = 'dklab_realplexor.html';\n\
            $CONFIG{MAX_MEM_MB} = 500;\n$CONFIG{WAIT_ADR} = 'x';\n$CONFIG{JS_DEBUG} = 0;\n$CONFIG{SU_USER} = undef;\nreturn 1;\n";
        expect![[r##"
            # Settings of multiplexor, made by `multiplexor config import old.conf`.
            # What is not here has its default: see `multiplexor config --default`.

            # WAIT_ADDR, old.conf:1
            wait = [{ address = "127.0.0.1:18088", dialect = "realplexor" }, { address = "127.0.0.1:18089", dialect = "realplexor" }]

            # CLEAN_ID_AFTER, which begins anew with each message
            history_renew = "on"

            # MAX_DATA_FOR_ID times IN_MAXLEN
            history_bytes = 60000000

            # IN_MAXLEN, old.conf:4
            payload_limit = 2000000

            # WAIT_TIMEOUT, old.conf:2
            classic_wait_timeout = "10m"

            # OFFLINE_TIMEOUT, old.conf:3
            classic_grace = "500ms"

            # IN_MAXLEN, old.conf:4
            realplexor_in_limit = 2000000

            # JS_DEBUG, old.conf:8
            realplexor_debug = "off"

            # USERS_FILE is not said, and dklab_realplexor.htpasswd is not looked for: everybody who reaches the IN line may publish.

            # IFRAME_FILE (old.conf:5) is left out: the program has its own in place of dklab_realplexor.html.

            # MAX_MEM_MB (old.conf:6) is left out: memory has a limit by itself, history_budget; the program is never ended for it.

            # WAIT_ADR (old.conf:7) is left out: Dklab_Realplexor has no such key; WAIT_ADDR may be meant.
        "##]].assert_eq(&print_said(text));
    }

    #[test]
    fn what_is_printed_reads_as_it_was() {
        check_round_trip("%CONFIG = ();");
        check_round_trip(
            "$CONFIG{WAIT_ADDR} = [qw(127.0.0.1:1 [::1]:2)]; $CONFIG{CHARSET} = 'koi8-r'; $CONFIG{JS_WAIT_URI} = '/a\"b\\\\';\n\
             $CONFIG{IDENTIFIER} = '123'; $CONFIG{JS_MAX_BOUNCES} = 7; $CONFIG{MAX_DATA_FOR_ID} = 0;",
        );
    }

    proptest! {
        #[test]
        fn whatever_is_said_is_printed_so_that_it_reads(
            wait in 0_u32..7_200_000, offline in 0_u32..3_600_000, count in 0_u32..100_000, len in 64_u32..1 << 28,
            marker in "[A-Za-z0-9_]{1,20}", uri in "[ -~]{1,40}", port in 1_u16..10_000,
        ) {
            let uri = uri.replace('\\', "\\\\").replace('\'', "\\'");
            let text = format!(
                "$CONFIG{{WAIT_TIMEOUT}} = {}; $CONFIG{{OFFLINE_TIMEOUT}} = {}; $CONFIG{{MAX_DATA_FOR_ID}} = {count};\n\
                 $CONFIG{{IN_MAXLEN}} = {len}; $CONFIG{{IDENTIFIER}} = '{marker}'; $CONFIG{{JS_WAIT_URI}} = '{uri}';\n\
                 $CONFIG{{WAIT_ADDR}} = ['127.0.0.1:{port}'];",
                f64::from(wait) / 1000.0, f64::from(offline) / 1000.0
            );
            if options(&text).is_ok() {
                check_round_trip(&text);
            } else {
                // A time out of its range, or a text of blanks, is an error that names the key.
                prop_assert!(options(&text).unwrap_err().contains("old.conf:"));
            }
        }
    }

    #[test]
    fn what_cannot_be_is_told_with_what_could() {
        let told = options(
            "$CONFIG{WAIT_TIMEOUT} = 7200;\n$CONFIG{IN_TIMEOUT} = 'soon';\n$CONFIG{WAIT_ADDR} = ['8088'];\n\
             $CONFIG{VERBOSITY} = 9;\n$CONFIG{USERS_FILE} = '/nowhere/users';\n$CONFIG{CHARSET} = ['a', 'b'];\n\
             $CONFIG{IN_ADDR} = [];\n",
        );
        expect![[r#"
            old.conf:3: WAIT_ADDR has "8088"; give an address and a port, such as '0.0.0.0:8088'
            old.conf:7: IN_ADDR is empty; give an address and a port, such as '127.0.0.1:10010'
            old.conf:1: WAIT_TIMEOUT is 7200 seconds; classic_wait_timeout, which it becomes, may be: 100ms to 1h
            old.conf:2: IN_TIMEOUT is "soon"; give seconds, such as 20
            old.conf:6: CHARSET is a list; give one value, such as 'utf-8'
            old.conf:5: USERS_FILE is "/nowhere/users", but /nowhere/users cannot be read; give the path of a file that can
            old.conf:4: VERBOSITY is "9"; give 0, 1, 2 or 3"#]].assert_eq(&told.unwrap_err());
    }
}
