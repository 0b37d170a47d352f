// Reads `cargo metadata`: fails if a package in the normal dependency tree states a newer rust-version than ours.
let text = '';
for await (const chunk of process.stdin) text += chunk;
const { packages, resolve } = JSON.parse(text);
const byId = new Map(packages.map((one) => [one.id, one]));
const nodes = new Map(resolve.nodes.map((node) => [node.id, node]));
const root = resolve.root;
const number = (version) => (version ?? '0').split('.').reduce((sum, part) => sum * 1000 + Number(part), 0) *
  1000 ** (3 - (version ?? '0').split('.').length);
const promised = byId.get(root).rust_version;
const seen = new Set();
const queue = [root];
const newer = [];
while (queue.length > 0) {
  const id = queue.pop();
  if (seen.has(id)) continue;
  seen.add(id);
  const { name, version, rust_version: wants } = byId.get(id);
  if (number(wants) > number(promised)) newer.push(`${name} ${version} wants ${wants}`);
  for (const { pkg, dep_kinds: kinds } of nodes.get(id).deps) {
    if (kinds.some(({ kind }) => kind === null || kind === 'build')) queue.push(pkg);
  }
}
console.log(`${seen.size} packages, rust-version ${promised}`);
if (newer.length > 0) {
  console.error(newer.join('\n'));
  process.exit(1);
}
