"""Machines of a cluster as network namespaces of this one, joined by a bridge. Needs root."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.bench.common import wait_until
from tests.bench.processes import list_tree
from tests.demo_process import PROJECT, find_free_port
from tests.plugins.requirements import SYSTEM_PATH
from tests.redis_server import RedisServer

BRIDGE = "portal-test"
GATEWAY = "10.213.77.1"  # PostgreSQL, Redis and the sandbox listen here
WEB_PORTS = (8001, 8002)
STARTUP_SECONDS = 120


@dataclass
class Machine:
    """A network namespace with an address of its own, and the portal's processes in it."""

    name: str
    address: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def servers(self) -> list[str]:
        return [f"{self.address}:{port}" for port in WEB_PORTS]

    def cut_network(self) -> None:
        """Drop all packets without a word, as when a cable is pulled."""
        _run("ip", "link", "set", f"v-{self.name}", "nomaster", "down")

    def restore_network(self) -> None:
        _run("ip", "link", "set", f"v-{self.name}", "master", BRIDGE, "up")

    def start_portal(self, environment: Mapping[str, str], log: Path) -> None:
        """Start two web servers and two workers, and wait until the web servers answer."""
        for port in WEB_PORTS:
            web = {"WEB_HOST": self.address, "WEB_PORT": str(port)}
            self._start(["-m", "gunicorn"], {**environment, **web}, log)
        for _ in WEB_PORTS:
            self._start(["manage.py", "qcluster"], environment, log)
        deadline = time.monotonic() + STARTUP_SECONDS
        while not all(self._is_listening(port) for port in WEB_PORTS):
            if time.monotonic() > deadline or any(p.poll() is not None for p in self.processes):
                raise RuntimeError(f"The portal did not start:\n{log.read_text()[-4000:]}")
            time.sleep(0.2)

    def release_portal(self, environment: Mapping[str, str], log: Path) -> None:
        """As docs/deployment.md says: restart the workers one by one, then reload the web servers.

        What is under way is finished by the old processes.
        """
        servers, workers = self.processes[: len(WEB_PORTS)], self.processes[len(WEB_PORTS) :]
        for worker in workers:
            worker.terminate()
            worker.wait(90)
            self.processes.remove(worker)
            self._start(["manage.py", "qcluster"], environment, log)
        for server in servers:
            old = list_tree(server.pid)[1:]
            server.send_signal(signal.SIGHUP)
            wait_until(
                lambda old=old, server=server: not {*old} & {*list_tree(server.pid)},  # type: ignore[misc]
                "the old web processes to end",
            )

    def kill_portal(self) -> None:
        for process in self.processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes.clear()

    def _start(self, arguments: list[str], environment: Mapping[str, str], log: Path) -> None:
        command = [*("ip", "netns", "exec", self.name), sys.executable, *arguments]
        with log.open("ab") as output:
            self.processes.append(
                subprocess.Popen(  # noqa: S603  (ours)
                    command,
                    cwd=PROJECT,
                    env=dict(environment),
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            )

    def _is_listening(self, port: int) -> bool:
        listening = _run("ip", "netns", "exec", self.name, "ss", "-Hltn", f"sport = :{port}")
        return bool(listening.strip())


@contextmanager
def run_machines(*names: str) -> Iterator[list[Machine]]:
    """Yield machines that reach each other and the gateway; remove them afterwards."""
    machines = [Machine(name, f"10.213.77.{10 + n}") for n, name in enumerate(names)]
    with ExitStack() as stack:
        _run("ip", "link", "add", BRIDGE, "type", "bridge")
        stack.callback(_run, "ip", "link", "del", BRIDGE)
        _run("ip", "addr", "add", f"{GATEWAY}/24", "dev", BRIDGE)
        _run("ip", "link", "set", BRIDGE, "up")
        for machine in machines:
            stack.enter_context(_add_namespace(machine))
        yield machines


@contextmanager
def _add_namespace(machine: Machine) -> Iterator[None]:
    inside, outside = f"i-{machine.name}", f"v-{machine.name}"
    _run("ip", "netns", "add", machine.name)
    try:
        _run("ip", "link", "add", outside, "type", "veth", "peer", "name", inside)
        _run("ip", "link", "set", inside, "netns", machine.name)
        machine.restore_network()
        for command in (
            ("ip", "addr", "add", f"{machine.address}/24", "dev", inside),
            ("ip", "link", "set", inside, "up"),
            ("ip", "link", "set", "lo", "up"),
        ):
            _run("ip", "netns", "exec", machine.name, *command)
        yield
    finally:
        machine.kill_portal()
        _run("ip", "link", "del", outside)
        _run("ip", "netns", "del", machine.name)


@contextmanager
def run_postgres(folder: Path) -> Iterator[str]:
    """Run a PostgreSQL of its own at the gateway's address; yield the URL of an empty database."""
    tools = max(Path("/usr/lib/postgresql").glob("*/bin"))
    data, port = folder / "postgres", find_free_port()
    shutil.chown(folder, "postgres")
    folder.chmod(0o711)
    as_postgres = ("runuser", "-u", "postgres", "--")
    _run(*as_postgres, str(tools / "initdb"), "-D", str(data), "-A", "trust", "-E", "UTF8")
    with (data / "pg_hba.conf").open("a") as rules:
        rules.write("host all all 10.213.77.0/24 trust\n")
    options = f"-p {port} -k {data} -c listen_addresses={GATEWAY} -c max_connections=200"
    control = (*as_postgres, str(tools / "pg_ctl"), "-D", str(data), "-w")
    _run(*control, "-l", str(data / "log"), "-o", options, "start")
    try:
        server = f"postgres://postgres@{GATEWAY}:{port}"
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE portal")
        yield f"{server}/portal"
    finally:
        _run(*control, "-m", "immediate", "stop")


@contextmanager
def run_redis(folder: Path) -> Iterator[str]:
    """Run a Redis of its own at the gateway's address; yield its URL."""
    server = RedisServer(folder, GATEWAY)
    server.start()
    try:
        yield server.url
    finally:
        server.stop()


def _run(*command: str) -> str:
    environment = {**os.environ, "PATH": f"{os.environ['PATH']}:{SYSTEM_PATH}"}
    result = subprocess.run(  # noqa: S603  (from this module)
        command, check=False, capture_output=True, text=True, env=environment
    )
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: {result.stdout}{result.stderr}")
    return result.stdout
