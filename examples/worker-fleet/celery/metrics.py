"""celery-exporter's families: its names, its labels, its help."""

from prometheus_client import Counter, Gauge, Histogram

COUNTERS = {
    "task-sent": "Sent when a task message is published.",
    "task-received": "Sent when the worker receives a task.",
    "task-started": "Sent just before the worker executes the task.",
    "task-succeeded": "Sent if the task executed successfully.",
    "task-failed": "Sent if the execution of the task failed.",
    "task-rejected": "The task was rejected by the worker, possibly to be re-queued or moved to a dead letter queue.",
    "task-revoked": "Sent if the task has been revoked.",
    "task-retried": "Sent if the task failed, but will be retried in the future.",
}
LABELS = ["name", "hostname", "queue_name"]


class Metrics:
    def __init__(self, registry):
        self.counters = {kind: self.counter(kind, text, registry) for kind, text in COUNTERS.items()}
        self.up = Gauge("celery_worker_up", "Indicates if a worker has recently sent a heartbeat.", ["hostname"], registry=registry)
        self.active = Gauge(
            "celery_worker_tasks_active",
            "The number of tasks the worker is currently processing",
            ["hostname"],
            registry=registry,
        )
        self.runtime = Histogram(
            "celery_task_runtime", "Histogram of task runtime measurements.", LABELS, registry=registry
        )
        self.wait = Histogram(
            "celery_task_queue_wait_time",
            "Histogram of the time tasks spend waiting in the queue before being executed, excluding deliberate ETA/countdown delay.",
            LABELS,
            registry=registry,
        )
        # Label values by host, to find again what a worker leaves behind.
        self.of_host = {}

    @staticmethod
    def counter(kind, text, registry):
        labels = [*LABELS, "exception"] if kind == "task-failed" else LABELS
        return Counter(f"celery_{kind.replace('-', '_')}", text, labels, registry=registry)

    def count(self, kind, host, task, event):
        labels = {"name": task["name"], "hostname": host, "queue_name": task["queue"]}
        for each, counter in self.counters.items():
            self.child(counter, {**labels, "exception": ""} if each == "task-failed" else labels)
        if kind == "task-failed":
            labels_here = {**labels, "exception": event.get("exception", "").split("(")[0]}
        else:
            labels_here = labels
        if kind in self.counters:
            self.child(self.counters[kind], labels_here).inc()
        if kind == "task-succeeded":
            self.child(self.runtime, labels).observe(event["runtime"])
        if kind == "task-started" and "sent" in task:
            self.child(self.wait, labels).observe(max(0.0, event["timestamp"] - task["sent"]))

    def child(self, family, labels):
        values = tuple(labels[name] for name in family._labelnames)
        self.of_host.setdefault(labels["hostname"], set()).add((family, values))
        return family.labels(*values)

    def worker_is(self, host, up, active=None):
        self.up.labels(host).set(1 if up else 0)
        if active is not None or not up:
            self.active.labels(host).set(active or 0)

    def forget(self, host):
        for family, values in self.of_host.pop(host, ()):
            family.remove(*values)
        self.up.remove(host)
        self.active.remove(host)
