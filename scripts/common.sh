# Shared by the scripts of this folder; source it from bash.
set -euo pipefail

# One line on stderr, then exit 1.
die() {
  echo "error: $*" >&2
  exit 1
}

# One line on stderr: which part of the work begins.
say() { echo "== $*" >&2; }

# How many compilers to run at once: one a core, but no more than memory carries at 1.2 GiB each.
build_jobs() {
  local cores memory
  cores=$(nproc)
  memory=$(awk '/^MemAvailable:/ { print int($2 / 1258291) }' /proc/meminfo)
  ((memory < 1)) && memory=1
  echo $((cores < memory ? cores : memory))
}

# Seconds since the machine started, with one decimal; differences of it are durations.
now() { awk '{ printf "%.1f", $1 }' /proc/uptime; }

# elapsed START: seconds since START, a value of `now`.
elapsed() { awk -v start="$1" '{ printf "%.1f", $1 - start }' /proc/uptime; }

# configure_and_build PRESET [TARGET...]: CMake's preset, then Ninja; the configuration's chatter is shown when it fails.
configure_and_build() {
  local preset=$1 log
  shift
  log=build/$preset.configure.log
  mkdir -p build
  cmake --preset "$preset" >"$log" 2>&1 || {
    cat "$log" >&2
    die "cmake --preset $preset failed (above); scripts/install-packages installs what the build needs"
  }
  cmake --build --preset "$preset" -j "$(build_jobs)" ${1:+--target "$@"} >&2 ||
    die "the build failed (the first error above says where); run this again to go on from there"
}
