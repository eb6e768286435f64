"""The gateway: OpenResty, or Debian's nginx with the Lua module, on rendered configuration."""

import ipaddress
import os
import re
import shutil
import sys
from pathlib import Path

from deploy.local import environment
from deploy.local.checks import http_answers
from deploy.local.process import CannotStart, Process
from deploy.local.servers import firewall
from deploy.local.site import ROOT, Site

CONFIGURATION = ROOT / "openresty" / "conf"
TEMPLATE = ".template"
# nginx allocates tables for as many as it is told, and takes a mistyped 20000 seriously.
MOST_WORKERS = 256
# Debian builds the Lua module apart; it needs the development kit loaded first.
MODULES = ("ndk_http_module.so", "ngx_http_lua_module.so")
# A gateway has a console where it is given a port for one.
CONSOLE_PORT = "SLUICE_GATEWAY_CONSOLE_PORT"
OF_THE_CONSOLE = ("sites/console.conf.template", "modsecurity/")

# Requests of one client address at a time; a tree that is rendered for something else may say more.
CONNECTIONS_PER_ADDRESS = "256"
# A container listens to everybody (deploy/images/gateway.py); a machine does to itself.
ADDRESS = "127.0.0.1"
TRUSTED_PROXIES = "127.0.0.1/32"

_PLACEHOLDER = re.compile(r"\$\{(SLUICE_[A-Z_]+)\}")


def binary() -> str:
    """OpenResty where it is installed, else nginx; Debian keeps the latter in /usr/sbin."""
    path = os.environ.get("PATH", "") + ":/usr/sbin"
    for name in ("openresty", "nginx"):
        if found := shutil.which(name, path=path):
            return found
    raise CannotStart("neither openresty nor nginx is installed: run `make setup`")


def load_modules(program: str) -> str:
    """The load_module lines this nginx needs. With Lua behind ModSecurity it would abort."""
    told = firewall.told_by(program)
    lines = [firewall.module(told) or ""]
    if "lua-nginx-module" in told or "ngx_lua" in told or Path(program).name == "openresty":
        return lines[0]
    folder = firewall.modules_folder(told)
    if not folder or not all((folder / module).exists() for module in MODULES):
        raise CannotStart(f"{program} has no Lua module: run `make setup`")
    return "\n".join([*(f"load_module {folder}/{module};" for module in MODULES), *lines])


def prepare(site: Site) -> None:
    """Render the configuration of this site. Raises CannotStart for a value it must not get."""
    names = environment.of(site, "gateway") | {
        "SLUICE_GATEWAY_PORT": str(site.port("gateway")),
        "SLUICE_GATEWAY_INTERNAL_PORT": str(site.port("gateway-internal")),
        CONSOLE_PORT: str(site.port("gateway-console")),
    }
    check_workers(names["SLUICE_GATEWAY_WORKERS"])
    home = site.folder("gateway")
    home.chmod(0o700)  # the snapshot's copy in it holds signing keys
    render_tree(home, names)
    if firewall.MISSING in (home / "conf/sites/console.conf").read_text():
        print(f"  {firewall.MISSING}", file=sys.stderr)


def check_workers(value: str) -> None:
    """Raise CannotStart unless nginx can be given it: it stands in the configuration as it is."""
    if value == "auto" or (re.fullmatch("[1-9][0-9]{0,2}", value) and int(value) <= MOST_WORKERS):
        return
    raise CannotStart(
        f"gateway did not start: SLUICE_GATEWAY_WORKERS is {value!r}, "
        f"and has to be 1 to {MOST_WORKERS}, or auto"
    )


def set_real_ip_from(trusted: str) -> str:
    """nginx's lines for a comma list of CIDRs. Raises CannotStart for what is none."""
    try:
        networks = [ipaddress.ip_network(one.strip()) for one in trusted.split(",") if one.strip()]
    except ValueError as error:
        raise CannotStart(f"gateway did not start: SLUICE_TRUSTED_PROXIES: {error}") from error
    return "\n".join(f"set_real_ip_from {network};" for network in networks)


def render_tree(home: Path, names: dict[str, str]) -> None:
    """Render openresty/conf/ into `home` anew; a file that is gone there must be gone here.

    `names` has the ports and SLUICE_GATEWAY_WORKERS, and perhaps SLUICE_TRUSTED_PROXIES,
    SLUICE_CONNECTIONS_PER_ADDRESS and SLUICE_GATEWAY_ADDRESS; what this machine decides is added
    here.
    Without SLUICE_GATEWAY_CONSOLE_PORT there is no console, and no rule set is read.
    """
    known = {
        "SLUICE_CONNECTIONS_PER_ADDRESS": CONNECTIONS_PER_ADDRESS,
        "SLUICE_GATEWAY_ADDRESS": ADDRESS,
    } | names
    known |= {
        "SLUICE_SET_REAL_IP_FROM": set_real_ip_from(
            names.get("SLUICE_TRUSTED_PROXIES", TRUSTED_PROXIES)
        ),
        "SLUICE_ROOT": str(ROOT),
        "SLUICE_NGINX_LOAD_MODULES": load_modules(binary()),
        # An ordinary user's nginx ignores the line with a warning; root's would take `nobody`.
        "SLUICE_NGINX_USER_LINE": "user root;" if os.getuid() == 0 else "",
    }
    skipped: tuple[str, ...] = OF_THE_CONSOLE
    if CONSOLE_PORT in names:
        rules = _firewall(home, names.get("SLUICE_CONSOLE_WAF", "block"))
        known |= (
            {"SLUICE_CONSOLE_SCHEME": "http"} | names | firewall.site_names(rules) | (rules or {})
        )
        skipped = () if rules else OF_THE_CONSOLE[1:]
    shutil.rmtree(home / "conf", ignore_errors=True)
    for name in ("logs", "temp"):
        (home / name).mkdir(parents=True, exist_ok=True)
    for source in sorted(path for path in CONFIGURATION.rglob("*") if path.is_file()):
        place = source.relative_to(CONFIGURATION)
        if not str(place).startswith(skipped):
            render_file(source, home / "conf" / place, known)


def _firewall(home: Path, engine: str) -> dict[str, str] | None:
    """What the rule set's templates need; None where it cannot be run."""
    rules = firewall.rule_names(home, home / "conf" / "modsecurity", engine)
    return rules if firewall.module(firewall.told_by(binary())) is not None else None


def render_file(source: Path, target: Path, names: dict[str, str]) -> None:
    """Copy one file of the configuration; a template loses its suffix and its placeholders."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.suffix == TEMPLATE:
        target.with_suffix("").write_text(render(source, names))
    else:
        shutil.copyfile(source, target)


def render(template: Path, names: dict[str, str]) -> str:
    """Replace every ${SLUICE_…}; an unknown name is an error, never an empty string."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in names:
            raise CannotStart(f"{template.relative_to(ROOT)}: nothing is known of ${{{match[1]}}}")
        return names[match[1]]

    return _PLACEHOLDER.sub(value, template.read_text())


def command(site: Site) -> list[str]:
    """The master in the foreground; errors before the configuration is read go to the log too."""
    home = site.folder("gateway")
    guard = [str(Path(__file__).with_name("after_orphans.sh")), str(home / "nginx.pid")]
    return [*guard, *nginx(home)]


def nginx(home: Path) -> list[str]:
    """nginx in the foreground on what was rendered into `home`."""
    start = [binary(), "-p", str(home), "-e", "stderr", "-c", "conf/nginx.conf"]
    return [*start, "-g", "daemon off;"]


PROCESS = Process(
    name="gateway",
    command=command,
    prepare=prepare,
    healthy=http_answers("gateway", "/readyz"),
    ports=("gateway", "gateway-internal", "gateway-console"),
    url_path="/v1/time",
    sources=("openresty",),
    stop_signal="QUIT",  # answers what is in flight first
)
