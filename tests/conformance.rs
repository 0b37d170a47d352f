//! docs/conformance.md, held: every id once, every cited test there, and a reason where there is none.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The sections and how many rows each has, counted from 01.
const SECTIONS: [(&str, usize); 10] = [
    ("BR", 28),
    ("JW", 32),
    ("JK", 14),
    ("BCP", 16),
    ("AT", 17),
    ("PR", 10),
    ("GR", 2),
    ("DI", 11),
    ("FD", 10),
    ("RV", 16),
];

/// What a row without a test begins with.
const EXCUSES: [&str; 2] = ["out of scope: ", "later: "];

struct Row {
    id: String,
    what: String,
    shown_by: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of all tables, headings and rules left out.
fn rows() -> Vec<Row> {
    let page = fs::read_to_string(root().join("docs/conformance.md")).unwrap();
    let tables = page.lines().filter(|line| line.starts_with('|'));
    let rows = tables.filter(|line| !line.starts_with("| id |") && !line.starts_with("|---"));
    rows.map(|line| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
        let [id, what, shown_by] = cells.try_into().unwrap_or_else(|_| panic!("not three cells: {line}"));
        Row { id, what, shown_by }
    })
    .collect()
}

/// The tests that a cell names: file and function.
fn cited(cell: &str) -> Vec<(&str, &str)> {
    cell.split('`').skip(1).step_by(2).filter_map(|code| code.split_once(".rs::")).collect()
}

#[test]
fn every_id_is_there_once_and_in_order() {
    let expected = SECTIONS
        .iter()
        .flat_map(|(name, count)| (1..=*count).map(move |number| format!("{name}-{number:02}")));
    let found: Vec<_> = rows().into_iter().map(|row| row.id).collect();
    assert_eq!(found, expected.collect::<Vec<_>>());
}

#[test]
fn every_cited_test_exists() {
    let mut files = BTreeMap::new();
    for Row { id, shown_by, .. } in rows() {
        for (file, name) in cited(&shown_by) {
            let path = format!("{file}.rs");
            let text = files.entry(path.clone()).or_insert_with_key(|path| {
                fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{id}: {path}: {error}"))
            });
            let (before, _) = text
                .split_once(&format!("fn {name}("))
                .unwrap_or_else(|| panic!("{id}: {path} has no {name}"));
            let attribute = before.rsplit("#[").next().unwrap();
            let is_test = attribute.starts_with("test]") || attribute.starts_with("tokio::test");
            assert!(is_test && !attribute.contains("fn "), "{id}: {path}::{name} is no test");
        }
    }
}

#[test]
fn a_row_without_a_test_has_a_reason() {
    for Row { id, what, shown_by } in rows() {
        assert!(what.ends_with(')') && what.contains('('), "{id} does not say where the rule stands: {what}");
        let excuse = EXCUSES.iter().find_map(|excuse| shown_by.strip_prefix(excuse));
        match excuse {
            Some(reason) => assert!(reason.split_whitespace().count() >= 4, "{id}: {shown_by}"),
            None => assert!(!cited(&shown_by).is_empty(), "{id} has neither a test nor a reason: {shown_by}"),
        }
    }
}

/// `cargo test --test conformance -- --nocapture counts`
#[test]
fn counts() {
    let rows = rows();
    let of = |excuse: &str| rows.iter().filter(|row| row.shown_by.starts_with(excuse)).count();
    let [out, later] = EXCUSES.map(of);
    println!("{} rows: {} tested, {out} out of scope, {later} later", rows.len(), rows.len() - out - later);
    assert!(out + later < rows.len() / 4, "most rows are shown by a test");
}
