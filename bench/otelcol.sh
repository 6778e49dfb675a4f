#!/usr/bin/env bash
# Builds a real Collector (go, several minutes, 2 GB) with what deploy/collector/*.yaml use, and lets it judge them.
# The first argument is a folder that keeps the build; a second run there takes seconds.
set -euo pipefail
configs=$(cd "$(dirname "$0")/../deploy/collector" && pwd)
mkdir -p "${1:?a folder to build in}" && cd "$1"
version=v0.160.0
core=go.opentelemetry.io/collector contrib=github.com/open-telemetry/opentelemetry-collector-contrib

cat > manifest.yaml <<END
dist: {name: otelcol, output_path: ./otelcol}
extensions:
  - {gomod: $contrib/extension/healthcheckextension $version}
receivers:
  - {gomod: $core/receiver/otlpreceiver $version}
processors:
  - {gomod: $core/processor/memorylimiterprocessor $version}
  - {gomod: $contrib/processor/tailsamplingprocessor $version}
exporters:
  - {gomod: $core/exporter/otlpexporter $version}
  - {gomod: $contrib/exporter/loadbalancingexporter $version}
END
[ -x builder ] || GOBIN=$PWD go install $core/cmd/builder@$version
[ -x otelcol/otelcol ] || ./builder --config manifest.yaml
for config in "$configs"/*.yaml; do
    echo "$(basename "$config"): $(./otelcol/otelcol validate --config "$config" 2>&1 && echo valid)"
done
