"""OpenTelemetry trace processor that scores AI-agent runs: step success, recovery and what they imply."""

__version__ = "0.1.0"
