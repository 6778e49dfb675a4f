"""Realistic agent traffic to try otelscore with: made up by `plan`, written as spans by `wire`, sent by `traffic`."""
