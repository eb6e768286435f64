"""The three examples behind one face: a shop that signs sessions and reads webhooks."""

import base64
import json
import subprocess
from collections.abc import Mapping
from typing import Any, Protocol

from deploy.examples import python_shop
from tests.deploy.environment import ROOT

FOLDER = ROOT / "deploy" / "examples"
# Reads one call as JSON from standard input, says the answer as JSON; what it refuses ends with 1.
NODE = """
import { readFileSync } from "node:fs";
import { read_webhook, sign_session } from "FOLDER/node_shop.mjs";
const call = JSON.parse(readFileSync(0, "utf8"));
try {
  const said = call.do === "sign"
    ? sign_session(...call.with)
    : read_webhook(call.secret, call.headers, Buffer.from(call.body, "base64"), call.now);
  console.log(JSON.stringify(said));
} catch (error) { console.error(error.message); process.exit(1); }
"""
PHP = """
require "FOLDER/php_shop.php";
$call = json_decode(file_get_contents("php://stdin"), true);
try {
  echo json_encode($call["do"] === "sign"
    ? sign_session(...$call["with"])
    : read_webhook($call["secret"], $call["headers"], base64_decode($call["body"]), $call["now"]));
} catch (Exception $error) { fwrite(STDERR, $error->getMessage()); exit(1); }
"""


class Shop(Protocol):
    """One language's example."""

    def sign(self, merchant: str, kid: str, secret: str, shopper: str, now: int) -> str:
        """A session."""

    def read(self, secret: str, headers: Mapping[str, str], body: bytes, now: float) -> Any:
        """An event, or ValueError."""


class PythonShop:
    """Called as it is."""

    def sign(self, merchant: str, kid: str, secret: str, shopper: str, now: int) -> str:
        """See Shop."""
        return python_shop.sign_session(merchant, kid, secret, shopper, now)

    def read(self, secret: str, headers: Mapping[str, str], body: bytes, now: float) -> Any:
        """See Shop."""
        return python_shop.read_webhook(secret, headers, body, now)


class OtherShop:
    """Called through its interpreter, one process a call."""

    def __init__(self, *command: str) -> None:
        self._command = [part.replace("FOLDER", str(FOLDER)) for part in command]

    def sign(self, merchant: str, kid: str, secret: str, shopper: str, now: int) -> str:
        """See Shop."""
        return str(self._call({"do": "sign", "with": [merchant, kid, secret, shopper, now]}))

    def read(self, secret: str, headers: Mapping[str, str], body: bytes, now: float) -> Any:
        """See Shop."""
        call = {"do": "read", "secret": secret, "headers": dict(headers), "now": now}
        return self._call(call | {"body": base64.b64encode(body).decode()})

    def _call(self, call: Mapping[str, Any]) -> Any:
        done = subprocess.run(
            self._command,
            check=False,
            input=json.dumps(call),
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode == 1:
            raise ValueError(done.stderr.strip())
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def shops() -> dict[str, Shop]:
    """By language; set-up installs all three."""
    return {
        "python": PythonShop(),
        "node": OtherShop("node", "--input-type=module", "--eval", NODE),
        "php": OtherShop("php", "-r", PHP),
    }
