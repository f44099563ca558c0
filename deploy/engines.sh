#!/usr/bin/env bash
# Fetches engines and brokers for this machine:  engines.sh [--pin] [prism|kafka|flink ...]   (all, if none is named)
# Into .engines ($SEGONE_ENGINES names another folder), from public registries, in fixed versions. What is there stays.
# Jars must have the SHA-256 of engines/*.sha256; --pin writes these anew, after a change of a version in a pom.
# Prism is built by Go, which checks every module against the public checksum database; ours is named here besides.
set -euo pipefail
cd "$(dirname "$0")/.."
engines=${SEGONE_ENGINES:-.engines}
mkdir -p "$engines"
engines=$(cd "$engines" && pwd)
beam=v2.77.0
beam_sum=h1:RsC61pHEvtySEHAURQyP/+CVOJm/hy5hewuG9JF0+Ow=

say() { echo "engines: $*"; }
fail() { say "$*" >&2; exit 1; }

# Tells whether the programs are there; fails if the engine was asked for by name.
have() {
    local engine=$1 program
    shift
    for program in "$@"; do
        if ! command -v "$program" >/dev/null; then
            local told="$engine needs \`$program\`, which is not on the PATH; install it and call make engines again"
            if [ "$named" = yes ]; then fail "$told"; fi
            say "skipped: $told"
            return 1
        fi
    done
}

sums() { # FILES: the SHA-256 and name of each, in order of their names
    if command -v sha256sum >/dev/null; then sha256sum "$@"; else shasum -a 256 "$@"; fi |
        sed 's#  .*/#  #' | LC_ALL=C sort -k 2
}

jar_sums() { # CLASSPATH: of its jars, without what we compiled
    local -a jars
    IFS=: read -r -a jars < <(tr -d '\n' <"$1" && echo)
    [ "${jars[0]}" != "$engines/flink-mended.jar" ] || jars=("${jars[@]:1}")
    sums "${jars[@]}"
}

prism() {
    if built; then say "prism $beam is there"; return; fi
    have prism go || return 0
    say "building prism $beam (some minutes, the first time)"
    GOBIN="$engines" GOFLAGS= go install "github.com/apache/beam/sdks/v2/go/cmd/prism@$beam"
    built || fail "$engines/prism is not Beam $beam with the checksum $beam_sum; delete it, and see that GOPROXY and GOSUMDB are as Go has them"
    say "prism $beam is built"
}

built() {
    [ -x "$engines/prism" ] || return 1
    if ! command -v go >/dev/null; then return 0; fi
    go version -m "$engines/prism" | grep -qF "$(printf 'mod\tgithub.com/apache/beam/sdks/v2\t%s\t%s' "$beam" "$beam_sum")"
}

kafka() {
    jars kafka
}

flink() {
    jars flink
}

jars() { # ENGINE: its class path, from its pom
    local engine=$1 classpath="$engines/$1.classpath" pinned="deploy/engines/$1.sha256"
    if [ -z "$pin" ] && [ -s "$classpath" ] && jar_sums "$classpath" 2>/dev/null | cmp -s - "$pinned" && mended "$engine"; then
        say "$engine is there"
        return
    fi
    have "$engine" java javac jar mvn || return 0
    say "fetching $engine"
    rm -f "$classpath"
    mvn -q -B -f "deploy/engines/$engine.pom.xml" dependency:build-classpath \
        -Dmdep.includeScope=runtime -Dmdep.pathSeparator=: -Dmdep.outputFile="$classpath.new" >&2
    if [ -n "$pin" ]; then jar_sums "$classpath.new" >"$pinned"; fi
    if ! jar_sums "$classpath.new" | diff "$pinned" - >&2; then
        fail "the jars above are not those of $pinned (< wanted, > fetched). Delete them from Maven's repository (~/.m2) and try again; if they still differ, do not run them"
    fi
    if [ "$engine" = flink ]; then mend "$classpath.new"; fi
    mv "$classpath.new" "$classpath"
    say "$engine is there: $(wc -l <"$pinned" | tr -d ' ') jars, checked"
}

mended() { # ENGINE: whether what we compile for it is newer than its source
    [ "$1" != flink ] || [ "$engines/flink-mended.jar" -nt deploy/engines/java/BundleCheckpointHandlers.java ]
}

mend() { # CLASSPATH: put our class, which does not leak the states of sources, before Beam's
    local classes
    classes=$(mktemp -d)
    javac -nowarn --release 11 -d "$classes" -cp "$(cat "$1")" deploy/engines/java/*.java
    jar --create --file "$engines/flink-mended.jar" -C "$classes" . -C deploy/engines NOTICE
    rm -r "$classes"
    printf '%s:%s' "$engines/flink-mended.jar" "$(cat "$1")" >"$1.mended"
    mv "$1.mended" "$1"
}

pin=
if [ "${1-}" = --pin ]; then pin=yes; shift; fi
named=yes
if [ $# -eq 0 ]; then named=no; set -- prism kafka flink; fi
building=
trap '[ -z "$building" ] || wait "$building"' EXIT
for engine in "$@"; do
    case $engine in
    prism) prism & building=$! ;; # Go computes while Maven fetches
    kafka | flink) "$engine" ;;
    *) fail "no engine \`$engine\`; there are prism, kafka and flink" ;;
    esac
done
if [ -n "$building" ]; then wait "$building"; building=; fi
