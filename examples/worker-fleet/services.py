"""What the fleet is made of: every process, how it is started, and where it listens."""

import sys
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
ALL_MISTAKES = ["hostname", "job_id", "jid", "pid", "buckets"]

# Names as in docker-compose.yml, and the ports people know; prometheus.yml and guard.yaml use them.
PORTS = {
    "redis": 6390,
    "celery-exporter": 9808,
    "bullmq": 3000,
    "sidekiq": 9394,
    "worker": 8000,
    "prefork": 8001,
    "guard": 10900,
    "prometheus": 9090,
    "direct": 9091,
    "alertmanager": 9093,
    "pager": 9099,
}

# Who runs jobs. A new process of these has a new name, as a new pod has.
WORKERS = ["celery-worker-0", "celery-worker-1", "bullmq-worker", "sidekiq", "worker", "prefork"]


@dataclass
class Service:
    command: list
    cwd: Path
    environment: dict = field(default_factory=dict)


@dataclass
class Plan:
    """What the command line asked for."""

    ports: dict
    files: Path
    guard: Path
    mistakes: list
    linger: float
    worker_timeout: float
    purge_after: float
    inspect_seconds: float


def environment(plan):
    return {
        "REDIS_URL": f"redis://127.0.0.1:{plan.ports['redis']}/0",
        "MISTAKES": ",".join(plan.mistakes),
        "LINGER": str(plan.linger),
        "FLEET_FILES": str(plan.files),
        "PYTHONPATH": str(HERE),
        "PYTHONUNBUFFERED": "1",
    }


def celery_worker(name):
    args = ["-A", "tasks", "worker", "--hostname", f"celery@{name}", "--concurrency", "2", "-E", "--loglevel", "warning"]
    queues = ["--queues", "emails,reports,webhooks"]
    return Service([sys.executable, "-m", "celery", *args, *queues], HERE / "celery")


def python(folder, script, *args):
    return Service([sys.executable, script, *map(str, args)], HERE / folder)


def node(script, port=0):
    return Service(["node", script], HERE / "bullmq", {"PORT": str(port)})


def sidekiq(plan):
    command = ["sidekiq", "-r", "./jobs.rb", "-q", "default", "-q", "mailers", "-c", "3"]
    return Service(command, HERE / "sidekiq", {"PORT": str(plan.ports["sidekiq"])})


def applications(plan, generation=0):
    """The exporters and the workers behind them. `generation` tells one pod from the next."""
    ports = plan.ports
    times = ["--worker-timeout", plan.worker_timeout, "--purge-after", plan.purge_after]
    linger = ["--linger", plan.linger]
    return {
        "celery-exporter": python(
            "celery",
            "exporter.py",
            "--port",
            ports["celery-exporter"],
            *times,
            "--inspect-seconds",
            plan.inspect_seconds,
        ),
        "bullmq": node("poller.mjs", ports["bullmq"]),
        "celery-worker-0": celery_worker(f"worker-7d9f8b6c5-{generation:04x}0"),
        "celery-worker-1": celery_worker(f"worker-7d9f8b6c5-{generation:04x}1"),
        "bullmq-worker": node("worker.mjs"),
        "sidekiq": sidekiq(plan),
        "worker": python("workers", "worker.py", "--port", ports["worker"], *linger),
        "prefork": python("workers", "worker.py", "--port", ports["prefork"], "--children", 2, *linger),
    }


def producers(_plan):
    return {
        "celery-producer": python("celery", "producer.py"),
        "bullmq-producer": node("producer.mjs"),
        "sidekiq-producer": Service(["ruby", "producer.rb"], HERE / "sidekiq"),
        "worker-producer": python("workers", "producer.py", "single"),
        "prefork-producer": python("workers", "producer.py", "prefork"),
    }


def redis(plan):
    options = ["--port", str(plan.ports["redis"]), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    return Service(["redis-server", *options, "--dir", str(plan.files)], plan.files)


def watchers(plan):
    """The guard and everything that asks it."""
    ports = plan.ports

    def prometheus(name):
        at = f"--web.listen-address=127.0.0.1:{ports[name]}"
        where = [f"--config.file={name}.yml", f"--storage.tsdb.path={name}-data"]
        return Service(["prometheus", *where, at, "--log.level=warn"], plan.files)

    return {
        "guard": Service([str(plan.guard), "serve", "--config.file=guard.yaml", "--log.level=warn"], plan.files),
        "pager": python(
            "monitoring", "pager.py", "--port", ports["pager"], "--file", plan.files / "pages.jsonl"
        ),
        "alertmanager": Service(
            [
                "prometheus-alertmanager",
                "--config.file=alertmanager.yml",
                "--storage.path=alertmanager-data",
                f"--web.listen-address=127.0.0.1:{ports['alertmanager']}",
                "--cluster.listen-address=",
                "--log.level=warn",
            ],
            plan.files,
        ),
        "prometheus": prometheus("prometheus"),
        "direct": prometheus("direct"),
    }
