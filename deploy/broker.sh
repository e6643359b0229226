#!/usr/bin/env bash
# Find a RabbitMQ broker for Beeline, or start one.
#
#   deploy/broker.sh up        make sure that a broker answers and print its URL; progress goes to standard error
#   deploy/broker.sh url       print the URL that `up` would hand out, but start nothing; exit 1 when there is none
#   deploy/broker.sh status    say which broker that is and how it does
#   deploy/broker.sh down      stop what `up` started, and nothing else
#   deploy/broker.sh install   make sure that rabbitmq-server is installed (the tests start nodes of their own)
#
# The broker is, in this order:
#   1. BEELINE_AMQP_URL, when it is set: it must answer, nothing else is tried then
#   2. a broker on 127.0.0.1:5672 that lets guest in
#   3. a container, when a Docker engine runs here
#   4. a private rabbitmq-server node on free ports of the loopback interface. Debian's package is installed for it
#      when this user may do that; it is never left registered as a service of the system.
#
# BEELINE_BROKER_HOME        where the private node keeps its data, log and ports;
#                            default ${XDG_STATE_HOME:-~/.local/state}/beeline/rabbitmq
# BEELINE_BROKER_LOCAL_URL   another address for step 2
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${BEELINE_BROKER_HOME:-${XDG_STATE_HOME:-$HOME/.local/state}/beeline/rabbitmq}
node=$here/rabbitmq/node.sh
probe=$here/rabbitmq/probe.py
local_url=${BEELINE_BROKER_LOCAL_URL:-amqp://guest:guest@127.0.0.1:5672/}
image=docker.io/library/rabbitmq:4
start_timeout_s=90

say() {
  printf 'broker: %s\n' "$*" >&2
}

fail() {
  say "$@"
  exit 1
}

# shellcheck source=deploy/apt.sh
. "$here/apt.sh"

usage() {
  sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
}

# Usage: answers URL [OPTION...]; the URL goes by the environment, because it may hold a password.
answers() {
  local url=$1
  shift
  AMQP_PROBE_URL=$url python3 "$probe" login "$@"
}

without_password() {
  sed -E 's#//[^/@]*@#//#' <<<"$1"
}

# --- the container ---------------------------------------------------------------------------------------------------

docker_works() {
  command -v docker >/dev/null && docker info >/dev/null 2>&1
}

container_url() {
  local address
  [[ -r $home/container.id ]] || return 1
  address=$(docker port "$(<"$home/container.id")" 5672/tcp 2>/dev/null | head -n 1)
  [[ -n $address ]] && printf 'amqp://guest:guest@%s/\n' "$address"
}

start_container() {
  say "starting a container of $image"
  rm -f "$home/container.id"
  docker run --detach --rm --publish 127.0.0.1::5672 "$image" >"$home/container.new" || return 1
  mv "$home/container.new" "$home/container.id"
  answers "$(container_url)" --wait "$start_timeout_s"
}

stop_container() {
  [[ -r $home/container.id ]] || return 0
  docker rm --force "$(<"$home/container.id")" >/dev/null 2>&1 || true
  rm -f "$home/container.id"
  say "the container is stopped"
}

# --- the private node ------------------------------------------------------------------------------------------------

# Prints the process id of our node when it runs.
node_pid() {
  local pid
  [[ -r $home/pid ]] || return 1
  pid=$(<"$home/pid")
  "$node" owns "$home" "$pid" && printf '%s\n' "$pid"
}

node_url() {
  node_pid >/dev/null && "$node" url "$home"
}

# The ports of the last run are kept while they are free, so that a URL somebody wrote down stays good.
choose_ports() {
  if [[ -r $home/node.env ]]; then
    "$node" retire "$home"
    "$node" ready "$home" && return
  fi
  "$node" new "$home"
}

start_node() {
  local pid
  install_package
  choose_ports
  say "starting a private RabbitMQ node in $home"
  # A session of its own, so that a Ctrl-C meant for whoever called us does not reach the broker; and not our lock.
  setsid "$node" run "$home" >"$home/start.log" 2>&1 </dev/null 9>&- &
  pid=$!
  printf '%s\n' "$pid" >"$home/pid"
  if ! answers "$("$node" url "$home")" --wait "$start_timeout_s" --pid "$pid"; then
    tail -n 15 "$home/start.log" >&2
    stop_node
    fail "the private node did not start; its logs are in $home"
  fi
}

stop_node() {
  local pid
  if pid=$(node_pid); then
    kill -TERM "$pid"
    # A broker that closes its queues in order takes a second; one that hangs must not keep `down` for ever.
    timeout 30 tail --pid="$pid" -f /dev/null || kill -KILL "$pid"
    say "the private node is stopped"
  fi
  rm -f "$home/pid"
  [[ ! -r $home/node.env ]] || "$node" retire "$home"
}

# --- the package -----------------------------------------------------------------------------------------------------

is_installed() {
  [[ -x /usr/lib/rabbitmq/bin/rabbitmq-server ]] || command -v rabbitmq-server >/dev/null
}

install_package() {
  is_installed && return
  local advice="install it (Debian and Ubuntu: apt-get install rabbitmq-server), start Docker, or set BEELINE_AMQP_URL"
  install_packages "$advice" rabbitmq-server
  disable_service rabbitmq-server
  is_installed || fail "the package is installed, but has no rabbitmq-server: $advice"
}

# --- commands --------------------------------------------------------------------------------------------------------

# Prints the kind and the URL of the broker that answers now.
find_broker() {
  local url
  if [[ -n ${BEELINE_AMQP_URL:-} ]]; then
    answers "$BEELINE_AMQP_URL" ||
      fail "BEELINE_AMQP_URL is set, but $(without_password "$BEELINE_AMQP_URL") does not answer"
    printf 'given %s\n' "$BEELINE_AMQP_URL"
  elif answers "$local_url" 2>/dev/null; then
    printf 'local %s\n' "$local_url"
  elif url=$(container_url) && answers "$url" 2>/dev/null; then
    printf 'container %s\n' "$url"
  elif url=$(node_url) && answers "$url" 2>/dev/null; then
    printf 'private %s\n' "$url"
  else
    return 1
  fi
}

start_broker() {
  # Only one `up` or `down` at a time may decide what is running.
  mkdir -p "$home"
  exec 9>"$home/lock"
  flock 9
  find_broker >/dev/null && return
  if docker_works; then
    start_container && return
    stop_container
    say "Docker could not start it; a private node will do"
  fi
  if node_pid >/dev/null; then
    say "a private node runs, but does not answer; starting it again"
    stop_node
  fi
  start_node
}

up() {
  local found
  found=$(find_broker) || {
    [[ -z ${BEELINE_AMQP_URL:-} ]] || exit 1
    start_broker
    found=$(find_broker) || fail "the broker stopped answering"
  }
  say "using the ${found%% *} broker"
  printf '%s\n' "${found#* }"
}

url() {
  local found
  found=$(find_broker) || exit 1
  printf '%s\n' "${found#* }"
}

status() {
  local found
  if ! found=$(find_broker); then
    printf 'no broker answers; deploy/broker.sh up finds or starts one\n'
    exit 1
  fi
  printf '%s broker at %s answers\n' "${found%% *}" "$(without_password "${found#* }")"
  if [[ ${found%% *} == private ]]; then
    printf 'process %s, data and log in %s\n' "$(node_pid)" "$home"
  fi
}

down() {
  [[ -d $home ]] || return 0
  exec 9>"$home/lock"
  flock 9
  stop_container
  stop_node
}

case ${1:-} in
  up | url | status | down) "$1" ;;
  install) install_package ;;
  -h | --help | help) usage ;;
  *)
    usage >&2
    exit 2
    ;;
esac
