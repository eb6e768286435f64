"""`python -m deploy.waf --into FOLDER --listen ADDRESS:PORT --console ADDRESS:PORT`.

Renders an nginx that is only a firewall, for a console that runs without ModSecurity.
"""

import argparse
import re
import sys
from pathlib import Path

from deploy.local.process import CannotStart
from deploy.local.servers import firewall, gateway

HERE = Path(__file__).parent
ADDRESS = re.compile(r"[\w.\-]+:\d{1,5}")


def render(home: Path, program: str, listen: str, console: str, engine: str) -> None:
    """Write the configuration for `program`, an nginx with the module, into `home`.

    Raises CannotStart without module or rule set: there would be no firewall.
    """
    for address in (listen, console):
        if not ADDRESS.fullmatch(address):
            raise CannotStart(f"{address!r} is no address:port")
    home = home.resolve()
    rules = firewall.rule_names(home, home / "modsecurity", engine)
    module = firewall.module(firewall.told_by(program))
    if rules is None or module is None:
        raise CannotStart(
            f"{program} has no ModSecurity, or the core rule set is missing: "
            "install libnginx-mod-http-modsecurity and modsecurity-crs"
        )
    names = rules | firewall.site_names(rules)
    names |= {
        "SLUICE_NGINX_LOAD_MODULES": module,
        "SLUICE_WAF_LISTEN": listen,
        "SLUICE_WAF_UPSTREAM": console,
    }
    for folder in ("logs", "temp"):
        (home / folder).mkdir(parents=True, exist_ok=True)
    for source in (gateway.CONFIGURATION / "modsecurity").iterdir():
        gateway.render_file(source, home / "modsecurity" / source.name, names)
    gateway.render_file(HERE / "nginx.conf.template", home / "nginx.conf.template", names)


def main() -> int:
    """Render, and say how it is started."""
    parser = argparse.ArgumentParser(prog="python -m deploy.waf", description=__doc__)
    parser.add_argument("--into", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--listen", required=True, help="where people come, 0.0.0.0:8443")
    parser.add_argument("--console", required=True, help="the console behind, 127.0.0.1:8081")
    parser.add_argument("--nginx", default="/usr/sbin/nginx", help="an nginx with ModSecurity")
    parser.add_argument("--engine", default="block", choices=firewall.ENGINES)
    chosen = parser.parse_args()
    try:
        render(chosen.into, chosen.nginx, chosen.listen, chosen.console, chosen.engine)
    except CannotStart as error:
        print(f"waf: {error}", file=sys.stderr)
        return 1
    print(f"start it with: {chosen.nginx} -p {chosen.into.resolve()} -c nginx.conf")
    return 0


if __name__ == "__main__":
    sys.exit(main())
