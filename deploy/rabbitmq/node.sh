#!/usr/bin/env bash
# One private RabbitMQ node that lives in one folder: its data, log, cookie, configuration and ports are all in
# there, so that any number of nodes run side by side, as root or as an ordinary user, and none of them meets a
# broker of the system.
#
#   node.sh new FOLDER [ROOT]    make the folder ready and choose free ports; with ROOT, RabbitMQ is taken from that
#                                system tree (see debootstrap.sh; root only)
#   node.sh run FOLDER           become the node: this process turns into the broker, so its id is the broker's
#   node.sh url FOLDER           print the node's AMQP URL
#   node.sh ctl FOLDER ARGS...   rabbitmqctl against the node
#   node.sh owns FOLDER PID      exit 0 when PID is a process of this node
#   node.sh ready FOLDER         exit 0 when nobody else has taken the ports of a node that does not run
#   node.sh retire FOLDER        end what a node that has stopped leaves running (Erlang's port mapper)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() {
  printf 'node: %s\n' "$*" >&2
  exit 1
}

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
}

# Debian's /usr/sbin wrappers change to the user rabbitmq, so its real scripts come first.
tool() {
  local folder name=$1
  for folder in /usr/lib/rabbitmq/bin /usr/local/sbin /opt/rabbitmq/sbin; do
    if [[ -x ${ROOT:-}$folder/$name ]]; then
      printf '%s\n' "$folder/$name"
      return
    fi
  done
  [[ -z ${ROOT:-} ]] && command -v "$name" && return
  fail "$name is not installed; deploy/broker.sh install does that"
}

new() {
  local root=${1:-}
  mkdir -p "$folder"
  chmod 700 "$folder"
  read -r AMQP_PORT DIST_PORT EPMD_PORT < <(python3 "$here/probe.py" ports 3)
  printf '%s=%q\n' AMQP_PORT "$AMQP_PORT" DIST_PORT "$DIST_PORT" \
    EPMD_PORT "$EPMD_PORT" ROOT "$root" >"$folder/node.env"
  cp "$here/private-node.conf" "$folder/rabbitmq.conf"
  printf '[].\n' >"$folder/enabled_plugins"
}

load() {
  [[ -r $folder/node.env ]] || fail "$folder holds no node; make one with: node.sh new $folder"
  # shellcheck source=/dev/null
  . "$folder/node.env"
  export HOME=$folder
  export ERL_EPMD_ADDRESS=127.0.0.1 ERL_EPMD_PORT=$EPMD_PORT ERL_CRASH_DUMP=$folder/erl_crash.dump
  # An empty value would not do: then the system's own /etc/rabbitmq is read.
  export RABBITMQ_CONF_ENV_FILE=/dev/null RABBITMQ_CONFIG_FILE=$folder/rabbitmq.conf
  export RABBITMQ_ADVANCED_CONFIG_FILE=$folder/advanced.config RABBITMQ_ENABLED_PLUGINS_FILE=$folder/enabled_plugins
  export RABBITMQ_NODENAME=beeline@localhost RABBITMQ_NODE_IP_ADDRESS=127.0.0.1 RABBITMQ_NODE_PORT=$AMQP_PORT
  export RABBITMQ_DIST_PORT=$DIST_PORT RABBITMQ_MNESIA_BASE=$folder/data RABBITMQ_LOG_BASE=$folder/log
  export RABBITMQ_PID_FILE=$folder/data/node.pid
}

# Replaces this process by the command, inside the node's system tree when it has one. The mounts belong to a namespace
# of their own and vanish with the last process in it: nothing to unmount, nothing left behind by a SIGKILL.
become() {
  cd "$folder"
  [[ -n $ROOT ]] || exec "$@"
  # shellcheck disable=SC2016  # expanded by the inner shell
  exec unshare --mount --propagation private -- sh -euc '
    root=$1 folder=$2; shift 2
    mkdir -p "$root$folder"
    mount --bind "$folder" "$root$folder"
    mount --rbind /proc "$root/proc"
    mount --rbind /dev "$root/dev"
    exec chroot "$root" "$@"' sh "$ROOT" "$folder" "$@"
}

run() {
  local server
  server=$(tool rabbitmq-server)
  # The start script turns into the broker only when it believes that systemd watches it; else it stays as a parent,
  # and its process id is of no use for a SIGKILL.
  export RUNNING_UNDER_SYSTEMD=true
  # No busy waiting: a node shares a small machine with the workers under test.
  local quiet="+sbwt none +sbwtdcpu none +sbwtdio none"
  export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS="-kernel inet_dist_use_interface {127,0,0,1} $quiet"
  become "$server"
}

ctl() {
  local rabbitmqctl
  rabbitmqctl=$(tool rabbitmqctl)
  become "$rabbitmqctl" "$@"
}

# A recorded process id may have been given to another process since: the environment tells whose it is.
owns() {
  [[ -r /proc/$1/environ ]] &&
    tr '\0' '\n' <"/proc/$1/environ" 2>/dev/null | grep -Fqx "RABBITMQ_MNESIA_BASE=$folder/data"
}

ready() {
  python3 "$here/probe.py" free "$AMQP_PORT" "$DIST_PORT" "$EPMD_PORT"
}

# The port mapper is a daemon of this node alone, told by its port; it refuses while the node is registered with it.
retire() {
  (become epmd -port "$EPMD_PORT" -kill) >/dev/null 2>&1 || true
  [[ -z $ROOT ]] || rmdir "$ROOT$folder" 2>/dev/null || true
}

case ${1:-} in
  new | run | url | ctl | owns | ready | retire)
    command=$1
    folder=${2:?$(usage)}
    shift 2
    [[ $folder == /* ]] || fail "the folder must be an absolute path: $folder"
    ;;
  -h | --help)
    usage
    exit
    ;;
  *)
    usage >&2
    exit 2
    ;;
esac
case $command in
  new | owns) "$command" "$@" ;;
  url) load && printf 'amqp://guest:guest@127.0.0.1:%s/\n' "$AMQP_PORT" ;;
  *) load && "$command" "$@" ;;
esac
