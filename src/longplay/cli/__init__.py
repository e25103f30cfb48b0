"""The command line: parse, call, print. No logic here; nothing else prints or exits."""
