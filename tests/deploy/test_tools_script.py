"""deploy/tools.sh on a machine without the tools: it installs their packages where it may, and else says what to do."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.generate_docs import DOCS

SCRIPT = DOCS.parent / "deploy" / "tools.sh"
NEEDED = ("bash", "dirname", "env", "sed")
PROGRAMS = {"prometheus": ("prometheus", "promtool"), "chromium-driver": ("chromium", "chromedriver")}


class Machine:
    """A PATH of its own, where apt-get only pretends, and nothing of this machine is changed."""

    def __init__(self, folder: Path, *, root: bool) -> None:
        self.bin, self.asked = folder / "bin", folder / "asked"
        self.bin.mkdir()
        for name in NEEDED:
            (self.bin / name).symlink_to(str(shutil.which(name)))
        self.program("id", f"echo {0 if root else 1000}")
        for name in ("tee", "chmod", "rm", "systemctl", "update-rc.d"):
            self.program(name, "exit 0")

    def program(self, name: str, text: str) -> None:
        path = self.bin / name
        path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        path.chmod(0o755)

    def with_packages(self) -> None:
        """Let apt-get find its packages only after an update, as on a fresh image."""
        made = "\n".join(
            f"case $* in *{package}*) for name in {' '.join(names)}; do "
            f"printf '#!/bin/sh\\n' >{self.bin}/$name; /bin/chmod +x {self.bin}/$name; done ;; esac"
            for package, names in PROGRAMS.items()
        )
        lists = self.bin.parent / "lists"
        self.program(
            "apt-get",
            f'echo "$*" >>{self.asked}\ncase $* in *update*) : >{lists}; exit 0 ;; esac\n'
            f"[ -e {lists} ] || exit 100\n{made}",
        )

    def run(self, *tools: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(  # noqa: S603 - our own script
            [SCRIPT, *tools],
            env={"PATH": str(self.bin)},
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
        )


@pytest.mark.parametrize(("tool", "package"), [("promtool", "prometheus"), ("chromium", "chromium-driver")])
def test_what_is_missing_is_installed_after_the_lists_are_read_again(
    tmp_path: Path, tool: str, package: str
) -> None:
    machine = Machine(tmp_path, root=True)
    machine.with_packages()
    done = machine.run(tool)
    assert done.returncode == 0, done.stderr
    asked = machine.asked.read_text().splitlines()
    assert [("install" in line, "update" in line) for line in asked] == [
        (True, False),
        (False, True),
        (True, False),
    ]
    assert package in asked[-1]
    assert "--no-install-recommends" in asked[-1]
    again = machine.run(tool)
    assert again.returncode == 0
    assert machine.asked.read_text().splitlines() == asked


def test_whoever_may_not_install_is_told_what_to_install(tmp_path: Path) -> None:
    machine = Machine(tmp_path, root=False)
    machine.with_packages()
    done = machine.run("promtool")
    assert done.returncode == 1
    assert "apt-get install prometheus" in done.stderr
    assert not machine.asked.exists()


def test_a_system_without_apt_is_told_so(tmp_path: Path) -> None:
    done = Machine(tmp_path, root=True).run("node")
    assert done.returncode == 1
    assert "nodejs" in done.stderr


def test_an_unknown_tool_is_a_usage_error() -> None:
    done = subprocess.run(  # noqa: S603 - our own script
        [SCRIPT, "hammer"], env=os.environ, check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 2
