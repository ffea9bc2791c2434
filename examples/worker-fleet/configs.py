"""Writes the configuration of a run: the files in monitoring/ with local addresses in them.

Those files name hosts as docker-compose.yml does (guard:10900); here each becomes 127.0.0.1 and the
port of this run. The second Prometheus has the same scrape jobs without the guard.
"""

import re

from services import HERE, ROOT

MONITORING = HERE / "monitoring"
# Where a host of docker-compose.yml listens inside its container.
HOSTS = {
    "celery-exporter:9808": "celery-exporter",
    "bullmq:3000": "bullmq",
    "sidekiq:9394": "sidekiq",
    "worker:8000": "worker",
    "prefork:8000": "prefork",
    "guard:10900": "guard",
    "alertmanager:9093": "alertmanager",
    "pager:9099": "pager",
}


def local(text, ports):
    for host, name in HOSTS.items():
        text = re.sub(rf"\b{host}\b", f"127.0.0.1:{ports[name]}", text)
    return text


def faster(text, interval):
    """All jobs at one interval, and alerts that wait for nothing."""
    if interval is None:
        return text
    text = re.sub(r"(scrape_interval|scrape_timeout|evaluation_interval|group_wait|group_interval): \d+[sm]", rf"\1: {interval}s", text)
    return re.sub(r"\bfor: \d+[ms]", f"for: {interval}s", text)


def without_guard(text):
    """The scrape jobs alone, direct."""
    text = re.sub(r"^ +proxy_url: .*\n", "", text, flags=re.M)
    text = re.sub(r"^rule_files:.*\n|^alerting:\n(?: .*\n)+", "", text, flags=re.M)
    return re.sub(r"^  - job_name: cardinality-guard\n(?:    .*\n)+", "", text, flags=re.M)


def write(plan, interval):
    def put(name, text):
        (plan.files / name).write_text(text)

    prometheus = local((MONITORING / "prometheus.yml").read_text(), plan.ports)
    put("prometheus.yml", faster(prometheus, interval))
    # Less often: what it is sent grows without end, and the fleet shares this machine.
    put("direct.yml", without_guard(faster(prometheus, interval and 5 * interval)))
    for rules in ["rules.yaml", "alerts.yaml"]:
        put(rules, faster((MONITORING / rules).read_text(), interval))
    put("alertmanager.yml", faster(local((MONITORING / "alertmanager.yml").read_text(), plan.ports), interval))
    guard = local((MONITORING / "guard.yaml").read_text(), plan.ports)
    guard = guard.replace("0.0.0.0:10900", f"127.0.0.1:{plan.ports['guard']}").replace("/data", "guard-data")
    put("guard.yaml", guard.replace("/policies/", f"{ROOT}/policies/"))
