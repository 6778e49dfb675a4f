"""`python -m otelscore` is `otelscore`."""

from otelscore.cli.main import main

main()
