#!/usr/bin/env python3
"""Draws docs/img/*.svg and fills the tables of docs/performance.md, and README's line, from benches/figures/*.json.

`benches/run plots` takes over from target/bench what was measured since, and draws. `plots.py --check` writes nothing: it
fails where a page or a picture is not what the figures make. Needs nothing but Python's standard library.
"""

import json
import math
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BENCH = ROOT / "target/bench"
FIGURES = ROOT / "benches/figures"
NAMES = ["hot_path", "issuers", "peers", "wire", "propagation", "revocation"]
IMAGES = ROOT / "docs/img"
ALGORITHMS = ["RS256", "ES256", "EdDSA", "HS256"]

# As in docs/img/propagation.svg.
STYLE = (
    "text{font:12px system-ui,sans-serif;fill:#1f2328}.title{font-size:16px;font-weight:600}.name{font-weight:600}"
    ".small{font-size:11px;fill:#59636e}.bin{fill:#2f6fde}.other{fill:#a9b4c0}.axis{stroke:#818b98;fill:none}"
    ".line{stroke:#2f6fde;fill:none;stroke-width:2}.second{stroke:#c4432b;fill:none;stroke-width:2}.dot{fill:#c4432b}"
    ".grid{stroke:#818b98;stroke-opacity:.25;fill:none}.bar{stroke:#c4432b;stroke-dasharray:4 3;fill:none}"
    "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.small{fill:#9198a1}.bin{fill:#6ea0f5}.other{fill:#57606a}"
    ".line{stroke:#6ea0f5}.second,.bar{stroke:#ff8f73}.dot{fill:#ff8f73}}"
)


def take_over():
    """What the benches have left, without each single delay."""
    FIGURES.mkdir(exist_ok=True)
    for name in NAMES:
        path = BENCH / f"{name}.json"
        if path.exists():
            found = json.loads(path.read_text())
            for run in found.get("runs", []) if name == "propagation" else []:
                del run["delays_ms"]
            (FIGURES / path.name).write_text(json.dumps(found, indent=1) + "\n")


CHECK = sys.argv[1:] == ["--check"]
if not CHECK:
    take_over()
HOT, ISSUERS, PEERS, WIRE, DELAYS, ALONE = (json.loads((FIGURES / f"{name}.json").read_text()) for name in NAMES)
# Of the index alone, by size.
INDEX = {row["entries"]: row for row in ALONE if row.get("row") == "the compact set, with times and ends"}


def get(tree, path):
    """The number at `a.b.c`, or None."""
    for part in path.split("."):
        tree = tree.get(part) if isinstance(tree, dict) else None
    return tree if isinstance(tree, (int, float)) else None


def short(ns):
    """Nanoseconds for people."""
    if ns is None:
        return "not measured"
    if abs(ns) < 1000:
        return f"{ns:.0f} ns"
    return f"{ns / 1000:.1f} µs" if ns < 1e5 else f"{ns / 1000:.0f} µs"


def count(number):
    return f"{number:,}".replace(",", " ")


STRAYED = []


def put(path, text):
    """Writes it; in a check, remembers where it is not what is there."""
    if not CHECK:
        path.write_text(text)
    elif not path.exists() or path.read_text() != text:
        STRAYED.append(str(path.relative_to(ROOT)))


# === Pictures ===


class Picture:
    def __init__(self, title, subtitle, width, height):
        self.width, self.height, self.title = width, height, title
        self.parts = []
        self.text(16, 26, title, "title")
        self.text(16, 44, subtitle, "small")

    def text(self, x, y, words, kind="", anchor="start"):
        words = str(words).replace("&", "&amp;").replace("<", "&lt;")
        self.parts.append(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>')

    def path(self, way, kind):
        self.parts.append(f'<path class="{kind}" d="{way}"/>')

    def box(self, x, y, width, height, kind):
        self.parts.append(f'<rect class="{kind}" x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height:.1f}"/>')

    def dot(self, x, y, kind):
        self.parts.append(f'<circle class="{kind}" cx="{x:.1f}" cy="{y:.1f}" r="4"/>')

    def write(self, name):
        head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" role="img" aria-label="{self.title}">'
        put(IMAGES / f"{name}.svg", "\n".join([head, f"<style>{STYLE}</style>", *self.parts, "</svg>", ""]))


def log_axis(picture, left, top, width, height, low, high, label):
    """Decades from `low` to `high`; returns where a value is."""
    place = lambda value: left + width * math.log10(max(value, low) / low) / math.log10(high / low)
    value = low
    while value <= high * 1.001:
        picture.path(f"M{place(value):.1f} {top}V{top + height}", "grid")
        picture.text(place(value), top + height + 16, label(value), "small", "middle")
        value *= 10
    return place


def linear_axis(picture, left, top, width, height, high, label):
    """Quarters of `high`; returns where a value is."""
    place = lambda value: left + width * value / high
    for quarter in range(5):
        picture.path(f"M{place(high * quarter / 4):.1f} {top}V{top + height}", "grid")
        picture.text(place(high * quarter / 4), top + height + 16, label(high * quarter / 4), "small", "middle")
    return place


def rows_of_bars(name, title, subtitle, rows, low, high, left):
    """One bar a row: (words, value, class), or (words,) for a heading. The axis is logarithmic unless it begins at zero."""
    step, top, width = 20, 64, 520
    picture = Picture(title, subtitle, left + width + 90, top + step * len(rows) + 40)
    height = step * len(rows)
    if low:
        place = log_axis(picture, left, top, width, height, low, high, axis_time)
    else:
        place = linear_axis(picture, left, top, width, height, high, axis_time)
    for at, row in enumerate(rows):
        y = top + step * at
        if len(row) == 1:
            picture.text(16, y + 14, row[0], "name")
            continue
        words, value, kind = row
        picture.text(left - 8, y + 14, words, "", "end")
        if value is not None:
            picture.box(left, y + 3, place(value) - left, step - 6, kind)
            picture.text(place(value) + 5, y + 14, short(value), "small")
    picture.write(name)


def peers_picture():
    sets = [(name, PEERS[name]) for name in ALGORITHMS if name in PEERS]
    if not sets:
        return
    step, left, width, gap = 18, 250, 210, 34
    most = max(len(found["first"]) for _, found in sets)
    panel = step * most + 58
    picture = Picture(
        "One request through each stack, checked",
        f"CPU time, logarithmic. Blue bar: the same token again. Red dot: a token seen for the first time. {on(PEERS)}",
        2 * (left + width + gap) + 40,
        62 + panel * ((len(sets) + 1) // 2),
    )
    for at, (algorithm, found) in enumerate(sets):
        x, y = 16 + (at % 2) * (left + width + gap + 20), 64 + panel * (at // 2)
        picture.text(x, y + 8, f"{algorithm}, a token of {found['token_bytes']} bytes", "name")
        again = {row["name"]: row for row in found["again"]}
        rows = found["first"][1:]
        place = log_axis(picture, x + left, y + 14, width, step * len(rows), 100, 1e6, axis_time)
        for line, row in enumerate(rows):
            down = y + 14 + step * line
            picture.text(x + left - 8, down + 13, label_of(row["name"]), "name" if "tower-bearer" in row["name"] else "", "end")
            kind = "bin" if row["name"].startswith("tower-bearer") else "other"
            picture.box(x + left, down + 4, place(again[row["name"]]["ns"]) - x - left, step - 8, kind)
            picture.dot(place(row["ns"]), down + step / 2, "dot")
    picture.write("peers")


def axis_time(ns):
    if ns == 0:
        return "0"
    return f"{ns:.0f} ns" if ns < 1000 else f"{ns / 1000:g} µs" if ns < 1e6 else f"{ns / 1e6:.0f} ms"


def label_of(name):
    name = name.replace("tower-oauth2-resource-server 0.12, as it comes (rust_crypto)", "tower-oauth2-r.-s. (rust_crypto)")
    name = name.replace("tower-oauth2-resource-server 0.12, aws-lc-rs", "tower-oauth2-resource-server (aws-lc)")
    return name.replace(" (ring; EC by OpenSSL)", "").replace("jsonwebtoken by hand, aws-lc-rs", "jsonwebtoken by hand (aws-lc)")


def latency_picture():
    repeat, refused = HOT.get("repeat", {}), HOT.get("refused", {})
    rows = [("A token that comes again, over the bare service",)]
    for words, key in [("any token", "overhead_ns"), ("a scope asked for", "overhead_with_scope_ns"), ("and a revocation feed", "overhead_with_feed_ns"), ("1 000 tokens in turn", "overhead_1k_ns")]:
        rows.append((words, repeat.get(key), "bin"))
    # Only when much was revoked since, or something that may be about it.
    million = get(HOT, "revocation.lookup_1m_ns.absent")
    rows.append(("besides that, a look-up among 1 000 000", million, "bin"))
    rows.append(("Refused before any cryptography, besides the answer",))
    for key, row in refused.items():
        rows.append((key.replace("_", " ").replace("none", "alg none"), max(row["ns"], 1), "bin"))
    rows.append(("A token seen for the first time, over the bare service",))
    for algorithm in ALGORITHMS:
        rows.append((algorithm, peer(algorithm, "first", "tower-bearer", "over_bare_ns"), "bin"))
    rows_of_bars("latency", "What each way costs", f"CPU time, logarithmic. {on(HOT)}", rows, 10, 1e5, 330)


def scaling_picture():
    rows = [("one token, shared", get(HOT, "repeat.two_thread_hot_scaling")), ("1 000 tokens", get(HOT, "repeat.two_thread_1k_scaling"))]
    left, width, top, step = 150, 440, 64, 26
    picture = Picture("What two threads do, over what one does", f"Requests with a token that comes again. {on(HOT)}", left + width + 60, top + step * len(rows) + 56)
    end = top + step * len(rows)
    place = lambda value: left + width * value / 2.5
    for value in [0, 0.5, 1, 1.5, 2, 2.5]:
        picture.path(f"M{place(value):.1f} {top}V{end}", "grid")
        picture.text(place(value), end + 16, f"{value:g} ×", "small", "middle")
    for at, (words, value) in enumerate(rows):
        picture.text(left - 8, top + step * at + 17, words, "", "end")
        if value is not None:
            picture.box(left, top + step * at + 5, place(value) - left, step - 10, "bin")
            picture.text(place(value) + 5, top + step * at + 17, f"{value:.2f} ×", "small")
    picture.path(f"M{place(1.8):.1f} {top}V{end}", "bar")
    picture.text(place(1.8), end + 34, "dashed: the bar for one token", "small", "middle")
    picture.write("scaling")


def index_picture():
    sizes = get_list("revocation.sizes")
    if not sizes:
        return
    width, height, top, left = 300, 170, 84, 60
    picture = Picture("Revocations in memory", f"By how many there are. {on(HOT)}", 2 * (width + left) + 60, top + height + 60)
    lows, highs = math.log10(sizes[0]["entries"]), math.log10(sizes[-1]["entries"])
    panels = [
        ("look-up, ns", [("absent_ns", "line", "absent"), ("present_ns", "second", "present")]),
        ("bytes an entry", [("bytes_per_entry", "line", "")]),
    ]
    for at, (name, lines) in enumerate(panels):
        x0 = left + at * (width + left + 20)
        top_value = max(row[key] for row in sizes for key, _, _ in lines)
        end = nice(top_value)
        picture.text(x0, top - 14, name, "name")
        for quarter in range(5):
            y = top + height - height * quarter / 4
            picture.path(f"M{x0} {y:.1f}H{x0 + width}", "grid")
            picture.text(x0 - 6, y + 4, f"{end * quarter / 4:g}", "small", "end")
        where = lambda row: x0 + width * (math.log10(row["entries"]) - lows) / (highs - lows or 1)
        for row in sizes:
            picture.text(where(row), top + height + 18, count(row["entries"]), "small", "middle")
        for place, (key, kind, words) in enumerate(lines):
            points = [(where(row), top + height - height * row[key] / end) for row in sizes]
            picture.path("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points), kind)
            if words:
                picture.path(f"M{x0 + 90 + 90 * place} {top - 18}h18", kind)
                picture.text(x0 + 112 + 90 * place, top - 14, words, "small")
    picture.write("index")


def nice(value):
    power = 10 ** math.floor(math.log10(max(value, 1)))
    return next(step * power for step in [1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10] if step * power >= value)


def wire_picture():
    rows, proxy = [], None
    for row in WIRE.get("rows", []):
        if row["proxy"] != proxy:
            proxy = row["proxy"]
            rows.append((proxy,))
        kind = "other" if row["what"] == "without the check" or "gateway" not in proxy else "bin"
        rows.append((row["what"], row["cpu_us"] * 1000, kind))
    if rows:
        rows_of_bars("wire", "A proxied request over the wire", f"CPU time of the proxy's process, RS256. {on(WIRE)}", rows, 0, 1000 * nice(max(row["cpu_us"] for row in WIRE["rows"])), 220)


# === Tables ===


def on(tree):
    machine = tree.get("machine") or {}
    return f"{machine.get('cores', '?')} cores, {machine.get('processor', 'an unknown processor')}"


def get_list(path):
    tree = HOT
    for part in path.split("."):
        tree = tree.get(part, {}) if isinstance(tree, dict) else {}
    return tree if isinstance(tree, list) else []


def peer(algorithm, sight, name, key):
    rows = PEERS.get(algorithm, {}).get(sight, [])
    return next((row[key] for row in rows if row["name"] == name), None)


def table(head, rows):
    sides = "|".join("---" if at == 0 or name.startswith("<") else "--:" for at, name in enumerate(head))
    lines = [f"| {' | '.join(head).replace('<', '')} |", f"|{sides}|"]
    return "\n".join(lines + [f"| {' | '.join(map(str, row))} |" for row in rows])


def bars():
    with_feed, with_scope = get(HOT, "repeat.overhead_with_feed_ns"), get(HOT, "repeat.overhead_with_scope_ns")
    unchanged = with_feed - with_scope if None not in (with_feed, with_scope) else None
    long_poll = next((run["p99_ms"] for run in DELAYS.get("runs", []) if run["name"] == "long poll"), None)
    of = lambda path: get(HOT, path)
    rows = [
        ("a repeated token, over the bare service", of("repeat.overhead_ns"), "≤", 120, "ns"),
        ("… allocations more", of("repeat.allocs"), "≤", 3, ""),
        ("… two threads with one token, over one", of("repeat.two_thread_hot_scaling"), "≥", 1.8, "×"),
        ("first sight RS256, over the signature alone", of("first.RS256.ratio_to_floor"), "≤", 1.06, "×"),
        ("first sight ES256, over the signature alone", of("first.ES256.ratio_to_floor"), "≤", 1.03, "×"),
        ("first sight EdDSA, over the signature alone", of("first.EdDSA.ratio_to_floor"), "≤", 1.04, "×"),
        ("first sight HS256, over jsonwebtoken by hand", of("first.HS256.ratio_to_hand_written"), "≤", 0.25, "×"),
        *((f"refused: {key.replace('_', ' ')}", of(f"refused.{key}.ns"), "≤", bar, "ns") for key, bar in [
            ("unknown_issuer", 400), ("unknown_kid", 400), ("unknown_alg", 400),
            ("malformed_word", 100), ("malformed_1kb", 100), ("malformed_signature", 100),
        ]),
        ("a revocation feed on a repeated token, nothing new", unchanged, "≤", 5, "ns"),
        ("… when something was revoked since, few entries: 20 000 tokens in turn", of("revocation.changed_ns"), "≤", 60, "ns"),
        ("… the same, the verdict at hand", of("revocation.changed_at_hand_ns"), "≤", 60, "ns"),
        *((f"look-up among {count(size)}, absent: the index alone", INDEX.get(size, {}).get("absent_ns"), "≤", bar, "ns")
          for size, bar in [(1_000_000, 150), (10_000_000, 250)]),
        ("look-up among 1 000 000, absent: all that a request does for it, 20 000 tokens in turn", of("revocation.lookup_1m_ns.absent"), "≤", 150, "ns"),
        ("look-up among 10 000 000, absent: the same", of("revocation.lookup_10m_ns.absent"), "≤", 250, "ns"),
        ("look-up among 1 000 000, absent: all that a request does for it, the verdict at hand", of("revocation.lookup_at_hand_1m_ns"), "≤", 150, "ns"),
        ("look-up among 10 000 000, absent: the same", of("revocation.lookup_at_hand_10m_ns"), "≤", 250, "ns"),
        ("bytes of a revocation, in bulk", of("revocation.bytes_per_entry"), "≤", 12, "bytes"),
        ("1 000 000 loaded from disk", of("revocation.load_1m_ms"), "≤", 150, "ms"),
        ("a cached verdict, over its token's bytes", of("repeat.bytes_per_token_byte"), "≤", 1.4, "×"),
        ("revoked to refused, p99, long poll", long_poll, "≤", 25, "ms"),
    ]
    shown = []
    for what, value, sign, bar, unit in rows:
        if value is None:
            shown.append((what, f"{sign} {bar:g} {unit}", "not measured", ""))
            continue
        # By what is shown, so that nobody sees 0.250 miss 0.25.
        places = 3 if unit == "×" else 1
        value = round(value, places)
        reached = value <= bar if sign == "≤" else value >= bar
        shown.append((what, f"{sign} {bar:g} {unit}", f"{value:.{places}f} {unit}", "reached" if reached else "**missed**"))
    return table(["what", "bar", "measured", "<"], shown)


def peers_tables():
    parts = []
    for algorithm in ALGORITHMS:
        found = PEERS.get(algorithm)
        if not found:
            continue
        again = {row["name"]: row for row in found["again"]}
        rows = [
            (row["name"], short(row["ns"]), f"{row['ratio_to_by_hand']:.2f} ×", short(again[row["name"]]["ns"]),
             f"{again[row['name']]['ratio_to_by_hand']:.3f} ×", f"{row['allocs']:.0f} / {again[row['name']]['allocs']:.0f}")
            for row in found["first"]
        ]
        head = ["stack", "first sight", "of by hand", "again", "of by hand", "allocations"]
        parts.append(f"**{algorithm}**, {found['token_bytes']} bytes\n\n{table(head, rows)}")
        if found["left_out"]:
            parts.append("Left out: " + "; ".join(f"{row['name']} {row['why']}" for row in found["left_out"]) + ".")
    return "\n\n".join(parts)


def first_table():
    rows = [
        (name, f"{row['ratio_to_floor']:.3f} ×", short(row["overhead_ns"]), f"{row['ratio_to_hand_written']:.3f} ×", f"{row['allocs']:.0f}")
        for name, row in sorted(HOT.get("first", {}).items(), key=lambda one: [*ALGORITHMS, "PS256"].index(one[0]))
    ]
    return table(["first sight", "over the signature alone", "more than it", "of jsonwebtoken by hand", "allocations"], rows)


def index_table():
    rows = []
    for row in get_list("revocation.sizes"):
        alone = INDEX.get(row["entries"])
        alone = f"{alone['absent_ns']:.0f} / {alone['present_ns']:.0f} ns" if alone else "not measured"
        # Of figures that were made before there were such, none.
        pair = lambda one, other: f"{row[one]:.0f} / {row[other]:.0f} ns" if other in row else "not measured"
        rows.append((
            count(row["entries"]), pair("after_news_ns", "after_news_at_hand_ns"), pair("absent_ns", "absent_at_hand_ns"), f"{row['present_ns']:.0f} ns", alone, f"{row['bytes_per_entry']:.2f}",
            f"{row['load_ms']:.0f} ms", f"{row['load_cpu_ms']:.0f} ms",
        ))
    head = ["revocations", "after one more, in turn / at hand", "looked up, absent, in turn / at hand", "present, in turn", "the index alone, absent / present", "bytes an entry", "loaded from disk", "of CPU"]
    return table(head, rows)


def wire_table():
    rows = [
        (row["proxy"], row["what"], f"{row['cpu_us']:.1f} µs", f"{row['added_cpu_us']:.1f} µs", f"{row['per_second']:.0f}", f"{row['p99_us'] / 1000:.1f} ms")
        for row in WIRE.get("rows", [])
    ]
    text = table(["proxy", "<requests", "CPU a request", "of it the check", "requests a second", "p99"], rows)
    text += f"\n\nThe upstream alone answers {WIRE['upstream_alone_per_second']:.0f} a second."
    left_out = "; ".join(f"{row['name']} {row['why']}" for row in WIRE["left_out"])
    return text + (f" Left out: {left_out}." if left_out else "")


def issuers_table():
    rows = [(name, f"{row['same_token_ratio']:.3f} ×", f"{row['tokens_in_turn_ratio']:.3f} ×") for name, row in ISSUERS.items() if name != "machine"]
    return table(["1 000 issuers over one, first sight", "one token", "1 000 tokens in turn"], rows)


def machines():
    rows = []
    for name, tree in [("hot_path", HOT), ("issuers", ISSUERS), ("peers", PEERS), ("wire", WIRE)]:
        machine = tree.get("machine")
        if machine:
            rows.append((name, machine["processor"], machine["cores"], f"{machine['memory_gib']:.0f} GiB", machine["kernel"], machine["rustc"], machine["load_average"]))
    return table(["figures", "<processor", "cores", "memory", "<kernel", "<compiler", "load average at the time"], rows)


def readme_line():
    again, hand = peer("RS256", "again", "tower-bearer", "ns"), peer("RS256", "again", "jsonwebtoken by hand, aws-lc-rs", "ns")
    over, first = get(HOT, "repeat.overhead_ns"), get(HOT, "first.RS256.ratio_to_floor")
    if None in (again, hand, over, first):
        return None
    return (
        f"A request with a token that was seen before costs {short(over)} more than one without any check. RS256, whole request: "
        f"{short(again)}, where jsonwebtoken by hand takes {short(hand)}; a new token costs {first:.2f} times its bare signature "
        "([all figures](docs/performance.md))."
    )


def fill(path, texts):
    text = path.read_text()
    for name, words in texts.items():
        pattern = re.compile(rf"(<!-- begin {name} -->\n).*?(<!-- end {name} -->)", re.S)
        if not pattern.search(text):
            raise SystemExit(f"{path.name} has no place for {name}")
        if words is not None:
            text = pattern.sub(lambda found: f"{found[1]}{words}\n{found[2]}", text)
    put(path, text)


def main():
    for draw in [peers_picture, latency_picture, scaling_picture, index_picture, wire_picture]:
        draw()
    tables = {
        "bars": bars, "first": first_table, "index": index_table, "issuers": issuers_table, "machines": machines,
        "peers": peers_tables, "wire": wire_table,
    }
    fill(ROOT / "docs/performance.md", {name: make() for name, make in tables.items()})
    fill(ROOT / "README.md", {"latency": readme_line()})
    if STRAYED:
        sys.exit(f"not what benches/figures make: {', '.join(STRAYED)}: run benches/run plots, and change nothing by hand")


if __name__ == "__main__":
    main()
