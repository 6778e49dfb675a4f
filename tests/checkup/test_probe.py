"""Which endpoint the doctor takes from command line and environment. How it probes: tests/cli/test_doctor.py."""

from __future__ import annotations

import pytest

from otelscore.checkup.probe import endpoint_of

DEFAULT = "http://127.0.0.1:4317"


@pytest.mark.parametrize(
    ("given", "url", "way"),
    [
        ("127.0.0.1:4317", "http://127.0.0.1:4317", "OTLP/gRPC"),
        ("https://otel.example:4317", "https://otel.example:4317", "OTLP/gRPC"),
        ("127.0.0.1:4318", "http://127.0.0.1:4318/v1/traces", "OTLP/HTTP"),
        ("https://otel.example/", "https://otel.example:443", "OTLP/gRPC"),
        ("https://otel.example/otlp", "https://otel.example:443/otlp/v1/traces", "OTLP/HTTP"),
        ("http://[::1]:9/v1/traces", "http://[::1]:9/v1/traces", "OTLP/HTTP"),
    ],
)
def test_a_path_or_port_4318_means_http(given, url, way):
    endpoint = endpoint_of(given, DEFAULT, {})
    assert (endpoint.url, endpoint.way) == (url, way)


def test_the_environment_of_exporters_counts_where_nothing_is_given():
    assert endpoint_of(None, DEFAULT, {}).url == DEFAULT
    told = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:1", "OTEL_EXPORTER_OTLP_CERTIFICATE": "ca.pem"}
    assert endpoint_of(None, DEFAULT, told).url == "http://a:1"
    assert endpoint_of(None, DEFAULT, told).ca_file == "ca.pem"
    assert endpoint_of("b:2", DEFAULT, told).url == "http://b:2"
    nearer = {
        **told,
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:3",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    }
    assert endpoint_of(None, DEFAULT, nearer).url == "http://c:3/v1/traces"


@pytest.mark.parametrize("given", ["ftp://a:1", "http://", "a:b", "a:99999"])
def test_what_is_no_endpoint_is_refused(given):
    with pytest.raises(ValueError, match=r".+"):
        endpoint_of(given, DEFAULT, {})
