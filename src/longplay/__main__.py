"""`python -m longplay`: the command line without its installed script."""

from longplay.cli.main import run

run()
