//! How applications in other languages make a token: the examples that the manual has, too.

/// A language, and its example.
#[derive(Debug, Clone, Copy)]
pub(super) struct Language {
    /// A file that defines `make_token(secret, user, channels, seconds)`, and then calls it with what its command line says.
    example: &'static str,
    /// How the comment begins that stands before that call.
    comment: &'static str,
    /// The call, in whose place of `USER`, `CHANNELS` and `SECONDS` there is what was said.
    call: &'static str,
}

impl Language {
    /// What they are called.
    pub(super) const NAMES: [&str; 4] = ["php", "node", "python", "ruby"];

    /// The one of this name; it is one of [`Self::NAMES`].
    pub(super) fn named(name: &str) -> Self {
        match name {
            "php" => Self {
                example: include_str!("../../../../examples/tokens/token.php"),
                comment: "// MULTIPLEXOR_TOKEN_SECRET=",
                call: "echo make_token(getenv('MULTIPLEXOR_TOKEN_SECRET'), USER, CHANNELS, SECONDS), \"\\n\";",
            },
            "node" => Self {
                example: include_str!("../../../../examples/tokens/token.mjs"),
                comment: "// MULTIPLEXOR_TOKEN_SECRET=",
                call: "console.log(make_token(process.env.MULTIPLEXOR_TOKEN_SECRET, USER, CHANNELS, SECONDS));",
            },
            "python" => Self {
                example: include_str!("../../../../examples/tokens/token.py"),
                comment: "# MULTIPLEXOR_TOKEN_SECRET=",
                call: "print(make_token(os.environ.get(\"MULTIPLEXOR_TOKEN_SECRET\"), USER, CHANNELS, SECONDS))",
            },
            _ => Self {
                example: include_str!("../../../../examples/tokens/token.rb"),
                comment: "# MULTIPLEXOR_TOKEN_SECRET=",
                call: "puts make_token(ENV[\"MULTIPLEXOR_TOKEN_SECRET\"], USER, CHANNELS, SECONDS)",
            },
        }
    }

    /// A program that prints a token. Where it is not said for whom, it is for an example, and says so.
    pub(super) fn shown(self, user: Option<&str>, channels: &[&str], seconds: u32) -> String {
        let definition = self.example.split(self.comment).next().unwrap_or_default();
        let channels: Vec<String> = channels.iter().map(|channel| quoted(channel)).collect();
        // Names last, since they may hold those words themselves.
        let (before, rest) = self.call.split_once("USER").unwrap_or_default();
        let (between, after) = rest.split_once("CHANNELS").unwrap_or_default();
        let after = after.replace("SECONDS", &seconds.to_string());
        let mark = self.comment.split(' ').next().unwrap_or_default();
        let note = user.map_or_else(
            || format!("{mark} '{EXAMPLE}' is an example: say who your user is.\n"),
            |_| String::new(),
        );
        let user = quoted(user.unwrap_or(EXAMPLE));
        format!("{definition}{note}{before}{user}{between}[{}]{after}\n", channels.join(", "))
    }
}

/// Somebody.
const EXAMPLE: &str = "ann";

/// A text between single quotes, as all four languages read it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_example_ends_in_its_call() {
        for name in Language::NAMES {
            let language = Language::named(name);
            assert!(language.example.contains(language.comment), "{name}");
            let shown = language.shown(Some("a'USER"), &["room.*", "b\\CHANNELS"], 60);
            let call = shown.lines().last().unwrap();
            assert!(call.contains(r"'a\'USER', ['room.*', 'b\\CHANNELS'], 60)"), "{call}");
            assert!(shown.contains("make_token(") && !shown.contains(language.comment), "{shown}");
            assert!(!shown.contains("is an example"), "{shown}");
            let shown = language.shown(None, &["news"], 60);
            let mut last = shown.lines().rev();
            assert!(last.next().unwrap().contains("'ann', ['news'], 60)"), "{shown}");
            let note = last.next().unwrap();
            assert!(note.starts_with(['#', '/']) && note.contains("'ann' is an example"), "{shown}");
        }
    }
}
