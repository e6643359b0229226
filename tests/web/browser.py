"""A headless Chromium that a test drives through ChromeDriver, by the few WebDriver commands it needs."""

import asyncio
import base64
import os
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from tests.tools import tool

# Background networking would look for servers of the browser's maker.
ARGUMENTS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--no-first-run",
    "--hide-scrollbars",
)


class Browser:
    """One browser with one window."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="beeline-chromium-", ignore_cleanup_errors=True)

    async def __aenter__(self) -> Self:
        chromium, driver = tool("chromium"), tool("chromedriver")
        self._driver = await asyncio.create_subprocess_exec(
            driver,
            "--port=0",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=os.environ | {"HOME": self._folder.name},
            start_new_session=True,
        )
        self._http = aiohttp.ClientSession()
        self._url = f"http://127.0.0.1:{await self._port()}"
        # Root has no sandbox to put a renderer in.
        arguments = [*ARGUMENTS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        options = {"binary": chromium, "args": [*arguments, f"--user-data-dir={self._folder.name}/profile"]}
        session = await self._post(
            "session",
            {"capabilities": {"alwaysMatch": {"goog:chromeOptions": options, "browserName": "chrome"}}},
        )
        self._url += f"/session/{session['sessionId']}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        async with self._http.delete(self._url):
            pass
        await self._http.close()
        self._driver.terminate()
        await self._driver.wait()
        self._folder.cleanup()

    async def _port(self) -> int:
        assert self._driver.stdout is not None
        async with asyncio.timeout(60):
            async for line in self._driver.stdout:
                if b"started successfully on port " in line:
                    return int(line.split(b"on port ")[1].strip(b". \n"))
        raise RuntimeError("chromedriver did not start")

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        async with self._http.post(f"{self._url}/{path}", json=body) as reply:
            answer = (await reply.json())["value"]
            assert reply.status == 200, answer
            return answer

    async def open(self, url: str) -> None:
        await self._post("url", {"url": url})

    async def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page; a promise is waited for."""
        return await self._post("execute/sync", {"script": script, "args": arguments})

    async def until(self, condition: str) -> None:
        """Wait until an expression is true in the page, looking at every frame it draws."""
        await self.run(
            "return new Promise((done) => { const look = () => "
            f"({condition}) ? done() : requestAnimationFrame(look); look(); }});"
        )

    async def press(self, key: str) -> None:
        await self._post(
            "actions",
            {
                "actions": [
                    {
                        "type": "key",
                        "id": "keys",
                        "actions": [{"type": "keyDown", "value": key}, {"type": "keyUp", "value": key}],
                    }
                ]
            },
        )

    async def tell(self, command: str, **parameters: Any) -> Any:
        """Send a command of the developer tools."""
        return await self._post("goog/cdp/execute", {"cmd": command, "params": parameters})

    async def look(self, *, width: int, height: int, dark: bool) -> None:
        """Be a screen of this size, with this taste."""
        await self.tell(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        await self.tell("Emulation.setEmulatedMedia", features=[scheme])

    async def picture(self, path: Path) -> None:
        """Write a picture of the whole page."""
        size = (await self.tell("Page.getLayoutMetrics"))["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = await self.tell("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        await asyncio.to_thread(path.write_bytes, base64.b64decode(shot["data"]))
