"""The web application firewall of the console: where ModSecurity and the core rule set are here."""

import re
import subprocess
from pathlib import Path

from deploy.local.process import CannotStart

MODULE = "ngx_http_modsecurity_module.so"
# Debian's and Ubuntu's `modsecurity-crs`: the settings are the administrator's, the rules the
# package's.
CRS_SETUPS = ("/etc/modsecurity/crs/crs-setup.conf", "/usr/share/modsecurity-crs/crs-setup.conf")
CRS_RULES = ("/usr/share/modsecurity-crs/rules",)
UNICODE_MAPS = ("/etc/nginx/unicode.mapping", "/usr/share/nginx/docs/modsecurity/unicode.mapping")

# SLUICE_CONSOLE_WAF → SecRuleEngine. `report` writes down what it would refuse; `off` is for the
# hour in which a rule refuses an operator what he has to do now.
ENGINES = {"block": "On", "report": "DetectionOnly", "off": "Off"}

MISSING = (
    "the console runs without ModSecurity: this nginx has no module for it, or the core rule set "
    "is not installed; deploy/waf/README.md says how to put the rules in front"
)


def module(told: str) -> str | None:
    """The load_module line, "" where it is built in, None where there is none.

    `told` is what `nginx -V` says. Only the program's own folder is looked at: a module of another
    build would end nginx.
    """
    if re.search(r"--add-module=\S*modsecurity", told, re.IGNORECASE):
        return ""
    folder = modules_folder(told)
    path = folder / MODULE if folder else None
    return f"load_module {path};" if path and path.exists() else None


def modules_folder(told: str) -> Path | None:
    """Where this nginx looks for its modules."""
    if named := re.search(r"--modules-path=(\S+)", told):
        return Path(named[1])
    prefix = re.search(r"--prefix=(\S+)", told)
    return Path(prefix[1]) / "modules" if prefix else None


def rule_names(home: Path, rules: Path, engine: str) -> dict[str, str] | None:
    """What the templates in openresty/conf/modsecurity need; None without the core rule set.

    `rules` is where they are rendered to; logs and temporary files are below `home`.
    """
    if engine not in ENGINES:
        raise CannotStart(f"SLUICE_CONSOLE_WAF is {engine!r}, and has to be {', '.join(ENGINES)}")
    setup, crs = _first(CRS_SETUPS), _first(CRS_RULES)
    if not setup or not crs:
        return None
    unicode_map = _first(UNICODE_MAPS)
    return {
        "SLUICE_WAF_ENGINE": ENGINES[engine],
        "SLUICE_WAF_HOME": str(rules),
        "SLUICE_WAF_TEMP": str(home / "temp"),
        "SLUICE_WAF_AUDIT_LOG": str(home / "logs" / "console-audit.log"),
        # Without it %uff1c (a wide "<") is not read as "<".
        "SLUICE_WAF_UNICODE_MAP": f"SecUnicodeMapFile {unicode_map} 20127" if unicode_map else "",
        "SLUICE_CRS_SETUP": setup,
        "SLUICE_CRS_RULES": crs,
    }


def site_names(rules: dict[str, str] | None) -> dict[str, str]:
    """What the console's site needs: the directives, or nothing where nginx would not know them."""
    if rules is None:
        return {"SLUICE_CONSOLE_WAF": f"# {MISSING}", "SLUICE_CONSOLE_WAF_OFF": ""}
    on = [
        "modsecurity on;",
        # The reference on the page of a refusal names the line in the audit log.
        'modsecurity_transaction_id "$request_id";',
        f"modsecurity_rules_file {rules['SLUICE_WAF_HOME']}/console.conf;",
    ]
    return {"SLUICE_CONSOLE_WAF": "\n    ".join(on), "SLUICE_CONSOLE_WAF_OFF": "modsecurity off;"}


def told_by(program: str) -> str:
    """What `nginx -V` says of itself."""
    return subprocess.run([program, "-V"], check=True, capture_output=True, text=True).stderr


def _first(paths: tuple[str, ...]) -> str | None:
    return next((path for path in paths if Path(path).exists()), None)
