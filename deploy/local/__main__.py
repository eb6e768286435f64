"""`python -m deploy.local up|down|status|env|run|logs [--profile NAME]`."""

import argparse
import os
import shlex
import sys
import time

from deploy.local import environment
from deploy.local.ports import PROFILES
from deploy.local.process import CannotStart
from deploy.local.processes import CLIENTS, named, steps
from deploy.local.servers.control_plane import password_file
from deploy.local.site import Site
from deploy.local.stack import Stack


def main() -> int:
    """Carry out one command; 0 when it did what its name says."""
    own, words = _split(sys.argv[1:])
    arguments = _parser().parse_args(own)
    if bool(words) != (arguments.command == "run"):
        print("a command to run stands behind `run … --`, and nowhere else", file=sys.stderr)
        return 2
    arguments.words = words
    site = Site(arguments.profile)
    arguments.only = [name for word in arguments.only for name in named(site, word)]
    known = [step.name for step in steps(site)]
    if unknown := [name for name in arguments.only if name not in known]:
        print(f"--only: {', '.join(unknown)}: not one of {', '.join(known)}", file=sys.stderr)
        return 2
    try:
        return COMMANDS[arguments.command](site, arguments)
    except CannotStart as error:
        print(f"{arguments.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; what runs goes on: `make status`, `make down`", file=sys.stderr)
        return 130


def up(site: Site, arguments: argparse.Namespace) -> int:
    """Start the stack or a part of it."""
    began = time.monotonic()
    Stack(site).up(arguments.only)
    print(f"stack {site.profile} is up ({time.monotonic() - began:.1f} s)")
    return 0


def down(site: Site, arguments: argparse.Namespace) -> int:
    """Stop the stack or a part of it; its data stays."""
    ran = Stack(site).down(arguments.only)
    what = f"{','.join(arguments.only)} of {site.profile}" if arguments.only else site.profile
    print(f"stack {what} is down" if ran else f"stack {site.profile} was not running")
    return 0


def status(site: Site, arguments: argparse.Namespace) -> int:
    """Show every process; 1 when one is not healthy."""
    bad = 0
    print(f"{'process':<19} {'state':<9} {'pid':>8}  {'where':<28} health")
    for process, info, wrong in Stack(site).state():
        port = site.port(process.ports[0]) if process.ports else ""
        where = f"127.0.0.1:{port}" if port else "-"
        if process.url_path is not None:
            where = f"http://{where}{process.url_path}"
        where = f"{where} {process.role(site)}".rstrip()
        pid = info.get("pid") or "-"
        print(
            f"{process.name:<19} {info.get('statename', 'STOPPED'):<9} {pid:>8}  {where:<28} "
            f"{wrong or 'ok'}"
        )
        bad += bool(wrong)
    print(
        f"admin: http://127.0.0.1:{site.port('gateway-console')}/admin/, user admin, password in "
        f"{password_file(site)}; logs in {site.state}/logs"
    )
    return 1 if bad else 0


def env(site: Site, arguments: argparse.Namespace) -> int:
    """Print the variables for a shell: `eval "$(python -m deploy.local env)"`."""
    for name, value in environment.values(site).items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def run(site: Site, arguments: argparse.Namespace) -> int:
    """Run a command in the environment of the stack: `… run -- python -m tests.load.demo`."""
    os.environ.update(environment.values(site))
    os.execvp(arguments.words[0], arguments.words)


def logs(site: Site, arguments: argparse.Namespace) -> int:
    """Follow the logs of the named processes, or of all."""
    names = arguments.only or [path.stem for path in sorted((site.state / "logs").glob("*.log"))]
    files = [str(Stack(site).supervisor.log(name)) for name in names]
    os.execvp("tail", ["tail", "-n", "20", "-F", *files])


COMMANDS = {"up": up, "down": down, "status": status, "env": env, "run": run, "logs": logs}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument(
        "--profile", default=os.environ.get("SLUICE_PROFILE", "dev"), choices=PROFILES
    )
    parser.add_argument(
        "--only",
        type=lambda text: text.split(","),
        default=[],
        help=f"comma separated process names; {CLIENTS} are all that only use the servers",
    )
    return parser


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Before and behind `--`; argparse loses a list of words that follows an option."""
    at = arguments.index("--") if "--" in arguments else len(arguments)
    return arguments[:at], arguments[at + 1 :]


if __name__ == "__main__":
    sys.exit(main())
