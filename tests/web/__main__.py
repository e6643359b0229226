"""Takes pictures of the status page in every scene, dark and light, on a desk and on a phone.

python -m tests.web FOLDER
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

from tests.web.browser import Browser
from tests.web.scenes import SCENES
from worker.status import StatusServer
from worker.telemetry import Telemetry

SIZES = {"desk": (1280, 900), "phone": (390, 844)}


async def take_pictures(folder: Path) -> None:
    shown: dict[str, Any] = {}
    server = StatusServer(Telemetry(lambda _: True), lambda: shown, list)
    port = await server.start("127.0.0.1", 0)
    async with Browser() as browser:
        for scene, make in SCENES.items():
            shown.clear()
            shown.update(make())
            for size, (width, height) in SIZES.items():
                for dark in (False, True):
                    await browser.look(width=width, height=height, dark=dark)
                    await browser.open(f"http://127.0.0.1:{port}/")
                    await browser.until("document.querySelector('#worker').textContent")
                    picture = folder / f"{scene}-{size}-{'dark' if dark else 'light'}.png"
                    await browser.picture(picture)
                    print(picture)
    await server.stop()


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    asyncio.run(take_pictures(target))
