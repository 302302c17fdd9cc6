//! Makes what is embedded: each page one file with its styles and scripts inside, the same compressed, its tag,
//! and the policy that allows exactly those styles and scripts.
//!
//! A page in `pages/` names its parts by `<link rel="stylesheet" href="x.css">` and
//! `<script type="module" src="x.js"></script>`, each on a line of its own, so that it also opens as a file.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD, Engine};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where the crate is"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo says where to write"));
    let (pages, client) = (root.join("pages"), root.join(CLIENT));
    for path in [&pages, &client] {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    embed(&out, "multiplexor.js", &read(&client), "");
    for name in PAGES {
        let (page, policy) = put_together(&pages, &read(&pages.join(name)));
        embed(&out, name, &page, &policy);
    }
}

/// Writes the four files that `src/lib.rs` includes for a name.
fn embed(out: &Path, name: &str, text: &str, policy: &str) {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(text.as_bytes()).expect("a vector takes everything");
    let gzip = gzip.finish().expect("a vector takes everything");
    let tag = &BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(text))[..TAG_LEN];
    // Weak: the same tag stands for the text and for its compressed form.
    let tag = format!("W/\"{tag}\"");
    let files =
        [("", text.as_bytes()), (".gz", &gzip), (".tag", tag.as_bytes()), (".policy", policy.as_bytes())];
    for (end, bytes) in files {
        let path = out.join(format!("{name}{end}"));
        fs::write(&path, bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
}

/// A page with its parts in place, and what its policy says of them.
fn put_together(pages: &Path, source: &str) -> (String, String) {
    let (mut page, mut styles, mut scripts) = (String::new(), String::new(), String::new());
    for line in source.lines() {
        let part = |before: &str, after: &str| {
            let name = line.trim().strip_prefix(before)?.strip_suffix(after)?;
            // A path is an address, which the browser asks for.
            (!name.contains('/')).then(|| format!("\n{}", read(&pages.join(name))))
        };
        if let Some(style) = part("<link rel=\"stylesheet\" href=\"", "\">") {
            styles += &allowed(&style);
            page += &format!("<style>{style}</style>\n");
        } else if let Some(script) = part("<script type=\"module\" src=\"", "\"></script>") {
            scripts += &allowed(&script);
            page += &format!("<script type=\"module\">{script}</script>\n");
        } else {
            page += line;
            page.push('\n');
        }
    }
    (page, format!("style-src{styles}; script-src 'self'{scripts}"))
}

/// How a policy names a text that stands in the page.
fn allowed(text: &str) -> String {
    format!(" 'sha256-{}'", BASE64_STANDARD.encode(Sha256::digest(text)))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The plain script that `make client` builds from `clients/js`.
const CLIENT: &str = "../clients/js/dist/multiplexor.js";
const PAGES: &[&str] = &["front.html", "in.html", "sign_in.html", "demo.html"];
/// 96 bits of the digest.
const TAG_LEN: usize = 16;
