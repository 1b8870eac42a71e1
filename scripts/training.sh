# shellcheck shell=sh
# What scripts/profile and scripts/layout share; sourced after env.sh, never run. An origin and the program in front of it:
#   folder     a temporary folder; what was started and it are gone when the script ends
#   origin     the address of the origin, after start_origin
#   served     where the program serves, admin: where its admin API is, after start

folder=$(mktemp -d)
origin_process=''
serving=''
end_training() {
    [ -z "$serving" ] || kill "$serving" 2>/dev/null || true
    [ -z "$origin_process" ] || kill "$origin_process" 2>/dev/null || true
    rm -rf "$folder"
}
trap end_training EXIT
# Otherwise a shell that is told to end would leave them.
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# await FILE PATTERN: until the pattern stands in the file, for a minute at most.
await() {
    for _ in $(seq 60); do
        grep -q "$2" "$1" && return
        sleep 1
    done
    die "nothing started within a minute: $(cat "$1")"
}

# start_origin: the bench's bare responder, with answers that may be stored.
start_origin() {
    cargo build --release -p peregrine-bench
    "$CARGO_TARGET_DIR/release/peregrine-bench" floor --field 'Cache-Control: max-age=600' --field 'ETag: "one"' \
        >"$folder/origin" 2>&1 &
    origin_process=$!
    await "$folder/origin" '127\.0\.0\.1:[0-9]'
    origin=$(grep -o '127\.0\.0\.1:[0-9]*' "$folder/origin" | head -n 1)
}

# configure [LINE...]: the configuration of the program, with these lines in its end.
configure() {
    cat >"$folder/peregrine.toml" <<TOML
[server]
workers = 1
state_dir = "$folder/state"
[admin]
address = "127.0.0.1:0"
[[upstream]]
name = "origin"
targets = ["http://$origin"]
[[route]]
upstream = "origin"
[[listener]]
address = "127.0.0.1:0"
h2c = true
TOML
    printf '%s\n' "$@" >>"$folder/peregrine.toml"
}

# start PROGRAM [ARGUMENT...]: serves by the configuration.
start() {
    : >"$folder/out"
    "$@" serve --config "$folder/peregrine.toml" >"$folder/out" 2>&1 &
    serving=$!
    await "$folder/out" ' ready '
    served=$(addresses serving | head -n 1)
    admin=$(addresses admin)
}

# addresses WORD: what the program says behind this word of where it listens.
addresses() { grep -o "$1  *https\{0,1\}://[0-9.:]*" "$folder/out" | grep -o 'http.*'; }

# stop: as Ctrl-C does.
stop() {
    kill -INT "$serving"
    wait "$serving" || true
    serving=''
}

# ask PATH [OPTION...]: a request to the program.
ask() {
    asked=$1
    shift
    curl --silent --show-error --output /dev/null --max-time 60 "$@" "$served$asked" || die "no answer to $asked"
}

# told PATH [OPTION...]: a call of its admin API.
told() {
    called=$1
    shift
    curl --silent --show-error --fail --output /dev/null --max-time 60 -H "Authorization: Bearer $(cat "$folder/state/admin.token")" \
        "$@" "$admin$called" || die "no answer to $called"
}

# visit: each kind of request once or twice, and the calls of a dashboard.
visit() {
    for page in 1 2 1 2 1 2; do
        ask "/bytes/1024/$page"
        ask "/bytes/100000/$page"
        ask "/bytes/1024/$page" -H 'If-Modified-Since: Sun, 22 Nov 2026 00:00:00 GMT'
        ask "/bytes/10240/$page" -H 'Range: bytes=0-99'
        ask "/bytes/1024/$page" -X POST --data page
        ask "/bytes/1024/$page" --http2-prior-knowledge
    done
    told /metrics
    told /api/performance/summary
    told /api/performance/cache/stats
    told /api/performance/cache/invalidate -H 'Content-Type: application/json' --data '{"all": true}'
    told /dashboard/performance
}
