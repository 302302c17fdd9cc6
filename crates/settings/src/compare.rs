//! What differs between the settings that hold and those that were read anew, and what of it has to wait.

use crate::foundation::Foundation;
use crate::reader::{CHANNEL, WEBHOOK};
use crate::{Effect, TABLE, Values};

/// What a reload makes of settings that were read anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merged {
    /// What holds from now on.
    pub values: Values,
    /// The settings that have other values from now on, in the order of the manual.
    pub changed: Vec<&'static str>,
    /// Those whose new values wait until the program is started anew.
    pub waiting: Vec<&'static str>,
}

impl Values {
    /// The settings whose values are others than here, in the order of the manual. Who said so does not matter.
    pub fn differing(&self, other: &Self) -> Vec<&'static str> {
        let is_other = |name: &&'static str| self.entry(name).0 != other.entry(name).0;
        let mut names: Vec<_> = TABLE.iter().map(|setting| setting.name).filter(is_other).collect();
        let said = |values: &Self| values.channels.iter().map(|one| one.values.clone()).collect::<Vec<_>>();
        if said(self) != said(other) {
            names.push(CHANNEL);
        }
        let said = |values: &Self| values.webhooks.iter().map(|one| one.values.clone()).collect::<Vec<_>>();
        if said(self) != said(other) {
            names.push(WEBHOOK);
        }
        names
    }

    /// What holds when these, which hold, meet others that were read anew while the program runs.
    pub fn merge(&self, fresh: &Self) -> Merged {
        let mut merged = Merged { values: fresh.clone(), changed: Vec::new(), waiting: Vec::new() };
        let (old_foundation, foundation) = (Foundation::of(self), Foundation::of(fresh));
        for name in self.differing(fresh) {
            if effect_of(name) != Effect::Restart && !old_foundation.holds_back(name, &foundation) {
                merged.changed.push(name);
                continue;
            }
            merged.waiting.push(name);
            match name {
                CHANNEL => merged.values.channels.clone_from(&self.channels),
                WEBHOOK => merged.values.webhooks.clone_from(&self.webhooks),
                _ => merged.values.put(name, self.entry(name).clone()),
            }
        }
        merged
    }
}

/// When another value of this setting counts.
pub(crate) fn effect_of(name: &str) -> Effect {
    TABLE.iter().find(|setting| setting.name == name).map_or(Effect::Live, |setting| setting.effect)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Against, File, GivenTexts, Setting, Source, keys};

    fn values(file: &str) -> Values {
        Values::gather(|_| None, &File::read("x.toml", file).unwrap())
    }

    fn check(old: &str, fresh: &str, changed: &[&str], waiting: &[&str]) {
        let (old, fresh) = (values(old), values(fresh));
        let merged = old.merge(&fresh);
        assert_eq!((&merged.changed[..], &merged.waiting[..]), (changed, waiting));
        assert_eq!(old.differing(&merged.values), changed);
        assert_eq!(merged.values.differing(&fresh), waiting);
        // Whoever has but the answer of `GET /settings` says the same beforehand.
        let against = Against::of(&fresh, &old.overview(&old, &[])).unwrap();
        assert_eq!((&against.changed[..], &against.waiting[..]), (changed, waiting));
    }

    #[test]
    fn what_changed_is_told_by_name_and_what_must_wait_apart() {
        check("", "", &[], &[]);
        check("", "\n\npoll_timeout = \"25s\"", &[], &[]);
        check("", "shards = 3\npoll_timeout = \"1s\"", &["poll_timeout"], &["shards"]);
        check("origins = [\"https://a.example\"]", "", &["origins"], &[]);
        check(
            "key = [\"sha256:fd9cc05f12fa2de6bbf0baa8c4ce41a67d24de1ad6f34d2b06a2bbf27a1b6b45\"]",
            "",
            &["key"],
            &[],
        );
    }

    #[test]
    fn rules_for_channels_wait_where_they_change_of_whom_users_are_told() {
        let rule = |pattern: &str, rest: &str| format!("[[channel]]\nmatch = \"{pattern}\"\n{rest}\n");
        let presence = "presence = \"open\"";
        check("", &rule("a", "payload_limit = 5"), &["channel"], &[]);
        check("", &rule("a", presence), &[], &["channel"]);
        check(&rule("a", presence), "", &[], &["channel"]);
        check(&rule("a", presence), &rule("a", "presence = \"token\""), &["channel"], &[]);
        check(&rule("a*", presence), &(rule("b", "") + &rule("a*", presence)), &["channel"], &[]);
        check(&rule("a*", presence), &(rule("ab", "") + &rule("a*", presence)), &[], &["channel"]);
        check(&rule("a*", presence), &(rule("a*", presence) + &rule("*", "")), &["channel"], &[]);
    }

    #[test]
    fn rules_for_channels_wait_where_a_store_would_keep_others() {
        let volatile = "[[channel]]\nmatch = \"a\"\ndurable = false\n";
        check("", volatile, &["channel"], &[]);
        check("store = \"/tmp/x\"", &format!("store = \"/tmp/x\"\n{volatile}"), &[], &["channel"]);
    }

    #[test]
    fn certificates_wait_where_tls_is_or_is_no_longer_to_be_spoken() {
        let files =
            |name: &str| format!("tls_certificate = [\"/{name}.pem\"]\ntls_key = [\"/{name}.key\"]\n");
        check("", &files("a"), &[], &["tls_certificate", "tls_key"]);
        check(&files("a"), &files("b"), &["tls_certificate", "tls_key"], &[]);
        check(&files("a"), "", &[], &["tls_certificate", "tls_key"]);
    }

    #[test]
    fn a_webhook_waits_that_wants_to_know_of_users_whom_nobody_followed() {
        let hook = |events: &str| {
            format!(
                "[[webhook]]\nurl = \"http://127.0.0.1/\"\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n\
                 events = [\"{events}\"]\n"
            )
        };
        check("", &hook("channel.online"), &["webhook"], &[]);
        check("", &hook("user.online"), &[], &["webhook"]);
        check(&hook("user.online"), "", &["webhook"], &[]);
    }

    /// Each setting is of exactly one kind, by its mark.
    #[test]
    fn what_waits_is_what_is_marked_so() {
        let default = values("");
        for setting in TABLE {
            // Where TLS is spoken waits, and other certificates do not.
            let is_of_tls = setting.name == keys::TLS_CERTIFICATE.name();
            let Some(text) = another(setting).filter(|_| !is_of_tls) else { continue };
            let given = |of: &Setting| {
                (of.name == setting.name)
                    .then(|| GivenTexts { origin: Source::Flag(of.flag()), texts: vec![text.clone()] })
            };
            let fresh = Values::gather(given, &File::default());
            let merged = default.merge(&fresh);
            let (changed, waiting) = (vec![setting.name], Vec::new());
            let expected =
                if setting.effect == Effect::Restart { (waiting, changed) } else { (changed, waiting) };
            assert_eq!((merged.changed, merged.waiting), expected, "{}", setting.name);
        }
    }

    /// Another value than the default, where one can be made of what is allowed alone.
    fn another(setting: &Setting) -> Option<String> {
        let candidates = [
            "1", "2", "100", "17", "on", "off", "2s", "3s", "1MiB", "2MiB", "20MiB", "token", "json",
            "debug", "os",
        ];
        let default = setting.default();
        let read = |text: &&str| setting.parse((*text).to_owned()).is_some_and(|value| value != default);
        candidates.iter().find(|text| read(text)).map(|text| (*text).to_owned())
    }
}
