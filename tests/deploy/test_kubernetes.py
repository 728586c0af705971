"""What the manifests promise, as `kubectl kustomize` builds them: no cluster is needed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from temporalio.envconfig import ClientConfigProfile

from continuum.production import Part, faults
from continuum.settings import Settings
from gateway import health
from gateway.limits import Bounds
from workflows import attributes
from workflows.connection import TASK_QUEUE

ROOT = Path(__file__).parents[2]
HERE = ROOT / "deploy/kubernetes"
README = (HERE / "README.md").read_text("utf-8")
VALUES: dict[str, Any] = yaml.safe_load((HERE / "temporal/values.yaml").read_text("utf-8"))
Manifest = dict[str, Any]

DIGEST = re.compile(r"\d+\.\d+\.\d+@sha256:[0-9a-f]{64}")
TEMPORALS = re.compile(r"TEMPORAL_(ADDRESS|NAMESPACE|API_KEY|TLS|TLS_[A-Z_]+)")
KNOWN = {f"CONTINUUM_{field.upper()}" for field in Settings.model_fields} | {
    "CONTINUUM_READY_FILE",
    "CONTINUUM_OWNER_DATABASE_URL",
    "CONTINUUM_OWNER_DATABASE_PASSWORD_FILE",
}
VERSIONS = {
    "ConfigMap": "v1",
    "Deployment": "apps/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
    "Ingress": "networking.k8s.io/v1",
    "Job": "batch/v1",
    "Namespace": "v1",
    "NetworkPolicy": "networking.k8s.io/v1",
    "PodDisruptionBudget": "policy/v1",
    "ScaledObject": "keda.sh/v1alpha1",
    "Service": "v1",
    "ServiceAccount": "v1",
    "TriggerAuthentication": "keda.sh/v1alpha1",
}


@pytest.fixture(scope="module")
def site() -> list[Manifest]:
    """The example overlay."""
    command = shutil.which("kubectl")
    if command is None:
        pytest.skip("no kubectl on this machine")
    done = subprocess.run(
        [command, "kustomize", HERE / "overlays/example"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def of(site: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {one["metadata"]["name"]: one for one in site if one["kind"] == kind}


def pods(site: list[Manifest]) -> dict[str, Manifest]:
    """The templates of pods, by their component."""
    found = [one["spec"]["template"] for one in site if one["kind"] in {"Deployment", "Job"}]
    return {one["metadata"]["labels"]["app.kubernetes.io/component"]: one for one in found}


def containers(site: list[Manifest]) -> dict[str, Manifest]:
    every = {}
    for component, pod in pods(site).items():
        assert "initContainers" not in pod["spec"]
        [every[component]] = pod["spec"]["containers"]
    return every


def environment(site: list[Manifest], component: str) -> dict[str, str]:
    """The environment of a container; what comes from a secret is its name."""
    container = containers(site)[component]
    told: dict[str, str] = {}
    for source in container.get("envFrom", []):
        told |= of(site, "ConfigMap")[source["configMapRef"]["name"]]["data"]
    for one in container.get("env", []):
        told[one["name"]] = one.get("value") or one["valueFrom"]["secretKeyRef"]["name"]
    return told


Reference = tuple[str, str, str | None]
"""Kind, name, and the key where one is named."""


def references(value: Any) -> Iterator[Reference]:
    """Each secret and config map that is named."""
    if isinstance(value, list):
        for one in value:
            yield from references(one)
    elif isinstance(value, dict):
        for key, inner in value.items():
            found = list(named_by(key, inner))
            yield from found or references(inner)


def named_by(key: str, inner: Any) -> Iterator[Reference]:
    if key in {"secretKeyRef", "configMapKeyRef"}:
        yield ("Secret" if key.startswith("secret") else "ConfigMap"), inner["name"], inner["key"]
    elif key in {"secret", "configMap", "configMapRef", "secretRef"}:
        kind = "Secret" if key.startswith("secret") else "ConfigMap"
        name = inner.get("name") or inner["secretName"]
        yield from ((kind, name, item["key"]) for item in inner.get("items", [{"key": None}]))
    elif key == "secretTargetRef":
        yield from (("Secret", item["name"], item["key"]) for item in inner)
    elif key == "tls" and isinstance(inner, list):
        yield from (("Secret", item["secretName"], None) for item in inner)


def documented() -> dict[str, set[str]]:
    """What the site makes itself, from the README's table: `Secret name` to its keys."""
    rows = re.findall(r"^\| (Secret|ConfigMap) `([a-z0-9-]+)` \| ([^|]*) \|", README, re.MULTILINE)
    return {f"{kind} {name}": set(re.findall(r"`([^`]+)`", keys)) for kind, name, keys in rows}


def test_every_manifest_is_of_a_kind_and_version_that_is_served(site: list[Manifest]) -> None:
    assert {one["kind"]: one["apiVersion"] for one in site} == VERSIONS
    names = [(one["kind"], one["metadata"]["name"]) for one in site]
    assert len(names) == len(set(names))
    for one in site:
        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", one["metadata"]["name"])
        assert one["kind"] == "Namespace" or one["metadata"]["namespace"] == "continuum"


def test_secrets_are_named_and_never_in_the_manifests(site: list[Manifest]) -> None:
    assert "Secret" not in {one["kind"] for one in site}
    assert not list(HERE.rglob("*.key")) + list(HERE.rglob("*.pem"))
    for values in of(site, "ConfigMap").values():
        for name, value in values["data"].items():
            assert isinstance(value, str), f"{name} is no text: Kubernetes refuses it"
            if re.search(r"PASSWORD|KEY_FILE|KEY_PATH", name):
                assert value.startswith("/run/")


def test_whatever_is_referred_to_is_made_here_or_documented(site: list[Manifest]) -> None:
    own = of(site, "ConfigMap")
    table = documented()
    named = set()
    for kind, name, key in references([one["spec"] for one in site if "spec" in one]):
        if kind == "ConfigMap" and name in own:
            assert key is None or key in own[name]["data"]
            continue
        named.add(f"{kind} {name}")
        assert f"{kind} {name}" in table, f"{kind} {name} is not in the table of deploy/kubernetes/README.md"
        assert key is None or key in table[f"{kind} {name}"], f"{kind} {name} is documented without {key}"
    assert set(own) == {"continuum", "continuum-worker", "continuum-gateway"}
    assert named == {one for one in table if not re.match(r"\w+ temporal-", one)}


def test_what_the_chart_is_told_is_documented() -> None:
    text = json.dumps(VALUES)
    names = set(re.findall(r'"(?:secretName|existingSecret|additionalEnvSecretName)": "([^"]+)"', text))
    assert {f"Secret {name}" for name in names} | {"ConfigMap temporal-database-ca"} <= set(documented())


@pytest.mark.parametrize("component", ["migrate", "worker", "gateway"])
def test_settings_are_known_and_files_are_mounted(site: list[Manifest], component: str) -> None:
    told = environment(site, component)
    assert {name for name in told if name.startswith("CONTINUUM_")} <= KNOWN
    reference = (ROOT / "docs/reference/settings.md").read_text("utf-8")
    assert not [name for name in told if name in KNOWN and f"`{name}`" not in reference]
    assert all(name.startswith("CONTINUUM_") or TEMPORALS.fullmatch(name) for name in told)
    spec = pods(site)[component]["spec"]
    mounted = {one["mountPath"]: one["name"] for one in containers(site)[component]["volumeMounts"]}
    volumes = {one["name"]: one for one in spec["volumes"]}
    assert set(mounted.values()) == set(volumes)
    tables = documented()
    for path in re.findall(r"/run/[a-z0-9_./-]+", " ".join(told.values())):
        volume = volumes[mounted[str(Path(path).parent)]]
        sources = volume.get("projected", {}).get("sources", [volume])
        files: set[str] = set()
        for source in sources:
            inner = source.get("secret") or source["configMap"]
            kind = "Secret" if "secret" in source else "ConfigMap"
            files |= {item["path"] for item in inner.get("items", [])} or tables[
                f"{kind} {inner.get('secretName') or inner['name']}"
            ]
        assert Path(path).name in files, f"{path} is not mounted"


@pytest.mark.parametrize("part", ["worker", "gateway"])
def test_it_is_a_production_site(part: Part, site: list[Manifest], monkeypatch: pytest.MonkeyPatch) -> None:
    told = environment(site, part)
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert settings.environment == "production"
    profile = ClientConfigProfile.load()
    assert profile.tls is not None
    assert profile.tls.client_private_key == Path(told["TEMPORAL_TLS_CLIENT_KEY_PATH"])
    left = list(faults(settings, part, temporal=profile))
    assert all(".example, where nobody is" in one for one in left), left


@pytest.mark.parametrize("component", ["migrate", "worker", "gateway"])
def test_pods_may_do_little(site: list[Manifest], component: str) -> None:
    spec, container = pods(site)[component]["spec"], containers(site)[component]
    assert spec["automountServiceAccountToken"] is False
    assert of(site, "ServiceAccount")[spec["serviceAccountName"]]["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    user = f"USER {spec['securityContext']['runAsUser']}:{spec['securityContext']['runAsGroup']}"
    assert user in (ROOT / "Dockerfile").read_text("utf-8").splitlines()
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert not [one for one in spec["volumes"] if "hostPath" in one]
    assert container["resources"]["limits"]["memory"]
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}
    assert {mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")} == {"tmp"}


def test_images_are_named_by_digest(site: list[Manifest]) -> None:
    for container in containers(site).values():
        assert re.fullmatch(r"[a-z0-9./-]+@sha256:[0-9a-f]{64}", container["image"])
    compose = (ROOT / "docker-compose.yml").read_text("utf-8")
    for image in (VALUES["server"]["image"], VALUES["admintools"]["image"], VALUES["web"]["image"]):
        assert DIGEST.fullmatch(image["tag"])
        assert f"{image['repository']}:{image['tag']}" in compose, "the same as with Docker Compose"


def test_selectors_match_what_they_are_for(site: list[Manifest]) -> None:
    labels = {component: pod["metadata"]["labels"] for component, pod in pods(site).items()}

    def matched(selector: dict[str, str]) -> set[str]:
        return {component for component, own in labels.items() if selector.items() <= own.items()}

    for name, deployment in of(site, "Deployment").items():
        component = name.removeprefix("continuum-")
        selector = deployment["spec"]["selector"]["matchLabels"]
        assert matched(selector) == {component}
        [spread] = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]
        assert spread["labelSelector"]["matchLabels"] == selector
        budget = of(site, "PodDisruptionBudget")[name]["spec"]
        assert budget == {"maxUnavailable": 1, "selector": {"matchLabels": selector}}
    for service in of(site, "Service").values():
        assert matched(service["spec"]["selector"]) == {"gateway"}
        ports = {port["name"] for port in containers(site)["gateway"]["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports
    [rule] = of(site, "Ingress")["continuum"]["spec"]["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]
    assert backend["port"]["name"] in {p["name"] for p in of(site, "Service")[backend["name"]]["spec"]["ports"]}
    assert f"https://{rule['host']}" == environment(site, "gateway")["CONTINUUM_PUBLIC_URL"]


def test_probes_ask_what_is_there(site: list[Manifest]) -> None:
    gateway, told = containers(site)["gateway"], environment(site, "gateway")
    routes = {getattr(route, "path", None) for route in health.router.routes}
    ports = {port["name"]: str(port["containerPort"]) for port in gateway["ports"]}
    metrics = told["CONTINUUM_METRICS_ADDRESS"].rpartition(":")[2]
    assert ports == {"https": told["CONTINUUM_HTTP_PORT"], "mllp": told["CONTINUUM_HL7_PORT"], "metrics": metrics}
    for component in ("worker", "gateway"):
        annotations = pods(site)[component]["metadata"]["annotations"]
        assert annotations == {"prometheus.io/scrape": "true", "prometheus.io/port": metrics}
    for probe, path in (("startupProbe", "/ready"), ("readinessProbe", "/ready"), ("livenessProbe", "/health")):
        assert gateway[probe]["httpGet"] == {"path": path, "port": "https", "scheme": "HTTPS"}
        assert path in routes
    worker = containers(site)["worker"]
    for probe in ("startupProbe", "readinessProbe"):
        assert worker[probe]["exec"]["command"] == ["test", "-f", environment(site, "worker")["CONTINUUM_READY_FILE"]]
    assert "livenessProbe" not in worker, "whoever waits for PostgreSQL is not mended by a restart"


def test_the_ingress_lets_bodies_through_that_the_gateway_takes(site: list[Manifest]) -> None:
    size = of(site, "Ingress")["continuum"]["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"]
    assert int(size.removesuffix("m")) * 1024 * 1024 > Bounds.fhir_body


def test_nobody_talks_to_anybody_but_for_what_is_named(site: list[Manifest]) -> None:
    policies = of(site, "NetworkPolicy")
    assert policies["continuum-default-deny"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    comes_in: dict[int, Any] = {}
    for policy in policies.values():
        for rule in [*policy["spec"].get("ingress", []), *policy["spec"].get("egress", [])]:
            assert rule.get("from") or rule.get("to"), "an empty list is everybody"
            assert rule["ports"]
        for rule in policy["spec"].get("ingress", []):
            for port in rule["ports"]:
                assert port["port"] not in comes_in
                comes_in[port["port"]] = rule["from"]
    assert set(comes_in) == {8443, 2575, 9464}
    ranges = of(site, "Service")["continuum-hl7"]["spec"]["loadBalancerSourceRanges"]
    assert [one["ipBlock"]["cidr"] for one in comes_in[2575]] == ranges
    out = policies["continuum-out"]["spec"]["egress"][0]["to"][0]["ipBlock"]
    assert {"10.0.0.0/8", "169.254.0.0/16", "192.168.0.0/16", "172.16.0.0/12", "127.0.0.0/8"} <= set(out["except"])


def test_workers_are_scaled_by_the_backlog_of_their_queue(site: list[Manifest]) -> None:
    scaled = of(site, "ScaledObject")["continuum-worker"]["spec"]
    deployment = of(site, "Deployment")["continuum-worker"]["spec"]
    assert "replicas" not in deployment, "two would say how many there are"
    assert scaled["scaleTargetRef"]["name"] == "continuum-worker"
    assert scaled["minReplicaCount"] >= 2
    [trigger] = scaled["triggers"]
    told = environment(site, "worker")
    assert trigger["type"] == "temporal"
    assert trigger["metadata"]["taskQueue"] == TASK_QUEUE
    assert trigger["metadata"]["endpoint"] == told["TEMPORAL_ADDRESS"]
    assert trigger["metadata"]["namespace"] == told["TEMPORAL_NAMESPACE"]
    assert set(trigger["metadata"]["queueTypes"].split(",")) == {"workflow", "activity"}
    assert trigger["authenticationRef"]["name"] in of(site, "TriggerAuthentication")
    assert all(isinstance(value, str) for value in trigger["metadata"].values())


def test_temporal_lets_nobody_in_without_certificate_and_token() -> None:
    server = VALUES["server"]
    assert server["config"]["authorization"]["authorizer"] == "default", "an empty one lets everybody in"
    assert server["config"]["authorization"]["claimMapper"] == "default"
    assert server["config"]["authorization"]["jwtKeyProvider"]["keySourceURIs"][0].startswith("https://")
    assert server["internal-frontend"]["enabled"] is True, "the server's own worker has no token"
    for link in ("internode", "frontend"):
        assert server["tls"][link]["enabled"] is True
        assert server["tls"][link]["requireClientAuth"] is True
    for store in server["config"]["persistence"]["datastores"].values():
        assert store["sql"]["tls"]["enabled"] is True
        assert store["sql"]["tls"]["enableHostVerification"] is True
        assert "password" not in store["sql"]


def test_temporal_is_as_with_docker_compose() -> None:
    config = VALUES["server"]["config"]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
    assert str(config["persistence"]["numHistoryShards"]) == compose["temporal"]["environment"]["NUM_HISTORY_SHARDS"]
    [namespace] = config["namespaces"]["namespace"]
    assert namespace == {"name": "default", "retention": compose["temporal-namespace"]["environment"]["RETENTION"]}
    dynamic = yaml.safe_load((ROOT / "deploy/temporal/dynamicconfig.yaml").read_text("utf-8"))
    assert VALUES["server"]["dynamicConfig"] == dynamic
    off = {name: value for name, value in compose["temporal-ui"]["environment"].items() if name.endswith("_DISABLED")}
    assert {(one["name"], one["value"]) for one in VALUES["web"]["additionalEnv"]} >= set(off.items())
    registered = re.search(r'SEARCH_ATTRIBUTES="([^"]+)"', README)
    assert registered is not None
    assert dict(pair.split("=") for pair in registered[1].split()) == attributes.ALL


def test_temporals_frontends_are_closed_to_strangers() -> None:
    text = (HERE / "temporal/network.yaml").read_text("utf-8")
    policies = {one["metadata"]["name"]: one["spec"] for one in yaml.safe_load_all(text)}
    assert policies["temporal-own"] == {
        "podSelector": {},
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": {}}]}],
    }
    for name, component in (("temporal-frontend", "frontend"), ("temporal-web", "web")):
        assert policies[name]["podSelector"]["matchLabels"] == {"app.kubernetes.io/component": component}
        [rule] = policies[name]["ingress"]
        assert rule["from"]
        assert rule["ports"]
