"""deploy/broker.sh finds the broker it promises to find, starts one when there is none, and stops only its
own."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.rabbitmq_node import RabbitNode

SCRIPT = Path(__file__).parents[2] / "deploy" / "broker.sh"
NOBODY = "amqp://guest:guest@127.0.0.1:1/"

Broker = Callable[..., subprocess.CompletedProcess[str]]


def _program(path: Path, text: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def broker(tmp_path: Path, home: Path) -> Iterator[Broker]:
    """Run the script in a world of its own: no broker on the usual port, no Docker engine, an empty folder."""
    _program(tmp_path / "bin" / "docker", "exit 1")
    world = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "BEELINE_BROKER_HOME": str(home),
        "BEELINE_BROKER_LOCAL_URL": NOBODY,
    }

    def run(command: str, **over: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [SCRIPT, command], env=world | over, check=False, capture_output=True, text=True, timeout=100
        )

    yield run
    run("down")


def _pid(home: Path) -> int:
    return int((home / "pid").read_text())


def test_a_given_url_is_used_and_nothing_is_started(rabbit: RabbitNode, broker: Broker, home: Path) -> None:
    for command in ("up", "url"):
        done = broker(command, BEELINE_AMQP_URL=rabbit.url)
        assert (done.returncode, done.stdout) == (0, rabbit.url + "\n")
    assert not home.exists()


def test_a_given_url_that_does_not_answer_is_an_error_without_its_password(
    broker: Broker, home: Path
) -> None:
    done = broker("up", BEELINE_AMQP_URL="amqp://someone:hidden-word@127.0.0.1:1/")
    assert (done.returncode, done.stdout) == (1, "")
    assert "BEELINE_AMQP_URL is set, but amqp://127.0.0.1:1/ does not answer" in done.stderr
    assert "hidden-word" not in done.stderr
    assert not home.exists()


def test_a_wrong_login_is_not_taken_for_a_broker(rabbit: RabbitNode, broker: Broker) -> None:
    done = broker("up", BEELINE_AMQP_URL=rabbit.url.replace("guest:guest", "guest:wrong"))
    assert done.returncode == 1
    assert "ACCESS_REFUSED" in done.stderr


def test_a_local_broker_is_found(rabbit: RabbitNode, broker: Broker, home: Path) -> None:
    done = broker("up", BEELINE_BROKER_LOCAL_URL=rabbit.url)
    assert (done.returncode, done.stdout) == (0, rabbit.url + "\n")
    assert not (home / "pid").exists()


def test_a_private_node_is_started_once_and_stopped_again(broker: Broker, home: Path) -> None:
    assert broker("url").returncode == 1

    started = broker("up")
    assert started.returncode == 0, started.stderr
    pid = _pid(home)
    again = broker("up")
    assert (again.stdout, broker("url").stdout) == (started.stdout, started.stdout)
    assert _pid(home) == pid
    assert "private broker" in broker("status").stdout

    stopped = broker("down")
    assert stopped.returncode == 0, stopped.stderr
    assert not Path(f"/proc/{pid}").exists()
    assert broker("url").returncode == 1
    assert broker("down").returncode == 0


def test_a_private_node_that_was_killed_is_started_again_at_its_url(broker: Broker, home: Path) -> None:
    started = broker("up")
    os.kill(_pid(home), signal.SIGKILL)
    assert broker("up").stdout == started.stdout


def test_a_container_is_used_where_docker_works_and_removed_again(
    rabbit: RabbitNode, broker: Broker, tmp_path: Path
) -> None:
    address = rabbit.url.removeprefix("amqp://guest:guest@").removesuffix("/")
    calls = tmp_path / "calls"
    answers = f'echo "$@" >>{calls}\ncase $1 in run) echo abc123 ;; port) echo {address} ;; esac'
    _program(tmp_path / "bin" / "docker", answers)
    done = broker("up")
    assert (done.returncode, done.stdout) == (0, rabbit.url + "\n"), done.stderr
    assert broker("down").returncode == 0
    assert calls.read_text().splitlines()[-1] == "rm --force abc123"
    assert rabbit.ctl("list_vhosts")


def test_a_process_that_took_over_a_recorded_id_is_left_alone(broker: Broker, home: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        home.mkdir()
        (home / "pid").write_text(f"{stranger.pid}\n")
        assert broker("down").returncode == 0
        assert stranger.poll() is None


def test_help_names_every_command(broker: Broker) -> None:
    text = broker("--help").stdout
    assert all(f"broker.sh {command} " in text for command in ("up", "url", "status", "down", "install"))
    assert broker("nonsense").returncode == 2
