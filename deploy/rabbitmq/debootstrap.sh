#!/usr/bin/env bash
# Print the folder of a Debian system tree that holds RabbitMQ, made on the first call: a way to test against RabbitMQ 4
# on a machine whose own release is older, without a container engine. Root only; about a minute and 250 MB once.
#
#   debootstrap.sh RELEASE    RELEASE: trixie (RabbitMQ 4.0), sid (the newest that Debian has)
#
# The packages come from the mirror that apt uses here. The tree is kept in ${XDG_CACHE_HOME:-~/.cache}/beeline and may
# be deleted at any time while no node runs from it. To use it: node.sh new FOLDER "$(debootstrap.sh trixie)"
set -euo pipefail

fail() {
  printf 'debootstrap: %s\n' "$*" >&2
  exit 1
}

release=${1:-}
case $release in
  trixie | sid) ;;
  -h | --help)
    sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
    exit
    ;;
  *) fail "name a release: trixie or sid" ;;
esac

cache=${XDG_CACHE_HOME:-$HOME/.cache}/beeline
tree=$cache/debian-$release

install_debootstrap() {
  command -v debootstrap >/dev/null && return
  printf 'debootstrap: installing the package debootstrap\n' >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get -o DPkg::Lock::Timeout=300 update -qq >&2
  apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends debootstrap >&2
}

# The address that this machine's own packages come from; security and update archives do not hold a whole release.
mirror() {
  # shellcheck disable=SC2016  # apt fills these in
  apt-get indextargets --format '$(REPO_URI) $(SUITE)' 'Created-By: Packages' |
    awk '$2 !~ /security|updates|backports/ && $1 ~ /debian/ { print $1; exit }'
}

make_tree() {
  local source
  source=$(mirror)
  [[ -n $source ]] || fail "apt names no Debian mirror on this machine"
  printf 'debootstrap: making a tree of %s in %s\n' "$release" "$tree" >&2
  # Under another name until it is whole, so that an interrupted run is not taken for a tree.
  rm -rf "$tree.new"
  debootstrap --variant=minbase --include=rabbitmq-server "$release" "$tree.new" "$source" >"$cache/$release.log" 2>&1 || {
    tail -n 15 "$cache/$release.log" >&2
    fail "the tree could not be made"
  }
  # A broker looks up the name of the machine it runs on.
  printf '127.0.0.1 localhost %s\n' "$(hostname)" >"$tree.new/etc/hosts"
  rm -rf "$tree.new/var/cache/apt/archives" "$tree.new/var/lib/apt/lists"
  mv "$tree.new" "$tree"
}

[[ -d $tree ]] || [[ $(id -u) -eq 0 ]] || fail "only root can make a system tree"
mkdir -p "$cache"
exec 9>"$cache/$release.lock"
flock 9
if [[ ! -d $tree ]]; then
  install_debootstrap
  make_tree
fi
printf '%s\n' "$tree"
