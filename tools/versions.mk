# The tools that make installs by itself, pinned. buf is pinned by tools/buf/package-lock.json, the
# protobuf plugins by the tool lines of go.mod, everything else by go.mod. Why: docs/adr/0005-tools-and-pins.md.
GOLANGCI_LINT_VERSION := v2.15.0
