"""The Grafana dashboards, built from code. `python -m dashboards` writes them to dashboards/json."""
