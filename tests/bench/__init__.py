"""The benchmark tables: `python -m tests.bench [section …]`, or `make bench` for all of them."""
