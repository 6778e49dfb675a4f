"""What leaves otelscore: figures as Prometheus text."""
