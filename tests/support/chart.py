"""The chart, rendered: `make helm` renders it, checks what comes out, and compares it with the files in tests/unit/helm/rendered.

`make test` has no renderer (Helm as a library weighs 240 MB) and looks at those files. Each says of which chart it is, by a
digest, so that one which is older than the chart is found there too. `make helm WRITE=1` writes them anew.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from tests.support.deployment_files import CHART, HELM, ROOT, load
from tests.support.pod_policy import Manifest, faults, pod_templates

RENDERED = ROOT / "tests" / "unit" / "helm" / "rendered"
KUBERNETES = ("1.30", "1.37")  # the oldest that the chart takes, and the newest whose schemas there are
HEAD = "# The chart with the values of `{name}`, as Helm renders it, by `make helm WRITE=1`: do not edit.\n# chart: {digest}\n"
# Of others' operators: Kubernetes has no schema of them. A RayCluster's pods have one.
CUSTOM = frozenset({"RayCluster", "ServiceMonitor", "PrometheusRule"})


def value_sets() -> dict[str, dict[str, Any]]:
    """The defaults with the one value that has none, and each example."""
    examples = {path.stem: load(path) for path in sorted((HELM / "examples").glob("*.yaml"))}
    return {"default": {"settings": {"root": "s3://bucket/slipstream"}}, **examples}


def digest() -> str:
    """Of every file that the rendered ones follow from."""
    files = [path for path in sorted(CHART.rglob("*")) if path.is_file()] + sorted((HELM / "examples").glob("*.yaml"))
    found = hashlib.sha256()
    for path in files:
        found.update(f"{path.relative_to(HELM)}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()


def read(name: str) -> list[dict[str, Any]]:
    """The manifests of a file under `rendered`."""
    return [document for document in yaml.safe_load_all((RENDERED / f"{name}.yaml").read_text()) if document]


def said_digest(name: str) -> str:
    """Of which chart such a file says that it is."""
    return (RENDERED / f"{name}.yaml").read_text().splitlines()[1].removeprefix("# chart: ")


def render(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What `helm install slipstream` would make of them, hooks included. Raises Helm's errors."""
    import helm_python

    with helm_python.Chart.load(str(CHART)) as chart:
        chart.validate_schema(dict(values))
        texts = chart.render(dict(values), name="slipstream", namespace="slipstream")
    files = sorted((name, text) for name, text in texts.items() if name.endswith(".yaml"))
    return [document for _, text in files for document in yaml.safe_load_all(text) if document]


def text_of(name: str, manifests: list[dict[str, Any]]) -> str:
    dumped = yaml.safe_dump_all(manifests, sort_keys=True, width=130, explicit_start=True)
    return HEAD.format(name=name, digest=digest()) + dumped


def schema_faults(manifest: Manifest) -> Iterator[str]:
    """What Kubernetes' own schemas say, in their strict form: a field that is not there is a fault too."""
    from kubernetes_validate.utils import ValidationError, validate

    if manifest["kind"] in CUSTOM:
        spec = [template["spec"] for _, template in pod_templates(manifest)]
        asked = [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, "spec": each} for each in spec]
    else:
        asked = [dict(manifest)]
    for document in asked:
        for version in KUBERNETES:
            try:
                validate(document, version, strict=True)
            except ValidationError as error:
                where = ".".join(map(str, error.absolute_path))
                yield f"{manifest['kind']}/{manifest['metadata']['name']}: Kubernetes {version}: {where}: {error.message[:300]}"


def lint() -> list[str]:
    """What `helm lint` calls an error."""
    import helm_python

    return [str(error) for error in helm_python.lint(str(CHART), values=value_sets()["default"])["errors"]]


def check(name: str, values: Mapping[str, Any], *, write: bool) -> list[str]:
    manifests = render(values)
    path, text = RENDERED / f"{name}.yaml", text_of(name, manifests)
    found = [fault for manifest in manifests for fault in (*faults(manifest), *schema_faults(manifest))]
    if write:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    elif not path.exists() or path.read_text() != text:
        found.append(f"{path.relative_to(ROOT)} is not what the chart renders: make helm WRITE=1")
    print(f"helm: {name}: {len(manifests)} manifests, {len(found)} faults")
    return found


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write what is rendered, whatever was there")
    options = parser.parse_args(arguments)
    found = [*lint(), *(fault for name, values in value_sets().items() for fault in check(name, values, write=options.write))]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
