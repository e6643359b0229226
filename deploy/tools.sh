#!/usr/bin/env bash
# Make sure that the tools which checks and tests need are installed, from Debian's packages where they are missing.
#
#   deploy/tools.sh TOOL...
#
# TOOL is one of: promtool, prometheus, chromium, node. Nothing is started, and no service stays behind. Where packages
# cannot or may not be installed, it says what to install.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() {
  printf 'tools: %s\n' "$*" >&2
}

fail() {
  say "$@"
  exit 1
}

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
}

# shellcheck source=deploy/apt.sh
. "$here/apt.sh"

# Usage: need "PROGRAM..." "PACKAGE..."
need() {
  local program
  local -a programs packages
  read -ra programs <<<"$1"
  read -ra packages <<<"$2"
  for program in "${programs[@]}"; do
    if ! command -v "$program" >/dev/null; then
      install_packages "install it yourself (Debian and Ubuntu: apt-get install $2)" "${packages[@]}"
      break
    fi
  done
  for program in "${programs[@]}"; do
    command -v "$program" >/dev/null || fail "$2 is installed, but $program is not on the PATH"
  done
}

ensure() {
  case $1 in
    promtool | prometheus)
      command -v prometheus >/dev/null && command -v promtool >/dev/null && return
      need "prometheus promtool" prometheus
      disable_service prometheus
      ;;
    chromium) need "chromium chromedriver" "chromium chromium-driver" ;;
    node)
      # Where Node.js comes from elsewhere it brings its own npm, and Debian's would not go beside it.
      if command -v node >/dev/null; then need npm npm; else need "node npm" "nodejs npm"; fi
      ;;
    *)
      usage >&2
      exit 2
      ;;
  esac
}

case ${1:-} in
  -h | --help | help) usage ;;
  "")
    usage >&2
    exit 2
    ;;
  *) for tool in "$@"; do ensure "$tool"; done ;;
esac
