//! Variables of the environment that are named like ours and are none: somebody misspelt one, and would not notice.

use super::nearest::nearest;
use super::quote::excerpt;
use super::{Errors, TABLE};

/// What is wrong among these names of variables; `ours` are those that are none of settings.
pub fn misspelt<'a>(names: impl Iterator<Item = &'a str>, ours: &[String]) -> Errors {
    let known: Vec<String> = TABLE.iter().map(super::Setting::variable).chain(ours.iter().cloned()).collect();
    names
        .filter(|name| name.to_ascii_uppercase().starts_with(PREFIX))
        .filter(|name| !known.iter().any(|known| known == name) && !is_of_an_orchestrator(name))
        .map(|name| wrong(name, &known))
        .collect()
}

fn wrong(name: &str, known: &[String]) -> String {
    let words: Vec<String> = known.iter().map(|known| known[PREFIX.len()..].to_lowercase()).collect();
    let right = match nearest(&name[PREFIX.len()..], words.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {PREFIX}{}?", near.to_uppercase()),
        None => "`multiplexor config --default` prints all settings; or unset it".to_owned(),
    };
    format!("{} is set, and no setting has that name; {right}", excerpt(name))
}

/// Whether a variable is what Kubernetes, or a link of containers, makes of a service named like us:
/// `MULTIPLEXOR_SERVICE_HOST`, `MULTIPLEXOR_WAIT_PORT_80_TCP_ADDR`.
pub(crate) fn is_of_an_orchestrator(name: &str) -> bool {
    let Some(rest) = name.strip_prefix(PREFIX.trim_end_matches('_')) else { return false };
    rest.bytes().all(is_part)
        && rest.match_indices('_').any(|(at, _)| at != 1 && tells_a_service(&rest[at + 1..]))
}

fn tells_a_service(tail: &str) -> bool {
    if matches!(tail, "SERVICE_HOST" | "SERVICE_PORT" | "PORT") {
        return true;
    }
    if let Some(name) = tail.strip_prefix("SERVICE_PORT_") {
        return !name.is_empty();
    }
    let mut words = tail.split('_');
    words.next() == Some("PORT")
        && words.next().is_some_and(|port| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()))
        && words.next().is_some_and(|word| matches!(word, "TCP" | "UDP" | "SCTP"))
        && words.next().is_none_or(|word| matches!(word, "PROTO" | "PORT" | "ADDR"))
        && words.next().is_none()
}

fn is_part(byte: u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_'
}

const PREFIX: &str = "MULTIPLEXOR_";

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, expected: Option<&str>) {
        let errors = misspelt([name].into_iter(), &["MULTIPLEXOR_CONFIG".to_owned()]);
        match expected {
            None => assert!(errors.is_empty(), "{name}: {errors}"),
            Some(hint) => assert!(errors.to_string().contains(hint), "{name}: {errors}"),
        }
    }

    #[test]
    fn a_misspelt_variable_is_told_with_the_nearest_name() {
        check("MULTIPLEXOR_POLL_TIMOUT", Some("did you mean MULTIPLEXOR_POLL_TIMEOUT?"));
        check("MULTIPLEXOR_poll_timeout", Some("did you mean MULTIPLEXOR_POLL_TIMEOUT?"));
        check("Multiplexor_Wait", Some("did you mean MULTIPLEXOR_WAIT?"));
        check("MULTIPLEXOR_CONFG", Some("did you mean MULTIPLEXOR_CONFIG?"));
        check("MULTIPLEXOR_SOMETHING_ELSE", Some("`multiplexor config --default`"));
        check("MULTIPLEXOR_PORTS", Some("is set"));
        check("MULTIPLEXOR__SERVICE_HOST", Some("is set"));
        check("MULTIPLEXOR_", Some("is set"));
    }

    #[test]
    fn what_is_right_or_not_like_ours_is_left_alone() {
        for name in [
            "MULTIPLEXOR_WAIT",
            "MULTIPLEXOR_CONFIG",
            "MULTIPLEXOR",
            "PATH",
            "MULTIPLEX_WAIT",
            "MULTIPLEXORS",
        ] {
            check(name, None);
        }
    }

    #[test]
    fn what_orchestrators_make_is_left_alone() {
        for tail in [
            "SERVICE_HOST",
            "SERVICE_PORT",
            "SERVICE_PORT_HTTP",
            "PORT",
            "PORT_8088_TCP",
            "PORT_8088_UDP_ADDR",
            "PORT_8088_SCTP_PROTO",
            "PORT_8088_TCP_PORT",
            "WAIT_SERVICE_HOST",
            "MY_WAIT_2_PORT_80_TCP_ADDR",
        ] {
            check(&format!("MULTIPLEXOR_{tail}"), None);
        }
        for tail in
            ["PORT_TCP", "PORT_80", "PORT_80_TCP_NAME", "PORT_80_TCP_ADDR_X", "SERVICE_PORT_", "REPORT"]
        {
            check(&format!("MULTIPLEXOR_{tail}"), Some("is set"));
        }
    }

    #[test]
    fn no_setting_is_named_like_what_orchestrators_make() {
        for setting in TABLE {
            assert!(!is_of_an_orchestrator(&setting.variable()), "{}", setting.name);
        }
    }
}
