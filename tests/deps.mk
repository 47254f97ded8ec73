# What a machine needs, and how `make deps` gets it.

check-tools:
	@for p in $(PKGS); do pkg-config --exists $$p || { echo "missing library: $$p (run: make deps)" >&2; exit 1; }; done
.PHONY: check-tools
