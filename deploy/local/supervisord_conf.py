"""supervisord's configuration file: its own section, and one for each program."""

import os
import resource
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.local.process import CannotStart, Process
from deploy.local.site import Site

FILE_DESCRIPTORS = 65_536

_HEAD = """\
[supervisord]
logfile={state}/supervisord.log
logfile_maxbytes=5MB
logfile_backups=1
pidfile={state}/supervisord.pid
childlogdir={state}/logs
minfds={descriptors}
nocleanup=true
{user}
[unix_http_server]
file={socket}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
"""
# startsecs: an interpreter that dies on a wrong value does so within it, so it counts as a failed
# start and the pauses between the tries grow. startretries: some three minutes of them.
# umask: programs write signing keys (the gateway's snapshot) and orders, for nobody else to read.
_PROGRAM = """
[program:{name}]
command={command}
directory={folder}
environment={environment}
autostart=false
autorestart=true
startsecs=3
startretries=20
stopsignal={stop_signal}
stopwaitsecs={stop_wait_s}
umask=077
stopasgroup=false
killasgroup=true
redirect_stderr=true
stdout_logfile={state}/logs/{name}.log
stdout_logfile_maxbytes=20MB
stdout_logfile_backups=1
"""


@dataclass(frozen=True)
class Program:
    """A process as supervisord is told about it."""

    process: Process
    command: Sequence[str]
    environment: dict[str, str]


def render(site: Site, socket: Path, programs: Sequence[Program]) -> str:
    """The whole file. It holds the programs' secrets: write it for the owner only."""
    if set(str(site.state)) & set('%"\\'):
        raise CannotStart(f"supervisor cannot work in {site.state}: % or quotes in the path")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    head = _HEAD.format(
        state=site.state,
        socket=socket,
        descriptors=FILE_DESCRIPTORS if most < 0 else min(most, FILE_DESCRIPTORS),
        user="user=root\n" if os.getuid() == 0 else "",
    )
    return head + "".join(_section(site, program) for program in programs)


def _section(site: Site, program: Program) -> str:
    process = program.process
    user = process.user()
    owner = [f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
    guarded = ["setpriv", *owner, "--pdeathsig", process.stop_signal, "--", *program.command]
    share = program.environment.items()
    return _PROGRAM.format(
        name=process.name,
        command=" ".join(_quote(word) for word in guarded),
        folder=site.folder("run"),
        environment=",".join(f"{name}={_quote(value)}" for name, value in share),
        stop_signal=process.stop_signal,
        stop_wait_s=process.stop_wait_s,
        state=site.state,
    )


def _quote(word: str) -> str:
    """As supervisor reads it: quotes around, and % doubled because it expands it."""
    if set(word) & set('"\\\n'):
        raise CannotStart(f"supervisor cannot be given {word!r}")
    return '"' + word.replace("%", "%%") + '"'
