#!/usr/bin/env bash
# Known vulnerabilities in what is called of the modules that we depend on. The program and its database come from the network:
# where one of them cannot be reached nothing is checked, and the script says so. What is found fails.
#
# GOVULNDB names another database, for instance a copy in a folder: GOVULNDB=file:///var/lib/vulndb. It has to be there.
# https://vuln.go.dev/vulndb.zip is such a copy.
set -euo pipefail
cd "$(dirname "$0")/.."

version=v1.9.0
bin="$(go env GOPATH)/bin/govulncheck"
if [ ! -x "$bin" ] && ! go install "golang.org/x/vuln/cmd/govulncheck@$version"; then
  echo "skipped: govulncheck $version is not installed and cannot be fetched"
  exit 0
fi
output="$(mktemp)"
trap 'rm -f "$output"' EXIT
if timeout 300 "$bin" -db "${GOVULNDB:-https://vuln.go.dev}" ./... >"$output" 2>&1; then
  cat "$output"
  exit 0
fi
cat "$output"
if grep -q '^Vulnerability #' "$output"; then
  exit 1
fi
if [ -z "${GOVULNDB:-}" ] && grep -qE 'fetching vulnerabilities|vuln\.go\.dev|dial tcp|no such host|timeout' "$output"; then
  echo "skipped: the database of vulnerabilities cannot be reached"
  exit 0
fi
echo "govulncheck did not end with a result"
exit 1
