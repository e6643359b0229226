"""A real RabbitMQ node that a test owns: it may be killed, frozen and restarted, and nobody else notices.

Each node lives in a folder and on free ports of its own (`deploy/rabbitmq/node.sh` knows how), listens on
loopback only and keeps its URL over restarts. The methods block for as long as the broker takes, a start
about five seconds: async code calls them through `asyncio.to_thread`.
"""

import atexit
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

_DEPLOY = Path(__file__).parents[2] / "deploy"
_NODE = _DEPLOY / "rabbitmq" / "node.sh"
_PROBE = _DEPLOY / "rabbitmq" / "probe.py"
_DEBOOTSTRAP = _DEPLOY / "rabbitmq" / "debootstrap.sh"

RELEASE_WITH_4 = "trixie"
"""The Debian release that has RabbitMQ 4, for machines whose own release has 3."""

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 30
PORT_ATTEMPTS = 3


class RabbitNodeError(RuntimeError):
    """The node did not do what was asked; the text holds what it printed."""


def is_rabbitmq_installed() -> bool:
    return (
        shutil.which("rabbitmq-server", path="/usr/lib/rabbitmq/bin:" + os.environ.get("PATH", ""))
        is not None
    )


def is_rabbitmq_4_possible() -> bool:
    """Whether a tree of Debian's newer release is there or can be made, and a node can be started in it."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    is_root = os.geteuid() == 0 and shutil.which("unshare") is not None
    has_tree = (cache / f"beeline/debian-{RELEASE_WITH_4}").is_dir()
    return is_root and (has_tree or shutil.which("apt-get") is not None)


class RabbitNode:
    """One private node.

    `release` takes RabbitMQ from a Debian release that the machine does not run (root only). `settings` are lines of
    its configuration file beside those of every private node, and `plugins` are switched on, from its first start.
    """

    def __init__(self, *, release: str | None = None) -> None:
        self.settings: list[str] = []
        self.plugins: list[str] = []
        self.folder = Path(tempfile.mkdtemp(prefix="beeline-rabbitmq-"))
        self._root = _system_tree(release) if release else ""
        self._process: subprocess.Popen[bytes] | None = None
        self._has_run = False
        self._vhosts = itertools.count(1)
        self.url = ""

    @property
    def pid(self) -> int:
        """The broker's own process id; the start script has become the broker."""
        if self._process is None:
            raise RabbitNodeError("the node does not run")
        return self._process.pid

    def start(self) -> Self:
        """Start the node and return when it lets clients in."""
        # A port that was free when it was chosen may be taken since; after the first run the URL is kept.
        for _ in range(1 if self._has_run else PORT_ATTEMPTS):
            if not self._has_run:
                self._node("new", self._root)
                self._configure()
            self.url = self._node("url").strip()
            if self._launch():
                self._has_run = True
                return self
        raise RabbitNodeError(f"the node did not start\n{self._log()[-3000:]}")

    def _configure(self) -> None:
        with (self.folder / "rabbitmq.conf").open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in self.settings)
        (self.folder / "enabled_plugins").write_text(f"[{','.join(self.plugins)}].\n", encoding="utf-8")

    def kill(self, *, keep_new_queues: bool = True) -> None:
        """End the node the hard way, as a machine that fails does.

        RabbitMQ 3.10 writes down which quorum queues it has up to half a second late: one declared just before the
        end comes back empty and without a leader, whatever it had confirmed (measured). Tests of Beeline are not about
        that, so the list is written first, unless a test wants just that or the node is frozen.
        """
        if keep_new_queues:
            self.ctl("eval", "[ok = dets:sync(Table) || Table <- dets:all()].")
        os.kill(self.pid, signal.SIGKILL)
        self._wait()

    def stop(self) -> None:
        """Stop the node in order; it may be started again."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
            self._wait()
        if self._has_run:
            self._node("retire")

    def restart(self) -> None:
        """Stop the node if it runs, and start it again with its data and its URL."""
        if self._process is not None:
            self.stop()
        self.start()

    def freeze(self) -> None:
        """Stop it from answering while its connections stay open, as a link that silently loses everything."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def ctl(self, *arguments: str) -> str:
        """Run rabbitmqctl against the node and return what it printed; about a third of a second."""
        return self._node("ctl", "--quiet", *arguments)

    def new_vhost(self) -> str:
        """Make an empty virtual host and return its URL: a broker of its own for a third of the price of a node."""
        name = f"test-{next(self._vhosts)}"
        self.ctl("add_vhost", name)
        self.ctl("set_permissions", "-p", name, "guest", ".*", ".*", ".*")
        return self.url + name

    def delete_vhost(self, url: str) -> None:
        self.ctl("delete_vhost", url.rpartition("/")[2])

    def delete(self) -> None:
        """Stop the node and remove everything it wrote."""
        atexit.unregister(self.delete)
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.delete()

    def _launch(self) -> bool:
        with (self.folder / "start.log").open("wb") as log:
            # A session of its own: a Ctrl-C at the terminal is for the tests, which then stop the node in order.
            self._process = subprocess.Popen(
                [_NODE, "run", self.folder],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        atexit.register(self.delete)
        probe: list[str | Path] = [
            sys.executable,
            _PROBE,
            "login",
            "--wait",
            str(START_TIMEOUT_S),
            "--pid",
            str(self.pid),
        ]
        ready = subprocess.run(probe, env=os.environ | {"AMQP_PROBE_URL": self.url}, check=False)
        if ready.returncode == 0:
            return True
        self._process.kill()
        self._wait()
        return False

    def _wait(self) -> None:
        if self._process is not None:
            self._process.wait(STOP_TIMEOUT_S)
            self._process = None

    def _node(self, command: str, *arguments: str) -> str:
        done = subprocess.run(
            [_NODE, command, self.folder, *arguments],
            check=False,
            capture_output=True,
            text=True,
            timeout=180,
        )
        if done.returncode != 0:
            raise RabbitNodeError(f"node.sh {command} failed\n{done.stdout}{done.stderr}")
        return done.stdout

    def _log(self) -> str:
        return "\n".join(
            file.read_text(errors="replace")
            for file in [*self.folder.glob("log/*.log"), self.folder / "start.log"]
            if file.exists()
        )


def _system_tree(release: str) -> str:
    done = subprocess.run([_DEBOOTSTRAP, release], check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RabbitNodeError(f"there is no system tree of {release}; see above")
    return done.stdout.strip()
