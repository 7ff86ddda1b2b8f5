"""The command line: one file a command; `main` joins them and turns errors into exit codes."""
