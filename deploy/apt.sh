# shellcheck shell=bash
# How the scripts beside this file install Debian packages; to be sourced. Expects `say` and `fail`.

as_root() {
  if [[ $(id -u) -eq 0 ]]; then "$@"; else sudo -n "$@"; fi
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq \
    --no-install-recommends "$@" >&2
}

# Debian starts a service as soon as it is installed, unless this policy says no. A policy that is there already stays.
with_services_held() {
  local policy=/usr/sbin/policy-rc.d status=0
  if [[ -e $policy ]]; then
    "$@"
    return
  fi
  # shellcheck disable=SC2016  # expanded by the policy itself
  printf '%s\n' '#!/bin/sh' '# Made by beeline for one installation.' \
    'case $1 in rabbitmq-server* | epmd* | prometheus*) exit 101 ;; esac' | as_root tee "$policy" >/dev/null
  as_root chmod +x "$policy"
  "$@" || status=$?
  as_root rm -f "$policy"
  return "$status"
}

# Nor may the next boot of the machine start a service that came with a package.
disable_service() {
  local name=$1
  if command -v systemctl >/dev/null; then
    as_root systemctl disable --quiet "$name.service" >/dev/null 2>&1 || true
    [[ ! -d /run/systemd/system ]] || as_root systemctl stop "$name.service" >/dev/null 2>&1 || true
  elif command -v update-rc.d >/dev/null; then
    as_root update-rc.d "$name" disable >/dev/null 2>&1 || true
  fi
}

# Usage: install_packages ADVICE PACKAGE...; fails with the advice where packages cannot or may not be installed.
install_packages() {
  local advice=$1
  shift
  command -v apt-get >/dev/null || fail "$* is missing: $advice"
  as_root true 2>/dev/null || fail "$* is missing and this user may not install packages: $advice"
  say "installing $*"
  # The lists of a fresh machine may be empty or too old to still point at files that exist.
  with_services_held apt_install "$@" 2>/dev/null || {
    as_root apt-get -o DPkg::Lock::Timeout=300 update -qq >&2
    with_services_held apt_install "$@"
  } || fail "$* could not be installed: $advice"
}
