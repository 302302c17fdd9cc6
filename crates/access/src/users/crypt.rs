//! Hashes of passwords as `htpasswd` and `crypt(3)` write them: DES, MD5 (with either mark), SHA-1, SHA-256 and SHA-512
//! crypt, bcrypt. They are only compared with, never made.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use sha_crypt::{Params, sha256_crypt, sha512_crypt};

use super::des;

/// Whether a hash is of this password. What is of no kind known, plain text above all, is of none.
pub(super) fn matches(password: &[u8], hash: &str) -> bool {
    let Some(made) = made_alike(password, hash) else {
        return hash.starts_with("$2") && bcrypt::verify(password, hash).unwrap_or(false);
    };
    verify_slices_are_equal(made.as_bytes(), hash.as_bytes()).is_ok()
}

/// The hash of this password of the same kind and with the same salt. `None`: bcrypt, or no kind known.
fn made_alike(password: &[u8], hash: &str) -> Option<String> {
    if hash.starts_with(SHA1) {
        return Some(format!("{SHA1}{}", STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, password))));
    }
    for mark in ["$1$", "$apr1$"] {
        if let Some(rest) = hash.strip_prefix(mark) {
            return Some(md5_crypt(password, mark, cut(rest.split('$').next()?, 8)));
        }
    }
    for mark in ["$5$", "$6$"] {
        if let Some(rest) = hash.strip_prefix(mark) {
            return sha_crypt(password, mark, rest);
        }
    }
    // Of DES only 13 characters of a certain kind are a hash: a word in plain text must not pass for one.
    let is_des = hash.len() == 13 && hash.bytes().all(|byte| DIGITS.contains(&byte));
    is_des.then(|| des::crypt(password, hash))
}

/// The beginning of a salt, as far as it counts.
fn cut(salt: &str, len_max: usize) -> &[u8] {
    &salt.as_bytes()[..salt.len().min(len_max)]
}

/// MD5 crypt: a thousand rounds of MD5.
fn md5_crypt(password: &[u8], mark: &str, salt: &[u8]) -> String {
    let md5 = |parts: &[&[u8]]| {
        let mut md5 = Md5::new();
        parts.iter().for_each(|part| md5.update(part));
        <[u8; 16]>::from(md5.finalize())
    };
    let mut first = [password, mark.as_bytes(), salt].concat();
    let inner = md5(&[password, salt, password]);
    first.extend(inner.iter().cycle().take(password.len()));
    let mut bits = password.len();
    while bits > 0 {
        first.push(if bits & 1 == 1 { 0 } else { password[0] });
        bits >>= 1;
    }
    let mut sum = md5(&[&first]);
    for round in 0..1_000 {
        let (odd, third, seventh) = (round % 2 == 1, round % 3 != 0, round % 7 != 0);
        let pick = |password_first: bool, sum: &[u8; 16]| {
            if password_first { password.to_vec() } else { sum.to_vec() }
        };
        let parts: [&[u8]; 4] = [
            &pick(odd, &sum),
            if third { salt } else { &[] },
            if seventh { password } else { &[] },
            &pick(!odd, &sum),
        ];
        sum = md5(&parts);
    }
    let mut out = format!("{mark}{}$", String::from_utf8_lossy(salt));
    for [a, b, c] in [[0, 6, 12], [1, 7, 13], [2, 8, 14], [3, 9, 15], [4, 10, 5]] {
        group(&sum, [a, b, c], 4, &mut out);
    }
    digits(u32::from(sum[11]), 2, &mut out);
    out
}

/// SHA-256 or SHA-512 crypt (Drepper, "Unix crypt using SHA-256 and SHA-512").
fn sha_crypt(password: &[u8], mark: &str, rest: &str) -> Option<String> {
    let (said, rest) = match rest.strip_prefix("rounds=") {
        Some(rest) => rest.split_once('$').map(|(rounds, rest)| (Some(rounds), rest))?,
        None => (None, rest),
    };
    let rounds = said.map_or(Some(Params::RECOMMENDED_ROUNDS), |rounds| rounds.parse().ok())?;
    let rounds = rounds.clamp(Params::ROUNDS_MIN, Params::ROUNDS_MAX);
    let salt = cut(rest.split('$').next()?, 16);
    let said = said.map(|_| format!("rounds={rounds}$")).unwrap_or_default();
    let mut out = format!("{mark}{said}{}$", String::from_utf8_lossy(salt));
    let params = Params::new(rounds).ok()?;
    if mark == "$5$" {
        let sum = sha256_crypt(password, salt, params);
        let mut at = [0, 10, 20];
        for _ in 0..10 {
            group(&sum, at, 4, &mut out);
            at = [at[2] + 1, at[0] + 1, at[1] + 1];
        }
        digits(u32::from(sum[31]) << 8 | u32::from(sum[30]), 3, &mut out);
    } else {
        let sum = sha512_crypt(password, salt, params);
        let mut at = [0, 21, 42];
        for _ in 0..21 {
            group(&sum, at, 4, &mut out);
            at = [at[1] + 1, at[2] + 1, at[0] + 1];
        }
        digits(u32::from(sum[63]), 2, &mut out);
    }
    Some(out)
}

/// Three bytes of a sum as digits.
fn group(sum: &[u8], [a, b, c]: [usize; 3], count: usize, out: &mut String) {
    digits(u32::from(sum[a]) << 16 | u32::from(sum[b]) << 8 | u32::from(sum[c]), count, out);
}

/// Six bits a digit, the lowest first.
fn digits(mut group: u32, count: usize, out: &mut String) {
    for _ in 0..count {
        out.push(char::from(DIGITS[(group & 0x3f) as usize]));
        group >>= 6;
    }
}

const SHA1: &str = "{SHA}";
pub(super) const DIGITS: &[u8; 64] = b"./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_checked_by_the_kind_of_its_hash() {
        for hash in HASHES {
            assert!(matches(b"secret", hash), "{hash}");
            assert!(!matches(b"Secret", hash) && !matches(b"", hash), "{hash}");
        }
        for none in NONE {
            assert!(!matches(b"secret", none), "{none}");
        }
    }

    #[test]
    fn hashes_are_those_of_the_system() {
        for (password, hash) in OF_THE_SYSTEM {
            assert!(matches(password.as_bytes(), hash), "{password} {hash}");
            let last = if hash.ends_with('.') { "/" } else { "." };
            let other = format!("{}{last}", &hash[..hash.len() - 1]);
            assert!(!matches(password.as_bytes(), &other), "{password} {other}");
        }
    }

    /// Made by `openssl passwd` and `htpasswd`.
    const HASHES: &[&str] = &[
        "$1$ab.cdefg$Qq8Y4Uyxe4nsSWS.Eu2CX1",
        "$apr1$ab.cdefg$PuynMcFwhQ2GxrPIYrgG31",
        "$5$ab.cdefg$aCTJvPHBvcOG8BCx2R7Y1F69GvuKODCLRcJVpykM8F9",
        "$6$ab.cdefg$mNG1.qfDPfo74L8peummaIfMcj0H/NVEpr2ENP/U3Gwz2B868QhfSAwL168sebgIQgys9rM1RWLTFdnhR7uHr/",
        "abNANd1rDfiNc",
        "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
        "$2y$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
    ];

    const NONE: &[&str] = &[
        "secret",
        "",
        "{SHA}secret",
        "$apr1$",
        "$9$x$y",
        "*",
        "secretsecret1",
        "$1$",
        "$5$",
        "$6$rounds=5000",
        "$6$rounds=x$ab$y",
        "$5$rounds=99999999999$ab$y",
        "$2$",
        "$2y$04$x",
    ];

    /// Made by the C library (libxcrypt): short and long passwords, other letters, a salt that is cut off, rounds.
    #[rustfmt::skip]
    const OF_THE_SYSTEM: &[(&str, &str)] = &[
        ("", "..X8NBuQ4l6uQ"),
        ("", "$1$..$RMhJGjCbDXdNy0WaORNmZ0"),
        ("", "$5$rounds=1234$..$fT91o9wLaJg65H6Nd0Ep0rQYr6EGjdHEKAXWOyAHEtB"),
        ("", "$6$..0123456789abcd$N9d5NdZSSzkOZGJTiv39ffhoon2LCF6occyOJqsPnTQFW29qWpPAlKdh7B52Sw6JbaDaYBHQbEMcEJsi9AtyC0"),
        ("12345678", "zzRtj6pNdfpLE"),
        ("12345678", "$1$zz$FF7Ie3y3m0btL7hP8Ii8p1"),
        ("12345678", "$5$rounds=1234$zz$FKv9.3b6VLtYpoK8WLBIyV5O5xA5sHhpf9.v6aRDgTC"),
        ("12345678", "$6$zz0123456789abcd$B7TQfEdszzUCp/h3yvTmKW3SRNksc6CGCksQSjAIh8orjVnRGzohM/g/7XQLi5NUtJhiVuDqihki3/ti2R3Vv0"),
        ("123456789", "zzRtj6pNdfpLE"),
        ("123456789", "$1$zz$CCMWEgI8tfmaKaAYP/sDs1"),
        ("123456789", "$5$rounds=1234$zz$O4WiyTN6PRvgNLa2Czspdcft.LHyes1MPZ5jF5km4d3"),
        ("123456789", "$6$zz0123456789abcd$EpRkktGT17gOUxIwUmnw/AmPJYhGopM7.GcMQZyBSgXNzltLn8sOELlvf3XskV/EU9YOfZLnflSQrzXNpqq1y/"),
        ("päss", "/9IEFfvbG87PY"),
        ("päss", "$1$/9$wXW/TF15oPJfZkNXNVqEv."),
        ("päss", "$5$rounds=1234$/9$rmH04MJqHHYOWJ95B/X37871zBMPYpSL10Zs5PDGri."),
        ("päss", "$6$/90123456789abcd$0shpSqz7gr.Hbp7MOaMORf2bdZuUHBgmsyeph6tMsEuEwAPHFIQJ3hSUqUhnDP4vzM2TBPkj4.ik5bMq3xXIH/"),
        ("longer than eight", "q.umUDtBn8/VA"),
        ("longer than eight", "$1$q.$C6luJygF/k4fKtqgv2zPm."),
        ("longer than eight", "$5$rounds=1234$q.$suh8sQWl5wueGrpZgkmOD.nkgfLMWnHTtgZTYjUmN45"),
        ("longer than eight", "$6$q.0123456789abcd$7sd0jxMS07IephLH/hCeCtQ8mssktwAT18afBMiIZr5KC8XVq/V7shgI6o9VwRG1IEpbXglLF20YF.9KwfUvT1"),
        ("Ωμέγα", "xY94hkAMMgCc."),
        ("Ωμέγα", "$1$xY$ytz0NHH1yu3euVb.i7S9N0"),
        ("Ωμέγα", "$5$rounds=1234$xY$bx4CpO1C4MM3t2ydNOMHarAwHPZnEG5OglN1fYTzo50"),
        ("Ωμέγα", "$6$xY0123456789abcd$EtVKSYYCfcGeg.e//LDFis.8Y9FiE/VlL8h.sYnLlsH2IzMiMNA687Ct08RvINiLeTc.hJjChJXdEQFkPVZWY0"),
        ("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "ZzA62YzmFlE.Q"),
        ("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "$1$Zz$1ukhkkA658EBTyinH3LTR1"),
        ("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "$5$rounds=1234$Zz$mKfRcuyTgRq2oJkoSVMtb7AhIiKNkBLN/K4ajpWVkcA"),
        ("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "$6$Zz0123456789abcd$F6RWlTz0E69qr4Bp0UM/L62cfCqml4TWDFutlLhrijpKaWwW3HpHMLnhbj/BOSf77hhdgTPvOhjUB76TU2XDe/"),
    ];
}
