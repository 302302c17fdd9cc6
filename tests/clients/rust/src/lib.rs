//! What every program in Rust says of what it hears: one line each, its words between tabs.

use std::io::Write;

const START_CHARS: usize = 300;

/// Writes one line.
pub fn say(words: &[&str]) {
    let words: Vec<String> = words.iter().map(|word| word.replace(['\t', '\r', '\n'], " ")).collect();
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{}", words.join("\t")).and_then(|()| out.flush());
}

fn start(data: &str) -> String {
    data.chars().take(START_CHARS).collect()
}

/// Says an event of a stream.
pub fn event(name: &str, id: &str, data: &str) {
    say(&["event", name, id, &data.len().to_string(), &start(data)]);
}

/// Says a frame of a WebSocket; gives the commands that the frame asks for.
pub fn message<'a>(text: &str, commands: &'a [String]) -> Vec<&'a str> {
    say(&["message", &text.len().to_string(), &start(text)]);
    let asked = commands.iter().enumerate().filter(|(n, _)| text.contains(&format!("say-{}", n + 1)));
    asked.map(|(_, command)| command.as_str()).collect()
}
