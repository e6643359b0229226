"""The image: its Dockerfile passes the linter, and what it copies is all that the command needs."""

import re
import sys
import zipfile
from pathlib import Path

from tests.generate_docs import DOCS
from tests.tools import output_of

ROOT = DOCS.parent
DOCKERFILE = ROOT / "deploy" / "Dockerfile"


def hadolint(file: Path) -> tuple[int, str]:
    return output_of("hadolint", "--failure-threshold", "style", file)


def test_the_linter_finds_nothing() -> None:
    assert hadolint(DOCKERFILE) == (0, "")


def test_the_linter_would_find_something(tmp_path: Path) -> None:
    broken = tmp_path / "Dockerfile"
    broken.write_text(DOCKERFILE.read_text().replace("WORKDIR /src", "WORKDIR src"), encoding="utf-8")
    code, printed = hadolint(broken)
    assert code != 0
    assert "Use absolute WORKDIR" in printed


def final_stage() -> str:
    return DOCKERFILE.read_text(encoding="utf-8").rpartition("\nFROM ")[2]


def test_the_command_is_pid_1_and_nobody_s_root() -> None:
    stage = final_stage()
    assert 'ENTRYPOINT ["beeline"]' in stage
    assert 'CMD ["worker"]' in stage
    user = re.search(r"^USER (\d+):\d+$", stage, re.MULTILINE)
    assert user
    assert int(user[1]) > 0
    assert "HEALTHCHECK" in stage


def test_what_is_copied_into_the_build_is_let_through_and_exists() -> None:
    let_through = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")
    }
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE.read_text(), re.MULTILINE)
    sources = {source for line in copied for source in line.split()}
    assert sources == let_through
    assert all((ROOT / source).exists() for source in sources)


def test_the_wheel_holds_the_program_its_page_and_nothing_else(tmp_path: Path) -> None:
    code, printed = output_of(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path)
    assert code == 0, printed
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"worker/cli.py", "worker/status.html", "adapters/venues/binance.py"} <= set(names)
    folders = {name.partition("/")[0] for name in names}
    assert folders - {"worker", "adapters"} == {f"{wheel.name.rsplit('-', 3)[0]}.dist-info"}
