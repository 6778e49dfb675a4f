"""The Helm chart, linted and rendered by Helm; the manifests hold against Kubernetes' schemas."""

from __future__ import annotations

import json
from pathlib import Path

import kubernetes_validate
import pytest
import yaml
from deploy.tools import DEPLOY, approved, run

import otelscore
from otelscore.config import load

CHART = DEPLOY / "helm" / "otelscore"
KUBERNETES = "1.34"

EVERYTHING = {
    "replicas": 2,
    "config": {
        "labels": ["deployment.environment.name"],
        "limits": {"state": "1GiB"},
        "exclude": {"agent": ["x*"]},
        "metrics": {"tls": {"cert_file": "/tls/tls.crt", "key_file": "/tls/tls.key"}},
    },
    "image": {"repository": "registry.example/otelscore", "tag": "1.2.3"},
    "imagePullSecrets": [{"name": "registry"}],
    "envFrom": [{"secretRef": {"name": "otelscore"}}],
    "extraVolumes": [{"name": "ca", "secret": {"secretName": "ca"}}],
    "extraVolumeMounts": [{"name": "ca", "mountPath": "/ca", "readOnly": True}],
    "persistence": {"storageClassName": "fast", "size": "8Gi"},
    "serviceAccount": {"annotations": {"a": "b"}},
    "podAnnotations": {"a": "b"},
    "podLabels": {"team": "agents"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "dedicated", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "high",
    "service": {"annotations": {"a": "b"}},
    "serviceMonitor": {"labels": {"release": "prometheus"}, "endpoint": {"scheme": "https"}},
    "prometheusRule": {
        "labels": {"release": "prometheus"},
        "grafanaUrl": "https://grafana.example/",
        "sourceUrl": "https://git.example/otelscore/blob/main",
    },
}
"""Every value that is empty by default."""

OFF = {name: {"enabled": False} for name in ("podDisruptionBudget", "serviceMonitor", "prometheusRule", "dashboards")}

Manifests = list[dict]


def render(folder: Path, values: dict) -> Manifests:
    path = folder / "values.yaml"
    path.write_text(yaml.safe_dump(values))
    shown = approved("helm", "template", "otelscore", CHART, "--kube-version", KUBERNETES, "--values", path)
    return [manifest for manifest in yaml.safe_load_all(shown) if manifest]


@pytest.fixture(scope="module", params=[{}, EVERYTHING, OFF], ids=["defaults", "everything", "off"])
def values(request: pytest.FixtureRequest) -> dict:
    return request.param


@pytest.fixture(scope="module")
def manifests(values: dict, tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    return render(tmp_path_factory.mktemp("rendered"), values)


def of(manifests: Manifests, kind: str) -> Manifests:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


def complaints(manifest: dict) -> str:
    """What Kubernetes' schema has against it."""
    try:
        kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    except kubernetes_validate.ValidationError as error:
        return str(error)
    return ""


def container(manifests: Manifests) -> dict:
    (stateful,) = of(manifests, "StatefulSet")
    return stateful["spec"]["template"]["spec"]["containers"][0]


def test_helm_has_nothing_to_say(values, tmp_path):
    (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
    linted = run("helm", "lint", "--strict", CHART, "--values", tmp_path / "values.yaml")
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_manifests_are_as_kubernetes_wants_them(manifests):
    for manifest in manifests:
        if not manifest["apiVersion"].startswith("monitoring.coreos.com/"):
            assert complaints(manifest) == "", manifest["metadata"]["name"]


def test_otelscore_takes_its_configuration(manifests, values, tmp_path):
    (text,) = [one["data"]["config.yaml"] for one in of(manifests, "ConfigMap") if "config.yaml" in one["data"]]
    (tmp_path / "config.yaml").write_text(text)
    config = load(tmp_path / "config.yaml", {}, {})
    assert config.labels == tuple(values.get("config", {}).get("labels", ()))
    assert config.insecure  # said in values.yaml, where the reader is told what it means


def test_the_metrics_port_is_asked_the_way_it_listens(manifests, values):
    scheme = "HTTPS" if values is EVERYTHING else "HTTP"
    asked = container(manifests)
    probes = [asked[probe]["httpGet"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert {probe["scheme"] for probe in probes} == {scheme}
    for monitor in of(manifests, "ServiceMonitor"):
        assert monitor["spec"]["endpoints"][0].get("scheme", "http").upper() == scheme


def test_what_is_turned_off_is_not_there(manifests, values):
    kinds = {manifest["kind"] for manifest in manifests}
    optional = {"PodDisruptionBudget", "ServiceMonitor", "PrometheusRule"}
    assert kinds & optional == (set() if values is OFF else optional)


def test_the_pod_has_no_rights(manifests):
    spec = of(manifests, "StatefulSet")[0]["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["automountServiceAccountToken"] is False
    safe = container(manifests)["securityContext"]
    assert safe == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }


def test_labels_select_the_pods_and_the_service_that_is_scraped(manifests):
    (stateful,) = of(manifests, "StatefulSet")
    labels = stateful["spec"]["template"]["metadata"]["labels"].items()
    services = {service["metadata"]["name"]: service for service in of(manifests, "Service")}
    assert stateful["spec"]["selector"]["matchLabels"].items() <= labels
    assert all(service["spec"]["selector"].items() <= labels for service in services.values())
    assert stateful["spec"]["serviceName"] in services
    for monitor in of(manifests, "ServiceMonitor"):
        wanted = monitor["spec"]["selector"]["matchLabels"].items()
        scraped = [name for name, service in services.items() if wanted <= service["metadata"]["labels"].items()]
        assert scraped == [stateful["spec"]["serviceName"]]  # one of them, or every instance would be scraped twice
        assert [endpoint["honorLabels"] for endpoint in monitor["spec"]["endpoints"]] == [True]


def test_rules_are_those_of_the_files(manifests, values, tmp_path):
    rules = of(manifests, "PrometheusRule")
    originals = [
        path for path in (DEPLOY / "prometheus").glob("*.yaml") if "groups" in yaml.safe_load(path.read_text())
    ]
    if values is OFF:
        return
    assert sorted(rule["metadata"]["name"] for rule in rules) == sorted(f"otelscore-{one.stem}" for one in originals)
    for rule in rules:
        path = tmp_path / "rule.yaml"
        path.write_text(yaml.safe_dump(rule["spec"]))
        assert run("promtool", "check", "rules", path).returncode == 0
        original = DEPLOY / "prometheus" / f"{rule['metadata']['name'].removeprefix('otelscore-')}.yaml"
        expected = original.read_text()
        if values is EVERYTHING:
            expected = expected.replace("{{ $externalLabels.grafana_url }}", "https://grafana.example")
            expected = expected.replace("{{ $externalLabels.source_url }}", "https://git.example/otelscore/blob/main")
            assert "externalLabels" not in expected
        assert rule["spec"] == yaml.safe_load(expected)


def test_dashboards_are_those_of_the_files(manifests, values):
    rendered = {name: text for one in of(manifests, "ConfigMap") for name, text in one["data"].items()}
    dashboards = {name: json.loads(text) for name, text in rendered.items() if name.endswith(".json")}
    originals = (DEPLOY.parent / "dashboards" / "json").glob("*.json")
    assert dashboards == ({} if values is OFF else {one.name: json.loads(one.read_text()) for one in originals})


def test_every_value_is_used_and_explained(tmp_path):
    """A value that no template uses would change nothing; a block without a comment would be a riddle."""
    default = yaml.safe_load((CHART / "values.yaml").read_text())
    templates = "".join(path.read_text() for path in (CHART / "templates").iterdir())
    assert [name for name in default if f".Values.{name}" not in templates] == []
    blocks = (CHART / "values.yaml").read_text().split("\n\n")
    assert [block for block in blocks if not block.startswith("#")] == []
    assert container(render(tmp_path, {}))["image"] == f"otelscore:{otelscore.__version__}"
