"""Runs the worker fleet on this machine, without Docker: `make fleet`, or see README.md.

With --drive it takes commands, one a line, on standard input, and answers each with a line of JSON:
`pace N`, `ledger`, `mistakes`, `kill NAME`, `start NAME`, `restart NAME`, `pages`. It ends all its
processes when its input ends, or at Ctrl-C.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import configs
import ledger
import services
from orphans import end_with_the_parent

NEEDED = ["redis-server", "prometheus", "prometheus-alertmanager", "node", "ruby", "sidekiq"]


class Fleet:
    def __init__(self, plan):
        self.plan = plan
        self.running = {}
        self.generation = 0

    def start(self, name, service):
        log = open(self.plan.files / f"{name}.log", "ab")
        self.running[name] = subprocess.Popen(
            service.command,
            cwd=service.cwd,
            env={**os.environ, **services.environment(self.plan), **service.environment},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            # A group of its own: Ctrl-C reaches this process only, which then ends the others in order.
            start_new_session=True,
            preexec_fn=end_with_the_parent,
        )

    def start_all(self):
        self.start("redis", services.redis(self.plan))
        os.environ.update(services.environment(self.plan))
        eventually("redis", lambda: ledger.connect().ping())
        ledger.connect().set("pace", 0)
        applications = services.applications(self.plan)
        for name, service in {**applications, **services.producers(self.plan), **services.watchers(self.plan)}.items():
            self.start(name, service)
        for name in ["celery-exporter", "bullmq", "sidekiq", "worker", "prefork"]:
            eventually(name, lambda name=name: self.answers(name, "/metrics"))
        for name in ["guard", "prometheus", "direct", "alertmanager"]:
            eventually(name, lambda name=name: self.answers(name, "/-/ready"))

    def answers(self, name, path):
        ended = self.running[name].poll()
        if ended is not None:
            log = (self.plan.files / f"{name}.log").read_text()
            sys.exit(f"fleet: {name} ended at once ({ended}):\n{log}")
        address = f"http://127.0.0.1:{self.plan.ports[name]}{path}"
        return urllib.request.urlopen(address, timeout=5).status == 200

    def signal(self, name, number):
        try:
            os.killpg(self.running[name].pid, number) if number == signal.SIGKILL else self.running[name].send_signal(number)
        except ProcessLookupError:
            pass

    def end(self, name, number):
        """Asks and waits; who does not listen is killed, with all it started."""
        self.signal(name, number)
        try:
            self.running[name].wait(timeout=30)
        except subprocess.TimeoutExpired:
            pass
        self.signal(name, signal.SIGKILL)
        self.running[name].wait()

    def start_again(self, name):
        self.generation += 1
        self.start(name, services.applications(self.plan, self.generation)[name])

    def end_all(self):
        for name in reversed(self.running):
            self.signal(name, signal.SIGKILL)
        for process in self.running.values():
            process.wait()


def eventually(what, ask):
    """Starting takes what it takes; a process that has ended says so by itself."""
    for _ in range(600):
        try:
            if ask():
                return
        except (OSError, ConnectionError, ledger.redis.RedisError):
            pass
        time.sleep(0.1)
    sys.exit(f"fleet: {what} does not answer")


def obey(fleet, line):
    command, _, name = line.strip().partition(" ")
    if command == "pace":
        ledger.connect().set("pace", float(name))
    elif command == "kill":
        fleet.end(name, signal.SIGKILL)
    elif command == "start":
        fleet.start_again(name)
    elif command == "restart":
        fleet.end(name, signal.SIGTERM)
        fleet.start_again(name)
    elif command == "ledger":
        books = ledger.connect()
        runtimes = {key[9:]: books.lrange(key, 0, -1) for key in books.keys("runtimes/*")}
        return {"jobs": books.hgetall("ledger"), "runtimes": runtimes}
    elif command == "pages":
        file = fleet.plan.files / "pages.jsonl"
        return [json.loads(page) for page in file.read_text().splitlines()] if file.exists() else []
    else:
        return {"error": f"unknown command: {command}"}
    return {}


def drive(fleet):
    print(json.dumps({"ports": fleet.plan.ports, "files": str(fleet.plan.files), "workers": services.WORKERS}), flush=True)
    for line in sys.stdin:
        print(json.dumps(obey(fleet, line)), flush=True)


def show(fleet, pace):
    ledger.connect().set("pace", pace)
    ports = fleet.plan.ports
    print(f"mistakes: {', '.join(fleet.plan.mistakes) or 'none'}; {pace:g} job(s) a second to each queue")
    for name, what in {
        "prometheus": "Prometheus, through the guard",
        "direct": "another one beside it, direct",
        "guard": "the guard: what it keeps out",
        "alertmanager": "Alertmanager; pages go to pages.jsonl",
    }.items():
        print(f"  http://127.0.0.1:{ports[name]}/  {what}")
    print(f"  {fleet.plan.files}  logs and pages\nCtrl-C ends all of it.", flush=True)
    while True:
        time.sleep(5)
        for name, process in fleet.running.items():
            if process.poll() is not None:
                sys.exit(f"fleet: {name} ended, see {fleet.plan.files}/{name}.log")
        print(f"  series in the head: {series(ports['prometheus']):>7,} guarded {series(ports['direct']):>7,} direct", flush=True)


def series(port):
    status = f"http://127.0.0.1:{port}/api/v1/status/tsdb"
    return json.load(urllib.request.urlopen(status, timeout=10))["data"]["headStats"]["numSeries"]


def free_ports(names):
    held = {name: socket.create_server(("127.0.0.1", 0)) for name in names}
    ports = {name: each.getsockname()[1] for name, each in held.items()}
    for each in held.values():
        each.close()
    return ports


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--guard", type=Path, required=True, help="the binary")
    parser.add_argument("--mistakes", default="all", help=f"all, none, or some of {','.join(services.ALL_MISTAKES)}")
    parser.add_argument("--pace", type=float, default=1, help="jobs a second to each queue")
    parser.add_argument("--interval", type=int, help="seconds between scrapes, instead of 15")
    parser.add_argument("--drive", action="store_true", help="take commands, on free ports")
    parser.add_argument("--linger", type=float, default=16, help="seconds a worker stays to be scraped once more")
    parser.add_argument("--worker-timeout", type=float, default=60)
    parser.add_argument("--purge-after", type=float, default=120)
    parser.add_argument(
        "--inspect-seconds", type=float, default=1, help="how long a scrape waits for Celery's workers; 0: it does not ask"
    )
    return parser.parse_args()


def main():
    given = arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("fleet: ended from outside"))
    missing = [program for program in NEEDED if not shutil.which(program)]
    if missing or not (services.HERE / "bullmq/node_modules/bullmq").is_dir():
        sys.exit(f"fleet: missing: {', '.join(missing or ['bullmq'])}: run make setup")
    named = {"all": services.ALL_MISTAKES, "none": []}
    mistakes = named[given.mistakes] if given.mistakes in named else given.mistakes.split(",")
    unknown = set(mistakes) - set(services.ALL_MISTAKES)
    if unknown:
        sys.exit(f"fleet: unknown mistakes: {', '.join(unknown)}; there are {', '.join(services.ALL_MISTAKES)}")
    with tempfile.TemporaryDirectory(prefix="worker-fleet-") as files:
        ports = free_ports(services.PORTS) if given.drive else services.PORTS
        plan = services.Plan(
            ports,
            Path(files),
            given.guard.resolve(),
            mistakes,
            given.linger,
            given.worker_timeout,
            given.purge_after,
            given.inspect_seconds,
        )
        configs.write(plan, given.interval)
        fleet = Fleet(plan)
        try:
            fleet.start_all()
            drive(fleet) if given.drive else show(fleet, given.pace)
        except KeyboardInterrupt:
            pass
        finally:
            fleet.end_all()


if __name__ == "__main__":
    main()
