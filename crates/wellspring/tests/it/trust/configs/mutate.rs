//! Configs as nobody should write them, and some people do: made of good ones, the same at each run.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::trust::dice::Dice;

/// The config as it is documented, block by block, and every source that ships or stands among the examples.
pub(super) fn good() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut texts: Vec<String> = fs::read_to_string(root.join("docs/config.md"))
        .unwrap()
        .split("```toml\n")
        .skip(1)
        .map(|block| block.split("```").next().unwrap().to_owned())
        .collect();
    for folder in ["sources", "examples", "examples/cinemas", "examples/meetings", "examples/rendered"] {
        let mut files: Vec<_> = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
        files.sort();
        texts.extend(files.iter().map(|path| fs::read_to_string(path).unwrap()));
    }
    texts
}

const VALUES: [&str; 44] = [
    "1e999",
    "-1",
    "0",
    "99999999999999999999999999",
    "9223372036854775807",
    "-9223372036854775808",
    "nan",
    "inf",
    "0x7fffffffffffffff",
    "1.5",
    "true",
    "\"\"",
    "\"",
    "'",
    "'''",
    "\"\"\"",
    "[",
    "[]",
    "[[]]",
    "{",
    "{}",
    "{ a = 1, a = 2 }",
    "\"0s\"",
    "\"-1s\"",
    "\"6x\"",
    "\"1h1h\"",
    "\"99999999999999999999d\"",
    "\"1d 2h\"",
    "\"8 PiB\"",
    "\"${NOBODY}\"",
    "\"${\"",
    "\"${}\"",
    "\"$\"",
    "\"\\u0000\"",
    "\"\\u001b[31m\"",
    "\"\\ud800\"",
    "\"\\n\\nerror: forged\"",
    "1979-05-27",
    "\"\u{202e}evil\"",
    "\"http://[::1\"",
    "\"//\"",
    "\"((((((((((\"",
    "\"*{\"",
    "# gone",
];
const HEADS: [&str; 14] = [
    "[server]",
    "[source]",
    "[[source]]",
    "[source.cinema]",
    "[source.\"\"]",
    "[source.\"a b\"]",
    "[[server]]",
    "[",
    "[]",
    "[server.listen]",
    "[notify]",
    "[fetch",
    "[a.b.c.d.e.f.g.h]",
    "[source.stream]",
];

/// A text with one to three things done to it.
pub(super) fn mutated(good: &[String], dice: &mut Dice) -> Vec<u8> {
    let mut text = dice.pick(good).clone().into_bytes();
    if dice.below(8) == 0 {
        text.extend(dice.pick(good).bytes());
    }
    for _ in 0..=dice.below(3) {
        text = mutate(text, dice);
    }
    text
}

fn mutate(mut text: Vec<u8>, dice: &mut Dice) -> Vec<u8> {
    let at = dice.below(text.len() + 1);
    match dice.below(18) {
        0 if at < text.len() => text[at] ^= 1 << dice.below(8),
        1 => text.insert(at, u8::try_from(dice.below(256)).unwrap()),
        2 => text.insert(at, *dice.pick(b"\0\x01\x08\x0b\x1b\x7f\r\t\"'[]{}=#.,\\$")),
        3 => drop(text.drain(at..(at + dice.below(40)).min(text.len()))),
        4 => text.truncate(at),
        5 => drop(text.splice(at..at, (0..dice.below(200)).map(|_| u8::try_from(dice.below(256)).unwrap()).collect::<Vec<_>>())),
        6 => drop(text.splice(at..at, "é\u{202e}\u{2028}😀".bytes())),
        7 => drop(text.splice(0..0, *dice.pick(&[*b"\xef\xbb\xbf", *b"\xff\xfe\0", *b"\r\r\r"]))),
        8 => text = text.iter().flat_map(|byte| if *byte == b'\n' { vec![b'\r', b'\n'] } else { vec![*byte] }).collect(),
        9 => drop(text.splice(at..at, std::iter::repeat_n(*dice.pick(b"[{(x\"."), 20_000))),
        _ => return by_line(&text, dice),
    }
    text
}

fn by_line(text: &[u8], dice: &mut Dice) -> Vec<u8> {
    let text = String::from_utf8_lossy(text).into_owned();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.is_empty() {
        return b"=".to_vec();
    }
    let at = dice.below(lines.len());
    let (key, value) =
        lines[at].split_once('=').map_or((lines[at].clone(), String::new()), |(key, value)| (key.to_owned(), value.to_owned()));
    match dice.below(11) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(at, lines[dice.below(lines.len())].clone()),
        2 => {
            let other = dice.below(lines.len());
            lines.swap(at, other);
        }
        3 => (*dice.pick(&HEADS)).clone_into(&mut lines[at]),
        4 => lines.insert(at, (*dice.pick(&HEADS)).to_owned()),
        5 => {
            let word = *dice.pick(&["x", "", "\"\\u001b[2J\"", "ütf", "stream", "url", "listen", "a.b.c", "\"a\\nb\"", "true"]);
            lines[at] = format!("{word} ={value}");
        }
        6 => lines[at] = format!("{} ={value}", "k".repeat(100_000)),
        7 => lines[at] = format!("{key}= \"{}\"", "v".repeat(100_000)),
        _ => lines[at] = format!("{key}= {}", dice.pick(&VALUES)),
    }
    lines.join("\n").into_bytes()
}

/// What may lie in `sources/` besides files of sources: where it is no text, and what else may be said of it.
pub(super) fn odd_file(folder: &Path, dice: &mut Dice) {
    fs::create_dir_all(folder).unwrap();
    let path = folder.join("odd.toml");
    match dice.below(9) {
        0 => symlink("odd.toml", &path).unwrap(),
        1 => symlink("nowhere.toml", &path).unwrap(),
        2 => symlink("..", &path).unwrap(),
        3 => symlink("/dev/zero", &path).unwrap(),
        4 => mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap(),
        5 => drop(std::os::unix::net::UnixListener::bind(&path).unwrap()),
        6 => fs::create_dir(&path).unwrap(),
        7 => {
            fs::write(&path, "[source.a]\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
        }
        _ => fs::File::create(&path).unwrap().set_len(1 << 32).unwrap(),
    }
}
