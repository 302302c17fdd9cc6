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
                call: "print(make_token(os.environ[\"MULTIPLEXOR_TOKEN_SECRET\"], USER, CHANNELS, SECONDS))",
            },
            _ => Self {
                example: include_str!("../../../../examples/tokens/token.rb"),
                comment: "# MULTIPLEXOR_TOKEN_SECRET=",
                call: "puts make_token(ENV.fetch(\"MULTIPLEXOR_TOKEN_SECRET\"), USER, CHANNELS, SECONDS)",
            },
        }
    }

    /// A program that prints a token.
    pub(super) fn shown(self, user: &str, channels: &[&str], seconds: u32) -> String {
        let definition = self.example.split(self.comment).next().unwrap_or_default();
        let channels: Vec<String> = channels.iter().map(|channel| quoted(channel)).collect();
        // Names last, since they may hold those words themselves.
        let (before, rest) = self.call.split_once("USER").unwrap_or_default();
        let (between, after) = rest.split_once("CHANNELS").unwrap_or_default();
        let after = after.replace("SECONDS", &seconds.to_string());
        format!("{definition}{before}{}{between}[{}]{after}\n", quoted(user), channels.join(", "))
    }
}

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
            let shown = language.shown("a'USER", &["room.*", "b\\CHANNELS"], 60);
            let call = shown.lines().last().unwrap();
            assert!(call.contains(r"'a\'USER', ['room.*', 'b\\CHANNELS'], 60)"), "{call}");
            assert!(shown.contains("make_token(") && !shown.contains(language.comment), "{shown}");
        }
    }
}
