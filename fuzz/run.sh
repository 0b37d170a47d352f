#!/usr/bin/env bash
# Fuzzes every target, or the ones named after the number of executions: run.sh [executions] [target…]
# Needs cargo-fuzz (cargo install cargo-fuzz --locked) and a C++ compiler; any toolchain will do.
set -euo pipefail
cd "$(dirname "$0")/.."

# Coverage instrumentation is not stable.
export RUSTC_BOOTSTRAP=1

executions=${1:-1000000}
shift || true
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || targets=(
  token token_signed key_set pem metadata feed_page json list signed_page image journal
  auth0_log auth0_events auth0_listing auth0_date
)

max_len() {
  case $1 in
    token) echo 16500 ;;
    feed_page | image | journal | auth0_log) echo 4096 ;;
    auth0_date) echo 64 ;;
    json) echo 1024 ;;
    *) echo 2048 ;;
  esac
}

cargo fuzz build --sanitizer none

failed=0
for target in "${targets[@]}"; do
  corpus=fuzz/corpus/$target
  artifacts=fuzz/artifacts/$target
  log=fuzz/artifacts/$target.log
  mkdir -p "$corpus" "$artifacts"
  cp "fuzz/corpus-seed/$target"/* "$corpus/"
  code=0
  cargo fuzz run --sanitizer none "$target" "$corpus" -- \
    -runs="$executions" -seed=1 -max_len="$(max_len "$target")" -timeout=5 -rss_limit_mb=2048 \
    -dict="fuzz/dict/$target.dict" -artifact_prefix="$artifacts/" -print_final_stats=1 \
    >"$log" 2>&1 || code=$?
  stat() { sed -n "s/^stat::$1: *//p" "$log" | tail -1; }
  # The last status line: #N DONE cov: C ft: F corp: N/B …
  last=$(grep -E '^#[0-9]+' "$log" | tail -1 || true)
  part() { sed -n "s/.* $1: \([^ ]*\).*/\1/p" <<<"$last"; }
  verdict=ok
  if [ "$code" -ne 0 ]; then
    verdict="FAILED, see $log and $artifacts/"
    failed=1
  fi
  printf '%-13s %9s executions %7s exec/s  coverage %6s  corpus %12s  slowest %ss  %s\n' "$target" \
    "$(stat number_of_executed_units)" "$(stat average_exec_per_sec)" "$(part cov)" "$(part corp)" \
    "$(stat slowest_unit_time_sec)" "$verdict"
done
exit "$failed"
