//! The floor to compare with: what a push server costs that does nothing but what the kernel demands.
//!
//! Accept, read a request, answer a constant head; for each message one `send` of one frame to each
//! connection of its channel. No history, no order between members, no time-outs, no slow readers, no
//! errors: nobody should use it for anything else.
//!
//! With `--members N` it is N processes that share the port, each with its own epoll set and table of
//! open files. The member that takes a message hands it to the others, answers, and serves its own.

mod frame;
mod member;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::frame::Form;
use crate::member::Member;

/// What the command line says.
#[derive(Clone, Debug)]
struct Wish {
    port: u16,
    members: u32,
    /// Which of them this process is; `None`: the one that starts them.
    member: Option<u32>,
    form: Form,
    /// Bytes of a frame on the wire; 0: as many as it takes.
    frame_len: usize,
}

fn main() -> anyhow::Result<()> {
    raise_limit();
    let words: Vec<String> = std::env::args().skip(1).collect();
    let wish = Wish::read(&words)?;
    match wish.member {
        Some(number) => Member::open(&wish, number)?.run(),
        None if wish.members == 1 => Member::open(&wish, 0)?.run(),
        None => start(&wish, &words),
    }
}

impl Wish {
    fn read(words: &[String]) -> anyhow::Result<Self> {
        let mut wish = Self { port: 9100, members: 1, member: None, form: Form::Sse, frame_len: 0 };
        for pair in words.chunks(2) {
            let [name, value] = pair else { bail!(USAGE) };
            match name.as_str() {
                "--port" => wish.port = value.parse().context(USAGE)?,
                "--members" => wish.members = value.parse().context(USAGE)?,
                "--member" => wish.member = Some(value.parse().context(USAGE)?),
                "--frame-len" => wish.frame_len = value.parse().context(USAGE)?,
                "--transport" => wish.form = Form::named(value).context(USAGE)?,
                _ => bail!(USAGE),
            }
        }
        Ok(wish)
    }
}

/// Starts the members, and lets them begin when all of them listen. They end with this process.
fn start(wish: &Wish, words: &[String]) -> anyhow::Result<()> {
    let program = std::env::current_exe()?;
    let mut members = Vec::new();
    for number in 0..wish.members {
        let mut member = Command::new(&program)
            .args(words)
            .args(["--member", &number.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let said = member.stdout.take().context("a member without standard output")?;
        BufReader::new(said).read_line(&mut String::new())?;
        members.push(member);
    }
    // A member ends when its standard input does, which must stay open until then.
    let mut inputs = Vec::new();
    for member in &mut members {
        let mut input = member.stdin.take().context("a member without standard input")?;
        input.write_all(b"go\n")?;
        inputs.push(input);
    }
    eprintln!("floor: {} members on port {}", wish.members, wish.port);
    for mut member in members {
        member.wait()?;
    }
    Ok(())
}

/// As many open files as this process may have.
fn raise_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    // What is not allowed shows when a connection cannot be accepted.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

const USAGE: &str = "floor [--port N] [--members N] [--transport sse|ws|stream|poll] [--frame-len BYTES]
  clients wait at /sub/NAME, messages go to /pub/NAME, where the digits of the name are the channel";
