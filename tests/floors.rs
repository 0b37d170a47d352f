//! The house rules of `src/`, held: imports point down one floor order, files stay short, and no `mod.rs`.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Top-level modules by floor. A module may name its own and those on lower floors; modules of one floor may name
/// those that stand before them.
const FLOORS: [&[&str]; 8] = [
    &["binary", "clock", "limits", "json"],
    &["algorithm", "names", "numeric_date", "redact", "scope"],
    &["policy", "rejection"],
    &["keys", "revocation", "issuer"],
    &["request"],
    &["background"],
    &["middleware", "extract", "grpc"],
    &["server"],
];

/// Beside the house: they may name these (`None`: anything), and nothing in the house may name them.
const BESIDE: [(&str, Option<&[&str]>); 3] =
    [("testing", Some(&["algorithm", "clock", "policy", "server"])), ("fuzz", None), ("simulation", None)];

const LONGEST: usize = 300;

/// The two ways meet only in what they both know.
const STRANGERS: [(&str, &str); 2] = [("request", "background"), ("background", "request")];

struct Source {
    path: PathBuf,
    module: String,
    /// Without its tests.
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inside = path.strip_prefix(&root).unwrap();
            let is_test = path.ends_with("tests.rs") || inside.iter().any(|part| part == "tests");
            if is_test || path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let first = inside.components().next().unwrap().as_os_str().to_str().unwrap();
            let module = first.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).unwrap();
            let text = text.split("\n#[cfg(test)]\n").next().unwrap().to_owned();
            found.push(Source { path: inside.to_owned(), module, text });
        }
    }
    assert!(found.len() > 30, "src was not found");
    found
}

/// The top-level modules that a file names by `crate::…`, or by `super::…` from the top of the tree.
fn named(source: &Source) -> Vec<String> {
    let code: String = source
        .text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            // `use crate::{a::X, b::Y}`
            Some(list) => {
                let mut depth = 1;
                let mut start = true;
                for (place, character) in list.char_indices() {
                    match character {
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        _ => {}
                    }
                    if depth == 0 {
                        break;
                    }
                    if start && character.is_alphabetic() {
                        names.push(word(&list[place..]));
                        start = false;
                    }
                    if depth == 1 && character == ',' {
                        start = true;
                    }
                }
            }
            None => names.push(word(rest)),
        }
    }
    names
}

fn heights() -> BTreeMap<&'static str, (usize, usize)> {
    let floor = |(height, modules): (usize, &'static &[&'static str])| {
        modules.iter().enumerate().map(move |(place, module)| (*module, (height, place)))
    };
    FLOORS.iter().enumerate().flat_map(floor).collect()
}

#[test]
fn imports_point_down() {
    let heights = heights();
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| source.module != "lib") {
        for name in named(source) {
            let (from, to) = (source.module.as_str(), name.as_str());
            if from == to {
                continue;
            }
            let allowed = if let Some((_, may_name)) = BESIDE.iter().find(|(module, _)| *module == from) {
                may_name.is_none_or(|modules| modules.contains(&to))
            } else {
                let from =
                    heights.get(from).unwrap_or_else(|| panic!("{from} has no floor: add it to FLOORS"));
                heights.get(to).is_some_and(|to| to < from)
            };
            if !allowed || STRANGERS.contains(&(from, to)) {
                wrong.push(format!("{}: {from} names {to}", source.path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "imports that do not point down:\n{}", wrong.join("\n"));
}

#[test]
fn the_crate_root_declares_the_modules_in_floor_order() {
    let root = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let declared = root.lines().filter_map(|line| {
        let name = line.trim_start_matches("pub ").strip_prefix("mod ")?.strip_suffix(';')?;
        BESIDE.iter().all(|(module, _)| *module != name).then_some(name)
    });
    let heights = heights();
    let floors: Vec<_> = declared.map(|name| heights[name].0).collect();
    assert_eq!(floors.len(), heights.len());
    assert!(floors.is_sorted(), "{floors:?}");
}

#[test]
fn files_stay_short() {
    let long: Vec<_> = sources()
        .iter()
        .map(|source| (source.path.clone(), source.text.lines().count()))
        .filter(|(_, lines)| *lines > LONGEST)
        .collect();
    assert!(long.is_empty(), "over {LONGEST} lines without tests: {long:?}");
}

#[test]
fn folders_stand_beside_their_file() {
    assert!(sources().iter().all(|source| !source.path.ends_with("mod.rs")), "x.rs beside x/, no mod.rs");
}

/// Only the places that are named in clippy.toml's reasons may be excepted from it.
#[test]
fn only_the_clock_asks_the_time_and_only_fetch_opens_connections() {
    for source in sources() {
        if source.text.contains("clippy::disallowed_methods") {
            let path = source.path.to_str().unwrap();
            assert!(["clock.rs", "background/fetch.rs"].contains(&path), "{path} excepts itself");
        }
        if source.text.contains("reqwest::") {
            assert!(source.path.ends_with("background/fetch.rs"), "{} names reqwest", source.path.display());
        }
    }
}

/// Only jsonwebtoken's key types are used, never its judgement (see docs/dependencies.md).
#[test]
fn jsonwebtoken_reads_keys_and_nothing_else() {
    for source in sources() {
        if source.text.contains("jsonwebtoken::") {
            assert!(source.path.ends_with("keys/jwk.rs"), "{} names jsonwebtoken", source.path.display());
        }
    }
}
