//! What a command line that is not understood is answered beside clap's own sentence: what would be right.

use std::error::Error;
use std::num::ParseIntError;

use clap::Command;
use clap::error::{ContextKind, ContextValue, ErrorKind};

/// The same error with our advice, where we have any; clap's guess goes then, since it knows words by their letters alone.
pub(super) fn advised(mut error: clap::Error, root: &Command, said: &[String]) -> clap::Error {
    let command = said.iter().skip(1).find_map(|word| root.find_subcommand(word)).map(Command::get_name);
    let Some(advice) = advice(&error, command) else { return error };
    for kind in [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::TrailingArg] {
        error.remove(kind);
    }
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![advice.into()]));
    error
}

/// What would be right.
fn advice(error: &clap::Error, command: Option<&str>) -> Option<String> {
    match error.kind() {
        ErrorKind::UnknownArgument => unknown(text(error, ContextKind::InvalidArg)?, command),
        ErrorKind::ArgumentConflict if command.is_some() => {
            Some("settings stand behind the command, as in: multiplexor serve --wait 0.0.0.0:80".to_owned())
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = error.get(ContextKind::InvalidArg)?.to_string();
            missing.contains("--token-secret").then(|| {
                "better by the variable MULTIPLEXOR_TOKEN_SECRET: the token_secret of the server".to_owned()
            })
        }
        ErrorKind::ValueValidation => error
            .source()
            .filter(|source| source.is::<ParseIntError>())
            .map(|_| "a whole number is wanted, such as 10".to_owned()),
        _ => None,
    }
}

/// For an argument that the command does not know.
fn unknown(argument: &str, command: Option<&str>) -> Option<String> {
    let name = argument.split('=').next().unwrap_or_default();
    let advice = match (command, name) {
        (None | Some("serve"), "--port" | "-p" | "--host" | "--address" | "--bind") => {
            "a line has one address with its port: --wait 0.0.0.0:8080 for clients, --in 127.0.0.1:9090 for applications"
        }
        (Some(_), "--port" | "--host" | "--address") => {
            "a server is named by its URL, port included; see --help"
        }
        (None | Some("serve"), "--server" | "--url") => {
            "for commands that publish or ask: multiplexor send --server http://127.0.0.1:10010 news 'hello'"
        }
        (None | Some("serve"), "--listen-url") => {
            "for the command that subscribes: multiplexor listen --listen-url http://127.0.0.1:8088 news"
        }
        (Some("listen"), "--server" | "--url") => {
            "it talks to the WAIT line: --listen-url http://127.0.0.1:8088"
        }
        (
            Some("send" | "online" | "users" | "history" | "stats" | "watch" | "delete" | "end"),
            "--listen-url" | "--url",
        ) => "it talks to the IN line: --server http://127.0.0.1:10010",
        (Some("token" | "url"), "--listen" | "--channel" | "--channels") => {
            "channels stand without a flag: multiplexor token make --user ann user.ann 'room.*'"
        }
        (Some("token" | "url"), "--secret") => "it is called --token-secret, or MULTIPLEXOR_TOKEN_SECRET",
        (Some("send"), word) if !word.starts_with('-') => {
            "what is to be said is one argument; quotes keep it together: multiplexor send news 'hello world'"
        }
        _ => return None,
    };
    Some(advice.to_owned())
}

fn text(error: &clap::Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::command;
    use super::advised;

    #[track_caller]
    fn check(line: &str, advice: &str) {
        let said: Vec<String> = format!("multiplexor {line}").split(' ').map(str::to_owned).collect();
        let error = command().try_get_matches_from(&said).expect_err(line);
        let text = advised(error, &command(), &said).render().to_string();
        assert!(text.contains(advice), "{line}: {text}");
        assert_eq!(text.matches("tip:").count(), 1, "{line}: {text}");
    }

    #[test]
    fn what_newcomers_type_is_answered_with_what_would_be_right() {
        check("--port 9", "--wait 0.0.0.0:8080");
        check("serve --port=9", "--wait 0.0.0.0:8080");
        check("send --port 3 news", "named by its URL");
        check("--server http://a", "multiplexor send --server");
        check("--listen-url http://a", "multiplexor listen --listen-url");
        check("listen --server http://a news", "--listen-url");
        check("send --listen-url http://a news x", "--server http");
        check("send news hello world", "quotes");
        check("--wait 1 serve", "multiplexor serve --wait");
        check("listen --tail x news", "a whole number");
        check("doctor --crowd x", "a whole number");
        check("token make --secret x a", "--token-secret");
        check("token make --listen a", "without a flag");
    }

    #[test]
    fn where_there_is_no_better_advice_the_guess_stays() {
        check("send --evnt x news", "--event");
    }

    #[test]
    fn a_token_without_a_secret_names_the_variable() {
        if std::env::var_os("MULTIPLEXOR_TOKEN_SECRET").is_none() {
            check("token make a", "MULTIPLEXOR_TOKEN_SECRET");
        }
    }
}
